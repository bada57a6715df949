//! Sets: one that is asked for its elements, and one that only grows and is read as a whole.

use super::decoding::{decoded, given, list, misfit_answer, told, unknown};
use super::room::tree_bytes;
use super::unique_values::{EachKey, Gather, GrowingCalls, Grown};
use crate::history::{self, Value, ValueRef};
use crate::spec::{Called, Decided, Decider, DecodeError, DecodedBy, Effect, Reason, Spec};
use std::collections::BTreeSet;
use std::fmt;

/// A set of which each operation concerns one element: `add`, `remove` and `contains`, invoked with it.
/// `contains` returns whether it is there; `add` and `remove` may return whether they changed that.
/// Elements are independent, so each is judged alone; with a key, each element of each set.
#[derive(Clone, Copy, Debug, Default)]
pub struct ElementSet;

/// Whether an element is in the set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Membership {
    #[default]
    Absent,
    Present,
}

impl fmt::Display for Membership {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Absent => "absent",
            Self::Present => "present",
        })
    }
}

impl From<bool> for Membership {
    fn from(is_present: bool) -> Self {
        if is_present {
            Self::Present
        } else {
            Self::Absent
        }
    }
}

/// What is done to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementOperation {
    Add,
    Remove,
    Contains,
}

/// What a set answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementReturn {
    /// To `add` and `remove`: that it was done.
    Done,
    /// What the element was when the operation began.
    Was(Membership),
}

impl ElementOperation {
    fn after(self, state: Membership) -> Membership {
        match self {
            Self::Add => Membership::Present,
            Self::Remove => Membership::Absent,
            Self::Contains => state,
        }
    }
}

impl Spec for ElementSet {
    type State = Membership;
    type Operation = ElementOperation;
    type Return = ElementReturn;

    fn initial(&self) -> Membership {
        Membership::Absent
    }

    fn step(
        &self,
        &state: &Membership,
        operation: &ElementOperation,
        returned: Option<&ElementReturn>,
    ) -> Result<Membership, Reason> {
        match returned {
            Some(&ElementReturn::Was(was)) if was != state => {
                Err(format!("the element is {state}, but was found {was}").into())
            }
            _ => Ok(operation.after(state)),
        }
    }

    fn effect(&self, operation: &ElementOperation, returned: Option<&ElementReturn>) -> Effect {
        match (operation, returned) {
            (ElementOperation::Contains, _) => Effect::ReadOnly,
            (_, Some(&ElementReturn::Was(was))) if operation.after(was) == was => Effect::ReadOnly,
            (_, Some(ElementReturn::Was(_))) => Effect::Update,
            (_, Some(ElementReturn::Done) | None) => Effect::Overwrite,
        }
    }

    fn only_state(
        &self,
        _operation: &ElementOperation,
        returned: Option<&ElementReturn>,
    ) -> Option<Membership> {
        match returned {
            Some(&ElementReturn::Was(was)) => Some(was),
            Some(ElementReturn::Done) | None => None,
        }
    }

    fn part<'h>(&self, _f: &str, element: ValueRef<'h>) -> Option<ValueRef<'h>> {
        Some(element)
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        let expected = "`add`, `remove` or `contains` of an element";
        let operation = match recorded.f {
            "add" => ElementOperation::Add,
            "remove" => ElementOperation::Remove,
            "contains" => ElementOperation::Contains,
            _ => return Err(unknown(recorded, expected)),
        };
        given(recorded, expected)?;
        decoded(recorded, operation, || {
            let changed = match (operation, recorded.output) {
                (ElementOperation::Contains, ValueRef::Bool(is_present)) => {
                    return Ok(ElementReturn::Was(is_present.into()));
                }
                (ElementOperation::Contains, _) => {
                    return Err(misfit_answer(recorded, "`contains` to return a boolean"));
                }
                // Jepsen repeats the element in the completion.
                (_, output) if output == recorded.input => return Ok(ElementReturn::Done),
                (_, ValueRef::Bool(changed)) => changed,
                _ => return Ok(ElementReturn::Done),
            };
            let was_present = (operation == ElementOperation::Remove) == changed;
            Ok(ElementReturn::Was(was_present.into()))
        })
    }
}

