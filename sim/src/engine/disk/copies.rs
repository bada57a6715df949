//! A disk as a whole: emptied, as it would be after a power loss, compared with another.

use std::collections::BTreeMap;

use super::Disk;
use super::contents::Contents;
use super::profiles::CrashProfile;
use super::tree::{InodeId, Kind, ROOT};
use crate::keyed::{Key, fnv1a};

impl Disk {
    /// An empty disk of the same kind.
    pub fn emptied(&self) -> Self {
        Self::new(self.options)
    }

    /// A disk that holds what this one does durably: what a power loss leaves that spares nothing
    /// unsynced.
    pub fn durable(&self) -> Self {
        let mut copy = self.clone();
        let nothing = CrashProfile {
            nothing_per_mille: 1000,
            everything_per_mille: 0,
            ..CrashProfile::posix()
        };
        copy.power_loss(Key::root(0), &nothing);
        copy
    }

    /// How many paths lead to something else on another disk, or exist on one of them alone.
    pub fn paths_that_differ(&self, other: &Self) -> u64 {
        let (mine, theirs) = (self.paths(), other.paths());
        let differs = |(path, content): &(&String, &u64)| theirs.get(*path) != Some(*content);
        let only_theirs = theirs.keys().filter(|path| !mine.contains_key(*path));
        (mine.iter().filter(differs).count() + only_theirs.count()) as u64
    }

    /// All paths, each with a hash of what it leads to.
    fn paths(&self) -> BTreeMap<String, u64> {
        let mut paths = BTreeMap::new();
        let mut waiting: Vec<(String, InodeId)> = vec![(String::new(), ROOT)];
        while let Some((path, inode)) = waiting.pop() {
            let content = match &self.tree.inode(inode).kind {
                Kind::File(contents) => contents.hash(),
                Kind::Directory(directory) => {
                    let entries = directory.entries.iter();
                    waiting.extend(entries.map(|(name, id)| (format!("{path}/{name}"), *id)));
                    0
                }
            };
            if inode != ROOT {
                paths.insert(path, content);
            }
        }
        paths
    }
}

impl Contents {
    /// Of what programs see.
    fn hash(&self) -> u64 {
        let start = Key::root(1).with(self.size());
        let pages = self.pages.iter().fold(start, |hash, (page, bytes)| {
            hash.with(*page).with(fnv1a(&bytes[..]))
        });
        pages.bits()
    }
}
