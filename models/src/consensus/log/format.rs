//! The bytes of segments and snapshots. The [module above](super#the-files) has the tables.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use squall_sim::mutant;

use super::damage::Problem;
use crate::consensus::raft::{Entry, HardState, Index, NodeId, Ready, Snapshot, Term};
use crate::storage::BadBytes;
use crate::storage::checked::{check_checksum, checksum};
use crate::storage::fields::Fields;
use crate::storage::frame::{self, Frame};

/// What one frame does to the log, in the order of the fields: the first step of the driver's
/// contract, but for the snapshot, which has a file of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change<'a> {
    pub(super) hard_state: Option<HardState>,
    /// All entries are gone, and the log goes on at this index: a snapshot stands for what was before.
    pub(super) restart_at: Option<Index>,
    /// Entries from here on are gone.
    pub(super) truncate_from: Option<Index>,
    pub(super) entries: Cow<'a, [Entry]>,
}

impl<'a> Change<'a> {
    /// All that a `Ready` asks for, except for its snapshot.
    pub(super) fn of(ready: &'a Ready) -> Self {
        Self {
            hard_state: ready.hard_state,
            restart_at: None,
            truncate_from: ready.truncate_from,
            entries: Cow::Borrowed(&ready.entries),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a change has nothing that cannot be encoded")
    }
}

/// What a segment begins with: the state of the log that its first frame changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) sequence: u64,
    /// The index that the next entry would have had.
    pub(super) next: Index,
    pub(super) hard_state: HardState,
}

pub(super) const SEGMENT_HEADER_BYTES: usize = 48;
pub(super) const SNAPSHOT_HEADER_BYTES: usize = 20;

const SEGMENT_MAGIC: [u8; 8] = *b"SQUALLOG";
const SNAPSHOT_MAGIC: [u8; 8] = *b"SQUALSNP";
const VERSION: u32 = 1;

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let voted_for = self
            .hard_state
            .voted_for
            .map_or(0, |node| u64::from(node.0) + 1);
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend(SEGMENT_MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.next.0.to_le_bytes());
        bytes.extend(self.hard_state.term.0.to_le_bytes());
        bytes.extend(voted_for.to_le_bytes());
        bytes.extend(checksum(&[&bytes]).to_le_bytes());
        bytes
    }

    /// The header of the segment of this number.
    pub(super) fn decode(sequence: u64, bytes: &[u8]) -> Result<Self, Problem> {
        let header = bytes.get(..SEGMENT_HEADER_BYTES);
        let header = header.ok_or_else(|| BadBytes::short(SEGMENT_HEADER_BYTES, bytes.len()))?;
        let mut fields = Fields(header);
        let checked = &header[..SEGMENT_HEADER_BYTES - 4];
        check_magic(SEGMENT_MAGIC, &mut fields)?;
        let version = fields.u32();
        let found_sequence = fields.u64();
        let next = Index(fields.u64());
        let term = Term(fields.u64());
        let voted_for = fields.u64();
        check_checksum(fields.u32(), checksum(&[checked]))?;
        check_version(version)?;
        if found_sequence != sequence {
            return Err(Problem::OtherSegment {
                expected: sequence,
                found: found_sequence,
            });
        }
        let voted_for = match voted_for {
            0 => None,
            number => Some(NodeId(
                u32::try_from(number - 1).map_err(|_| Problem::Undecodable)?,
            )),
        };
        Ok(Self {
            sequence,
            next,
            hard_state: HardState { term, voted_for },
        })
    }
}

/// The frame with this payload at this place.
pub(super) fn encode_frame(sequence: u64, offset: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(frame::HEADER_BYTES + payload.len());
    bytes.extend([0; frame::HEADER_BYTES]);
    bytes.extend(payload);
    frame::seal(sequence, offset, &mut bytes);
    bytes
}

/// Where in the segment the payload of the frame at `offset` lies.
pub(super) fn find_payload(
    sequence: u64,
    offset: usize,
    bytes: &[u8],
) -> Result<Range<usize>, Problem> {
    let frame = Frame::find(sequence, offset, bytes)?;
    if !mutant!("log.checksum-not-checked") {
        frame.check_payload(bytes)?;
    }
    Ok(frame.payload)
}

/// What a payload says whose checksum was right: nothing but a frame of another program fails here.
pub(super) fn decode_change(payload: &[u8]) -> Result<Change<'static>, Problem> {
    match postcard::take_from_bytes(payload) {
        Ok((change, [])) => Ok(change),
        _ => Err(Problem::Undecodable),
    }
}

pub(super) fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let payload =
        postcard::to_allocvec(snapshot).expect("a snapshot has nothing that cannot be encoded");
    let length = u32::try_from(payload.len()).expect("a snapshot is shorter than 4 GiB");
    let mut bytes = Vec::with_capacity(SNAPSHOT_HEADER_BYTES + payload.len());
    bytes.extend(SNAPSHOT_MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(checksum(&[&bytes, &payload]).to_le_bytes());
    bytes.extend(payload);
    bytes
}

pub(super) fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, Problem> {
    let short = |expected| BadBytes::short(expected, bytes.len());
    let (header, payload) = bytes
        .split_at_checked(SNAPSHOT_HEADER_BYTES)
        .ok_or_else(|| short(SNAPSHOT_HEADER_BYTES))?;
    let mut fields = Fields(header);
    check_magic(SNAPSHOT_MAGIC, &mut fields)?;
    let (version, length) = (fields.u32(), fields.u32());
    if payload.len() != length as usize {
        return Err(short(SNAPSHOT_HEADER_BYTES + length as usize).into());
    }
    let checked = &header[..SNAPSHOT_HEADER_BYTES - 4];
    check_checksum(fields.u32(), checksum(&[checked, payload]))?;
    check_version(version)?;
    match postcard::take_from_bytes(payload) {
        Ok((snapshot, [])) => Ok(snapshot),
        _ => Err(Problem::Undecodable),
    }
}

fn check_magic(expected: [u8; 8], fields: &mut Fields<'_>) -> Result<(), Problem> {
    let found = fields.take();
    if found == expected {
        Ok(())
    } else {
        Err(Problem::Magic { expected, found })
    }
}

fn check_version(found: u32) -> Result<(), Problem> {
    if found == VERSION {
        Ok(())
    } else {
        Err(Problem::Version {
            expected: VERSION,
            found,
        })
    }
}
