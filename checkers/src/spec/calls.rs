//! The operations on one key, as a specification reads them.

use super::{DecodeError, Decoded, Spec};
use crate::history::{self, History, Outcome};

/// The moment of a completion that never comes.
pub const NEVER: u32 = u32::MAX;

/// The operations on one key as they lie in the history, as far as they are known.
#[derive(Clone, Copy)]
pub(crate) struct Recorded<'a> {
    history: &'a History,
    /// The ids of the operations on the key, ascending.
    ids: &'a [u32],
    /// How many of the history's events are known.
    end: usize,
}

impl<'a> Recorded<'a> {
    /// The operations with these ids, which are those on one key.
    pub(crate) fn new(history: &'a History, ids: &'a [u32]) -> Self {
        let end = history.events().len();
        assert!(
            u32::try_from(end).is_ok_and(|end| end < NEVER / 2),
            "a history has fewer than 2^31 - 1 events"
        );
        Self { history, ids, end }
    }

    /// What is known of them after the first `end` events.
    pub(crate) fn until(self, end: usize) -> Self {
        Self {
            end: end.min(self.end),
            ..self
        }
    }

    pub(crate) fn history(self) -> &'a History {
        self.history
    }

    /// There are at most so many.
    pub(crate) fn len_max(self) -> usize {
        self.ids.len()
    }

    /// The ids of those that have begun, ascending.
    pub(crate) fn begun(self) -> &'a [u32] {
        let operations = self.history.operations();
        let has_begun = |id: &u32| operations.invoked(*id as usize) < self.end;
        &self.ids[..self.ids.partition_point(has_begun)]
    }

    /// Whether an operation ends in an event that is not known.
    pub(crate) fn is_open(self, id: u32) -> bool {
        let completed = self.history.operations().completed(id as usize);
        completed.is_some_and(|completed| completed >= self.end)
    }

    /// What is known of an operation.
    pub(crate) fn operation(self, id: u32) -> history::Operation<'a> {
        self.known(self.history.operation(id as usize))
    }

    /// The operations that have begun, in the order of their invocations.
    pub(crate) fn iter(self) -> impl Iterator<Item = history::Operation<'a>> {
        self.begun().iter().map(move |&id| self.operation(id))
    }

    /// Of an operation that is still open at the end nobody knows how it will end.
    fn known(self, recorded: history::Operation<'a>) -> history::Operation<'a> {
        match recorded.completed {
            Some(completed) if completed >= self.end => history::Operation {
                outcome: Outcome::Info,
                completed: None,
                ..recorded
            },
            _ => recorded,
        }
    }
}

/// An operation that may have happened, or certainly did.
pub struct Called<S: Spec + ?Sized> {
    /// Its id in the history.
    pub id: u32,
    pub operation: S::Operation,
    /// What it answered; `None` where nobody knows whether it happened.
    pub returned: Option<S::Return>,
    /// The index of its invocation among the history's events.
    pub invoked: u32,
    /// The index of its completion; [`NEVER`] exactly where `returned` is `None`.
    pub completed: u32,
}

/// The operation as the specification reads it, if it may have happened.
///
/// # Errors
/// Where the operation is none of the specification.
pub(crate) fn called<S: Spec + ?Sized>(
    spec: &S,
    recorded: &history::Operation<'_>,
) -> Result<Option<Called<S>>, DecodeError> {
    let (operation, returned) = match spec.decode(recorded)? {
        Decoded::Returned(operation, returned) => (operation, Some(returned)),
        Decoded::Uncertain(operation) => (operation, None),
        Decoded::Absent => return Ok(None),
    };
    // Who claims to know the answer of an operation without completion does not know it.
    let returned = returned.filter(|_| recorded.completed.is_some());
    let completed = recorded.completed.filter(|_| returned.is_some());
    Ok(Some(Called {
        id: recorded.id as u32,
        operation,
        invoked: recorded.invoked as u32,
        completed: completed.map_or(NEVER, |completed| completed as u32),
        returned,
    }))
}
