//! The bytes of logs and checkpoints. The [module above](super) has the tables.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use squall_sim::mutant;

use super::damage::Problem;
use crate::kv::store::{Commit, Key, Value, Version};

const LOG_MAGIC: [u8; 8] = *b"SQUALWAL";
const CHECKPOINT_MAGIC: [u8; 8] = *b"SQUALCHK";
const FORMAT: u32 = 1;

pub(super) const LOG_HEADER_BYTES: usize = 32;
pub(super) const FRAME_HEADER_BYTES: usize = 12;
const CHECKPOINT_HEADER_BYTES: usize = 28;

/// What a checkpoint holds: all keys as of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub version: Version,
    pub entries: Vec<(Key, Value)>,
}

/// The header of the log that goes on from a version.
pub(super) fn encode_log_header(generation: u64, base: Version) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LOG_HEADER_BYTES);
    bytes.extend(LOG_MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend(generation.to_le_bytes());
    bytes.extend(base.to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The version that the log of this generation goes on from.
pub(super) fn decode_log_header(generation: u64, bytes: &[u8]) -> Result<Version, Problem> {
    let header = bytes.get(..LOG_HEADER_BYTES);
    let mut fields = Fields(header.ok_or_else(|| short(LOG_HEADER_BYTES, bytes.len()))?);
    let (magic, format) = (fields.take::<8>(), fields.u32());
    let (found, base) = (fields.u64(), fields.u64());
    let checked = &bytes[..LOG_HEADER_BYTES - 4];
    check_crc(fields.u32(), crc32fast::hash(checked))?;
    check_kind(LOG_MAGIC, magic, format)?;
    check_generation(generation, found)?;
    Ok(base)
}

/// The frame with this group at this place: at no other place does it pass for one.
pub(super) fn encode_frame(generation: u64, offset: u64, commits: &[Commit]) -> Vec<u8> {
    let mut bytes = postcard::to_extend(commits, vec![0; FRAME_HEADER_BYTES])
        .expect("commits have nothing that cannot be encoded");
    let payload = &bytes[FRAME_HEADER_BYTES..];
    let length = u32::try_from(payload.len()).expect("a group is shorter than 4 GiB");
    let payload_crc = crc32fast::hash(payload);
    let header_crc = frame_header_crc(generation, offset, length, payload_crc);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&payload_crc.to_le_bytes());
    bytes[8..12].copy_from_slice(&header_crc.to_le_bytes());
    bytes
}

/// Where the payload of the frame at `offset` lies.
pub(super) fn find_payload(
    generation: u64,
    offset: usize,
    bytes: &[u8],
) -> Result<Range<usize>, Problem> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let header = rest.get(..FRAME_HEADER_BYTES);
    let mut fields = Fields(header.ok_or_else(|| short(FRAME_HEADER_BYTES, rest.len()))?);
    let (length, payload_crc) = (fields.u32(), fields.u32());
    let header_crc = frame_header_crc(generation, offset as u64, length, payload_crc);
    check_crc(fields.u32(), header_crc)?;
    let start = offset + FRAME_HEADER_BYTES;
    let end = start.saturating_add(length as usize);
    let payload = bytes.get(start..end);
    let payload = payload.ok_or_else(|| short(length as usize, bytes.len() - start))?;
    if !mutant!("kv.checksum-not-checked") {
        check_crc(payload_crc, crc32fast::hash(payload))?;
    }
    Ok(start..end)
}

/// The group that a payload holds whose checksum was right.
pub(super) fn decode_group(payload: &[u8]) -> Result<Vec<Commit>, Problem> {
    match postcard::take_from_bytes(payload) {
        Ok((commits, [])) => Ok(commits),
        _ => Err(Problem::Undecodable),
    }
}

pub(super) fn encode_checkpoint(generation: u64, checkpoint: &Checkpoint) -> Vec<u8> {
    let payload =
        postcard::to_allocvec(checkpoint).expect("a checkpoint has nothing that cannot be encoded");
    let mut bytes = Vec::with_capacity(CHECKPOINT_HEADER_BYTES + payload.len());
    bytes.extend(CHECKPOINT_MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend(generation.to_le_bytes());
    let length = u32::try_from(payload.len()).expect("a checkpoint is shorter than 4 GiB");
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc_of(&[&bytes, &payload]).to_le_bytes());
    bytes.extend(payload);
    bytes
}

pub(super) fn decode_checkpoint(generation: u64, bytes: &[u8]) -> Result<Checkpoint, Problem> {
    let (header, payload) = bytes
        .split_at_checked(CHECKPOINT_HEADER_BYTES)
        .ok_or_else(|| short(CHECKPOINT_HEADER_BYTES, bytes.len()))?;
    let mut fields = Fields(header);
    let (magic, format, found) = (fields.take::<8>(), fields.u32(), fields.u64());
    let length = fields.u32() as usize;
    if payload.len() != length {
        return Err(short(CHECKPOINT_HEADER_BYTES + length, bytes.len()));
    }
    let checked = &header[..CHECKPOINT_HEADER_BYTES - 4];
    check_crc(fields.u32(), crc_of(&[checked, payload]))?;
    check_kind(CHECKPOINT_MAGIC, magic, format)?;
    check_generation(generation, found)?;
    match postcard::take_from_bytes(payload) {
        Ok((checkpoint, [])) => Ok(checkpoint),
        _ => Err(Problem::Undecodable),
    }
}

fn frame_header_crc(generation: u64, offset: u64, length: u32, payload_crc: u32) -> u32 {
    crc_of(&[
        &generation.to_le_bytes(),
        &offset.to_le_bytes(),
        &length.to_le_bytes(),
        &payload_crc.to_le_bytes(),
    ])
}

fn crc_of(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

fn short(expected: usize, found: usize) -> Problem {
    Problem::Short {
        expected: expected as u64,
        found: found as u64,
    }
}

fn check_kind(expected: [u8; 8], found: [u8; 8], format: u32) -> Result<(), Problem> {
    if found != expected {
        return Err(Problem::Magic);
    }
    match format {
        FORMAT => Ok(()),
        found => Err(Problem::Format {
            expected: FORMAT,
            found,
        }),
    }
}

fn check_generation(expected: u64, found: u64) -> Result<(), Problem> {
    match found == expected {
        true => Ok(()),
        false => Err(Problem::OtherGeneration { expected, found }),
    }
}

fn check_crc(expected: u32, found: u32) -> Result<(), Problem> {
    match found == expected {
        true => Ok(()),
        false => Err(Problem::Checksum { expected, found }),
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