/// A set that only grows and is read as a whole: `add` of an element, and `read`, which returns the list
/// of all elements. With a key on its operations: one set per key.
#[derive(Clone, Copy, Debug, Default)]
pub struct GrowOnlySet;

/// The elements of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SetState(BTreeSet<Value>);

impl fmt::Display for SetState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{{{}}}", told(&self.0))
    }
}

/// What is done to a set or a log that only grows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GrowingOperation {
    Add(Value),
    Read,
}

/// What such an object answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GrowingReturn {
    /// To an addition.
    Done,
    /// To a read.
    All(Vec<Value>),
}

impl Spec for GrowOnlySet {
    type State = SetState;
    type Operation = GrowingOperation;
    type Return = GrowingReturn;

    fn initial(&self) -> SetState {
        SetState::default()
    }

    fn step(
        &self,
        state: &SetState,
        operation: &GrowingOperation,
        returned: Option<&GrowingReturn>,
    ) -> Result<SetState, Reason> {
        let mut after = state.clone();
        if let GrowingOperation::Add(element) = operation {
            after.0.insert(element.clone());
        }
        if let Some(GrowingReturn::All(shown)) = returned {
            let shown = SetState(shown.iter().cloned().collect());
            if shown != *state {
                return Err(format!("the set is {state}, but the read shows {shown}").into());
            }
        }
        Ok(after)
    }

    fn effect(&self, operation: &GrowingOperation, _returned: Option<&GrowingReturn>) -> Effect {
        growing_effect(operation)
    }

    fn only_state(
        &self,
        _operation: &GrowingOperation,
        returned: Option<&GrowingReturn>,
    ) -> Option<SetState> {
        match returned {
            Some(GrowingReturn::All(shown)) => Some(SetState(shown.iter().cloned().collect())),
            Some(GrowingReturn::Done) | None => None,
        }
    }

    fn state_bytes(&self, state: &SetState) -> usize {
        tree_bytes(state.0.iter())
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        decode_growing::<Self>(recorded, "add", "`add` of an element or `read`")
    }

    fn decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        EachKey::<Self, GrowingCalls>::boxed(self, operations_max)
    }
}

impl Gather<GrowOnlySet> for GrowingCalls {
    fn new(operations_max: usize) -> Self {
        Self::new(operations_max)
    }

    fn take(&mut self, called: &Called<GrowOnlySet>) {
        let grown = grown(&called.operation, called.returned.as_ref());
        self.add(called, &grown);
    }

    fn decide(&self) -> Option<Decided> {
        self.decide_set()
    }
}

pub(super) fn growing_effect(operation: &GrowingOperation) -> Effect {
    match operation {
        GrowingOperation::Add(_) => Effect::Update,
        GrowingOperation::Read => Effect::ReadOnly,
    }
}

pub(super) fn grown<'a>(
    operation: &'a GrowingOperation,
    returned: Option<&'a GrowingReturn>,
) -> Grown<'a> {
    match (operation, returned) {
        (GrowingOperation::Add(element), _) => Grown::Add(element),
        (GrowingOperation::Read, Some(GrowingReturn::All(shown))) => Grown::Read(Some(shown)),
        (GrowingOperation::Read, _) => Grown::Read(None),
    }
}

/// Reads an addition by its name, or a read.
pub(super) fn decode_growing<S>(
    recorded: &history::Operation<'_>,
    add: &str,
    expected: &str,
) -> Result<DecodedBy<S>, DecodeError>
where
    S: Spec<Operation = GrowingOperation, Return = GrowingReturn>,
{
    match recorded.f {
        f if f == add => {
            let element = given(recorded, expected)?;
            decoded(recorded, GrowingOperation::Add(element), || {
                Ok(GrowingReturn::Done)
            })
        }
        "read" => decoded(recorded, GrowingOperation::Read, || {
            Ok(GrowingReturn::All(list(
                recorded,
                "`read` to return a list",
            )?))
        }),
        _ => Err(unknown(recorded, expected)),
    }
}
