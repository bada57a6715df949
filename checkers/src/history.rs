//! Histories: events as they were recorded, and operations as they are judged.

use serde::{Deserialize, Serialize};

/// A value of an operation, in the common ground of JSON and EDN.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
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
