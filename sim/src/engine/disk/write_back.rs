//! What a sync writes of a file, where it is not all: a write through `O_DSYNC` makes its own bytes
//! durable, and a size that reaches them.

use std::ops::Range;

use super::SECTOR_BYTES;
use super::contents::Contents;
use super::sectors::cut_at;
use super::sizes::Cause;

/// What is durable after a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// Whatever there is: fsync(2), `O_SYNC`.
    All,
    /// What reading the bytes needs: fdatasync(2), `O_DSYNC`.
    Data,
}

impl Contents {
    /// Makes the bytes in a range durable, with the sectors that they lie in; all shrinks, since the
    /// journal is written; and of a growth as much as reaches them. `time` is the journal's.
    pub(super) fn sync_range(&mut self, range: &Range<u64>, time: u64) {
        let sectors = self.sectors_through(range);
        let is_all = self.dirty.keys().all(|sector| sectors.contains(sector));
        if is_all && range.end >= self.size {
            return self.sync();
        }
        let range = range.start..range.end.min(self.size);
        self.commit_shrinks();
        self.heal_sectors(sectors.clone());
        if let Some((&first, _)) = self.dirty.first_key_value() {
            self.settled_bytes = first * SECTOR_BYTES;
        }
        self.dirty.retain(|sector, _| !sectors.contains(sector));
        self.durable_size = self.durable_size.max(range.end);
        if self.size > self.durable_size {
            let from = self.durable_size;
            self.sizes
                .change(from, self.size, time, Cause::Written { from });
        }
    }

    /// The numbers of the sectors in a range of bytes; of one that reaches the end of the file, with
    /// all behind it, which a shrink may have left dirty.
    pub(super) fn sectors_through(&self, range: &Range<u64>) -> Range<u64> {
        match range.end >= self.size {
            true => range.start / SECTOR_BYTES..u64::MAX,
            false => sectors_of(range),
        }
    }

    /// Makes what was cut off durable, and no growth.
    fn commit_shrinks(&mut self) {
        let floor = self.sizes.floor();
        self.durable_size = self.durable_size.min(floor);
        self.sizes.settle();
        if floor == u64::MAX {
            return;
        }
        for (&sector, state) in &mut self.dirty {
            let left = cut_at(state.durable_image(), sector, floor);
            state.settle_shrinks(left);
        }
    }
}

/// The numbers of the sectors that a range of bytes lies in.
pub(super) fn sectors_of(range: &Range<u64>) -> Range<u64> {
    match range.is_empty() {
        true => 0..0,
        false => range.start / SECTOR_BYTES..range.end.div_ceil(SECTOR_BYTES),
    }
}
