//! A stack: `push` and `pop`.

use super::decoding::told;
use super::queue::{self, QueueOperation, QueueReturn};
use super::room::list_bytes;
use super::unique_values::{EachKey, Gather, Giving, QueueCalls};
use crate::history::{self, Value};
use crate::spec::{Called, Decided, Decider, DecodeError, DecodedBy, Reason, Spec};
use std::fmt;

/// A stack that gives first what it got last. `push` is invoked with a value, not nil; `pop` returns a
/// value, or nil where the stack was empty. With a key on its operations: one stack per key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stack;

/// What a stack holds, what is next last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StackState(Vec<Value>);

impl fmt::Display for StackState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}]", told(&self.0))
    }
}

impl Spec for Stack {
    type State = StackState;
    type Operation = QueueOperation;
    type Return = QueueReturn;

    fn initial(&self) -> StackState {
        StackState::default()
    }

    fn step(
        &self,
        state: &StackState,
        operation: &QueueOperation,
        returned: Option<&QueueReturn>,
    ) -> Result<StackState, Reason> {
        let mut after = state.clone();
        match operation {
            QueueOperation::Put(value) => after.0.push(value.clone()),
            QueueOperation::Take => {
                let taken = after.0.pop();
                queue::require_taken("stack", state, taken.as_ref(), returned)?;
            }
        }
        Ok(after)
    }

    fn state_bytes(&self, state: &StackState) -> usize {
        list_bytes(state.0.capacity(), state.0.iter())
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        queue::decode::<Self>(recorded, &["push"], &["pop"], "`push` of a value or `pop`")
    }

    fn decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        EachKey::<Self, QueueCalls>::boxed(self, operations_max)
    }
}

impl Gather<Stack> for QueueCalls {
    fn new(operations_max: usize) -> Self {
        Self::new(operations_max)
    }

    fn take(&mut self, called: &Called<Stack>) {
        self.add(called);
    }

    fn decide(&self) -> Option<Decided> {
        self.decide_by(Giving::STACK)
    }
}
