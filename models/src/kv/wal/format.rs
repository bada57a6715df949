//! The bytes of logs and checkpoints. The [module above](super) has the tables.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use squall_sim::mutant;

use super::damage::Problem;
use crate::kv::store::{Commit, Key, Value, Version};
use crate::storage::BadBytes;
use crate::storage::checked::{check_checksum, checksum};
use crate::storage::fields::Fields;
use crate::storage::frame::{self, Frame};

const LOG_MAGIC: [u8; 8] = *b"SQUALWAL";
const CHECKPOINT_MAGIC: [u8; 8] = *b"SQUALCHK";
const FORMAT: u32 = 1;

pub(super) const LOG_HEADER_BYTES: usize = 32;
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
    bytes.extend(checksum(&[&bytes]).to_le_bytes());
    bytes
}

/// The version that the log of this generation goes on from.
pub(super) fn decode_log_header(generation: u64, bytes: &[u8]) -> Result<Version, Problem> {
    let header = bytes.get(..LOG_HEADER_BYTES);
    let header = header.ok_or_else(|| BadBytes::short(LOG_HEADER_BYTES, bytes.len()))?;
    let mut fields = Fields(header);
    let (magic, format) = (fields.take::<8>(), fields.u32());
    let (found, base) = (fields.u64(), fields.u64());
    let checked = &header[..LOG_HEADER_BYTES - 4];
    check_checksum(fields.u32(), checksum(&[checked]))?;
    check_kind(LOG_MAGIC, magic, format)?;
    check_generation(generation, found)?;
    Ok(base)
}

/// The frame with this group at this place.
pub(super) fn encode_frame(generation: u64, offset: u64, commits: &[Commit]) -> Vec<u8> {
    let mut bytes = postcard::to_extend(commits, vec![0; frame::HEADER_BYTES])
        .expect("commits have nothing that cannot be encoded");
    frame::seal(generation, offset, &mut bytes);
    bytes
}

/// Where the payload of the frame at `offset` lies.
pub(super) fn find_payload(
    generation: u64,
    offset: usize,
    bytes: &[u8],
) -> Result<Range<usize>, Problem> {
    let frame = Frame::find(generation, offset, bytes)?;
    if !mutant!("kv.checksum-not-checked") {
        frame.check_payload(bytes)?;
    }
    Ok(frame.payload)
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
    bytes.extend(checksum(&[&bytes, &payload]).to_le_bytes());
    bytes.extend(payload);
    bytes
}

pub(super) fn decode_checkpoint(generation: u64, bytes: &[u8]) -> Result<Checkpoint, Problem> {
    let (header, payload) = bytes
        .split_at_checked(CHECKPOINT_HEADER_BYTES)
        .ok_or_else(|| BadBytes::short(CHECKPOINT_HEADER_BYTES, bytes.len()))?;
    let mut fields = Fields(header);
    let (magic, format, found) = (fields.take::<8>(), fields.u32(), fields.u64());
    let length = fields.u32() as usize;
    if payload.len() != length {
        return Err(BadBytes::short(CHECKPOINT_HEADER_BYTES + length, bytes.len()).into());
    }
    let checked = &header[..CHECKPOINT_HEADER_BYTES - 4];
    check_checksum(fields.u32(), checksum(&[checked, payload]))?;
    check_kind(CHECKPOINT_MAGIC, magic, format)?;
    check_generation(generation, found)?;
    match postcard::take_from_bytes(payload) {
        Ok((checkpoint, [])) => Ok(checkpoint),
        _ => Err(Problem::Undecodable),
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
