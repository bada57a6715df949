//! What is told of histories whose verdict is known.

use expect_test::{Expect, expect};
use squall_checkers::history::History;
use squall_checkers::isolation::rw_register::{Order, RwRegisterOptions, Strategy, check};
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
pub(super) fn history(transactions: &[&str], is_serial: bool) -> History {
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
    tells(
        &history(&["wx1", "wx2 wy7", "ry7 rx1"], true),
        &keys,
        expect![[r#"
            G0: T0, T1, T0 each came before the next, in a circle: T0 left key "x" at 1, before T1 was invoked and found it 2; T1 left key "x" at 2, before T2 was invoked and found it 1.
            T0 (events 0 to 1): w "x" 1
            T1 (events 2 to 3): w "x" 2, w "y" 7
            T2 (events 4 to 5): r "y" 7, r "x" 1
            [0, 1, 2] since event Some(5), not read-uncommitted
        "#]],
    );
}

/// Who made a key what it was may have returned later: then it is the first who saw that, and had
/// returned, whom the order of the key is known from.
#[test]
fn who_had_left_a_key_is_told() {
    let events: [(usize, &str, &str); 10] = [
        (10, "invoke", "wx1 wz5"),
        (11, "invoke", "rz5"),
        (11, "ok", "rz5"),
        (12, "invoke", "rx1"),
        (12, "ok", "rx1"),
        (13, "invoke", "wx2 wy1"),
        (13, "ok", "wx2 wy1"),
        (10, "ok", "wx1 wz5"),
        (14, "invoke", "rx1 ry1"),
        (14, "ok", "rx1 ry1"),
    ];
    let text = events.map(|(process, kind, transaction)| event(process, kind, transaction));
    let keys = RwRegisterOptions {
        keys: Order::Realtime,
        ..of("serializable")
    };
    let history = History::read(text.concat().as_bytes(), None).expect("a history");
    tells(
        &history,
        &keys,
        expect![[r#"
        G0: T0, T3, T0 each came before the next, in a circle: T2 left key "x" at 1, before T3 was invoked and found it 2; T3 left key "x" at 2, before T4 was invoked and found it 1.
        T0 (events 0 to 7): w "x" 1, w "z" 5
        T2 (events 3 to 4): r "x" 1
        T3 (events 5 to 6): w "x" 2, w "y" 1
        T4 (events 8 to 9): r "x" 1, r "y" 1
        [0, 2, 3, 4] since event Some(9), not read-uncommitted
    "#]],
    );
}

/// Of what a process wrote to a key one knows the last that it had done by then.
#[test]
fn of_what_a_process_did_the_last_that_was_known_is_told() {
    one_by_one(
        "transactional-causal",
        &["0 wq1", "wy1 wx9", "0 ry1 wx1", "0 wx2 wz1", "rz1 rx9"],
        expect![[r#"
            causality-violation: T1, T2, T3, T1 each came before the next, in a circle: T2 read 1 of key "y", which T1 wrote; the process of T2 did T3 later; T4 knew T3, which had made key "x" 2, and yet read 9, so that T1 wrote this later.
            T1 (events 2 to 3): w "y" 1, w "x" 9
            T2 (events 4 to 5): r "y" 1, w "x" 1
            T3 (events 6 to 7): w "x" 2, w "z" 1
            T4 (events 8 to 9): r "z" 1, r "x" 9
            [1, 2, 3, 4] since event Some(9), not transactional-causal
        "#]],
    );
    // The writer of 2 knew the writer of 1 anyway.
    one_by_one(
        "transactional-causal",
        &[
            "0 wx1",
            "0 wy1",
            "rx1 wm1",
            "rm1 wx2 ws1",
            "ry1 rx2",
            "rs1 rx1",
        ],
        expect![[r#"
            observed-transaction-vanishes: T0, T2, T3, T0 each came before the next, in a circle: T2 read 1 of key "x", which T0 wrote; T3 read 1 of key "m", which T2 wrote; T5 knew T3, which had made key "x" 2, and yet read 1, so that T0 wrote this later.
            T0 (events 0 to 1): w "x" 1
            T2 (events 4 to 5): r "x" 1, w "m" 1
            T3 (events 6 to 7): r "m" 1, w "x" 2, w "s" 1
            T5 (events 10 to 11): r "s" 1, r "x" 1
            [0, 2, 3, 5] since event Some(11), not monotonic-atomic-view
            also causality-violation: T0, T2, T3, T0 each came before the next, in a circle: T2 read 1 of key "x", which T0 wrote; T3 read 1 of key "m", which T2 wrote; T5 knew T3, which had made key "x" 2, and yet read 1, so that T0 wrote this later.
        "#]],
    );
}

#[test]
fn what_the_model_forbids_is_told_first() {
    let lost = ["rx_ wx1", "rx_ wx2"];
    let besides = |others: &[&'static str], expected: Expect| {
        at_once("cursor-stability", &[&lost[..], others].concat(), expected);
    };
    besides(
        &["wy1 wz1", "ry1 rz_"],
        expect![[r#"
        lost-update: T0 and T1 both read nil of key "x" and then overwrote it: one of the two updates was lost.
        T0 (events 0 to 4): r "x" nil, w "x" 1
        T1 (events 1 to 5): r "x" nil, w "x" 2
        [0, 1] since event Some(5), not cursor-stability update-atomic
        also observed-transaction-vanishes: T2, T3, T2 each came before the next, in a circle: T3 read 1 of key "y", which T2 wrote; T3 read nil of key "z", before T2 made it 1.
    "#]],
    );
    besides(
        &["wy1", "ry_ ry1"],
        expect![[r#"
        lost-update: T0 and T1 both read nil of key "x" and then overwrote it: one of the two updates was lost.
        T0 (events 0 to 4): r "x" nil, w "x" 1
        T1 (events 1 to 5): r "x" nil, w "x" 2
        [0, 1] since event Some(5), not cursor-stability update-atomic
        also fractured-read: T2, T3, T2 each came before the next, in a circle: T3 read 1 of key "y", which T2 wrote; T3 read nil of key "y", before T2 made it 1.
        also internal: T3 read 1 of key "y", though by its own reads and writes until then it must have been nil.
    "#]],
    );
    besides(
        &["wy1", "wy2", "ry1 ry2"],
        expect![[r#"
        lost-update: T0 and T1 both read nil of key "x" and then overwrote it: one of the two updates was lost.
        T0 (events 0 to 5): r "x" nil, w "x" 1
        T1 (events 1 to 6): r "x" nil, w "x" 2
        [0, 1] since event Some(6), not cursor-stability update-atomic
        also fractured-read: T2, T3, T2 each came before the next, in a circle: T4 knew T2, which had made key "y" 1, and yet read 2, so that T3 wrote this later; T4 knew T3, which had made key "y" 2, and yet read 1, so that T2 wrote this later.
        also internal: T4 read 2 of key "y", though by its own reads and writes until then it must have been 1.
    "#]],
    );
}

#[test]
fn what_a_read_shows_that_the_model_allows_orders_nothing() {
    let history = history(&["0 wx1 wx2", "0 rx1"], true);
    let verdict = check(&history, &of("monotonic-reads"));
    assert_eq!(verdict, Ok(Verdict::Valid { witness: None }));
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

/// The order of the writes of a key follows from one step.
#[test]
fn the_circle_that_the_other_order_would_close_is_told() {
    at_once(
        "serializable",
        &["wx1 wz1", "ry_ wx2", "wy1", "rz1 rx2", "ry1 rx1"],
        expect![[r#"
            no-serializable-order: T1, T2, T4, T1 each came before the next, in a circle: T1 read nil of key "y", before T2 made it 1; T4 read 1 of key "y", which T2 wrote; T4 read 1 of key "x", before T1 made it 2.
            Key "x" was 1 before it was 2, since the other way round closes a circle: T3 read 1 of key "z", which T0 wrote.
            T0 (events 0 to 5): w "x" 1, w "z" 1
            T1 (events 1 to 6): r "y" nil, w "x" 2
            T2 (events 2 to 7): w "y" 1
            T3 (events 3 to 8): r "z" 1, r "x" 2
            T4 (events 4 to 9): r "y" 1, r "x" 1
            [0, 1, 2, 3, 4] since event Some(9), not serializable
        "#]],
    );
}

/// Either order of v follows, but only once the orders of x and p are known.
#[test]
fn what_follows_from_what_followed_is_told() {
    at_once(
        "serializable",
        &[
            "wv2 rp1", "rx1 wv1", "wx1 wz1", "wx2 wu1", "rz1 rx2", "ru1 rv2", "wp1 ws1", "wp2 wq1",
            "rs1 rp2", "rq1 rv1",
        ],
        expect![[r#"
            no-serializable-order: T1, T3, T5, T1 each came before the next, in a circle: T1 read 1 of key "x", before T3 made it 2; T5 read 1 of key "u", which T3 wrote; T5 read 2 of key "v", before T1 made it 1.
            Key "v" was 2 before it was 1, since the other way round closes a circle: T0 read 1 of key "p", before T7 made it 2; T9 read 1 of key "q", which T7 wrote.
            Key "p" was 1 before it was 2, since the other way round closes a circle: T8 read 1 of key "s", which T6 wrote.
            Key "x" was 1 before it was 2, since the other way round closes a circle: T4 read 1 of key "z", which T2 wrote.
            T0 (events 0 to 10): w "v" 2, r "p" 1
            T1 (events 1 to 11): r "x" 1, w "v" 1
            T2 (events 2 to 12): w "x" 1, w "z" 1
            T3 (events 3 to 13): w "x" 2, w "u" 1
            T4 (events 4 to 14): r "z" 1, r "x" 2
            T5 (events 5 to 15): r "u" 1, r "v" 2
            T6 (events 6 to 16): w "p" 1, w "s" 1
            T7 (events 7 to 17): w "p" 2, w "q" 1
            T8 (events 8 to 18): r "s" 1, r "p" 2
            T9 (events 9 to 19): r "q" 1, r "v" 1
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] since event Some(19), not serializable
        "#]],
    );
}

#[test]
fn circles_that_were_met_while_all_choices_were_tried_are_told() {
    let transactions = ["wx1", "wx2", "rx1 wy1", "rx2 wy2", "ry1 rx2", "ry2 rx1"];
    let options = RwRegisterOptions {
        strategy: Strategy::SolverOnly,
        ..of("serializable")
    };
    tells(
        &history(&transactions, false),
        &options,
        expect![[r#"
        no-snapshot-isolation-order: In whatever order the writes of each key took place, some transactions each came before the next in a circle: the history is not snapshot-isolation.
        A circle of some choices: T3 read 2 of key "x", which T1 wrote; T5 read 2 of key "y", which T3 wrote; T5 read 1 of key "x", before T1 made it 2.
        A circle of some choices: T2 read 1 of key "x", which T0 wrote; T4 read 1 of key "y", which T2 wrote; T4 read 2 of key "x", before T0 made it 1.
        T0 (events 0 to 6): w "x" 1
        T1 (events 1 to 7): w "x" 2
        T2 (events 2 to 8): r "x" 1, w "y" 1
        T3 (events 3 to 9): r "x" 2, w "y" 2
        T4 (events 4 to 10): r "y" 1, r "x" 2
        T5 (events 5 to 11): r "y" 2, r "x" 1
        [0, 1, 2, 3, 4, 5] since event Some(11), not snapshot-isolation
        also no-serializable-order: In whatever order the writes of each key took place, some transactions each came before the next in a circle: the history is not serializable.
    "#]],
    );
}

/// One reader orders the values of 25 keys, which a circle passes.
#[test]
fn of_what_a_circle_rests_on_so_much_is_told() {
    let keys = || ('a'..='y').zip(('A'..='Y').cycle().skip(24));
    let all = |f: &str, value: u32| -> String {
        keys().map(|(key, _)| format!(" {f}{key}{value}")).collect()
    };
    let mut transactions = vec![format!("wz1{}", all("w", 1)), format!("rz1{}", all("r", 2))];
    for (key, before) in keys() {
        transactions.push(format!("w{key}2 w{}1", key.to_uppercase()));
        transactions.push(format!("r{before}1 r{key}1"));
    }
    let transactions: Vec<&str> = transactions.iter().map(String::as_str).collect();
    let verdict = check(&history(&transactions, false), &of("snapshot-isolation"));
    let Ok(Verdict::Invalid(anomaly)) = verdict else {
        panic!("expected a circle, but got {verdict:?}");
    };
    let orders = anomaly.explanation.iter();
    let orders = orders.filter(|line| line.starts_with("Key "));
    assert_eq!((anomaly.cycle.len(), orders.count()), (50, 24));
}
