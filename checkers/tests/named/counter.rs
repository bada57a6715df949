//! Counters.

use crate::histories::*;
use crate::random::{Random, cases};
use crate::simulated::{Classes, Simulated, agree, ask, judge_many, simulate};
use expect_test::{Expect, expect};
use squall_checkers::history::{EventKind, History, Outcome, Value};
use squall_checkers::named::counter::{self, CounterOptions, FreshReads};

/// Tries every choice of what may have been counted.
fn naive(history: &History, options: &CounterOptions) -> Classes {
    let mut classes = Classes::new();
    let operations: Vec<_> = history.operations().iter().collect();
    let adds = operations
        .iter()
        .filter(|it| it.f == "add" && it.outcome != Outcome::Fail);
    for read in operations
        .iter()
        .filter(|it| it.f == "read" && is_ok(it.outcome))
    {
        let returned = read.completed.expect("ok");
        let is_fresh = options.fresh == FreshReads::All || read.input == Value::from("final");
        let (mut must, mut may) = (0, vec![0]);
        for add in adds.clone().filter(|it| it.invoked < returned) {
            let delta = add.input.as_int().expect("a number");
            let is_before = is_ok(add.outcome) && add.completed < Some(read.invoked);
            if is_fresh && is_before {
                must += delta;
            } else {
                let with: Vec<i64> = may.iter().map(|sum| sum + delta).collect();
                may.extend(with);
            }
        }
        let value = read.output.as_int().expect("a number") - must;
        let (low, high) = (
            may.iter().min().expect("zero"),
            may.iter().max().expect("zero"),
        );
        if value < *low {
            classes.insert("count-too-low");
        } else if value > *high {
            classes.insert("count-too-high");
        } else if options.exact && !may.contains(&value) {
            classes.insert("impossible-sum");
        }
    }
    classes
}

/// A counter that forgets, or counts twice.
struct Counter {
    value: i64,
    unit: i64,
    error_in: u64,
}

impl Simulated for Counter {
    fn ask(&mut self, random: &mut Random, _client: usize) -> Call {
        match random.below(5) {
            0 => ask("read", Value::from("final")),
            1 => ask("read", Value::Nil),
            _ => ask("add", Value::Int((random.below(7) - 2) * self.unit)),
        }
    }

    fn act(&mut self, random: &mut Random, _client: usize, asked: &Call) -> Value {
        let error = random.one_in(self.error_in);
        match &asked.input {
            Value::Int(delta) => {
                self.value += if error {
                    random.below(3) * delta
                } else {
                    *delta
                };
                Value::Int(*delta)
            }
            _ if error => Value::Int(self.value + random.below(5) - 2),
            _ => Value::Int(self.value),
        }
    }
}

#[test]
fn agrees_with_every_choice_of_adds() {
    judge_many(1500, |random| {
        let options = CounterOptions {
            exact: random.one_in(2),
            fresh: if random.one_in(2) {
                FreshReads::All
            } else {
                FreshReads::Final
            },
        };
        let mut system = Counter {
            value: 0,
            unit: 1 + random.below(3),
            error_in: 6,
        };
        let history = simulate(&mut system, random, 3, 12);
        agree(
            &history,
            |history| counter::check(history, &options),
            |history| naive(history, &options),
        )
    });
}

#[test]
fn a_right_counter_is_valid() {
    for seed in 0..cases(300) {
        let mut system = Counter {
            value: 0,
            unit: 1,
            error_in: u64::MAX,
        };
        let history = simulate(&mut system, &mut Random(seed), 4, 40);
        for options in [CounterOptions::default(), CounterOptions::pn_counter()] {
            let verdict = told(counter::check(&history, &options));
            assert!(
                verdict == "valid\n" || verdict.starts_with("vacuous"),
                "{verdict} {history:?}"
            );
        }
    }
}

fn check(text: &str, options: &CounterOptions, expected: Expect) {
    expected.assert_eq(&told(counter::check(&log(text), options)));
}

