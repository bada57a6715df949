//! Histories of small systems that are right most of the time, and how checkers are compared on them with
//! a naive reading of their law.

use crate::histories::{Call, anomaly, call, prefix};
use crate::random::{Random, cases};
use squall_checkers::history::{Event, EventKind, History, Value};
use squall_checkers::spec::DecodeError;
use squall_checkers::verdict::{Anomaly, Verdict};
use std::collections::BTreeSet;

/// A system and its clients.
pub(crate) trait Simulated {
    /// What a client asks for.
    fn ask(&mut self, random: &mut Random, client: usize) -> Call;

    /// What happens at one moment between invocation and return, and the answer.
    fn act(&mut self, random: &mut Random, client: usize, asked: &Call) -> Value;

    /// The client crashed and comes back as another process.
    fn crash(&mut self, _client: usize) {}
}

enum Doing {
    Nothing,
    /// Asked, and has not happened.
    Asked(Call),
    /// Has happened, or never will.
    Done(Call),
}

/// A history of so many operations; some crash, some fail, some never end.
pub(crate) fn simulate(
    system: &mut impl Simulated,
    random: &mut Random,
    clients: usize,
    operations: usize,
) -> History {
    let mut doing: Vec<Doing> = (0..clients).map(|_| Doing::Nothing).collect();
    let mut processes: Vec<usize> = (0..clients).collect();
    let mut events: Vec<Event> = Vec::new();
    let mut asked = 0;
    while asked < operations || events.len() < 2 * operations && !random.one_in(6) {
        let client = random.below(clients as u64) as usize;
        let process = processes[client] as u64;
        let now = std::mem::replace(&mut doing[client], Doing::Nothing);
        doing[client] = match now {
            Doing::Nothing if asked == operations => Doing::Nothing,
            Doing::Nothing => {
                asked += 1;
                let asked = system.ask(random, client);
                events.push(event(
                    process,
                    EventKind::Invoke,
                    &asked,
                    &asked.input,
                    events.len(),
                ));
                Doing::Asked(asked)
            }
            Doing::Asked(asked) => {
                let end = match random.below(24) {
                    0 => EventKind::Fail,
                    1 | 2 => EventKind::Info,
                    _ => EventKind::Ok,
                };
                let happens = end == EventKind::Ok || end == EventKind::Info && random.one_in(2);
                let answer = if happens {
                    system.act(random, client, &asked)
                } else {
                    Value::Nil
                };
                let output = if end == EventKind::Ok {
                    answer
                } else {
                    asked.input.clone()
                };
                Doing::Done(Call {
                    end,
                    output,
                    ..asked
                })
            }
            Doing::Done(done) => {
                events.push(event(process, done.end, &done, &done.output, events.len()));
                if done.end == EventKind::Info {
                    processes[client] += clients;
                    system.crash(client);
                }
                Doing::Nothing
            }
        };
    }
    History::from_events(events).expect("a history")
}

fn event(process: u64, kind: EventKind, call: &Call, value: &Value, index: usize) -> Event {
    Event {
        process,
        kind,
        f: call.f.to_owned(),
        key: call.key.clone(),
        value: value.clone(),
        time_ns: 10 * index as u64,
        error: None,
    }
}

pub(crate) fn ask(f: &'static str, input: Value) -> Call {
    call(f, input, EventKind::Ok, Value::Nil)
}

/// What a naive checker finds.
pub(crate) type Classes = BTreeSet<&'static str>;

/// Whether a checker agrees with a naive one: that something is wrong, that each class that it found is,
/// and that the first is so since the event that it says and no earlier. Returns whether the history was
/// possible.
pub(crate) fn agree(
    history: &History,
    check: impl Fn(&History) -> Result<Verdict, DecodeError>,
    naive: impl Fn(&History) -> Classes,
) -> bool {
    let verdict = check(history);
    let expected = naive(history);
    assert!(verdict.is_ok(), "{verdict:?} of {history:?}");
    let Some(found) = anomaly(&verdict) else {
        assert!(
            expected.is_empty(),
            "{expected:?} was not found in {history:?}"
        );
        return true;
    };
    assert!(!expected.is_empty(), "{found:?} was found in {history:?}");
    for anomaly in found.also.iter().chain([found]) {
        check_one(history, anomaly, &naive);
    }
    let first = found.first_bad_event.expect("an event");
    let before = naive(&prefix(history, first));
    assert!(
        before.is_empty(),
        "{before:?} before event {first} of {history:?}"
    );
    false
}

/// Whether the history up to the event that an anomaly names holds that anomaly.
fn check_one(history: &History, found: &Anomaly, naive: &impl Fn(&History) -> Classes) {
    let first = found.first_bad_event.expect("an event");
    let at = naive(&prefix(history, first + 1));
    assert!(
        at.contains(found.class.as_str()),
        "{} at {first}, but {at:?} then, in {history:?}",
        found.class
    );
    let ids = history.operations().len();
    assert!(found.witness.iter().all(|&id| id < ids) && !found.sentence.is_empty());
}

/// Judges many histories of random systems, and that some are possible and some are not.
pub(crate) fn judge_many(count: u64, mut judge: impl FnMut(&mut Random) -> bool) {
    let mut possible = 0;
    let count = cases(count);
    for seed in 0..count {
        let mut random = Random(seed << 32);
        possible += u64::from(judge(&mut random));
    }
    assert!(
        count / 20 < possible && possible < count - count / 20,
        "{possible} of {count} were possible"
    );
    println!("{possible} of {count} histories were possible");
}
