//! Where values are unique, the algorithms for that and the search agree, on histories of some size: the
//! verdict, and the first event with which a bad history is bad.

use crate::random::{Random, cases};
use squall_checkers::history::{
    self, Event, EventKind, History, HistoryBuilder, ProcessReuse, Value, ValueRef,
};
use squall_checkers::linearizability::{Limits, check};
use squall_checkers::spec::{Call, DecodeError, DecodedBy, Diagnosis, Effect, Reason, Spec};
use squall_checkers::specs::{
    AppendLog, CasRegister, FailedCas, FifoQueue, GrowOnlySet, PriorityQueue, Register, Stack,
};
use squall_checkers::verdict::Verdict;

/// A specification without its own algorithm.
struct Searched<S>(S);

impl<S: Spec> Spec for Searched<S> {
    type State = S::State;
    type Operation = S::Operation;
    type Return = S::Return;

    fn initial(&self) -> S::State {
        self.0.initial()
    }

    fn step(
        &self,
        state: &S::State,
        operation: &S::Operation,
        returned: Option<&S::Return>,
    ) -> Result<S::State, Reason> {
        self.0.step(state, operation, returned)
    }

    fn effect(&self, operation: &S::Operation, returned: Option<&S::Return>) -> Effect {
        self.0.effect(operation, returned)
    }

    fn only_state(
        &self,
        operation: &S::Operation,
        returned: Option<&S::Return>,
    ) -> Option<S::State> {
        self.0.only_state(operation, returned)
    }

    fn part<'h>(&self, f: &str, input: ValueRef<'h>) -> Option<ValueRef<'h>> {
        self.0.part(f, input)
    }

    fn decode(&self, operation: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        self.0.decode(operation)
    }

    fn diagnose(&self, _calls: &[Call<'_, Self>], _culprit: usize) -> Option<Diagnosis> {
        None
    }
}

/// A client's operation: it takes effect at some moment after its invocation.
struct Open {
    process: u64,
    f: &'static str,
    input: Value,
    /// What it answered, once it took effect.
    answer: Option<(EventKind, Value)>,
}

/// Does operations one at a time, and answers.
trait Object {
    fn draw(&mut self, random: &mut Random) -> (&'static str, Value);
    fn apply(&mut self, f: &str, input: &Value, random: &mut Random) -> (EventKind, Value);
}

const CLIENTS: usize = 5;

/// What five clients of the object see, of which some crash.
fn history(
    object: &mut impl Object,
    operations: usize,
    crash_in: usize,
    random: &mut Random,
) -> History {
    let mut builder = HistoryBuilder::new(ProcessReuse::Refused);
    let mut event = |process, kind, f: &str, value| {
        let f = f.to_owned();
        let event = Event {
            process,
            kind,
            f,
            key: None,
            value,
            time_ns: 0,
            error: None,
        };
        builder
            .push(event)
            .expect("processes act one thing at a time");
    };
    let mut clients: Vec<Result<Open, u64>> = (0..CLIENTS as u64).map(Err).collect();
    let mut left = operations;
    let mut crashed = Vec::new();
    while left > 0 || clients.iter().any(Result::is_ok) {
        let client = random.below(CLIENTS);
        match &mut clients[client] {
            &mut Err(process) if left > 0 => {
                left -= 1;
                let (f, input) = object.draw(random);
                event(process, EventKind::Invoke, f, input.clone());
                let answer = None;
                clients[client] = Ok(Open {
                    process,
                    f,
                    input,
                    answer,
                });
            }
            Err(_) => {}
            Ok(open) if open.answer.is_none() && random.one_in(crash_in) => {
                event(open.process, EventKind::Info, open.f, Value::Nil);
                let process = open.process + CLIENTS as u64;
                crashed.push((open.f, open.input.clone()));
                clients[client] = Err(process);
            }
            Ok(open) if open.answer.is_none() => {
                open.answer = Some(object.apply(open.f, &open.input, random));
            }
            Ok(open) => {
                if let Some((kind, value)) = open.answer.take() {
                    event(open.process, kind, open.f, value);
                }
                clients[client] = Err(open.process);
            }
        }
        // What crashed may still happen, once.
        if !crashed.is_empty() && random.one_in(12) {
            let (f, input) = crashed.swap_remove(random.below(crashed.len()));
            object.apply(f, &input, random);
        }
    }
    builder.finish()
}

/// A register that now and then answers with an old value.
struct Cell {
    values: Vec<i64>,
    fresh: i64,
    with_cas: bool,
    lie_in: usize,
}

impl Cell {
    fn value(&self) -> i64 {
        self.values[self.values.len() - 1]
    }
}

impl Object for Cell {
    fn draw(&mut self, random: &mut Random) -> (&'static str, Value) {
        self.fresh += 1;
        match random.below(if self.with_cas { 4 } else { 2 }) {
            0 => ("read", Value::Nil),
            1 => ("write", Value::Int(self.fresh)),
            _ => {
                let expected = self.values[self.values.len().saturating_sub(1 + random.below(2))];
                ("cas", Value::List(vec![expected.into(), self.fresh.into()]))
            }
        }
    }

