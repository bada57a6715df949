//! Logs of messages.

use crate::histories::*;
use crate::simulated::{Classes, Random, Simulated, agree, ask, judge_many, simulate};
use expect_test::{Expect, expect};
use squall_checkers::history::{History, Operation, Outcome, Value};
use squall_checkers::named::kafka::{self, Consume, KafkaOptions};
use std::collections::{BTreeMap, BTreeSet};

/// Key, value and offset.
type Record = (i64, i64, Option<i64>);

fn list(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        _ => panic!("a list"),
    }
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

fn sends(operation: &Operation<'_>) -> Vec<Record> {
    let (input, output) = (operation.input.to_value(), operation.output.to_value());
    let answers = match &output {
        Value::List(answers) => answers.clone(),
        _ => list(&input).to_vec(),
    };
    let mut records = Vec::new();
    for (asked, answer) in list(&input).iter().zip(&answers) {
        if let [Value::Text(f), Value::Int(key), Value::Int(value)] = list(asked)
            && f == "send"
        {
            let offset = match &list(answer)[2] {
                Value::List(pair) => int(&pair[0]),
                _ => None,
            };
            records.push((*key, *value, offset));
        }
    }
    records
}

/// What each poll of an `ok` operation returned.
fn polls(operation: &Operation<'_>) -> Vec<Vec<Record>> {
    if !is_ok(operation.outcome) {
        return Vec::new();
    }
    let output = operation.output.to_value();
    let mut polls = Vec::new();
    for part in list(&output) {
        if let [Value::Text(_), Value::Map(keys)] = list(part) {
            let mut records = Vec::new();
            for (key, rows) in keys {
                let rows = list(rows).iter().map(|row| match list(row) {
                    [offset, value] => (
                        int(key).expect("a key"),
                        int(value).expect("a value"),
                        int(offset),
                    ),
                    _ => panic!("a row"),
                });
                records.extend(rows);
            }
            polls.push(records);
        }
    }
    polls
}

