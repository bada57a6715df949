//! A sync that fails, as file systems differ over it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::contents::{Contents, Space};
use super::power_loss::{Crash, CrashReport, Outcome};
use super::profiles::CrashProfile;
use super::tree::InodeId;
use super::{Disk, Errno, FileHandle};
use crate::keyed::Key;

/// What a failed fsync(2) leaves of what it should have made durable: Rebello et al., *Can
/// Applications Recover from fsync Failures?*, ATC 2020, table 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncFailure {
    /// The pages are marked clean. Programs read the new bytes until the page cache is gone, then the
    /// old ones; a later sync that succeeds does not write them. The size may become durable. ext4 with
    /// `data=ordered`.
    #[default]
    Ext4,
    /// The same. It differs from ext4 where its *log* fails, which is not simulated.
    Xfs,
    /// The file becomes again what it was when it was last synced, in size too, and programs read that
    /// at once. A program's cursor stays where it was, so that its next write may leave a hole.
    Btrfs,
}

impl Disk {
    /// fsync(2) that fails, of all that is dirty in a file: see [`SyncFailure`]. Of a directory nothing
    /// becomes durable, and the next fsync tries again.
    ///
    /// This handle hears of it now, every other that the file is open by at its own next sync, once;
    /// whoever opens it from now on never does (Linux's `errseq_t`).
    ///
    /// # Errors
    /// `Io`, or `BadDescriptor` if it is not open.
    pub fn fail_sync(&mut self, handle: FileHandle) -> Result<(), Errno> {
        self.fail_sync_of(handle, &(0..u64::MAX))
    }

    /// As [`Self::fail_sync`], of the bytes in a range alone.
    pub(in crate::engine) fn fail_sync_of(
        &mut self,
        handle: FileHandle,
        range: &Range<u64>,
    ) -> Result<(), Errno> {
        let inode = self.opened(handle)?.inode;
        if let Some((contents, space)) = self.tree.contents_mut(inode) {
            match self.options.sync_failure {
                SyncFailure::Ext4 | SyncFailure::Xfs => contents.leave_clean(range),
                SyncFailure::Btrfs => contents.revert(space),
            }
            contents.scars_mut().sync_failures += 1;
            self.report_failure(handle)?;
        }
        Err(Errno::Io)
    }

    /// How many syncs of a file have failed.
    pub(super) fn sync_failures(&self, inode: InodeId) -> u32 {
        let scars = self.contents(inode).ok().and_then(|it| it.scars.as_ref());
        scars.map_or(0, |scars| scars.sync_failures)
    }

    /// Tells an open file of a failed sync that it has not heard of, once.
    pub(super) fn report_failure(&mut self, handle: FileHandle) -> Result<(), Errno> {
        let open = self.opened(handle)?;
        let failures = self.sync_failures(open.inode);
        if failures == open.failures_seen {
            return Ok(());
        }
        if let Some(open) = &mut self.handles[handle.index as usize].open {
            open.failures_seen = failures;
        }
        Err(Errno::Io)
    }
}

impl Contents {
    /// Dirty sectors become clean without being written.
    fn leave_clean(&mut self, range: &Range<u64>) {
        let sectors = self.sectors_through(range);
        let left = self.dirty.extract_if(sectors, |_, _| true);
        self.unwritten.extend(left);
    }

    /// All that is dirty becomes what the disk holds.
    fn revert(&mut self, space: &mut Space) {
        let unwritten = std::mem::take(&mut self.unwritten);
        let crash = Crash {
            profile: &CrashProfile::posix(),
            outcome: Outcome::Nothing,
            journal_end: 0,
        };
        let mut report = CrashReport::default();
        self.lose_power(Key::root(0), &crash, space, &mut report);
        let size = self.size;
        let is_inside = |sector: &u64| sector * super::SECTOR_BYTES < size;
        self.unwritten = unwritten;
        self.unwritten.retain(|sector, _| is_inside(sector));
    }
}
