//! What each read says of each key.

use super::predicate::{Predicate, State};
use super::transactions::{Step, Transactions};
use crate::history::{Outcome, ValueRef};

/// What a read says of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sight<'h> {
    /// It was read by its name.
    State(State<'h>),
    /// A predicate matched it.
    Found(Predicate<'h>, ValueRef<'h>),
    /// A predicate did not match it.
    Missing(Predicate<'h>),
}

impl Sight<'_> {
    /// Whether a version may be what was read.
    pub(super) fn fits(self, state: State<'_>) -> bool {
        match self {
            Self::State(seen) => seen == state,
            Self::Found(predicate, seen) => state == Some(seen) && predicate.matches(state),
            Self::Missing(predicate) => !predicate.matches(state),
        }
    }

    /// Whether it tells only that the predicate did not match: Adya's predicate dependencies.
    pub(super) fn is_by_predicate(self) -> bool {
        matches!(self, Self::Missing(_))
    }
}

/// A read's sight of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'h> {
    pub(super) reader: u32,
    pub(super) key: u32,
    pub(super) sight: Sight<'h>,
    /// What the reader had written to the key before, if it had.
    pub(super) own: Option<State<'h>>,
}

/// What all transactions that returned read.
pub(super) fn each<'h>(
    transactions: &Transactions<'h>,
    outcomes: &[Outcome],
    look: &mut dyn FnMut(Read<'h>),
) {
    for (reader, &outcome) in (0..).zip(outcomes) {
        if outcome == Outcome::Ok {
            each_of(transactions, reader, look);
        }
    }
}

/// What a transaction that returned read.
pub(super) fn each_of<'h>(
    transactions: &Transactions<'h>,
    reader: u32,
    look: &mut dyn FnMut(Read<'h>),
) {
    let steps = &transactions.steps[reader as usize];
    let mut written: Vec<(u32, State<'h>)> = Vec::new();
    for step in steps {
        let mut see = |key: u32, sight: Sight<'h>| {
            let own = written.iter().rfind(|&&(own, _)| own == key);
            look(Read {
                reader,
                key,
                sight,
                own: own.map(|&(_, state)| state),
            });
        };
        match *step {
            Step::Write { key, state } => written.push((key, state)),
            Step::Read { key, state } => see(key, Sight::State(state)),
            Step::ReadWhere {
                predicate,
                ref found,
            } => {
                let mut found = found.iter().copied().peekable();
                for key in 0..transactions.keys.len() as u32 {
                    match found.next_if(|&(of, _)| of == key) {
                        Some((_, value)) => see(key, Sight::Found(predicate, value)),
                        None => see(key, Sight::Missing(predicate)),
                    }
                }
            }
        }
    }
}
