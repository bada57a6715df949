//! Unique ids.

use crate::histories::*;
use crate::random::Random;
use crate::simulated::{Classes, Simulated, agree, ask, judge_many, simulate};
use expect_test::{Expect, expect};
use squall_checkers::history::{History, Value};
use squall_checkers::named::unique_ids::{self, UniqueIdsOptions};

fn naive(history: &History, options: &UniqueIdsOptions) -> Classes {
    let mut classes = Classes::new();
    let given: Vec<_> = history
        .operations()
        .iter()
        .filter(|it| is_ok(it.outcome))
        .collect();
    for (place, one) in given.iter().enumerate() {
        for other in &given[place + 1..] {
            if one.output == other.output {
                classes.insert("duplicate-id");
            }
        }
        for other in &given {
            let goes_back = one.completed < Some(other.invoked) && one.output > other.output;
            if goes_back && options.rises_in_real_time {
                classes.insert("real-time-order-violated");
            }
            if goes_back && options.rises_per_process && one.process == other.process {
                classes.insert("process-order-violated");
            }
        }
    }
    classes
}

/// A generator that goes back now and then.
struct Generator(i64);

impl Simulated for Generator {
    fn ask(&mut self, _random: &mut Random, _client: usize) -> Call {
        ask("generate", Value::Nil)
    }

    fn act(&mut self, random: &mut Random, _client: usize, _asked: &Call) -> Value {
        self.0 += if random.one_in(14) { -2 } else { 1 };
        Value::Int(self.0)
    }
}

#[test]
fn agrees_with_the_law() {
    judge_many(1500, |random| {
        let options = UniqueIdsOptions {
            rises_per_process: random.one_in(2),
            rises_in_real_time: random.one_in(2),
        };
        let history = simulate(&mut Generator(0), random, 3, 12);
        agree(
            &history,
            |history| unique_ids::check(history, &options),
            |history| naive(history, &options),
        )
    });
}

fn check(text: &str, expected: Expect) {
    let options = UniqueIdsOptions {
        rises_per_process: true,
        rises_in_real_time: true,
    };
    expected.assert_eq(&told(unique_ids::check(&log(text), &options)));
}

#[test]
fn what_is_wrong_is_told() {
    let first = "0 :invoke :generate\n0 :ok :generate 7\n";
    check(
        &format!("{first}1 :invoke :generate\n1 :ok :generate 7"),
        expect![[r#"
        duplicate-id: Process 1's generate (events 2 to 3) was given id 7, as process 0's generate (events 0 to 1) had been.
        [0, 1] since event Some(3)
        2 ids were asked for and 2 given; 1 different ones more than once.
        Found in all: duplicate-id 1.
    "#]],
    );
    check(
        &format!("{first}1 :invoke :generate\n1 :ok :generate 6"),
        expect![[r#"
        real-time-order-violated: Process 1's generate (events 2 to 3) was given id 6, which is less than 7, which process 0's generate (events 0 to 1) had been given before it began.
        [0, 1] since event Some(3)
        2 ids were asked for and 2 given; 0 different ones more than once.
        Found in all: real-time-order-violated 1.
    "#]],
    );
    check(
        &format!("{first}0 :invoke :generate\n0 :ok :generate 6"),
        expect![[r#"
        process-order-violated: Process 0's generate (events 2 to 3) was given id 6, which is less than 7, which process 0's generate (events 0 to 1) had been given before it began.
        [0, 1] since event Some(3)
        2 ids were asked for and 2 given; 0 different ones more than once.
        Found in all: process-order-violated 1, real-time-order-violated 1.
    "#]],
    );
    check(
        &format!(
            "{first}0 :invoke :generate\n0 :info :generate\n1 :invoke :generate\n1 :fail :generate 7"
        ),
        expect![[r#"
        vacuous: fewer than two ids were given
    "#]],
    );
    check(
        &format!("{first}1 :invoke :generate\n1 :ok :generate \"a\""),
        expect![[r#"
        operation 1 (process 1, event 3): expected an id of the same kind as 7, since ids have an order, but found "a"
    "#]],
    );
    check(
        "0 :invoke :generate\n0 :ok :generate",
        expect![[r#"
        operation 0 (process 0, event 1): expected `generate` to return an id, but found nil
    "#]],
    );
    check(
        "0 :invoke :guess",
        expect![[r#"
        operation 0 (process 0, event 0): expected `generate` of an id, but found `guess`
    "#]],
    );
}

#[test]
fn ids_that_must_rise_in_any_way_are_of_one_kind() {
    let history =
        log("0 :invoke :generate\n0 :ok :generate 7\n0 :invoke :generate\n0 :ok :generate \"a\"");
    for (rises_per_process, rises_in_real_time) in [(true, false), (false, true), (false, false)] {
        let options = UniqueIdsOptions {
            rises_per_process,
            rises_in_real_time,
        };
        let is_refused = unique_ids::check(&history, &options).is_err();
        assert_eq!(is_refused, rises_per_process || rises_in_real_time);
    }
}

#[test]
fn of_equal_ids_the_first_is_told() {
    let options = UniqueIdsOptions {
        rises_per_process: true,
        rises_in_real_time: true,
    };
    let given = [5, 5, 4].map(|id| format!("0 :invoke :generate\n0 :ok :generate {id}\n"));
    let verdict = unique_ids::check(&log(&given.concat()), &options);
    let found = anomaly(&verdict).expect("ids that are wrong");
    let told = found.also.iter().map(|also| format!("{}\n", also.sentence));
    expect![[r#"
        Process 0's generate (events 4 to 5) was given id 4, which is less than 5, which process 0's generate (events 0 to 1) had been given before it began.
        Process 0's generate (events 4 to 5) was given id 4, which is less than 5, which process 0's generate (events 0 to 1) had been given before it began.
    "#]].assert_eq(&told.collect::<String>());
}
