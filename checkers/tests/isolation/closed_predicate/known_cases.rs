//! Anomalies of predicates by their names, and what is no anomaly.

use super::differential::judge;
use squall_checkers::History;
use squall_checkers::isolation::models::ConsistencyModel::{
    self, ReadCommitted, RepeatableRead, Serializable, SnapshotIsolation, StrictSerializable,
};
use squall_checkers::verdict::{Anomaly, DependencyKind, Verdict};

/// A history in EDN: what the universe is at first, and each transaction, of a process of its own. All
/// begin before the first returns; `#` before one says that nobody knows its end, `!` that it failed.
fn history(init: &str, transactions: &[&str]) -> History {
    let mut lines = vec![
        format!("{{:process 99 :type :invoke :f :init :value {init}}}"),
        format!("{{:process 99 :type :ok :f :init :value {init}}}"),
    ];
    for kind in [None, Some("ok")] {
        for (process, text) in transactions.iter().enumerate() {
            let (end, text) = match text.split_at(1) {
                ("#", text) => ("info", text),
                ("!", text) => ("fail", text),
                _ => ("ok", *text),
            };
            let kind = kind.map_or("invoke", |_| end);
            lines.push(format!(
                "{{:process {process} :type :{kind} :f :txn :value [{text}]}}"
            ));
        }
    }
    History::read(lines.join("\n").as_bytes(), None).expect("a history")
}

fn found(history: &History, model: ConsistencyModel) -> Anomaly {
    match judge(history, model) {
        Verdict::Invalid(anomaly) => anomaly,
        other => panic!("expected something that {model} forbids, but found {other:?}"),
    }
}

fn assert_allowed(history: &History, model: ConsistencyModel) {
    let verdict = judge(history, model);
    assert!(
        matches!(verdict, Verdict::Valid { .. }),
        "{model}: {verdict:#?}"
    );
}

/// Each asks whether there is a one, finds none, and makes one.
#[test]
fn two_phantoms_are_a_write_skew_of_predicates() {
    let history = history(
        "{:x 0 :y 0}",
        &["[:rp [:= 1] {}] [:w :x 1]", "[:rp [:= 1] {}] [:w :y 1]"],
    );
    let anomaly = found(&history, Serializable);
    assert_eq!(anomaly.class, "G2");
    assert_eq!(anomaly.rules_out, ["serializable"]);
    assert_eq!(anomaly.witness, [1, 2]);
    assert!(anomaly.minimal);
    assert_eq!(anomaly.first_bad_event, Some(5));
    let kinds: Vec<DependencyKind> = anomaly.cycle.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [DependencyKind::PredicateReadWrite; 2]);
    assert_eq!(
        anomaly.sentence,
        "No order of the transactions 1 and 2 is possible: transaction 1's read by [= 1], without key \"y\", shows that transaction 2 set it to 1 only after; transaction 2's read by [= 1], without key \"x\", shows that transaction 1 set it to 1 only after."
    );
    assert!(
        anomaly
            .explanation
            .iter()
            .any(|line| line.contains("a phantom"))
    );
    // No item was read and then overwritten.
    assert_allowed(&history, RepeatableRead);
    assert_allowed(&history, SnapshotIsolation);
}

#[test]
fn what_a_predicate_shows_is_read_as_an_item_too() {
    let history = history(
        "{:x 0 :y 0}",
        &[
            "[:rp [:= 0] {:x 0 :y 0}] [:w :x 1]",
            "[:rp [:= 0] {:x 0 :y 0}] [:w :y 1]",
        ],
    );
    let anomaly = found(&history, RepeatableRead);
    assert_eq!(anomaly.class, "G2-item");
    assert_allowed(&history, SnapshotIsolation);
}

/// That a key is not there tells whose deletion was seen.
#[test]
fn information_flows_in_a_circle_through_what_is_not_shown() {
    let history = history(
        "{:x 0 :y 0}",
        &["[:delete :x] [:rp :true {}]", "[:delete :y] [:rp :true {}]"],
    );
    let anomaly = found(&history, ReadCommitted);
    assert_eq!(anomaly.class, "G1c");
    assert_eq!(anomaly.rules_out, ["read-committed"]);
    assert!(
        anomaly
            .sentence
            .contains("shows that transaction 2 deleted key \"y\" before"),
        "{anomaly:#?}"
    );
}

#[test]
fn predicate_many_preceders() {
    let history = history(
        "{}",
        &["[:insert :x 4]", "[:rp [:> 2] {}] [:rp [:> 3] {:x 4}]"],
    );
    let anomaly = found(&history, Serializable);
    assert_eq!(anomaly.class, "G-single");
    assert_eq!(anomaly.rules_out, ["consistent-view"]);
    let named = anomaly.explanation.iter();
    assert!(
        named
            .clone()
            .any(|line| line.contains("predicate-many-preceders"))
    );
    found(&history, SnapshotIsolation);
    assert_allowed(&history, RepeatableRead);
    assert_allowed(&history, ReadCommitted);
}

