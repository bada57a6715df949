//! What is wrong with files that no crash can leave behind.

use thiserror::Error;

use crate::kv::store::Version;
use crate::storage::{self, BadBytes};

/// A file of the store that it must not start from. What to do is to restore the directory from a
/// backup, or to begin an empty one and know what that means.
pub type Damage = storage::Damage<Problem>;

/// What was expected of a file, and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error(transparent)]
    Bytes(#[from] BadBytes),
    #[error("the file does not begin as one of its kind")]
    Magic,
    #[error("expected version {expected} of the format, found {found}")]
    Format { expected: u32, found: u32 },
    #[error("expected an encoded value, found other bytes with a right checksum")]
    Undecodable,
    #[error("expected the file of generation {expected}, found that of generation {found}")]
    OtherGeneration { expected: u64, found: u64 },
    #[error("expected to go on from commit {expected}, found commit {found}")]
    NotContiguous { expected: Version, found: Version },
    #[error("expected the file, found none")]
    Missing,
    #[error("expected the checkpoint that this log goes on from, found none")]
    CheckpointLost,
}
