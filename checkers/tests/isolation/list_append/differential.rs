//! The checker agrees with the definitions: on every small history of one key, and on random ones.

use super::brute_force::{
    ORDERS, Order, Visibility, is_atomic, is_read_committed, is_serializable, is_snapshot_isolated,
};
use super::random;
use super::small::{Step, Transaction, columns};
use crate::random::{Random, cases};
use squall_checkers::Verdict;
use squall_checkers::history::Outcome;
use squall_checkers::isolation::list_append::{ListAppendOptions, Names, report_transactions};
use squall_checkers::isolation::models::ConsistencyModel;
use std::collections::{BTreeMap, BTreeSet};

fn verdict(history: &[Transaction], model: ConsistencyModel) -> Verdict {
    let options = ListAppendOptions {
        model,
        ..ListAppendOptions::default()
    };
    report_transactions(&columns(history), &Names::default(), &options).verdict
}

fn is_invalid(history: &[Transaction], model: ConsistencyModel) -> bool {
    match verdict(history, model) {
        Verdict::Invalid(_) => true,
        Verdict::Valid { witness } => {
            if let Some(order) = witness {
                verify(history, &order, model);
            }
            false
        }
        Verdict::Vacuous(_) => false,
        Verdict::Unknown(why) => panic!("{why}: {history:?}"),
    }
}

/// The witness is an order that explains everything.
fn verify(history: &[Transaction], order: &[usize], model: ConsistencyModel) {
    let mut lists: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let committed: BTreeSet<usize> = order.iter().copied().collect();
    assert_eq!(committed.len(), order.len());
    for (id, transaction) in history.iter().enumerate() {
        assert!(transaction.outcome != Outcome::Ok || committed.contains(&id));
        assert!(transaction.outcome != Outcome::Fail || !committed.contains(&id));
    }
    for &id in order {
        for step in &history[id].steps {
            match step {
                Step::Append(key, element) => lists.entry(*key).or_default().push(*element),
                Step::Read(key, list) if history[id].outcome == Outcome::Ok => {
                    let there = lists.get(key).cloned().unwrap_or_default();
                    assert_eq!(there, *list, "{order:?} explains {history:?}");
                }
                Step::Read(..) => {}
            }
        }
    }
    if model == ConsistencyModel::StrictSerializable {
        for (place, &later) in order.iter().enumerate() {
            for &earlier in &order[place + 1..] {
                let is_over = history[earlier].outcome == Outcome::Ok
                    && history[earlier].completed < history[later].invoked;
                assert!(!is_over, "{order:?} explains {history:?}");
            }
        }
    }
}

fn serializable(order: Order) -> ConsistencyModel {
    match order {
        Order::Free => ConsistencyModel::Serializable,
        Order::Session => ConsistencyModel::StrongSessionSerializable,
        Order::Realtime => ConsistencyModel::StrictSerializable,
    }
}

fn snapshot_isolation(order: Order) -> ConsistencyModel {
    match order {
        Order::Free => ConsistencyModel::SnapshotIsolation,
        Order::Session => ConsistencyModel::StrongSessionSnapshotIsolation,
        Order::Realtime => ConsistencyModel::StrongSnapshotIsolation,
    }
}

/// Whether the order of all appends is known: no key has several transactions whose appends nobody
/// read.
fn is_order_known(history: &[Transaction]) -> bool {
    let mut seen: BTreeSet<(u32, u32)> = BTreeSet::new();
    for transaction in history {
        for step in &transaction.steps {
            if let (Step::Read(key, list), Outcome::Ok) = (step, transaction.outcome) {
                seen.extend(list.iter().map(|&element| (*key, element)));
            }
        }
    }
    let mut unseen: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for transaction in history {
        for step in &transaction.steps {
            if let Step::Append(key, element) = step
                && transaction.outcome != Outcome::Fail
                && !seen.contains(&(*key, *element))
            {
                unseen.entry(*key).or_default().insert(transaction.invoked);
            }
        }
    }
    unseen.values().all(|transactions| transactions.len() <= 1)
}

/// How many histories were judged which way.
#[derive(Debug, Default)]
struct Tally {
    serializable: [usize; 3],
    snapshot_isolated: [usize; 3],
    read_committed: usize,
    atomic: usize,
    causal: usize,
    all: usize,
    /// Anomalies of which every transaction was found to be needed.
    minimal: usize,
    /// How many histories showed each phenomenon.
    found: BTreeMap<String, usize>,
}

