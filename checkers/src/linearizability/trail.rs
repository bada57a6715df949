//! The order that a search found, rebuilt from its choices.

use super::timeline::OperationNumber;
use std::collections::BTreeMap;

/// Is told of each operation that takes its place.
pub(super) trait Recorder {
    fn is_on(&self) -> bool;
    fn placed_before(&mut self, event: usize, operation: OperationNumber);
    fn placed_after(&mut self, event: usize, operation: OperationNumber);
    /// The overwrite takes its place unseen, right before the operation that is placed next.
    fn unseen_before_next(&mut self, operation: OperationNumber);
}

/// Nobody asks for the order while the search goes on.
impl Recorder for () {
    fn is_on(&self) -> bool {
        false
    }

    fn placed_before(&mut self, _event: usize, _operation: OperationNumber) {}

    fn placed_after(&mut self, _event: usize, _operation: OperationNumber) {}

    fn unseen_before_next(&mut self, _operation: OperationNumber) {}
}

/// Operations in the order in which they happened.
#[derive(Default)]
pub(super) struct Trail {
    placed: Vec<(Moment, OperationNumber)>,
    /// Overwrites that nobody saw, with the index in `placed` of the one that followed. Their entry
    /// goes when they take another place after all.
    unseen: BTreeMap<OperationNumber, usize>,
}

/// A moment between two events: twice the event's index, less or more by one.
pub(super) type Moment = i64;

impl Trail {
    /// Each operation with a moment between its invocation and its return; moments never decrease.
    pub(super) fn in_order(self) -> Vec<(Moment, OperationNumber)> {
        let mut unseen_before = vec![Vec::new(); self.placed.len()];
        for (operation, next) in self.unseen {
            unseen_before[next].push(operation);
        }
        let mut order = Vec::new();
        for ((moment, operation), unseen) in self.placed.into_iter().zip(unseen_before) {
            order.extend(unseen.into_iter().map(|unseen| (moment, unseen)));
            order.push((moment, operation));
        }
        order
    }

    fn place(&mut self, moment: Moment, operation: OperationNumber) {
        self.unseen.remove(&operation);
        self.placed.push((moment, operation));
    }
}

impl Recorder for Trail {
    fn is_on(&self) -> bool {
        true
    }

    fn placed_before(&mut self, event: usize, operation: OperationNumber) {
        self.place(2 * event as Moment - 1, operation);
    }

    fn placed_after(&mut self, event: usize, operation: OperationNumber) {
        self.place(2 * event as Moment + 1, operation);
    }

    fn unseen_before_next(&mut self, operation: OperationNumber) {
        self.unseen.insert(operation, self.placed.len());
    }
}
