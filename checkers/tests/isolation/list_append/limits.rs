//! What is told beyond the verdict: cores, counts, and how far the limits allow to look.

use super::known_cases::{anomaly, anomaly_by, at_once, one_by_one};
use squall_checkers::isolation::cycles::CycleLimits;
use squall_checkers::isolation::list_append::{ListAppendOptions, Statistics, report};

/// That the reader saw both appends shows their order, but whichever came first, one was lost.
#[test]
fn who_shows_nothing_that_the_others_do_not_show_is_not_in_the_core() {
    let anomaly = anomaly(&at_once(&["rx ax1", "rx ax2", "rx12"]));
    let single = &anomaly.also[0];
    assert_eq!(single.class, "G-single-item");
    assert_eq!((&single.witness[..], single.minimal), (&[0, 1][..], true));
}

/// Two transactions have two steps each and read an element, which is looked at once for both and once
/// more without each.
#[test]
fn whether_all_are_needed_is_asked_within_the_limit() {
    let is_minimal = |shorten_edges: u64| {
        let options = ListAppendOptions {
            limits: CycleLimits {
                shorten_edges,
                ..CycleLimits::default()
            },
            ..ListAppendOptions::default()
        };
        anomaly_by(&at_once(&["ax1 ry1", "ay1 rx1"]), &options).minimal
    };
    assert!(is_minimal(18));
    assert!(!is_minimal(17));
}

fn first_bad_event(transactions: &[&str], prefix_work: u64) -> (Option<usize>, String) {
    let options = ListAppendOptions {
        prefix_work,
        ..ListAppendOptions::default()
    };
    let anomaly = anomaly_by(&one_by_one(transactions), &options);
    let told = anomaly.explanation.last().expect("since when");
    (anomaly.first_bad_event, told.clone())
}

#[test]
fn the_first_bad_event_is_not_looked_for_beyond_the_limit() {
    let (event, told) = first_bad_event(&["ax1", "ay1", "az1", "rx ry"], 4);
    assert_eq!(event, None);
    assert_eq!(
        told,
        "Since which event was not looked for: that would take too long."
    );
}

/// Only two of them speak of its key.
#[test]
fn what_came_after_an_anomaly_is_not_looked_at_to_find_its_first_bad_event() {
    let others: Vec<String> = ('a'..'x').map(|key| format!("a{key}1 r{key}1")).collect();
    let others = others.iter().map(String::as_str);
    let transactions: Vec<&str> = ["ax1", "rx"].into_iter().chain(others).collect();
    assert_eq!(first_bad_event(&transactions, 10).0, Some(3));
}

#[test]
fn of_a_long_transaction_the_first_steps_are_shown() {
    let shown = |count: usize| {
        let steps = ["rx9"].into_iter().chain(vec!["ry"; count - 1]);
        let steps: Vec<&str> = steps.collect();
        let anomaly = anomaly(&at_once(&[&steps.join(" ")]));
        let line = anomaly.explanation.into_iter().nth(1);
        line.expect("the transaction").replace(" [r \"y\" []]", "_")
    };
    let told = "transaction 0 (process 0, events 0 to 1): [r \"x\" [9]]___________";
    assert_eq!(shown(12), told);
    assert_eq!(shown(13), format!("{told} … (13 micro-operations)"));
}

#[test]
fn appends_are_counted_and_those_that_nobody_saw() {
    let history = at_once(&["ax1 ax2 ay1", "ay2", "rx12 ry"]);
    let report = report(&history, &ListAppendOptions::default()).expect("transactions");
    let expected = Statistics {
        committed: 3,
        appends: 4,
        unobserved_appends: 2,
    };
    assert_eq!(report.statistics, expected);
}