#[test]
fn what_is_wrong_is_told() {
    let added =
        "0 :invoke :add 5\n0 :ok :add 5\n0 :invoke :add 2\n0 :ok :add 2\n1 :invoke :add 10\n";
    let failed = "3 :invoke :add 4\n3 :fail :add 4\n";
    check(
        &format!("{added}{failed}2 :invoke :read\n2 :ok :read 21\n"),
        &CounterOptions::default(),
        expect![[r#"
            count-too-high: Process 2's read (events 7 to 8) returned 21, but what must have been counted sums to 7, and nothing that may have been brings it above 17.
            [4] since event Some(8)
            2 adds were acknowledged, which sum to 7; 1 failed, of 1 nobody knows; 1 reads returned.
            Found in all: count-too-high 1.
        "#]],
    );
    let read = |value: i64| format!("{added}2 :invoke :read\n2 :ok :read {value}\n");
    let bounds = CounterOptions::default();
    let exact = CounterOptions::pn_counter();
    check(
        &read(17),
        &bounds,
        expect![[r#"
        valid
    "#]],
    );
    check(
        &read(3),
        &bounds,
        expect![[r#"
        count-too-low: Process 2's read (events 5 to 6) returned 3, but what must have been counted sums to 7, and nothing that may have been brings it below 7.
        [0, 3] since event Some(6)
        2 adds were acknowledged, which sum to 7; 0 failed, of 1 nobody knows; 1 reads returned.
        Found in all: count-too-low 1.
    "#]],
    );
    check(
        &read(6),
        &bounds,
        expect![[r#"
        count-too-low: Process 2's read (events 5 to 6) returned 6, but what must have been counted sums to 7, and nothing that may have been brings it below 7.
        [0, 1, 3] since event Some(6)
        2 adds were acknowledged, which sum to 7; 0 failed, of 1 nobody knows; 1 reads returned.
        Found in all: count-too-low 1.
    "#]],
    );
    check(
        &read(18),
        &bounds,
        expect![[r#"
        count-too-high: Process 2's read (events 5 to 6) returned 18, but what must have been counted sums to 7, and nothing that may have been brings it above 17.
        [3] since event Some(6)
        2 adds were acknowledged, which sum to 7; 0 failed, of 1 nobody knows; 1 reads returned.
        Found in all: count-too-high 1.
    "#]],
    );
    check(
        &read(3),
        &exact,
        expect![[r#"
            impossible-sum: Process 2's read (events 5 to 6) returned 3, but no choice of the adds that may have been counted makes that, on top of the 0 that must have been.
            [3] since event Some(6)
            2 adds were acknowledged, which sum to 7; 0 failed, of 1 nobody knows; 1 reads returned.
            Found in all: impossible-sum 1.
        "#]],
    );
    check(
        &format!("{added}2 :invoke :read \"final\"\n2 :ok :read 8"),
        &exact,
        expect![[r#"
            impossible-sum: Process 2's read (events 5 to 6) returned 8, but no choice of the adds that may have been counted makes that, on top of the 7 that must have been.
            [3] since event Some(6)
            2 adds were acknowledged, which sum to 7; 0 failed, of 1 nobody knows; 1 reads returned.
            Found in all: impossible-sum 1.
        "#]],
    );
    check(
        "0 :invoke :inc\n0 :ok :inc\n0 :invoke :dec\n0 :ok :dec 1\n0 :invoke :read\n0 :ok :read 0",
        &bounds,
        expect![[r#"
        valid
    "#]],
    );
    check(
        added,
        &bounds,
        expect![[r#"
        vacuous: no read of the counter returned
    "#]],
    );
    check(
        "0 :invoke :add \"x\"",
        &bounds,
        expect![[r#"
        operation 0 (process 0, event 0): expected `add` of an integer, `increment`, `decrement` or `read` of a counter, but found `add` of "x"
    "#]],
    );
    check(
        "0 :invoke :read\n0 :ok :read",
        &bounds,
        expect![[r#"
        operation 0 (process 0, event 1): expected `read` of a counter to return an integer, but found nil
    "#]],
    );
}

/// Too much was counted if what was taken away was not: the least of that which was acknowledged is told.
#[test]
fn what_was_not_taken_away_is_told() {
    let read = |value: i64| {
        format!(
            "0 :invoke :increment 4\n0 :ok :increment 4\n0 :invoke :decrement 5\n0 :ok :decrement 5
            0 :invoke :add -2\n0 :ok :add -2\n2 :invoke :read\n2 :ok :read {value}"
        )
    };
    check(
        &read(1),
        &CounterOptions::default(),
        expect![[r#"
        count-too-high: Process 2's read (events 6 to 7) returned 1, but what must have been counted sums to -3, and nothing that may have been brings it above -3.
        [1, 3] since event Some(7)
        3 adds were acknowledged, which sum to -3; 0 failed, of 0 nobody knows; 1 reads returned.
        Found in all: count-too-high 1.
    "#]],
    );
    check(
        &read(-1),
        &CounterOptions::default(),
        expect![[r#"
        count-too-high: Process 2's read (events 6 to 7) returned -1, but what must have been counted sums to -3, and nothing that may have been brings it above -3.
        [1, 2, 3] since event Some(7)
        3 adds were acknowledged, which sum to -3; 0 failed, of 0 nobody knows; 1 reads returned.
        Found in all: count-too-high 1.
    "#]],
    );
}

/// A sum that no choice makes is shown by all adds together.
#[test]
fn bounds_are_met_by_the_fewest_adds_and_sums_by_all() {
    let text = "0 :invoke :add 5\n0 :ok :add 5\n1 :invoke :add 3\n2 :invoke :read\n2 :ok :read ";
    let (bounds, exact) = (CounterOptions::default(), CounterOptions::pn_counter());
    for (value, options, class, minimal) in [
        (4, bounds, "count-too-low", true),
        (6, exact, "impossible-sum", false),
    ] {
        let verdict = counter::check(&log(&format!("{text}{value}")), &options);
        let found = anomaly(&verdict).expect("nothing makes that sum");
        assert_eq!((found.class.as_str(), found.minimal), (class, minimal));
    }
}

/// 4096 sums, but each is a multiple of a thousand.
#[test]
fn sums_of_multiples_are_judged_as_multiples() {
    let adds = (0..12).map(|power| format!("{power} :invoke :add {}\n", 1000 << power));
    let text = adds.collect::<String>() + "20 :invoke :read\n20 :ok :read ";
    let word = |value: i64| {
        let verdict = counter::check(
            &log(&format!("{text}{value}")),
            &CounterOptions::pn_counter(),
        );
        verdict.expect("a counter").word()
    };
    assert_eq!((word(4_095_000), word(2_500)), ("valid", "invalid"));
}

#[test]
fn too_many_sums_are_unknown() {
    let clients: Vec<Vec<Call>> = (0..14)
        .map(|power| {
            vec![call(
                "add",
                Value::Int(3_i64.pow(power)),
                EventKind::Info,
                Value::Nil,
            )]
        })
        .chain([vec![call("read", Value::Nil, EventKind::Ok, Value::Int(2))]])
        .collect();
    let mut events = Vec::new();
    for client in 0..15_u64 {
        for (kind, value) in [
            (EventKind::Invoke, &clients[client as usize][0].input),
            (
                clients[client as usize][0].end,
                &clients[client as usize][0].output,
            ),
        ] {
            events.push(squall_checkers::history::Event {
                process: client,
                kind,
                f: clients[client as usize][0].f.to_owned(),
                key: None,
                value: value.clone(),
                time_ns: 0,
                error: None,
            });
        }
    }
    let history = History::from_events(events).expect("a history");
    expect![[r#"
        unknown: the sums that reads may show lie in more than 1024 ranges, so some were taken together; nothing was found with those
    "#]].assert_eq(&told(counter::check(&history, &CounterOptions::pn_counter())));
}

/// In whatever order they are found, sums without gaps are one range.
#[test]
fn sums_next_to_each_other_are_not_too_many() {
    let adds = [2, 1].into_iter().chain((2..14).map(|power| 1 << power));
    let adds = (0..).zip(adds);
    let text = adds.map(|(process, amount)| format!("{process} :invoke :add {amount}\n"));
    let text = text.collect::<String>() + "20 :invoke :read\n20 :ok :read 5000";
    let verdict = counter::check(&log(&text), &CounterOptions::pn_counter());
    assert_eq!(verdict.expect("a counter").word(), "valid");
}
