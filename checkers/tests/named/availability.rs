//! Availability, and how operations went.

use crate::histories::*;
use expect_test::{Expect, expect};
use squall_checkers::history::History;
use squall_checkers::named::availability::{self, AvailabilityOptions};
use squall_checkers::named::recovery::Share;
use squall_checkers::named::stats::{self, StatsOptions};

const HALF: Share = Share {
    numerator: 1,
    denominator: 2,
};

fn recorded(text: &str) -> History {
    match text {
        "" => History::default(),
        text => log(text),
    }
}

/// One operation after another, each 20 ns after the last.
fn history(ends: &[&str]) -> History {
    let lines = ends
        .iter()
        .enumerate()
        .map(|(number, end)| format!("{number} :invoke :read\n{number} :{end} :read 1\n"));
    recorded(&lines.collect::<String>())
}

fn check(ends: &[&str], window_ns: Option<u64>, expected: Expect) {
    let options = AvailabilityOptions {
        min: HALF,
        window_ns,
    };
    expected.assert_eq(&told(Ok(availability::check(&history(ends), &options))));
}

#[test]
fn enough_must_succeed() {
    check(
        &["ok", "ok", "fail", "info", "ok"],
        None,
        expect![[r#"
        valid
    "#]],
    );
    check(
        &["ok", "fail", "info"],
        None,
        expect![[r#"
        unavailable: Of all 3 operations only 1 succeeded, but 1 of 2 must.
        [] since event None

    "#]],
    );
    check(
        &["ok", "ok", "fail", "info", "ok"],
        Some(40),
        expect![[r#"
        unavailable: Of 2 operations invoked from 40 to 80 ns only 0 succeeded, but 1 of 2 must.
        [2, 3] since event None

    "#]],
    );
    check(
        &[],
        None,
        expect![[r#"
        vacuous: nothing was done
    "#]],
    );
}

#[test]
fn outages_and_recovery_are_measured() {
    let history = history(&["ok", "fail", "fail", "fail", "ok", "fail", "ok", "ok", "ok"]);
    let found = availability::availability(&history, 40);
    let shares: Vec<(u64, u64)> = found
        .windows
        .iter()
        .map(|it| (it.succeeded, it.invoked))
        .collect();
    expect!["[(1, 2), (0, 2), (1, 2), (2, 2)] Some((80, 10))"]
        .assert_eq(&format!("{shares:?} {:?}", found.longest_outage));
    let recovered = |healed_ns| availability::time_to_recover_ns(&history, healed_ns, 40, HALF);
    expect!["Some(40) Some(0) None"].assert_eq(&format!(
        "{:?} {:?} {:?}",
        recovered(20),
        recovered(80),
        recovered(1000)
    ));
}

#[test]
fn each_operation_must_have_worked() {
    let check = |text: &str, options: &StatsOptions, expected: Expect| {
        expected.assert_eq(&told(Ok(stats::check(&recorded(text), options))));
    };
    let mixed = "0 :invoke :read\n1 :invoke :cas 1\n0 :ok :read 1\n1 :fail :cas 1\n0 :invoke :read\n0 :info :read\n2 :invoke :crash\n2 :info :crash";
    let may_fail = StatsOptions {
        may_fail: ["crash".to_owned(), "cas".to_owned()].into(),
        ..StatsOptions::default()
    };
    let two_thirds = StatsOptions {
        min_success: Some(Share {
            numerator: 2,
            denominator: 3,
        }),
        ..may_fail.clone()
    };
    check(
        mixed,
        &StatsOptions::default(),
        expect![[r#"
        vacuous: no operation `cas` or `crash` succeeded
    "#]],
    );
    check(
        mixed,
        &may_fail,
        expect![[r#"
        valid
    "#]],
    );
    check(
        mixed,
        &two_thirds,
        expect![[r#"
        too-few-successes: Of 2 operations `read` only 1 succeeded, but 2 of 3 must.
        [] since event Some(7)
        `cas`: 0 ok, 1 failed, 0 unknown; latency none.
        `crash`: 0 ok, 0 failed, 1 unknown; latency none.
        `read`: 1 ok, 0 failed, 1 unknown; latency median 20 ns, 99 of 100 within 20 ns, worst 20 ns.
        Found in all: too-few-successes 1.
    "#]],
    );
    check(
        "",
        &may_fail,
        expect![[r#"
        vacuous: nothing was done
    "#]],
    );
    let statistics = stats::statistics(&log(mixed));
    expect!["{0: 2, 1: 2}"].assert_eq(&format!("{:?}", statistics.concurrency));
    let counts = statistics.by_f.values().map(|outcomes| outcomes.count());
    assert_eq!(counts.collect::<Vec<usize>>(), [1, 1, 2]);
}

/// What was open for a window's time did not succeed; of what was open for less nobody can tell.
#[test]
fn what_is_open_at_the_end_counts_after_a_while() {
    let text = "0 :invoke :read\n1 :invoke :read\n1 :ok :read\n2 :invoke :read\n3 :invoke :read\n4 :invoke :read\n5 :invoke :read";
    let invoked = |window_ns: u64| {
        let windows = availability::availability(&log(text), window_ns).windows;
        windows
            .iter()
            .map(|it| (it.succeeded, it.invoked))
            .collect::<Vec<_>>()
    };
    expect!["[(1, 2), (0, 1), (0, 1)]"].assert_eq(&format!("{:?}", invoked(20)));
    expect!["[(1, 2), (0, 1)]"].assert_eq(&format!("{:?}", invoked(30)));
}

/// The first sixteen.
#[test]
fn some_of_the_others_in_a_window_are_named() {
    let availability = availability::availability(&history(&["fail"; 20]), 360);
    let window = &availability.windows[0];
    assert_eq!((window.invoked, window.others.len()), (18, 16));
}
