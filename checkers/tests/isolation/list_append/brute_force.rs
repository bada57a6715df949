//! Models by their definitions: every order, every begin and commit, tried one after another.

use super::small::{Step, Transaction};
use squall_checkers::history::Outcome;
use std::collections::BTreeMap;

/// What besides the data orders transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Free,
    Session,
    Realtime,
}

pub(crate) const ORDERS: [Order; 3] = [Order::Free, Order::Session, Order::Realtime];

fn must_precede(order: Order, before: &Transaction, after: &Transaction) -> bool {
    let has_ended = before.outcome == Outcome::Ok && before.completed < after.invoked;
    match order {
        Order::Free => false,
        Order::Session => has_ended && before.process == after.process,
        Order::Realtime => has_ended,
    }
}

/// The list of each key; of small keys.
#[derive(Default)]
struct Lists(Vec<Vec<u32>>);

impl Lists {
    fn of(history: &[Transaction]) -> Self {
        let steps = history.iter().flat_map(|transaction| &transaction.steps);
        let keys = steps.map(|step| match step {
            Step::Append(key, _) | Step::Read(key, _) => *key,
        });
        Self(vec![
            Vec::new();
            keys.max().map_or(0, |key| key as usize + 1)
        ])
    }

    /// Whether a transaction that sees these lists saw what it did. Its appends are there afterwards.
    fn run(&mut self, transaction: &Transaction) -> bool {
        transaction.steps.iter().all(|step| match step {
            Step::Append(key, element) => {
                self.0[*key as usize].push(*element);
                true
            }
            Step::Read(key, list) => {
                transaction.outcome != Outcome::Ok || self.0[*key as usize] == *list
            }
        })
    }

    fn append(&mut self, transaction: &Transaction) {
        for step in &transaction.steps {
            if let Step::Append(key, element) = step {
                self.0[*key as usize].push(*element);
            }
        }
    }

    /// Takes back what a transaction appended, as far as it went.
    fn undo(&mut self, transaction: &Transaction) {
        for step in transaction.steps.iter().rev() {
            if let Step::Append(key, element) = step
                && self.0[*key as usize].last() == Some(element)
            {
                self.0[*key as usize].pop();
            }
        }
    }
}

fn relevant(history: &[Transaction]) -> Vec<&Transaction> {
    let all = history.iter();
    all.filter(|transaction| transaction.outcome != Outcome::Fail)
        .collect()
}

/// Some order of the transactions, one after another, explains all reads.
pub(crate) fn is_serializable(history: &[Transaction], order: Order) -> bool {
    fn search(open: &mut [&Transaction], lists: &mut Lists, order: Order) -> bool {
        // Not happening is what happens to an `info` that nobody chooses.
        if open.iter().all(|it| it.outcome == Outcome::Info) {
            return true;
        }
        (0..open.len()).any(|chosen| {
            open.swap(0, chosen);
            let (next, rest) = open.split_first_mut().expect("it is not empty");
            let is_free = !rest.iter().any(|other| must_precede(order, other, next));
            let mut is_found = false;
            if is_free {
                is_found = lists.run(next) && search(rest, lists, order);
                lists.undo(next);
            }
            open.swap(0, chosen);
            is_found
        })
    }
    search(&mut relevant(history), &mut Lists::of(history), order)
}

/// Whether something holds of some order of those that happened: all `ok`, and any of the `info`.
fn some_order(history: &[Transaction], holds: &dyn Fn(&[&Transaction]) -> bool) -> bool {
    fn search<'a>(
        all: &[&'a Transaction],
        order: &mut Vec<&'a Transaction>,
        holds: &dyn Fn(&[&Transaction]) -> bool,
    ) -> bool {
        let is_placed = |it: &Transaction, order: &[&Transaction]| {
            order.iter().any(|placed| placed.invoked == it.invoked)
        };
        let is_complete = all
            .iter()
            .all(|it| it.outcome == Outcome::Info || is_placed(it, order));
        if is_complete && holds(order) {
            return true;
        }
        all.iter().any(|&next| {
            if is_placed(next, order) {
                return false;
            }
            order.push(next);
            let is_found = search(all, order, holds);
            order.pop();
            is_found
        })
    }
    search(&relevant(history), &mut Vec::new(), holds)
}

