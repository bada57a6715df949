//! A map from keys to values: `get`, `put`, `cas` and `delete`, each on a key.

use super::cell::{self, CellOperation, CellReturn, CellSpec, FailedCas, Verb};
use super::cell_decider::CellDecider;
use super::cell_diagnosis;
use crate::history::{self, Value};
use crate::spec::{Call, Decider, DecodeError, DecodedBy, Diagnosis, Effect, Reason, Spec};

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
        cell::decode(self, operation)
    }

    fn decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        CellDecider::boxed(self, &self.initial, operations_max)
    }

    fn diagnose(&self, calls: &[Call<'_, Self>], culprit: usize) -> Option<Diagnosis> {
        cell_diagnosis::diagnose(calls, culprit, &self.initial())
    }
}

impl CellSpec for KvMap {
    fn verb(&self, f: &str) -> Option<Verb> {
        match f {
            "get" => Some(Verb::Read),
            "put" => Some(Verb::Write),
            "cas" => Some(Verb::CompareAndSet),
            "delete" => Some(Verb::Delete),
            _ => None,
        }
    }

    fn expected(&self) -> &'static str {
        "`get`, `put`, `cas` or `delete` of a key"
    }

    fn failed_cas(&self) -> FailedCas {
        self.failed_cas
    }

    fn needs_key(&self) -> bool {
        true
    }
}
