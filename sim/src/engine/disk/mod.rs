//! The simulated disk of one node: a POSIX tree over sectors with a page cache.
//!
//! A [`Disk`] is pure and synchronous. It knows neither time nor tasks: the engine decides how long
//! an operation takes and when the power goes, the disk decides what programs see and what is left.
//!
//! What programs see is the page cache, and Linux's rules hold for it, down to the error numbers.
//! What a power loss leaves follows from what was synced:
//!
//! - [`Disk::sync_all`] of a file makes its bytes and its size durable, *not its name*.
//! - [`Disk::sync_all`] of a directory makes the names in it durable, and nothing in the files.
//! - What was synced always survives. What was not may survive in part: [`Disk::power_loss`].
//!
//! In `contents` are the bytes of a file, in `sizes` and `sectors` what a power loss may leave of
//! them, in `tree` the names that programs see, in `journal` the operations on names that may still
//! be undone, in `profiles` how file systems differ, in `power_loss` what one power loss does, in
//! `crash_states` all that it might do.
//!
//! What goes wrong while the power is on: `sync_failure` (a sync that fails), `lies` (one that succeeds
//! and wrote nothing, or elsewhere), `damage` (bits and sectors that rot). `scars` remembers which
//! sectors suffer from it, `medium` is what the page cache hides, `write_back` what a sync of a part of a
//! file writes, `copies` a disk as a whole.

mod contents;
mod copies;
mod crash_states;
mod damage;
mod errno;
mod journal;
mod lies;
mod locks;
mod medium;
mod power_loss;
mod profiles;
mod scars;
mod sectors;
mod sizes;
mod sync_failure;
mod tree;
mod write_back;

pub use crash_states::{Entry, TooManyStates};
pub use errno::Errno;
pub use lies::Lie;
pub(in crate::engine) use lies::Untruth;
pub use locks::LockKind;
pub use power_loss::{CrashReport, Outcome};
pub use profiles::{CrashProfile, PROFILES, WriteOrder};
pub use scars::Cause;
pub use sync_failure::SyncFailure;
pub use write_back::Synced;

use std::ops::Range;

use contents::Contents;
use journal::{Change, Journal};
use locks::Locks;
use serde::{Deserialize, Serialize};
use tree::{Directory, Holder, InodeId, Kind, Last, Resolved, Tree};

/// Bytes in a sector: the unit in which unsynced bytes live or die.
pub const SECTOR_BYTES: u64 = 512;
/// Bytes in a page: the unit in which space is taken. What lies in no page is a hole.
const PAGE_BYTES: u64 = 4096;

type Sector = [u8; SECTOR_BYTES as usize];

/// The disk of one node.
///
/// Paths are those of a process whose working directory is the root: `a/b` and `/a/b` are the same.
/// `.` and `..` work, symbolic links and permissions do not exist.
#[derive(Clone)]
pub struct Disk {
    tree: Tree,
    journal: Journal,
    handles: Vec<HandleSlot>,
    vacant_handles: Vec<u32>,
    locks: Locks,
    options: DiskOptions,
}

/// What a disk is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct DiskOptions {
    /// The room for the bytes of files, taken in blocks of 4096.
    pub capacity_bytes: u64,
    /// With more unsynced operations on names than this, the oldest become durable, as a file
    /// system writes its journal every few seconds. A bound on memory, far above what tests need.
    pub unsynced_names_max: usize,
    /// What a sync that fails leaves behind.
    pub sync_failure: SyncFailure,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self {
            capacity_bytes: 1 << 40,
            unsynced_names_max: 4096,
            sync_failure: SyncFailure::default(),
        }
    }
}

/// How a file is opened, as [`std::fs::OpenOptions`] has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenFlags {
    pub read: bool,
    pub write: bool,
    /// Every write goes to the end, wherever it was meant to go.
    pub append: bool,
    pub truncate: bool,
    /// Make the file if it is not there.
    pub create: bool,
    /// Make the file, and fail if it is there.
    pub create_new: bool,
    /// Past the page cache, in whole sectors: `O_DIRECT`.
    pub direct: bool,
    /// A write ends when its bytes are durable: `O_DSYNC`.
    pub data_sync: bool,
    /// As `data_sync`, and the file system writes its journal each time: `O_SYNC`.
    pub all_sync: bool,
}

