//! Random histories of up to four transactions, judged as the definitions say.

use super::reference::{self, Order, Predicate, Step, Transaction, Universe};
use crate::random::{Random, cases};
use squall_checkers::history::{Event, EventKind, History, Outcome, Value};
use squall_checkers::isolation::closed_predicate::{self, ClosedPredicateOptions};
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::verdict::Verdict;
use std::collections::BTreeMap;

#[derive(Debug)]
struct Case {
    initial: Universe,
    transactions: Vec<Transaction>,
}

impl Case {
    /// Whether the order of versions is known whatever was read.
    fn is_written_once(&self) -> bool {
        (0..self.initial.len()).all(|key| {
            let all = self.transactions.iter();
            let writers = all.filter(|one| {
                let mut steps = one.steps.iter();
                let is_write = |step: &Step| matches!(*step, Step::Write(other, _) if other == key);
                one.outcome != Outcome::Fail && steps.any(is_write)
            });
            writers.count() <= 1
        })
    }
}

fn predicate(random: &mut Random) -> Predicate {
    let value = random.below(6) as i64;
    match random.below(6) {
        0 | 1 => Predicate::True,
        2 => Predicate::Equals(value),
        3 => Predicate::Odd,
        4 => Predicate::Below(value),
        _ => Predicate::Above(value),
    }
}

/// Transactions that ran one after the other, except that some read what was there earlier, and others what
/// never was.
fn random_case(random: &mut Random) -> Case {
    let keys = 2 + random.below(2);
    let initial = (0..keys).map(|_| (random.below(2) == 0).then(|| random.below(2) as i64));
    let initial: Universe = initial.collect();
    let count = 2 + random.below(3);
    let is_written_once = random.below(2) == 0;
    let mut free: Vec<usize> = (0..keys).collect();
    let mut states = vec![initial.clone()];
    let mut transactions = Vec::new();
    for number in 0..count {
        let stale = random.below(3) == 0;
        let last = states.len() - 1;
        let mut seen = states[if stale { random.below(last + 1) } else { last }].clone();
        let mut steps = Vec::new();
        let mut now = states[last].clone();
        for step in 0..1 + random.below(3) {
            match random.below(3) {
                0 => {
                    let key = random.below(keys);
                    if is_written_once && !free.contains(&key) {
                        continue;
                    }
                    let value = 2 + (number * 3 + step) as i64;
                    let value = if random.below(6) == 0 { 1 } else { value };
                    let state = (random.below(3) > 0).then_some(value);
                    if !is_written_once && random.below(3) > 0 {
                        steps.push(Step::Read(key, seen[key]));
                    }
                    free.retain(|&other| other != key);
                    (seen[key], now[key]) = (state, state);
                    steps.push(Step::Write(key, state));
                }
                1 => {
                    let key = random.below(keys);
                    let wrong = states[random.below(states.len())][key];
                    let state = if random.below(12) == 0 {
                        wrong
                    } else {
                        seen[key]
                    };
                    steps.push(Step::Read(key, state));
                }
                _ => {
                    let predicate = predicate(random);
                    let mut found = predicate.select(&seen);
                    if random.below(12) == 0 {
                        found.pop();
                    }
                    steps.push(Step::Select(predicate, found));
                }
            }
        }
        let outcome = match random.below(12) {
            0 | 1 => Outcome::Info,
            2 => Outcome::Fail,
            _ => Outcome::Ok,
        };
        states.push(now);
        transactions.push(Transaction {
            process: number as u64,
            outcome,
            invoked: 0,
            completed: 0,
            steps,
        });
    }
    schedule(random, &mut transactions);
    Case {
        initial,
        transactions,
    }
}

