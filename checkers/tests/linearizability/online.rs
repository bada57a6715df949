//! Events that are judged as they come: what is settled stays settled, and no event is taken for another.

use super::brute_force::{compare, first_bad_event_online};
use squall_checkers::history::{Event, EventKind, History, Value};
use squall_checkers::linearizability::{Limits, Online, OnlineError};
use squall_checkers::specs::{CasRegister, KvMap, Register};

/// The events of a history of lines as `process :kind :f value`.
fn events(lines: &[String]) -> Vec<Event> {
    let history = History::read(lines.join("\n").as_bytes(), None).expect("a history");
    history.events().to_vec()
}

fn line(process: usize, kind: &str, f: &str, value: usize) -> String {
    format!("{process} :{kind} :{f} {value}")
}

/// An operation that nothing comes between.
fn done(process: usize, f: &str, value: usize) -> [String; 2] {
    ["invoke", "ok"].map(|kind| line(process, kind, f, value))
}

/// The first event that a judge of a register finds bad.
fn first_bad(lines: &[String]) -> Option<usize> {
    first_bad_event_online(&Register::default(), &events(lines))
}

/// More than enough for all that came before to be settled.
fn a_while() -> Vec<String> {
    (0..40).flat_map(|_| done(100, "write", 0)).collect()
}

#[test]
fn a_crashed_write_that_was_seen_is_not_seen_again() {
    const COUNT: usize = 20;
    let mut lines: Vec<String> = Vec::new();
    for value in 1..=COUNT {
        lines.push(line(value, "invoke", "write", value));
        lines.push(line(value, "info", "write", value));
    }
    lines.extend(a_while());
    for value in 2..=COUNT {
        lines.extend(done(100, "read", value));
    }
    lines.extend(a_while());
    let seen = |value: usize| [&lines[..], &done(100, "read", value)].concat();
    assert_eq!(first_bad(&seen(1)), None);
    for value in 2..=COUNT {
        assert_eq!(first_bad(&seen(value)), Some(lines.len() + 1));
    }
}

#[test]
fn what_was_open_when_all_before_it_was_settled_may_still_see_what_comes() {
    const COUNT: usize = 40;
    let mut lines = done(100, "write", 0).to_vec();
    lines.extend((1..=COUNT).map(|process| line(process, "invoke", "read", 0)));
    lines.push(line(0, "invoke", "read", 0));
    lines.extend(done(100, "write", 1));
    lines.extend(done(100, "write", 2));
    lines.extend((1..COUNT).map(|process| line(process, "ok", "read", 1 + process % 2)));
    let seen = |value: usize| {
        let last = [
            line(COUNT, "ok", "read", value),
            line(0, "ok", "read", value),
        ];
        [&lines[..], &last].concat()
    };
    for value in [0, 1, 2] {
        assert_eq!(first_bad(&seen(value)), None);
    }
    assert_eq!(first_bad(&seen(3)), Some(lines.len()));
}

/// A write may change places with others that nobody saw, a compare-and-set may not: whether a search has
/// found its place, or it returned when it had one.
#[test]
fn a_compare_and_set_stays_behind_what_it_found() {
    let found = "1 :invoke :cas [7 8]\n2 :invoke :cas [8 1]\n0 :invoke :write 2\n3 :invoke :read nil\n3 :ok :read 1";
    let confirmed = "1 :invoke :cas [7 1]\n0 :invoke :write 2\n3 :invoke :read nil\n3 :ok :read 1\n1 :ok :cas [7 1]";
    for swapped in [found, confirmed] {
        let written = "0 :invoke :write 7\n0 :ok :write 7";
        let rest = "0 :ok :write 2\n3 :invoke :read nil\n3 :ok :read 1";
        let events = events(&[written, swapped, rest].map(str::to_owned));
        let before = &events[..events.len() - 1];
        assert!(compare(&CasRegister::default(), before), "{swapped}");
        assert!(!compare(&CasRegister::default(), &events), "{swapped}");
    }
}

#[test]
fn so_many_operations_may_be_open_at_once_and_no_more() {
    let judged = |count: usize| {
        let invoked = (0..count).map(|process| line(process, "invoke", "read", 0));
        let ended = (0..count)
            .rev()
            .map(|process| line(process, "ok", "read", 0));
        let initial = Value::Int(0);
        let spec = Register { initial };
        let mut online = Online::new(&spec, Limits::default());
        let lines: Vec<String> = invoked.chain(ended).collect();
        let mut told = events(&lines).into_iter().map(|event| online.push(&event));
        told.find(|told| *told != Ok(None))
    };
    assert_eq!(judged(256), None);
    let event = 2 * 257 - 1;
    let limit = "the limit of 256 operations open at once".to_owned();
    assert_eq!(
        judged(257),
        Some(Err(OnlineError::Exceeded { event, limit }))
    );
}

#[test]
fn a_completion_belongs_to_the_operation_of_its_process() {
    let event = |kind, f: &str, key: Option<i64>| Event {
        process: 7,
        kind,
        f: f.to_owned(),
        key: key.map(Value::Int),
        value: Value::Int(1),
        time_ns: 0,
        error: None,
    };
    let told = |f: &str, key: Option<i64>| {
        let spec = KvMap::default();
        let mut online = Online::new(&spec, Limits::default());
        let begun = online.push(&event(EventKind::Invoke, "put", Some(1)));
        assert_eq!(begun, Ok(None));
        online.push(&event(EventKind::Ok, f, key))
    };
    assert_eq!(told("put", Some(1)), Ok(None));
    assert_eq!(told("put", None), Ok(None));
    for (f, key) in [("get", Some(1)), ("get", None), ("put", Some(2))] {
        let refused = OnlineError::NotOpen {
            event: 1,
            process: 7,
            f: f.to_owned(),
        };
        assert_eq!(told(f, key), Err(refused));
    }
}
