//! What is wrong with files that no crash can leave behind.

use std::fmt;

use thiserror::Error;

use crate::consensus::raft::{HardState, Index};
use crate::storage::{self, BadBytes};

/// A file of the log that the node must not start from. What to do is to restore it, or to replace the
/// node by a new one of another name, which the others bring up to date.
pub type Damage = storage::Damage<Problem>;

/// What was expected of a file, and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error(transparent)]
    Bytes(#[from] BadBytes),
    #[error(
        "expected {} at the beginning, found {}",
        Ascii(expected),
        Ascii(found)
    )]
    Magic { expected: [u8; 8], found: [u8; 8] },
    #[error("expected version {expected} of the format, found {found}")]
    Version { expected: u32, found: u32 },
    #[error("expected an encoded value, found other bytes with a right checksum")]
    Undecodable,
    #[error("expected segment {expected}, found segment {found}")]
    OtherSegment { expected: u64, found: u64 },
    #[error(
        "expected a change to a log that goes on at entry {}, found one at entry {}",
        expected.0, found.0
    )]
    NotContiguous { expected: Index, found: Index },
    #[error(
        "expected to go on from {expected:?}, found {found:?}: the end of the segment before is \
         lost"
    )]
    OtherHardState {
        expected: HardState,
        found: HardState,
    },
    #[error(
        "expected a log without gaps from entry {} on, where the snapshot ends, found one from \
         entry {} on",
        snapshot.0, first.0
    )]
    Gap { first: Index, snapshot: Index },
    #[error("expected a log that has the node's term and vote, found none")]
    HardStateLost,
    #[error(
        "expected the snapshot up to entry {}, found the one up to entry {}",
        expected.0, found.0
    )]
    OtherSnapshot { expected: Index, found: Index },
}

struct Ascii<'a>(&'a [u8]);

impl fmt::Display for Ascii<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
