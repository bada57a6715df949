//! Serializability and snapshot isolation by their definitions, tried out: every choice of what happened,
//! in every order.

use squall_checkers::history::Outcome;

pub(super) type State = Option<i64>;

/// What the database holds: two keys or three.
pub(super) type Universe = Vec<State>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predicate {
    True,
    Equals(i64),
    Odd,
    Below(i64),
    Above(i64),
}

impl Predicate {
    pub(super) fn matches(self, state: State) -> bool {
        state.is_some_and(|value| match self {
            Self::True => true,
            Self::Equals(wanted) => value == wanted,
            Self::Odd => value % 2 == 1,
            Self::Below(end) => value < end,
            Self::Above(start) => value > start,
        })
    }

    pub(super) fn select(self, universe: &Universe) -> Vec<(usize, i64)> {
        let states = universe.iter().copied().enumerate();
        let found = states.filter(|&(_, state)| self.matches(state));
        found
            .filter_map(|(key, state)| Some((key, state?)))
            .collect()
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Write(usize, State),
    Read(usize, State),
    Select(Predicate, Vec<(usize, i64)>),
}

#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) process: u64,
    pub(super) outcome: Outcome,
    pub(super) invoked: usize,
    pub(super) completed: usize,
    pub(super) steps: Vec<Step>,
}

impl Transaction {
    /// What is there after it, if what it read was what was there before.
    pub(super) fn run(&self, mut universe: Universe) -> Option<Universe> {
        for step in &self.steps {
            let fits = match step {
                Step::Write(key, state) => {
                    universe[*key] = *state;
                    true
                }
                _ if self.outcome != Outcome::Ok => true,
                Step::Read(key, state) => universe[*key] == *state,
                Step::Select(predicate, found) => predicate.select(&universe) == *found,
            };
            if !fits {
                return None;
            }
        }
        Some(universe)
    }

    fn writes(&self) -> impl Iterator<Item = (usize, State)> {
        self.steps.iter().filter_map(|step| match *step {
            Step::Write(key, state) => Some((key, state)),
            _ => None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    None,
    Process,
    Realtime,
}

impl Order {
    fn is_before(self, one: &Transaction, other: &Transaction) -> bool {
        let has_ended = one.outcome == Outcome::Ok && one.completed < other.invoked;
        has_ended
            && match self {
                Self::None => false,
                Self::Process => one.process == other.process,
                Self::Realtime => true,
            }
    }
}

/// Every choice of those that happened.
fn choices(all: &[Transaction]) -> impl Iterator<Item = Vec<&Transaction>> {
    (0..1_u32 << all.len()).filter_map(move |chosen| {
        let is_chosen = |index: usize| chosen >> index & 1 == 1;
        let is_choice = all
            .iter()
            .enumerate()
            .all(|(index, one)| match one.outcome {
                Outcome::Ok => is_chosen(index),
                Outcome::Fail => !is_chosen(index),
                Outcome::Info => true,
            });
        let chosen = all
            .iter()
            .enumerate()
            .filter(|&(index, _)| is_chosen(index));
        is_choice.then(|| chosen.map(|(_, one)| one).collect())
    })
}

pub(super) fn is_serializable(initial: &Universe, all: &[Transaction], order: Order) -> bool {
    choices(all).any(|happened| {
        let mut done = vec![false; happened.len()];
        serialize(initial, &happened, order, &mut done)
    })
}

fn serialize(now: &Universe, all: &[&Transaction], order: Order, done: &mut [bool]) -> bool {
    if done.iter().all(|&done| done) {
        return true;
    }
    (0..all.len()).any(|next| {
        let is_free =
            (0..all.len()).all(|other| done[other] || !order.is_before(all[other], all[next]));
        if done[next] || !is_free {
            return false;
        }
        let Some(then) = all[next].run(now.clone()) else {
            return false;
        };
        done[next] = true;
        let is_possible = serialize(&then, all, order, done);
        done[next] = false;
        is_possible
    })
}

/// Each reads what was committed when it began, and nobody commits to what it writes until it commits.
pub(super) fn is_snapshot_isolated(initial: &Universe, all: &[Transaction], order: Order) -> bool {
    choices(all).any(|happened| {
        let mut trial = Trial {
            all: &happened,
            order,
            snapshots: vec![None; happened.len()],
            committed: vec![None; happened.len()],
            commits: 0,
        };
        trial.is_possible(initial)
    })
}

struct Trial<'a> {
    all: &'a [&'a Transaction],
    order: Order,
    /// How many commits there were when each began.
    snapshots: Vec<Option<usize>>,
    committed: Vec<Option<usize>>,
    commits: usize,
}

impl Trial<'_> {
    fn is_possible(&mut self, now: &Universe) -> bool {
        if self.committed.iter().all(Option::is_some) {
            return true;
        }
        (0..self.all.len()).any(|next| match (self.snapshots[next], self.committed[next]) {
            (None, _) => self.begin(next, now),
            (Some(_), None) => self.commit(next, now),
            _ => false,
        })
    }

    fn begin(&mut self, next: usize, now: &Universe) -> bool {
        let all = self.all;
        let is_free = (0..all.len()).all(|other| {
            self.committed[other].is_some() || !self.order.is_before(all[other], all[next])
        });
        if !is_free || all[next].run(now.clone()).is_none() {
            return false;
        }
        self.snapshots[next] = Some(self.commits);
        let is_possible = self.is_possible(now);
        self.snapshots[next] = None;
        is_possible
    }

    fn commit(&mut self, next: usize, now: &Universe) -> bool {
        let all = self.all;
        let wrote = |one: &Transaction, key: usize| one.writes().any(|(other, _)| other == key);
        let has_rival = (0..all.len()).any(|other| {
            let is_concurrent = self.committed[other] > self.snapshots[next];
            is_concurrent && all[next].writes().any(|(key, _)| wrote(all[other], key))
        });
        if has_rival {
            return false;
        }
        let mut then = now.clone();
        for (key, state) in all[next].writes() {
            then[key] = state;
        }
        self.commits += 1;
        self.committed[next] = Some(self.commits);
        let is_possible = self.is_possible(&then);
        self.committed[next] = None;
        self.commits -= 1;
        is_possible
    }
}
