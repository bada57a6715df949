//! What waits to be written to a client: bounded, and never silently short.
//!
//! **Law: a subscriber that does not keep up is cut off, and told so.** A message that does not fit ends the
//! connection: what waits is replaced by `-ERR 'Slow Consumer'`, and once that is written, or nobody
//! takes it, the connection is closed. So whoever is still connected has missed nothing.

use std::sync::{Mutex, PoisonError};

use squall_sim::mutant;
use squall_sim::net::OwnedWriteHalf;
use squall_sim::time::{Duration, sleep, timeout};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use crate::broker::protocol::Operation;

/// How long a client may take for its last words once it is cut off.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) struct Outbox {
    state: Mutex<State>,
    /// The writer waits for something to write, or for the end.
    written: Notify,
    /// Everybody else waits for the end.
    ended: Notify,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Taken by the writer, not yet written.
    in_flight: usize,
    has_ended: bool,
    is_slow: bool,
}

impl Outbox {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            written: Notify::new(),
            ended: Notify::new(),
            bytes_max,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a message that was published, or cuts the client off.
    pub(crate) fn push_message(&self, bytes: &[u8]) {
        let is_full = self.with(|state| !state.has_room(bytes.len(), self.bytes_max));
        if is_full && mutant!("broker.overflow-silent") {
            return;
        }
        self.push(bytes);
    }

    /// Adds what has to be said, or cuts the client off.
    pub(crate) fn push(&self, bytes: &[u8]) {
        let has_ended = self.with(|state| {
            if state.has_ended {
                return false;
            }
            if state.has_room(bytes.len(), self.bytes_max) {
                state.waiting.extend_from_slice(bytes);
                return false;
            }
            state.is_slow = true;
            state.waiting = Vec::new();
            state.end("Slow Consumer");
            true
        });
        self.written.notify_one();
        if has_ended {
            self.ended.notify_one();
        }
    }

    /// Ends the connection with an error, or without a word if it is empty.
    pub(super) fn end(&self, error: &str) {
        self.with(|state| state.end(error));
        self.written.notify_one();
        self.ended.notify_one();
    }

    /// Whether the client was cut off because it did not keep up.
    pub(super) fn is_slow(&self) -> bool {
        self.with(|state| state.is_slow)
    }

    /// Waits until the connection is to be ended. For one task at a time.
    pub(super) async fn ended(&self) {
        while !self.with(|state| state.has_ended) {
            self.ended.notified().await;
        }
    }

    /// What is to be written next; `None` when that was all.
    async fn take(&self) -> Option<Vec<u8>> {
        loop {
            let (bytes, has_ended) = self.with(|state| {
                let bytes = std::mem::take(&mut state.waiting);
                state.in_flight = bytes.len();
                (bytes, state.has_ended)
            });
            match (bytes.is_empty(), has_ended) {
                (false, _) => return Some(bytes),
                (true, true) => return None,
                (true, false) => self.written.notified().await,
            }
        }
    }
}

impl State {
    fn has_room(&self, bytes: usize, bytes_max: usize) -> bool {
        self.waiting.len() + self.in_flight + bytes <= bytes_max
    }

    fn end(&mut self, error: &str) {
        if !self.has_ended && !error.is_empty() {
            Operation::Error(error.to_owned()).encode(&mut self.waiting);
        }
        self.has_ended = true;
    }
}

/// Writes what is in the outbox until it has ended, or the client has gone.
pub(super) async fn write_all(outbox: &Outbox, mut write: OwnedWriteHalf) {
    while let Some(bytes) = outbox.take().await {
        let is_written = tokio::select! {
            biased;
            written = write.write_all(&bytes) => written.is_ok(),
            () = grace(outbox) => false,
        };
        if !is_written {
            break;
        }
    }
    outbox.end("");
    let _ = timeout(GRACE, write.shutdown()).await;
}

/// The time that is left to a client once it has been cut off.
async fn grace(outbox: &Outbox) {
    // The end may come while a write is under way; `ended` belongs to the reader.
    while !outbox.with(|state| state.has_ended) {
        outbox.written.notified().await;
    }
    sleep(GRACE).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_ends_the_connection_and_says_so() {
        let outbox = Outbox::new(10);
        outbox.push_message(b"12345");
        assert!(!outbox.is_slow());
        outbox.push_message(b"123456");
        assert!(outbox.is_slow());
        outbox.push_message(b"late");
        let words = outbox.with(|state| std::mem::take(&mut state.waiting));
        assert_eq!(words, b"-ERR 'Slow Consumer'\r\n");
    }

    #[test]
    fn an_overflow_that_is_not_told_is_seen() {
        let outbox = Outbox::new(10);
        mutant::activate(Some("broker.overflow-silent"));
        outbox.push_message(b"12345678901");
        mutant::activate(None);
        assert!(!outbox.is_slow() && outbox.with(|state| state.waiting.is_empty()));
    }
}
