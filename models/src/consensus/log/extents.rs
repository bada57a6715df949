//! Which segment holds which entries, and so which segments nobody needs any more.

use std::collections::VecDeque;

use super::format::Change;
use crate::consensus::raft::Index;

/// The segments, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extents(VecDeque<Extent>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    sequence: u64,
    /// The last entry of the log that is in this segment; zero if there is none.
    last: Index,
}

impl Extents {
    /// A segment has been begun.
    pub(super) fn begin(&mut self, sequence: u64) {
        self.0.push_back(Extent {
            sequence,
            last: Index::ZERO,
        });
    }

    /// The last segment has a frame more.
    pub(super) fn apply(&mut self, change: &Change<'_>) {
        if change.restart_at.is_some() {
            self.cut(Index::ZERO);
        }
        if let Some(index) = change.truncate_from {
            self.cut(index.previous());
        }
        if let (Some(segment), Some(entry)) = (self.0.back_mut(), change.entries.last()) {
            segment.last = entry.id.index;
        }
    }

    pub(super) fn oldest(&self) -> Option<u64> {
        self.0.front().map(|segment| segment.sequence)
    }

    /// Forgets the segments at the front that hold no entry from `first_wanted` on; answers their numbers.
    ///
    /// Only ever the front: a later segment may cut or restart what an earlier one holds. And never the
    /// last, which has the hard state.
    pub(super) fn drop_before(&mut self, first_wanted: Index) -> Vec<u64> {
        let mut dropped = Vec::new();
        while self.0.len() > 1 && self.0[0].last < first_wanted {
            dropped.extend(self.0.pop_front().map(|segment| segment.sequence));
        }
        dropped
    }

    fn cut(&mut self, last: Index) {
        for segment in &mut self.0 {
            segment.last = segment.last.min(last);
        }
    }
}
