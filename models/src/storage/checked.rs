//! Bytes and their checksums, which are the CRC-32 (IEEE).

use thiserror::Error;

/// Too few bytes, or bytes with another checksum than they should have: what a crash can make of what was
/// being written, and a broken disk of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadBytes {
    #[error("expected {expected} bytes, found {found}")]
    Short { expected: u64, found: u64 },
    #[error("expected bytes with checksum {expected:08x}, found {found:08x}")]
    Checksum { expected: u32, found: u32 },
}

impl BadBytes {
    pub(crate) fn short(expected: usize, found: usize) -> Self {
        Self::Short {
            expected: expected as u64,
            found: found as u64,
        }
    }
}

/// The checksum of these parts, one after the other.
pub(crate) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

pub(crate) fn check_checksum(expected: u32, found: u32) -> Result<(), BadBytes> {
    match found == expected {
        true => Ok(()),
        false => Err(BadBytes::Checksum { expected, found }),
    }
}
