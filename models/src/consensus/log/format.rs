//! The bytes of segments and snapshots. The [module above](super#the-files) has the tables.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use squall_sim::mutant;

use super::damage::Problem;
use crate::consensus::raft::{Entry, HardState, Index, NodeId, Ready, Snapshot, Term};

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
pub(super) const FRAME_HEADER_BYTES: usize = 12;
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
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// The header of the segment of this number.
    pub(super) fn decode(sequence: u64, bytes: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields(bytes.get(..SEGMENT_HEADER_BYTES).ok_or(Problem::Short {
            expected: SEGMENT_HEADER_BYTES as u64,
            found: bytes.len() as u64,
        })?);
        let checked = &bytes[..SEGMENT_HEADER_BYTES - 4];
        check_magic(SEGMENT_MAGIC, &mut fields)?;
        let version = fields.u32();
        let found_sequence = fields.u64();
        let next = Index(fields.u64());
        let term = Term(fields.u64());
        let voted_for = fields.u64();
        check_crc(fields.u32(), crc32fast::hash(checked))?;
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

/// The frame with this payload at this place: at no other place does it pass for one.
pub(super) fn encode_frame(sequence: u64, offset: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is shorter than 4 GiB");
    let payload_crc = crc32fast::hash(payload);
    let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
    bytes.extend(length.to_le_bytes());
    bytes.extend(payload_crc.to_le_bytes());
    bytes.extend(frame_header_crc(sequence, offset, length, payload_crc).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// Where in the segment the payload of the frame at `offset` lies.
pub(super) fn find_payload(
    sequence: u64,
    offset: usize,
    bytes: &[u8],
) -> Result<Range<usize>, Problem> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let mut fields = Fields(rest.get(..FRAME_HEADER_BYTES).ok_or(Problem::Short {
        expected: FRAME_HEADER_BYTES as u64,
        found: rest.len() as u64,
    })?);
    let (length, payload_crc) = (fields.u32(), fields.u32());
    let header_crc = frame_header_crc(sequence, offset as u64, length, payload_crc);
    check_crc(fields.u32(), header_crc)?;
    let start = offset + FRAME_HEADER_BYTES;
    let left = bytes.len() - start;
    if length as usize > left {
        return Err(Problem::Short {
            expected: u64::from(length),
            found: left as u64,
        });
    }
    let payload = start..start + length as usize;
    if !mutant!("log.checksum-not-checked") {
        check_crc(payload_crc, crc32fast::hash(&bytes[payload.clone()]))?;
    }
    Ok(payload)
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
    bytes.extend(snapshot_crc(&bytes, &payload).to_le_bytes());
    bytes.extend(payload);
    bytes
}

pub(super) fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, Problem> {
    let short = |expected: usize| Problem::Short {
        expected: expected as u64,
        found: bytes.len() as u64,
    };
    let (header, payload) = bytes
        .split_at_checked(SNAPSHOT_HEADER_BYTES)
        .ok_or_else(|| short(SNAPSHOT_HEADER_BYTES))?;
    let mut fields = Fields(header);
    check_magic(SNAPSHOT_MAGIC, &mut fields)?;
    let (version, length) = (fields.u32(), fields.u32());
    if payload.len() != length as usize {
        return Err(short(SNAPSHOT_HEADER_BYTES + length as usize));
    }
    check_crc(
        fields.u32(),
        snapshot_crc(&header[..SNAPSHOT_HEADER_BYTES - 4], payload),
    )?;
    check_version(version)?;
    match postcard::take_from_bytes(payload) {
        Ok((snapshot, [])) => Ok(snapshot),
        _ => Err(Problem::Undecodable),
    }
}

fn frame_header_crc(sequence: u64, offset: u64, length: u32, payload_crc: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(&payload_crc.to_le_bytes());
    hasher.finalize()
}

fn snapshot_crc(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

fn check_magic(expected: [u8; 8], fields: &mut Fields<'_>) -> Result<(), Problem> {
    let found = fields.take();
    if found == expected {
        Ok(())
    } else {
        Err(Problem::Magic { expected, found })
    }
}

fn check_crc(expected: u32, found: u32) -> Result<(), Problem> {
    if found == expected {
        Ok(())
    } else {
        Err(Problem::Checksum { expected, found })
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

/// Numbers, little-endian, taken from the front of enough bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (first, rest) = self
            .0
            .split_first_chunk()
            .expect("the header's length has been checked");
        self.0 = rest;
        *first
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
