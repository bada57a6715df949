//! Invocations find their completions.

use super::builder::WrittenEvent;
use super::{EventKind, History, Value};
use thiserror::Error;

/// Whether a process may act again after an operation of which nobody knows how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessReuse {
    /// Jepsen's rule: the process is gone, and its client goes on under a new number.
    Refused,
    /// Histories of others may keep the number. No checker here relies on the rule: the operation
    /// simply stays open.
    AfterInfo,
}

/// Why events are not a history. `event` is an index among the events.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HistoryError {
    #[error(
        "event {event}: expected an `invoke` of process {process} before its `{kind}` of `{f}`, but the process has nothing open",
        kind = kind.word()
    )]
    NothingOpen {
        event: usize,
        process: u64,
        kind: EventKind,
        f: String,
    },
    #[error(
        "event {event}: expected `ok`, `fail` or `info` of process {process}'s `{open}` (invoked at event {invoked}), but it invokes `{f}`"
    )]
    Busy {
        event: usize,
        process: u64,
        f: String,
        open: String,
        invoked: usize,
    },
    #[error(
        "event {event}: expected process {process} to complete its `{invoked}`, but it completes `{completed}`"
    )]
    OtherFunction {
        event: usize,
        process: u64,
        invoked: String,
        completed: String,
    },
    #[error(
        "event {event}: expected process {process} to complete its operation on key {invoked}, but the completion is on key {completed}"
    )]
    OtherKey {
        event: usize,
        process: u64,
        invoked: Value,
        completed: Value,
    },
    #[error(
        "event {event}: expected a new process number, since nobody knows how process {process}'s last operation ended (`info` at event {info})"
    )]
    ReusedAfterInfo {
        event: usize,
        process: u64,
        info: usize,
    },
    #[error("event {event}: expected a history of at most {max} {what}, but there are more")]
    TooLarge {
        event: usize,
        what: &'static str,
        max: usize,
    },
}

impl HistoryError {
    /// The index of the event that does not fit.
    pub fn event(&self) -> usize {
        match *self {
            Self::NothingOpen { event, .. }
            | Self::Busy { event, .. }
            | Self::OtherFunction { event, .. }
            | Self::OtherKey { event, .. }
            | Self::ReusedAfterInfo { event, .. }
            | Self::TooLarge { event, .. } => event,
        }
    }
}

/// What a process is doing.
#[derive(Clone, Copy)]
pub(super) enum Process {
    Idle,
    /// Inside the operation of this id.
    Inside(u32),
    /// Its last operation ended in `info`, at this event.
    Lost(usize),
}

pub(super) fn may_invoke(
    history: &History,
    process: Process,
    index: usize,
    event: &WrittenEvent<'_>,
    reuse: ProcessReuse,
) -> Result<(), HistoryError> {
    match process {
        Process::Inside(id) => {
            let open = history.operation(id as usize);
            Err(HistoryError::Busy {
                event: index,
                process: event.process,
                f: event.f.to_owned(),
                open: open.f.to_owned(),
                invoked: open.invoked,
            })
        }
        Process::Lost(info) if reuse == ProcessReuse::Refused => {
            Err(HistoryError::ReusedAfterInfo {
                event: index,
                process: event.process,
                info,
            })
        }
        Process::Idle | Process::Lost(_) => Ok(()),
    }
}

/// The id of the operation that the event completes.
pub(super) fn may_complete(
    history: &History,
    process: Process,
    index: usize,
    event: &WrittenEvent<'_>,
) -> Result<u32, HistoryError> {
    let Process::Inside(id) = process else {
        return Err(HistoryError::NothingOpen {
            event: index,
            process: event.process,
            kind: event.kind,
            f: event.f.to_owned(),
        });
    };
    let invoked = history.names[usize::from(history.f[id as usize])];
    if !history.values.texts.is(invoked, event.f) {
        return Err(HistoryError::OtherFunction {
            event: index,
            process: event.process,
            invoked: history.values.texts.get(invoked).to_owned(),
            completed: event.f.to_owned(),
        });
    }
    // A completion may leave its key out; it may not name another.
    let Some(completed) = event.key.map(|key| history.values.get(key)) else {
        return Ok(id);
    };
    let key = history.key_value(history.key[id as usize]);
    if key != Some(completed) {
        return Err(HistoryError::OtherKey {
            event: index,
            process: event.process,
            invoked: key.unwrap_or_default().to_value(),
            completed: completed.to_value(),
        });
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Event, Outcome};
    use expect_test::{Expect, expect};

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

    fn check_error(events: Vec<Event>, expected: Expect) {
        let last = events.len() - 1;
        let error = History::from_events(events).expect_err("these events are no history");
        assert_eq!(error.event(), last);
        expected.assert_eq(&error.to_string());
    }

    #[test]
    fn operations_are_paired_by_process() {
        let history = History::from_events(vec![
            event(1, EventKind::Invoke, "write", 7),
            event(2, EventKind::Invoke, "read", 0),
            event(2, EventKind::Ok, "read", 7),
            event(1, EventKind::Info, "write", 7),
            event(3, EventKind::Invoke, "read", 0),
        ])
        .expect("a history");
        let summary: Vec<_> = history
            .operations()
            .iter()
            .map(|operation| (operation.process, operation.outcome, operation.completed))
            .collect();
        assert_eq!(
            summary,
            [
                (1, Outcome::Info, None),
                (2, Outcome::Ok, Some(2)),
                (3, Outcome::Info, None)
            ]
        );
    }

    #[test]
    fn a_completion_needs_an_invocation() {
        check_error(
            vec![event(4, EventKind::Ok, "read", 1)],
            expect![
                "event 0: expected an `invoke` of process 4 before its `ok` of `read`, but the process has nothing open"
            ],
        );
    }

    #[test]
    fn a_process_does_one_thing_at_a_time() {
        check_error(
            vec![
                event(4, EventKind::Invoke, "read", 1),
                event(4, EventKind::Invoke, "write", 2),
            ],
            expect![
                "event 1: expected `ok`, `fail` or `info` of process 4's `read` (invoked at event 0), but it invokes `write`"
            ],
        );
    }

    #[test]
    fn a_completion_is_of_what_was_invoked() {
        check_error(
            vec![
                event(4, EventKind::Invoke, "read", 1),
                event(4, EventKind::Ok, "write", 2),
            ],
            expect!["event 1: expected process 4 to complete its `read`, but it completes `write`"],
        );
        let on_key = |kind, key: &str| Event {
            key: Some(Value::Text(key.to_owned())),
            ..event(4, kind, "read", 1)
        };
        check_error(
            vec![on_key(EventKind::Invoke, "x"), on_key(EventKind::Ok, "y")],
            expect![[
                r#"event 1: expected process 4 to complete its operation on key "x", but the completion is on key "y""#
            ]],
        );
    }

    #[test]
    fn a_process_is_gone_after_info_unless_the_importer_says_otherwise() {
        let events = vec![
            event(4, EventKind::Invoke, "write", 1),
            event(4, EventKind::Info, "write", 1),
            event(4, EventKind::Invoke, "read", 0),
        ];
        assert!(History::from_events_with(events.clone(), ProcessReuse::AfterInfo).is_ok());
        check_error(
            events,
            expect![
                "event 2: expected a new process number, since nobody knows how process 4's last operation ended (`info` at event 1)"
            ],
        );
    }
}
