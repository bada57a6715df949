//! flock(2): who has locked which file.

use super::tree::InodeId;
use super::{Disk, Errno, FileHandle};

/// With whom a lock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// With others that share it.
    Shared,
    /// With nobody.
    Exclusive,
}

/// The locks that are held, each by an open file; few at any time.
#[derive(Clone, Default)]
pub(super) struct Locks(Vec<Lock>);

#[derive(Clone, Copy)]
struct Lock {
    inode: InodeId,
    handle: FileHandle,
    kind: LockKind,
}

impl Locks {
    /// Whether an open file, known by the place of its handle, held one that it now has lost.
    pub(super) fn release(&mut self, handle_index: u32) -> bool {
        let count = self.0.len();
        self.0.retain(|lock| lock.handle.index != handle_index);
        self.0.len() < count
    }
}

impl Disk {
    /// Locks a file for an open file of it, in place of what lock that has. As on Linux, one that
    /// cannot be changed is lost.
    ///
    /// # Errors
    /// `Again` if another has a lock that excludes this one; `BadDescriptor`.
    pub fn try_lock(&mut self, handle: FileHandle, kind: LockKind) -> Result<(), Errno> {
        let inode = self.opened(handle)?.inode;
        self.locks.release(handle.index);
        let excludes = |lock: &Lock| {
            lock.inode == inode && (kind, lock.kind) != (LockKind::Shared, LockKind::Shared)
        };
        if self.locks.0.iter().any(excludes) {
            return Err(Errno::Again);
        }
        self.locks.0.push(Lock {
            inode,
            handle,
            kind,
        });
        Ok(())
    }

    /// Gives a lock back; answers whether there was one.
    ///
    /// # Errors
    /// `BadDescriptor`.
    pub fn unlock(&mut self, handle: FileHandle) -> Result<bool, Errno> {
        self.opened(handle)?;
        Ok(self.locks.release(handle.index))
    }
}
