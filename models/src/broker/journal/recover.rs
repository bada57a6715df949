//! What a segment means after a crash, as a function of its bytes.

use std::ops::Range;

use thiserror::Error;

use super::format::find_payload;
use crate::broker::streams::Record;
use crate::storage::{self, BadBytes, frame};

/// A segment of the journal that the broker must not start from.
pub type Damage = storage::Damage<Problem>;

/// What was expected of a file, and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error(transparent)]
    Bytes(#[from] BadBytes),
    #[error("expected records, found other bytes with a right checksum")]
    Undecodable,
    #[error("expected a snapshot in the first frame and nowhere else")]
    Snapshot,
}

/// What a segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recovered {
    pub(super) records: Vec<Record>,
    /// The last whole frame; what follows is torn.
    pub(super) last: Range<usize>,
    /// The length of the first frame.
    pub(super) snapshot_bytes: u64,
}

pub(super) fn recover(file: &str, generation: u64, bytes: &[u8]) -> Result<Recovered, Damage> {
    let damage = |offset: usize, problem| Damage {
        file: file.to_owned(),
        offset: offset as u64,
        problem,
    };
    let mut recovered = Recovered {
        records: Vec::new(),
        last: 0..0,
        snapshot_bytes: 0,
    };
    let mut offset = 0;
    while offset == 0 || offset < bytes.len() {
        let payload = match find_payload(generation, offset, bytes) {
            Ok(payload) => payload,
            Err(problem) if offset > 0 && !has_frame_behind(generation, offset, bytes) => {
                // The frame that was being written when the crash came.
                squall_sim::log!("cut off the journal at byte {offset}: {problem}");
                break;
            }
            // The first frame was durable before the segment had its name.
            Err(problem) => return Err(damage(offset, problem)),
        };
        let end = payload.end;
        let records: Vec<Record> = postcard::from_bytes(&bytes[payload])
            .map_err(|_| damage(offset, Problem::Undecodable))?;
        let is_snapshot = |record: &Record| matches!(record, Record::Snapshot(_));
        let snapshots = records.iter().filter(|it| is_snapshot(it)).count();
        if snapshots != usize::from(offset == 0) {
            return Err(damage(offset, Problem::Snapshot));
        }
        recovered.records.extend(records);
        recovered.last = offset..end;
        if offset == 0 {
            recovered.snapshot_bytes = end as u64;
        }
        offset = end;
    }
    Ok(recovered)
}

/// Nothing tells where the frame after a bad one begins, so every byte is tried.
fn has_frame_behind(generation: u64, offset: usize, bytes: &[u8]) -> bool {
    let end = bytes.len().saturating_sub(frame::HEADER_BYTES);
    (offset + 1..=end).any(|offset| find_payload(generation, offset, bytes).is_ok())
}
