//! Locks: a mutex that anybody may release, and a lock with an owner, tokens and leases.

use super::decoding::{decoded, misfit, misfit_answer, unknown};
use crate::history::{self, ValueRef};
use crate::spec::{DecodeError, Decoded, DecodedBy, Effect, Reason, Spec};
use std::fmt;

/// What is done to a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockOperation {
    Acquire {
        process: u64,
    },
    Release {
        process: u64,
    },
    /// A lease that ran out ends: that with the token, or whosever it was.
    Expire {
        token: Option<i64>,
    },
}

/// What a lock answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockReturn {
    Done,
    /// To an acquire: the fencing token.
    Token(i64),
    /// To an acquire: somebody holds it.
    Busy,
}

/// A lock without owner: `acquire` needs it to be free, `release` needs it to be held, whoever asks.
/// That is Knossos' mutex. `acquire` may return false: it found the lock held. `expire` as for [`Lock`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutex;

/// Whether a mutex is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MutexState {
    #[default]
    Free,
    Held,
}

impl fmt::Display for MutexState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Free => "free",
            Self::Held => "held",
        })
    }
}

impl Spec for Mutex {
    type State = MutexState;
    type Operation = LockOperation;
    type Return = LockReturn;

    fn initial(&self) -> MutexState {
        MutexState::Free
    }

    fn step(
        &self,
        state: &MutexState,
        operation: &LockOperation,
        returned: Option<&LockReturn>,
    ) -> Result<MutexState, Reason> {
        match (operation, returned, state) {
            (LockOperation::Acquire { .. }, Some(LockReturn::Busy), MutexState::Held) => {
                Ok(MutexState::Held)
            }
            (LockOperation::Acquire { .. }, Some(LockReturn::Busy), MutexState::Free) => {
                Err("the mutex is free, but the acquire found it held".into())
            }
            (LockOperation::Acquire { .. }, _, MutexState::Free) => Ok(MutexState::Held),
            (LockOperation::Acquire { .. }, _, MutexState::Held) => {
                Err("the mutex is held, but was acquired".into())
            }
            (LockOperation::Release { .. }, _, MutexState::Held) => Ok(MutexState::Free),
            (LockOperation::Release { .. }, _, MutexState::Free) => {
                Err("the mutex is free, but was released".into())
            }
            (LockOperation::Expire { .. }, ..) => Ok(MutexState::Free),
        }
    }

    fn effect(&self, operation: &LockOperation, returned: Option<&LockReturn>) -> Effect {
        effect(operation, returned)
    }

    fn only_state(
        &self,
        operation: &LockOperation,
        returned: Option<&LockReturn>,
    ) -> Option<MutexState> {
        match (operation, returned) {
            (LockOperation::Acquire { .. }, Some(LockReturn::Busy))
            | (LockOperation::Release { .. }, _) => Some(MutexState::Held),
            (LockOperation::Acquire { .. }, _) => Some(MutexState::Free),
            (LockOperation::Expire { .. }, _) => None,
        }
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        // Whoever asks is the same to a mutex, and so is what it got.
        let operation = match operation(recorded)? {
            LockOperation::Acquire { .. } => LockOperation::Acquire { process: 0 },
            LockOperation::Release { .. } => LockOperation::Release { process: 0 },
            LockOperation::Expire { .. } => LockOperation::Expire { token: None },
        };
        let decoded = decoded(recorded, operation, || {
            Ok(match answer(operation, recorded)? {
                LockReturn::Token(_) => LockReturn::Done,
                answer => answer,
            })
        })?;
        Ok(leave_open(operation, decoded))
    }
}

/// A lock that the process which acquired it holds until that process releases it, or until its lease
/// runs out.
///
/// - `acquire` needs the lock to be free. It may return a fencing token, an integer greater than any
///   that was returned before (Kleppmann, "How to do distributed locking", 2016), or false: it
///   found the lock held.
/// - `release` by a process that does not hold the lock is illegal.
/// - `expire` says that a lease may end at any time from its invocation on, whatever its outcome but
///   `fail`: record it when the time of the lease has passed. It is invoked with the token of that
///   lease, or with nil for whatever is held.
///
/// An uncertain acquire has an unknown token: nothing more is demanded of later ones for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lock;

/// Who holds a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LockState {
    holder: Option<Holder>,
    /// The greatest token that was returned.
    token_max: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Holder {
    process: u64,
    /// Its token, if it has one that is known.
    token: Option<i64>,
}

impl fmt::Display for LockState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.holder {
            None => formatter.write_str("free")?,
            Some(Holder { process, .. }) => write!(formatter, "held by process {process}")?,
        }
        match self.token_max {
            None => Ok(()),
            Some(token) => write!(formatter, ", last token {token}"),
        }
    }
}

