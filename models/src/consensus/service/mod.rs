//! What the log is for: a map from keys to values, changed exactly once for each request.
//!
//! The state machine is a function of the commands applied to it: no clock, no hash map, no random
//! number. Every node that applies the same log holds the same state, answers included.
//!
//! A client that gets no answer sends its command again, and then the log may hold it twice. So that
//! it is carried out once, each client opens a *session* and numbers its commands; the answers are
//! part of the state (`session.rs`; Ongaro's dissertation, section 6.3). [`Service::snapshot`] is
//! the state as bytes.

mod session;
mod snapshot;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::raft::Index;
pub use session::SessionId;
use session::{Sessions, Standing};
pub use snapshot::SnapshotError;

/// What an entry of the log asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A new client. To ask twice opens two sessions, of which one is never used and expires.
    OpenSession,
    Execute(Execute),
}

/// An operation that is carried out once, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execute {
    pub session: SessionId,
    /// The client's number for this operation. A client never gives a number to two operations.
    pub sequence: u64,
    /// The client has the answers to all operations with lower numbers, and will not ask for them again.
    pub lowest_unacknowledged: u64,
    pub operation: Operation,
}

/// What can be done to a key. Absence is a value too: `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// A read that takes its place in the log.
    Get {
        key: String,
    },
    Put {
        key: String,
        value: String,
    },
    /// Writes `new` if the key's value is `expected`.
    CompareAndSwap {
        key: String,
        expected: Option<String>,
        new: Option<String>,
    },
    Delete {
        key: String,
    },
}

/// What an operation found and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The value of a `Get`.
    Value(Option<String>),
    /// A `Put` is done.
    Put,
    /// A `CompareAndSwap` is done.
    Swapped,
    /// A `CompareAndSwap` found this instead of what it expected, and did nothing.
    NotSwapped { found: Option<String> },
    /// A `Delete` is done, and removed a value if there was one.
    Deleted { existed: bool },
}

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    SessionOpened(SessionId),
    /// The operation has been carried out, just now or the first time that it came.
    Answer(Answer),
    /// The session is not known, any more or at all. Nothing is done: whether the operation was
    /// carried out earlier cannot be told.
    SessionExpired,
    /// The client has said that it knows the answer. Nothing is done; this is an old message.
    AlreadyAcknowledged,
    /// The session has [`Limits::answers_per_session`] answers that the client has not acknowledged. Nothing is done.
    TooManyUnacknowledged,
}

/// Bounds on what sessions remember. All nodes must have the same, or their states part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One session more, and the one that was used least lately expires.
    pub sessions: usize,
    /// Answers kept for one session, at most.
    pub answers_per_session: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1024,
            answers_per_session: 64,
        }
    }
}

/// The state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    limits: Limits,
    applied: Index,
    values: BTreeMap<String, String>,
    sessions: Sessions,
}

impl Service {
    /// The state before the first command.
    ///
    /// # Panics
    /// When a limit is zero.
    pub fn new(limits: Limits) -> Self {
        assert!(limits.sessions > 0, "without sessions nothing can be done");
        assert!(limits.answers_per_session > 0, "an answer must be kept");
        Self {
            limits,
            applied: Index::ZERO,
            values: BTreeMap::new(),
            sessions: Sessions::default(),
        }
    }

    /// Carries out the command of the log's entry `index`. Entries that hold no command are left out.
    ///
    /// # Panics
    /// When `index` is not after all those applied before.
    pub fn apply(&mut self, index: Index, command: &Command) -> Response {
        assert!(index > self.applied, "{index:?} is applied already");
        self.applied = index;
        match command {
            Command::OpenSession => {
                Response::SessionOpened(self.sessions.open(index, self.limits.sessions))
            }
            Command::Execute(execute) => self.execute_once(index, execute),
        }
    }

    /// The last entry that was applied, here or in the snapshot that this state came from.
    pub fn applied(&self) -> Index {
        self.applied
    }

    pub fn read(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    fn execute_once(&mut self, index: Index, execute: &Execute) -> Response {
        let most = self.limits.answers_per_session;
        match self.sessions.standing(index, execute, most) {
            Standing::First => {}
            Standing::Answered(answer) => return Response::Answer(answer),
            Standing::Acknowledged => return Response::AlreadyAcknowledged,
            Standing::Crowded => return Response::TooManyUnacknowledged,
            Standing::Unknown => return Response::SessionExpired,
        }
        let answer = self.execute(&execute.operation);
        self.sessions
            .remember(execute.session, execute.sequence, answer.clone());
        Response::Answer(answer)
    }

    fn execute(&mut self, operation: &Operation) -> Answer {
        match operation {
            Operation::Get { key } => Answer::Value(self.values.get(key).cloned()),
            Operation::Put { key, value } => {
                self.values.insert(key.clone(), value.clone());
                Answer::Put
            }
            Operation::CompareAndSwap { key, expected, new } => {
                let found = self.values.get(key);
                if found != expected.as_ref() {
                    return Answer::NotSwapped {
                        found: found.cloned(),
                    };
                }
                match new {
                    Some(new) => self.values.insert(key.clone(), new.clone()),
                    None => self.values.remove(key),
                };
                Answer::Swapped
            }
            Operation::Delete { key } => Answer::Deleted {
                existed: self.values.remove(key).is_some(),
            },
        }
    }
}
