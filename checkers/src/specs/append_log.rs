//! A log: `append` and `read`.

use super::decoding::told;
use super::room::list_bytes;
use super::set::{self, GrowingOperation, GrowingReturn};
use super::unique_values::{EachKey, Gather, GrowingCalls};
use crate::history::{self, Value};
use crate::spec::{Called, Decided, Decider, DecodeError, DecodedBy, Effect, Reason, Spec};
use std::fmt;

/// A list that only grows at its end: `append` of an element, and `read`, which returns the list of all.
/// With a key on its operations: one log per key.
#[derive(Clone, Copy, Debug, Default)]
pub struct AppendLog;

/// The elements of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogState(Vec<Value>);

impl fmt::Display for LogState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}]", told(&self.0))
    }
}

impl Spec for AppendLog {
    type State = LogState;
    type Operation = GrowingOperation;
    type Return = GrowingReturn;

    fn initial(&self) -> LogState {
        LogState::default()
    }

    fn step(
        &self,
        state: &LogState,
        operation: &GrowingOperation,
        returned: Option<&GrowingReturn>,
    ) -> Result<LogState, Reason> {
        match (operation, returned) {
            (_, Some(GrowingReturn::All(shown))) if *shown != state.0 => {
                let shown = told(shown);
                Err(format!("the log is {state}, but the read shows [{shown}]").into())
            }
            (GrowingOperation::Read, _) => Ok(state.clone()),
            (GrowingOperation::Add(element), _) => {
                // No roomier than it has to be: who judges keeps many.
                let mut after = Vec::with_capacity(state.0.len() + 1);
                after.extend_from_slice(&state.0);
                after.push(element.clone());
                Ok(LogState(after))
            }
        }
    }

    fn effect(&self, operation: &GrowingOperation, _returned: Option<&GrowingReturn>) -> Effect {
        set::growing_effect(operation)
    }

    fn only_state(
        &self,
        _operation: &GrowingOperation,
        returned: Option<&GrowingReturn>,
    ) -> Option<LogState> {
        match returned {
            Some(GrowingReturn::All(shown)) => Some(LogState(shown.clone())),
            Some(GrowingReturn::Done) | None => None,
        }
    }

    fn state_bytes(&self, state: &LogState) -> usize {
        list_bytes(state.0.capacity(), state.0.iter())
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        set::decode_growing::<Self>(recorded, "append", "`append` of an element or `read`")
    }

    fn decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        EachKey::<Self, GrowingCalls>::boxed(self, operations_max)
    }
}

impl Gather<AppendLog> for GrowingCalls {
    fn new(operations_max: usize) -> Self {
        Self::new(operations_max)
    }

    fn take(&mut self, called: &Called<AppendLog>) {
        let grown = set::grown(&called.operation, called.returned.as_ref());
        self.add(called, &grown);
    }

    fn decide(&self) -> Option<Decided> {
        self.decide_log()
    }
}
