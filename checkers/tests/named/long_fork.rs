//! Long forks.

use crate::histories::*;
use crate::random::Random;
use crate::simulated::{Classes, Simulated, agree, ask, judge_many, simulate};
use expect_test::{Expect, expect};
use squall_checkers::history::{History, Outcome, Value};
use squall_checkers::named::long_fork;
use std::collections::BTreeMap;

const KEYS: i64 = 4;

/// What a read saw under each of its keys.
fn seen(output: &Value) -> BTreeMap<i64, Option<i64>> {
    let Value::List(parts) = output else {
        panic!("a list")
    };
    let parts = parts.iter().map(|part| match part {
        Value::List(part) => match part.as_slice() {
            [_, Value::Int(key), Value::Int(value)] => (*key, Some(*value)),
            [_, Value::Int(key), _] => (*key, None),
            _ => panic!("a part"),
        },
        _ => panic!("a part"),
    });
    parts.collect()
}

fn orders(keys: Vec<i64>) -> Vec<Vec<i64>> {
    if keys.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for &first in &keys {
        let rest = keys.iter().copied().filter(|&key| key != first).collect();
        for mut order in orders(rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

/// Tries every order of the writes.
fn naive(history: &History) -> Classes {
    let mut classes = Classes::new();
    let operations: Vec<_> = history.operations().iter().collect();
    let reads = operations
        .iter()
        .filter(|it| it.f == "read" && is_ok(it.outcome));
    let reads: Vec<_> = reads
        .map(|it| (it.completed.expect("ok"), seen(&it.output.to_value())))
        .collect();
    for (returned, read) in &reads {
        for (&key, value) in read.iter().filter(|(_, value)| value.is_some()) {
            let written = ints(&[key, value.expect("seen")]);
            let mut writes = operations.iter().filter(|it| it.f == "write");
            let write = writes.find(|it| {
                let part = match it.input.to_value() {
                    Value::List(part) => Value::List(part[1..].to_vec()),
                    other => other,
                };
                part == written && it.invoked < *returned
            });
            match write {
                None => classes.insert("unexpected-value"),
                Some(write) if write.outcome == Outcome::Fail => classes.insert("G1a"),
                Some(_) => false,
            };
        }
    }
    let explains = |order: &Vec<i64>| {
        reads.iter().all(|(_, read)| {
            let in_order = order.iter().filter_map(|key| read.get(key));
            let shown: Vec<bool> = in_order.map(Option::is_some).collect();
            shown.windows(2).all(|pair| pair[0] || !pair[1])
        })
    };
    if orders((0..KEYS).collect()).iter().any(explains) {
        return classes;
    }
    let beyond = |one: &BTreeMap<i64, Option<i64>>, other: &BTreeMap<i64, Option<i64>>| {
        one.iter()
            .any(|(key, value)| value.is_some() && other.get(key) == Some(&None))
    };
    let is_fork = |one: &BTreeMap<_, _>| {
        reads
            .iter()
            .any(|(_, other)| beyond(one, other) && beyond(other, one))
    };
    classes.insert("closed-loop");
    if reads.iter().any(|(_, read)| is_fork(read)) {
        classes.insert("long-fork");
    }
    classes
}

/// Writes reach each of two replicas in its own order, now and then.
struct Replicas {
    written: [bool; KEYS as usize],
    values: [[bool; KEYS as usize]; 2],
    lag_in: u64,
}

impl Simulated for Replicas {
    fn ask(&mut self, random: &mut Random, _client: usize) -> Call {
        let key = random.below(KEYS);
        if random.one_in(2) && !std::mem::replace(&mut self.written[key as usize], true) {
            let part = [Value::from("w"), key.into(), (key + 10).into()];
            return ask("write", Value::List(part.into()));
        }
        let keys = (0..KEYS).filter(|_| random.one_in(2));
        let keys = keys.map(|key| Value::List(vec!["r".into(), key.into(), Value::Nil]));
        ask("read", Value::List(keys.collect()))
    }

    fn act(&mut self, random: &mut Random, _client: usize, asked: &Call) -> Value {
        let Value::List(parts) = &asked.input else {
            panic!("a list")
        };
        if let [_, Value::Int(key), _] = parts.as_slice()
            && asked.f == "write"
        {
            let is_late = random.one_in(self.lag_in);
            let first = random.below(2) as usize;
            self.values[first][*key as usize] = true;
            self.values[1 - first][*key as usize] = !is_late;
            return asked.input.clone();
        }
        let replica = random.below(2) as usize;
        let shown = seen(&asked.input).into_keys().map(|key| {
            let value = if self.values[replica][key as usize] {
                Value::Int(key + 10)
            } else {
                Value::Nil
            };
            Value::List(vec!["r".into(), key.into(), value])
        });
        Value::List(shown.collect())
    }
}

#[test]
fn agrees_with_every_order_of_writes() {
    judge_many(1500, |random| {
        let mut system = Replicas {
            written: [false; KEYS as usize],
            values: [[false; KEYS as usize]; 2],
            lag_in: 3,
        };
        let history = simulate(&mut system, random, 4, 16);
        agree(&history, long_fork::check, naive)
    });
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&told(long_fork::check(&log(text))));
}

#[test]
fn what_is_wrong_is_told() {
    let writes = "0 :invoke :write [[:w 1 1]]\n0 :ok :write [[:w 1 1]]\n1 :invoke :write [:w 2 1]\n1 :ok :write [:w 2 1]\n2 :invoke :write [[:w 3 1]]\n";
    let read = |shown: &str| format!("3 :invoke :read {shown}\n3 :ok :read {shown}\n");
    let (one, two, three) = (
        read("[[:r 1 1] [:r 2 nil]]"),
        read("[[:r 2 1] [:r 3 nil]]"),
        read("[[:r 3 1] [:r 1 nil]]"),
    );
    check(
        &format!("{writes}{one}{two}"),
        expect![[r#"
        valid
    "#]],
    );
    check(
        &format!("{writes}{one}{}", read("[[:r 1 nil] [:r 2 1]]")),
        expect![[r#"
        long-fork: By what they saw, process 3's read (events 7 to 8) came before the write of key 1, and process 3's read (events 5 to 6) after; process 3's read (events 5 to 6) came before the write of key 2, and process 3's read (events 7 to 8) after: a circle.
        [0, 1, 3, 4] since event Some(8)
        2 reads returned, of which 2 saw one key written and another not.
        Found in all: long-fork 1.
    "#]],
    );
    check(
        &format!("{writes}{one}{two}{three}"),
        expect![[r#"
        closed-loop: By what they saw, process 3's read (events 9 to 10) came before the write of key 1, and process 3's read (events 5 to 6) after; process 3's read (events 5 to 6) came before the write of key 2, and process 3's read (events 7 to 8) after; process 3's read (events 7 to 8) came before the write of key 3, and process 3's read (events 9 to 10) after: a circle.
        [0, 1, 2, 3, 4, 5] since event Some(10)
        3 reads returned, of which 3 saw one key written and another not.
        Found in all: closed-loop 1.
    "#]],
    );
    check(
        &read("[[:r 1 1] [:r 2 nil]]"),
        expect![[r#"
        unexpected-value: Process 3's read (events 0 to 1) saw 1 under key 1, which nobody had begun to write.
        [0] since event Some(1)
        1 reads returned, of which 1 saw one key written and another not.
        Found in all: unexpected-value 1.
    "#]],
    );
    check(
        &format!("{writes}{}", read("[[:r 1 2]]")),
        expect![[r#"
        unexpected-value: Process 3's read (events 5 to 6) saw 2 under key 1, which nobody had begun to write.
        [3] since event Some(6)
        1 reads returned, of which 0 saw one key written and another not.
        Found in all: unexpected-value 1.
    "#]],
    );
    check(
        &format!("0 :invoke :write [[:w 1 1]]\n0 :fail :write [[:w 1 1]]\n{one}"),
        expect![[r#"
        G1a: Process 3's read (events 2 to 3) saw 1 under key 1, although process 0's write (events 0 to 1) failed.
        [0, 1] since event Some(3)
        1 reads returned, of which 1 saw one key written and another not.
        Found in all: G1a 1.
    "#]],
    );
    check(
        &format!("{writes}{}", read("[[:r 1 nil]]")),
        expect![[r#"
        vacuous: no read saw one key written and another not, so none could disagree
    "#]],
    );
    check(
        &format!("{writes}0 :invoke :write [[:w 1 2]]"),
        expect![[r#"
        operation 3 (process 0, event 5): expected one `write` of each key at most, and not of nil, but found [["w" 1 2]]
    "#]],
    );
    check(
        "0 :invoke :write [[:w 1 1] [:w 2 2]]",
        expect![[r#"
        operation 0 (process 0, event 0): expected a `write` of one ["w" key value], or a `read` of ["r" key nil] of several, but found [["w" 1 1] ["w" 2 2]]
    "#]],
    );
}
