//! The shortest prefix of a history that is impossible.
//!
//! A search of the whole history knows how operations end that are still open where it fails: that a
//! write will have failed, say. A prefix knows only what was known then, so it may become impossible
//! later, but never possible again.

use super::compiled::Compiled;
use super::judge::{Impossible, Judgement};
use super::objects::Court;
use super::strategy::CheckError;
use crate::history::History;
use crate::spec::Recorded;

/// A prefix of a history in which one key's operations are impossible.
pub(super) struct BadPrefix<'a> {
    /// The prefix's last event, with which it became impossible.
    pub(super) event: usize,
    /// The ids of the operations on the key.
    pub(super) ids: Vec<u32>,
    /// What a judge of the prefix found.
    pub(super) impossible: Impossible,
    /// What the operations on the key were compiled to, as far as they are known in this or a longer
    /// prefix, if the search has judged that.
    pub(super) compiled: Option<Compiled<'a>>,
}

impl BadPrefix<'_> {
    /// What is known of the key's operations in the prefix.
    pub(super) fn recorded<'h>(&'h self, history: &'h History) -> Recorded<'h> {
        Recorded::new(history, &self.ids).until(self.event + 1)
    }
}

/// The shortest impossible prefix of an impossible one, unless the limits are met on the way.
pub(super) fn shorten<'a>(
    court: &Court<'a>,
    mut shortest: BadPrefix<'a>,
) -> Result<BadPrefix<'a>, CheckError> {
    let (mut possible, mut end) = guess(court.history, &shortest);
    while possible < shortest.event {
        match court.judge_until(&shortest.ids, end, &mut shortest.compiled)? {
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
fn guess(history: &History, bad: &BadPrefix<'_>) -> (usize, usize) {
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
