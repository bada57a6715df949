//! What the power takes with it.

use serde::{Deserialize, Serialize};

use super::Disk;
use super::journal::Operation;
use crate::keyed::Key;

/// How a disk behaves when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CrashProfile {
    pub order: WriteOrder,
    /// How often nothing that was unsynced survives. The extremes find bugs.
    pub nothing_per_mille: u32,
    /// How often everything survives.
    pub everything_per_mille: u32,
    /// How often an unsynced sector is new up to some byte, and old from there.
    pub torn_per_mille: u32,
    /// How often an unsynced sector holds anything at all where it was changed.
    pub garbage_per_mille: u32,
}

/// Which unsynced things may survive without which others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteOrder {
    /// All that POSIX allows: any subset of sectors, any size that the file had, and any subset of
    /// operations on names in which each name's own come in order.
    #[default]
    Posix,
    /// As ext4 with `data=ordered` and delayed allocation (and without `auto_da_alloc`): names
    /// survive up to some point of the journal, which every fsync writes; a file never grows over
    /// bytes that were not written. Overwritten bytes are in no order.
    Ext4Ordered,
}

impl CrashProfile {
    /// The least that a portable program may rely on.
    pub const fn posix() -> Self {
        Self {
            order: WriteOrder::Posix,
            nothing_per_mille: 125,
            everything_per_mille: 125,
            torn_per_mille: 30,
            garbage_per_mille: 0,
        }
    }

    /// The most common file system, on a disk whose sectors are atomic.
    pub const fn ext4_ordered() -> Self {
        Self {
            order: WriteOrder::Ext4Ordered,
            torn_per_mille: 0,
            ..Self::posix()
        }
    }
}

impl Default for CrashProfile {
    fn default() -> Self {
        Self::posix()
    }
}

/// How much of what was unsynced a power loss left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Nothing,
    #[default]
    Mixed,
    Everything,
}

/// What a power loss did. Files that lost their names are counted by their entries alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CrashReport {
    pub outcome: Outcome,
    /// Unsynced sectors of the files that survived.
    pub sectors_dirty: u64,
    /// Those that hold what they held at the last sync, though programs had changed them.
    pub sectors_lost: u64,
    pub sectors_torn: u64,
    pub sectors_garbage: u64,
    /// Bytes that are not what programs saw.
    pub bytes_lost: u64,
    /// Files that are not as long as programs saw them.
    pub files_resized: u64,
    /// Unsynced operations on names: a create, unlink, rename, mkdir or rmdir each.
    pub entries_dirty: u64,
    /// Those of them that were undone.
    pub entries_lost: u64,
}

impl CrashReport {
    /// Whether programs can tell that the power was gone.
    pub const fn is_visible(&self) -> bool {
        self.bytes_lost + self.files_resized + self.entries_lost > 0
    }

    /// Counts an unsynced sector: what the disk held, what programs saw, and what is left.
    pub(super) fn note_sector(&mut self, old: &[u8], seen: &[u8], left: &[u8]) {
        self.sectors_dirty += 1;
        self.sectors_lost += u64::from(left == old && left != seen);
        self.bytes_lost += left.iter().zip(seen).filter(|(a, b)| a != b).count() as u64;
    }
}

impl Disk {
    /// The power goes: handles die, and of all that is unsynced only what `key` grants survives. The
    /// page cache comes back equal to the disk, and everything in it is durable.
    ///
    /// The fate of a sector is keyed by its file and its number, the fate of a name by its directory
    /// and itself; `key` should name the node and the how-manieth power loss it is.
    pub fn power_loss(&mut self, key: Key, profile: &CrashProfile) -> CrashReport {
        self.close_all();
        let outcome = profile.outcome(key.label("outcome"));
        let mut report = CrashReport {
            outcome,
            ..CrashReport::default()
        };
        self.lose_names(key.label("name"), profile, &mut report);
        self.lose_bytes(key.label("file"), profile, &mut report);
        report
    }

    fn lose_names(&mut self, key: Key, profile: &CrashProfile, report: &mut CrashReport) {
        report.entries_dirty = self.journal.len() as u64;
        // A prefix of those that no sync of anything wrote.
        let flushed = self
            .journal
            .operations()
            .filter(|&(number, _)| self.journal.is_flushed(number));
        let flushed = flushed.count() as u64;
        let journaled = match report.outcome {
            Outcome::Nothing => flushed,
            Outcome::Mixed => key.label("journal").between(flushed, report.entries_dirty),
            Outcome::Everything => report.entries_dirty,
        };
        let end = self
            .journal
            .operations()
            .nth(journaled as usize)
            .map_or(u64::MAX, |(n, _)| n);
        let kept_of_eight = *key.label("kept").pick(&[1, 4, 7]);
        let outcome = report.outcome;
        let survives = |number: u64, operation: &Operation| match (profile.order, outcome) {
            (WriteOrder::Ext4Ordered, _) => number < end,
            (WriteOrder::Posix, Outcome::Everything) => true,
            (WriteOrder::Posix, Outcome::Nothing) => false,
            (WriteOrder::Posix, Outcome::Mixed) => {
                key.with(operation.identity.bits()).chance(kept_of_eight, 8)
            }
        };
        report.entries_lost = self.journal.lose_power(&mut self.tree, survives);
        self.tree.sweep();
    }

    fn lose_bytes(&mut self, key: Key, profile: &CrashProfile, report: &mut CrashReport) {
        let outcome = report.outcome;
        self.tree.for_each_file(|identity, contents, space| {
            contents.lose_power(key.with(identity.bits()), profile, outcome, space, report);
        });
    }
}

impl CrashProfile {
    fn outcome(&self, key: Key) -> Outcome {
        let extremes = self.nothing_per_mille + self.everything_per_mille;
        assert!(
            extremes <= 1000,
            "probabilities that add up to more than one"
        );
        match key.below(1000) as u32 {
            drawn if drawn < self.nothing_per_mille => Outcome::Nothing,
            drawn if drawn < extremes => Outcome::Everything,
            _ => Outcome::Mixed,
        }
    }
}
