//! What one connection is in the middle of: a pure function from commands to answers.
//!
//! Two kinds of transaction are spoken, never both at once:
//!
//! - **Redis's**: between `MULTI` and `EXEC` commands are queued; `EXEC` carries them out at once, on the
//!   newest state, or answers nothing if a key that was `WATCH`ed has changed.
//! - **on a snapshot**: after `BEGIN` reads see the store as it was then, and the transaction's own
//!   writes; `COMMIT` makes all writes at once, or answers `-CONFLICT` if somebody else has written one
//!   of the same keys since. That is *snapshot isolation* (Berenson et al., SIGMOD 1995): two transactions that
//!   each read what the other writes may both commit (write skew).
//!
//! A command on its own is a transaction of one. If it writes, it reads what is newest, since it is
//! answered only when all before it is durable; if it only reads, it reads what is visible.

use std::collections::BTreeMap;

use squall_sim::mutant;

use super::command::{Command, Operation};
use super::limits::Limits;
use super::operation::execute;
use super::resp::Frame;
use super::store::{Commit, Draft, Key, Store, Version};

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer rests on nothing that could be lost.
    Told(Frame),
    /// The answer is what could be read at a version.
    Read { at: Version, answer: Frame },
    /// The answer must wait until this commit is durable, and all before it; without a commit, until all
    /// before it is.
    Decided {
        commit: Option<Commit>,
        answer: Frame,
    },
}

/// The state of a connection. It must be [closed](Session::close).
#[derive(Debug, Default)]
pub struct Session {
    mode: Mode,
    /// The keys that are watched, each with the version that it was last known unchanged at.
    watched: BTreeMap<Key, Version>,
    /// The snapshot that keeps changes to watched keys from being forgotten.
    watching_since: Option<Version>,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Plain,
    /// After `MULTI`.
    Queueing(Queue),
    /// After `BEGIN`; the draft's snapshot is open.
    Transaction(Draft),
}

#[derive(Debug, Default)]
struct Queue {
    operations: Vec<Operation>,
    bytes: usize,
    /// Something that should have been queued was not: `EXEC` must do nothing.
    is_broken: bool,
}

const NESTED: &str = "ERR a transaction is under way already";
const NO_MULTI: &str = "ERR without MULTI";
const NO_BEGIN: &str = "ERR without BEGIN";
const CONFLICT: &str = "CONFLICT another transaction came first";
const TOO_OLD: &str = "CONFLICT the snapshot is too old";

impl Session {
    /// Carries out a command. `command_bytes` is about how much memory it takes.
    pub fn handle(
        &mut self,
        store: &mut Store,
        limits: &Limits,
        command: Command,
        command_bytes: usize,
    ) -> Outcome {
        let answer = match command {
            Command::Data(operation) => return self.data(store, limits, operation, command_bytes),
            Command::Exec => return self.exec(store, limits),
            Command::Commit => return self.commit(store),
            Command::Watch(keys) => self.watch(store, limits, keys),
            Command::Unwatch => {
                self.unwatch(store);
                Frame::ok()
            }
            Command::Multi => self.begin(Mode::Queueing(Queue::default())),
            Command::Discard => self.discard(store),
            Command::Begin => match self.mode {
                Mode::Plain => {
                    let draft = Draft::new(store.open_snapshot());
                    self.begin(Mode::Transaction(draft))
                }
                _ => error(NESTED),
            },
            Command::Rollback => self.rollback(store),
            Command::Hello(None | Some(2)) => hello(),
            Command::Hello(Some(_)) => error("NOPROTO unsupported protocol version"),
            Command::ClientId => Frame::Integer(1),
            Command::Courtesy | Command::Quit => Frame::ok(),
            Command::Describe => Frame::Array(Some(Vec::new())),
        };
        Outcome::Told(answer)
    }

    /// A request was no command: what is queued must not be carried out without it.
    pub fn refuse(&mut self) {
        if let Mode::Queueing(queue) = &mut self.mode {
            queue.is_broken = true;
        }
    }

    /// Gives back what the connection held in the store.
    pub fn close(&mut self, store: &mut Store) {
        self.unwatch(store);
        if let Mode::Transaction(draft) = std::mem::take(&mut self.mode) {
            store.close_snapshot(draft.at());
        }
    }

    fn begin(&mut self, mode: Mode) -> Frame {
        match self.mode {
            Mode::Plain => {
                self.mode = mode;
                Frame::ok()
            }
            _ => error(NESTED),
        }
    }

    fn data(
        &mut self,
        store: &mut Store,
        limits: &Limits,
        operation: Operation,
        bytes: usize,
    ) -> Outcome {
        match &mut self.mode {
            Mode::Plain if operation.is_read() => read(store, limits, operation),
            Mode::Plain => {
                let mut draft = Draft::new(store.newest());
                let answer = execute(store, &mut draft, operation, limits);
                decide(store, draft, answer)
            }
            Mode::Queueing(queue) => Outcome::Told(queue.push(limits, operation, bytes)),
            Mode::Transaction(draft) => {
                if !store.is_readable(draft.at()) {
                    return Outcome::Told(error(TOO_OLD));
                }
                if mutant!("kv.read-latest-not-snapshot") && operation.is_read() {
                    return read(store, limits, operation);
                }
                Outcome::Told(step(store, draft, operation, limits))
            }
        }
    }

