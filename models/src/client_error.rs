//! What a client knows when it has no answer.

use thiserror::Error;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// It certainly has not happened, and will not.
    #[error("not done: {0}")]
    NotDone(String),
    /// It may have happened, or may yet.
    #[error("nobody knows: {0}")]
    Indeterminate(String),
}

impl ClientError {
    /// What follows from whether a request may have had its effect.
    pub(crate) fn of(may_have_happened: bool, why: impl Into<String>) -> Self {
        match may_have_happened {
            true => Self::Indeterminate(why.into()),
            false => Self::NotDone(why.into()),
        }
    }
}
