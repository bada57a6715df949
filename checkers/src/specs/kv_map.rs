//! A map from keys to values: `get`, `put`, `cas` and `delete`, each on a key.

use super::cell::{self, CellOperation, CellReturn, FailedCas};
use super::{cell_diagnosis, unique_values};
use crate::history::{self, Value};
use crate::spec::{Call, Calls, Decided, DecodeError, DecodedBy, Diagnosis, Effect, Reason, Spec};

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
        let expected = "`get`, `put`, `cas` or `delete` of a key";
        if operation.key.is_none() {
            return Err(DecodeError::new(
                operation,
                expected,
                format!("`{}` without a key", operation.f),
            ));
        }
        let cell_operation = match cell::named(operation, "get", "put") {
            Some(named) => named?,
            None if operation.f == "delete" => CellOperation::Write(Value::Nil),
            None => {
                return Err(DecodeError::new(
                    operation,
                    expected,
                    format!("`{}`", operation.f),
                ));
            }
        };
        Ok(cell::decoded(cell_operation, operation, self.failed_cas))
    }

    fn decide(&self, calls: Calls<'_, Self>) -> Option<Decided> {
        unique_values::decide_cell(calls, &self.initial)
    }

    fn diagnose(&self, calls: &[Call<'_, Self>], culprit: usize) -> Option<Diagnosis> {
        cell_diagnosis::diagnose(calls, culprit, &self.initial())
    }
}
