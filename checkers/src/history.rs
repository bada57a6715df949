//! Histories: events as they were recorded, and operations as they are judged.

mod edn;
mod edn_reader;
mod format;
mod jepsen_log;
mod json_lines;
mod map;
mod pairing;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

pub use edn::write_edn;
pub use format::{Format, ReadError};
pub use json_lines::write_json_lines;
pub use pairing::{HistoryError, ProcessReuse};

/// A value of an operation, in the common ground of JSON and EDN.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Self>),
    /// In JSON an object, whose field `"0"` stands for the key 0 and `"x"` for the text.
    #[serde(with = "map")]
    Map(BTreeMap<Self, Self>),
}

impl fmt::Display for Value {
    /// As a reader would write it: `nil`, `3`, `"a"`, `[1 2]`, `{0 10, 1 90}`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => formatter.write_str("nil"),
            Self::Bool(value) => write!(formatter, "{value}"),
            Self::Int(value) => write!(formatter, "{value}"),
            Self::Text(value) => write!(formatter, "{value:?}"),
            Self::List(values) => {
                formatter.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    let gap = if index == 0 { "" } else { " " };
                    write!(formatter, "{gap}{value}")?;
                }
                formatter.write_str("]")
            }
            Self::Map(entries) => {
                formatter.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let gap = if index == 0 { "" } else { ", " };
                    write!(formatter, "{gap}{key} {value}")?;
                }
                formatter.write_str("}")
            }
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

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
        [Self::Invoke, Self::Ok, Self::Fail, Self::Info]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// One line of a history.
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

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok,
    Fail,
    /// `info`, or no completion at all.
    Info,
}

/// An invocation and its completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The operation's place in the order of invocations.
    pub id: usize,
    pub process: u64,
    pub f: String,
    pub key: Option<Value>,
    /// The value of the invocation.
    pub input: Value,
    /// The value of the `ok` event; for other outcomes the value that the completion carried, if any.
    pub output: Value,
    pub outcome: Outcome,
    /// The index of the invocation among the history's events.
    pub invoked: usize,
    /// The index of the completion; `None` where the outcome is `Info`: it may take effect at any
    /// later time.
    pub completed: Option<usize>,
    pub invoked_ns: u64,
    /// When the completion (of any kind) was recorded.
    pub completed_ns: Option<u64>,
    pub error: Option<String>,
}

/// Events in the order in which they happened, and the operations that they form.
///
/// It is (de)serialised as its list of events; reading pairs them anew.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Event>", into = "Vec<Event>")]
pub struct History {
    events: Vec<Event>,
    operations: Vec<Operation>,
}

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
        let operations = pairing::pair(&events, reuse)?;
        Ok(Self { events, operations })
    }

    /// Reads a history in the format given, or else in the one that its content looks like.
    /// Operations of the nemesis are left out: they are not the clients'.
    ///
    /// # Errors
    /// Names the line, what was expected there and what was found.
    pub fn read(bytes: &[u8], format: Option<Format>) -> Result<Self, ReadError> {
        format::read(bytes, format)
    }

    /// The events, in the order in which they happened. Indices in verdicts point here.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The operations in the order of their invocations: an operation's id is its index here.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether any event carries a time. Where none does, event numbers tell a reader more.
    pub fn has_times(&self) -> bool {
        self.events.iter().any(|event| event.time_ns != 0)
    }

    /// The history in which every value `[key value]` becomes an operation on that key, which is how
    /// Jepsen's `independent` workloads write many objects into one history.
    ///
    /// # Errors
    /// Where the keys of an invocation and its completion differ.
    pub fn keyed_by_value(&self) -> Result<Self, HistoryError> {
        let events = self.events.iter().cloned().map(key_from_value).collect();
        Self::from_events_with(events, ProcessReuse::AfterInfo)
    }
}

fn key_from_value(event: Event) -> Event {
    match (&event.key, &event.value) {
        (None, Value::List(pair)) if pair.len() == 2 => Event {
            key: Some(pair[0].clone()),
            value: pair[1].clone(),
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

impl From<History> for Vec<Event> {
    fn from(history: History) -> Self {
        history.events
    }
}