impl LockState {
    fn acquired(self, process: u64, token: Option<i64>) -> Result<Self, Reason> {
        if self.holder.is_some() {
            return Err(format!("the lock is {self}, but process {process} acquired it").into());
        }
        if token.is_some() && token <= self.token_max {
            let token = token.unwrap_or_default();
            return Err(format!("the lock is {self}, but the next token was {token}").into());
        }
        Ok(Self {
            holder: Some(Holder { process, token }),
            token_max: token.max(self.token_max),
        })
    }

    fn released(self, process: u64) -> Result<Self, Reason> {
        match self.holder {
            Some(holder) if holder.process == process => Ok(self.freed()),
            _ => Err(format!("the lock is {self}, but process {process} released it").into()),
        }
    }

    fn expired(self, token: Option<i64>) -> Self {
        match self.holder {
            // A lease whose token nobody saw may be the one.
            Some(holder)
                if holder.token.is_none() || token.is_none_or(|_| holder.token == token) =>
            {
                self.freed()
            }
            _ => self,
        }
    }

    fn freed(self) -> Self {
        Self {
            holder: None,
            ..self
        }
    }
}

impl Spec for Lock {
    type State = LockState;
    type Operation = LockOperation;
    type Return = LockReturn;

    fn initial(&self) -> LockState {
        LockState::default()
    }

    fn step(
        &self,
        state: &LockState,
        operation: &LockOperation,
        returned: Option<&LockReturn>,
    ) -> Result<LockState, Reason> {
        match (*operation, returned) {
            (LockOperation::Acquire { .. }, Some(LockReturn::Busy)) if state.holder.is_some() => {
                Ok(*state)
            }
            (LockOperation::Acquire { .. }, Some(LockReturn::Busy)) => {
                Err(format!("the lock is {state}, but the acquire found it held").into())
            }
            (LockOperation::Acquire { process }, Some(&LockReturn::Token(token))) => {
                state.acquired(process, Some(token))
            }
            (LockOperation::Acquire { process }, _) => state.acquired(process, None),
            (LockOperation::Release { process }, _) => state.released(process),
            (LockOperation::Expire { token }, _) => Ok(state.expired(token)),
        }
    }

    fn effect(&self, operation: &LockOperation, returned: Option<&LockReturn>) -> Effect {
        effect(operation, returned)
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        let operation = operation(recorded)?;
        let decoded = decoded(recorded, operation, || answer(operation, recorded))?;
        Ok(leave_open(operation, decoded))
    }
}

/// A lease that ran out may end, or not.
fn leave_open(
    operation: LockOperation,
    decoded: Decoded<LockOperation, LockReturn>,
) -> Decoded<LockOperation, LockReturn> {
    match (operation, decoded) {
        (LockOperation::Expire { .. }, Decoded::Returned(..)) => Decoded::Uncertain(operation),
        (_, decoded) => decoded,
    }
}

fn effect(operation: &LockOperation, returned: Option<&LockReturn>) -> Effect {
    match (operation, returned) {
        (LockOperation::Acquire { .. }, Some(LockReturn::Busy)) => Effect::ReadOnly,
        _ => Effect::Update,
    }
}

fn operation(recorded: &history::Operation<'_>) -> Result<LockOperation, DecodeError> {
    let process = recorded.process;
    match recorded.f {
        "acquire" | "lock" => Ok(LockOperation::Acquire { process }),
        "release" | "unlock" => Ok(LockOperation::Release { process }),
        "expire" => match recorded.input {
            ValueRef::Nil => Ok(LockOperation::Expire { token: None }),
            ValueRef::Int(token) => Ok(LockOperation::Expire { token: Some(token) }),
            _ => Err(misfit(recorded, "`expire` of a token or nil")),
        },
        _ => Err(unknown(
            recorded,
            "`acquire`, `release` or `expire` of a lock",
        )),
    }
}

fn answer(
    operation: LockOperation,
    recorded: &history::Operation<'_>,
) -> Result<LockReturn, DecodeError> {
    match (operation, recorded.output) {
        (LockOperation::Acquire { .. }, ValueRef::Bool(false)) => Ok(LockReturn::Busy),
        (LockOperation::Acquire { .. }, ValueRef::Int(token)) => Ok(LockReturn::Token(token)),
        (LockOperation::Acquire { .. }, ValueRef::Nil | ValueRef::Bool(true)) => {
            Ok(LockReturn::Done)
        }
        // Jepsen repeats what the operation was invoked with.
        (LockOperation::Acquire { .. }, output) if output != recorded.input => Err(misfit_answer(
            recorded,
            "`acquire` to return a token, a boolean or nil",
        )),
        _ => Ok(LockReturn::Done),
    }
}