impl OpenFlags {
    /// Whether a write ends when it is durable.
    pub(crate) fn syncs_writes(self) -> bool {
        self.data_sync || self.all_sync
    }

    /// To read a file, or to sync a directory.
    pub const READ: Self = Self {
        read: true,
        write: false,
        append: false,
        truncate: false,
        create: false,
        create_new: false,
        direct: false,
        data_sync: false,
        all_sync: false,
    };

    /// Combinations that std refuses.
    fn validate(self) -> Result<(), Errno> {
        let has_access = self.read || self.write || self.append;
        let changes_without_write =
            (self.truncate || self.create || self.create_new) && !(self.write || self.append);
        let truncates_appended = self.append && self.truncate && !self.create_new;
        if !has_access || changes_without_write || truncates_appended {
            return Err(Errno::Invalid);
        }
        Ok(())
    }

    fn can_write(self) -> bool {
        self.write || self.append
    }
}

/// An open file or directory. It dies with the process or the power; a dead one answers
/// [`Errno::BadDescriptor`] for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileHandle {
    index: u32,
    generation: u32,
}

#[derive(Clone)]
struct HandleSlot {
    generation: u32,
    open: Option<OpenFile>,
}

#[derive(Clone, Copy)]
struct OpenFile {
    inode: InodeId,
    flags: OpenFlags,
    /// How many failed syncs of the file it knows of.
    failures_seen: u32,
}

/// What there is to know about a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub kind: FileKind,
    /// Bytes in a file; 0 for a directory.
    pub len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File,
    Directory,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    pub name: String,
    pub kind: FileKind,
}

/// What a power loss could take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirtyCount {
    /// Bytes of files that lie in unsynced sectors.
    pub bytes: u64,
    pub sectors: u64,
    /// Unsynced operations on names.
    pub entries: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Self::new(DiskOptions::default())
    }
}

impl Disk {
    /// An empty disk.
    pub fn new(options: DiskOptions) -> Self {
        Self {
            tree: Tree::new(options.capacity_bytes),
            journal: Journal::default(),
            handles: Vec::new(),
            vacant_handles: Vec::new(),
            locks: Locks::default(),
            options,
        }
    }

    /// Opens a file, or a directory to read or sync it.
    ///
    /// # Errors
    /// As open(2), and `Invalid` for flags that std refuses.
    pub fn open(&mut self, path: &str, flags: OpenFlags) -> Result<FileHandle, Errno> {
        flags.validate()?;
        let resolved = self.tree.resolve(path)?;
        let creates = flags.create || flags.create_new;
        if creates && resolved.wants_directory {
            return Err(Errno::IsDirectory);
        }
        let inode = match (resolved.inode, &resolved.last) {
            (Some(_), _) if flags.create_new => return Err(Errno::Exists),
            (Some(inode), _) => inode,
            (None, Last::Name(name)) if creates => {
                self.create(resolved.parent(), name, Kind::File(Contents::default()))
            }
            (None, _) => return Err(Errno::NoEntry),
        };
        if !self.tree.is_directory(inode) && resolved.wants_directory {
            return Err(Errno::NotDirectory);
        }
        if self.tree.is_directory(inode) && (flags.can_write() || creates) {
            return Err(Errno::IsDirectory);
        }
        if self.tree.is_directory(inode) && flags.direct {
            return Err(Errno::Invalid);
        }
        if flags.truncate {
            self.resize(inode, 0)?;
        }
        self.tree.hold(inode, Holder::Handle);
        let failures_seen = self.sync_failures(inode);
        Ok(self.add_handle(OpenFile {
            inode,
            flags,
            failures_seen,
        }))
    }

    /// # Errors
    /// `BadDescriptor` if it is not open.
    pub fn close(&mut self, handle: FileHandle) -> Result<(), Errno> {
        let open = self.opened(handle)?;
        self.drop_handle(handle.index);
        self.tree.let_go(open.inode, Holder::Handle);
        Ok(())
    }

