//! A register with compare-and-set: `read`, `write` and `cas`.

use super::cell::{self, Answer, CellOperation, CellReturn, CellSpec, Deed, FailedCas};
use super::cell_decider::CellDecider;
use super::cell_diagnosis;
use crate::history::{self, Value};
use crate::spec::{
    Call, Decider, DecodeError, Decoded, DecodedBy, Diagnosis, Effect, Reason, Spec,
};

/// One value that is read, overwritten, and swapped if it is the expected one (`cas` of
/// `[expected new]`). With a key on its operations: one such value per key.
#[derive(Clone, Debug, Default)]
pub struct CasRegister {
    /// The value before the first write.
    pub initial: Value,
    pub failed_cas: FailedCas,
}

impl Spec for CasRegister {
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

impl CellSpec for CasRegister {
    fn seen<'h>(
        &self,
        operation: &history::Operation<'h>,
    ) -> Result<Decoded<Deed<'h>, Answer<'h>>, DecodeError> {
        let expected = "`read`, `write` or `cas` of a register";
        let deed = cell::named(operation, "read", "write").unwrap_or_else(|| {
            Err(DecodeError::new(
                operation,
                expected,
                format!("`{}`", operation.f),
            ))
        })?;
        Ok(cell::seen(deed, operation, self.failed_cas))
    }
}