    fn apply(&mut self, f: &str, input: &Value, random: &mut Random) -> (EventKind, Value) {
        match (f, input) {
            ("read", _) => {
                let back = if random.one_in(self.lie_in) {
                    1 + random.below(4)
                } else {
                    1
                };
                let value = self.values[self.values.len().saturating_sub(back)];
                (EventKind::Ok, value.into())
            }
            ("write", &Value::Int(value)) => {
                self.values.push(value);
                (EventKind::Ok, input.clone())
            }
            ("cas", Value::List(pair)) => match pair[..] {
                [Value::Int(expected), Value::Int(new)] if expected == self.value() => {
                    self.values.push(new);
                    (EventKind::Ok, input.clone())
                }
                _ => (EventKind::Fail, input.clone()),
            },
            _ => panic!("{f} {input}"),
        }
    }
}

/// A queue, a set or a log that now and then forgets, or answers out of order.
struct Elements {
    elements: Vec<i64>,
    fresh: i64,
    add: &'static str,
    take: &'static str,
    lie_in: usize,
}

impl Object for Elements {
    fn draw(&mut self, random: &mut Random) -> (&'static str, Value) {
        if random.one_in(2) {
            self.fresh += 1;
            let is_in_order = self.add != "insert";
            // Times a number that shares no divisor with 10,007: each comes once.
            let shuffled = self.fresh * 7919 % 10_007;
            (
                self.add,
                Value::Int(if is_in_order { self.fresh } else { shuffled }),
            )
        } else {
            (self.take, Value::Nil)
        }
    }

