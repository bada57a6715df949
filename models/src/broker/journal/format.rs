//! The bytes of a frame. The [module above](super) has the table.

use std::ops::Range;

use squall_sim::mutant;

use super::recover::Problem;
use crate::broker::streams::Record;
use crate::storage::frame::{self, Frame};

/// The frame with these records at this place.
pub(super) fn encode_frame(generation: u64, offset: u64, records: &[Record]) -> Vec<u8> {
    let mut frame = postcard::to_extend(records, vec![0; frame::HEADER_BYTES])
        .expect("records have nothing that cannot be encoded");
    frame::seal(generation, offset, &mut frame);
    frame
}

/// Where the payload of the frame at this offset is.
pub(super) fn find_payload(
    generation: u64,
    offset: usize,
    bytes: &[u8],
) -> Result<Range<usize>, Problem> {
    let frame = Frame::find(generation, offset, bytes)?;
    if !mutant!("broker.checksum-not-checked") {
        frame.check_payload(bytes)?;
    }
    Ok(frame.payload)
}
