//! Transactions over a universe of keys, and what it was at first.

use super::predicate::{Predicate, State};
use crate::history::{Outcome, ValueRef};
use crate::isolation::list_append::Header;
use crate::isolation::orders::Interval;

/// One step of a transaction.
#[derive(Clone, Debug)]
pub(super) enum Step<'h> {
    Write {
        key: u32,
        state: State<'h>,
    },
    Read {
        key: u32,
        state: State<'h>,
    },
    ReadWhere {
        predicate: Predicate<'h>,
        /// By key.
        found: Vec<(u32, ValueRef<'h>)>,
    },
}

/// Transactions by the ids of their operations; `init` is one too, of no steps.
#[derive(Default)]
pub(super) struct Transactions<'h> {
    pub(super) headers: Vec<Header>,
    /// Of those that returned all steps, of others what they wrote.
    pub(super) steps: Vec<Vec<Step<'h>>>,
    /// What the keys are called.
    pub(super) keys: Vec<ValueRef<'h>>,
    /// What the keys were at first.
    pub(super) initial: Vec<State<'h>>,
}

impl<'h> Transactions<'h> {
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &[Step<'h>])> {
        (0..).zip(self.steps.iter().map(Vec::as_slice))
    }

    pub(super) fn any_returned_read(&self) -> bool {
        let mut steps = self.steps.iter().flatten();
        steps.any(|step| !matches!(step, Step::Write { .. }))
    }

    /// How each ended.
    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        let headers = self.headers.iter();
        headers.map(|header| header.outcome).collect()
    }

    /// How each ended, as far as that is known after the event.
    pub(super) fn outcomes_after(&self, event: u32) -> Vec<Outcome> {
        let headers = self.headers.iter();
        let known = headers.map(|header| match header.completed <= event {
            true => header.outcome,
            false => Outcome::Info,
        });
        known.collect()
    }

    /// The events at which something became known, in order.
    pub(super) fn completions(&self) -> Vec<u32> {
        let headers = self.headers.iter();
        let completions = headers.map(|header| header.completed);
        let mut completions: Vec<u32> = completions.filter(|&event| event != u32::MAX).collect();
        completions.sort_unstable();
        completions
    }

    /// When those that count took place.
    pub(super) fn intervals(&self, outcomes: &[Outcome], happened: &[bool]) -> Vec<Interval> {
        let all = (0..).zip(&self.headers).zip(outcomes);
        let intervals = all.map(|((node, header), &outcome)| Interval {
            node,
            process: header.process,
            invoked: header.invoked,
            returned: (outcome == Outcome::Ok).then_some(header.completed),
        });
        intervals
            .filter(|interval| happened[interval.node as usize])
            .collect()
    }
}