    fn apply(&mut self, f: &str, input: &Value, random: &mut Random) -> (EventKind, Value) {
        let lies = random.one_in(self.lie_in);
        match (f, input) {
            (f, &Value::Int(element)) if f == self.add => {
                if !lies {
                    self.elements.push(element);
                }
                (EventKind::Ok, input.clone())
            }
            ("dequeue" | "pop" | "poll", _) if self.elements.is_empty() => {
                (EventKind::Ok, Value::Nil)
            }
            ("dequeue" | "pop" | "poll", _) => {
                if f == "poll" {
                    self.elements.sort_unstable();
                }
                let place = usize::from(lies && self.elements.len() > 1);
                let place = match f {
                    "pop" => self.elements.len() - 1 - place,
                    _ => place,
                };
                (EventKind::Ok, self.elements.remove(place).into())
            }
            ("read", _) => {
                let shown = self.elements.len() - usize::from(lies && !self.elements.is_empty());
                let shown = self.elements[..shown].iter().copied().map(Value::Int);
                (EventKind::Ok, Value::List(shown.collect()))
            }
            _ => panic!("{f} {input}"),
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    valid: usize,
    invalid: usize,
    /// How many of the invalid name only operations that are needed.
    minimal: usize,
    /// What the search gave up on.
    unknown: usize,
}

fn compare<S: Spec>(spec: S, history: &History, tally: &mut Tally)
where
    Searched<S>: Spec,
{
    let limits = Limits {
        configurations_max: 5_000,
        ..Limits::default()
    };
    let decided = check(&spec, history, &limits).expect("operations of the specification");
    let searched =
        check(&Searched(spec), history, &limits).expect("operations of the specification");
    match (&decided, &searched) {
        (_, Verdict::Unknown(_)) => tally.unknown += 1,
        (Verdict::Valid { .. }, Verdict::Valid { .. }) => tally.valid += 1,
        (Verdict::Invalid(decided), Verdict::Invalid(searched)) => {
            assert_eq!(
                decided.first_bad_event, searched.first_bad_event,
                "{decided:#?} {searched:#?} {history:#?}"
            );
            tally.invalid += 1;
            tally.minimal += usize::from(decided.minimal);
        }
        _ => panic!("{decided:#?}\n{searched:#?}\n{history:#?}"),
    }
}

/// The witness is impossible whatever the other operations did, and no longer once nobody knows
/// whether one of its own happened. Answers whether the witness says so of itself, if there is one.
fn require_each_needed<S: Spec>(spec: &S, history: &History) -> Option<bool> {
    let verdict = check(spec, history, &Limits::default());
    let Ok(Verdict::Invalid(anomaly)) = verdict else {
        return None;
    };
    if anomaly.class == "non-linearizable" {
        // The search decided.
        return None;
    }
    if !anomaly.minimal {
        return Some(false);
    }
    let word = |certain: &[usize]| {
        let known = only_certain(
            &history.prefix(anomaly.first_bad_event.unwrap_or(0) + 1),
            certain,
        );
        let verdict = check(spec, &known, &Limits::default());
        verdict.expect("operations of the specification").word()
    };
    assert_eq!(
        word(&anomaly.witness),
        "invalid",
        "{anomaly:#?} {history:#?}"
    );
    for &needed in &anomaly.witness {
        let rest = anomaly.witness.iter().copied().filter(|&id| id != needed);
        let rest: Vec<usize> = rest.collect();
        assert_eq!(
            word(&rest),
            "valid",
            "without {needed}: {anomaly:#?} {history:#?}"
        );
    }
    Some(true)
}

/// The same history, if of most operations nobody knew whether they happened.
fn only_certain(history: &History, certain: &[usize]) -> History {
    let mut events = history.events().to_vec();
    for operation in history.operations() {
        if let Some(completed) = operation.completed
            && !certain.contains(&operation.id)
        {
            events[completed].kind = EventKind::Info;
        }
    }
    let relaxed = History::from_events_with(events, ProcessReuse::AfterInfo);
    relaxed.expect("the events are those of a history")
}

fn compare_all(seed: u64, mut one: impl FnMut(usize, usize, &mut Random, &mut Tally)) {
    let mut tally = Tally::default();
    let mut random = Random(seed);
    for _ in 0..cases(40) {
        let (operations, crash_in) = (20 + random.below(181), 20 + random.below(400));
        one(operations, crash_in, &mut random, &mut tally);
    }
    eprintln!("{tally:?}");
    assert!(tally.valid > 5 && tally.minimal > 5, "{tally:?}");
}

fn cell(with_cas: bool, random: &mut Random) -> Cell {
    Cell {
        values: vec![0],
        fresh: 0,
        with_cas,
        lie_in: 4 + random.below(200),
    }
}

#[test]
fn registers() {
    compare_all(1, |operations, crash_in, random, tally| {
        let mut object = cell(false, random);
        let history = history(&mut object, operations, crash_in, random);
        let initial = Value::Int(0);
        compare(Register { initial }, &history, tally);
    });
}

#[test]
fn cas_registers() {
    compare_all(2, |operations, crash_in, random, tally| {
        let mut object = cell(true, random);
        let history = history(&mut object, operations, crash_in, random);
        for failed_cas in [FailedCas::Dropped, FailedCas::Observed] {
            let initial = Value::Int(0);
            let spec = CasRegister {
                initial,
                failed_cas,
            };
            compare(spec, &history, tally);
        }
    });
}

fn elements(add: &'static str, take: &'static str, random: &mut Random) -> Elements {
    Elements {
        elements: Vec::new(),
        fresh: 0,
        add,
        take,
        lie_in: 6 + random.below(40),
    }
}

#[test]
fn queues() {
    // The algorithm does not decide on every part of a conflict, and says so then.
    let (mut minimal, mut vague) = (0, 0);
    compare_all(3, |operations, crash_in, random, tally| {
        let mut object = elements("enqueue", "dequeue", random);
        let history = history(&mut object, 8 + operations / 12, crash_in, random);
        compare(FifoQueue, &history, tally);
        match require_each_needed(&FifoQueue, &history) {
            Some(true) => minimal += 1,
            Some(false) => vague += 1,
            None => {}
        }
    });
    assert!(minimal > 5 * vague, "{minimal} minimal, {vague} not");
}

#[test]
fn stacks() {
    compare_all(6, |operations, crash_in, random, tally| {
        let mut object = elements("push", "pop", random);
        // One above the other is often pushed at the same time, and may lie below it.
        object.lie_in = object.lie_in / 4 + 2;
        let history = history(&mut object, 8 + operations / 12, crash_in, random);
        compare(Stack, &history, tally);
        require_each_needed(&Stack, &history);
    });
}

#[test]
fn priority_queues() {
    compare_all(7, |operations, crash_in, random, tally| {
        let mut object = elements("insert", "poll", random);
        let history = history(&mut object, 8 + operations / 12, crash_in, random);
        let queue = PriorityQueue::default();
        compare(queue, &history, tally);
        require_each_needed(&queue, &history);
    });
}

#[test]
fn sets() {
    compare_all(4, |operations, crash_in, random, tally| {
        let mut object = elements("add", "read", random);
        let history = history(&mut object, operations / 2, crash_in, random);
        compare(GrowOnlySet, &history, tally);
        assert_ne!(require_each_needed(&GrowOnlySet, &history), Some(false));
    });
}

#[test]
fn logs() {
    compare_all(5, |operations, crash_in, random, tally| {
        let mut object = elements("append", "read", random);
        let history = history(&mut object, operations / 2, crash_in, random);
        compare(AppendLog, &history, tally);
        assert_ne!(require_each_needed(&AppendLog, &history), Some(false));
    });
}
