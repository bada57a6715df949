//! Random small histories: of a store that may be right or wrong in several ways.

use super::small::{Step, Transaction};
use crate::random::Random;
use squall_checkers::history::Outcome;
use std::collections::BTreeMap;

/// How the store isolates.
#[derive(Clone, Copy)]
enum Store {
    Serial,
    /// Snapshot at the beginning, appends at the end, conflicts unseen.
    Snapshot,
    /// As `Snapshot`, but the snapshot misses the end of some lists.
    Lagging,
    /// Each step at a time of its own.
    None,
}

struct Plan {
    transaction: Transaction,
    snapshot: BTreeMap<u32, Vec<u32>>,
    /// How many steps it has done.
    done: usize,
}

pub(crate) fn history(random: &mut Random) -> Vec<Transaction> {
    let stores = [Store::Serial, Store::Snapshot, Store::Lagging, Store::None];
    let store = stores[random.below(4)];
    let count = 2 + random.below(4);
    let keys = 1 + random.below(3);
    let mut elements = BTreeMap::new();
    let mut plans: Vec<Plan> = (0..count)
        .map(|_| plan(random, keys, &mut elements))
        .collect();
    let mut lists: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut event = 0;
    let mut order: Vec<usize> = Vec::new();
    let mut running: Vec<usize> = Vec::new();
    let mut waiting: Vec<usize> = (0..count).collect();
    while !waiting.is_empty() || !running.is_empty() {
        let begins = running.is_empty() || (!waiting.is_empty() && random.one_in(3));
        if begins {
            let index = waiting.remove(0);
            let plan = &mut plans[index];
            plan.transaction.invoked = event;
            plan.transaction.process = index as u64;
            plan.snapshot = lists.clone();
            if matches!(store, Store::Lagging) {
                lag(random, &mut plan.snapshot);
            }
            running.push(index);
            order.push(index);
            event += 1;
            continue;
        }
        let chosen = random.below(running.len());
        let plan = &mut plans[running[chosen]];
        if plan.done < plan.transaction.steps.len() {
            advance(store, plan, &mut lists);
            continue;
        }
        plan.transaction.completed = event;
        event += 1;
        running.remove(chosen);
    }
    let mut history: Vec<Transaction> = order
        .into_iter()
        .map(|index| plans[index].transaction.clone())
        .collect();
    reuse_processes(&mut history, random);
    if random.one_in(3) {
        mutate(&mut history, random);
    }
    history
}

/// A right store, and transactions one after another.
pub(crate) fn serial_history(random: &mut Random, count: usize) -> Vec<Transaction> {
    let mut elements = BTreeMap::new();
    let mut lists = BTreeMap::new();
    let transactions = (0..count as u32).map(|number| {
        let mut plan = plan(random, 3, &mut elements);
        plan.transaction.outcome = Outcome::Ok;
        advance(Store::Serial, &mut plan, &mut lists);
        Transaction {
            process: u64::from(number % 3),
            invoked: number * 2,
            completed: number * 2 + 1,
            ..plan.transaction
        }
    });
    transactions.collect()
}

/// Joins transactions that follow each other into sessions.
fn reuse_processes(history: &mut [Transaction], random: &mut Random) {
    for later in 1..history.len() {
        let earlier = random.below(later);
        let process = history[earlier].process;
        let begins = history[later].invoked;
        let is_free = history
            .iter()
            .take(later)
            .filter(|other| other.process == process)
            .all(|other| other.completed < begins && other.outcome != Outcome::Info);
        if is_free && random.one_in(2) {
            history[later].process = process;
        }
    }
}

fn plan(random: &mut Random, keys: usize, elements: &mut BTreeMap<u32, u32>) -> Plan {
    let steps: Vec<Step> = (0..1 + random.below(3))
        .map(|_| {
            let key = random.below(keys) as u32;
            if random.one_in(2) {
                let element = elements.entry(key).or_default();
                *element += 1;
                Step::Append(key, *element)
            } else {
                Step::Read(key, Vec::new())
            }
        })
        .collect();
    let outcome = match random.below(8) {
        0 => Outcome::Fail,
        1 => Outcome::Info,
        _ => Outcome::Ok,
    };
    Plan {
        transaction: Transaction {
            process: 0,
            outcome,
            invoked: 0,
            completed: 0,
            steps,
        },
        snapshot: BTreeMap::new(),
        done: 0,
    }
}

fn lag(random: &mut Random, lists: &mut BTreeMap<u32, Vec<u32>>) {
    for list in lists.values_mut() {
        if random.one_in(3) {
            list.pop();
        }
    }
}

/// The next step, or all at once where the store is serial.
fn advance(store: Store, plan: &mut Plan, lists: &mut BTreeMap<u32, Vec<u32>>) {
    let count = plan.transaction.steps.len();
    // A failed transaction leaves nothing, save now and then; one that nobody knows the end of may.
    let applies = match plan.transaction.outcome {
        Outcome::Ok => true,
        Outcome::Info => plan.transaction.invoked.is_multiple_of(2),
        Outcome::Fail => plan.transaction.invoked % 7 == 3,
    };
    let end = match store {
        Store::Serial => count,
        Store::Snapshot | Store::Lagging | Store::None => plan.done + 1,
    };
    for index in plan.done..end {
        let is_snapshot = matches!(store, Store::Snapshot | Store::Lagging);
        match &mut plan.transaction.steps[index] {
            Step::Append(key, element) => {
                plan.snapshot.entry(*key).or_default().push(*element);
                if applies && !is_snapshot {
                    lists.entry(*key).or_default().push(*element);
                }
            }
            Step::Read(key, list) => {
                let from = if is_snapshot { &plan.snapshot } else { &*lists };
                *list = from.get(key).cloned().unwrap_or_default();
            }
        }
        plan.done += 1;
    }
    let is_snapshot = matches!(store, Store::Snapshot | Store::Lagging);
    if applies && is_snapshot && plan.done == count {
        for step in &plan.transaction.steps {
            if let Step::Append(key, element) = step {
                lists.entry(*key).or_default().push(*element);
            }
        }
    }
}

/// Makes one read show something else.
fn mutate(history: &mut [Transaction], random: &mut Random) {
    let all: Vec<Vec<u32>> = history
        .iter()
        .flat_map(|transaction| &transaction.steps)
        .filter_map(|step| match step {
            Step::Read(_, list) => Some(list.clone()),
            Step::Append(..) => None,
        })
        .collect();
    let reads: Vec<&mut Vec<u32>> = history
        .iter_mut()
        .flat_map(|transaction| &mut transaction.steps)
        .filter_map(|step| match step {
            Step::Read(_, list) => Some(list),
            Step::Append(..) => None,
        })
        .collect();
    if reads.is_empty() {
        return;
    }
    let chosen = random.below(reads.len());
    let list = reads.into_iter().nth(chosen).expect("it is there");
    match random.below(6) {
        0 => {
            list.pop();
        }
        1 => list.clear(),
        2 => list.reverse(),
        3 => list.push(1 + random.below(5) as u32),
        4 if !list.is_empty() => {
            list.remove(0);
        }
        _ => *list = all[random.below(all.len())].clone(),
    }
}
