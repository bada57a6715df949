//! Events: the lines of a history.

use super::{History, Value, ValueRef};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Whether an event starts an operation or how it ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The operation began.
    Invoke,
    /// It took effect, and returned the event's value.
    Ok,
    /// It certainly did not take effect.
    Fail,
    /// It may or may not have taken effect, now or at any later time.
    Info,
}

impl EventKind {
    pub(super) const ALL: [Self; 4] = [Self::Invoke, Self::Ok, Self::Fail, Self::Info];

    /// The word that stands for it in every format.
    pub fn word(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }

    /// The kind that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// One line of a history, on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The logical, single-threaded process that acts. A process whose operation ended in `info` is
    /// never used again.
    pub process: u64,
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// The operation's name: `read`, `write`, `cas`, ….
    pub f: String,
    /// The part of the state that the operation concerns, if the history has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// Arguments on `invoke`, the answer on `ok`.
    #[serde(default)]
    pub value: Value,
    /// Nanoseconds since the start of the history. For display: the order of events decides.
    #[serde(default, rename = "time")]
    pub time_ns: u64,
    /// Why an operation failed or is indeterminate, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A line of a history as it lies there, or a borrowed [`Event`], whose fields it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EventRef<'h> {
    pub process: u64,
    #[serde(rename = "type")]
    pub kind: EventKind,
    pub f: &'h str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<ValueRef<'h>>,
    pub value: ValueRef<'h>,
    #[serde(rename = "time")]
    pub time_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'h str>,
}

impl EventRef<'_> {
    /// The event on its own.
    pub fn to_event(self) -> Event {
        Event {
            process: self.process,
            kind: self.kind,
            f: self.f.to_owned(),
            key: self.key.map(ValueRef::to_value),
            value: self.value.to_value(),
            time_ns: self.time_ns,
            error: self.error.map(str::to_owned),
        }
    }
}

impl<'e> From<&'e Event> for EventRef<'e> {
    fn from(event: &'e Event) -> Self {
        Self {
            process: event.process,
            kind: event.kind,
            f: &event.f,
            key: event.key.as_ref().map(ValueRef::from),
            value: ValueRef::from(&event.value),
            time_ns: event.time_ns,
            error: event.error.as_deref(),
        }
    }
}

impl PartialEq<Event> for EventRef<'_> {
    fn eq(&self, other: &Event) -> bool {
        *self == EventRef::from(other)
    }
}

/// The events of a history, in the order in which they happened. Indices in verdicts point here.
#[derive(Clone, Copy)]
pub struct Events<'h>(pub(super) &'h History);

impl<'h> Events<'h> {
    pub fn len(self) -> usize {
        self.0.event_count()
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn get(self, index: usize) -> Option<EventRef<'h>> {
        (index < self.len()).then(|| self.0.event(index))
    }

    /// The id of the operation that an event begins or ends. Panics if there is no such event.
    pub fn operation_id(self, index: usize) -> usize {
        self.0.operation_of(index)
    }

    pub fn iter(self) -> EventsIter<'h> {
        EventsIter {
            history: self.0,
            indices: 0..self.len(),
        }
    }

    /// The events on their own.
    pub fn to_vec(self) -> Vec<Event> {
        self.iter().map(EventRef::to_event).collect()
    }
}

impl fmt::Debug for Events<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for Events<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Events<'_> {}

impl<'h> IntoIterator for Events<'h> {
    type Item = EventRef<'h>;
    type IntoIter = EventsIter<'h>;

    fn into_iter(self) -> EventsIter<'h> {
        self.iter()
    }
}

/// The events of a history, from either end.
#[derive(Clone)]
pub struct EventsIter<'h> {
    history: &'h History,
    indices: Range<usize>,
}

impl<'h> Iterator for EventsIter<'h> {
    type Item = EventRef<'h>;

    fn next(&mut self) -> Option<EventRef<'h>> {
        self.indices.next().map(|index| self.history.event(index))
    }

    fn nth(&mut self, count: usize) -> Option<EventRef<'h>> {
        self.indices
            .nth(count)
            .map(|index| self.history.event(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indices.size_hint()
    }
}

impl DoubleEndedIterator for EventsIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.indices
            .next_back()
            .map(|index| self.history.event(index))
    }
}

impl ExactSizeIterator for EventsIter<'_> {}
