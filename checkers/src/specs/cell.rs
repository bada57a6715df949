//! One value that is read, overwritten, or compared and set: what registers and maps come down to.

use crate::history::{self, ListRef, Outcome, Value};
use crate::spec::{DecodeError, Decoded, Effect, Reason};

/// What is done to a cell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CellOperation {
    Read,
    Write(Value),
    CompareAndSet { expected: Value, new: Value },
}

/// What a cell answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CellReturn {
    /// To a write.
    Done,
    /// To a read.
    Value(Value),
    /// To a compare-and-set: whether the value was the expected one.
    Swapped(bool),
}

/// What a `cas` that ended in `fail` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FailedCas {
    /// It did not happen, for whatever reason. Always sound.
    #[default]
    Dropped,
    /// It found another value than it expected. Sound only where the client records every other
    /// failure as something else.
    Observed,
}

pub(super) fn step(
    state: &Value,
    operation: &CellOperation,
    returned: Option<&CellReturn>,
) -> Result<Value, Reason> {
    use CellOperation::{CompareAndSet, Read, Write};
    match (operation, returned) {
        (Read, None) => Ok(state.clone()),
        (Read, Some(CellReturn::Value(value))) if value == state => Ok(state.clone()),
        (Read, Some(CellReturn::Value(value))) => {
            Err(format!("the value is {state}, but the read saw {value}").into())
        }
        (Write(value), None | Some(CellReturn::Done)) => Ok(value.clone()),
        (CompareAndSet { expected, new }, None | Some(CellReturn::Swapped(true))) => {
            if expected == state {
                return Ok(new.clone());
            }
            Err(format!("the value is {state}, but the cas found {expected}").into())
        }
        (CompareAndSet { expected, .. }, Some(CellReturn::Swapped(false))) => {
            if expected != state {
                return Ok(state.clone());
            }
            Err(format!("the value is {state}, but the cas found another").into())
        }
        (Read | Write(_) | CompareAndSet { .. }, Some(_)) => {
            Err("the answer belongs to another kind of operation".into())
        }
    }
}

pub(super) fn effect(operation: &CellOperation, returned: Option<&CellReturn>) -> Effect {
    match (operation, returned) {
        (CellOperation::Read, _) => Effect::ReadOnly,
        (CellOperation::Write(_), _) => Effect::Overwrite,
        (CellOperation::CompareAndSet { .. }, Some(CellReturn::Swapped(false))) => Effect::ReadOnly,
        (CellOperation::CompareAndSet { expected, new }, _) if expected == new => Effect::ReadOnly,
        (CellOperation::CompareAndSet { .. }, _) => Effect::Update,
    }
}

pub(super) fn only_state(
    operation: &CellOperation,
    returned: Option<&CellReturn>,
) -> Option<Value> {
    match (operation, returned) {
        (CellOperation::Read, Some(CellReturn::Value(value))) => Some(value.clone()),
        (CellOperation::CompareAndSet { .. }, Some(CellReturn::Swapped(false))) => None,
        (CellOperation::CompareAndSet { expected, .. }, _) => Some(expected.clone()),
        (CellOperation::Read | CellOperation::Write(_), _) => None,
    }
}

/// What a recorded operation is called on a cell; `None` where it is none of a cell's.
pub(super) fn named(
    operation: &history::Operation<'_>,
    read: &str,
    write: &str,
) -> Option<Result<CellOperation, DecodeError>> {
    match operation.f {
        f if f == read => Some(Ok(CellOperation::Read)),
        f if f == write => Some(Ok(CellOperation::Write(operation.input.to_value()))),
        "cas" => Some(compare_and_set(operation)),
        _ => None,
    }
}

fn compare_and_set(operation: &history::Operation<'_>) -> Result<CellOperation, DecodeError> {
    match operation.input.as_list().and_then(ListRef::array) {
        Some([expected, new]) => Ok(CellOperation::CompareAndSet {
            expected: expected.to_value(),
            new: new.to_value(),
        }),
        None => Err(DecodeError::new(
            operation,
            "`cas` to be invoked with [expected new]",
            operation.input.to_string(),
        )),
    }
}

/// How the operation ended, as far as a cell is concerned.
pub(super) fn decoded(
    cell_operation: CellOperation,
    recorded: &history::Operation<'_>,
    failed_cas: FailedCas,
) -> Decoded<CellOperation, CellReturn> {
    let is_cas = matches!(cell_operation, CellOperation::CompareAndSet { .. });
    match recorded.outcome {
        Outcome::Info => Decoded::Uncertain(cell_operation),
        Outcome::Fail if is_cas && failed_cas == FailedCas::Observed => {
            Decoded::Returned(cell_operation, CellReturn::Swapped(false))
        }
        Outcome::Fail => Decoded::Absent,
        Outcome::Ok => {
            let returned = match cell_operation {
                CellOperation::Read => CellReturn::Value(recorded.output.to_value()),
                CellOperation::Write(_) => CellReturn::Done,
                CellOperation::CompareAndSet { .. } => CellReturn::Swapped(true),
            };
            Decoded::Returned(cell_operation, returned)
        }
    }
}
