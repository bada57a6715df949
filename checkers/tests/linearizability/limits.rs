//! What a check may cost, and what it says where that is not enough.

use squall_checkers::Verdict;
use squall_checkers::history::History;
use squall_checkers::linearizability::{Limits, Method, Strategy, check_with};
use squall_checkers::spec::Spec;
use squall_checkers::specs::{AppendLog, Counter, KvMap, Register};
use std::time::Duration;

fn searched<S: Spec>(spec: &S, lines: &str, limits: Limits) -> Verdict {
    let history = History::read(lines.as_bytes(), None).expect("a history");
    let method = Method {
        strategy: Strategy::General,
        limits,
        ..Method::default()
    };
    let report = check_with(spec, &history, &method);
    report.expect("operations of the specification").verdict
}

#[test]
fn the_clock_is_looked_at_however_short_a_search_is() {
    let limits = Limits {
        time_max: Some(Duration::ZERO),
        ..Limits::default()
    };
    let verdict = searched(
        &Register::default(),
        "0 :invoke :read\n0 :ok :read nil",
        limits,
    );
    let Verdict::Unknown(why) = verdict else {
        panic!("{verdict:?}");
    };
    assert!(why.contains("of time"), "{why}");
}

/// More than a table of transitions is made for.
#[test]
fn thousands_of_operations_may_all_be_different() {
    let adds = (1..=1500).map(|number| format!("0 :invoke :add {number}\n0 :ok :add {number}\n"));
    let adds: String = adds.collect();
    let word = |sum: i64| {
        let lines = format!("{adds}0 :invoke :read\n0 :ok :read {sum}");
        searched(&Counter::default(), &lines, Limits::default()).word()
    };
    assert_eq!(word(1500 * 1501 / 2), "valid");
    assert_eq!(word(1500 * 1501 / 2 - 1), "invalid");
}

/// On one key the search gives up, but finds the first events impossible, of which it knows less.
#[test]
fn what_is_not_judged_as_a_whole_is_judged_up_to_what_is_impossible_elsewhere() {
    let of = |key: &str, process: usize, kind: &str, f: &str, value: &str| {
        format!(
            r#"{{"process": {process}, "type": "{kind}", "f": "{f}", "key": "{key}", "value": {value}}}"#
        ) + "\n"
    };
    let swaps = [
        "[null, 1]",
        "[1, 2]",
        "[2, null]",
        "[1, null]",
        "[2, 1]",
        "[null, 2]",
    ];
    let mut lines = String::new();
    for (process, swap) in swaps.iter().enumerate() {
        lines += &of("many", process, "invoke", "cas", swap);
    }
    for key in ["many", "one"] {
        lines += &of(key, 9, "invoke", "get", "null");
        lines += &of(key, 9, "ok", "get", "7");
    }
    for (process, swap) in swaps.iter().enumerate() {
        lines += &of("many", process, "ok", "cas", swap);
    }
    let limits = Limits {
        configurations_max: 20,
        ..Limits::default()
    };
    let verdict = searched(&KvMap::default(), &lines, limits);
    let Verdict::Invalid(anomaly) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(
        anomaly.first_bad_event,
        Some(swaps.len() + 1),
        "{anomaly:#?}"
    );
    assert_eq!(anomaly.witness, [swaps.len()], "{anomaly:#?}");
}

/// Twelve elements one after another, of which a read shows the first two the wrong way round.
#[test]
fn a_try_to_do_without_an_operation_leaves_work_for_others() {
    let appends =
        (0..12).map(|element| format!("0 :invoke :append {element}\n0 :ok :append {element}\n"));
    let appends: String = appends.collect();
    let read = "0 :invoke :read\n0 :ok :read [1 0 2 3 4 5 6 7 8 9 10 11]";
    let verdict = searched(&AppendLog, &format!("{appends}{read}"), Limits::default());
    let Verdict::Invalid(anomaly) = verdict else {
        panic!("{verdict:?}");
    };
    assert!(anomaly.witness.len() < 13, "none was given up: {anomaly:?}");
}
