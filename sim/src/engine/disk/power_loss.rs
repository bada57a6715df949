//! What the power takes with it.

use serde::{Deserialize, Serialize};

use super::Disk;
use super::journal::Operation;
use super::profiles::{CrashProfile, WriteOrder};
use crate::keyed::Key;

/// One power loss.
pub(super) struct Crash<'a> {
    pub(super) profile: &'a CrashProfile,
    pub(super) outcome: Outcome,
    /// What journals took up from this time on is lost.
    pub(super) journal_end: u64,
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
    /// Unsynced operations on names: a create, link, unlink, rename, mkdir or rmdir each.
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
        let crash = Crash {
            profile,
            outcome,
            journal_end: self.draw_journal_end(
                key.label("name").label("journal"),
                profile,
                outcome,
            ),
        };
        self.lose_names(key.label("name"), &crash, &mut report);
        self.lose_bytes(key.label("file"), &crash, &mut report);
        report
    }

    fn draw_journal_end(&self, key: Key, profile: &CrashProfile, outcome: Outcome) -> u64 {
        if profile.order == WriteOrder::Posix {
            return u64::MAX;
        }
        let times = self.journal_times();
        let journaled = match outcome {
            Outcome::Nothing => 0,
            Outcome::Mixed => key.between(0, times.len() as u64) as usize,
            Outcome::Everything => times.len(),
        };
        times.get(journaled).copied().unwrap_or(u64::MAX)
    }

    /// When a journal took up what no sync made it write, oldest first.
    pub(super) fn journal_times(&self) -> Vec<u64> {
        let since = self.journal.flushed() + 1;
        let names = self.journal.operations().map(|(number, _)| number);
        let names = names.filter(|&number| number >= since);
        let files = self.tree.all_files();
        let sizes = files.flat_map(|contents| contents.sizes().times(since));
        let mut times: Vec<u64> = names.chain(sizes).collect();
        times.sort_unstable();
        times
    }

    fn lose_names(&mut self, key: Key, crash: &Crash, report: &mut CrashReport) {
        report.entries_dirty = self.journal.len() as u64;
        let kept_of_eight = *key.label("kept").pick(&[1, 4, 7]);
        let survives =
            |number: u64, operation: &Operation| match (crash.profile.order, crash.outcome) {
                (WriteOrder::Ext4Ordered | WriteOrder::Xfs, _) => number < crash.journal_end,
                (WriteOrder::Posix, Outcome::Everything) => true,
                (WriteOrder::Posix, Outcome::Nothing) => false,
                (WriteOrder::Posix, Outcome::Mixed) => {
                    key.with(operation.identity.bits()).chance(kept_of_eight, 8)
                }
            };
        report.entries_lost = self.journal.lose_power(&mut self.tree, survives);
        self.tree.sweep();
    }

    fn lose_bytes(&mut self, key: Key, crash: &Crash, report: &mut CrashReport) {
        self.tree.for_each_file(|identity, contents, space| {
            contents.lose_power(key.with(identity.bits()), crash, space, report);
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
