//! Logs of messages.

use crate::histories::*;
use crate::random::Random;
use crate::simulated::{Classes, Simulated, agree, ask, judge_many, simulate};
use expect_test::{Expect, expect};
use squall_checkers::history::{EventKind, History, Operation, Outcome, ProcessReuse, Value};
use squall_checkers::named::kafka::{self, Consume, KafkaOptions};
use squall_checkers::spec::DecodeError;
use squall_checkers::verdict::Verdict;
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

/// A transaction, with what it sent and what each of its polls returned.
struct Act<'h> {
    operation: Operation<'h>,
    sent: Vec<Record>,
    polls: Vec<Vec<Record>>,
    polled: Vec<Record>,
}

impl Act<'_> {
    fn has_sent(&self, key: i64, value: i64) -> bool {
        let mut sent = self.sent.iter();
        sent.any(|sent| (sent.0, sent.1) == (key, value))
    }
}

fn acts(history: &History) -> Vec<Act<'_>> {
    let operations = history.operations().iter();
    let transactions = operations.filter(|it| matches!(it.f, "txn" | "send" | "poll"));
    let act = |operation| {
        let polls = polls(&operation);
        Act {
            sent: sends(&operation),
            polled: polls.concat(),
            polls,
            operation,
        }
    };
    transactions.map(act).collect()
}

/// Whether a message was known at some time to lie at more offsets than it had been sent times.
fn has_duplicate(acts: &[Act<'_>]) -> bool {
    let mut known: BTreeMap<(i64, i64), BTreeMap<i64, usize>> = BTreeMap::new();
    for act in acts.iter().filter(|it| is_ok(it.operation.outcome)) {
        let event = act.operation.completed.expect("ok");
        for &(key, value, offset) in act.sent.iter().chain(&act.polled) {
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
                let begun = acts.iter().filter(|it| it.operation.invoked < event);
                let sent = begun
                    .flat_map(|it| &it.sent)
                    .filter(|sent| (sent.0, sent.1) == *message);
                before > 1 && before > sent.count()
            })
    })
}

/// Whether who sent what was polled comes before who polled it, and as `is_before` says, in a circle.
fn is_circular(
    acts: &[Act<'_>],
    is_before: impl Fn(&Operation<'_>, &Operation<'_>) -> bool,
) -> bool {
    let count = acts.len();
    let mut reaches = vec![vec![false; count]; count];
    for (to, reader) in acts.iter().enumerate() {
        let after = &reader.operation;
        for (from, other) in acts.iter().enumerate() {
            let before = &other.operation;
            let is_over = is_ok(before.outcome) && before.completed < Some(after.invoked);
            reaches[from][to] = is_over && is_before(before, after);
        }
        for &(key, value, _) in &reader.polled {
            let may_have_sent = |it: &Act<'_>| {
                it.operation.outcome != Outcome::Fail
                    && Some(it.operation.invoked) < after.completed
                    && it.has_sent(key, value)
            };
            let mut senders = (0..count).filter(|&from| may_have_sent(&acts[from]));
            if let (Some(from), None) = (senders.next(), senders.next()) {
                reaches[from][to] |= from != to;
            }
        }
    }
    for middle in 0..count {
        for from in 0..count {
            for to in 0..count {
                reaches[from][to] |= reaches[from][middle] && reaches[middle][to];
            }
        }
    }
    (0..count).any(|one| reaches[one][one])
}

