//! Histories for tests: written down in a line for each event, or woven of random calls.

use proptest::prelude::*;
use squall_checkers::history::{Event, EventKind, Format, History, Outcome, Value};
use squall_checkers::spec::DecodeError;
use squall_checkers::verdict::{Anomaly, Verdict};
use std::collections::BTreeSet;

/// A history as Jepsen logs one: `0 :invoke :read nil`. Each event comes 10 ns after the last.
pub(crate) fn log(text: &str) -> History {
    let read = History::read(text.as_bytes(), Some(Format::JepsenLog)).expect("a history");
    timed(read.events().to_vec())
}

/// As [`log`], with a key after the process: `0/a :invoke :poll nil`.
pub(crate) fn keyed_log(text: &str) -> History {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let (keys, lines): (Vec<_>, Vec<_>) = lines
        .map(|line| {
            let (process, rest) = line.trim().split_once(' ').expect("a process");
            let (process, key) = process.split_once('/').expect("a key");
            (Value::from(key), format!("{process} {rest}"))
        })
        .unzip();
    let read = History::read(lines.join("\n").as_bytes(), Some(Format::JepsenLog));
    let mut events = read.expect("a history").events().to_vec();
    for (event, key) in events.iter_mut().zip(keys) {
        event.key = Some(key).filter(|key| *key != Value::from("-"));
    }
    timed(events)
}

fn timed(mut events: Vec<Event>) -> History {
    for (index, event) in events.iter_mut().enumerate() {
        event.time_ns = 10 * index as u64;
    }
    History::from_events(events).expect("a history")
}

/// What a client does, and what comes of it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) f: &'static str,
    pub(crate) key: Option<Value>,
    pub(crate) input: Value,
    /// `ok` with this value, or another end.
    pub(crate) end: EventKind,
    pub(crate) output: Value,
}

pub(crate) fn call(f: &'static str, input: Value, end: EventKind, output: Value) -> Call {
    Call {
        f,
        key: None,
        input,
        end,
        output,
    }
}

/// Lets clients act by turns: the n-th pick says whose next event comes. Whoever crashed goes on
/// under another number.
pub(crate) fn weave(clients: &[Vec<Call>], picks: &[prop::sample::Index]) -> History {
    let mut done = vec![0; clients.len()];
    let mut processes: Vec<usize> = (0..clients.len()).collect();
    let mut events = Vec::new();
    for pick in picks {
        let client = pick.index(clients.len());
        let Some(call) = clients[client].get(done[client] / 2) else {
            continue;
        };
        let is_invoke = done[client].is_multiple_of(2);
        done[client] += 1;
        events.push(Event {
            process: processes[client] as u64,
            kind: if is_invoke {
                EventKind::Invoke
            } else {
                call.end
            },
            f: call.f.to_owned(),
            key: call.key.clone(),
            value: if is_invoke { &call.input } else { &call.output }.clone(),
            time_ns: events.len() as u64,
            error: None,
        });
        if !is_invoke && call.end == EventKind::Info {
            processes[client] += clients.len();
        }
    }
    History::from_events(events).expect("a history")
}

/// Random histories of such calls by up to three clients.
pub(crate) fn woven(
    calls: impl Strategy<Value = Call> + Clone + 'static,
) -> impl Strategy<Value = History> {
    let client = prop::collection::vec(calls, 1..6);
    let clients = prop::collection::vec(client, 1..4);
    let picks = prop::collection::vec(any::<prop::sample::Index>(), 4..36);
    (clients, picks).prop_map(|(clients, picks)| weave(&clients, &picks))
}

/// How operations end, mostly well.
pub(crate) fn end() -> impl Strategy<Value = EventKind> + Clone {
    prop_oneof![
        6 => Just(EventKind::Ok),
        1 => Just(EventKind::Fail),
        1 => Just(EventKind::Info),
    ]
}

pub(crate) fn ints(numbers: &[i64]) -> Value {
    Value::List(numbers.iter().copied().map(Value::Int).collect())
}

/// What the first events amount to.
pub(crate) fn prefix(history: &History, count: usize) -> History {
    history.prefix(count)
}

pub(crate) fn anomaly(verdict: &Result<Verdict, DecodeError>) -> Option<&Anomaly> {
    match verdict {
        Ok(Verdict::Invalid(anomaly)) => Some(anomaly),
        _ => None,
    }
}

/// Whether an anomaly is certain since the event that it names, and no earlier.
pub(crate) fn check_first_bad_event(
    history: &History,
    found: &Anomaly,
    check: impl Fn(&History) -> Result<Verdict, DecodeError>,
) {
    let event = found.first_bad_event.expect("an event");
    let at = check(&prefix(history, event + 1));
    let at_event = anomaly(&at).expect("the prefix is impossible");
    assert_eq!(
        (&at_event.class, at_event.first_bad_event),
        (&found.class, Some(event))
    );
    let before = check(&prefix(history, event));
    assert_eq!(anomaly(&before), None, "it was impossible before");
}

/// The verdict in words.
pub(crate) fn told(verdict: Result<Verdict, DecodeError>) -> String {
    match verdict {
        Ok(Verdict::Valid { .. }) => "valid\n".to_owned(),
        Ok(Verdict::Invalid(anomaly)) => format!(
            "{}: {}\n{:?} since event {:?}\n{}\n",
            anomaly.class,
            anomaly.sentence,
            anomaly.witness,
            anomaly.first_bad_event,
            anomaly.explanation.join("\n")
        ),
        Ok(Verdict::Unknown(why)) => format!("unknown: {why}\n"),
        Ok(Verdict::Vacuous(why)) => format!("vacuous: {why}\n"),
        Err(error) => format!("{error}\n"),
    }
}

/// The classes of a naive checker, as it finds them.
pub(crate) type Classes = BTreeSet<&'static str>;

/// Whether the checker and the naive one agree: that nothing is wrong, or on something that is.
pub(crate) fn check_agreement(verdict: &Result<Verdict, DecodeError>, naive: &Classes) {
    match verdict {
        Ok(Verdict::Invalid(anomaly)) => assert!(
            naive.contains(anomaly.class.as_str()),
            "found {}, expected one of {naive:?}",
            anomaly.class
        ),
        Ok(_) => assert!(naive.is_empty(), "{naive:?} was not found"),
        Err(error) => panic!("{error}"),
    }
    // And each class was found, not only the one that is told.
    if let Some(anomaly) = anomaly(verdict) {
        let all = anomaly.explanation.last().expect("a summary");
        for class in naive {
            assert!(all.contains(class), "{class} was not found: {all}");
        }
        let count = all.split(", ").count();
        assert_eq!(count, naive.len(), "{all} but {naive:?}");
    }
}

pub(crate) fn is_ok(outcome: Outcome) -> bool {
    outcome == Outcome::Ok
}
