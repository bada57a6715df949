//! Histories whose verdict is known, written by hand: the cases of Elle's paper and documentation, rebuilt.

use expect_test::{Expect, expect};
use squall_checkers::history::{Event, EventKind, History, ProcessReuse, Value};
use squall_checkers::isolation::list_append::{ListAppendOptions, check};
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::{Anomaly, Verdict};

/// `process type transaction` a line; a transaction is `ax1` for an append of 1 to x, `rx12` for a read
/// of x that shows 1 and 2.
fn history(text: &str) -> History {
    let events = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let event = |line: &str| {
        let mut words = line.split_whitespace();
        let process = words.next().and_then(|word| word.parse().ok());
        let kind = words.next().and_then(EventKind::from_word);
        let steps = words.map(step).collect();
        Event {
            process: process.expect("a process"),
            kind: kind.expect("a kind of event"),
            f: "txn".to_owned(),
            key: None,
            value: Value::List(steps),
            time_ns: 0,
            error: None,
        }
    };
    let events = events.map(event).collect();
    History::from_events_with(events, ProcessReuse::Refused).expect("a history")
}

fn step(word: &str) -> Value {
    let (function, rest) = word.split_at(1);
    let (key, elements) = rest.split_at(1);
    let numbers: Vec<Value> = elements
        .bytes()
        .map(|digit| Value::Int(i64::from(digit - b'0')))
        .collect();
    let (function, value) = match function {
        "a" => ("append", numbers[0].clone()),
        _ => ("r", Value::List(numbers)),
    };
    Value::List(vec![Value::from(function), Value::from(key), value])
}

/// Transactions that all run at once.
pub(super) fn at_once(transactions: &[&str]) -> History {
    let lines = |kind: &str| -> String {
        let lines = transactions.iter().enumerate();
        lines
            .map(|(process, transaction)| format!("{process} {kind} {transaction}\n"))
            .collect()
    };
    history(&(lines("invoke") + &lines("ok")))
}

/// Transactions one after another, each of its own process.
pub(super) fn one_by_one(transactions: &[&str]) -> History {
    let lines = transactions.iter().enumerate();
    let text: String = lines
        .map(|(process, transaction)| {
            format!("{process} invoke {transaction}\n{process} ok {transaction}\n")
        })
        .collect();
    history(&text)
}

fn judge(history: &History, model: ConsistencyModel) -> Verdict {
    let options = ListAppendOptions {
        model,
        ..ListAppendOptions::default()
    };
    check(history, &options).expect("transactions")
}

pub(super) fn anomaly(history: &History) -> Anomaly {
    anomaly_by(history, &ListAppendOptions::default())
}

pub(super) fn anomaly_by(history: &History, options: &ListAppendOptions) -> Anomaly {
    match check(history, options).expect("transactions") {
        Verdict::Invalid(anomaly) => anomaly,
        other => panic!("{other:?}"),
    }
}

/// The classes found, the models broken, and the first event that is impossible.
fn finds(history: &History, expected: Expect) {
    let anomaly = anomaly(history);
    let mut classes = vec![anomaly.class.clone()];
    classes.extend(anomaly.also.iter().map(|also| also.class.clone()));
    expected.assert_eq(&format!(
        "{}; not {}; event {:?}",
        classes.join(" "),
        anomaly.rules_out.join(" "),
        anomaly.first_bad_event
    ));
}

#[test]
fn write_skew_of_four_transactions_leaves_snapshot_isolation() {
    let history = at_once(&["az2", "ay1 rz", "rw ry az5", "aw2 rz2"]);
    finds(
        &history,
        expect!["G2-item; not repeatable-read; event Some(6)"],
    );
    let is_valid = |model| matches!(judge(&history, model), Verdict::Valid { .. });
    assert!(is_valid(ConsistencyModel::SnapshotIsolation));
    assert!(!is_valid(ConsistencyModel::RepeatableRead));
    assert!(is_valid(ConsistencyModel::ReadCommitted));
}

/// Two transactions miss each other's append although a third had overwritten one of them.
#[test]
fn the_example_of_the_paper_is_read_skew() {
    let history = one_by_one(&[
        "aa1 aa3 aa4 ac2 ac3 ac4 ac5 ad1 ad2",
        "ac8 ra134",
        "ad4 rc23458 rd124 ra134",
        "ab9 ra134 rc2345 ad3",
    ]);
    finds(
        &history,
        expect!["G-single-item; not consistent-view repeatable-read; event Some(7)"],
    );
}

#[test]
fn a_dirty_write_is_a_cycle_of_writes() {
    finds(
        &at_once(&["ax1 ay1", "ax2 ay2", "rx12 ry21"]),
        expect!["G0; not read-uncommitted; event Some(5)"],
    );
}

