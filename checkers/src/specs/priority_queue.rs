//! A priority queue: `insert` and `poll`.

use super::decoding::told;
use super::queue::{self, QueueOperation, QueueReturn};
use super::room::tree_bytes;
use super::unique_values::{EachKey, Gather, Giving, QueueCalls};
use crate::history::{self, Value};
use crate::spec::{Called, Decided, Decider, DecodeError, DecodedBy, Reason, Spec};
use std::collections::BTreeMap;
use std::fmt;

/// Which value of a priority queue comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    #[default]
    Smallest,
    Largest,
}

/// A queue that gives the smallest value first, or the largest. `insert` is invoked with a value, not
/// nil; `poll` returns a value, or nil where the queue was empty. Jepsen's `enqueue` and `dequeue` name
/// the same. With a key on its operations: one queue per key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PriorityQueue {
    pub first: Priority,
}

/// How often each value is in the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PriorityQueueState(BTreeMap<Value, usize>);

impl fmt::Display for PriorityQueueState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.0.iter();
        let values = values.flat_map(|(value, &count)| std::iter::repeat_n(value, count));
        write!(formatter, "[{}]", told(values))
    }
}

impl PriorityQueueState {
    fn put(&mut self, value: &Value) {
        *self.0.entry(value.clone()).or_default() += 1;
    }

    fn take(&mut self, first: Priority) -> Option<Value> {
        let mut entry = match first {
            Priority::Smallest => self.0.first_entry()?,
            Priority::Largest => self.0.last_entry()?,
        };
        let value = entry.key().clone();
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
        Some(value)
    }
}

impl Spec for PriorityQueue {
    type State = PriorityQueueState;
    type Operation = QueueOperation;
    type Return = QueueReturn;

    fn initial(&self) -> PriorityQueueState {
        PriorityQueueState::default()
    }

    fn step(
        &self,
        state: &PriorityQueueState,
        operation: &QueueOperation,
        returned: Option<&QueueReturn>,
    ) -> Result<PriorityQueueState, Reason> {
        let mut after = state.clone();
        match operation {
            QueueOperation::Put(value) => after.put(value),
            QueueOperation::Take => {
                let taken = after.take(self.first);
                queue::require_taken("priority queue", state, taken.as_ref(), returned)?;
            }
        }
        Ok(after)
    }

    fn state_bytes(&self, state: &PriorityQueueState) -> usize {
        tree_bytes(state.0.keys())
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        let (puts, takes) = (["insert", "enqueue"], ["poll", "dequeue"]);
        queue::decode::<Self>(recorded, &puts, &takes, "`insert` of a value or `poll`")
    }

    fn decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        match self.first {
            Priority::Smallest => EachKey::<Self, QueueCalls>::boxed(self, operations_max),
            Priority::Largest => EachKey::<Self, LargestFirst>::boxed(self, operations_max),
        }
    }
}

impl Gather<PriorityQueue> for QueueCalls {
    fn new(operations_max: usize) -> Self {
        Self::new(operations_max)
    }

    fn take(&mut self, called: &Called<PriorityQueue>) {
        self.add(called);
    }

    fn decide(&self) -> Option<Decided> {
        self.decide_by(Giving::SMALLEST_FIRST)
    }
}

/// The calls on a queue that gives the largest first.
struct LargestFirst(QueueCalls);

impl Gather<PriorityQueue> for LargestFirst {
    fn new(operations_max: usize) -> Self {
        Self(QueueCalls::new(operations_max))
    }

    fn take(&mut self, called: &Called<PriorityQueue>) {
        self.0.add(called);
    }

    fn decide(&self) -> Option<Decided> {
        self.0.decide_by(Giving::LARGEST_FIRST)
    }
}
