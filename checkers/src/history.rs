//! Histories: events as they were recorded, and operations as they are judged.
//!
//! A [`History`] lies in columns (`columns`) and gives views of what is in it: [`EventRef`],
//! [`Operation`] and [`ValueRef`], which are copied freely. [`Event`] and [`Value`] stand on their own:
//! with these a history is built, by [`History::from_events`] or a [`HistoryBuilder`]. Others' files
//! are read by [`History::read`].

mod awdit;
mod builder;
mod calls;
mod cobra;
mod columns;
mod datum;
mod dbcop;
mod drains;
mod edn;
mod edn_reader;
mod event;
mod format;
mod intervals;
mod jepsen_log;
mod json_lines;
mod json_reader;
mod limo;
mod map;
mod numbers;
mod operation;
mod pairing;
mod plume;
mod porcupine_json;
mod record;
mod recorder;
mod serial;
mod texts;
mod transactions;
mod value;
mod value_ref;
mod values;

pub use builder::HistoryBuilder;
pub use cobra::read as read_cobra;
pub use columns::History;
pub use edn::{parse_edn, write_edn};
pub use event::{Event, EventKind, EventRef, Events, EventsIter};
pub use format::{Format, ReadError};
pub use json_lines::write_json_lines;
pub use operation::{Operation, Operations, OperationsIter, Outcome};
pub use pairing::{HistoryError, ProcessReuse};
pub use porcupine_json::write_porcupine_json;
pub use recorder::{Recorder, Token};
pub use value::Value;
pub use value_ref::{ListIter, ListRef, MapIter, MapRef, ValueRef};

use std::fmt;

impl History {
    /// Pairs each invocation with its completion. A process may not act again after `info`.
    ///
    /// # Errors
    /// Where the events are not those of single-threaded processes; the error names the event.
    pub fn from_events(events: Vec<Event>) -> Result<Self, HistoryError> {
        Self::from_events_with(events, ProcessReuse::Refused)
    }

    /// As [`History::from_events`], for histories of others, whose rule for process numbers may differ.
    ///
    /// # Errors
    /// Where the events are not those of single-threaded processes; the error names the event.
    pub fn from_events_with(events: Vec<Event>, reuse: ProcessReuse) -> Result<Self, HistoryError> {
        let mut builder = HistoryBuilder::new(reuse);
        for event in events {
            builder.push(event)?;
        }
        Ok(builder.finish())
    }

    /// Reads a history in the format given, or else in the one that its content looks like.
    /// Operations of the nemesis are left out: they are not the clients'.
    ///
    /// # Errors
    /// Names the line, what was expected there and what was found.
    pub fn read(bytes: &[u8], format: Option<Format>) -> Result<Self, ReadError> {
        format::read(bytes, format)
    }

    /// The history of the first events, so many of them: what was known then.
    pub fn prefix(&self, event_count: usize) -> Self {
        let mut builder = HistoryBuilder::new(ProcessReuse::AfterInfo);
        for event in self.events().iter().take(event_count) {
            let pushed = builder.push_ref(event);
            pushed.expect("what begins a history is one");
        }
        builder.finish()
    }

    /// The history in which every value `[key value]` becomes an operation on that key, which is how
    /// Jepsen's `independent` workloads write many objects into one history.
    ///
    /// # Errors
    /// Where the keys of an invocation and its completion differ.
    pub fn keyed_by_value(&self) -> Result<Self, HistoryError> {
        let mut builder = HistoryBuilder::new(ProcessReuse::AfterInfo);
        for event in self.events() {
            builder.push_ref(key_from_value(event))?;
        }
        Ok(builder.finish())
    }
}

fn key_from_value(event: EventRef<'_>) -> EventRef<'_> {
    let pair = event.value.as_list().and_then(ListRef::array);
    match (event.key, pair) {
        (None, Some([key, value])) => EventRef {
            key: Some(key),
            value,
            ..event
        },
        _ => event,
    }
}

impl TryFrom<Vec<Event>> for History {
    type Error = HistoryError;

    fn try_from(events: Vec<Event>) -> Result<Self, HistoryError> {
        Self::from_events_with(events, ProcessReuse::AfterInfo)
    }
}

impl PartialEq for History {
    /// Whether they have the same events.
    fn eq(&self, other: &Self) -> bool {
        self.events() == other.events()
    }
}

impl Eq for History {}

impl fmt::Debug for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = self.events();
        formatter
            .debug_struct("History")
            .field("events", &events)
            .finish()
    }
}
