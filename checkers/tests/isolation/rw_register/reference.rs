//! Isolation as it is defined, by trying every order of commits: Biswas and Enea, "On the Complexity of
//! Checking Transactional Consistency", 2019, and for serializability a replay.
//!
//! Written apart from the checker: nothing is inferred here. Transactions that nobody knows the end of
//! are tried both ways.

use squall_checkers::history::Outcome;
use squall_checkers::isolation::rw_register::Order;

/// The models that the reference knows, by their names.
pub(super) const MODELS: [&str; 12] = [
    "read-committed",
    "strong-session-read-committed",
    "strong-read-committed",
    "monotonic-atomic-view",
    "read-atomic",
    "transactional-causal",
    "snapshot-isolation",
    "strong-session-snapshot-isolation",
    "strong-snapshot-isolation",
    "serializable",
    "strong-session-serializable",
    "strict-serializable",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// `None` is the initial value.
    Read(u32, Option<i64>),
    Write(u32, i64),
}

#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) process: u64,
    pub(super) outcome: Outcome,
    pub(super) invoked: u32,
    pub(super) completed: u32,
    pub(super) accesses: Vec<Access>,
}

/// A transaction that happened, in this trial.
struct Happened {
    /// Reads of others: key and the writer's index, in order; `None` is the initial value.
    reads: Vec<(u32, Option<usize>)>,
    /// The keys written.
    writes: Vec<u32>,
}

/// Sets of models, a bit each in the order of [`MODELS`].
pub(super) type Models = u16;

const ALL: Models = (1 << MODELS.len()) - 1;

/// The models that the history satisfies if the versions of each key are ordered as `keys` orders the
/// transactions that visit it.
pub(super) fn satisfied(history: &[Transaction], keys: Order) -> Models {
    let crashed: Vec<usize> = (0..history.len())
        .filter(|&index| history[index].outcome == Outcome::Info)
        .collect();
    let mut satisfied = 0;
    for chosen in 0..1u32 << crashed.len() {
        let present: Vec<usize> = (0..history.len())
            .filter(|&index| match history[index].outcome {
                Outcome::Ok => true,
                Outcome::Fail => false,
                Outcome::Info => {
                    let place = crashed.iter().position(|&other| other == index);
                    chosen >> place.expect("it crashed") & 1 == 1
                }
            })
            .collect();
        satisfied |= satisfied_by(history, &present, keys);
        if satisfied == ALL {
            break;
        }
    }
    satisfied
}

/// The models from `name` on that forbid a transaction to contradict itself.
fn from_read_atomic() -> Models {
    ALL & !0b1111
}

fn satisfied_by(history: &[Transaction], present: &[usize], keys: Order) -> Models {
    let mut allowed = ALL;
    let mut happened = Vec::new();
    for &index in present {
        let transaction = &history[index];
        let Some(reads) = external_reads(history, present, index, &mut allowed) else {
            return 0;
        };
        let mut writes: Vec<u32> = Vec::new();
        for access in &transaction.accesses {
            if let Access::Write(key, _) = access {
                writes.push(*key);
            }
        }
        happened.push(Happened { reads, writes });
    }
    let mut satisfied = 0;
    let mut order = Vec::new();
    let mut search = Search {
        history,
        present,
        happened: &happened,
        keys,
    };
    search.extend(&mut order, allowed, &mut satisfied);
    satisfied
}

