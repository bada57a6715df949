//! A register: `read` and `write`.

use super::cell::{self, Answer, CellOperation, CellReturn, CellSpec, Deed, FailedCas};
use super::cell_decider::CellDecider;
use super::cell_diagnosis;
use crate::history::{self, Value};
use crate::spec::{
    Call, Decider, DecodeError, Decoded, DecodedBy, Diagnosis, Effect, Reason, Spec,
};

/// One value that is read and overwritten. With a key on its operations: one such value per key.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// The value before the first write.
    pub initial: Value,
}

impl Spec for Register {
    type State = Value;
    type Operation = CellOperation;
    type Return = CellReturn;

    fn initial(&self) -> Value {
        self.initial.clone()
    }

    fn step(
        &self,
        state: &Value,
        operation: &CellOperation,
        returned: Option<&CellReturn>,
    ) -> Result<Value, Reason> {
        cell::step(state, operation, returned)
    }

    fn effect(&self, operation: &CellOperation, returned: Option<&CellReturn>) -> Effect {
        cell::effect(operation, returned)
    }

    fn only_state(
        &self,
        operation: &CellOperation,
        returned: Option<&CellReturn>,
    ) -> Option<Value> {
        cell::only_state(operation, returned)
    }

    fn state_bytes(&self, state: &Value) -> usize {
        state.heap_bytes()
    }

    fn decode(&self, operation: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        self.seen(operation).map(cell::owned)
    }

    fn decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        CellDecider::boxed(self, &self.initial, operations_max)
    }

    fn diagnose(&self, calls: &[Call<'_, Self>], culprit: usize) -> Option<Diagnosis> {
        cell_diagnosis::diagnose(calls, culprit, &self.initial())
    }
}

impl CellSpec for Register {
    fn seen<'h>(
        &self,
        operation: &history::Operation<'h>,
    ) -> Result<Decoded<Deed<'h>, Answer<'h>>, DecodeError> {
        match cell::named(operation, "read", "write") {
            Some(Ok(Deed::CompareAndSet { .. }) | Err(_)) | None => {
                let expected = "`read` or `write` of a register";
                Err(DecodeError::new(
                    operation,
                    expected,
                    format!("`{}`", operation.f),
                ))
            }
            Some(Ok(deed)) => Ok(cell::seen(deed, operation, FailedCas::Dropped)),
        }
    }
}
