//! Session guarantees and sequential consistency agree with their definitions, tried out.

mod reference;

use crate::random::{Random, cases};
use expect_test::{Expect, expect};
use reference::{Kind, Operation};
use squall_checkers::Limits;
use squall_checkers::history::{Event, EventKind, History, Outcome, Value};
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::isolation::rw_register::{self, RwRegisterOptions, Strategy};
use squall_checkers::sessions::guarantees::{self, Guarantees};
use squall_checkers::sessions::sequential;
use squall_checkers::specs::{FailedCas, KvMap};
use squall_checkers::verdict::Verdict;

/// Operations of a few processes on a few keys, with reads of anything; each is over before the next.
fn random_operations(random: &mut Random, most: usize) -> Vec<Operation> {
    let keys = 1 + random.below(2);
    let processes = 1 + random.below(3);
    let mut names: Vec<u64> = (0..processes as u64).collect();
    let count = 1 + random.below(most);
    let mut operations = Vec::new();
    for number in 0..count {
        let slot = random.below(processes);
        let is_write = random.below(2) == 0;
        let outcome = match random.below(12) {
            0 => Outcome::Info,
            1 => Outcome::Fail,
            _ => Outcome::Ok,
        };
        operations.push(Operation {
            process: names[slot],
            key: random.below(keys) as i64,
            kind: if is_write { Kind::Write } else { Kind::Read },
            value: Some(number as i64),
            outcome,
        });
        if outcome == Outcome::Info {
            names[slot] += processes as u64;
        }
    }
    for index in 0..count {
        if operations[index].kind == Kind::Read {
            let key = operations[index].key;
            let written = operations.iter();
            let written = written.filter(|other| other.kind == Kind::Write && other.key == key);
            let mut values: Vec<Option<i64>> = written.map(|write| write.value).collect();
            values.push(None);
            if random.below(40) == 0 {
                values.push(Some(-1));
            }
            operations[index].value = values[random.below(values.len())];
        }
    }
    operations
}

fn event(operation: &Operation, kind: EventKind) -> Event {
    let is_write = operation.kind == Kind::Write;
    let value = operation.value.map_or(Value::Nil, Value::Int);
    let is_told = is_write || kind == EventKind::Ok;
    Event {
        process: operation.process,
        kind,
        f: if is_write { "write" } else { "read" }.to_owned(),
        key: Some(Value::Int(operation.key)),
        value: if is_told { value } else { Value::Nil },
        time_ns: 0,
        error: None,
    }
}

fn history(operations: &[Operation]) -> History {
    let events = operations.iter().flat_map(|operation| {
        let end = match operation.outcome {
            Outcome::Ok => EventKind::Ok,
            Outcome::Fail => EventKind::Fail,
            Outcome::Info => EventKind::Info,
        };
        [event(operation, EventKind::Invoke), event(operation, end)]
    });
    History::from_events(events.collect()).expect("a history")
}

fn holds(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Valid { .. } | Verdict::Vacuous(_) => true,
        Verdict::Invalid(_) => false,
        Verdict::Unknown(why) => panic!("{why}"),
    }
}

/// The operations if nobody knows how any but these ended.
fn only(operations: &[Operation], witness: &[usize]) -> Vec<Operation> {
    let mut believed = operations.to_vec();
    for (id, operation) in believed.iter_mut().enumerate() {
        if operation.outcome == Outcome::Ok && !witness.contains(&id) {
            operation.outcome = Outcome::Info;
        }
    }
    believed
}

