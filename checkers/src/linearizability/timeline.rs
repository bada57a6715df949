//! When operations begin and end, and which are open together.

use std::collections::{BTreeMap, BTreeSet};

/// An operation's place among those on its key.
pub(super) type OperationNumber = u32;

/// The step of something that never comes.
pub(super) const NEVER: u32 = u32::MAX;

/// An invocation or a return of an operation that happened. Uncertain operations take no step: they
/// are there from their invocation on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) operation: OperationNumber,
    pub(super) is_return: bool,
    /// The index among the history's events.
    pub(super) event: usize,
}

/// By operation number, in the order of invocations.
#[derive(Default)]
pub(super) struct Timeline {
    pub(super) steps: Vec<Step>,
    pub(super) ids: Vec<usize>,
    /// The first step at which the operation is open.
    pub(super) invoked: Vec<u32>,
    /// The step of its return; [`NEVER`] for an uncertain one.
    pub(super) returned: Vec<u32>,
    /// The slot that it holds while it is open; unused for an uncertain one.
    pub(super) slots: Vec<u32>,
    /// How many slots there are.
    pub(super) slot_count: u32,
    /// Where the open operations of each return begin in `open`.
    open_from: Vec<usize>,
    open: Vec<OperationNumber>,
}

impl Timeline {
    /// From `(id, invocation event, completion event)` in the order of invocations.
    pub(super) fn new(
        operations: impl Iterator<Item = (usize, usize, Option<usize>)> + Clone,
    ) -> Self {
        let mut timeline = Self::default();
        let mut steps = BTreeMap::new();
        for (number, (_, invoked, completed)) in operations.clone().enumerate() {
            let operation = number as OperationNumber;
            if let Some(completed) = completed {
                steps.insert(
                    invoked,
                    Step {
                        operation,
                        is_return: false,
                        event: invoked,
                    },
                );
                steps.insert(
                    completed,
                    Step {
                        operation,
                        is_return: true,
                        event: completed,
                    },
                );
            }
        }
        timeline.steps = steps.into_values().collect();
        for (id, invoked, _) in operations {
            let step = timeline.steps.partition_point(|step| step.event < invoked);
            timeline.ids.push(id);
            timeline.invoked.push(step as u32);
        }
        timeline.returned = vec![NEVER; timeline.ids.len()];
        timeline.slots = vec![NEVER; timeline.ids.len()];
        timeline.give_slots();
        timeline
    }

    fn give_slots(&mut self) {
        let mut free = BTreeSet::new();
        for (index, step) in self.steps.iter().enumerate() {
            let operation = step.operation as usize;
            if step.is_return {
                self.returned[operation] = index as u32;
                free.insert(self.slots[operation]);
            } else {
                self.slots[operation] = free.pop_first().unwrap_or_else(|| {
                    self.slot_count += 1;
                    self.slot_count - 1
                });
            }
        }
    }

    /// How many bytes [`Timeline::note_open`] will take.
    pub(super) fn open_bytes(&self) -> u64 {
        let mut open = 0;
        let mut total = 0;
        for step in &self.steps {
            if step.is_return {
                total += open;
                open -= 1;
            } else {
                open += 1;
            }
        }
        total * size_of::<OperationNumber>() as u64
    }

    /// Notes what is open at each return; [`Timeline::open_at`] needs it.
    pub(super) fn note_open(&mut self) {
        let mut open = BTreeSet::new();
        for step in &self.steps {
            self.open_from.push(self.open.len());
            let place = (self.returned[step.operation as usize], step.operation);
            if step.is_return {
                self.open
                    .extend(open.iter().map(|&(_, operation)| operation));
                open.remove(&place);
            } else {
                open.insert(place);
            }
        }
        self.open_from.push(self.open.len());
    }

    /// The operations that are open at the step, a return, in the order in which they return.
    pub(super) fn open_at(&self, step: u32) -> &[OperationNumber] {
        let step = step as usize;
        &self.open[self.open_from[step]..self.open_from[step + 1]]
    }

    pub(super) fn slot(&self, operation: OperationNumber) -> u32 {
        self.slots[operation as usize]
    }
}
