//! The names of a disk as programs see them: inodes, directories and the way from a path to them.

use std::collections::BTreeMap;

use super::contents::{Contents, Space};
use super::errno::Errno;
use crate::keyed::Key;

const NAME_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 4095;

/// A place in the slab of inodes. It is used again when its inode is gone for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InodeId(usize);

pub(super) const ROOT: InodeId = InodeId(0);

/// It lives as long as anything refers to it.
#[derive(Clone)]
pub(super) struct Inode {
    /// What the inode's fate in a power loss is keyed by: where it was born, and as the how-manieth
    /// of that name. A place in the slab would tie it to what other files do.
    pub(super) identity: Key,
    pub(super) kind: Kind,
    /// When anything of it changed last: its names, entries, bytes or size.
    pub(super) changed_at: u64,
    /// When what is needed to read it changed last: it was made, or got another size.
    pub(super) resized_at: u64,
    /// The directory entries that programs see; a directory has one at the most.
    links: u32,
    opens: u32,
    /// By operations on names that may still be undone.
    journal: u32,
}

#[derive(Clone)]
pub(super) enum Kind {
    File(Contents),
    Directory(Directory),
}

#[derive(Clone, Default)]
pub(super) struct Directory {
    pub(super) entries: BTreeMap<String, InodeId>,
    /// The last unsynced operation on each name, as its number in the journal.
    pub(super) unsynced: BTreeMap<String, u64>,
    /// The last operation that gave this directory its own name.
    pub(super) named_by: Option<u64>,
}

/// Who refers to an inode.
#[derive(Clone, Copy)]
pub(super) enum Holder {
    Entry,
    Handle,
    Journal,
}

#[derive(Clone)]
pub(super) struct Tree {
    inodes: Vec<Option<Inode>>,
    vacant: Vec<InodeId>,
    /// How often each name was born, by the hash of its birthplace.
    births: BTreeMap<Key, u64>,
    pub(super) space: Space,
}

/// Where a path leads.
pub(super) struct Resolved {
    /// From the root to the directory that holds the last name.
    pub(super) directories: Vec<InodeId>,
    pub(super) last: Last,
    /// What is there; `None` if nothing is.
    pub(super) inode: Option<InodeId>,
    /// The path ends with a slash, so it must be a directory.
    pub(super) wants_directory: bool,
}

/// The last part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Name(String),
    Root,
    Dot,
    DotDot,
}

impl Resolved {
    pub(super) fn parent(&self) -> InodeId {
        *self.directories.last().expect("the root is always there")
    }
}

impl Tree {
    pub(super) fn new(capacity_bytes: u64) -> Self {
        let root = Inode {
            identity: Key::root(0),
            kind: Kind::Directory(Directory::default()),
            changed_at: 0,
            resized_at: 0,
            links: 1,
            opens: 0,
            journal: 0,
        };
        Self {
            inodes: vec![Some(root)],
            vacant: Vec::new(),
            births: BTreeMap::new(),
            space: Space {
                capacity_bytes,
                used_bytes: 0,
            },
        }
    }

    pub(super) fn inode(&self, id: InodeId) -> &Inode {
        self.inodes[id.0].as_ref().expect("somebody refers to it")
    }