/// Gives each its events: mostly they are done in the order in which they stand.
fn schedule(random: &mut Random, transactions: &mut [Transaction]) {
    let mut event = 2;
    let mut open: Vec<usize> = Vec::new();
    for index in 0..transactions.len() {
        transactions[index].invoked = event;
        event += 1;
        open.push(index);
        while !open.is_empty() && random.below(3) > 0 {
            let ended = open.swap_remove(random.below(open.len()));
            transactions[ended].completed = event;
            event += 1;
        }
    }
    for index in open {
        transactions[index].completed = event;
        event += 1;
    }
    for index in 1..transactions.len() {
        let before = &transactions[index - 1];
        let is_same = random.below(2) == 0
            && before.outcome != Outcome::Info
            && before.completed < transactions[index].invoked;
        if is_same {
            transactions[index].process = before.process;
        }
    }
}

fn map(entries: impl Iterator<Item = (usize, i64)>) -> Value {
    let entries = entries.map(|(key, value)| (Value::Int(key as i64), Value::Int(value)));
    Value::Map(entries.collect::<BTreeMap<_, _>>())
}

fn step(step: &Step, is_told: bool) -> Value {
    let value = |state: Option<i64>| state.map_or(Value::Nil, Value::Int);
    let told = |state: Option<i64>| if is_told { value(state) } else { Value::Nil };
    let key = |key: usize| Value::Int(key as i64);
    let parts = match step {
        Step::Write(of, None) => vec![Value::from("delete"), key(*of)],
        Step::Write(of, state) => vec![Value::from("w"), key(*of), value(*state)],
        Step::Read(of, state) => vec![Value::from("r"), key(*of), told(*state)],
        Step::Select(predicate, found) => {
            let found = match is_told {
                true => map(found.iter().copied()),
                false => Value::Nil,
            };
            vec![Value::from("rp"), predicate_value(*predicate), found]
        }
    };
    Value::List(parts)
}

fn predicate_value(predicate: Predicate) -> Value {
    let named = |name: &str, value: i64| Value::List(vec![Value::from(name), Value::Int(value)]);
    match predicate {
        Predicate::True => Value::from("true"),
        Predicate::Equals(value) => named("=", value),
        Predicate::Odd => Value::List(vec![Value::from("mod"), Value::Int(2), Value::Int(1)]),
        Predicate::Below(value) => named("<", value),
        Predicate::Above(value) => named(">", value),
    }
}

fn history(case: &Case) -> History {
    let made = case.initial.iter().enumerate();
    let made = map(made.filter_map(|(key, &state)| Some((key, state?))));
    let mut events = vec![(0, 9, EventKind::Invoke, "init", made.clone())];
    events.push((1, 9, EventKind::Ok, "init", made));
    for one in &case.transactions {
        let value = |is_told| Value::List(one.steps.iter().map(|it| step(it, is_told)).collect());
        let end = match one.outcome {
            Outcome::Ok => EventKind::Ok,
            Outcome::Fail => EventKind::Fail,
            Outcome::Info => EventKind::Info,
        };
        let is_ok = one.outcome == Outcome::Ok;
        events.push((
            one.invoked,
            one.process,
            EventKind::Invoke,
            "txn",
            value(false),
        ));
        events.push((one.completed, one.process, end, "txn", value(is_ok)));
    }
    events.sort_by_key(|&(event, ..)| event);
    let events = events
        .into_iter()
        .map(|(_, process, kind, f, value)| Event {
            process,
            kind,
            f: f.to_owned(),
            key: None,
            value,
            time_ns: 0,
            error: None,
        });
    History::from_events(events.collect()).expect("a history")
}

pub(super) fn judge(history: &History, model: ConsistencyModel) -> Verdict {
    let options = ClosedPredicateOptions {
        model,
        ..ClosedPredicateOptions::default()
    };
    closed_predicate::check(history, &options).expect("transactions")
}

const SERIALIZABLE: [(ConsistencyModel, Order); 3] = [
    (ConsistencyModel::Serializable, Order::None),
    (ConsistencyModel::StrongSessionSerializable, Order::Process),
    (ConsistencyModel::StrictSerializable, Order::Realtime),
];

