//! Values that only rise.

use crate::histories::*;
use crate::random::Random;
use crate::simulated::{Classes, Simulated, agree, ask, judge_many, simulate};
use expect_test::{Expect, expect};
use squall_checkers::history::{History, Value};
use squall_checkers::named::monotonic::{self, MonotonicOptions};

/// `[value timestamp]`.
fn row(value: &Value) -> Option<(i64, i64)> {
    match value {
        Value::List(pair) => match pair.as_slice() {
            [Value::Int(value), Value::Int(timestamp)] => Some((*value, *timestamp)),
            _ => None,
        },
        _ => None,
    }
}

fn naive(history: &History, options: &MonotonicOptions) -> Classes {
    let mut classes = Classes::new();
    let mut rows = Vec::new();
    for operation in history.operations().iter().filter(|it| is_ok(it.outcome)) {
        let output = operation.output.to_value();
        match (row(&output), &output) {
            (Some(own), _) => rows.push((operation, own, true)),
            (None, Value::List(many)) => {
                rows.extend(
                    many.iter()
                        .map(|it| (operation, row(it).expect("a row"), false)),
                );
            }
            _ => panic!("a row"),
        }
    }
    for (one, (value, timestamp), is_own) in &rows {
        for (other, (other_value, other_timestamp), other_is_own) in &rows {
            if timestamp == other_timestamp && value != other_value {
                classes.insert("timestamp-conflict");
            }
            if timestamp < other_timestamp && value > other_value {
                classes.insert("value-goes-back");
            }
            if one.id != other.id && one.f == "add" && other.f == "add" && value == other_value {
                classes.insert("duplicate-value");
            }
            if !is_own || !other_is_own || one.completed >= Some(other.invoked) {
                continue;
            }
            if options.per_process && one.process == other.process {
                if value > other_value {
                    classes.insert("process-value-goes-back");
                }
                if timestamp > other_timestamp {
                    classes.insert("process-timestamp-goes-back");
                }
            }
            if options.real_time {
                if value > other_value {
                    classes.insert("real-time-value-goes-back");
                }
                if timestamp > other_timestamp {
                    classes.insert("real-time-timestamp-goes-back");
                }
            }
        }
    }
    classes
}

/// A counter with a clock that goes back now and then.
#[derive(Default)]
struct Counter {
    value: i64,
    clock: i64,
    rows: Vec<Value>,
}

impl Simulated for Counter {
    fn ask(&mut self, random: &mut Random, _client: usize) -> Call {
        let f = if random.one_in(3) { "read" } else { "add" };
        ask(f, Value::Nil)
    }

    fn act(&mut self, random: &mut Random, _client: usize, asked: &Call) -> Value {
        self.clock += if random.one_in(16) { -2 } else { 1 };
        if asked.f == "add" {
            self.value += i64::from(!random.one_in(20));
            self.rows.push(ints(&[self.value, self.clock]));
        } else if random.one_in(2) {
            return Value::List(self.rows.clone());
        }
        ints(&[self.value, self.clock])
    }
}

#[test]
fn agrees_with_the_law() {
    judge_many(1500, |random| {
        let options = MonotonicOptions {
            per_process: random.one_in(2),
            real_time: random.one_in(2),
        };
        let history = simulate(&mut Counter::default(), random, 3, 10);
        agree(
            &history,
            |history| monotonic::check(history, &options),
            |history| naive(history, &options),
        )
    });
}

fn check(text: &str, expected: Expect) {
    let options = MonotonicOptions {
        per_process: true,
        real_time: true,
    };
    expected.assert_eq(&told(monotonic::check(&log(text), &options)));
}