/// Whether a message was known at some time to lie at more offsets than it had been sent times.
fn has_duplicate(transactions: &[Operation<'_>]) -> bool {
    let mut known: BTreeMap<(i64, i64), BTreeMap<i64, usize>> = BTreeMap::new();
    for operation in transactions.iter().filter(|it| is_ok(it.outcome)) {
        let event = operation.completed.expect("ok");
        for (key, value, offset) in [sends(operation), polls(operation).concat()].concat() {
            if let Some(offset) = offset {
                let offsets = known.entry((key, value)).or_default();
                let first = offsets.entry(offset).or_insert(event);
                *first = event.min(*first);
            }
        }
    }
    known.iter().any(|(message, offsets)| {
        offsets.len() > 1
            && offsets.values().any(|&event| {
                let before = offsets.values().filter(|&&other| other <= event).count();
                let sent = transactions.iter().filter(|it| it.invoked < event);
                let sent = sent
                    .flat_map(sends)
                    .filter(|sent| (sent.0, sent.1) == *message);
                before > 1 && before > sent.count()
            })
    })
}

/// The laws one by one. `lost-write` and `unseen` are judged apart: they depend on how the history ends.
fn naive(history: &History, options: &KafkaOptions) -> Classes {
    let mut classes = Classes::new();
    let transactions: Vec<_> = history
        .operations()
        .iter()
        .filter(|it| matches!(it.f, "txn" | "send" | "poll"))
        .collect();
    let ok = transactions.iter().filter(|it| is_ok(it.outcome));
    let mut seen: BTreeSet<Record> = BTreeSet::new();
    for operation in ok.clone() {
        let own = sends(operation);
        for (key, value, offset) in own.iter().copied().chain(polls(operation).concat()) {
            if offset.is_some() {
                seen.insert((key, value, offset));
            }
        }
        for (key, value, _) in polls(operation).concat() {
            let is_sent = |it: &&Operation<'_>| {
                sends(it)
                    .iter()
                    .any(|sent| (sent.0, sent.1) == (key, value))
            };
            let before = transactions
                .iter()
                .filter(|it| is_sent(it) && Some(it.invoked) < operation.completed);
            if own.iter().any(|sent| (sent.0, sent.1) == (key, value)) {
                classes.insert("precommitted-read");
            } else if before.clone().count() == 0 {
                classes.insert("unexpected-message");
            } else if before.clone().all(|it| it.outcome == Outcome::Fail) {
                classes.insert("G1a");
            }
        }
    }
    if has_duplicate(&transactions) {
        classes.insert("duplicate");
    }
    for one in &seen {
        for other in &seen {
            if (one.0, one.2) == (other.0, other.2) && one.1 != other.1 {
                classes.insert("inconsistent-offsets");
            }
        }
    }
    let is_between = |key: i64, from: i64, to: i64| {
        seen.iter()
            .any(|it| it.0 == key && it.2.is_some_and(|offset| from < offset && offset < to))
    };
    let processes: BTreeSet<u64> = history.operations().iter().map(|it| it.process).collect();
    for process in processes {
        let mut polled: BTreeMap<i64, Option<i64>> = BTreeMap::new();
        let mut sent: BTreeMap<i64, (usize, Option<i64>)> = BTreeMap::new();
        for operation in history
            .operations()
            .iter()
            .filter(|it| it.process == process && it.outcome != Outcome::Fail)
        {
            if operation.f == "assign" {
                let input = operation.input.to_value();
                let kept: Vec<i64> = list(&input).iter().filter_map(int).collect();
                polled.retain(|key, _| kept.contains(key));
            }
            if !matches!(operation.f, "txn" | "send" | "poll") || !is_ok(operation.outcome) {
                continue;
            }
            let before = polled.clone();
            let mut within: BTreeMap<i64, Option<i64>> = BTreeMap::new();
            for poll in polls(&operation) {
                let mut here = BTreeSet::new();
                for (key, _, offset) in poll {
                    let is_first_here = here.insert(key);
                    let step = match (within.get(&key), before.get(&key)) {
                        (Some(_), _) if is_first_here && options.consume == Consume::Subscribe => {
                            None
                        }
                        (Some(last), _) => Some((*last, true)),
                        (None, Some(last)) => Some((*last, false)),
                        (None, None) => None,
                    };
                    if let (Some((Some(last), is_within)), Some(now)) = (step, offset) {
                        let [back, skip] = if is_within {
                            ["int-nonmonotonic-poll", "int-poll-skip"]
                        } else {
                            ["nonmonotonic-poll", "poll-skip"]
                        };
                        if now <= last {
                            classes.insert(back);
                        } else if is_between(key, last, now) {
                            classes.insert(skip);
                        }
                    }
                    within.insert(key, offset);
                    polled.insert(key, offset);
                }
            }
            for (key, _, offset) in sends(&operation) {
                if let Some((id, Some(last))) = sent.insert(key, (operation.id, offset))
                    && offset.is_some_and(|now| now <= last)
                {
                    let is_within = id == operation.id;
                    classes.insert(if is_within {
                        "int-nonmonotonic-send"
                    } else {
                        "nonmonotonic-send"
                    });
                }
            }
        }
    }
    if options.consume == Consume::Subscribe {
        classes.remove("poll-skip");
        classes.remove("nonmonotonic-poll");
    }
    classes
}

/// Whether a message below one that was polled was certainly stored and polled by nobody.
fn is_lost(history: &History) -> bool {
    let transactions: Vec<_> = history
        .operations()
        .iter()
        .filter(|it| it.f == "txn")
        .collect();
    let polled: Vec<Record> = transactions
        .iter()
        .flat_map(|it| polls(it).concat())
        .collect();
    let is_polled = |key: i64, value: i64| polled.iter().any(|it| (it.0, it.1) == (key, value));
    transactions.iter().any(|it| {
        let sent = sends(it);
        let is_committed = is_ok(it.outcome)
            || it.outcome == Outcome::Info && sent.iter().any(|sent| is_polled(sent.0, sent.1));
        let beyond = |sent: &Record| {
            polled
                .iter()
                .any(|it| it.0 == sent.0 && it.2 > sent.2 && sent.2.is_some())
        };
        is_committed
            && sent
                .iter()
                .any(|sent| !is_polled(sent.0, sent.1) && beyond(sent))
    })
}

/// Logs that are wrong now and then.
struct Broker {
    logs: [Vec<i64>; 2],
    next: i64,
    positions: Vec<BTreeMap<i64, usize>>,
    error_in: u64,
    /// Whether what is left out of a poll is never seen again, by anybody.
    hides: bool,
    hidden: BTreeSet<(i64, usize)>,
}

impl Broker {
    fn new(error_in: u64, hides: bool) -> Self {
        Self {
            logs: Default::default(),
            next: 0,
            positions: vec![BTreeMap::new(); 3],
            error_in,
            hides,
            hidden: BTreeSet::new(),
        }
    }

