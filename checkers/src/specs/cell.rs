//! One value that is read, overwritten, or compared and set: what registers and maps come down to.

use crate::history::{self, ListRef, Outcome, Value, ValueRef};
use crate::spec::{DecodeError, Decoded, Effect, Reason, Spec};

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

/// What is done to a cell, as it lies in a history.
pub(super) enum Deed<'h> {
    Read,
    Write(ValueRef<'h>),
    CompareAndSet {
        expected: ValueRef<'h>,
        new: ValueRef<'h>,
    },
}

/// What a cell answers, as it lies in a history.
pub(super) enum Answer<'h> {
    Done,
    Value(ValueRef<'h>),
    Swapped(bool),
}

/// A specification of cells.
pub(super) trait CellSpec: Spec<Operation = CellOperation, Return = CellReturn> {
    /// What operations of this name do.
    fn verb(&self, f: &str) -> Option<Verb>;

    /// Which verbs there are, for who knows another.
    fn expected(&self) -> &'static str;

    fn failed_cas(&self) -> FailedCas;

    /// Whether an operation without a key is none of the specification.
    fn needs_key(&self) -> bool {
        false
    }
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    Write,
    Delete,
    CompareAndSet,
}

/// What an operation of a history means to a specification of cells. Nothing is copied.
///
/// # Errors
/// Where the operation is none of the specification.
pub(super) fn seen<'h>(
    spec: &impl CellSpec,
    operation: &history::Operation<'h>,
) -> Result<Decoded<Deed<'h>, Answer<'h>>, DecodeError> {
    if spec.needs_key() && operation.key.is_none() {
        let found = format!("`{}` without a key", operation.f);
        return Err(DecodeError::new(operation, spec.expected(), found));
    }
    let Some(verb) = spec.verb(operation.f) else {
        let found = format!("`{}`", operation.f);
        return Err(DecodeError::new(operation, spec.expected(), found));
    };
    let Some(deed) = verb.deed(operation.input) else {
        return Err(DecodeError::new(
            operation,
            "`cas` to be invoked with [expected new]",
            operation.input.to_string(),
        ));
    };
    let failed_cas = spec.failed_cas();
    Ok(deed.ended(operation.outcome, operation.output, failed_cas))
}

impl Verb {
    /// What an operation does to a cell that was invoked with this; nothing if that makes no sense.
    pub(super) fn deed(self, input: ValueRef<'_>) -> Option<Deed<'_>> {
        Some(match self {
            Self::Read => Deed::Read,
            Self::Write => Deed::Write(input),
            Self::Delete => Deed::Write(ValueRef::Nil),
            Self::CompareAndSet => {
                let [expected, new] = input.as_list().and_then(ListRef::array)?;
                Deed::CompareAndSet { expected, new }
            }
        })
    }
}

/// As [`Spec::decode`].
pub(super) fn decode(
    spec: &impl CellSpec,
    operation: &history::Operation<'_>,
) -> Result<Decoded<CellOperation, CellReturn>, DecodeError> {
    seen(spec, operation).map(owned)
}

/// The same on its own.
fn owned(seen: Decoded<Deed<'_>, Answer<'_>>) -> Decoded<CellOperation, CellReturn> {
    match seen {
        Decoded::Returned(deed, answer) => Decoded::Returned(deed.to_operation(), answer.into()),
        Decoded::Uncertain(deed) => Decoded::Uncertain(deed.to_operation()),
        Decoded::Absent => Decoded::Absent,
    }
}

impl<'h> Deed<'h> {
    /// How it ended, as far as a cell is concerned.
    pub(super) fn ended(
        self,
        outcome: Outcome,
        output: ValueRef<'h>,
        failed_cas: FailedCas,
    ) -> Decoded<Self, Answer<'h>> {
        let is_cas = matches!(self, Self::CompareAndSet { .. });
        match outcome {
            Outcome::Info => Decoded::Uncertain(self),
            Outcome::Fail if is_cas && failed_cas == FailedCas::Observed => {
                Decoded::Returned(self, Answer::Swapped(false))
            }
            Outcome::Fail => Decoded::Absent,
            Outcome::Ok => {
                let answer = match self {
                    Self::Read => Answer::Value(output),
                    Self::Write(_) => Answer::Done,
                    Self::CompareAndSet { .. } => Answer::Swapped(true),
                };
                Decoded::Returned(self, answer)
            }
        }
    }

    fn to_operation(&self) -> CellOperation {
        match *self {
            Self::Read => CellOperation::Read,
            Self::Write(value) => CellOperation::Write(value.to_value()),
            Self::CompareAndSet { expected, new } => CellOperation::CompareAndSet {
                expected: expected.to_value(),
                new: new.to_value(),
            },
        }
    }
}

impl From<Answer<'_>> for CellReturn {
    fn from(answer: Answer<'_>) -> Self {
        match answer {
            Answer::Done => Self::Done,
            Answer::Value(value) => Self::Value(value.to_value()),
            Answer::Swapped(swapped) => Self::Swapped(swapped),
        }
    }
}