/// The laws one by one. `lost-write` and `unseen` are judged apart: they depend on how the history ends.
fn naive(history: &History, options: &KafkaOptions) -> Classes {
    let mut classes = Classes::new();
    let acts = acts(history);
    let mut seen: BTreeSet<Record> = BTreeSet::new();
    for act in acts.iter().filter(|it| is_ok(it.operation.outcome)) {
        let records = act.sent.iter().chain(&act.polled);
        seen.extend(records.filter(|record| record.2.is_some()));
        for &(key, value, _) in &act.polled {
            let before = acts.iter().filter(|it| {
                it.has_sent(key, value) && Some(it.operation.invoked) < act.operation.completed
            });
            let has_failed = |it: &Act<'_>| it.operation.outcome == Outcome::Fail;
            if act.has_sent(key, value) {
                classes.insert("precommitted-read");
            } else if before.clone().count() == 0 {
                classes.insert("unexpected-message");
            } else if before.clone().all(has_failed) {
                classes.insert("G1a");
            }
        }
    }
    if has_duplicate(&acts) {
        classes.insert("duplicate");
    }
    if is_circular(&acts, |_, _| false) {
        classes.insert("G1c");
    }
    if is_circular(&acts, |one, other| one.process == other.process) {
        classes.insert("G1c-process");
    }
    if is_circular(&acts, |_, _| true) {
        classes.insert("G1c-realtime");
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
            let act = acts.iter().find(|it| it.operation.id == operation.id);
            let act = act.expect("it is one");
            for poll in &act.polls {
                let mut here = BTreeSet::new();
                for &(key, _, offset) in poll {
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
            for &(key, _, offset) in &act.sent {
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
    /// What was sent before its transaction took effect, by value, with the answer.
    early: BTreeMap<i64, Value>,
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
            early: BTreeMap::new(),
        }
    }

    fn send(&mut self, random: &mut Random, key: i64, value: i64) -> Value {
        let log = &mut self.logs[key as usize];
        let error = random.one_in(self.error_in);
        match random.below(3) {
            0 if error && !log.is_empty() => log[0] = value,
            1 if error && !log.is_empty() => log.insert(0, value),
            2 if error => log.extend([value, value]),
            _ => log.push(value),
        }
        let offset = log.len() as i64 - 1;
        let pair = if random.one_in(5) {
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
            if random.one_in(self.error_in) && !places.is_empty() {
                let place = places.remove(random.below(places.len() as u64) as usize);
                if self.hides {
                    self.hidden.insert((key, place));
                }
            }
            places.retain(|&place| !self.hidden.contains(&(key, place)));
            let rows = places
                .iter()
                .map(|&place| ints(&[place as i64, log[place]]));
            if random.one_in(2 * self.error_in) {
                *position = position.saturating_sub(1);
            }
            keys.insert(Value::Int(key), Value::List(rows.collect()));
        }
        Value::List(vec!["poll".into(), Value::Map(keys)])
    }
}

impl Simulated for Broker {
    fn ask(&mut self, random: &mut Random, _client: usize) -> Call {
        if random.one_in(10) {
            return ask(
                "assign",
                ints(if random.one_in(2) { &[0] } else { &[0, 1] }),
            );
        }
        let is_early = random.one_in(self.error_in);
        let count = 1 + random.below(3);
        let mut parts = Vec::new();
        for _ in 0..count {
            if random.one_in(2) {
                parts.push(Value::List(vec!["poll".into()]));
                continue;
            }
            self.next += i64::from(!random.one_in(30));
            let (key, value) = (random.below(2), 100 + self.next);
            if is_early {
                let answer = self.send(random, key, value);
                self.early.insert(value, answer);
            }
            parts.push(Value::List(vec!["send".into(), key.into(), value.into()]));
        }
        ask("txn", Value::List(parts))
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
                *part = match self.early.remove(&value) {
                    Some(answer) => answer,
                    None => self.send(random, key, value),
                };
            }
        }
        Value::List(parts)
    }

    fn crash(&mut self, client: usize) {
        self.positions[client].clear();
    }
}

/// Where each operation of a circle is said to be needed, there is none without what it returned, and
/// there is one whatever else returned.
fn verify_circles(history: &History, verdict: &Result<Verdict, DecodeError>) {
    let has_circle = |believed: &dyn Fn(usize) -> bool| {
        let events = history.events();
        let mut relaxed = events.to_vec();
        for (index, event) in relaxed.iter_mut().enumerate() {
            if event.kind == EventKind::Ok && !believed(events.operation_id(index)) {
                event.kind = EventKind::Info;
            }
        }
        let relaxed = History::from_events_with(relaxed, ProcessReuse::AfterInfo);
        is_circular(&acts(&relaxed.expect("a history")), |_, _| true)
    };
    let found = anomaly(verdict).into_iter();
    let found = found.flat_map(|first| first.also.iter().chain([first]));
    for circle in found.filter(|it| it.class.starts_with("G1c") && it.minimal) {
        let witness = &circle.witness;
        assert!(has_circle(&|id| witness.contains(&id)), "{circle:?}");
        for &one in witness {
            let is_other = |id| id != one && witness.contains(&id);
            assert!(!has_circle(&is_other), "{circle:?} without {one}");
        }
    }
}

