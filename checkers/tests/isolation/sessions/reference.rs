//! Definitions, tried out: every order of the writes, every set of writes that each read may see, and
//! every order of the operations.

use squall_checkers::history::Outcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) process: u64,
    pub(super) key: i64,
    pub(super) kind: Kind,
    /// What was written, or what a read saw; `None` is the initial value.
    pub(super) value: Option<i64>,
    pub(super) outcome: Outcome,
}

/// The choices of what happened: operations that crashed may have or not.
fn trials(operations: &[Operation]) -> Vec<Vec<&Operation>> {
    let crashed: Vec<usize> = (0..operations.len())
        .filter(|&index| {
            operations[index].outcome == Outcome::Info && operations[index].kind == Kind::Write
        })
        .collect();
    let chosen = 0..1u32 << crashed.len();
    let trial = chosen.map(|chosen| {
        let happened = (0..operations.len()).filter(|index| {
            let place = crashed.iter().position(|other| other == index);
            match operations[*index].outcome {
                Outcome::Ok => true,
                Outcome::Fail => false,
                Outcome::Info => place.is_some_and(|place| chosen >> place & 1 == 1),
            }
        });
        happened.map(|index| &operations[index]).collect()
    });
    trial.collect()
}

/// Whether the guarantees of the set hold: bit 0 read your writes, 1 monotonic reads, 2 monotonic
/// writes, 3 writes follow reads.
pub(super) fn guarantees_hold(operations: &[Operation], set: u8) -> bool {
    trials(operations).into_iter().any(|happened| {
        let writes: Vec<usize> = (0..happened.len())
            .filter(|&index| happened[index].kind == Kind::Write)
            .collect();
        let mut orders = Vec::new();
        permutations(&writes, &mut Vec::new(), &mut orders);
        orders.iter().any(|order| {
            let trial = Trial {
                happened: &happened,
                order,
                set,
            };
            trial.monotonic_writes() && trial.some_view(&mut Vec::new())
        })
    })
}

fn permutations(items: &[usize], chosen: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
    if chosen.len() == items.len() {
        all.push(chosen.clone());
        return;
    }
    for &item in items {
        if !chosen.contains(&item) {
            chosen.push(item);
            permutations(items, chosen, all);
            chosen.pop();
        }
    }
}

struct Trial<'a> {
    happened: &'a [&'a Operation],
    /// All writes in the order that all agree on.
    order: &'a [usize],
    set: u8,
}

impl Trial<'_> {
    fn asks(&self, bit: u8) -> bool {
        self.set >> bit & 1 == 1
    }

    /// Whether one operation of a process precedes another, and is known to have ended.
    fn precedes(&self, one: usize, other: usize) -> bool {
        let (a, b) = (self.happened[one], self.happened[other]);
        one < other && a.process == b.process && a.outcome == Outcome::Ok
    }

    fn comes_first(&self, one: usize, other: usize) -> bool {
        let place = |write| self.order.iter().position(|&at| at == write);
        place(one) < place(other)
    }

    fn monotonic_writes(&self) -> bool {
        let pairs = || {
            self.order
                .iter()
                .flat_map(|a| self.order.iter().map(move |b| (*a, *b)))
        };
        !self.asks(2) || pairs().all(|(a, b)| !self.precedes(a, b) || self.comes_first(a, b))
    }

    /// Whether the reads from the next one on can each see some set of writes.
    fn some_view(&self, views: &mut Vec<(usize, u32)>) -> bool {
        let from = views.last().map_or(0, |&(read, _)| read + 1);
        let next = (from..self.happened.len()).find(|&at| self.happened[at].kind == Kind::Read);
        let Some(read) = next else {
            return true;
        };
        (0..1u32 << self.order.len()).any(|view| {
            if !self.may_see(read, view, views) {
                return false;
            }
            views.push((read, view));
            let rest = self.some_view(views);
            views.pop();
            rest
        })
    }

    fn may_see(&self, read: usize, view: u32, views: &[(usize, u32)]) -> bool {
        let sees = |view: u32, write: usize| {
            let place = self.order.iter().position(|&at| at == write);
            place.is_some_and(|place| view >> place & 1 == 1)
        };
        let operation = self.happened[read];
        let mut of_key = self
            .order
            .iter()
            .filter(|&&write| sees(view, write) && self.happened[write].key == operation.key);
        let last = of_key.next_back().map(|&write| self.happened[write].value);
        if last.unwrap_or(None) != operation.value {
            return false;
        }
        let own = !self.asks(0)
            || self
                .order
                .iter()
                .all(|&write| !self.precedes(write, read) || sees(view, write));
        let monotonic = !self.asks(1)
            || views
                .iter()
                .all(|&(earlier, seen)| !self.precedes(earlier, read) || seen & !view == 0);
        let follows = !self.asks(3)
            || self.order.iter().all(|&write| {
                let mut seen = self.order.iter().filter(|&&other| sees(view, other));
                !self.precedes(read, write) || seen.all(|&other| self.comes_first(other, write))
            });
        own && monotonic && follows
    }
}

/// Whether one order that keeps that of each process explains every read.
pub(super) fn is_sequential(operations: &[Operation]) -> bool {
    trials(operations).into_iter().any(|happened| {
        let mut state = vec![None; 8];
        extend(&happened, 0, &mut state)
    })
}

fn extend(happened: &[&Operation], taken: u32, state: &mut Vec<Option<i64>>) -> bool {
    if taken.count_ones() as usize == happened.len() {
        return true;
    }
    (0..happened.len()).any(|next| {
        let operation = happened[next];
        let is_free = (0..next).all(|before| {
            let other = happened[before];
            let is_before = other.process == operation.process && other.outcome == Outcome::Ok;
            !is_before || taken >> before & 1 == 1
        });
        if taken >> next & 1 == 1 || !is_free {
            return false;
        }
        let key = operation.key as usize;
        let before = state[key];
        if operation.kind == Kind::Read && before != operation.value {
            return false;
        }
        if operation.kind == Kind::Write {
            state[key] = operation.value;
        }
        let rest = extend(happened, taken | 1 << next, state);
        state[key] = before;
        rest
    })
}