#[test]
fn guarantees_are_judged_as_their_definitions_say() {
    let count = cases(8_000);
    let mut satisfied = [0u64; 16];
    for seed in 0..count {
        let operations = random_operations(&mut Random(seed), 6);
        let history = history(&operations);
        for set in 1..16u8 {
            let expected = reference::guarantees_hold(&operations, set);
            let singles = [
                Guarantees::READ_YOUR_WRITES,
                Guarantees::MONOTONIC_READS,
                Guarantees::MONOTONIC_WRITES,
                Guarantees::WRITES_FOLLOW_READS,
            ];
            let chosen = (0..4)
                .filter(|bit| set >> bit & 1 == 1)
                .map(|bit| singles[bit]);
            let asked = chosen.reduce(Guarantees::and).expect("one at least");
            let verdict = guarantees::check(&history, asked).expect("reads and writes");
            assert_eq!(
                holds(&verdict),
                expected,
                "{set:04b}: {verdict:#?} in {operations:#?}"
            );
            satisfied[set as usize] += u64::from(expected);
            if let (Verdict::Invalid(found), true) = (&verdict, seed % 8 == 0) {
                let believed = only(&operations, &found.witness);
                assert!(
                    !reference::guarantees_hold(&believed, set),
                    "{set:04b}: {found:#?} in {operations:#?}"
                );
            }
        }
    }
    println!("{satisfied:?} of {count}");
    assert!(satisfied[15] < satisfied[3] && satisfied[3] < satisfied[1] && satisfied[1] < count);
}

#[test]
fn sequential_consistency_is_judged_as_its_definition_says() {
    let count = cases(8_000);
    let mut satisfied = 0;
    for seed in 0..count {
        let operations = random_operations(&mut Random(seed), 7);
        let history = history(&operations);
        let expected = reference::is_sequential(&operations);
        satisfied += u64::from(expected);
        let store = KvMap {
            initial: Value::Nil,
            failed_cas: FailedCas::default(),
        };
        let verdict = sequential::check(&store, &as_map(&history), &Limits::default());
        let verdict = verdict.expect("operations of a map");
        assert_eq!(holds(&verdict), expected, "{verdict:#?} in {operations:#?}");
        for strategy in [Strategy::Auto, Strategy::WithoutGuess, Strategy::SolverOnly] {
            let options = RwRegisterOptions {
                model: ConsistencyModel::Sequential,
                strategy,
                ..RwRegisterOptions::default()
            };
            let verdict = rw_register::check(&history, &options).expect("reads and writes");
            assert_eq!(holds(&verdict), expected, "{verdict:#?} in {operations:#?}");
        }
    }
    println!("{satisfied} of {count} are sequentially consistent");
    assert!(satisfied > count / 10 && satisfied < count - count / 10);
}

/// The same operations by a map's names.
fn as_map(history: &History) -> History {
    let events: Vec<Event> = history.clone().into();
    let events = events.into_iter().map(|event| Event {
        f: if event.f == "write" { "put" } else { "get" }.to_owned(),
        ..event
    });
    History::from_events(events.collect()).expect("a history")
}

/// Each broken guarantee by the operations, which follow one another: who wrote or read what.
fn tells(operations: &[(u64, Kind, Option<i64>, Outcome)], expected: Expect) {
    let operations = operations
        .iter()
        .map(|&(process, kind, value, outcome)| Operation {
            process,
            key: 0,
            kind,
            value,
            outcome,
        });
    let history = history(&operations.collect::<Vec<Operation>>());
    let mut told = String::new();
    for asked in [
        Guarantees::READ_YOUR_WRITES,
        Guarantees::MONOTONIC_READS,
        Guarantees::MONOTONIC_WRITES,
        Guarantees::WRITES_FOLLOW_READS,
        Guarantees::ALL,
    ] {
        if let Verdict::Invalid(found) =
            guarantees::check(&history, asked).expect("reads and writes")
        {
            let witness = found.witness;
            told += &format!(
                "{}: {}\n{witness:?} not {}\n",
                found.class,
                found.sentence,
                found.rules_out.join(" ")
            );
        }
    }
    expected.assert_eq(&told);
}

