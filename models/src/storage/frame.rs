//! What one fsync makes durable: a payload behind a header that binds it to its place.
//!
//! | bytes | of a frame |
//! |---|---|
//! | 0..4 | length of the payload, in bytes |
//! | 4..8 | checksum of the payload |
//! | 8..12 | checksum of: the file's number (u64), the frame's offset in the file (u64), bytes 0..8 |
//! | 12.. | payload |

use std::ops::Range;

use super::checked::{BadBytes, check_checksum, checksum};
use super::fields::Fields;

pub(crate) const HEADER_BYTES: usize = 12;

/// Makes a frame of a payload that has room for the header before it. At another place, or in another file,
/// it does not pass for one.
pub(crate) fn seal(number: u64, offset: u64, frame: &mut [u8]) {
    let (header, payload) = frame.split_at_mut(HEADER_BYTES);
    let length = u32::try_from(payload.len()).expect("a payload is shorter than 4 GiB");
    let payload_checksum = checksum(&[payload]);
    let header_checksum = header_checksum(number, offset, length, payload_checksum);
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..8].copy_from_slice(&payload_checksum.to_le_bytes());
    header[8..].copy_from_slice(&header_checksum.to_le_bytes());
}

/// A frame with a right header.
pub(crate) struct Frame {
    /// Where in the file its payload lies.
    pub(crate) payload: Range<usize>,
    payload_checksum: u32,
}

impl Frame {
    /// The frame at `offset` in a file of these bytes.
    pub(crate) fn find(number: u64, offset: usize, bytes: &[u8]) -> Result<Self, BadBytes> {
        let rest = bytes.get(offset..).unwrap_or_default();
        let (header, behind) = rest
            .split_at_checked(HEADER_BYTES)
            .ok_or_else(|| BadBytes::short(HEADER_BYTES, rest.len()))?;
        let mut fields = Fields(header);
        let (length, payload_checksum) = (fields.u32(), fields.u32());
        let found = header_checksum(number, offset as u64, length, payload_checksum);
        check_checksum(fields.u32(), found)?;
        if length as usize > behind.len() {
            return Err(BadBytes::short(length as usize, behind.len()));
        }
        let start = offset + HEADER_BYTES;
        Ok(Self {
            payload: start..start + length as usize,
            payload_checksum,
        })
    }

    /// Whether the payload, in the same bytes, is what was written.
    pub(crate) fn check_payload(&self, bytes: &[u8]) -> Result<(), BadBytes> {
        check_checksum(
            self.payload_checksum,
            checksum(&[&bytes[self.payload.clone()]]),
        )
    }
}

fn header_checksum(number: u64, offset: u64, length: u32, payload_checksum: u32) -> u32 {
    checksum(&[
        &number.to_le_bytes(),
        &offset.to_le_bytes(),
        &length.to_le_bytes(),
        &payload_checksum.to_le_bytes(),
    ])
}
