//! Invocations find their completions.

use super::{Event, EventKind, Operation, Outcome, Value};
use std::collections::HashMap;
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
}

impl HistoryError {
    /// The index of the event that does not fit.
    pub fn event(&self) -> usize {
        match *self {
            Self::NothingOpen { event, .. }
            | Self::Busy { event, .. }
            | Self::OtherFunction { event, .. }
            | Self::OtherKey { event, .. }
            | Self::ReusedAfterInfo { event, .. } => event,
        }
    }
}

/// What a process is doing.
enum Process {
    Idle,
    /// Inside the operation of this id.
    Inside(usize),
    /// Its last operation ended in `info`, at this event.
    Lost(usize),
}

pub(super) fn pair(events: &[Event], reuse: ProcessReuse) -> Result<Vec<Operation>, HistoryError> {
    let mut operations: Vec<Operation> = Vec::with_capacity(events.len() / 2);
    let mut processes: HashMap<u64, Process> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        let process = processes.entry(event.process).or_insert(Process::Idle);
        *process = if event.kind == EventKind::Invoke {
            may_invoke(process, index, event, reuse, &operations)?;
            operations.push(invoked(operations.len(), index, event));
            Process::Inside(operations.len() - 1)
        } else {
            let operation = open_operation(process, index, event, &mut operations)?;
            complete(operation, index, event)?;
            if event.kind == EventKind::Info {
                Process::Lost(index)
            } else {
                Process::Idle
            }
        };
    }
    Ok(operations)
}

fn may_invoke(
    process: &Process,
    index: usize,
    event: &Event,
    reuse: ProcessReuse,
    operations: &[Operation],
) -> Result<(), HistoryError> {
    match *process {
        Process::Inside(id) => Err(HistoryError::Busy {
            event: index,
            process: event.process,
            f: event.f.clone(),
            open: operations[id].f.clone(),
            invoked: operations[id].invoked,
        }),
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

fn invoked(id: usize, index: usize, event: &Event) -> Operation {
    Operation {
        id,
        process: event.process,
        f: event.f.clone(),
        key: event.key.clone(),
        input: event.value.clone(),
        output: Value::Nil,
        outcome: Outcome::Info,
        invoked: index,
        completed: None,
        invoked_ns: event.time_ns,
        completed_ns: None,
        error: event.error.clone(),
    }
}

fn open_operation<'a>(
    process: &Process,
    index: usize,
    event: &Event,
    operations: &'a mut [Operation],
) -> Result<&'a mut Operation, HistoryError> {
    match *process {
        Process::Inside(id) => Ok(&mut operations[id]),
        Process::Idle | Process::Lost(_) => Err(HistoryError::NothingOpen {
            event: index,
            process: event.process,
            kind: event.kind,
            f: event.f.clone(),
        }),
    }
}

fn complete(operation: &mut Operation, index: usize, event: &Event) -> Result<(), HistoryError> {
    if operation.f != event.f {
        return Err(HistoryError::OtherFunction {
            event: index,
            process: event.process,
            invoked: operation.f.clone(),
            completed: event.f.clone(),
        });
    }
    // A completion may leave its key out; it may not name another.
    if event.key.is_some() && event.key != operation.key {
        return Err(HistoryError::OtherKey {
            event: index,
            process: event.process,
            invoked: operation.key.clone().unwrap_or_default(),
            completed: event.key.clone().unwrap_or_default(),
        });
    }
    operation.output = event.value.clone();
    operation.completed_ns = Some(event.time_ns);
    operation.error = event.error.clone();
    operation.outcome = match event.kind {
        EventKind::Ok => Outcome::Ok,
        EventKind::Fail => Outcome::Fail,
        EventKind::Info | EventKind::Invoke => Outcome::Info,
    };
    operation.completed = (operation.outcome != Outcome::Info).then_some(index);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
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
        let error = History::from_events(events).expect_err("these events are no history");
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
