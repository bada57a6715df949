//! Files of the running task's node: opening, closing, locking.

use std::io;
use std::task::{Context, Poll};

use super::disk::{Disk, Errno, FileHandle, LockKind, OpenFlags};
use super::waker::Waiter;
use super::world::World;
use crate::keyed::Key;

/// An open file, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenedFile {
    pub(crate) node: u32,
    pub(crate) handle: FileHandle,
    pub(crate) flags: OpenFlags,
    /// Keys what its operations take.
    pub(crate) key: Key,
}

impl World {
    pub(crate) fn file_open(&mut self, path: &str, flags: OpenFlags) -> io::Result<OpenedFile> {
        let node = self.current_node();
        let handle = self.nodes[node as usize].disk.open(path, flags)?;
        Ok(OpenedFile {
            node,
            handle,
            flags,
            key: self.next_file_key(path),
        })
    }

    /// Closes a file. One that died with its process is closed already, which is no news to anybody.
    pub(crate) fn file_close(&mut self, file: OpenedFile) {
        let had_lock = self.disk_of(file).unlock(file.handle) == Ok(true);
        let _ = self.disk_of(file).close(file.handle);
        if had_lock {
            self.wake_lockers(file.node);
        }
    }

    /// Gives a file's lock back, if it has one.
    pub(crate) fn file_unlock(&mut self, file: OpenedFile) -> Result<(), Errno> {
        if self.disk_of(file).unlock(file.handle)? {
            self.wake_lockers(file.node);
        }
        Ok(())
    }

    /// Locks a file unless somebody is in the way.
    pub(crate) fn file_try_lock(&mut self, file: OpenedFile, kind: LockKind) -> Result<(), Errno> {
        // What lock it had it loses first, as on Linux.
        self.file_unlock(file)?;
        self.disk_of(file).try_lock(file.handle, kind)
    }

    /// Locks a file once nobody is in the way.
    pub(crate) fn poll_file_lock(
        &mut self,
        file: OpenedFile,
        kind: LockKind,
        context: &Context<'_>,
    ) -> Poll<Result<(), Errno>> {
        match self.file_try_lock(file, kind) {
            Err(Errno::Again) => {
                let lockers = &mut self.nodes[file.node as usize].file_lockers;
                lockers.push(Waiter::of(context));
                Poll::Pending
            }
            locked => Poll::Ready(locked),
        }
    }

    fn wake_lockers(&mut self, node: u32) {
        let lockers = std::mem::take(&mut self.nodes[node as usize].file_lockers);
        lockers.into_iter().for_each(|locker| self.wake(locker));
    }

    /// The key of the next thing that this process does with a path.
    pub(crate) fn next_file_key(&mut self, path: &str) -> Key {
        let node = self.current_node();
        let slot = &mut self.nodes[node as usize];
        slot.files_opened += 1;
        let process = self
            .key
            .label("disk")
            .with(u64::from(node))
            .with(u64::from(slot.incarnation));
        process.label(path).with(slot.files_opened)
    }

    /// The disk of a file's node.
    pub(crate) fn disk_of(&mut self, file: OpenedFile) -> &mut Disk {
        &mut self.nodes[file.node as usize].disk
    }

    /// The disk of the running task's node.
    pub(crate) fn disk_here(&mut self) -> &mut Disk {
        let node = self.current_node();
        &mut self.nodes[node as usize].disk
    }

    pub(crate) fn count_sync(&mut self) {
        self.counters.file_syncs += 1;
        self.note(self.now_ns);
    }
}