fn keys_written(transaction: &Transaction) -> Vec<u32> {
    let steps = transaction.steps.iter();
    steps
        .filter_map(|step| match step {
            Step::Append(key, _) => Some(*key),
            Step::Read(..) => None,
        })
        .collect()
}

/// Each transaction reads a snapshot taken when it begins and its own appends, and commits if nobody
/// committed to its keys since: Berenson et al., "A Critique of ANSI SQL Isolation Levels", 1995.
/// It may begin at any time, after those that `order` puts before it have committed.
pub(crate) fn is_snapshot_isolated(history: &[Transaction], order: Order) -> bool {
    let all = relevant(history);
    let mut schedule = Schedule {
        keys: all.iter().map(|it| keys_written(it)).collect(),
        stages: vec![Stage::Open; all.len()],
        lists: Lists::of(history),
        all,
        order,
    };
    schedule.search(0)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// When it began.
    Running(usize),
    /// When it was committed.
    Committed(usize),
}

struct Schedule<'a> {
    all: Vec<&'a Transaction>,
    keys: Vec<Vec<u32>>,
    stages: Vec<Stage>,
    lists: Lists,
    order: Order,
}

impl Schedule<'_> {
    /// Whether there is a way to go on from `now`.
    fn search(&mut self, now: usize) -> bool {
        let is_committed = |stage: Stage| matches!(stage, Stage::Committed(_));
        let mut all = self.all.iter().zip(&self.stages);
        if all.all(|(it, &stage)| it.outcome == Outcome::Info || is_committed(stage)) {
            return true;
        }
        (0..self.all.len()).any(|chosen| match self.stages[chosen] {
            Stage::Open => self.begin(chosen, now),
            Stage::Running(since) => self.commit(chosen, since, now),
            Stage::Committed(_) => false,
        })
    }

    fn begin(&mut self, chosen: usize, now: usize) -> bool {
        let next = self.all[chosen];
        let mut others = self.all.iter().zip(&self.stages);
        let waits = others.any(|(other, stage)| {
            !matches!(stage, Stage::Committed(_)) && must_precede(self.order, other, next)
        });
        if waits {
            return false;
        }
        let is_seen = self.lists.run(next);
        self.lists.undo(next);
        is_seen && self.go_on(chosen, Stage::Running(now), now)
    }

    fn commit(&mut self, chosen: usize, since: usize, now: usize) -> bool {
        let keys = &self.keys[chosen];
        let mut others = self.keys.iter().zip(&self.stages);
        let is_overwritten = others.any(|(written, &stage)| {
            matches!(stage, Stage::Committed(when) if when > since)
                && written.iter().any(|key| keys.contains(key))
        });
        if is_overwritten {
            return false;
        }
        self.lists.append(self.all[chosen]);
        let is_found = self.go_on(chosen, Stage::Committed(now), now);
        self.lists.undo(self.all[chosen]);
        is_found
    }

    fn go_on(&mut self, chosen: usize, stage: Stage, now: usize) -> bool {
        let before = std::mem::replace(&mut self.stages[chosen], stage);
        let is_found = self.search(now + 1);
        self.stages[chosen] = before;
        is_found
    }
}

/// Of a read: which transactions' appends of the final lists it shows, by place in the order.
struct Shown {
    /// Who appended the last element.
    last: Option<usize>,
}

/// The final list of a key when transactions are committed in this order, with each element's writer.
fn final_list(order: &[&Transaction], key: u32) -> Vec<(u32, usize)> {
    let mut list = Vec::new();
    for (index, transaction) in order.iter().enumerate() {
        for step in &transaction.steps {
            if let Step::Append(of, element) = step
                && *of == key
            {
                list.push((*element, index));
            }
        }
    }
    list
}