    fn send(&mut self, random: &mut Random, key: i64, value: i64) -> Value {
        let log = &mut self.logs[key as usize];
        let error = random.once_in(self.error_in);
        match random.below(3) {
            0 if error && !log.is_empty() => log[0] = value,
            1 if error && !log.is_empty() => log.insert(0, value),
            2 if error => log.extend([value, value]),
            _ => log.push(value),
        }
        let offset = log.len() as i64 - 1;
        let pair = if random.once_in(5) {
            Value::Int(value)
        } else {
            ints(&[offset, value])
        };
        Value::List(vec!["send".into(), key.into(), pair])
    }

    fn poll(&mut self, random: &mut Random, client: usize) -> Value {
        let mut keys = BTreeMap::new();
        for key in 0..2 {
            let log = &self.logs[key as usize];
            let position = self.positions[client].entry(key).or_insert(0);
            let end = log.len().min(*position + 3);
            let mut places: Vec<usize> = (*position..end).collect();
            *position = end;
            if random.once_in(self.error_in) && !places.is_empty() {
                let place = places.remove(random.below(places.len() as u64) as usize);
                if self.hides {
                    self.hidden.insert((key, place));
                }
            }
            places.retain(|&place| !self.hidden.contains(&(key, place)));
            let rows = places
                .iter()
                .map(|&place| ints(&[place as i64, log[place]]));
            if random.once_in(2 * self.error_in) {
                *position = position.saturating_sub(1);
            }
            keys.insert(Value::Int(key), Value::List(rows.collect()));
        }
        Value::List(vec!["poll".into(), Value::Map(keys)])
    }
}

impl Simulated for Broker {
    fn ask(&mut self, random: &mut Random, _client: usize) -> Call {
        if random.once_in(10) {
            return ask(
                "assign",
                ints(if random.once_in(2) { &[0] } else { &[0, 1] }),
            );
        }
        let parts = 1 + random.below(3);
        let parts = (0..parts).map(|_| {
            if random.once_in(2) {
                return Value::List(vec!["poll".into()]);
            }
            self.next += i64::from(!random.once_in(30));
            Value::List(vec![
                "send".into(),
                random.below(2).into(),
                (100 + self.next).into(),
            ])
        });
        ask("txn", Value::List(parts.collect()))
    }

    fn act(&mut self, random: &mut Random, client: usize, asked: &Call) -> Value {
        if asked.f == "assign" {
            let Value::List(kept) = &asked.input else {
                panic!("keys")
            };
            self.positions[client].retain(|key, _| kept.contains(&Value::Int(*key)));
            return asked.input.clone();
        }
        // Polls come before sends: nobody sees what is not committed.
        let mut parts: Vec<Value> = list(&asked.input).to_vec();
        for part in parts.iter_mut().filter(|part| list(part).len() == 1) {
            *part = self.poll(random, client);
        }
        for part in parts.iter_mut() {
            if let [_, Value::Int(key), Value::Int(value)] = *list(&part.clone()) {
                *part = self.send(random, key, value);
            }
        }
        Value::List(parts)
    }

    fn crash(&mut self, client: usize) {
        self.positions[client].clear();
    }
}

#[test]
fn agrees_with_the_laws() {
    judge_many(1500, |random| {
        let consume = if random.once_in(2) {
            Consume::Assign
        } else {
            Consume::Subscribe
        };
        let options = KafkaOptions {
            consume,
            drained: false,
            allow: ["lost-write".to_owned()].into(),
        };
        let history = simulate(&mut Broker::new(12, false), random, 3, 10);
        agree(
            &history,
            |history| kafka::check(history, &options),
            |history| naive(history, &options),
        )
    });
}

#[test]
fn writes_are_lost_where_nobody_polled_them() {
    let all_but_lost = [
        "inconsistent-offsets",
        "duplicate",
        "unexpected-message",
        "G1a",
        "precommitted-read",
        "poll-skip",
        "nonmonotonic-poll",
        "int-poll-skip",
        "int-nonmonotonic-poll",
        "nonmonotonic-send",
        "int-nonmonotonic-send",
    ];
    let options = KafkaOptions {
        consume: Consume::Assign,
        drained: false,
        allow: all_but_lost.map(str::to_owned).into(),
    };
    judge_many(1500, |random| {
        let history = simulate(&mut Broker::new(9, true), random, 3, 12);
        let verdict = kafka::check(&history, &options);
        let is_found = anomaly(&verdict).is_some();
        assert_eq!(is_found, is_lost(&history), "{verdict:?} of {history:?}");
        !is_found
    });
}

