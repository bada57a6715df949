//! Checkers of one law each, under the names that the field knows them by.
//!
//! Where a whole object would be too dear to search, or promises less than linearizability, a law
//! that must hold of every history is judged instead. Each file says its law, where it comes from,
//! and what its operations look like. All are sound: what they call impossible is impossible,
//! however operations that nobody knows the end of did end.
//!
//! A history with several objects under keys is judged key by key, except where a file says what else
//! a key means.
//!
//! - What must be kept: [`bank`], [`set`], [`queue`], [`kafka`], [`counter`].
//! - What must be told: [`fanout`], [`watch`], [`nonce_echo`].
//! - What orders may not do: [`long_fork`], [`causal_reverse`], [`monotonic`], [`adya_g2`].
//! - What only one may have: [`unique_ids`], [`lock`].
//! - How well it works: [`stats`], [`availability`], [`recovery`].
//!
//! They share what is found and told, times of operations as spans, numbers for values, and the split by
//! keys.

pub mod adya_g2;
pub mod availability;
pub mod bank;
pub mod causal_reverse;
pub mod counter;
pub mod fanout;
mod findings;
pub mod kafka;
mod latencies;
pub mod lock;
pub mod long_fork;
pub mod monotonic;
pub mod nonce_echo;
mod numbering;
pub mod queue;
mod ranges;
pub mod recovery;
pub mod set;
mod span;
pub mod stats;
pub mod unique_ids;
pub mod watch;
mod windows;

use crate::history::{History, Operation, Outcome, ValueRef};
use crate::spec::DecodeError;
use findings::Findings;
use std::collections::BTreeMap;
use std::fmt::Display;

pub use latencies::Latencies;

/// The operations on one key.
struct Object<'h> {
    history: &'h History,
    /// In the order of their invocations.
    ids: Vec<u32>,
}

impl<'h> Object<'h> {
    fn iter(&self) -> impl Iterator<Item = Operation<'h>> + '_ {
        let operations = self.history.operations();
        self.ids
            .iter()
            .filter_map(move |&id| operations.get(id as usize))
    }
}

/// The operations on each key.
fn objects(history: &History) -> impl Iterator<Item = Object<'_>> {
    let mut objects: BTreeMap<Option<ValueRef<'_>>, Vec<u32>> = BTreeMap::new();
    for (id, operation) in (0..).zip(history.operations()) {
        objects.entry(operation.key).or_default().push(id);
    }
    objects.into_values().map(|ids| Object { history, ids })
}

/// The event at which an `ok` operation returned.
fn returned(operation: Operation<'_>) -> Option<usize> {
    operation
        .completed
        .filter(|_| operation.outcome == Outcome::Ok)
}

/// That an operation is not what was expected of its invocation.
fn misfit(operation: Operation<'_>, expected: &str, found: impl Display) -> DecodeError {
    DecodeError::new(&operation, expected, found.to_string())
}

/// That an operation's answer is not what was expected.
fn misfit_answer(operation: Operation<'_>, expected: &str, found: impl Display) -> DecodeError {
    let event = operation.completed.unwrap_or(operation.invoked);
    DecodeError {
        event,
        ..misfit(operation, expected, found)
    }
}

/// `process 3's read (events 4 to 9)`.
fn whose(operation: Operation<'_>) -> String {
    let Operation {
        process,
        f,
        invoked,
        ..
    } = operation;
    match operation.completed {
        Some(completed) => format!("process {process}'s {f} (events {invoked} to {completed})"),
        None => format!("process {process}'s {f} (since event {invoked})"),
    }
}

/// As [`whose`], at the beginning of a sentence.
fn whose_first(operation: Operation<'_>) -> String {
    first_letter_up(&whose(operation))
}

/// As it is at the beginning of a sentence.
fn first_letter_up(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// [`whose`] of the operation under an id.
fn whose_of(history: &History, id: usize) -> String {
    history.operations().get(id).map_or_else(String::new, whose)
}

/// [`whose_first`] of the operation under an id.
fn whose_first_of(history: &History, id: usize) -> String {
    history
        .operations()
        .get(id)
        .map_or_else(String::new, whose_first)
}