/// What a read shows, if that is what all transactions up to some one left, or the reader's own
/// appends before the read.
fn shown(order: &[&Transaction], reader: usize, step: usize) -> Option<Shown> {
    let Step::Read(key, list) = &order[reader].steps[step] else {
        return Some(Shown { last: None });
    };
    let whole = final_list(order, *key);
    let is_prefix = list.len() <= whole.len()
        && list
            .iter()
            .zip(&whole)
            .all(|(element, (other, _))| element == other);
    if !is_prefix {
        return None;
    }
    let Some(&(last, writer)) = list.len().checked_sub(1).and_then(|place| whole.get(place)) else {
        return Some(Shown { last: None });
    };
    if writer == reader {
        let before = &order[reader].steps[..step];
        return before
            .contains(&Step::Append(*key, last))
            .then_some(Shown { last: Some(writer) });
    }
    let is_boundary = whole
        .get(list.len())
        .is_none_or(|&(_, next)| next != writer);
    is_boundary.then_some(Shown { last: Some(writer) })
}

/// For each read of an `ok` transaction: reader, step, writer of what it shows.
fn reads_from(order: &[&Transaction]) -> Option<Vec<(usize, u32, Option<usize>)>> {
    let mut reads = Vec::new();
    for (reader, transaction) in order.iter().enumerate() {
        if transaction.outcome != Outcome::Ok {
            continue;
        }
        for (step, what) in transaction.steps.iter().enumerate() {
            if let Step::Read(key, _) = what {
                let shown = shown(order, reader, step)?;
                reads.push((reader, *key, shown.last));
            }
        }
    }
    Some(reads)
}

/// Adya's PL-2: transactions can be put in an order in which each object's versions come, and in which
/// everybody reads what those before left behind when they committed.
pub(crate) fn is_read_committed(history: &[Transaction]) -> bool {
    some_order(history, &|order| {
        let reads = reads_from(order);
        reads.is_some_and(|reads| {
            let mut reads = reads.iter();
            reads.all(|(reader, _, writer)| writer.is_none_or(|writer| writer <= *reader))
        })
    })
}

/// Biswas, Enea, "On the Complexity of Checking Transactional Consistency", 2019, figure 2: a total
/// commit order in which who writes `x` and is visible to a reader of `x` comes no later than whom it
/// read `x` from. `is_transitive`: visible is what writes and reads lead from, else what was read from.
pub(crate) fn is_atomic(history: &[Transaction], visibility: Visibility) -> bool {
    some_order(history, &|order| {
        order.iter().all(|transaction| is_internal(transaction))
            && reads_from(order).is_some_and(|reads| is_axiom_held(order, &reads, visibility))
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Read atomic.
    Direct,
    /// Causal.
    Transitive,
}

fn is_axiom_held(
    order: &[&Transaction],
    reads: &[(usize, u32, Option<usize>)],
    visibility: Visibility,
) -> bool {
    let count = order.len();
    let mut sees = vec![vec![false; count]; count];
    for &(reader, _, writer) in reads {
        if let Some(writer) = writer.filter(|&writer| writer != reader) {
            if writer > reader {
                return false;
            }
            sees[writer][reader] = true;
        }
    }
    if visibility == Visibility::Transitive {
        for middle in 0..count {
            for from in 0..count {
                for to in 0..count {
                    sees[from][to] |= sees[from][middle] && sees[middle][to];
                }
            }
        }
    }
    reads.iter().all(|&(reader, key, writer)| {
        let is_own = writer == Some(reader);
        let mut others = 0..count;
        is_own
            || others.all(|other| {
                let is_visible = sees[other][reader] && keys_written(order[other]).contains(&key);
                !is_visible || writer.is_some_and(|writer| other <= writer)
            })
    })
}

/// A transaction agrees with what it read and appended itself.
fn is_internal(transaction: &Transaction) -> bool {
    let mut expected: BTreeMap<u32, (Option<Vec<u32>>, Vec<u32>)> = BTreeMap::new();
    if transaction.outcome != Outcome::Ok {
        return true;
    }
    transaction.steps.iter().all(|step| match step {
        Step::Append(key, element) => {
            expected.entry(*key).or_default().1.push(*element);
            true
        }
        Step::Read(key, list) => {
            let (base, own) = expected.entry(*key).or_default();
            let agrees = match base {
                Some(base) => [base.as_slice(), own].concat() == *list,
                None => list.ends_with(own),
            };
            *base = Some(list.clone());
            own.clear();
            agrees
        }
    })
}
