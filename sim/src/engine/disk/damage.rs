//! What a disk does wrong while the power is on.

use super::contents::Contents;
use super::{Disk, Errno, FileHandle};
use crate::keyed::Key;

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

    /// Flips so many bits of what is stored; answers how many: none if no file is eligible.
    ///
    /// Each lies before something in its file that a later fsync made durable. So a reader without a
    /// second copy can tell it from a write that never ended, which rot of the very last write it
    /// cannot.
    pub fn corrupt(&mut self, key: Key, bits: u32) -> u64 {
        let settled: Vec<u64> = self.tree.files().map(Contents::settled_bytes).collect();
        let eligible: Vec<usize> = (0..settled.len())
            .filter(|file| settled[*file] > 0)
            .collect();
        if eligible.is_empty() {
            return 0;
        }
        for bit in 0..bits {
            let key = key.with(u64::from(bit));
            let file = *key.label("file").pick(&eligible);
            let offset = key.label("offset").below(settled[file]);
            let mask = 1 << key.label("bit").below(8);
            if let Some(contents) = self.tree.files_mut().nth(file) {
                contents.flip(offset, mask);
            }
        }
        u64::from(bits)
    }
}
