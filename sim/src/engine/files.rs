//! Files of the running task's node, and what their operations take.

use std::io;

use super::disk::{Disk, FileHandle, OpenFlags};
use super::world::World;
use crate::keyed::Key;

/// What operations on a disk take, in nanoseconds: least and most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskTiming {
    /// Reading or writing the page cache, and operations on names.
    pub cached_ns: (u64, u64),
    /// Making something durable.
    pub sync_ns: (u64, u64),
}

impl Default for DiskTiming {
    /// A solid-state disk.
    fn default() -> Self {
        Self {
            cached_ns: (2_000, 20_000),
            sync_ns: (200_000, 2_000_000),
        }
    }
}

/// Which of the [`DiskTiming`] an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    Cached,
    Sync,
}

/// An open file, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenedFile {
    pub(crate) node: u32,
    pub(crate) handle: FileHandle,
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
            key: self.next_file_key(path),
        })
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

    /// When an operation that begins now is done.
    pub(crate) fn file_done_ns(&self, key: Key, effort: Effort) -> u64 {
        let (min, max) = match effort {
            Effort::Cached => self.config.disk_timing.cached_ns,
            Effort::Sync => self.config.disk_timing.sync_ns,
        };
        self.now_ns + key.between(min, max)
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

    pub(crate) fn count_written(&mut self, bytes: usize) {
        self.counters.bytes_written += bytes as u64;
    }

    pub(crate) fn count_sync(&mut self) {
        self.counters.file_syncs += 1;
        self.note(self.now_ns);
    }
}
