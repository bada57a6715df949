//! What a disk does wrong while the power is on.

use super::contents::{Contents, SECTOR_BYTES};
use super::{Disk, Errno, FileHandle};
use crate::keyed::Key;

/// Shorter files are left alone by [`Disk::corrupt`].
const CORRUPTED_BYTES_MIN: u64 = 4 * SECTOR_BYTES;

impl Disk {
    /// fsync(2) that fails: what it should have made durable of a file is in the page cache alone, and
    /// *clean*: a later fsync that succeeds does not write it either. So do ext4 and XFS on Linux
    /// (Rebello et al., *Can Applications Recover from fsync Failures?*, ATC 2020). Of a directory
    /// nothing becomes durable, and the next fsync tries again.
    ///
    /// # Errors
    /// `Io`, or `BadDescriptor` if it is not open.
    pub fn fail_sync(&mut self, handle: FileHandle) -> Result<(), Errno> {
        let inode = self.opened(handle)?.inode;
        if let Some((contents, _)) = self.tree.contents_mut(inode) {
            contents.fail_sync();
        }
        Err(Errno::Io)
    }

    /// Flips up to this many bits of what is stored, each in the first half of a file that is not
    /// tiny; answers how many. What has rotted there a careful reader can tell from a write that
    /// never ended, since good data follows it.
    pub fn corrupt(&mut self, key: Key, bits: u32) -> u64 {
        let lengths: Vec<u64> = self.tree.files().map(Contents::size).collect();
        let is_eligible = |index: &usize| lengths[*index] >= CORRUPTED_BYTES_MIN;
        let eligible: Vec<usize> = (0..lengths.len()).filter(is_eligible).collect();
        if eligible.is_empty() {
            return 0;
        }
        for bit in 0..bits {
            let key = key.with(u64::from(bit));
            let file = *key.label("file").pick(&eligible);
            let offset = key.label("offset").below(lengths[file] / 2);
            let mask = 1 << key.label("bit").below(8);
            if let Some(contents) = self.tree.files_mut().nth(file) {
                contents.flip(offset, mask);
            }
        }
        u64::from(bits)
    }
}