#[test]
fn what_is_wrong_is_told() {
    let first = "0 :invoke :add\n0 :ok :add [7 100]\n";
    let then = |f: &str, answer: &str| format!("{first}1 :invoke :{f}\n1 :ok :{f} {answer}");
    check(
        &then("read", "[7 101]"),
        expect![[r#"
        valid
    "#]],
    );
    check(
        &then("read", "{:val 6, :sts 101}"),
        expect![[r#"
        value-goes-back: Process 0's add (events 0 to 1) reported 7 at timestamp 100; process 1's read (events 2 to 3) reported 6 at timestamp 101, which comes later by its timestamp, but has a lesser value.
        [0, 1] since event Some(3)
        2 values were reported.
        Found in all: real-time-value-goes-back 1, value-goes-back 1.
    "#]],
    );
    check(
        &then("read", "[8 100]"),
        expect![[r#"
        timestamp-conflict: Process 0's add (events 0 to 1) reported 7 at timestamp 100; process 1's read (events 2 to 3) reported 8 at timestamp 100, which has another value under the same timestamp.
        [0, 1] since event Some(3)
        2 values were reported.
        Found in all: timestamp-conflict 1.
    "#]],
    );
    check(
        &then("read", "[7 99]"),
        expect![[r#"
        real-time-timestamp-goes-back: Process 0's add (events 0 to 1) reported 7 at timestamp 100; process 1's read (events 2 to 3) reported 7 at timestamp 99, which began after that had returned, but has a lesser timestamp.
        [0, 1] since event Some(3)
        2 values were reported.
        Found in all: real-time-timestamp-goes-back 1.
    "#]],
    );
    check(
        &then("add", "[7 101]"),
        expect![[r#"
        duplicate-value: Process 0's add (events 0 to 1) reported 7 at timestamp 100; process 1's add (events 2 to 3) reported 7 at timestamp 101, which raised it to the same value.
        [0, 1] since event Some(3)
        2 values were reported.
        Found in all: duplicate-value 1.
    "#]],
    );
    check(
        &then("read", "6"),
        expect![[r#"
        real-time-value-goes-back: Process 0's add (events 0 to 1) reported 7 at timestamp 100; process 1's read (events 2 to 3) reported 6, which began after that had returned, but has a lesser value.
        [0, 1] since event Some(3)
        2 values were reported.
        Found in all: real-time-value-goes-back 1.
    "#]],
    );
    check(
        &then("read", "[[7 100] [6 101]]"),
        expect![[r#"
        value-goes-back: Process 0's add (events 0 to 1) reported 7 at timestamp 100; process 1's read (events 2 to 3) reported 6 at timestamp 101, which comes later by its timestamp, but has a lesser value.
        [0, 1] since event Some(3)
        3 values were reported.
        Found in all: value-goes-back 1.
    "#]],
    );
    check(
        first,
        expect![[r#"
        vacuous: fewer than two values were reported
    "#]],
    );
    check(
        &then("read", "\"x\""),
        expect![[r#"
        operation 1 (process 1, event 3): expected an integer, [value timestamp] or {val …, sts …}, or of a `read` a list of such pairs or maps, but found "x"
    "#]],
    );
}

#[test]
fn a_process_does_not_go_back_and_who_was_first_at_the_height_is_told() {
    let read = |process: u64, answer: &str| {
        format!("{process} :invoke :read\n{process} :ok :read {answer}\n")
    };
    check(
        &format!("{}{}", read(0, "7"), read(0, "6")),
        expect![[r#"
        process-value-goes-back: Process 0's read (events 0 to 1) reported 7; process 0's read (events 2 to 3) reported 6, which began after that had returned, but has a lesser value.
        [0, 1] since event Some(3)
        2 values were reported.
        Found in all: process-value-goes-back 1, real-time-value-goes-back 1.
    "#]],
    );
    check(
        &format!("{}{}{}", read(0, "7"), read(1, "7"), read(2, "6")),
        expect![[r#"
            real-time-value-goes-back: Process 0's read (events 0 to 1) reported 7; process 2's read (events 4 to 5) reported 6, which began after that had returned, but has a lesser value.
            [0, 2] since event Some(5)
            3 values were reported.
            Found in all: real-time-value-goes-back 1.
        "#]],
    );
    check(
        &format!(
            "{}{}{}",
            read(0, "[7 100]"),
            read(1, "[7 100]"),
            read(2, "[7 99]")
        ),
        expect![[r#"
            real-time-timestamp-goes-back: Process 0's read (events 0 to 1) reported 7 at timestamp 100; process 2's read (events 4 to 5) reported 7 at timestamp 99, which began after that had returned, but has a lesser timestamp.
            [0, 2] since event Some(5)
            3 values were reported.
            Found in all: real-time-timestamp-goes-back 1.
        "#]],
    );
}