    pub(super) fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        self.inodes[id.0].as_mut().expect("somebody refers to it")
    }

    pub(super) fn is_directory(&self, id: InodeId) -> bool {
        matches!(self.inode(id).kind, Kind::Directory(_))
    }

    /// # Panics
    /// If it is a file.
    pub(super) fn directory(&self, id: InodeId) -> &Directory {
        match &self.inode(id).kind {
            Kind::Directory(directory) => directory,
            Kind::File(_) => panic!("a file where a directory must be"),
        }
    }

    /// # Panics
    /// If it is a file.
    pub(super) fn directory_mut(&mut self, id: InodeId) -> &mut Directory {
        match &mut self.inode_mut(id).kind {
            Kind::Directory(directory) => directory,
            Kind::File(_) => panic!("a file where a directory must be"),
        }
    }

    /// The contents of a file, with the room on the disk that they may take; `None` for a directory.
    pub(super) fn contents_mut(&mut self, id: InodeId) -> Option<(&mut Contents, &mut Space)> {
        let inode = self.inodes[id.0].as_mut().expect("somebody refers to it");
        match &mut inode.kind {
            Kind::File(contents) => Some((contents, &mut self.space)),
            Kind::Directory(_) => None,
        }
    }

    /// All files, in the order of the slab.
    pub(super) fn all_files(&self) -> impl Iterator<Item = &Contents> {
        let inodes = self.inodes.iter().flatten();
        inodes.filter_map(|inode| match &inode.kind {
            Kind::File(contents) => Some(contents),
            Kind::Directory(_) => None,
        })
    }

    /// The files that a power loss might change.
    pub(super) fn unsynced_files(&self) -> Vec<InodeId> {
        let is_unsynced = |&id: &InodeId| match &self.inodes[id.0] {
            Some(inode) => matches!(&inode.kind, Kind::File(contents) if contents.is_dirty()),
            None => false,
        };
        let all = (0..self.inodes.len()).map(InodeId);
        all.filter(is_unsynced).collect()
    }

    /// The files that have a name, in the order of the slab.
    pub(super) fn files(&self) -> impl Iterator<Item = &Contents> {
        let named = self.inodes.iter().flatten().filter(|inode| inode.links > 0);
        named.filter_map(|inode| match &inode.kind {
            Kind::File(contents) => Some(contents),
            Kind::Directory(_) => None,
        })
    }

    /// The files of [`Self::files`], in the same order, and the room on the disk.
    pub(super) fn files_and_space(&mut self) -> (impl Iterator<Item = &mut Contents>, &mut Space) {
        let inodes = self.inodes.iter_mut().flatten();
        let named = inodes.filter(|inode| inode.links > 0);
        let files = named.filter_map(|inode| match &mut inode.kind {
            Kind::File(contents) => Some(contents),
            Kind::Directory(_) => None,
        });
        (files, &mut self.space)
    }

    /// Visits the files in the order of the slab, each with its identity and the room on the disk.
    pub(super) fn for_each_file(&mut self, mut visit: impl FnMut(Key, &mut Contents, &mut Space)) {
        for inode in self.inodes.iter_mut().flatten() {
            if let Kind::File(contents) = &mut inode.kind {
                visit(inode.identity, contents, &mut self.space);
            }
        }
    }

    /// A new inode for `name` in `parent`, which nothing refers to as yet.
    pub(super) fn bear(&mut self, parent: InodeId, name: &str, kind: Kind) -> InodeId {
        let birthplace = self.inode(parent).identity.label(name);
        let ordinal = self.births.entry(birthplace).or_default();
        let inode = Inode {
            identity: birthplace.with(*ordinal),
            kind,
            changed_at: 0,
            resized_at: 0,
            links: 0,
            opens: 0,
            journal: 0,
        };
        *ordinal += 1;
        if let Some(id) = self.vacant.pop() {
            self.inodes[id.0] = Some(inode);
            return id;
        }
        self.inodes.push(Some(inode));
        InodeId(self.inodes.len() - 1)
    }

    pub(super) fn hold(&mut self, id: InodeId, holder: Holder) {
        *self.inode_mut(id).holders(holder) += 1;
    }

    /// Whoever lets go last frees the inode.
    pub(super) fn let_go(&mut self, id: InodeId, holder: Holder) {
        let inode = self.inode_mut(id);
        *inode.holders(holder) -= 1;
        if inode.links + inode.opens + inode.journal == 0 {
            self.free(id);
        }
    }

    /// Whether an inode exists only because its removal may still be undone.
    pub(super) fn is_condemned(&self, id: InodeId) -> bool {
        let inode = self.inode(id);
        inode.links + inode.opens == 0
    }

    fn free(&mut self, id: InodeId) {
        let inode = self.inodes[id.0].take().expect("it is freed once");
        if let Kind::File(contents) = inode.kind {
            contents.release(&mut self.space);
        }
        self.vacant.push(id);
    }

    /// Sets an entry and the counts of what it named and names.
    pub(super) fn set_entry(&mut self, directory: InodeId, name: &str, target: Option<InodeId>) {
        if let Some(target) = target {
            self.hold(target, Holder::Entry);
        }
        if let Some(before) = self.put_entry(directory, name, target) {
            self.let_go(before, Holder::Entry);
        }
    }

    /// Sets an entry alone. Answers what it named before.
    pub(super) fn put_entry(
        &mut self,
        directory: InodeId,
        name: &str,
        target: Option<InodeId>,
    ) -> Option<InodeId> {
        let entries = &mut self.directory_mut(directory).entries;
        match target {
            Some(target) => entries.insert(name.to_owned(), target),
            None => entries.remove(name),
        }
    }

    /// Frees what no path leads to; what is left is held by its entries alone, and has no unsynced
    /// names.
    pub(super) fn sweep(&mut self) {
        for (at, links) in self.count_names().into_iter().enumerate() {
            let Some(inode) = &mut self.inodes[at] else {
                continue;
            };
            (inode.links, inode.opens, inode.journal) = (links, 0, 0);
            if let Kind::Directory(directory) = &mut inode.kind {
                directory.unsynced.clear();
                directory.named_by = None;
            }
            if links == 0 {
                self.free(InodeId(at));
            }
        }
    }

    /// How many entries of directories that a path leads to name each inode; 1 for the root.
    fn count_names(&self) -> Vec<u32> {
        let mut names = vec![0; self.inodes.len()];
        let mut waiting = vec![ROOT];
        while let Some(id) = waiting.pop() {
            names[id.0] += 1;
            if let Kind::Directory(directory) = &self.inode(id).kind {
                assert!(names[id.0] == 1, "a directory has two names");
                waiting.extend(directory.entries.values());
            }
        }
        names
    }

    /// Follows a path from the root. Every directory on the way must exist; the last name need not.
    pub(super) fn resolve(&self, path: &str) -> Result<Resolved, Errno> {
        if path.is_empty() {
            return Err(Errno::NoEntry);
        }
        if path.len() > PATH_BYTES_MAX {
            return Err(Errno::NameTooLong);
        }
        if path.contains('\0') {
            return Err(Errno::Invalid);
        }
        let mut directories = vec![ROOT];
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        let mut resolved = (Last::Root, Some(ROOT));
        while let Some(part) = parts.next() {
            resolved = match part {
                "." => (Last::Dot, directories.last().copied()),
                ".." => {
                    if directories.len() > 1 {
                        directories.pop();
                    }
                    (Last::DotDot, directories.last().copied())
                }
                _ if part.len() > NAME_BYTES_MAX => return Err(Errno::NameTooLong),
                _ => {
                    let parent = directories.last().expect("the root is always there");
                    let inode = self.directory(*parent).entries.get(part).copied();
                    (Last::Name(part.to_owned()), inode)
                }
            };
            if parts.peek().is_some() && matches!(resolved.0, Last::Name(_)) {
                let inode = resolved.1.ok_or(Errno::NoEntry)?;
                if !self.is_directory(inode) {
                    return Err(Errno::NotDirectory);
                }
                directories.push(inode);
            }
        }
        let (last, inode) = resolved;
        Ok(Resolved {
            directories,
            wants_directory: path.ends_with('/') && matches!(last, Last::Name(_)),
            last,
            inode,
        })
    }

    /// Follows a path to what must exist.
    pub(super) fn find(&self, path: &str) -> Result<InodeId, Errno> {
        let resolved = self.resolve(path)?;
        let inode = resolved.inode.ok_or(Errno::NoEntry)?;
        if resolved.wants_directory && !self.is_directory(inode) {
            return Err(Errno::NotDirectory);
        }
        Ok(inode)
    }
}

impl Inode {
    fn holders(&mut self, holder: Holder) -> &mut u32 {
        match holder {
            Holder::Entry => &mut self.links,
            Holder::Handle => &mut self.opens,
            Holder::Journal => &mut self.journal,
        }
    }
}