fn check(text: &str, options: &KafkaOptions, expected: Expect) {
    expected.assert_eq(&told(kafka::check(&log(text), options)));
}

#[test]
fn what_is_wrong_is_told() {
    let plain = KafkaOptions::default();
    let drained = KafkaOptions {
        drained: true,
        ..KafkaOptions::default()
    };
    let subscribed = KafkaOptions {
        consume: Consume::Subscribe,
        ..KafkaOptions::default()
    };
    let sent = |offset: i64, value: i64| {
        format!("0 :invoke :send [[:send 1 {value}]]\n0 :ok :send [[:send 1 [{offset} {value}]]]\n")
    };
    let polled = |process: u64, rows: &str| {
        format!("{process} :invoke :poll [[:poll]]\n{process} :ok :poll [[:poll {{1 {rows}}}]]\n")
    };
    let three = format!("{}{}{}", sent(0, 10), sent(1, 11), sent(2, 12));
    check(
        &format!("{three}{}", polled(1, "[[0 10] [1 11] [2 12]]")),
        &plain,
        expect![[r#"
            valid
        "#]],
    );
    check(
        &format!("{three}{}", polled(1, "[[0 10] [2 12]]")),
        &plain,
        expect![[r#"
            lost-write: Message 11 of key 1 was sent by process 0's send (events 2 to 3), but nobody ever polled it, although process 1's poll (events 6 to 7) polled offset 2 beyond it.
            [1, 3] since event Some(7)
            Of 3 messages that were acknowledged to 1 keys 1 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
            Found in all: int-poll-skip 1, lost-write 1.
        "#]],
    );
    check(
        &format!("{three}{}{}", polled(1, "[[0 10]]"), polled(1, "[[2 12]]")),
        &plain,
        expect![[r#"
            lost-write: Message 11 of key 1 was sent by process 0's send (events 2 to 3), but nobody ever polled it, although process 1's poll (events 8 to 9) polled offset 2 beyond it.
            [1, 4] since event Some(9)
            Of 3 messages that were acknowledged to 1 keys 1 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 30 ns, worst 30 ns.
            Found in all: lost-write 1, poll-skip 1.
        "#]],
    );
    check(
        &format!(
            "{three}{}{}{}",
            polled(2, "[[1 11]]"),
            polled(1, "[[0 10]]"),
            polled(1, "[[2 12]]")
        ),
        &subscribed,
        expect![[r#"
            valid
        "#]],
    );
    check(
        &format!(
            "{three}{}{}",
            polled(1, "[[0 10] [1 11]]"),
            polled(1, "[[1 11]]")
        ),
        &plain,
        expect![[r#"
            nonmonotonic-poll: Process 1's poll (events 6 to 7) polled message 11 of key 1 at offset 1, and then process 1's poll (events 8 to 9) message 11 of key 1 at offset 1, which is not beyond that.
            [3, 4] since event Some(9)
            Of 3 messages that were acknowledged to 1 keys 1 were polled by nobody; 2 were polled. Lag: median 10 ns, 99 of 100 within 30 ns, worst 30 ns.
            Found in all: nonmonotonic-poll 1.
        "#]],
    );
    check(
        &format!("{three}{}", polled(1, "[[0 10] [1 12]]")),
        &plain,
        expect![[r#"
            inconsistent-offsets: Offset 1 holds message 11 of key 1 for process 0's send (events 2 to 3), but message 12 of key 1 for process 1's poll (events 6 to 7).
            [1, 3] since event Some(7)
            Of 3 messages that were acknowledged to 1 keys 1 were polled by nobody; 2 were polled. Lag: median 10 ns, 99 of 100 within 10 ns, worst 10 ns.
            Found in all: duplicate 1, inconsistent-offsets 1.
        "#]],
    );
    check(
        &format!("{three}{}", polled(1, "[[0 10] [1 11] [3 10]]")),
        &plain,
        expect![[r#"
            duplicate: Message 10 of key 1 lies at offset 0 for process 0's send (events 0 to 1), and at 3 for process 1's poll (events 6 to 7), which is more often than it had been sent.
            [0, 3] since event Some(7)
            Of 3 messages that were acknowledged to 1 keys 1 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
            Found in all: duplicate 1, int-poll-skip 1, lost-write 1.
        "#]],
    );
    check(
        &format!("{three}{}", polled(1, "[[0 10] [1 11]]")),
        &drained,
        expect![[r#"
            unseen: Message 12 of key 1 was sent by process 0's send (events 4 to 5), but nobody polled it before the history ended, when all had been.
            [2] since event Some(7)
            Of 3 messages that were acknowledged to 1 keys 1 were polled by nobody; 2 were polled. Lag: median 10 ns, 99 of 100 within 10 ns, worst 10 ns.
            Found in all: unseen 1.
        "#]],
    );
    check(
        &polled(1, "[[0 10]]"),
        &plain,
        expect![[r#"
        unexpected-message: Process 1's poll (events 0 to 1) polled message 10 of key 1, which nobody had begun to send.
        [0] since event Some(1)
        Of 0 messages that were acknowledged to 1 keys 0 were polled by nobody; 1 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: unexpected-message 1.
    "#]],
    );
    check(
        &format!(
            "0 :invoke :send [[:send 1 10]]\n0 :fail :send [[:send 1 10]]\n{}",
            polled(1, "[[0 10]]")
        ),
        &plain,
        expect![[r#"
            G1a: Process 1's poll (events 2 to 3) polled message 10 of key 1, although process 0's send (events 0 to 1) failed.
            [0, 1] since event Some(3)
            Of 0 messages that were acknowledged to 1 keys 0 were polled by nobody; 1 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
            Found in all: G1a 1.
        "#]],
    );
    check(
        "0 :invoke :txn [[:send 1 10] [:poll]]\n0 :ok :txn [[:send 1 [0 10]] [:poll {1 [[0 10]]}]]",
        &plain,
        expect![[r#"
            precommitted-read: Process 0's txn (events 0 to 1) polled message 10 of key 1, which it had sent but not yet committed.
            [0] since event Some(1)
            Of 1 messages that were acknowledged to 1 keys 0 were polled by nobody; 1 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
            Found in all: precommitted-read 1.
        "#]],
    );
    check(
        &format!("{}{}", sent(5, 10), sent(4, 11)),
        &plain,
        expect![[r#"
            nonmonotonic-send: Process 0's send (events 0 to 1) sent message 10 of key 1 at offset 5, and then process 0's send (events 2 to 3) message 11 of key 1 at offset 4, which is not beyond that.
            [0, 1] since event Some(3)
            Of 2 messages that were acknowledged to 1 keys 2 were polled by nobody; 0 were polled. Lag: none.
            Found in all: nonmonotonic-send 1.
        "#]],
    );
    check(
        "0 :invoke :crash\n0 :info :crash",
        &plain,
        expect![[r#"
        vacuous: no message was polled
    "#]],
    );
    check(
        "0 :invoke :send [[:append 1 1]]",
        &plain,
        expect![[r#"
        operation 0 (process 0, event 0): expected a list of ["send" key value] and ["poll"], answered by ["send" key [offset value]] and ["poll" {key [[offset value] …] …}], but found [["append" 1 1]]
    "#]],
    );
    check(
        "0 :invoke :poll [[:poll]]\n0 :ok :poll 5",
        &plain,
        expect![[r#"
            operation 0 (process 0, event 1): expected a list of ["send" key value] and ["poll"], answered by ["send" key [offset value]] and ["poll" {key [[offset value] …] …}], but found 5
        "#]],
    );
    check(
        "0 :invoke :assign 5",
        &plain,
        expect![[r#"
        operation 0 (process 0, event 0): expected `assign` or `subscribe` of a list of keys, but found 5
    "#]],
    );
    check(
        "0 :invoke :produce 5",
        &plain,
        expect![[r#"
        operation 0 (process 0, event 0): expected `send`, `poll`, `txn`, `assign`, `subscribe`, `seek` or `crash`, but found `produce`
    "#]],
    );
}

#[test]
fn statistics_say_what_is_unseen_and_how_late_polls_are() {
    let history = log("0 :invoke :assign [1]\n0 :ok :assign [1]\n1 :invoke :send [[:send 1 10]]\n1 :ok :send [[:send 1 [0 10]]]
        2 :invoke :send [[:send 1 11]]\n2 :ok :send [[:send 1 [1 11]]]
        0 :invoke :poll [[:poll]]\n0 :ok :poll [[:poll {1 [[0 10]]}]]");
    let statistics = kafka::statistics(&history).expect("a log");
    expect!["KafkaStatistics { keys: 1, acknowledged: 2, polled: 1, unseen: 1, lag: Latencies { times_ns: [10] } }"].assert_eq(&format!("{statistics:?}"));
}