/// Whom a transaction read from, as indices among those present; `None` if that cannot be at all.
fn external_reads(
    history: &[Transaction],
    present: &[usize],
    index: usize,
    allowed: &mut Models,
) -> Option<Vec<(u32, Option<usize>)>> {
    let transaction = &history[index];
    let mut reads = Vec::new();
    if transaction.outcome != Outcome::Ok {
        return Some(reads);
    }
    for (place, access) in transaction.accesses.iter().enumerate() {
        let Access::Read(key, value) = *access else {
            continue;
        };
        let before = &transaction.accesses[..place];
        let own = before.iter().rev().find_map(|access| match *access {
            Access::Write(of, value) if of == key => Some(value),
            _ => None,
        });
        let earlier = before.iter().rev().find_map(|access| match *access {
            Access::Read(of, value) if of == key => Some(value),
            _ => None,
        });
        let contradicts = match own {
            Some(own) => Some(own) != value,
            None => earlier.is_some_and(|earlier| earlier != value),
        };
        if contradicts {
            *allowed &= from_read_atomic() ^ ALL;
        }
        let Some(value) = value else {
            if own.is_none() {
                reads.push((key, None));
            }
            continue;
        };
        if own == Some(value) {
            continue;
        }
        let writer = present.iter().position(|&other| {
            let accesses = &history[other].accesses;
            accesses.contains(&Access::Write(key, value))
        })?;
        if present[writer] == index {
            own?;
            continue;
        }
        let last =
            history[present[writer]]
                .accesses
                .iter()
                .rev()
                .find_map(|access| match *access {
                    Access::Write(of, value) if of == key => Some(value),
                    _ => None,
                });
        if last != Some(value) {
            return None;
        }
        if own.is_none() {
            reads.push((key, Some(writer)));
        }
    }
    Some(reads)
}

struct Search<'a> {
    history: &'a [Transaction],
    present: &'a [usize],
    happened: &'a [Happened],
    keys: Order,
}

const NONE: usize = 0;
const PROCESS: usize = 1;
const REALTIME: usize = 2;