#[test]
fn an_aborted_read_and_what_builds_on_it() {
    let text = "0 invoke ax1\n0 fail ax1\n1 invoke ax2\n1 ok ax2\n2 invoke rx\n2 ok rx12";
    finds(
        &history(text),
        expect!["G1a dirty-update; not read-committed; event Some(5)"],
    );
}

#[test]
fn an_intermediate_read() {
    finds(
        &at_once(&["ax1 ax2", "rx1"]),
        expect!["G1b G-single-item; not read-committed; event Some(3)"],
    );
}

#[test]
fn circular_information_flow() {
    finds(
        &at_once(&["ax1 ry1", "ay1 rx1"]),
        expect!["G1c; not read-committed; event Some(3)"],
    );
}

#[test]
fn a_transaction_that_contradicts_itself() {
    finds(
        &at_once(&["ax1", "rx1 rx"]),
        expect![
            "internal G-single-item; not read-atomic consistent-view repeatable-read; event Some(3)"
        ],
    );
    finds(
        &at_once(&["ax1 rx"]),
        expect!["internal; not read-atomic; event Some(1)"],
    );
}

#[test]
fn a_read_of_the_future_of_its_own_transaction() {
    finds(
        &at_once(&["rx1 ax1"]),
        expect!["future-read; not read-committed; event Some(1)"],
    );
}

#[test]
fn an_update_is_lost() {
    finds(
        &at_once(&["rx ax1", "rx ax2", "rx12"]),
        expect!["lost-update G-single-item; not cursor-stability update-atomic; event Some(4)"],
    );
}

#[test]
fn orders_that_contradict_each_other() {
    finds(
        &at_once(&["ax1", "ax2", "rx12", "rx21"]),
        expect!["incompatible-order; not read-committed; event Some(7)"],
    );
    finds(
        &at_once(&["ax1 ax2", "rx21"]),
        expect!["incompatible-order G1b; not read-committed; event Some(3)"],
    );
}

/// What is worst is told first, but something else was wrong one event before.
#[test]
fn the_first_bad_event_is_that_of_whatever_was_wrong_first() {
    finds(
        &at_once(&["ay1", "ry1 ry", "rx3"]),
        expect!["thin-air-read internal G-single-item; not read-uncommitted; event Some(4)"],
    );
}

#[test]
fn elements_twice_and_out_of_thin_air() {
    finds(
        &at_once(&["ax1", "rx11"]),
        expect!["duplicate-elements; not read-uncommitted; event Some(3)"],
    );
    finds(
        &at_once(&["ax1", "rx13"]),
        expect!["thin-air-read; not read-uncommitted; event Some(3)"],
    );
}

#[test]
fn a_long_fork() {
    finds(
        &at_once(&["ax1", "ay1", "rx1 ry", "rx ry1"]),
        expect!["G-nonadjacent-item; not repeatable-read snapshot-isolation; event Some(7)"],
    );
}

#[test]
fn a_stale_read_is_wrong_in_real_time_only() {
    finds(
        &one_by_one(&["ax1", "rx", "rx1"]),
        expect!["G-single-item-realtime; not strong-snapshot-isolation; event Some(3)"],
    );
}

#[test]
fn a_session_does_not_read_its_own_append() {
    let text = "0 invoke ax1\n0 ok ax1\n0 invoke rx\n0 ok rx";
    finds(
        &history(text),
        expect!["G-single-item-process; not strong-session-snapshot-isolation; event Some(3)"],
    );
}

/// Nobody saw the first append, nor knows whether it took place.
#[test]
fn what_crashed_unseen_may_not_have_happened() {
    let text = "0 invoke ax1\n0 info ax1\n1 invoke ax2\n1 ok ax2\n2 invoke rx\n2 ok rx2";
    assert!(matches!(
        judge(&history(text), ConsistencyModel::StrictSerializable),
        Verdict::Valid {
            witness: Some(order)
        } if order == [1, 2]
    ));
}

#[test]
fn what_crashed_and_was_seen_has_happened() {
    let text = "0 invoke ax1 ay1\n0 info ax1 ay1\n1 invoke rx\n1 ok rx1\n2 invoke ry\n2 ok ry";
    finds(
        &history(text),
        expect!["G-single-item-realtime; not strong-snapshot-isolation; event Some(5)"],
    );
}