fn check_class(init: &str, transactions: &[&str], class: &str, weakest: &str) {
    let anomaly = found(&history(init, transactions), Serializable);
    assert_eq!(
        (anomaly.class.as_str(), anomaly.rules_out[0].as_str()),
        (class, weakest)
    );
    assert!(anomaly.first_bad_event.is_some(), "{anomaly:#?}");
}

#[test]
fn single_reads_that_are_wrong() {
    let check = check_class;
    check(
        "{:x 3}",
        &["[:rp [:mod 2 1] {}]"],
        "predicate-read-miss",
        "consistent-view",
    );
    check(
        "{:x 3}",
        &["[:rp [:< 3] {:x 3}]"],
        "predicate-read-miss",
        "consistent-view",
    );
    check(
        "{:x 3}",
        &["[:r :x nil]"],
        "G-single-item",
        "consistent-view",
    );
    check(
        "{:x 3}",
        &["[:rp :true {:x 4}]"],
        "thin-air-read",
        "read-uncommitted",
    );
    check(
        "{}",
        &["[:rp :true {:z 4}]"],
        "thin-air-read",
        "read-uncommitted",
    );
    check(
        "{}",
        &["[:rp :true {:x 1}]", "![:w :x 1]"],
        "G1a",
        "read-committed",
    );
    check(
        "{:x 1}",
        &["[:rp :true {}]", "![:delete :x]"],
        "G1a",
        "read-committed",
    );
    check(
        "{:x 1}",
        &["[:rp :true {}]", "[:delete :x] [:insert :x 2]"],
        "G1b",
        "read-committed",
    );
    check(
        "{:x 1}",
        &["[:delete :x] [:rp :true {:x 1}]"],
        "internal",
        "read-atomic",
    );
    check(
        "{}",
        &["[:rp :true {:x 1}] [:insert :x 1]"],
        "future-read",
        "read-committed",
    );
}

#[test]
fn two_that_replace_one_version_lose_an_update() {
    let transactions = ["[:rp :true {:x 0}] [:w :x 1]", "[:r :x 0] [:w :x 2]"];
    let anomaly = found(&history("{:x 0}", &transactions), SnapshotIsolation);
    assert_eq!(anomaly.class, "lost-update");
    assert_eq!(anomaly.rules_out, ["cursor-stability", "update-atomic"]);
}

#[test]
fn who_failed_is_needed_and_who_went_on_is_not() {
    let failed = ["[:rp :true {}]", "![:delete :x]"];
    assert!(found(&history("{:x 1}", &failed), Serializable).minimal);
    let went_on = ["[:rp :true {}]", "[:delete :x] [:insert :x 2]"];
    assert!(!found(&history("{:x 1}", &went_on), Serializable).minimal);
}

/// Each who wrote the key had read it before: the second reader saw 1 after 3.
#[test]
fn a_chain_of_versions_is_in_order() {
    let transactions = [
        "[:r :x 1] [:w :x 2]",
        "[:r :x 2] [:w :x 3]",
        "[:rp [:= 3] {:x 3}] [:rp [:> 1] {}]",
    ];
    let history = history("{:x 1}", &transactions);
    let anomaly = found(&history, Serializable);
    assert_eq!(anomaly.class, "G-single");
    assert_eq!(anomaly.witness, [1, 2, 3]);
}

#[test]
fn a_crashed_deletion_counts_if_it_was_seen() {
    let seen = ["#[:delete :x] [:delete :y]", "[:rp [:= 1] {}] [:r :y 2]"];
    assert_eq!(
        found(&history("{:x 1 :y 2}", &seen), Serializable).class,
        "G-single-item"
    );
    let unseen = ["#[:delete :x]", "[:rp [:= 1] {:x 1}]"];
    assert_allowed(&history("{:x 1}", &unseen), StrictSerializable);
}

