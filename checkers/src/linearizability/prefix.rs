//! The shortest prefix of a history that is impossible.
//!
//! A search of the whole history knows how operations end that are still open where it fails: that a
//! write will have failed, say. A prefix knows only what was known then, so it may become impossible
//! later, but never possible again.

use super::judge::{Impossible, Judgement};
use super::objects::Court;
use super::strategy::CheckError;
use crate::history::History;
use crate::spec::Recorded;

/// A prefix of a history in which one key's operations are impossible.
pub(super) struct BadPrefix {
    /// The prefix's last event, with which it became impossible.
    pub(super) event: usize,
    /// The ids of the operations on the key.
    pub(super) ids: Vec<u32>,
    /// What a judge of the prefix found.
    pub(super) impossible: Impossible,
}

impl BadPrefix {
    /// What is known of the key's operations in the prefix.
    pub(super) fn recorded<'a>(&'a self, history: &'a History) -> Recorded<'a> {
        Recorded::new(history, &self.ids).until(self.event + 1)
    }
}

/// The shortest impossible prefix of an impossible one, unless the limits are met on the way.
pub(super) fn shorten(court: &Court<'_>, mut shortest: BadPrefix) -> Result<BadPrefix, CheckError> {
    let (mut possible, mut end) = guess(court.history, &shortest);
    while possible < shortest.event {
        match court.judge_until(&shortest.ids, end)? {
            Judgement::Impossible(impossible) => {
                shortest.event = end - 1;
                shortest.impossible = impossible;
            }
            Judgement::Possible(_) | Judgement::Exceeded { .. } => possible = end,
        }
        end = possible + (shortest.event + 1 - possible).div_ceil(2);
    }
    Ok(shortest)
}

/// How many events are known to be possible, and how many are probably not.
fn guess(history: &History, bad: &BadPrefix) -> (usize, usize) {
    match &bad.impossible {
        // The search explained everything before this event; mostly, its return makes the difference.
        Impossible::Return(unexplained) => (unexplained.event, unexplained.event + 1),
        // Operations that exclude each other do so when the last of them has returned.
        Impossible::Conflict(diagnosis) => {
            let ends = diagnosis.operations.iter();
            let ends = ends.filter_map(|&id| history.operations().completed(id));
            let last = ends.max().unwrap_or(bad.event).min(bad.event);
            (0, last + 1)
        }
    }
}
