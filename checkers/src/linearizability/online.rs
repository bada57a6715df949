//! Judging events as they happen, and stopping at the first that makes the history impossible.
//!
//! How an operation that is still open will end nobody knows, so until it does it may have happened
//! or not, as a crashed one. Up to the invocation of the first operation that is still open all is
//! settled: of what explains the events before, the configurations are kept in which that can end, and
//! the operations themselves are forgotten. Most completions fit into an order that explains the events
//! before, which is kept too; any other is judged by a search through the few events since. What is kept grows with the number of clients and of crashed operations, not with time.

mod explanation;
mod window;

use super::Limits;
use super::any_spec::AnySpec;
use super::hashing::QuickMap;
use super::places;
use crate::history::{Event, EventKind, Operation, Outcome, Value, ValueRef};
use crate::spec::{DecodeError, Spec};
use crate::verdict::Anomaly;
use std::collections::BTreeMap;
use thiserror::Error;
use window::{Standing, Window};

/// A judge of a history that is not over yet. The first bad event that it finds is the one that
/// [`super::check`] finds in the whole history.
pub struct Online<'a> {
    spec: &'a dyn AnySpec,
    limits: Limits,
    windows: Vec<Window<'a>>,
    window_of: QuickMap<Option<Value>, usize>,
    open: BTreeMap<u64, Open>,
    operation_count: u32,
    event_count: u32,
    ended: Option<Result<Anomaly, OnlineError>>,
}

/// An invocation that waits for its completion.
struct Open {
    event: Event,
    id: u32,
    invoked: u32,
    window: usize,
}

impl Open {
    fn is_completed_by(&self, event: &Event) -> bool {
        let is_on_key = event.key.is_none() || event.key == self.event.key;
        is_on_key && event.f == self.event.f
    }
}

/// Why an event could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OnlineError {
    #[error("event {event}: process {process} invokes `{f}` while its last operation is open")]
    StillOpen { event: u32, process: u64, f: String },
    #[error("event {event}: process {process} completes `{f}`, but has no such operation open")]
    NotOpen { event: u32, process: u64, f: String },
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// What comes after it cannot be judged either.
    #[error("the search met {limit} at event {event}")]
    Exceeded { event: u32, limit: String },
}

impl<'a> Online<'a> {
    /// Before the first event. The limits are those of each event's search, and of what is kept.
    pub fn new<S: Spec>(spec: &'a S, limits: Limits) -> Self {
        Self {
            spec,
            limits,
            windows: Vec::new(),
            window_of: QuickMap::default(),
            open: BTreeMap::new(),
            operation_count: 0,
            event_count: 0,
            ended: None,
        }
    }

    /// Takes the next event; what is wrong if with it, or with an earlier one, the history is
    /// impossible.
    ///
    /// # Errors
    /// If the event cannot follow those before it, is unknown to the specification, or cannot be
    /// judged within the limits. After that there is no answer any more.
    pub fn push(&mut self, event: &Event) -> Result<Option<Anomaly>, OnlineError> {
        if self.ended.is_none() {
            let at = self.event_count;
            self.event_count += 1;
            match self.take(event, at) {
                Ok(None) => return Ok(None),
                Ok(Some(anomaly)) => self.ended = Some(Ok(anomaly)),
                Err(error) => self.ended = Some(Err(error)),
            }
        }
        self.ended.clone().transpose()
    }

    fn take(&mut self, event: &Event, at: u32) -> Result<Option<Anomaly>, OnlineError> {
        let process = event.process;
        if event.kind == EventKind::Invoke {
            if self.open.contains_key(&process) {
                let f = event.f.clone();
                return Err(OnlineError::StillOpen {
                    event: at,
                    process,
                    f,
                });
            }
            self.invoke(event, at)?;
            return Ok(None);
        }
        let open = self.open.remove(&process);
        let Some(open) = open.filter(|open| open.is_completed_by(event)) else {
            let f = event.f.clone();
            return Err(OnlineError::NotOpen {
                event: at,
                process,
                f,
            });
        };
        self.complete(&open, event, at)
    }

