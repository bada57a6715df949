//! What is told of histories whose verdict is known.

use expect_test::{Expect, expect};
use squall_checkers::history::History;
use squall_checkers::isolation::rw_register::{Order, RwRegisterOptions, check};
use squall_checkers::verdict::Verdict;

/// An event of a transaction: `wx1` writes 1 to x, and `rx_` reads that nobody wrote there.
fn event(process: usize, kind: &str, transaction: &str) -> String {
    let steps = transaction.split(' ').map(|step| {
        let (f, key, value) = (&step[..1], &step[1..2], &step[2..]);
        let is_unknown = value == "_" || kind == "invoke" && f == "r";
        let value = if is_unknown { "nil" } else { value };
        format!("[:{f} :{key} {value}]")
    });
    let steps: Vec<String> = steps.collect();
    format!(
        "{{:process {process} :type :{kind} :f :txn :value [{}]}}\n",
        steps.join(" ")
    )
}

/// Transactions that all run at once, or one after another; `0 wx1` is of process 0, others have one of
/// their own, and `!` is before those that failed.
fn history(transactions: &[&str], is_serial: bool) -> History {
    let numbered = (10..).zip(transactions);
    let events = numbered.map(|(number, text)| {
        let (end, text) = match text.strip_prefix('!') {
            Some(text) => ("fail", text),
            None => ("ok", *text),
        };
        let (process, text) = match text.strip_prefix("0 ") {
            Some(text) => (0, text),
            None => (number, text),
        };
        [event(process, "invoke", text), event(process, end, text)]
    });
    let events: Vec<[String; 2]> = events.collect();
    let text: String = match is_serial {
        true => events.into_iter().flatten().collect(),
        false => {
            let begun = events.iter().map(|[begun, _]| begun.as_str());
            begun
                .chain(events.iter().map(|[_, ended]| ended.as_str()))
                .collect()
        }
    };
    History::read(text.as_bytes(), None).expect("a history")
}

fn tells(history: &History, options: &RwRegisterOptions, expected: Expect) {
    let verdict = check(history, options).expect("transactions of registers");
    let Verdict::Invalid(anomaly) = verdict else {
        panic!("expected an anomaly, but got {verdict:?}");
    };
    let also: String = anomaly
        .also
        .iter()
        .map(|also| format!("also {}: {}\n", also.class, also.sentence))
        .collect();
    expected.assert_eq(&format!(
        "{}: {}\n{}\n{:?} since event {:?}, not {}\n{also}",
        anomaly.class,
        anomaly.sentence,
        anomaly.explanation.join("\n"),
        anomaly.witness,
        anomaly.first_bad_event,
        anomaly.rules_out.join(" ")
    ));
}

fn of(model: &str) -> RwRegisterOptions {
    RwRegisterOptions {
        model: model.parse().expect("a model"),
        ..RwRegisterOptions::default()
    }
}

fn at_once(model: &str, transactions: &[&str], expected: Expect) {
    tells(&history(transactions, false), &of(model), expected);
}

fn one_by_one(model: &str, transactions: &[&str], expected: Expect) {
    tells(&history(transactions, true), &of(model), expected);
}