fn compare(history: &[Transaction], tally: &mut Tally) {
    tally.all += 1;
    let mut holds: Vec<ConsistencyModel> = Vec::new();
    for (index, order) in ORDERS.into_iter().enumerate() {
        let expected = is_serializable(history, order);
        tally.serializable[index] += usize::from(expected);
        holds.extend(expected.then_some(serializable(order)));
        let found = !is_invalid(history, serializable(order));
        assert_eq!(found, expected, "{order:?} serializable: {history:#?}");
        let model = snapshot_isolation(order);
        // Whoever is alone at any time has a snapshot of his own.
        let expected = expected || is_snapshot_isolated(history, order);
        tally.snapshot_isolated[index] += usize::from(expected);
        holds.extend(expected.then_some(model));
        if !expected && !is_order_known(history) {
            continue;
        }
        let found = !is_invalid(history, model);
        assert_eq!(
            found, expected,
            "{order:?} snapshot isolation: {history:#?}"
        );
    }
    let expected = is_read_committed(history);
    tally.read_committed += usize::from(expected);
    let found = !is_invalid(history, ConsistencyModel::ReadCommitted);
    assert_eq!(found, expected, "read committed: {history:#?}");
    compare_soundness(history, holds, tally);
}

/// Where the checker's phenomena are not all of a model, what it rules out is at least not there.
fn compare_soundness(history: &[Transaction], mut holds: Vec<ConsistencyModel>, tally: &mut Tally) {
    use ConsistencyModel::{ReadAtomic, TransactionalCausal};
    let Verdict::Invalid(anomaly) = verdict(history, ConsistencyModel::StrictSerializable) else {
        tally.atomic += usize::from(is_atomic(history, Visibility::Direct));
        tally.causal += usize::from(is_atomic(history, Visibility::Transitive));
        return;
    };
    for one in std::iter::once(&anomaly).chain(&anomaly.also) {
        *tally.found.entry(one.class.clone()).or_default() += 1;
        if one.minimal {
            tally.minimal += 1;
            verify_minimal(history, &one.witness);
        }
    }
    let rules_out = anomaly.rules_out;
    let broken: Vec<ConsistencyModel> = rules_out
        .iter()
        .map(|name| name.parse().expect("a model"))
        .collect();
    if is_atomic(history, Visibility::Direct) {
        tally.atomic += 1;
        holds.push(ReadAtomic);
    }
    if is_atomic(history, Visibility::Transitive) {
        tally.causal += 1;
        holds.push(TransactionalCausal);
    }
    for model in holds {
        let is_broken = broken.iter().any(|&weaker| model.implies(weaker));
        assert!(!is_broken, "{model} holds, {broken:?} do not: {history:#?}");
    }
}

/// The transactions of the witness are impossible whatever the others did, and without what any of them
/// says they are not.
fn verify_minimal(history: &[Transaction], witness: &[usize]) {
    let relaxed = |believed: &dyn Fn(usize) -> bool| {
        let mut relaxed = history.to_vec();
        for (id, transaction) in relaxed.iter_mut().enumerate() {
            if !believed(id) {
                transaction.outcome = Outcome::Info;
            }
        }
        is_serializable(&relaxed, Order::Realtime)
    };
    let is_possible = relaxed(&|id| witness.contains(&id));
    assert!(!is_possible, "{witness:?} of {history:#?}");
    for &one in witness {
        let is_possible = relaxed(&|id| id != one && witness.contains(&id));
        assert!(is_possible, "{witness:?} without {one} of {history:#?}");
    }
}

#[test]
fn random_histories_are_judged_as_the_definitions_say() {
    let mut random = Random(7);
    let mut tally = Tally::default();
    for _ in 0..cases(700) {
        compare(&random::history(&mut random), &mut tally);
    }
    println!("{tally:?}");
    let both_ways = |count: usize| count > 0 && count < tally.all;
    assert!(tally.serializable.into_iter().all(both_ways), "{tally:?}");
    assert!(
        tally.snapshot_isolated.into_iter().all(both_ways),
        "{tally:?}"
    );
    assert!(both_ways(tally.read_committed), "{tally:?}");
    if tally.all >= ENOUGH {
        let is_missing = |class: &&str| !tally.found.contains_key(*class);
        assert_eq!(CLASSES.into_iter().find(is_missing), None, "{tally:?}");
    }
}

/// So many random histories show every phenomenon.
const ENOUGH: usize = 100_000;

const CLASSES: [&str; 24] = [
    "duplicate-elements",
    "thin-air-read",
    "incompatible-order",
    "G1a",
    "dirty-update",
    "G1b",
    "future-read",
    "internal",
    "lost-update",
    "G0",
    "G0-process",
    "G0-realtime",
    "G1c",
    "G1c-process",
    "G1c-realtime",
    "G-single-item",
    "G-single-item-process",
    "G-single-item-realtime",
    "G-nonadjacent-item",
    "G-nonadjacent-item-process",
    "G-nonadjacent-item-realtime",
    "G2-item",
    "G2-item-process",
    "G2-item-realtime",
];