#[test]
fn the_guarantee_that_is_broken_is_told() {
    use Kind::{Read, Write};
    use Outcome::{Fail, Ok};
    tells(
        &[(0, Write, Some(1), Ok), (0, Read, None, Ok)],
        expect![[r#"
            no-read-your-writes: No order of the writes gives read-your-writes: each of some came before the next, in a circle: the write of 1 came before what the process had seen of key 0: operation 1 shows it; what the process had seen came before the initial value of key 0: operation 1 shows it; the initial value came before the write of 1 of key 0: operation 0 shows it.
            [0, 1] not read-your-writes
            no-read-your-writes: No order of the writes gives read-your-writes: each of some came before the next, in a circle: the write of 1 came before what the process had seen of key 0: operation 1 shows it; what the process had seen came before the initial value of key 0: operation 1 shows it; the initial value came before the write of 1 of key 0: operation 0 shows it.
            [0, 1] not read-your-writes
        "#]],
    );
    tells(
        &[
            (0, Write, Some(1), Ok),
            (1, Read, Some(1), Ok),
            (1, Read, None, Ok),
        ],
        expect![[r#"
            no-monotonic-reads: No order of the writes gives monotonic-reads: each of some came before the next, in a circle: the write of 1 came before the initial value of key 0: operations 1 and 2 show it; the initial value came before the write of 1 of key 0: operation 0 shows it.
            [0, 1, 2] not monotonic-reads
            no-monotonic-reads: No order of the writes gives monotonic-reads: each of some came before the next, in a circle: the write of 1 came before the initial value of key 0: operations 1 and 2 show it; the initial value came before the write of 1 of key 0: operation 0 shows it.
            [0, 1, 2] not monotonic-reads
        "#]],
    );
    tells(
        &[
            (1, Read, Some(2), Ok),
            (1, Write, Some(1), Ok),
            (2, Read, Some(1), Ok),
            (2, Write, Some(2), Ok),
        ],
        expect![[r#"
            no-writes-follow-reads: No order of the writes gives writes-follow-reads: each of some came before the next, in a circle: the write of 2 came before what the process had seen of key 0: operation 0 shows it; what the process had seen came before the write of 1 of key 0: operation 1 shows it; the write of 1 came before what the process had seen of key 0: operation 2 shows it; what the process had seen came before the write of 2 of key 0: operation 3 shows it.
            [0, 1, 2, 3] not writes-follow-reads
            no-writes-follow-reads: No order of the writes gives writes-follow-reads: each of some came before the next, in a circle: the write of 2 came before what the process had seen of key 0: operation 0 shows it; what the process had seen came before the write of 1 of key 0: operation 1 shows it; the write of 1 came before what the process had seen of key 0: operation 2 shows it; what the process had seen came before the write of 2 of key 0: operation 3 shows it.
            [0, 1, 2, 3] not writes-follow-reads
        "#]],
    );
    tells(
        &[
            (0, Write, Some(1), Ok),
            (0, Write, Some(2), Ok),
            (1, Read, Some(2), Ok),
            (1, Read, Some(1), Ok),
        ],
        expect![[r#"
            no-session-guarantees: No order of the writes gives all session guarantees together: each of some came before the next, in a circle: the write of 1 came before the write of 2 of key 0: operation 1 shows it; the write of 2 came before the write of 1 of key 0: operations 2 and 3 show it.
            [0, 1, 2, 3] not causal
        "#]],
    );
    tells(
        &[(0, Read, Some(9), Ok)],
        expect![[r#"
        thin-air-read: Operation 0 read 9 of key 0, which nobody ever wrote.
        [0] not 
        thin-air-read: Operation 0 read 9 of key 0, which nobody ever wrote.
        [0] not 
        thin-air-read: Operation 0 read 9 of key 0, which nobody ever wrote.
        [0] not 
        thin-air-read: Operation 0 read 9 of key 0, which nobody ever wrote.
        [0] not 
        thin-air-read: Operation 0 read 9 of key 0, which nobody ever wrote.
        [0] not 
    "#]],
    );
    tells(
        &[(0, Write, Some(1), Fail), (1, Read, Some(1), Ok)],
        expect![[r#"
            aborted-read: Operation 1 read 1 of key 0, whose write failed.
            [0, 1] not 
            aborted-read: Operation 1 read 1 of key 0, whose write failed.
            [0, 1] not 
            aborted-read: Operation 1 read 1 of key 0, whose write failed.
            [0, 1] not 
            aborted-read: Operation 1 read 1 of key 0, whose write failed.
            [0, 1] not 
            aborted-read: Operation 1 read 1 of key 0, whose write failed.
            [0, 1] not 
        "#]],
    );
}

/// The second read comes after the same as the first.
#[test]
fn what_a_process_had_seen_is_told_once() {
    use Kind::{Read, Write};
    use Outcome::Ok;
    tells(
        &[
            (0, Write, Some(1), Ok),
            (1, Write, Some(2), Ok),
            (0, Read, Some(2), Ok),
            (0, Read, None, Ok),
        ],
        expect![[r#"
            no-read-your-writes: No order of the writes gives read-your-writes: each of some came before the next, in a circle: the write of 1 came before what the process had seen of key 0: operation 2 shows it; what the process had seen came before the initial value of key 0: operation 3 shows it; the initial value came before the write of 1 of key 0: operation 0 shows it.
            [0, 2, 3] not read-your-writes
            no-monotonic-reads: No order of the writes gives monotonic-reads: each of some came before the next, in a circle: the write of 2 came before the initial value of key 0: operations 2 and 3 show it; the initial value came before the write of 2 of key 0: operation 1 shows it.
            [1, 2, 3] not monotonic-reads
            no-read-your-writes: No order of the writes gives read-your-writes: each of some came before the next, in a circle: the write of 1 came before what the process had seen of key 0: operation 2 shows it; what the process had seen came before the initial value of key 0: operation 3 shows it; the initial value came before the write of 1 of key 0: operation 0 shows it.
            [0, 2, 3] not read-your-writes
        "#]],
    );
}

/// Nobody knows which of its writes somebody saw, nor that one came before itself.
#[test]
fn what_a_transaction_writes_twice_has_no_place_among_the_writes() {
    let judged = |lines: &str| {
        let history = History::read(lines.as_bytes(), None).expect("a history");
        guarantees::check(&history, Guarantees::ALL).expect("transactions")
    };
    for steps in ["[:w x 1] [:w x 1]", "[:w x 1] [:w x 2] [:w x 1]"] {
        let wrote = format!("0 :invoke :txn [{steps}]\n0 :ok :txn [{steps}]\n");
        assert_eq!(judged(&wrote), Verdict::Valid { witness: None }, "{steps}");
        let seen = format!("{wrote}1 :invoke :txn [[:r x nil]]\n1 :ok :txn [[:r x 1]]");
        let why = "1 reads saw values that were written several times; nothing else was wrong";
        assert_eq!(judged(&seen), Verdict::Unknown(why.to_owned()), "{steps}");
    }
}

/// Writes and reads of one key, one a line, as a map has them.
fn sequential(operations: &[(u64, Kind, i64)], limits: &Limits) -> Verdict {
    let operation = |&(process, kind, value)| Operation {
        process,
        key: 0,
        kind,
        value: Some(value),
        outcome: Outcome::Ok,
    };
    let operations: Vec<Operation> = operations.iter().map(operation).collect();
    let store = KvMap {
        initial: Value::Nil,
        failed_cas: FailedCas::default(),
    };
    let verdict = sequential::check(&store, &as_map(&history(&operations)), limits);
    verdict.expect("operations of a map")
}

#[test]
fn the_first_of_the_longest_orders_is_told() {
    use Kind::{Read, Write};
    let operations = [(0, Write, 1), (1, Write, 3), (2, Read, 2)];
    let Verdict::Invalid(anomaly) = sequential(&operations, &Limits::default()) else {
        panic!("nobody wrote what was read");
    };
    expect![[r#"
        No order that keeps the order of each process explains all 3 operations: the longest explains 2.
        After the longest order found, where the state is 3, operation 2 comes next in its process, but: the value is 3, but the read saw 2."#]].assert_eq(&format!("{}\n{}", anomaly.sentence, anomaly.explanation.join("\n")));
}

/// However they come among those of others, the reads that are right need no search.
#[test]
fn reads_are_taken_as_soon_as_they_are_right() {
    use Kind::{Read, Write};
    let reads = (1..6).flat_map(|process| [(process, Read, 1); 4]);
    let operations: Vec<_> = [(0, Write, 1)].into_iter().chain(reads).collect();
    let limits = Limits {
        configurations_max: 2,
        ..Limits::default()
    };
    let verdict = sequential(&operations, &limits);
    assert!(matches!(verdict, Verdict::Valid { .. }), "{verdict:?}");
}