#[test]
fn what_one_read_shows() {
    at_once(
        "serializable",
        &["rx7", "ry7"],
        expect![[r#"
        thin-air-read: T0 read 7 of key "x", which nobody ever wrote.
        In all 2 cases of thin-air-read were found.
        T0 (events 0 to 2): r "x" 7
        [0] since event Some(2), not read-uncommitted
    "#]],
    );
    at_once(
        "serializable",
        &["!wx1", "rx1"],
        expect![[r#"
        G1a: T1 read 1 of key "x", which T0 wrote, but T0 failed.
        T0 (failed, invoked at event 0): w "x" 1
        T1 (events 1 to 3): r "x" 1
        [0, 1] since event Some(3), not read-committed
    "#]],
    );
    at_once(
        "serializable",
        &["wx1 wx2", "rx1"],
        expect![[r#"
        G1b: T1 read 1 of key "x", which T0 overwrote itself before it ended.
        T0 (events 0 to 2): w "x" 1, w "x" 2
        T1 (events 1 to 3): r "x" 1
        [0, 1] since event Some(3), not read-committed
    "#]],
    );
    at_once(
        "serializable",
        &["rx1 wx1"],
        expect![[r#"
        future-read: T0 read 1 of key "x" before it wrote that itself.
        T0 (events 0 to 1): r "x" 1, w "x" 1
        [0] since event Some(1), not read-committed
    "#]],
    );
    at_once(
        "serializable",
        &["wx1 rx2", "wx2"],
        expect![[r#"
        internal: T0 read 2 of key "x", though by its own reads and writes until then it must have been 1.
        T0 (events 0 to 2): w "x" 1, r "x" 2
        T1 (events 1 to 3): w "x" 2
        [0, 1] since event Some(3), not read-atomic
    "#]],
    );
}

#[test]
fn circles_of_what_was_seen() {
    at_once(
        "read-committed",
        &["wx1 ry1", "wy1 rx1"],
        expect![[r#"
        G1c: T0, T1, T0 each came before the next, in a circle: T1 read 1 of key "x", which T0 wrote; T0 read 1 of key "y", which T1 wrote.
        T0 (events 0 to 2): w "x" 1, r "y" 1
        T1 (events 1 to 3): w "y" 1, r "x" 1
        [0, 1] since event Some(3), not read-committed
    "#]],
    );
    at_once(
        "read-atomic",
        &["wx1 wy1", "rx1 ry_"],
        expect![[r#"
        observed-transaction-vanishes: T0, T1, T0 each came before the next, in a circle: T1 read 1 of key "x", which T0 wrote; T1 read nil of key "y", before T0 made it 1.
        T0 (events 0 to 2): w "x" 1, w "y" 1
        T1 (events 1 to 3): r "x" 1, r "y" nil
        [0, 1] since event Some(3), not monotonic-atomic-view
        also fractured-read: T0, T1, T0 each came before the next, in a circle: T1 read 1 of key "x", which T0 wrote; T1 read nil of key "y", before T0 made it 1.
    "#]],
    );
    at_once(
        "snapshot-isolation",
        &["rx_ wx1", "rx_ wx2"],
        expect![[r#"
        lost-update: T0 and T1 both read nil of key "x" and then overwrote it: one of the two updates was lost.
        T0 (events 0 to 2): r "x" nil, w "x" 1
        T1 (events 1 to 3): r "x" nil, w "x" 2
        [0, 1] since event Some(3), not cursor-stability update-atomic
    "#]],
    );
    at_once(
        "serializable",
        &["rx_ wy1", "ry_ wx1"],
        expect![[r#"
        G2-item: T0, T1, T0 each came before the next, in a circle: T0 read nil of key "x", before T1 made it 1; T1 read nil of key "y", before T0 made it 1.
        T0 (events 0 to 2): r "x" nil, w "y" 1
        T1 (events 1 to 3): r "y" nil, w "x" 1
        [0, 1] since event Some(3), not repeatable-read
    "#]],
    );
    at_once(
        "snapshot-isolation",
        &["wx1", "wy1", "rx1 ry_", "rx_ ry1"],
        expect![[r#"
            G-nonadjacent-item: T0, T2, T1, T3, T0 each came before the next, in a circle: T2 read 1 of key "x", which T0 wrote; T2 read nil of key "y", before T1 made it 1; T3 read 1 of key "y", which T1 wrote; T3 read nil of key "x", before T0 made it 1.
            T0 (events 0 to 4): w "x" 1
            T1 (events 1 to 5): w "y" 1
            T2 (events 2 to 6): r "x" 1, r "y" nil
            T3 (events 3 to 7): r "x" nil, r "y" 1
            [0, 1, 2, 3] since event Some(7), not repeatable-read snapshot-isolation
        "#]],
    );
    at_once(
        "serializable",
        &["rx_ wx1 wy1", "rx1 wx2 wy2", "ry1 rx2"],
        expect![[r#"
            fractured-read: T0, T1, T0 each came before the next, in a circle: T1 read 1 of key "x", which T0 wrote; T2 knew T1, which had made key "y" 2, and yet read 1, so that T0 wrote this later.
            T0 (events 0 to 3): r "x" nil, w "x" 1, w "y" 1
            T1 (events 1 to 4): r "x" 1, w "x" 2, w "y" 2
            T2 (events 2 to 5): r "y" 1, r "x" 2
            [0, 1, 2] since event Some(5), not read-atomic
            also no-serializable-order: T1, T2, T1 each came before the next, in a circle: T2 read 2 of key "x", which T1 wrote; T2 read 1 of key "y", before T1 made it 2.
        "#]],
    );
}

#[test]
fn circles_of_processes_and_of_time() {
    one_by_one(
        "strong-session-serializable",
        &["0 wx1", "0 rx_"],
        expect![[r#"
            causality-violation: T0, T1, T0 each came before the next, in a circle: the process of T0 did T1 later; T1 read nil of key "x", before T0 made it 1.
            T0 (events 0 to 1): w "x" 1
            T1 (events 2 to 3): r "x" nil
            [0, 1] since event Some(3), not causal
            also G-single-item-process: T0, T1, T0 each came before the next, in a circle: the process of T0 did T1 later; T1 read nil of key "x", before T0 made it 1.
        "#]],
    );
    one_by_one(
        "strict-serializable",
        &["wx1", "rx_"],
        expect![[r#"
        G-single-item-realtime: T0, T1, T0 each came before the next, in a circle: T0 returned at event 1, before T1 was invoked at event 2; T1 read nil of key "x", before T0 made it 1.
        T0 (events 0 to 1): w "x" 1
        T1 (events 2 to 3): r "x" nil
        [0, 1] since event Some(3), not strong-snapshot-isolation
    "#]],
    );
    one_by_one(
        "transactional-causal",
        &["wx1", "0 rx1", "0 wy1", "ry1 rx_"],
        expect![[r#"
            causality-violation: T0, T1, T2, T3, T0 each came before the next, in a circle: T1 read 1 of key "x", which T0 wrote; the process of T1 did T2 later; T3 read 1 of key "y", which T2 wrote; T3 read nil of key "x", before T0 made it 1.
            T0 (events 0 to 1): w "x" 1
            T1 (events 2 to 3): r "x" 1
            T2 (events 4 to 5): w "y" 1
            T3 (events 6 to 7): r "y" 1, r "x" nil
            [0, 1, 2, 3] since event Some(7), not transactional-causal
        "#]],
    );
    let keys = RwRegisterOptions {
        keys: Order::Realtime,
        ..of("serializable")
    };
    tells(
        &history(&["wx1", "wx2 wy1", "rx1 ry1"], true),
        &keys,
        expect![[r#"
            G0: T0, T1, T0 each came before the next, in a circle: T0 left key "x" at 1, before T1 was invoked and found it 2; T1 left key "x" at 2, before T2 was invoked and found it 1.
            T0 (events 0 to 1): w "x" 1
            T1 (events 2 to 3): w "x" 2, w "y" 1
            T2 (events 4 to 5): r "x" 1, r "y" 1
            [0, 1, 2] since event Some(5), not read-uncommitted
        "#]],
    );
}

/// Whichever of two writes came first, somebody saw the other one.
#[test]
fn choices_of_which_none_is_possible() {
    at_once(
        "serializable",
        &["wx1 wy1", "wx2 wy2", "rx1 ry2", "rx2 ry1"],
        expect![[r#"
            observed-transaction-vanishes: T0, T1, T0 each came before the next, in a circle: T2 knew T0, which had made key "y" 1, and yet read 2, so that T1 wrote this later; T3 knew T1, which had made key "y" 2, and yet read 1, so that T0 wrote this later.
            T0 (events 0 to 4): w "x" 1, w "y" 1
            T1 (events 1 to 5): w "x" 2, w "y" 2
            T2 (events 2 to 6): r "x" 1, r "y" 2
            T3 (events 3 to 7): r "x" 2, r "y" 1
            [0, 1, 2, 3] since event Some(6), not monotonic-atomic-view
            also no-serializable-order: T1, T2, T1 each came before the next, in a circle: T2 read 2 of key "y", which T1 wrote; T2 read 1 of key "x", before T1 made it 2.
        "#]],
    );
    at_once(
        "serializable",
        &["wx1", "wx2", "rx1 wy1", "rx2 wy2", "ry1 rx2", "ry2 rx1"],
        expect![[r#"
            no-snapshot-isolation-order: T1, T3, T5, T1 each came before the next, in a circle: T3 read 2 of key "x", which T1 wrote; T5 read 2 of key "y", which T3 wrote; T5 read 1 of key "x", before T1 made it 2.
            Key "x" was 1 before it was 2, since the other way round closes a circle: T2 read 1 of key "x", which T0 wrote; T4 read 1 of key "y", which T2 wrote.
            T0 (events 0 to 6): w "x" 1
            T1 (events 1 to 7): w "x" 2
            T2 (events 2 to 8): r "x" 1, w "y" 1
            T3 (events 3 to 9): r "x" 2, w "y" 2
            T4 (events 4 to 10): r "y" 1, r "x" 2
            T5 (events 5 to 11): r "y" 2, r "x" 1
            [0, 1, 2, 3, 4, 5] since event Some(11), not snapshot-isolation
            also no-serializable-order: T1, T3, T5, T1 each came before the next, in a circle: T3 read 2 of key "x", which T1 wrote; T5 read 2 of key "y", which T3 wrote; T5 read 1 of key "x", before T1 made it 2.
        "#]],
    );
}
