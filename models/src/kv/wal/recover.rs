//! What a log says, as a pure function of its bytes.
//!
//! The law that this stands on: *a frame is begun only when all before it is durable.* So a crash can hurt
//! the last frame alone, whatever it does to sectors that were not synced. That is a **torn tail**: nothing was
//! acknowledged on the strength of it, and it is cut off.
//!
//! A frame that is bad with another one *behind* it was durable once, and has been damaged since: a **broken
//! middle**. What it held has been acknowledged. To cut there would lose it without a word (arcadedb #4508),
//! so the log is refused, by file and offset.
//!
//! Damage to the very last frame looks like a torn tail, and nothing in one file can tell them apart
//! (Alagappan et al., *Protocol-Aware Recovery*, FAST 2018, section 3.3.3). Hence the *seals*, empty
//! frames that follow when the log has been idle for a moment: what has been acknowledged then is not last.

use std::ops::Range;

use squall_sim::mutant;

use super::damage::{Damage, Problem};
use super::format::{LOG_HEADER_BYTES, decode_group, decode_log_header, find_payload};
use super::names;
use crate::kv::store::{Commit, Version};

/// What a log holds after a crash, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recovered {
    pub(super) commits: Vec<Commit>,
    /// The last good unit, a frame or the header: all but this is known to be durable. What follows is torn.
    pub(super) unit: Range<usize>,
}

/// Reads the log of a generation, which goes on from version `base`. `None` if not even its header is whole,
/// which can only be if nothing was ever stored in it.
pub(super) fn recover(
    generation: u64,
    base: Version,
    bytes: &[u8],
) -> Result<Option<Recovered>, Damage> {
    let damage = |offset: usize, problem| Damage {
        file: names::log(generation),
        offset: offset as u64,
        problem,
    };
    match decode_log_header(generation, bytes) {
        Ok(found) if found == base => {}
        Ok(found) => {
            let expected = base;
            return Err(damage(0, Problem::NotContiguous { expected, found }));
        }
        Err(problem) if can_be_torn(&problem) && !has_frame(generation, bytes, 0) => {
            return Ok(None);
        }
        Err(problem) => return Err(damage(0, problem)),
    }
    let mut commits = Vec::new();
    let mut unit = 0..LOG_HEADER_BYTES;
    while unit.end < bytes.len() {
        let start = unit.end;
        let payload = match find_payload(generation, start, bytes) {
            Ok(payload) => payload,
            Err(problem) => {
                let is_at_end =
                    mutant!("kv.broken-middle-cut-off") || !has_frame(generation, bytes, start + 1);
                if can_be_torn(&problem) && is_at_end {
                    break;
                }
                return Err(damage(start, problem));
            }
        };
        unit = start..payload.end;
        let group = decode_group(&bytes[payload]).map_err(|problem| damage(start, problem))?;
        for commit in group {
            let expected = base + commits.len() as u64 + 1;
            let found = commit.version;
            if found != expected {
                return Err(damage(start, Problem::NotContiguous { expected, found }));
            }
            commits.push(commit);
        }
    }
    Ok(Some(Recovered { commits, unit }))
}

/// What else may be wrong has a right checksum, and so was written like that.
fn can_be_torn(problem: &Problem) -> bool {
    matches!(problem, Problem::Bytes(_))
}

/// Whether there is a whole frame at `from` or behind. A frame is bound to its place, so that bytes of
/// a value do not pass for one by chance.
pub(super) fn has_frame(generation: u64, bytes: &[u8], from: usize) -> bool {
    (from..bytes.len()).any(|offset| find_payload(generation, offset, bytes).is_ok())
}