const SNAPSHOTS: [(ConsistencyModel, Order); 3] = [
    (ConsistencyModel::SnapshotIsolation, Order::None),
    (
        ConsistencyModel::StrongSessionSnapshotIsolation,
        Order::Process,
    ),
    (ConsistencyModel::StrongSnapshotIsolation, Order::Realtime),
];

/// How often each answer was given.
#[derive(Debug, Default)]
struct Counts {
    possible: u64,
    impossible: u64,
    unknown: u64,
    minimal: u64,
    by_predicate: u64,
}

impl Counts {
    fn compare(&mut self, case: &Case, model: ConsistencyModel, expected: bool) {
        let history = history(case);
        let verdict = judge(&history, model);
        let context = || format!("{model}: {verdict:#?} in {case:#?}");
        match &verdict {
            Verdict::Valid { .. } => {
                assert!(expected, "{}", context());
                self.possible += 1;
            }
            Verdict::Invalid(anomaly) => {
                assert!(!expected, "{}", context());
                self.impossible += 1;
                self.minimal += u64::from(anomaly.minimal);
                let is_by_predicate = matches!(anomaly.class.as_str(), "G2" | "G-single");
                self.by_predicate += u64::from(is_by_predicate);
            }
            Verdict::Unknown(_) => {
                assert!(!case.is_written_once(), "{}", context());
                self.unknown += 1;
            }
            Verdict::Vacuous(_) => {}
        }
    }
}

#[test]
fn serializability_is_judged_as_its_definition_says() {
    let mut counts = Counts::default();
    for seed in 0..cases(6_000) {
        let case = random_case(&mut Random(seed));
        for (model, order) in SERIALIZABLE {
            let expected = reference::is_serializable(&case.initial, &case.transactions, order);
            counts.compare(&case, model, expected);
        }
    }
    println!("{counts:?}");
    assert!(
        counts.possible > 5_000 && counts.impossible > 2_000,
        "{counts:?}"
    );
    assert!(
        counts.unknown < counts.impossible && counts.minimal > 1_000,
        "{counts:?}"
    );
    assert!(counts.by_predicate > 100, "{counts:?}");
}

#[test]
fn snapshot_isolation_is_judged_as_its_definition_says() {
    let mut counts = Counts::default();
    for seed in 0..cases(3_000) {
        let case = random_case(&mut Random(seed));
        for (model, order) in SNAPSHOTS {
            let expected =
                reference::is_snapshot_isolated(&case.initial, &case.transactions, order);
            counts.compare(&case, model, expected);
        }
    }
    println!("{counts:?}");
    assert!(
        counts.possible > 2_000 && counts.impossible > 1_000,
        "{counts:?}"
    );
    assert!(counts.by_predicate > 20, "{counts:?}");
}

/// The first bad event is the first after which nobody can explain what was seen.
#[test]
fn the_first_bad_event_is_the_first() {
    let mut told = 0;
    for seed in 0..cases(2_000) {
        let case = random_case(&mut Random(seed));
        let Verdict::Invalid(anomaly) =
            judge(&history(&case), ConsistencyModel::StrictSerializable)
        else {
            continue;
        };
        let Some(event) = anomaly.first_bad_event else {
            continue;
        };
        let until = |end: usize| {
            let known = case.transactions.iter().cloned();
            let known: Vec<Transaction> = known
                .map(|one| Transaction {
                    outcome: if one.completed < end {
                        one.outcome
                    } else {
                        Outcome::Info
                    },
                    ..one
                })
                .collect();
            reference::is_serializable(&case.initial, &known, Order::Realtime)
        };
        assert!(
            until(event) && !until(event + 1),
            "{anomaly:#?} in {case:#?}"
        );
        told += 1;
    }
    println!("{told}");
    assert!(told > 300, "{told}");
}
