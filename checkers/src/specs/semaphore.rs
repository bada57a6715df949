//! A semaphore: `acquire` and `release` of permits.

use super::decoding::{count, decoded, misfit, unknown};
use crate::history::{self, ValueRef};
use crate::spec::{DecodeError, DecodedBy, Effect, Reason, Spec};

/// So many permits. `acquire` and `release` are invoked with how many they take and give back, nil for
/// one. `acquire` needs them to be there; it may return false where they are not. `release` never gives
/// back more than were taken, whoever took them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semaphore {
    pub permits: u32,
}

impl Default for Semaphore {
    fn default() -> Self {
        Self { permits: 1 }
    }
}

/// What is done to a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SemaphoreOperation {
    Acquire(u32),
    Release(u32),
}

/// What a semaphore answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SemaphoreReturn {
    Done,
    /// To an acquire: there are too few permits left.
    Exhausted,
}

impl Spec for Semaphore {
    /// How many permits are left.
    type State = u32;
    type Operation = SemaphoreOperation;
    type Return = SemaphoreReturn;

    fn initial(&self) -> u32 {
        self.permits
    }

    fn step(
        &self,
        &left: &u32,
        operation: &SemaphoreOperation,
        returned: Option<&SemaphoreReturn>,
    ) -> Result<u32, Reason> {
        match (*operation, returned) {
            (SemaphoreOperation::Acquire(count), Some(SemaphoreReturn::Exhausted)) => {
                if left < count {
                    return Ok(left);
                }
                Err(
                    format!("{left} permits are left, but the acquire of {count} found too few")
                        .into(),
                )
            }
            (SemaphoreOperation::Acquire(count), _) => left.checked_sub(count).ok_or_else(|| {
                format!("{left} permits are left, but {count} were acquired").into()
            }),
            (SemaphoreOperation::Release(count), _) => left
                .checked_add(count)
                .filter(|&left| left <= self.permits)
                .ok_or_else(|| {
                    let all = self.permits;
                    format!("{left} of {all} permits are left, but {count} more were released")
                        .into()
                }),
        }
    }

    fn effect(
        &self,
        _operation: &SemaphoreOperation,
        returned: Option<&SemaphoreReturn>,
    ) -> Effect {
        match returned {
            Some(SemaphoreReturn::Exhausted) => Effect::ReadOnly,
            _ => Effect::Update,
        }
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        let expected = "`acquire` or `release` of a number of permits";
        let permits = count(recorded, 1, expected)?;
        let permits = u32::try_from(permits).map_err(|_| misfit(recorded, expected))?;
        let operation = match recorded.f {
            "acquire" => SemaphoreOperation::Acquire(permits),
            "release" => SemaphoreOperation::Release(permits),
            _ => return Err(unknown(recorded, expected)),
        };
        decoded(recorded, operation, || {
            let is_refused = recorded.output == ValueRef::Bool(false);
            Ok(match operation {
                SemaphoreOperation::Acquire(_) if is_refused => SemaphoreReturn::Exhausted,
                _ => SemaphoreReturn::Done,
            })
        })
    }
}
