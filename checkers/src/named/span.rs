//! When operations were: what most laws need of them, in little space.

use crate::history::{Operation, Outcome};

/// When an operation was, and how it ended. What else is known of it lies in the history under its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    id: u32,
    invoked: u32,
    /// `NONE` where it never ended, or nobody knows how.
    completed: u32,
    pub(super) outcome: Outcome,
}

const NONE: u32 = u32::MAX;

impl Span {
    pub(super) fn id(self) -> usize {
        self.id as usize
    }

    pub(super) fn invoked(self) -> usize {
        self.invoked as usize
    }

    /// When it ended in `ok` or `fail`.
    pub(super) fn completed(self) -> Option<usize> {
        (self.completed != NONE).then_some(self.completed as usize)
    }

    /// When it returned; `None` if it failed or nobody knows.
    pub(super) fn returned(self) -> Option<usize> {
        self.completed().filter(|_| self.outcome == Outcome::Ok)
    }

    /// Since when it is certain that it did not happen.
    pub(super) fn failed(self) -> Option<usize> {
        self.completed().filter(|_| self.has_failed())
    }

    pub(super) fn has_failed(self) -> bool {
        self.outcome == Outcome::Fail
    }

    /// Whether it returned before an event.
    pub(super) fn is_before(self, event: usize) -> bool {
        self.returned().is_some_and(|returned| returned < event)
    }
}

impl From<Operation<'_>> for Span {
    fn from(operation: Operation<'_>) -> Self {
        let number = |event: usize| {
            let number = u32::try_from(event).ok().filter(|&number| number != NONE);
            number.expect("a history has fewer than 2^32 - 1 events")
        };
        Self {
            id: number(operation.id),
            invoked: number(operation.invoked),
            completed: operation.completed.map_or(NONE, number),
            outcome: operation.outcome,
        }
    }
}

/// The beginning or the end of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    event: u32,
    /// The place of the span among those given.
    place: u32,
    pub(super) is_end: bool,
}

impl Moment {
    pub(super) fn event(self) -> usize {
        self.event as usize
    }

    pub(super) fn place(self) -> usize {
        self.place as usize
    }
}

/// The beginnings and ends of all spans as they happened. O(n log n).
pub(super) fn moments(spans: impl Iterator<Item = Span>) -> Vec<Moment> {
    let mut moments = Vec::new();
    for (place, span) in (0..).zip(spans) {
        moments.push(Moment {
            event: span.invoked,
            place,
            is_end: false,
        });
        if span.completed != NONE {
            moments.push(Moment {
                event: span.completed,
                place,
                is_end: true,
            });
        }
    }
    moments.sort_unstable();
    moments
}
