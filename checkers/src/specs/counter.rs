//! A counter: it is added to and read, exactly.

use super::decoding::{count, decoded, number, unknown};
use crate::history;
use crate::spec::{DecodeError, DecodedBy, Effect, Reason, Spec};

/// One number. With a key on its operations: one per key.
///
/// - `add` is invoked with what is added, `increment` and `decrement` with how much, nil for one.
/// - `add-and-get` and `fetch-add` are invoked with what is added, nil for one, and return the number
///   after that and before that.
/// - `read` returns the number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter {
    pub initial: i64,
}

/// What is done to a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterOperation {
    Add(i64),
    Read,
}

/// What a counter answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterReturn {
    Done,
    /// What the number was before the operation.
    Was(i64),
}

impl Spec for Counter {
    type State = i64;
    type Operation = CounterOperation;
    type Return = CounterReturn;

    fn initial(&self) -> i64 {
        self.initial
    }

    fn step(
        &self,
        &state: &i64,
        operation: &CounterOperation,
        returned: Option<&CounterReturn>,
    ) -> Result<i64, Reason> {
        match returned {
            Some(&CounterReturn::Was(was)) if was != state => {
                return Err(format!("the counter is {state}, but was found at {was}").into());
            }
            _ => {}
        }
        match *operation {
            CounterOperation::Read => Ok(state),
            CounterOperation::Add(delta) => state.checked_add(delta).ok_or_else(|| {
                format!("the counter is {state}, and cannot grow by {delta}").into()
            }),
        }
    }

    fn effect(&self, operation: &CounterOperation, _returned: Option<&CounterReturn>) -> Effect {
        match operation {
            CounterOperation::Read | CounterOperation::Add(0) => Effect::ReadOnly,
            CounterOperation::Add(_) => Effect::Update,
        }
    }

    fn only_state(
        &self,
        _operation: &CounterOperation,
        returned: Option<&CounterReturn>,
    ) -> Option<i64> {
        match returned {
            Some(&CounterReturn::Was(was)) => Some(was),
            Some(CounterReturn::Done) | None => None,
        }
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        let expected =
            "`add`, `increment`, `decrement`, `add-and-get`, `fetch-add` of an integer, or `read`";
        let returned = || number(recorded, "an integer in return");
        let is_add = |f| matches!(f, "add" | "increment" | "add-and-get" | "fetch-add");
        let delta = match recorded.f {
            "read" => {
                let was = || Ok(CounterReturn::Was(returned()?));
                return decoded(recorded, CounterOperation::Read, was);
            }
            "decrement" => count(recorded, 1, expected)?.checked_neg(),
            f if is_add(f) => Some(count(recorded, 1, expected)?),
            _ => return Err(unknown(recorded, expected)),
        };
        let delta = delta.ok_or_else(|| super::decoding::misfit(recorded, expected))?;
        decoded(recorded, CounterOperation::Add(delta), || {
            Ok(match recorded.f {
                "fetch-add" => CounterReturn::Was(returned()?),
                "add-and-get" => {
                    // A sum that no number gives is not the answer of any counter.
                    let was = returned()?.checked_sub(delta);
                    CounterReturn::Was(was.ok_or_else(|| {
                        super::decoding::misfit_answer(recorded, "a sum of two integers")
                    })?)
                }
                _ => CounterReturn::Done,
            })
        })
    }
}