    fn exec(&mut self, store: &mut Store, limits: &Limits) -> Outcome {
        let Mode::Queueing(queue) = &mut self.mode else {
            return Outcome::Told(error(NO_MULTI));
        };
        let queue = std::mem::take(queue);
        self.mode = Mode::Plain;
        let has_changed = self.has_watched_key_changed(store);
        self.unwatch(store);
        if queue.is_broken {
            let why = "EXECABORT Transaction discarded because of previous errors.";
            return Outcome::Told(error(why));
        }
        if has_changed {
            return Outcome::Told(Frame::Array(None));
        }
        let mut draft = Draft::new(store.newest());
        let mut left = limits.answer_bytes_max;
        let mut run = |operation| {
            let answer = execute(store, &mut draft, operation, limits);
            curtail(answer, &mut left)
        };
        let answers = queue.operations.into_iter().map(&mut run).collect();
        decide(store, draft, Frame::Array(Some(answers)))
    }

    fn commit(&mut self, store: &mut Store) -> Outcome {
        let Mode::Transaction(_) = self.mode else {
            return Outcome::Told(error(NO_BEGIN));
        };
        let Mode::Transaction(draft) = std::mem::take(&mut self.mode) else {
            unreachable!("matched above");
        };
        let at = draft.at();
        let writes = draft.into_writes();
        // What only has read has read what is durable.
        let outcome = match writes.is_empty() {
            true => Outcome::Told(Frame::ok()),
            false => match store.commit(at, writes) {
                Ok(commit) => Outcome::Decided {
                    commit: Some(commit),
                    answer: Frame::ok(),
                },
                Err(_) => Outcome::Told(error(CONFLICT)),
            },
        };
        store.close_snapshot(at);
        outcome
    }

    fn rollback(&mut self, store: &mut Store) -> Frame {
        let Mode::Transaction(draft) = &self.mode else {
            return error(NO_BEGIN);
        };
        store.close_snapshot(draft.at());
        self.mode = Mode::Plain;
        Frame::ok()
    }

    fn discard(&mut self, store: &mut Store) -> Frame {
        let Mode::Queueing(_) = self.mode else {
            return error(NO_MULTI);
        };
        self.mode = Mode::Plain;
        self.unwatch(store);
        Frame::ok()
    }

    /// A key counts as changed if it is written after what can be read now: that is what the client
    /// goes on to read.
    fn watch(&mut self, store: &mut Store, limits: &Limits, keys: Vec<Key>) -> Frame {
        if !matches!(self.mode, Mode::Plain) {
            return error("ERR WATCH inside a transaction is not allowed");
        }
        if self.watched.len() + keys.len() > limits.watched_max {
            return error("ERR too many keys are watched");
        }
        if self.watching_since.is_none() {
            self.watching_since = Some(store.open_snapshot());
        }
        let now = store.visible();
        for key in keys {
            self.watched.entry(key).or_insert(now);
        }
        Frame::ok()
    }

    fn unwatch(&mut self, store: &mut Store) {
        self.watched.clear();
        if let Some(since) = self.watching_since.take() {
            store.close_snapshot(since);
        }
    }

    fn has_watched_key_changed(&self, store: &Store) -> bool {
        let is_forgotten = self
            .watching_since
            .is_some_and(|since| !store.is_readable(since));
        let mut watched = self.watched.iter();
        let has_changed = watched.any(|(key, since)| store.has_changed(key, *since));
        is_forgotten || (has_changed && !mutant!("kv.watch-ignored"))
    }
}

impl Queue {
    fn push(&mut self, limits: &Limits, operation: Operation, bytes: usize) -> Frame {
        let is_full = self.operations.len() >= limits.queued_max
            || self.bytes + bytes > limits.transaction_bytes_max;
        if is_full {
            self.is_broken = true;
            return error("ERR the transaction is too long");
        }
        self.bytes += bytes;
        self.operations.push(operation);
        Frame::Simple("QUEUED".to_owned())
    }
}

/// A read on its own.
fn read(store: &Store, limits: &Limits, operation: Operation) -> Outcome {
    let at = match mutant!("kv.visible-before-durable") {
        true => store.newest(),
        false => store.visible(),
    };
    let answer = execute(store, &mut Draft::new(at), operation, limits);
    Outcome::Read { at, answer }
}

/// An operation of a transaction; one that would make it too long is not carried out.
fn step(store: &Store, draft: &mut Draft, operation: Operation, limits: &Limits) -> Frame {
    if operation.is_read() {
        return execute(store, draft, operation, limits);
    }
    let mut longer = draft.clone();
    let answer = execute(store, &mut longer, operation, limits);
    if longer.bytes() > limits.transaction_bytes_max {
        return error("ERR the transaction is too long");
    }
    *draft = longer;
    answer
}

fn decide(store: &mut Store, draft: Draft, answer: Frame) -> Outcome {
    let writes = draft.into_writes();
    let commit = (!writes.is_empty()).then(|| store.stage(writes));
    Outcome::Decided { commit, answer }
}

/// The answer, or an error if it is longer than what is left.
fn curtail(answer: Frame, left: &mut usize) -> Frame {
    let bytes = answer.bytes();
    match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            answer
        }
        None => error("ERR the answers are too long"),
    }
}

fn error(text: &str) -> Frame {
    Frame::Error(text.to_owned())
}

/// What a library wants to know first.
fn hello() -> Frame {
    let text = |text: &str| Frame::Bulk(Some(text.as_bytes().to_vec()));
    let pairs = [
        ("server", text("squall")),
        ("version", text(env!("CARGO_PKG_VERSION"))),
        ("proto", Frame::Integer(2)),
        ("mode", text("standalone")),
        ("role", text("master")),
    ];
    let flat = pairs
        .into_iter()
        .flat_map(|(name, value)| [text(name), value]);
    Frame::Array(Some(flat.collect()))
}
