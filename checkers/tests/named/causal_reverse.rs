//! Later writes that are seen without earlier ones.

use crate::histories::*;
use crate::random::Random;
use crate::simulated::{Classes, Simulated, agree, ask, judge_many, simulate};
use expect_test::{Expect, expect};
use squall_checkers::history::{History, Operation, Outcome, Value, ValueRef};
use squall_checkers::named::causal_reverse;

fn naive(history: &History) -> Classes {
    let mut classes = Classes::new();
    let operations: Vec<_> = history.operations().iter().collect();
    let shows = |read: &Operation<'_>, value: ValueRef<'_>| {
        read.output
            .as_list()
            .is_some_and(|shown| shown.iter().any(|it| it == value))
    };
    let writes = operations.iter().filter(|it| it.f == "write");
    for read in operations
        .iter()
        .filter(|it| it.f == "read" && is_ok(it.outcome))
    {
        let shown: Vec<_> = read.output.as_list().expect("a list").iter().collect();
        for &value in &shown {
            let attempts = writes.clone().filter(|it| it.input == value);
            let begun = attempts
                .clone()
                .filter(|it| it.outcome != Outcome::Fail)
                .map(|it| it.invoked)
                .min();
            if shown.iter().filter(|&&it| it == value).count() > 1 {
                classes.insert("duplicate-element");
            }
            if begun.is_none_or(|begun| Some(begun) > read.completed) {
                let failed = attempts.clone().any(|it| Some(it.invoked) < read.completed);
                classes.insert(if failed {
                    "resurrected-element"
                } else {
                    "unexpected-element"
                });
            }
            // What has no beginning was begun at the latest when it was seen.
            let begun = begun.unwrap_or(usize::MAX).min(read.completed.expect("ok"));
            let earlier = operations
                .iter()
                .filter(|it| is_ok(it.outcome) && it.completed < Some(begun));
            for it in earlier {
                let known: Vec<_> = match it.f {
                    "write" => vec![it.input],
                    _ => it.output.as_list().expect("a list").iter().collect(),
                };
                if known.iter().any(|&known| !shows(read, known)) {
                    classes.insert("causal-reverse");
                }
            }
        }
    }
    classes
}

/// A table from which a read misses an old row now and then.
#[derive(Default)]
struct Table {
    rows: Vec<i64>,
    next: i64,
}

impl Simulated for Table {
    fn ask(&mut self, random: &mut Random, _client: usize) -> Call {
        if random.one_in(2) {
            return ask("read", Value::Nil);
        }
        self.next += i64::from(!random.one_in(12));
        ask("write", self.next.into())
    }

    fn act(&mut self, random: &mut Random, _client: usize, asked: &Call) -> Value {
        if let Value::Int(value) = asked.input {
            if !self.rows.contains(&value) {
                self.rows.push(value);
            }
            return Value::Int(value);
        }
        let mut shown = self.rows.clone();
        if random.one_in(4) {
            shown.truncate(random.below(shown.len() as u64 + 1) as usize);
        }
        if random.one_in(8) && !shown.is_empty() {
            shown.remove(random.below(shown.len() as u64) as usize);
        }
        if random.one_in(40) {
            shown.push(random.below(8));
        }
        ints(&shown)
    }
}

#[test]
fn agrees_with_the_law() {
    judge_many(1500, |random| {
        let history = simulate(&mut Table::default(), random, 3, 12);
        agree(&history, causal_reverse::check, naive)
    });
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&told(causal_reverse::check(&log(text))));
}

#[test]
fn what_is_wrong_is_told() {
    let both = "0 :invoke :write 1\n0 :ok :write 1\n0 :invoke :write 2\n";
    check(
        &format!("{both}1 :invoke :read\n1 :ok :read [2]"),
        expect![[r#"
            causal-reverse: Process 1's read (events 3 to 4) shows element 2 but lacks 1, which process 0's write (events 0 to 1) had made known at event 1, before 2 was begun to be added.
            [0, 1, 2] since event Some(4)
            1 reads returned.
            Found in all: causal-reverse 1.
        "#]],
    );
    check(
        &format!("{both}1 :invoke :read\n1 :ok :read []"),
        expect![[r#"
            valid
        "#]],
    );
    check(
        both,
        expect![[r#"
        vacuous: no read returned
    "#]],
    );
}