    fn invoke(&mut self, event: &Event, at: u32) -> Result<(), OnlineError> {
        let id = self.operation_count;
        let begun = operation(id, (event, at), None);
        let part = self.spec.part_of(begun.f, begun.input);
        let key = places::name(begun.key, part);
        self.spec.is_certain(&begun)?;
        let window = *self.window_of.entry(key).or_insert(self.windows.len());
        if window == self.windows.len() {
            self.windows.push(Window::new(self.spec, &self.limits));
        }
        self.windows[window].invoke(id, at, &begun);
        self.operation_count += 1;
        let event = event.clone();
        let open = Open {
            event,
            id,
            invoked: at,
            window,
        };
        self.open.insert(open.event.process, open);
        Ok(())
    }

    fn complete(
        &mut self,
        open: &Open,
        event: &Event,
        at: u32,
    ) -> Result<Option<Anomaly>, OnlineError> {
        let window = open.window;
        if event.kind == EventKind::Info {
            // As uncertain as it was before.
            self.windows[window].crash(open.invoked);
            return Ok(None);
        }
        let whole = operation(open.id, (&open.event, open.invoked), Some((event, at)));
        self.spec.is_certain(&whole)?;
        let window = &mut self.windows[window];
        let is_explained = window.complete(open.invoked, at, &whole);
        let exceeded = |limit: super::limits::Exceeded| OnlineError::Exceeded {
            event: at,
            limit: limit.to_string(),
        };
        if !is_explained
            && let Standing::Impossible { culprit, reasons } =
                window.judge(&self.limits).map_err(exceeded)?
        {
            return Ok(Some(self.anomaly(open, event, at, culprit, reasons)));
        }
        window.settle(at, &self.limits).map_err(exceeded)?;
        Ok(None)
    }

    fn anomaly(
        &self,
        open: &Open,
        event: &Event,
        at: u32,
        culprit: u32,
        reasons: Vec<String>,
    ) -> Anomaly {
        let (process, f) = (event.process, &event.f);
        let mut witness = vec![culprit as usize, open.id as usize];
        witness.sort_unstable();
        witness.dedup();
        Anomaly {
            checker: "linearizability".to_owned(),
            class: "non-linearizable".to_owned(),
            sentence: format!(
                "No order of the operations explains that process {process}'s {f} ends in `{}` at event {at}, together with all that was seen before.",
                event.kind.word()
            ),
            witness,
            first_bad_event: Some(at as usize),
            explanation: reasons,
            ..Anomaly::default()
        }
    }
}

/// An operation, from its events and their indices, as a history would give it.
fn operation<'e>(
    id: u32,
    (begun, invoked): (&'e Event, u32),
    ended: Option<(&'e Event, u32)>,
) -> Operation<'e> {
    let outcome = match ended.map(|(ended, _)| ended.kind) {
        Some(EventKind::Ok) => Outcome::Ok,
        Some(EventKind::Fail) => Outcome::Fail,
        Some(EventKind::Info | EventKind::Invoke) | None => Outcome::Info,
    };
    let last = ended.map_or(begun, |(ended, _)| ended);
    Operation {
        id: id as usize,
        process: begun.process,
        f: &begun.f,
        key: begun.key.as_ref().map(ValueRef::from),
        input: ValueRef::from(&begun.value),
        output: ended.map_or(ValueRef::Nil, |(ended, _)| ValueRef::from(&ended.value)),
        outcome,
        invoked: invoked as usize,
        completed: ended.map(|(_, completed)| completed as usize),
        invoked_ns: begun.time_ns,
        completed_ns: ended.map(|(ended, _)| ended.time_ns),
        error: last.error.as_deref(),
    }
}