#[test]
fn two_appends_that_cannot_be_told_apart_are_not_judged() {
    let verdict = judge(
        &at_once(&["ax1", "ax1", "rx1"]),
        ConsistencyModel::Serializable,
    );
    assert_eq!(
        verdict,
        Verdict::Unknown(
            "expected each element to be appended to a key once, but the transactions 0 and 1 both appended 1 to key \"x\""
                .to_owned()
        )
    );
}

#[test]
fn nothing_read_proves_nothing() {
    let verdict = judge(&at_once(&["ax1", "ax2"]), ConsistencyModel::Serializable);
    assert_eq!(verdict.word(), "vacuous");
}

/// What is told of a history: the sentence of each anomaly, the worst first.
fn tells(transactions: &[&str], expected: Expect) {
    tells_of(&at_once(transactions), expected);
}

fn tells_of(history: &History, expected: Expect) {
    let anomaly = anomaly(history);
    let all = [&anomaly].into_iter().chain(&anomaly.also);
    let told: String = all
        .map(|one| format!("{}: {}\n", one.class, one.sentence))
        .collect();
    expected.assert_eq(&told);
}

#[test]
fn a_cycle_of_writes_is_told_by_the_read_that_shows_their_order() {
    tells(
        &["ax1 ay1", "ax2 ay2", "rx12 ry21"],
        expect![[r#"
        G0: No order of the transactions 0 and 1 is possible: transaction 1 appended 2 to key "x" after transaction 0 had appended 1; transaction 0 appended 1 to key "y" after transaction 1 had appended 2.
    "#]],
    );
}

/// A read that contradicts the longest one of its key shows nothing of who came before whom.
#[test]
fn a_read_that_is_wrong_is_no_evidence() {
    tells(
        &["rx12", "ax1 ay1 rz1", "ax2", "rx2 ry1 az1"],
        expect![[r#"
            incompatible-order: Transaction 3's read of key "x", [2], and transaction 0's read of key "x", [1 2], contradict each other: lists only grow at their end.
            G1c: No order of the transactions 1 and 3 is possible: transaction 3's read of key "y", [1], shows transaction 1's append of 1; transaction 1's read of key "z", [1], shows transaction 3's append of 1.
        "#]],
    );
    tells(
        &["rx12 ry rz1", "ax1", "ax2", "ax3 ay1 az1", "rx3"],
        expect![[r#"
            incompatible-order: Transaction 4's read of key "x", [3], and transaction 0's read of key "x", [1 2], contradict each other: lists only grow at their end.
            G-single-item: No order of the transactions 0 and 3 is possible: transaction 0's read of key "y", [], does not show transaction 3's append of 1; transaction 0's read of key "z", [1], shows transaction 3's append of 1.
        "#]],
    );
}

/// A read misses the transaction that appended next, and the element by which it overwrote that key.
#[test]
fn what_a_read_misses_is_the_next_append_to_its_key() {
    tells(
        &["rx ry rz1", "ax1", "ax2 ay1 az1", "rx12"],
        expect![[r#"
        G-single-item: No order of the transactions 0 and 2 is possible: transaction 0's read of key "y", [], does not show transaction 2's append of 1; transaction 0's read of key "z", [1], shows transaction 2's append of 1.
    "#]],
    );
    tells(
        &["ry rz1", "aw5 ay1 az1", "rw5 ry1"],
        expect![[r#"
        G-single-item: No order of the transactions 0 and 1 is possible: transaction 0's read of key "y", [], does not show transaction 1's append of 1; transaction 0's read of key "z", [1], shows transaction 1's append of 1.
    "#]],
    );
}

/// Nobody saw what was appended last to either key; it came after what the other wrote in one of them.
#[test]
fn an_append_that_nobody_saw_is_told_by_the_key_that_both_wrote() {
    tells(
        &["ay1 rz1", "ax2 ay2 az1", "ax1", "rx1 ry1"],
        expect![[r#"
            G1c: No order of the transactions 1 and 0 is possible: transaction 0's read of key "z", [1], shows transaction 1's append of 1; transaction 1 appended 2 to key "y", of which the longest read, [1], shows the last append of transaction 0 but not that one.
            G-single-item: No order of the transactions 3, 1 and 0 is possible: transaction 3's read of key "x", [1], does not show transaction 1's append of 2; transaction 0's read of key "z", [1], shows transaction 1's append of 1; transaction 3's read of key "y", [1], shows transaction 0's append of 1.
        "#]],
    );
}

#[test]
fn of_reads_of_the_future_the_first_is_told() {
    tells(
        &["rx1 ry1 rx1 ay1 ax1"],
        expect![[r#"
        future-read: Transaction 0's read of key "x", [1], shows transaction 0's append of 1 to key "x", which came after it in the same transaction.
    "#]],
    );
}

#[test]
fn what_one_or_two_transactions_show_is_told() {
    tells(
        &["ax1", "rx11"],
        expect![[r#"
        duplicate-elements: Transaction 1's read of key "x", [1 1], shows 1 twice, which was appended once.
    "#]],
    );
    tells(
        &["ax1 ax2", "rx1"],
        expect![[r#"
        G1b: Transaction 1's read of key "x", [1], ends with transaction 0's append of 1 to key "x", after which the same transaction appended more.
        G-single-item: No order of the transactions 1 and 0 is possible: transaction 1's read of key "x", [1], does not show transaction 0's append of 2; transaction 1's read of key "x", [1], shows transaction 0's append of 1.
    "#]],
    );
    tells(
        &["ax1 rx"],
        expect![[r#"
        internal: Transaction 0's read of key "x", [], contradicts transaction 0's append of 1 to key "x", earlier in the same transaction.
    "#]],
    );
    tells(
        &["rx ax1", "rx ax2", "rx12"],
        expect![[r#"
        lost-update: Transaction 1's read of key "x", [], and transaction 0's read of key "x", [], saw the same version, and both transactions appended to it.
        G-single-item: No order of the transactions 1 and 0 is possible: transaction 1's read of key "x", [], does not show transaction 0's append of 1; transaction 1 appended 2 to key "x" after transaction 0 had appended 1.
    "#]],
    );
    let aborted = "0 invoke ax1\n0 fail ax1\n1 invoke ax2\n1 ok ax2\n2 invoke rx\n2 ok rx12";
    tells_of(
        &history(aborted),
        expect![[r#"
        G1a: Transaction 2's read of key "x", [1 2], shows 1, but transaction 0's append of 1 to key "x" failed.
        dirty-update: Transaction 1's append of 2 to key "x" builds on transaction 0's append of 1 to key "x", which failed.
    "#]],
    );
    // The order of a process is told as such.
    let session = "0 invoke ax1\n0 ok ax1\n0 invoke rx\n0 ok rx";
    tells_of(
        &history(session),
        expect![[r#"
        G-single-item-process: No order of the transactions 1 and 0 is possible: transaction 1's read of key "x", [], does not show transaction 0's append of 1; process 0 did transaction 0 before it began transaction 1.
    "#]],
    );
    tells_of(
        &one_by_one(&["ax1", "rx", "rx1"]),
        expect![[r#"
        G-single-item-realtime: No order of the transactions 1 and 0 is possible: transaction 1's read of key "x", [], does not show transaction 0's append of 1; transaction 0 returned at event 1 before transaction 1 was invoked at event 2.
    "#]],
    );
}

/// So often, but it is told once, and only then how often.
#[test]
fn what_was_found_more_than_once_is_counted() {
    let counted = |transactions: &[&str]| {
        let anomaly = anomaly(&at_once(transactions));
        let told = "thin-air-read was found 2 times; this is the first.";
        let count = anomaly
            .explanation
            .iter()
            .filter(|line| line.contains(" times;"));
        (
            anomaly.explanation.contains(&told.to_owned()),
            count.count(),
        )
    };
    assert_eq!(counted(&["rx1"]), (false, 0));
    assert_eq!(counted(&["rx1", "ry1"]), (true, 1));
}

#[test]
fn the_first_of_several_elements_out_of_thin_air_is_told() {
    tells(
        &["ax1", "rx1 rx1", "rx98"],
        expect![[r#"
        thin-air-read: Transaction 2's read of key "x", [9 8], shows 9, which nobody appended.
        incompatible-order: Transaction 1's read of key "x", [1], and transaction 2's read of key "x", [9 8], contradict each other: lists only grow at their end.
    "#]],
    );
    tells(
        &["rx12 ax3", "ax1", "ax2", "rx98"],
        expect![[r#"
        thin-air-read: Transaction 3's read of key "x", [9 8], shows 9, which nobody appended.
        incompatible-order: Transaction 3's read of key "x", [9 8], and transaction 0's read of key "x", [1 2], contradict each other: lists only grow at their end.
    "#]],
    );
}

#[test]
fn what_a_transaction_shows_before_it_appends_it_is_of_the_future_whatever_others_saw() {
    tells(
        &["rx12", "rx2 ax2", "ax1"],
        expect![[r#"
        incompatible-order: Transaction 1's read of key "x", [2], and transaction 0's read of key "x", [1 2], contradict each other: lists only grow at their end.
        future-read: Transaction 1's read of key "x", [2], shows transaction 1's append of 2 to key "x", which came after it in the same transaction.
    "#]],
    );
    tells(
        &["rx", "rx12", "rx2", "ax1", "ax2"],
        expect![[r#"
        incompatible-order: Transaction 2's read of key "x", [2], and transaction 1's read of key "x", [1 2], contradict each other: lists only grow at their end.
    "#]],
    );
}

fn read(lines: &str) -> History {
    History::read(lines.as_bytes(), None).expect("a history")
}

#[test]
fn elements_may_be_anything_and_a_list_that_is_not_there_is_empty() {
    let wrote = "0 :invoke :txn [[:append x a] [:append x 2147483648] [:append x b]]\n0 :ok :txn [[:append x a] [:append x 2147483648] [:append x b]]\n";
    let judged = |shown: &str| {
        let read = read(&format!(
            "{wrote}1 :invoke :txn [[:r x nil]]\n1 :ok :txn [[:r x {shown}]]\n"
        ));
        judge(&read, ConsistencyModel::StrictSerializable)
    };
    assert!(matches!(judged("[a 2147483648 b]"), Verdict::Valid { .. }));
    let Verdict::Invalid(anomaly) = judged("[a b 2147483648]") else {
        panic!("the list is in another order");
    };
    assert_eq!(
        anomaly.sentence,
        "Transaction 0's append of \"b\" to key \"x\" and transaction 0's append of 2147483648 to key \"x\" contradict each other: lists only grow at their end."
    );
    let Verdict::Invalid(anomaly) = judged("nil") else {
        panic!("the list was there");
    };
    assert_eq!(anomaly.class, "G-single-item-realtime");
}

/// What its reads were asked to show says nothing.
#[test]
fn a_transaction_that_crashed_read_nothing() {
    let text = "0 :invoke :txn [[:append x 1] [:r y [1]]]\n0 :info :txn [[:append x 1] [:r y [1]]]
        1 :invoke :txn [[:r x nil] [:append y 1]]\n1 :ok :txn [[:r x [1]] [:append y 1]]
        2 :invoke :txn [[:r x nil]]\n2 :ok :txn [[:r x []]]";
    let Verdict::Invalid(anomaly) = judge(&read(text), ConsistencyModel::StrictSerializable) else {
        panic!("the append had been seen");
    };
    let told = "transaction 0 (process 0, since event 0): [append \"x\" 1] [r \"y\" ?]";
    assert!(
        anomaly.explanation.contains(&told.to_owned()),
        "{anomaly:#?}"
    );
}

#[test]
fn what_is_no_transaction_of_lists_is_refused() {
    for (f, key, steps) in [
        ("read", "", "[[\"r\",\"x\",[1]]]"),
        ("txn", "\"key\":1,", "[[\"r\",\"x\",[1]]]"),
        ("txn", "", "[[\"r\",\"x\",1]]"),
        ("txn", "", "[[\"w\",\"x\",1]]"),
        ("txn", "", "[[\"append\",\"x\"]]"),
        ("txn", "", "5"),
    ] {
        let event = |kind: &str| {
            format!(r#"{{"process":0,"type":"{kind}","f":"{f}",{key}"value":{steps}}}"#)
        };
        let history = read(&format!("{}\n{}", event("invoke"), event("ok")));
        let verdict = check(&history, &ListAppendOptions::default());
        assert!(verdict.is_err(), "{f} {key} {steps}: {verdict:?}");
    }
}

#[test]
fn a_cycle_is_told_edge_by_edge() {
    let anomaly = anomaly(&one_by_one(&["ax1 ay1", "rx1 ry", "ry1"]));
    let mut text = format!("{}\n", anomaly.sentence);
    for line in &anomaly.explanation {
        text.push_str(line);
        text.push('\n');
    }
    expect![[r#"
        No order of the transactions 1 and 0 is possible: transaction 1's read of key "y", [], does not show transaction 0's append of 1; transaction 1's read of key "x", [1], shows transaction 0's append of 1.
        G-single-item: read skew, a cycle with exactly one anti-dependency.
        transaction 0 (process 0, events 0 to 1): [append "x" 1] [append "y" 1]
        transaction 1 (process 1, events 2 to 3): [r "x" [1]] [r "y" []]
        1 comes before 0, because transaction 1's read of key "y", [], does not show transaction 0's append of 1.
        However, 0 comes before 1, because transaction 1's read of key "x", [1], shows transaction 0's append of 1: a contradiction.
        What was found rules out consistent-view, repeatable-read, and with that forward-consistent-view, update-serializable, snapshot-isolation, serializable, strong-session-snapshot-isolation, strong-session-serializable, strong-snapshot-isolation, strict-serializable.
        Whatever came later, strict-serializable was impossible from event 3 on.
    "#]].assert_eq(&text);
}
