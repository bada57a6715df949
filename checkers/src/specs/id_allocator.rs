//! An allocator of ids in ascending order, as timestamp oracles are.

use super::decoding::{decoded, number, unknown};
use crate::history;
use crate::spec::{DecodeError, DecodedBy, Effect, Reason, Spec};
use std::fmt;

/// `generate` (or `next`) returns an integer greater than any that it returned before. With a key on its
/// operations: one allocator per key. Where ids need not ascend, only differ, this is too strict.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdAllocator;

/// The greatest id so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LastId(Option<i64>);

impl fmt::Display for LastId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => formatter.write_str("none"),
            Some(id) => write!(formatter, "{id}"),
        }
    }
}

/// An id is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generate;

impl Spec for IdAllocator {
    type State = LastId;
    type Operation = Generate;
    /// The id.
    type Return = i64;

    fn initial(&self) -> LastId {
        LastId::default()
    }

    fn step(
        &self,
        &last: &LastId,
        _operation: &Generate,
        returned: Option<&i64>,
    ) -> Result<LastId, Reason> {
        match returned {
            // Whatever id nobody saw, it need not have been between two that were seen.
            None => Ok(last),
            Some(&id) if last < LastId(Some(id)) => Ok(LastId(Some(id))),
            Some(id) => Err(format!("the last id is {last}, but the next was {id}").into()),
        }
    }

    fn effect(&self, _operation: &Generate, returned: Option<&i64>) -> Effect {
        if returned.is_none() {
            Effect::ReadOnly
        } else {
            Effect::Update
        }
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        match recorded.f {
            "generate" | "next" => decoded(recorded, Generate, || {
                number(recorded, "`generate` to return an integer")
            }),
            _ => Err(unknown(recorded, "`generate` of an id")),
        }
    }
}
