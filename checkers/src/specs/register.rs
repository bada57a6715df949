//! A register: `read` and `write`.

use super::cell::{self, CellOperation, CellReturn, CellSpec, FailedCas, Verb};
use super::cell_decider::CellDecider;
use super::cell_diagnosis;
use crate::history::{self, Value};
use crate::spec::{Call, Decider, DecodeError, DecodedBy, Diagnosis, Effect, Reason, Spec};

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
        cell::decode(self, operation)
    }

    fn decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        CellDecider::boxed(self, &self.initial, operations_max)
    }

    fn diagnose(&self, calls: &[Call<'_, Self>], culprit: usize) -> Option<Diagnosis> {
        cell_diagnosis::diagnose(calls, culprit, &self.initial())
    }
}

impl CellSpec for Register {
    fn verb(&self, f: &str) -> Option<Verb> {
        match f {
            "read" => Some(Verb::Read),
            "write" => Some(Verb::Write),
            _ => None,
        }
    }

    fn expected(&self) -> &'static str {
        "`read` or `write` of a register"
    }

    fn failed_cas(&self) -> FailedCas {
        FailedCas::Dropped
    }
}