    /// Reads at an offset, up to the end of the file; holes read as zeros. Answers how many bytes,
    /// zero at the end.
    ///
    /// # Errors
    /// `BadDescriptor` without read access, `IsDirectory`; `Invalid` past the page cache, unless offset
    /// and length are whole sectors.
    pub fn read_at(
        &self,
        handle: FileHandle,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Errno> {
        let open = self.opened(handle)?;
        if !open.flags.read {
            return Err(Errno::BadDescriptor);
        }
        let contents = self.contents(open.inode)?;
        if open.flags.direct && offset < contents.size() {
            check_alignment(offset, buffer.len())?;
            return contents.read_past_cache(offset, buffer);
        }
        if contents.is_scarred() {
            return contents.read_scarred(offset, buffer);
        }
        Ok(contents.read(offset, buffer))
    }

    /// Writes at an offset, or at the end through a handle that appends (as pwrite(2) does on Linux).
    /// Answers how many bytes: fewer than asked for when the disk fills up on the way.
    ///
    /// # Errors
    /// `BadDescriptor` without write access, `NoSpace` if not a byte fits, `FileTooBig` past 2^63;
    /// `Invalid` past the page cache, unless offset and length are whole sectors.
    pub fn write_at(
        &mut self,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
    ) -> Result<usize, Errno> {
        let open = self.opened(handle)?;
        if !open.flags.can_write() {
            return Err(Errno::BadDescriptor);
        }
        if open.flags.append {
            return self.append(handle, data);
        }
        self.write(open, offset, data)
    }

    /// Writes at the end of the file, as [`Self::write_at`].
    pub fn append(&mut self, handle: FileHandle, data: &[u8]) -> Result<usize, Errno> {
        let open = self.opened(handle)?;
        if !open.flags.can_write() {
            return Err(Errno::BadDescriptor);
        }
        let end = self.contents(open.inode)?.size();
        self.write(open, end, data)
    }

    /// Cuts a file, or extends it by a hole.
    ///
    /// # Errors
    /// `Invalid` without write access.
    pub fn set_len(&mut self, handle: FileHandle, len: u64) -> Result<(), Errno> {
        let open = self.opened(handle)?;
        if !open.flags.can_write() || len > FILE_BYTES_MAX {
            return Err(Errno::Invalid);
        }
        self.resize(open.inode, len)
    }

    /// The length of an open file; 0 of a directory.
    pub fn len(&self, handle: FileHandle) -> Result<u64, Errno> {
        Ok(self.handle_metadata(handle)?.len)
    }

    /// What an open file is.
    pub fn handle_metadata(&self, handle: FileHandle) -> Result<Metadata, Errno> {
        Ok(self.metadata_of(self.opened(handle)?.inode))
    }

    /// What a path leads to.
    pub fn metadata(&self, path: &str) -> Result<Metadata, Errno> {
        Ok(self.metadata_of(self.tree.find(path)?))
    }

    /// fsync(2): makes a file's bytes and size durable, or a directory's entries. A journaling file
    /// system writes its journal up to the last change of either, whatever else it has of it.
    ///
    /// # Errors
    /// `BadDescriptor`; `Io` once, if a sync of the file through another handle has failed since this
    /// one was opened or synced. All is durable then nevertheless, but for what that had left behind.
    pub fn sync_all(&mut self, handle: FileHandle) -> Result<(), Errno> {
        self.sync(handle, Synced::All, &(0..u64::MAX))
    }

    /// fdatasync(2): as [`Self::sync_all`], since there are no times; but a journaling file system
    /// writes its journal only up to what is needed to read the file.
    ///
    /// # Errors
    /// As [`Self::sync_all`].
    pub fn sync_data(&mut self, handle: FileHandle) -> Result<(), Errno> {
        self.sync(handle, Synced::Data, &(0..u64::MAX))
    }

    /// Gives what `from` leads to the name `to`, in place of what had it.
    ///
    /// # Errors
    /// As rename(2): among them `NotEmpty`, `IsDirectory` for a file onto a directory, `NotDirectory`
    /// for the reverse, `Invalid` for a directory into itself, `Busy` for `/`, `.` and `..`.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let (from, to) = (self.tree.resolve(from)?, self.tree.resolve(to)?);
        let (Last::Name(from_name), Last::Name(to_name)) = (&from.last, &to.last) else {
            return Err(Errno::Busy);
        };
        let moved = from.inode.ok_or(Errno::NoEntry)?;
        if to.inode == Some(moved) {
            return self.check_slashes(moved, &from, &to);
        }
        self.check_rename(moved, &from, &to)?;
        let changes = vec![
            Change {
                directory: from.parent(),
                name: from_name.clone(),
                before: Some(moved),
                after: None,
            },
            Change {
                directory: to.parent(),
                name: to_name.clone(),
                before: to.inode,
                after: Some(moved),
            },
        ];
        self.perform(changes, &to.directories);
        let now = self.journal.now();
        if let (Some(_), Some((contents, _))) = (to.inode, self.tree.contents_mut(moved)) {
            contents.replace(now);
        }
        Ok(())
    }