#[test]
fn real_time_counts_where_it_is_asked_for() {
    let text = r#"
        {"process": 0, "type": "invoke", "f": "txn", "value": [["insert", 5, 1]]}
        {"process": 0, "type": "ok", "f": "txn", "value": [["insert", 5, 1]]}
        {"process": 1, "type": "invoke", "f": "txn", "value": [["rp", true, null]]}
        {"process": 1, "type": "ok", "f": "txn", "value": [["rp", true, {}]]}
    "#;
    let history = History::read(text.as_bytes(), None).expect("a history");
    assert_eq!(
        found(&history, StrictSerializable).class,
        "G-single-realtime"
    );
    let Verdict::Valid { witness } = judge(&history, Serializable) else {
        panic!("the reader came first");
    };
    assert_eq!(witness, Some(vec![1, 0]));
    let shown = text.replace("{}", r#"{"5": 1}"#);
    let shown = History::read(shown.as_bytes(), None).expect("a history");
    assert_allowed(&shown, StrictSerializable);
}

#[test]
fn what_cannot_be_told_is_not_guessed() {
    let blind = ["[:w :x 1]", "[:w :x 2]", "[:r :x 1]", "[:r :x 2]"];
    let verdict = judge(&history("{:x 0}", &blind), SnapshotIsolation);
    assert!(
        matches!(verdict, Verdict::Valid { .. }),
        "a witness is enough: {verdict:?}"
    );
    let torn = ["[:w :x 1]", "[:w :x 2]", "[:r :x 1] [:r :x 2] [:r :x 1]"];
    let verdict = judge(&history("{:x 0}", &torn), Serializable);
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
    let unread = judge(&history("{:x 0}", &["[:w :x 1]"]), Serializable);
    assert!(matches!(unread, Verdict::Vacuous(_)), "{unread:?}");
}

#[test]
fn what_one_read_shows_by_itself_is_told() {
    let sentence =
        |transaction: &str| found(&history("{:x 0}", &[transaction]), Serializable).sentence;
    assert_eq!(
        sentence("[:r :x 7]"),
        "Transaction 1's read of key \"x\", 7, shows what nobody wrote."
    );
    assert_eq!(
        sentence("[:r :x nil]"),
        "Transaction 1's read of key \"x\", which was not there, shows the key as if the universe had begun without it: nobody deleted it."
    );
    let told =
        |transactions: &[&str]| found(&history("{:x 0}", transactions), Serializable).sentence;
    let sentences = [
        told(&["![:w :x 1]", "[:r :x 1]"]),
        told(&["[:w :x 1] [:w :x 2]", "[:r :x 1]"]),
        told(&["[:r :x 1] [:w :x 1]"]),
        told(&["[:w :x 1] [:r :x 0]"]),
        told(&["[:rp [:= 0] {}]"]),
        told(&["[:rp [:= 1] {:x 0}]"]),
    ];
    expect_test::expect![[r#"
        Transaction 2's read of key "x", 1, shows what transaction 1 wrote, which failed.
        Transaction 2's read of key "x", 1, shows what transaction 1 wrote, which wrote something else there afterwards.
        Transaction 1's read of key "x", 1, shows what the same transaction wrote only later.
        Transaction 1's read of key "x", 0, contradicts what the same transaction wrote before: 1.
        Transaction 1's read by [= 0], without key "x", misses it: the predicate matches all that it ever was.
        Transaction 1's read by [= 1], with key "x" = 0, shows what the predicate does not match."#]].assert_eq(&sentences.join("\n"));
}

/// Of all that a reader saw too early the first read of an item is told.
#[test]
fn reads_of_items_are_told_before_those_by_predicates() {
    let history = history(
        "{:x 0 :y 0}",
        &[
            "[:r :z 1] [:rp [:= 0] {:x 0 :y 0}] [:r :x 0] [:r :y 0] [:rp [:< 1] {:x 0 :y 0}]",
            "[:w :x 1] [:w :y 1] [:w :z 1]",
        ],
    );
    expect_test::expect![[r#"No order of the transactions 1 and 2 is possible: transaction 1's read by [= 0], with key "x" = 0, shows that transaction 2 set it to 1 only after; transaction 1's read of key "z", 1, shows that transaction 2 set it to 1 before."#]].assert_eq(&found(&history, Serializable).sentence);
}

/// Two looks tell since when, and two more that the one transaction is needed.
#[test]
fn transactions_are_judged_once_more_within_the_limit() {
    use squall_checkers::isolation::closed_predicate::{ClosedPredicateOptions, check};
    let history = history("{:x 0}", &["[:rp [:= 0] {}]", "[:r :x 0]"]);
    let judged = |repeated_transactions| {
        let options = ClosedPredicateOptions {
            repeated_transactions,
            ..ClosedPredicateOptions::default()
        };
        match check(&history, &options) {
            Ok(Verdict::Invalid(anomaly)) => (anomaly.first_bad_event, anomaly.minimal),
            other => panic!("expected an anomaly, but found {other:?}"),
        }
    };
    let look = 3;
    assert_eq!(judged(2 * look - 1), (None, false));
    assert_eq!(judged(2 * look), (Some(4), false));
    assert_eq!(judged(4 * look), (Some(4), true));
}

#[test]
fn what_is_no_such_transaction_is_refused() {
    use squall_checkers::isolation::closed_predicate::check;
    for transaction in [
        "[:rp [:mod 0 1] {}]",
        "[:rp [:like 1] {}]",
        "[:rp :true [1]]",
        "[:rp :true nil]",
        "[:w :x]",
        "[:w :x nil]",
        "[:delete :x 1]",
        "[:append :x 1]",
    ] {
        let history = history("{}", &[transaction]);
        assert!(
            check(&history, &Default::default()).is_err(),
            "{transaction}"
        );
    }
    let twice = history("{:x 1}", &["[:r :x 1]"]);
    let mut events: Vec<_> = twice.into();
    events.rotate_left(2);
    let late = History::from_events(events).expect("a history");
    let error = check(&late, &Default::default()).expect_err("the universe comes first");
    assert!(error.to_string().contains("`init` once"), "{error}");
}
