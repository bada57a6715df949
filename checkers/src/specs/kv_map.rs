//! A map from keys to values: `get`, `put`, `cas` and `delete`, each on a key.

use super::cell::{self, Answer, CellOperation, CellReturn, CellSpec, Deed, FailedCas};
use super::cell_decider::CellDecider;
use super::cell_diagnosis;
use crate::history::{self, Value, ValueRef};
use crate::spec::{
    Call, Decider, DecodeError, Decoded, DecodedBy, Diagnosis, Effect, Reason, Spec,
};

/// A map in which an absent key reads as `nil`: a `delete` is a `put` of `nil`, and a `cas` of
/// `[nil new]` creates. Keys are independent, so each is judged alone.
#[derive(Clone, Debug, Default)]
pub struct KvMap {
    /// The value that every key has before the first write; `nil` for an empty map.
    pub initial: Value,
    pub failed_cas: FailedCas,
}

impl Spec for KvMap {
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

impl CellSpec for KvMap {
    fn seen<'h>(
        &self,
        operation: &history::Operation<'h>,
    ) -> Result<Decoded<Deed<'h>, Answer<'h>>, DecodeError> {
        let expected = "`get`, `put`, `cas` or `delete` of a key";
        if operation.key.is_none() {
            return Err(DecodeError::new(
                operation,
                expected,
                format!("`{}` without a key", operation.f),
            ));
        }
        let deed = match cell::named(operation, "get", "put") {
            Some(named) => named?,
            None if operation.f == "delete" => Deed::Write(ValueRef::Nil),
            None => {
                return Err(DecodeError::new(
                    operation,
                    expected,
                    format!("`{}`", operation.f),
                ));
            }
        };
        Ok(cell::seen(deed, operation, self.failed_cas))
    }
}