    /// Gives a file one more name: from then on both are the same file.
    ///
    /// # Errors
    /// As link(2): among them `Exists`, and `NotPermitted` for a directory.
    pub fn link(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let inode = self.tree.find(from)?;
        let to = self.tree.resolve(to)?;
        let (None, Last::Name(name)) = (to.inode, &to.last) else {
            return Err(Errno::Exists);
        };
        if to.wants_directory {
            return Err(Errno::NoEntry);
        }
        if self.tree.is_directory(inode) {
            return Err(Errno::NotPermitted);
        }
        self.name(to.parent(), name, inode);
        Ok(())
    }

    /// Takes one of a file's names. Without any, its bytes live on while it is open.
    ///
    /// # Errors
    /// As unlink(2): among them `IsDirectory`.
    pub fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        let resolved = self.tree.resolve(path)?;
        let Last::Name(name) = &resolved.last else {
            return Err(Errno::IsDirectory);
        };
        let inode = resolved.inode.ok_or(Errno::NoEntry)?;
        if self.tree.is_directory(inode) {
            return Err(Errno::IsDirectory);
        }
        if resolved.wants_directory {
            return Err(Errno::NotDirectory);
        }
        self.remove(resolved.parent(), name, inode);
        Ok(())
    }

    /// # Errors
    /// As mkdir(2): among them `Exists`.
    pub fn mkdir(&mut self, path: &str) -> Result<(), Errno> {
        let resolved = self.tree.resolve(path)?;
        match (&resolved.last, resolved.inode) {
            (Last::Name(name), None) => {
                self.create(
                    resolved.parent(),
                    name,
                    Kind::Directory(Directory::default()),
                );
                Ok(())
            }
            _ => Err(Errno::Exists),
        }
    }

    /// # Errors
    /// As rmdir(2): among them `NotEmpty`.
    pub fn rmdir(&mut self, path: &str) -> Result<(), Errno> {
        let resolved = self.tree.resolve(path)?;
        let name = match &resolved.last {
            Last::Name(name) => name,
            Last::Root => return Err(Errno::Busy),
            Last::Dot => return Err(Errno::Invalid),
            Last::DotDot => return Err(Errno::NotEmpty),
        };
        let inode = resolved.inode.ok_or(Errno::NoEntry)?;
        if !self.tree.is_directory(inode) {
            return Err(Errno::NotDirectory);
        }
        if !self.tree.directory(inode).entries.is_empty() {
            return Err(Errno::NotEmpty);
        }
        self.remove(resolved.parent(), name, inode);
        Ok(())
    }

    /// The names in a directory, sorted.
    pub fn read_dir(&self, path: &str) -> Result<Vec<DirectoryEntry>, Errno> {
        let inode = self.tree.find(path)?;
        if !self.tree.is_directory(inode) {
            return Err(Errno::NotDirectory);
        }
        let entries = self.tree.directory(inode).entries.iter();
        let entry = |(name, &inode): (&String, &InodeId)| DirectoryEntry {
            name: name.clone(),
            kind: self.metadata_of(inode).kind,
        };
        Ok(entries.map(entry).collect())
    }

    /// SIGKILL: handles close, and files that only they kept are gone. The page cache stays.
    pub fn kill(&mut self) {
        self.close_all();
    }

    /// What a power loss could take now.
    pub fn dirty(&self) -> DirtyCount {
        let mut count = DirtyCount {
            entries: self.journal.len() as u64,
            ..DirtyCount::default()
        };
        for contents in self.tree.files() {
            count.bytes += contents.dirty_bytes();
            count.sectors += contents.dirty_sector_count();
        }
        count
    }

    /// Bytes of an open file that a sync has to write.
    pub(super) fn dirty_bytes(&self, handle: FileHandle) -> Result<u64, Errno> {
        Ok(self.contents(self.opened(handle)?.inode)?.dirty_bytes())
    }

    /// In what units an open file is read and written: bytes, or sectors past the page cache.
    pub(super) fn unit(&self, handle: FileHandle) -> Result<usize, Errno> {
        match self.opened(handle)?.flags.direct {
            false => Ok(1),
            true => Ok(SECTOR_BYTES as usize),
        }
    }

    /// Changes the room for the bytes of files.
    pub fn set_capacity(&mut self, capacity_bytes: u64) {
        self.options.capacity_bytes = capacity_bytes;
        self.tree.space.capacity_bytes = capacity_bytes;
    }

    /// Makes no more of the capacity usable than this, until it is called again.
    pub fn limit_room(&mut self, room_bytes: u64) {
        self.tree.space.capacity_bytes = self.options.capacity_bytes.min(room_bytes);
    }

    /// Bytes of the capacity that are taken, in whole blocks.
    pub fn used_bytes(&self) -> u64 {
        self.tree.space.used_bytes
    }

    /// The only way to change the size of a file without writing to it.
    fn resize(&mut self, inode: InodeId, size: u64) -> Result<(), Errno> {
        let now = self.journal.tick();
        let contents = self.tree.contents_mut(inode);
        let (contents, space) = contents.ok_or(Errno::Invalid)?;
        if contents.size() != size {
            contents.set_size(size, now, space);
            let inode = self.tree.inode_mut(inode);
            (inode.changed_at, inode.resized_at) = (now, now);
        }
        Ok(())
    }

    /// The only way for bytes to the page cache.
    fn write(&mut self, open: OpenFile, offset: u64, data: &[u8]) -> Result<usize, Errno> {
        let OpenFile { inode, flags, .. } = open;
        let now = self.journal.tick();
        let (contents, space) = self.tree.contents_mut(inode).ok_or(Errno::IsDirectory)?;
        let end = offset.checked_add(data.len() as u64);
        if end.is_none_or(|end| end > FILE_BYTES_MAX) {
            return Err(Errno::FileTooBig);
        }
        let mut data = data;
        if flags.direct {
            check_alignment(offset, data.len())?;
            contents.evict(offset, data.len() as u64, space);
        } else if contents.is_scarred() {
            data = &data[..contents.writable(offset, data.len())?];
        }
        let size_before = contents.size();
        let mut written = contents.write(offset, data, now, space);
        if written < data.len() {
            self.journal.commit_removals(&mut self.tree);
            let (contents, space) = self.tree.contents_mut(inode).ok_or(Errno::IsDirectory)?;
            let rest = &data[written..];
            written += contents.write(offset + written as u64, rest, now, space);
        }
        if written == 0 && !data.is_empty() {
            return Err(Errno::NoSpace);
        }
        self.note_write(inode, size_before, now);
        Ok(written)
    }

    fn note_write(&mut self, inode: InodeId, size_before: u64, now: u64) {
        let has_grown = self.contents(inode).is_ok_and(|it| it.size() > size_before);
        let inode = self.tree.inode_mut(inode);
        inode.changed_at = now;
        if has_grown {
            inode.resized_at = now;
        }
    }

    /// The only way for bytes and names to the disk: of a file, those bytes in `range`.
    pub(in crate::engine) fn sync(
        &mut self,
        handle: FileHandle,
        synced: Synced,
        range: &Range<u64>,
    ) -> Result<(), Errno> {
        let id = self.opened(handle)?.inode;
        let inode = self.tree.inode(id);
        let needed = match synced == Synced::All || self.tree.is_directory(id) {
            true => inode.changed_at,
            false => inode.resized_at,
        };
        self.journal.flush(needed);
        let now = self.journal.now();
        match self.tree.contents_mut(id) {
            Some((contents, _)) => contents.sync_range(range, now),
            None => self.journal.sync_directory(&mut self.tree, id),
        }
        self.report_failure(handle)
    }

    fn create(&mut self, directory: InodeId, name: &str, kind: Kind) -> InodeId {
        let inode = self.tree.bear(directory, name, kind);
        self.name(directory, name, inode);
        self.tree.inode_mut(inode).resized_at = self.journal.now();
        inode
    }

    fn name(&mut self, directory: InodeId, name: &str, inode: InodeId) {
        let change = Change {
            directory,
            name: name.to_owned(),
            before: None,
            after: Some(inode),
        };
        self.perform(vec![change], &[]);
    }

    fn remove(&mut self, directory: InodeId, name: &str, inode: InodeId) {
        let change = Change {
            directory,
            name: name.to_owned(),
            before: Some(inode),
            after: None,
        };
        self.perform(vec![change], &[]);
    }

    /// The only way to change names.
    fn perform(&mut self, changes: Vec<Change>, above: &[InodeId]) {
        self.journal.perform(&mut self.tree, changes, above);
        self.journal
            .commit_all_but(&mut self.tree, self.options.unsynced_names_max);
    }

    fn check_rename(&self, moved: InodeId, from: &Resolved, to: &Resolved) -> Result<(), Errno> {
        self.check_slashes(moved, from, to)?;
        if to.directories.contains(&moved) {
            return Err(Errno::Invalid);
        }
        let Some(replaced) = to.inode else {
            return Ok(());
        };
        if from.directories.contains(&replaced) {
            return Err(Errno::NotEmpty);
        }
        match (
            self.tree.is_directory(moved),
            self.tree.is_directory(replaced),
        ) {
            (true, false) => Err(Errno::NotDirectory),
            (false, true) => Err(Errno::IsDirectory),
            (true, true) if !self.tree.directory(replaced).entries.is_empty() => {
                Err(Errno::NotEmpty)
            }
            _ => Ok(()),
        }
    }

    fn check_slashes(&self, moved: InodeId, from: &Resolved, to: &Resolved) -> Result<(), Errno> {
        let wants_directory = from.wants_directory || to.wants_directory;
        if wants_directory && !self.tree.is_directory(moved) {
            return Err(Errno::NotDirectory);
        }
        Ok(())
    }

    fn contents(&self, inode: InodeId) -> Result<&Contents, Errno> {
        match &self.tree.inode(inode).kind {
            Kind::File(contents) => Ok(contents),
            Kind::Directory(_) => Err(Errno::IsDirectory),
        }
    }

    fn metadata_of(&self, inode: InodeId) -> Metadata {
        match &self.tree.inode(inode).kind {
            Kind::File(contents) => Metadata {
                kind: FileKind::File,
                len: contents.size(),
            },
            Kind::Directory(_) => Metadata {
                kind: FileKind::Directory,
                len: 0,
            },
        }
    }

    fn opened(&self, handle: FileHandle) -> Result<OpenFile, Errno> {
        let slot = self.handles.get(handle.index as usize);
        let slot = slot.filter(|slot| slot.generation == handle.generation);
        slot.and_then(|slot| slot.open).ok_or(Errno::BadDescriptor)
    }

    fn add_handle(&mut self, open: OpenFile) -> FileHandle {
        let index = self.vacant_handles.pop().unwrap_or_else(|| {
            self.handles.push(HandleSlot {
                generation: 0,
                open: None,
            });
            self.handles.len() as u32 - 1
        });
        let slot = &mut self.handles[index as usize];
        slot.open = Some(open);
        FileHandle {
            index,
            generation: slot.generation,
        }
    }

    fn drop_handle(&mut self, index: u32) -> Option<OpenFile> {
        let slot = &mut self.handles[index as usize];
        let open = slot.open.take()?;
        slot.generation += 1;
        self.locks.release(index);
        self.vacant_handles.push(index);
        Some(open)
    }

    fn close_all(&mut self) {
        for index in 0..self.handles.len() as u32 {
            if let Some(open) = self.drop_handle(index) {
                self.tree.let_go(open.inode, Holder::Handle);
            }
        }
    }
}

/// What goes past the page cache goes in whole sectors. (Memory may lie anywhere: to know where would
/// let addresses decide.)
fn check_alignment(offset: u64, length: usize) -> Result<(), Errno> {
    let is_whole = |bytes: u64| bytes.is_multiple_of(SECTOR_BYTES);
    match length == 0 || (is_whole(offset) && is_whole(length as u64)) {
        true => Ok(()),
        false => Err(Errno::Invalid),
    }
}

/// As far as an `off_t` reaches.
const FILE_BYTES_MAX: u64 = i64::MAX as u64;
