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

    /// A hash of all keys and values: equal states have equal fingerprints.
    pub fn fingerprint(&self) -> u64 {
        let key = squall_sim::keyed::Key::root(0);
        let pairs = self.values.iter();
        pairs
            .fold(key, |key, (name, value)| key.label(name).label(value))
            .bits()
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

#[cfg(test)]
mod tests {
    use squall_sim::mutant;

    use super::*;

    fn put(session: SessionId, sequence: u64, value: &str) -> Command {
        execute(
            session,
            sequence,
            0,
            Operation::Put {
                key: "k".into(),
                value: value.into(),
            },
        )
    }

    fn swap(session: SessionId, sequence: u64, expected: &str, new: &str) -> Command {
        let operation = Operation::CompareAndSwap {
            key: "k".into(),
            expected: Some(expected.into()),
            new: Some(new.into()),
        };
        execute(session, sequence, 0, operation)
    }

    fn execute(
        session: SessionId,
        sequence: u64,
        lowest_unacknowledged: u64,
        operation: Operation,
    ) -> Command {
        Command::Execute(Execute {
            session,
            sequence,
            lowest_unacknowledged,
            operation,
        })
    }

    /// A service with two sessions of two answers, of which one is open.
    fn with_session() -> (Service, SessionId) {
        let limits = Limits {
            sessions: 2,
            answers_per_session: 2,
        };
        let mut service = Service::new(limits);
        let opened = service.apply(Index(1), &Command::OpenSession);
        assert_eq!(opened, Response::SessionOpened(SessionId(1)));
        (service, SessionId(1))
    }

    #[test]
    fn operations_do_what_they_say() {
        let (mut service, session) = with_session();
        let key = || "k".to_owned();
        let cas = |expected: Option<&str>, new: Option<&str>| Operation::CompareAndSwap {
            key: key(),
            expected: expected.map(str::to_owned),
            new: new.map(str::to_owned),
        };
        let put = Operation::Put {
            key: key(),
            value: "b".into(),
        };
        let found = |value: &str| Answer::NotSwapped {
            found: Some(value.into()),
        };
        let table = [
            (Operation::Get { key: key() }, Answer::Value(None), None),
            (
                cas(Some("x"), None),
                Answer::NotSwapped { found: None },
                None,
            ),
            (cas(None, Some("a")), Answer::Swapped, Some("a")),
            (cas(None, Some("c")), found("a"), Some("a")),
            (put, Answer::Put, Some("b")),
            (
                Operation::Get { key: key() },
                Answer::Value(Some("b".into())),
                Some("b"),
            ),
            (cas(Some("b"), None), Answer::Swapped, None),
            (
                Operation::Delete { key: key() },
                Answer::Deleted { existed: false },
                None,
            ),
        ];
        for ((operation, answer, after), number) in table.into_iter().zip(2..) {
            let command = execute(session, number, number, operation);
            let response = service.apply(Index(number), &command);
            assert_eq!(response, Response::Answer(answer), "{command:?}");
            assert_eq!(service.read("k"), after, "{command:?}");
        }
    }

    #[test]
    fn a_retry_gets_the_first_answer_and_changes_nothing() {
        let (mut service, session) = with_session();
        service.apply(Index(2), &put(session, 1, "a"));
        let first = service.apply(Index(3), &swap(session, 2, "a", "b"));
        assert_eq!(first, Response::Answer(Answer::Swapped));
        assert_eq!(service.apply(Index(4), &swap(session, 2, "a", "b")), first);
        service.apply(Index(5), &put(session, 1, "a"));
        assert_eq!(service.read("k"), Some("b"));
    }

    #[test]
    fn an_acknowledged_operation_is_never_carried_out_again() {
        let (mut service, session) = with_session();
        let get = || Operation::Get { key: "k".into() };
        service.apply(Index(2), &put(session, 1, "a"));
        service.apply(Index(3), &execute(session, 2, 2, get()));
        let response = service.apply(Index(4), &put(session, 1, "old"));
        assert_eq!(response, Response::AlreadyAcknowledged);
        assert_eq!(service.read("k"), Some("a"));
        // A client that acknowledges an operation as it sends it contradicts itself.
        let response = service.apply(Index(5), &execute(session, 3, 9, get()));
        assert_eq!(response, Response::Answer(Answer::Value(Some("a".into()))));
    }

    #[test]
    fn a_session_remembers_so_many_answers_and_no_more() {
        let (mut service, session) = with_session();
        service.apply(Index(2), &put(session, 1, "a"));
        service.apply(Index(3), &put(session, 2, "b"));
        let response = service.apply(Index(4), &put(session, 3, "c"));
        assert_eq!(response, Response::TooManyUnacknowledged);
        assert_eq!(service.read("k"), Some("b"));
        let retry = service.apply(Index(5), &put(session, 1, "a"));
        assert_eq!(retry, Response::Answer(Answer::Put));
        let get = Operation::Get { key: "k".into() };
        let response = service.apply(Index(6), &execute(session, 3, 3, get));
        assert_eq!(response, Response::Answer(Answer::Value(Some("b".into()))));
    }

    #[test]
    fn the_session_used_least_lately_expires_by_name() {
        let (mut service, first) = with_session();
        service.apply(Index(2), &Command::OpenSession);
        service.apply(Index(3), &put(first, 1, "a"));
        service.apply(Index(4), &Command::OpenSession);
        let expired = service.apply(Index(5), &put(SessionId(2), 1, "lost"));
        assert_eq!(expired, Response::SessionExpired);
        assert_eq!(
            service.apply(Index(6), &put(first, 1, "x")),
            Response::Answer(Answer::Put)
        );
        let unknown = service.apply(Index(7), &put(SessionId(99), 1, "lost"));
        assert_eq!(unknown, Response::SessionExpired);
        assert_eq!(service.read("k"), Some("a"));
    }

    #[test]
    fn a_snapshot_holds_the_answers_too() {
        let after_restore = || {
            let (mut service, session) = with_session();
            service.apply(Index(2), &put(session, 1, "a"));
            service.apply(Index(3), &put(SessionId(9), 1, "lost"));
            let bytes = service.snapshot();
            let mut restored = Service::restore(service.limits, &bytes).expect("just made");
            assert_eq!(restored.applied(), Index(3));
            service.apply(Index(4), &Command::OpenSession);
            restored.apply(Index(4), &Command::OpenSession);
            service.apply(Index(5), &swap(SessionId(4), 1, "a", "b"));
            restored.apply(Index(5), &swap(SessionId(4), 1, "a", "b"));
            restored.apply(Index(6), &put(session, 1, "a"));
            service.apply(Index(6), &put(session, 1, "a"));
            (restored == service, restored.read("k").map(str::to_owned))
        };
        assert_eq!(after_restore(), (true, Some("b".into())));
        mutant::activate(Some("service.session-forgotten"));
        let forgotten = after_restore();
        mutant::activate(None);
        assert_eq!(
            forgotten,
            (false, Some("a".into())),
            "the retry was carried out again"
        );
    }

    #[test]
    fn what_is_no_snapshot_is_named() {
        let (service, _) = with_session();
        let bytes = service.snapshot();
        let restore = |bytes: &[u8]| Service::restore(service.limits, bytes).map(|_| ());
        assert_eq!(restore(&[]), Err(SnapshotError::Empty));
        assert_eq!(restore(&[9]), Err(SnapshotError::Format { found: 9 }));
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(
            restore(&longer),
            Err(SnapshotError::TrailingBytes { count: 1 })
        );
        for length in 1..bytes.len() {
            assert!(matches!(
                restore(&bytes[..length]),
                Err(SnapshotError::Malformed(_))
            ));
        }
    }
}