/// Lists of distinct elements of 1, 2 and 3.
fn lists() -> Vec<Vec<u32>> {
    let mut lists = vec![Vec::new()];
    let mut index = 0;
    while index < lists.len() {
        for element in 1..=3 {
            if !lists[index].contains(&element) {
                let mut longer = lists[index].clone();
                longer.push(element);
                lists.push(longer);
            }
        }
        index += 1;
    }
    lists
}

/// All that a transaction may do to one key in a step or two.
fn programs(element: u32) -> Vec<Vec<Step>> {
    let append = Step::Append(0, element);
    let mut programs = vec![vec![append.clone()]];
    for list in lists() {
        let read = Step::Read(0, list);
        programs.push(vec![read.clone()]);
        programs.push(vec![read.clone(), append.clone()]);
        programs.push(vec![append.clone(), read]);
    }
    programs
}

/// Invocations and completions of three transactions: one after another, overlapping, all at once.
const TIMES: [[(u32, u32); 3]; 4] = [
    [(0, 1), (2, 3), (4, 5)],
    [(0, 2), (1, 4), (3, 5)],
    [(0, 1), (2, 4), (3, 5)],
    [(0, 3), (1, 4), (2, 5)],
];

/// At most one of them did not return.
const OUTCOMES: [[Outcome; 3]; 7] = {
    use Outcome::{Fail, Info, Ok};
    [
        [Ok, Ok, Ok],
        [Info, Ok, Ok],
        [Ok, Info, Ok],
        [Ok, Ok, Info],
        [Fail, Ok, Ok],
        [Ok, Fail, Ok],
        [Ok, Ok, Fail],
    ]
};

/// All 49³ · 4 · 7 histories of three transactions of one key; every so manieth of them by default.
#[test]
fn small_histories_are_judged_as_the_definitions_say() {
    let programs: Vec<Vec<Vec<Step>>> = (1..=3).map(programs).collect();
    let count = programs[0].len();
    let total = count.pow(3) * TIMES.len() * OUTCOMES.len();
    let stride = (total / cases(700) as usize).max(1);
    let mut tally = Tally::default();
    for number in (0..total).step_by(stride) {
        let mut rest = number;
        let mut digit = |end: usize| {
            let digit = rest % end;
            rest /= end;
            digit
        };
        let (times, outcomes) = (TIMES[digit(TIMES.len())], OUTCOMES[digit(OUTCOMES.len())]);
        let history: Vec<Transaction> = (0..3)
            .map(|index| Transaction {
                process: index as u64 % 2,
                outcome: outcomes[index],
                invoked: times[index].0,
                completed: times[index].1,
                steps: programs[index][digit(count)].clone(),
            })
            .collect();
        compare(&history, &mut tally);
    }
    println!("{tally:?}");
}

/// What a read misses, or shows in another order, or of a transaction that failed.
#[test]
fn mutated_good_histories_are_rejected() {
    let mut random = Random(3);
    for _ in 0..cases(700) / 20 {
        let good = random::serial_history(&mut random, 30);
        let strict = ConsistencyModel::StrictSerializable;
        assert!(!is_invalid(&good, strict), "{good:#?}");
        for (id, transaction) in good.iter().enumerate() {
            for (place, step) in transaction.steps.iter().enumerate() {
                let Step::Read(key, list) = step else {
                    continue;
                };
                for list in mutants(list) {
                    let mut bad = good.clone();
                    bad[id].steps[place] = Step::Read(*key, list);
                    assert!(is_invalid(&bad, strict), "{bad:#?}");
                }
            }
        }
        let writer = writer_of_something_read(&good);
        let mut bad = good;
        bad[writer].outcome = Outcome::Fail;
        assert!(is_invalid(&bad, strict), "{bad:#?}");
    }
}

fn mutants(list: &[u32]) -> Vec<Vec<u32>> {
    let mut mutants = vec![[list, &[999]].concat()];
    if let Some((last, others)) = list.split_last() {
        mutants.push(others.to_vec());
        mutants.push([list, &[*last]].concat());
    }
    if list.len() > 1 {
        mutants.push(list.iter().rev().copied().collect());
        mutants.push(list[1..].to_vec());
    }
    mutants
}

/// The transaction that appended what another one read.
fn writer_of_something_read(history: &[Transaction]) -> usize {
    let shows = |reader: usize, append: &Step| {
        let Step::Append(key, element) = append else {
            return false;
        };
        let mut steps = history[reader].steps.iter();
        steps
            .any(|step| matches!(step, Step::Read(of, list) if of == key && list.contains(element)))
    };
    let mut writers = 0..history.len();
    let found = writers.find(|&writer| {
        let mut steps = history[writer].steps.iter();
        steps.any(|step| (writer + 1..history.len()).any(|reader| shows(reader, step)))
    });
    found.expect("something is read")
}
