//! How file systems differ when the power goes: which unsynced things may survive without which
//! others.
//!
//! Sources: Linux, `Documentation/filesystems/ext4/` and `Documentation/admin-guide/ext4.rst`
//! (`data=ordered`, `delalloc`, `auto_da_alloc`), `fs/ext4/inode.c`, `fs/ext4/namei.c`;
//! `Documentation/filesystems/xfs/xfs-delayed-logging-design.rst`, `fs/xfs/xfs_aops.c`,
//! `fs/xfs/xfs_iops.c`; Pillai et al., *All File Systems Are Not Created Equal* (ALICE), OSDI 2014,
//! table 1; Mohan et al., *Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing*
//! (CrashMonkey), OSDI 2018.

use serde::{Deserialize, Serialize};

/// How a disk behaves when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
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
    /// How often an unsynced sector that was changed more than once is as it was in between.
    pub between_per_mille: u32,
    /// Of ext4's: whether a file that takes the name of another is written before its rename is, so
    /// that a program which forgot to sync it finds the old file or the new one, and none that is
    /// empty. It is ext4's default when mounted (`auto_da_alloc`), and nothing to rely on.
    pub auto_da_alloc: bool,
}

/// Which unsynced things may survive without which others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteOrder {
    /// All that POSIX allows: any subset of sectors, any size that the file had, and any subset of
    /// operations on names in which each name's own come in order. A sync of one thing says nothing
    /// about another.
    #[default]
    Posix,
    /// As ext4 with `data=ordered` and delayed allocation.
    ///
    /// - One journal has all operations on names and all that cut or extend a file; it survives up
    ///   to some point. A sync writes it up to the last change of what is synced at the least.
    /// - Bytes that are written behind a file's end get their place, and the file its size, some
    ///   time later or never; the size is then in the journal behind all that came before the
    ///   write. The bytes reach the disk first. It gets as far as a whole write or page did.
    /// - Bytes that are overwritten are in no order at all.
    ///
    /// Two things that Linux may do are not shown: zeros behind the old end when an append to a block
    /// that had a place is lost (since blocks are first *unwritten*, `dioread_nolock`, Linux 5.6),
    /// and a hole that is filled is taken for bytes that are overwritten.
    Ext4Ordered,
    /// As XFS: as ext4, but a file's size follows the write that ended last, and writes end in any
    /// order. What was not written below that size reads as zeros, never as what the disk
    /// held there before.
    Xfs,
}

/// The profiles by their names.
pub const PROFILES: [(&str, CrashProfile); 3] = [
    ("posix", CrashProfile::posix()),
    ("ext4-ordered", CrashProfile::ext4_ordered()),
    ("xfs", CrashProfile::xfs()),
];

impl CrashProfile {
    /// The least that a portable program may rely on: what was not synced survives in any part and
    /// any order, some of it torn, some of it garbage.
    pub const fn posix() -> Self {
        Self {
            garbage_per_mille: 10,
            between_per_mille: 250,
            ..Self::plain()
        }
    }

    /// The most common file system, on a disk whose sectors are atomic.
    pub const fn ext4_ordered() -> Self {
        Self {
            order: WriteOrder::Ext4Ordered,
            torn_per_mille: 0,
            between_per_mille: 250,
            ..Self::plain()
        }
    }

    /// XFS, on a disk whose sectors are atomic.
    pub const fn xfs() -> Self {
        Self {
            order: WriteOrder::Xfs,
            ..Self::ext4_ordered()
        }
    }

    /// Whether its chances are some: each at most 1000 in 1000, and the two extremes in sum.
    pub fn is_sound(&self) -> bool {
        let extremes = u64::from(self.nothing_per_mille) + u64::from(self.everything_per_mille);
        let of_sectors = [
            self.torn_per_mille,
            self.garbage_per_mille,
            self.between_per_mille,
        ];
        extremes <= 1000 && of_sectors.into_iter().all(|chance| chance <= 1000)
    }

    /// The profile of a name in [`PROFILES`].
    pub fn named(name: &str) -> Option<Self> {
        let mut profiles = PROFILES.into_iter();
        profiles
            .find(|(known, _)| *known == name)
            .map(|(_, profile)| profile)
    }

    /// POSIX's order, and of each unsynced sector its first or its last state.
    const fn plain() -> Self {
        Self {
            order: WriteOrder::Posix,
            nothing_per_mille: 125,
            everything_per_mille: 125,
            torn_per_mille: 30,
            garbage_per_mille: 0,
            between_per_mille: 0,
            auto_da_alloc: false,
        }
    }
}

impl Default for CrashProfile {
    /// [`Self::posix`] without garbage and without what sectors held in between: what recorded runs
    /// have met, and must go on meeting.
    fn default() -> Self {
        Self::plain()
    }
}