#[test]
fn agrees_with_the_laws() {
    judge_many(1500, |random| {
        let consume = if random.one_in(2) {
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
        verify_circles(&history, &kafka::check(&history, &options));
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
        "G1c",
        "G1c-process",
        "G1c-realtime",
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
            Also found, but allowed: G0-process 1.
            Found in all: nonmonotonic-send 1.
        "#]],
    );
    check(
        &format!(
            "{three}{}{}{}",
            polled(2, "[[1 11]]"),
            polled(1, "[[0 10]]"),
            polled(1, "[[2 12]]")
        ),
        &plain,
        expect![[r#"
            poll-skip: Process 1's poll (events 8 to 9) polled message 10 of key 1 at offset 0, and then process 1's poll (events 10 to 11) message 12 of key 1 at offset 2, although message 11 of key 1 lies between.
            [1, 4, 5] since event Some(11)
            Of 3 messages that were acknowledged to 1 keys 0 were polled by nobody; 3 were polled. Lag: median 10 ns, 99 of 100 within 50 ns, worst 50 ns.
            Found in all: poll-skip 1.
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
        "0 :invoke :poll [[:poll]]\n0 :ok :poll [[:poll 5]]",
        &plain,
        expect![[r#"
            operation 0 (process 0, event 1): expected a list of ["send" key value] and ["poll"], answered by ["send" key [offset value]] and ["poll" {key [[offset value] …] …}], but found [["poll" 5]]
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
    assert_eq!(statistics.lag.count(), 1);
    expect!["KafkaStatistics { keys: 1, acknowledged: 2, polled: 1, unseen: 1, lag: Latencies { times_ns: [10] } }"].assert_eq(&format!("{statistics:?}"));
}

/// The one polls what the other had sent, and the other what the one had.
#[test]
fn information_does_not_flow_in_a_circle() {
    let plain = KafkaOptions::default();
    let begins = "0 :invoke :txn [[:send 1 10] [:poll]]\n";
    let ends = "0 :ok :txn [[:send 1 [0 10]] [:poll {2 [[0 20]]}]]\n";
    let polls = "1 :invoke :poll [[:poll]]\n1 :ok :poll [[:poll {1 [[0 10]]}]]\n";
    let sends = |process| {
        format!("{process} :invoke :send [[:send 2 20]]\n{process} :ok :send [[:send 2 [0 20]]]\n")
    };
    let both = "1 :invoke :txn [[:poll] [:send 2 20]]\n1 :ok :txn [[:poll {1 [[0 10]]}] [:send 2 [0 20]]]\n";
    check(
        &format!("{begins}{both}{ends}"),
        &plain,
        expect![[r#"
        G1c: Process 1's txn (events 1 to 2) polled message 10 of key 1, which process 0's txn (events 0 to 3) sent; process 0's txn (events 0 to 3) polled message 20 of key 2, which process 1's txn (events 1 to 2) sent: no order of these is possible.
        [0, 1] since event Some(3)
        Of 2 messages that were acknowledged to 2 keys 0 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: G1c 1.
    "#]],
    );
    check(
        &format!("{begins}{polls}{}{ends}", sends(1)),
        &plain,
        expect![[r#"
            G1c-process: Process 1's poll (events 1 to 2) polled message 10 of key 1, which process 0's txn (events 0 to 5) sent; process 1's poll (events 1 to 2) ended before process 1's send (events 3 to 4) began; process 0's txn (events 0 to 5) polled message 20 of key 2, which process 1's send (events 3 to 4) sent: no order of these is possible.
            [0, 1, 2] since event Some(5)
            Of 2 messages that were acknowledged to 2 keys 0 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
            Found in all: G1c-process 1.
        "#]],
    );
    check(
        &format!("{begins}{polls}{}{ends}", sends(2)),
        &plain,
        expect![[r#"
            G1c-realtime: Process 1's poll (events 1 to 2) polled message 10 of key 1, which process 0's txn (events 0 to 5) sent; process 1's poll (events 1 to 2) ended before process 2's send (events 3 to 4) began; process 0's txn (events 0 to 5) polled message 20 of key 2, which process 2's send (events 3 to 4) sent: no order of these is possible.
            [0, 1, 2] since event Some(5)
            Of 2 messages that were acknowledged to 2 keys 0 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
            Found in all: G1c-realtime 1.
        "#]],
    );
}

/// Who sent first to the one key sent last to the other: that is how transactions are.
#[test]
fn writes_of_transactions_interleave() {
    let plain = KafkaOptions::default();
    let sends = "0 :invoke :send [[:send 1 10] [:send 2 20]]\n1 :invoke :send [[:send 1 11] [:send 2 21]]
        0 :ok :send [[:send 1 [0 10]] [:send 2 [1 20]]]\n1 :ok :send [[:send 1 [1 11]] [:send 2 [0 21]]]\n";
    let polled = |rows| format!("2 :invoke :poll [[:poll]]\n2 :ok :poll [[:poll {rows}]]");
    let all = polled("{1 [[0 10] [1 11]] 2 [[0 21] [1 20]]}");
    check(
        &format!("{sends}{all}"),
        &plain,
        expect![[r#"
        valid
    "#]],
    );
    let skipped = polled("{1 [[0 10] [1 11]] 2 [[1 20]]}");
    check(
        &format!("{sends}{skipped}"),
        &plain,
        expect![[r#"
        lost-write: Message 21 of key 2 was sent by process 1's send (events 1 to 3), but nobody ever polled it, although process 2's poll (events 4 to 5) polled offset 1 beyond it.
        [1, 2] since event Some(5)
        Of 4 messages that were acknowledged to 2 keys 1 were polled by nobody; 3 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Also found, but allowed: G0 1.
        Found in all: lost-write 1.
    "#]],
    );
}

/// A transaction that crashed took effect if a message was polled that nobody else sent.
#[test]
fn what_a_crashed_transaction_sent_is_lost_only_if_it_took_effect() {
    let plain = KafkaOptions::default();
    let crashed = |twice: &str| {
        format!(
            "9 :invoke :txn [[:send 1 11] [:send 2 20]]\n9 :info :txn [[:send 1 [1 11]] [:send 2 [0 20]]]
            0 :invoke :send [[:send 1 12]]\n0 :ok :send [[:send 1 [2 12]]]\n{twice}"
        )
    };
    let polled = |rows| format!("2 :invoke :poll [[:poll]]\n2 :ok :poll [[:poll {rows}]]");
    let unseen = polled("{1 [[2 12]]}");
    check(
        &format!("{}{unseen}", crashed("")),
        &plain,
        expect![[r#"
            valid
        "#]],
    );
    let seen = polled("{1 [[2 12]] 2 [[0 20]]}");
    check(
        &format!("{}{seen}", crashed("")),
        &plain,
        expect![[r#"
        lost-write: Message 11 of key 1 was sent by process 9's txn (since event 0), but nobody ever polled it, although process 2's poll (events 4 to 5) polled offset 2 beyond it.
        [0, 2] since event Some(5)
        Of 1 messages that were acknowledged to 2 keys 0 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: lost-write 1.
    "#]],
    );
    let twice = "3 :invoke :send [[:send 2 20]]\n3 :info :send [[:send 2 20]]\n";
    check(
        &format!("{}{seen}", crashed(twice)),
        &plain,
        expect![[r#"
            valid
        "#]],
    );
}

/// Who else sends the same message later, or failed to, is not who sent what was polled before.
#[test]
fn only_who_can_have_sent_a_message_is_asked_who_sent_it() {
    let plain = KafkaOptions::default();
    let circle = "0 :invoke :txn [[:send 1 10] [:poll]]
        1 :invoke :txn [[:poll] [:send 2 20]]\n1 :ok :txn [[:poll {1 [[0 10]]}] [:send 2 [0 20]]]
        0 :ok :txn [[:send 1 [0 10]] [:poll {2 [[0 20]]}]]\n";
    let sends = "2 :invoke :send [[:send 2 20]]\n";
    let fails = "2 :fail :send [[:send 2 20]]\n";
    check(
        &format!("{circle}{sends}"),
        &plain,
        expect![[r#"
        G1c: Process 1's txn (events 1 to 2) polled message 10 of key 1, which process 0's txn (events 0 to 3) sent; process 0's txn (events 0 to 3) polled message 20 of key 2, which process 1's txn (events 1 to 2) sent: no order of these is possible.
        [0, 1] since event Some(3)
        Of 2 messages that were acknowledged to 2 keys 0 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: G1c 1.
    "#]],
    );
    check(
        &format!("{sends}{circle}"),
        &plain,
        expect![[r#"
        valid
    "#]],
    );
    check(
        &format!("{sends}{circle}{fails}"),
        &plain,
        expect![[r#"
        G1c: Process 1's txn (events 2 to 3) polled message 10 of key 1, which process 0's txn (events 1 to 4) sent; process 0's txn (events 1 to 4) polled message 20 of key 2, which process 1's txn (events 2 to 3) sent: no order of these is possible.
        [1, 2] since event Some(5)
        Of 2 messages that were acknowledged to 2 keys 0 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: G1c 1.
    "#]],
    );
}

/// Who sends a message twice is still the only one who can have sent it.
#[test]
fn a_message_that_one_act_sent_twice_was_sent_by_that_act() {
    let text = "0 :invoke :txn [[:send 1 10] [:send 1 10] [:poll]]
        1 :invoke :txn [[:poll] [:send 2 20]]\n1 :ok :txn [[:poll {1 [[0 10]]}] [:send 2 [0 20]]]
        0 :ok :txn [[:send 1 [0 10]] [:send 1 [1 10]] [:poll {2 [[0 20]]}]]\n";
    check(
        text,
        &KafkaOptions::default(),
        expect![[r#"
        G1c: Process 1's txn (events 1 to 2) polled message 10 of key 1, which process 0's txn (events 0 to 3) sent; process 0's txn (events 0 to 3) polled message 20 of key 2, which process 1's txn (events 1 to 2) sent: no order of these is possible.
        [0, 1] since event Some(3)
        Of 2 messages that were acknowledged to 2 keys 0 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: G1c 1.
    "#]],
    );
}

#[test]
fn a_circle_names_no_act_that_neither_sends_nor_polls() {
    let text = "0 :invoke :txn [[:send 1 10] [:poll]]\n1 :invoke :poll [[:poll]]\n1 :ok :poll [[:poll {1 [[0 10]]}]]
        1 :invoke :assign [1]\n1 :ok :assign [1]\n1 :invoke :send [[:send 2 20]]\n1 :ok :send [[:send 2 [0 20]]]
        0 :ok :txn [[:send 1 [0 10]] [:poll {2 [[0 20]]}]]";
    check(
        text,
        &KafkaOptions::default(),
        expect![[r#"
        G1c-process: Process 1's poll (events 1 to 2) polled message 10 of key 1, which process 0's txn (events 0 to 7) sent; process 1's poll (events 1 to 2) ended before process 1's send (events 5 to 6) began; process 0's txn (events 0 to 7) polled message 20 of key 2, which process 1's send (events 5 to 6) sent: no order of these is possible.
        [0, 1, 3] since event Some(7)
        Of 2 messages that were acknowledged to 2 keys 0 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: G1c-process 1.
    "#]],
    );
}

/// A poll that crashed may have taken a message from its group, but not from who chose what it polls.
#[test]
fn what_a_crashed_poll_may_have_taken_is_not_lost() {
    let subscribed = KafkaOptions {
        consume: Consume::Subscribe,
        ..KafkaOptions::default()
    };
    let sends = "0 :invoke :send [[:send 1 10] [:send 1 11]]\n0 :ok :send [[:send 1 [0 10]] [:send 1 [1 11]]]\n";
    let polls = "1 :invoke :poll [[:poll]]\n1 :ok :poll [[:poll {1 [[1 11]]}]]\n";
    let crashes = "2 :invoke :poll [[:poll]]\n2 :info :poll [[:poll]]\n";
    let assigns = "3 :invoke :assign [1]\n3 :ok :assign [1]\n";
    let lost = "lost-write: Message 10 of key 1 was sent by process 0's send (events 0 to 1), but nobody ever polled it";
    for (text, is_lost) in [
        (format!("{sends}{polls}"), true),
        (format!("{sends}{polls}{crashes}"), false),
        (format!("{sends}{polls}{crashes}{assigns}"), true),
    ] {
        let told = told(kafka::check(&log(&text), &subscribed));
        assert_eq!(told.starts_with(lost), is_lost, "{told}");
    }
}

#[test]
fn what_is_polled_beyond_a_message_shows_its_loss_once_its_send_returned() {
    let text = "0 :invoke :send [[:send 1 10]]\n1 :invoke :send [[:send 1 11]]\n1 :ok :send [[:send 1 [1 11]]]
        2 :invoke :poll [[:poll]]\n2 :ok :poll [[:poll {1 [[1 11]]}]]\n0 :ok :send [[:send 1 [0 10]]]";
    check(
        text,
        &KafkaOptions::default(),
        expect![[r#"
        lost-write: Message 10 of key 1 was sent by process 0's send (events 0 to 5), but nobody ever polled it, although process 2's poll (events 3 to 4) polled offset 1 beyond it.
        [0, 2] since event Some(5)
        Of 2 messages that were acknowledged to 1 keys 1 were polled by nobody; 1 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: lost-write 1.
    "#]],
    );
}

/// Nobody knows whether it was sent at all.
#[test]
fn what_a_crashed_transaction_sent_has_no_order() {
    let text = "0 :invoke :txn [[:send 1 10] [:send 1 11]]\n0 :info :txn [[:send 1 [5 10]] [:send 1 [4 11]]]
        2 :invoke :poll [[:poll]]\n2 :ok :poll [[:poll {1 [[4 11]]}]]";
    check(
        text,
        &KafkaOptions::default(),
        expect![[r#"
        valid
    "#]],
    );
}

/// Each polls what the one before it sent, and the first what the last did.
#[test]
fn a_long_circle_is_told_in_the_explanation() {
    let plain = KafkaOptions::default();
    let circle = |length: i64| {
        let asked = |sender: i64| format!("{sender} :invoke :txn [[:send {sender} 1] [:poll]]\n");
        let done = |sender: i64| {
            let before = (sender + length - 1) % length;
            format!("{sender} :ok :txn [[:send {sender} [0 1]] [:poll {{{before} [[0 1]]}}]]\n")
        };
        (0..length)
            .map(asked)
            .chain((0..length).map(done))
            .collect::<String>()
    };
    check(
        &circle(4),
        &plain,
        expect![[r#"
        G1c: Process 1's txn (events 1 to 5) polled message 1 of key 0, which process 0's txn (events 0 to 4) sent; process 2's txn (events 2 to 6) polled message 1 of key 1, which process 1's txn (events 1 to 5) sent; process 3's txn (events 3 to 7) polled message 1 of key 2, which process 2's txn (events 2 to 6) sent; process 0's txn (events 0 to 4) polled message 1 of key 3, which process 3's txn (events 3 to 7) sent: no order of these is possible.
        [0, 1, 2, 3] since event Some(7)
        Of 4 messages that were acknowledged to 4 keys 0 were polled by nobody; 4 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: G1c 1.
    "#]],
    );
    check(
        &circle(5),
        &plain,
        expect![[r#"
        G1c: 5 operations must each come before the next, and the last before the first: process 0's txn (events 0 to 5) polled message 1 of key 4, which process 4's txn (events 4 to 9) sent.
        [0, 1, 2, 3, 4] since event Some(9)
        Process 1's txn (events 1 to 6) polled message 1 of key 0, which process 0's txn (events 0 to 5) sent.
        Process 2's txn (events 2 to 7) polled message 1 of key 1, which process 1's txn (events 1 to 6) sent.
        Process 3's txn (events 3 to 8) polled message 1 of key 2, which process 2's txn (events 2 to 7) sent.
        Process 4's txn (events 4 to 9) polled message 1 of key 3, which process 3's txn (events 3 to 8) sent.
        Process 0's txn (events 0 to 5) polled message 1 of key 4, which process 4's txn (events 4 to 9) sent.
        Of 5 messages that were acknowledged to 5 keys 0 were polled by nobody; 5 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: G1c 1.
    "#]],
    );
    // Whether all of them are needed is not looked into where there are more.
    for (length, is_minimal) in [(5, true), (64, true), (65, false)] {
        let verdict = kafka::check(&log(&circle(length)), &plain);
        let found = anomaly(&verdict).expect("a circle");
        assert_eq!(found.minimal, is_minimal, "{length}");
    }
}

#[test]
fn of_what_one_poll_shows_beyond_a_lost_message_the_last_is_told() {
    let text = "0 :invoke :txn [[:send 1 10] [:send 1 11] [:send 1 12]]
        0 :ok :txn [[:send 1 [0 10]] [:send 1 [1 11]] [:send 1 [2 12]]]
        1 :invoke :poll [[:poll]]\n1 :ok :poll [[:poll {1 [[1 11] [2 12]]}]]";
    check(
        text,
        &KafkaOptions::default(),
        expect![[r#"
        lost-write: Message 10 of key 1 was sent by process 0's txn (events 0 to 1), but nobody ever polled it, although process 1's poll (events 2 to 3) polled offset 2 beyond it.
        [0, 1] since event Some(3)
        Of 3 messages that were acknowledged to 1 keys 1 were polled by nobody; 2 were polled. Lag: median 0 ns, 99 of 100 within 0 ns, worst 0 ns.
        Found in all: lost-write 1.
    "#]],
    );
}

#[test]
fn a_send_has_a_key_and_a_value() {
    for send in ["[:send 1]", "[:send 1 10 11]"] {
        let text = format!("0 :invoke :send [{send}]\n0 :ok :send [{send}]");
        let verdict = kafka::check(&log(&text), &KafkaOptions::default());
        assert!(verdict.is_err(), "{send}: {verdict:?}");
    }
}
