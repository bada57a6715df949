//! A judge of events as they come holds what still matters, and no more than it may.

use super::{IN_USE, alone};
use squall_checkers::history::{Event, EventKind, Value};
use squall_checkers::linearizability::{Limits, Online, OnlineError};
use squall_checkers::specs::Register;
use std::sync::atomic::Ordering;

const LIMIT: u64 = 64 << 10;

fn event(process: u64, kind: EventKind, f: &str, value: i64) -> Event {
    Event {
        process,
        kind,
        f: f.to_owned(),
        key: None,
        value: Value::Int(value),
        time_ns: 0,
        error: None,
    }
}

/// Judges so many rounds of events within the limit. How it ended, and how many bytes it held.
fn judged(
    first: Option<Event>,
    rounds: i64,
    round: impl Fn(i64) -> Vec<Event>,
) -> (Result<(), OnlineError>, u64) {
    let spec = Register::default();
    let limits = Limits {
        memory_bytes_max: LIMIT,
        ..Limits::default()
    };
    let mut online = Online::new(&spec, limits);
    let before = IN_USE.load(Ordering::Relaxed);
    let events = first.into_iter().chain((0..rounds).flat_map(round));
    let mut told = events.map(|event| online.push(&event));
    let ended = told.find(|told| *told != Ok(None));
    drop(told);
    let held = IN_USE.load(Ordering::Relaxed) - before;
    (ended.map_or(Ok(()), |ended| ended.map(drop)), held as u64)
}

#[test]
fn many_events_take_no_more_than_few() {
    let _alone = alone();
    let round = |number: i64| {
        use EventKind::{Info, Invoke, Ok};
        let crashing = 10 + number as u64;
        vec![
            event(1, Invoke, "write", number),
            event(crashing, Invoke, "read", 0),
            event(2, Invoke, "read", 0),
            event(1, Ok, "write", number),
            event(crashing, Info, "read", 0),
            event(2, Ok, "read", number),
        ]
    };
    let (ended, held) = judged(None, 20_000, round);
    assert_eq!(ended, Ok(()));
    assert!(held < LIMIT, "{held} bytes");
}

#[test]
fn what_cannot_be_forgotten_is_held_up_to_the_limit() {
    let _alone = alone();
    let round = |number: i64| {
        use EventKind::{Invoke, Ok};
        vec![
            event(1, Invoke, "write", number % 2),
            event(1, Ok, "write", number % 2),
        ]
    };
    // Nobody knows what the first read will have found.
    let open = event(0, EventKind::Invoke, "read", 0);
    let (ended, held) = judged(Some(open), 20_000, round);
    assert!(
        matches!(ended, Err(OnlineError::Exceeded { .. })),
        "{ended:?}"
    );
    assert!(held < LIMIT + LIMIT / 4, "{held} bytes");
    assert!(held > LIMIT / 4, "{held} bytes: there was room left");
}