impl Search<'_> {
    fn extend(&mut self, order: &mut Vec<usize>, allowed: Models, satisfied: &mut Models) {
        if *satisfied & allowed == allowed {
            return;
        }
        if order.len() == self.happened.len() {
            *satisfied |= self.models_of(order) & allowed;
            return;
        }
        for next in 0..self.happened.len() {
            if !order.contains(&next) {
                order.push(next);
                self.extend(order, allowed, satisfied);
                order.pop();
            }
        }
    }

    /// Whether `a` comes before `b` by processes or by time.
    fn is_ordered(&self, kind: usize, a: usize, b: usize) -> bool {
        let (one, other) = (
            &self.history[self.present[a]],
            &self.history[self.present[b]],
        );
        let returned = one.outcome == Outcome::Ok && one.completed < other.invoked;
        match kind {
            NONE => false,
            PROCESS => returned && one.process == other.process,
            _ => returned,
        }
    }

    /// Whether `b` found no older version of any key than `a` had left.
    fn is_no_older(&self, place: &[usize], a: usize, b: usize) -> bool {
        let read = |transaction: usize, key: u32| {
            let mut reads = self.happened[transaction].reads.iter();
            reads.find_map(|&(of, writer)| (of == key).then_some(writer))
        };
        let written = |transaction: usize, key: u32| {
            let is_written = self.happened[transaction].writes.contains(&key);
            is_written.then_some(Some(transaction))
        };
        let age = |writer: Option<usize>| writer.map(|writer| place[writer]);
        (0..16).all(|key| {
            let left = written(a, key).or_else(|| read(a, key));
            let found = read(b, key).or_else(|| written(b, key));
            match (left, found) {
                (Some(left), Some(found)) => age(left) <= age(found),
                _ => true,
            }
        })
    }

    fn reads_from(&self, reader: usize, writer: usize) -> bool {
        let reads = &self.happened[reader].reads;
        reads.iter().any(|&(_, of)| of == Some(writer))
    }

    fn models_of(&self, order: &[usize]) -> Models {
        let count = order.len();
        let mut place = vec![0; count];
        for (index, &transaction) in order.iter().enumerate() {
            place[transaction] = index;
        }
        let pairs = || (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
        let kind = self.keys as usize;
        if !pairs().all(|(a, b)| !self.is_ordered(kind, a, b) || self.is_no_older(&place, a, b)) {
            return 0;
        }
        let extends = |kind: usize| {
            pairs().all(|(a, b)| {
                let first = self.is_ordered(kind, a, b) || self.reads_from(b, a);
                !first || place[a] < place[b]
            })
        };
        let mut models = 0;
        let mut note = |model: &str, holds: bool| {
            let index = MODELS.iter().position(|&name| name == model);
            models |= Models::from(holds) << index.expect("a model of the list");
        };
        let extends = [extends(NONE), extends(PROCESS), extends(REALTIME)];
        note("read-committed", extends[NONE]);
        note("strong-session-read-committed", extends[PROCESS]);
        note("strong-read-committed", extends[REALTIME]);
        note(
            "monotonic-atomic-view",
            extends[NONE] && self.holds_by_read(&place),
        );
        note(
            "read-atomic",
            extends[NONE] && self.holds(&place, |a, b| self.reads_from(b, a)),
        );
        let before = self.closure(PROCESS);
        note(
            "transactional-causal",
            extends[PROCESS] && self.holds(&place, |a, b| before[a][b]),
        );
        for (kind, snapshot, serial) in [
            (NONE, "snapshot-isolation", "serializable"),
            (
                PROCESS,
                "strong-session-snapshot-isolation",
                "strong-session-serializable",
            ),
            (REALTIME, "strong-snapshot-isolation", "strict-serializable"),
        ] {
            let visible = |a, b| self.is_visible(kind, &place, a, b);
            note(snapshot, extends[kind] && self.holds(&place, visible));
            note(serial, extends[kind] && self.replays(order));
        }
        models
    }

    /// The axiom of every level: who wrote what a transaction read, if the level says that the
    /// transaction saw another writer of the key, came after that one.
    fn holds(&self, place: &[usize], sees: impl Fn(usize, usize) -> bool) -> bool {
        (0..place.len()).all(|reader| {
            self.happened[reader].reads.iter().all(|&(key, writer)| {
                (0..place.len()).all(|other| {
                    let is_other = Some(other) != writer && other != reader;
                    let applies = is_other
                        && self.happened[other].writes.contains(&key)
                        && sees(other, reader);
                    !applies || writer.is_some_and(|writer| place[other] < place[writer])
                })
            })
        })
    }

    /// The axiom for read committed of Biswas and Enea: what a transaction read before counts.
    fn holds_by_read(&self, place: &[usize]) -> bool {
        (0..place.len()).all(|reader| {
            let reads = &self.happened[reader].reads;
            reads.iter().enumerate().all(|(at, &(key, writer))| {
                reads[..at].iter().all(|&(_, before)| {
                    let Some(other) = before else { return true };
                    let applies =
                        Some(other) != writer && self.happened[other].writes.contains(&key);
                    !applies || writer.is_some_and(|writer| place[other] < place[writer])
                })
            })
        })
    }

    fn closure(&self, kind: usize) -> Vec<Vec<bool>> {
        let count = self.happened.len();
        let before = |a, b| self.is_ordered(kind, a, b) || self.reads_from(b, a);
        let row = |a| (0..count).map(|b| before(a, b)).collect();
        let mut before: Vec<Vec<bool>> = (0..count).map(row).collect();
        for middle in 0..count {
            for a in 0..count {
                for b in 0..count {
                    before[a][b] |= before[a][middle] && before[middle][b];
                }
            }
        }
        before
    }

    /// Prefix and conflict, the two axioms of snapshot isolation.
    fn is_visible(&self, kind: usize, place: &[usize], a: usize, b: usize) -> bool {
        (0..place.len()).any(|middle| {
            if place[a] > place[middle] {
                return false;
            }
            let prefix = self.is_ordered(kind, middle, b) || self.reads_from(b, middle);
            let mut shared = self.happened[middle].writes.iter();
            let conflict =
                place[middle] < place[b] && shared.any(|key| self.happened[b].writes.contains(key));
            prefix || conflict
        })
    }

    fn replays(&self, order: &[usize]) -> bool {
        let mut state: Vec<Option<usize>> = vec![None; 16];
        for &transaction in order {
            let Happened { reads, writes } = &self.happened[transaction];
            if reads
                .iter()
                .any(|&(key, writer)| state[key as usize] != writer)
            {
                return false;
            }
            for &key in writes {
                state[key as usize] = Some(transaction);
            }
        }
        true
    }
}
