//! Checkers of one law each, under the names that the field knows them by.
//!
//! Where a whole object would be too dear to search, or promises less than linearizability, a law
//! that must hold of every history is judged instead. Each file says its law, where it comes from,
//! and what its operations look like. All are sound: what they call impossible is impossible,
//! however operations that nobody knows the end of did end.
//!
//! A history with several objects under keys is judged key by key, except where a file says what else
//! a key means.

pub mod bank;
pub mod fanout;
mod findings;
pub mod nonce_echo;
pub mod queue;
pub mod recovery;
pub mod set;

use crate::history::{History, Operation, Outcome, ValueRef};
use crate::spec::DecodeError;
use findings::Findings;
use std::collections::BTreeMap;
use std::fmt::Display;

/// The operations on each key, in the order of their invocations.
fn objects(history: &History) -> impl Iterator<Item = Vec<Operation<'_>>> {
    let mut objects: BTreeMap<Option<ValueRef<'_>>, Vec<Operation<'_>>> = BTreeMap::new();
    for operation in history.operations() {
        let object = objects.entry(operation.key).or_default();
        object.push(operation);
    }
    objects.into_values()
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
    whose(operation).replacen('p', "P", 1)
}
