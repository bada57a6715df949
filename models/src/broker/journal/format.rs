//! The bytes of a frame. The [module above](super) has the table.

use std::ops::Range;

use squall_sim::mutant;

use super::recover::Problem;
use crate::broker::streams::Record;

pub(super) const HEADER_BYTES: usize = 12;

/// The frame with these records at this place.
pub(super) fn encode_frame(generation: u64, offset: u64, records: &[Record]) -> Vec<u8> {
    let mut frame = postcard::to_extend(records, vec![0; HEADER_BYTES])
        .expect("records have nothing that cannot be encoded");
    let payload = &frame[HEADER_BYTES..];
    let length = u32::try_from(payload.len()).expect("streams are bounded far below 4 GiB");
    let payload_crc = crc32fast::hash(payload);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..8].copy_from_slice(&payload_crc.to_le_bytes());
    frame[8..HEADER_BYTES]
        .copy_from_slice(&header_crc(generation, offset, length, payload_crc).to_le_bytes());
    frame
}

/// Where the payload of the frame at this offset is.
pub(super) fn find_payload(
    generation: u64,
    offset: usize,
    bytes: &[u8],
) -> Result<Range<usize>, Problem> {
    let short = |expected: usize| Problem::Short {
        expected: expected as u64,
        found: bytes.len() as u64,
    };
    let start = offset + HEADER_BYTES;
    let header = bytes.get(offset..start).ok_or_else(|| short(start))?;
    let word = |at: usize| {
        let mut word = [0; 4];
        word.copy_from_slice(&header[at..at + 4]);
        u32::from_le_bytes(word)
    };
    let (length, payload_crc) = (word(0), word(4));
    let expected = word(8);
    let found = header_crc(generation, offset as u64, length, payload_crc);
    if expected != found {
        return Err(Problem::Checksum { expected, found });
    }
    let end = start.saturating_add(length as usize);
    let payload = bytes.get(start..end).ok_or_else(|| short(end))?;
    let found = crc32fast::hash(payload);
    if payload_crc != found && !mutant!("broker.checksum-not-checked") {
        return Err(Problem::Checksum {
            expected: payload_crc,
            found,
        });
    }
    Ok(start..end)
}

fn header_crc(generation: u64, offset: u64, length: u32, payload_crc: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&generation.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(&payload_crc.to_le_bytes());
    hasher.finalize()
}
