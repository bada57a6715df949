//! What all specifications do to read an operation of a history.

use crate::history::{self, ListRef, Outcome, Value, ValueRef};
use crate::spec::{DecodeError, Decoded};

/// How the operation ended: `answer` reads the answer of one that returned. What failed did not happen.
pub(super) fn decoded<Operation, Return>(
    recorded: &history::Operation<'_>,
    operation: Operation,
    answer: impl FnOnce() -> Result<Return, DecodeError>,
) -> Result<Decoded<Operation, Return>, DecodeError> {
    Ok(match recorded.outcome {
        Outcome::Ok => Decoded::Returned(operation, answer()?),
        Outcome::Info => Decoded::Uncertain(operation),
        Outcome::Fail => Decoded::Absent,
    })
}

/// The operation's name is none that the specification knows.
pub(super) fn unknown(recorded: &history::Operation<'_>, expected: &str) -> DecodeError {
    DecodeError::new(recorded, expected, format!("`{}`", recorded.f))
}

/// The operation was invoked with something else.
pub(super) fn misfit(recorded: &history::Operation<'_>, expected: &str) -> DecodeError {
    let found = format!("`{}` of {}", recorded.f, recorded.input);
    DecodeError::new(recorded, expected, found)
}

/// The operation returned something else.
pub(super) fn misfit_answer(recorded: &history::Operation<'_>, expected: &str) -> DecodeError {
    let found = format!("`{}` -> {}", recorded.f, recorded.output);
    DecodeError::new(recorded, expected, found)
}

/// The number that the operation was invoked with; `default` where it was invoked with nil.
pub(super) fn count(
    recorded: &history::Operation<'_>,
    default: i64,
    expected: &str,
) -> Result<i64, DecodeError> {
    match recorded.input {
        ValueRef::Nil => Ok(default),
        ValueRef::Int(count) => Ok(count),
        _ => Err(misfit(recorded, expected)),
    }
}

/// The number that the operation returned.
pub(super) fn number(
    recorded: &history::Operation<'_>,
    expected: &str,
) -> Result<i64, DecodeError> {
    let number = recorded.output.as_int();
    number.ok_or_else(|| misfit_answer(recorded, expected))
}

/// The value that the operation was invoked with, which must not be nil.
pub(super) fn given(
    recorded: &history::Operation<'_>,
    expected: &str,
) -> Result<Value, DecodeError> {
    if recorded.input.is_nil() {
        return Err(misfit(recorded, expected));
    }
    Ok(recorded.input.to_value())
}

/// The list that the operation returned.
pub(super) fn list(
    recorded: &history::Operation<'_>,
    expected: &str,
) -> Result<Vec<Value>, DecodeError> {
    let list = recorded.output.as_list().map(ListRef::iter);
    let values = list.map(|values| values.map(ValueRef::to_value).collect());
    values.ok_or_else(|| misfit_answer(recorded, expected))
}

/// Values as a reader writes them, with spaces between.
pub(super) fn told<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    let told: Vec<String> = values.into_iter().map(Value::to_string).collect();
    told.join(" ")
}
