//! All that a power loss might leave: for small windows every state, where
//! [`Disk::power_loss`] shows one.
//!
//! As ALICE (Pillai et al., OSDI 2014) and CrashMonkey (Mohan et al., OSDI 2018) explore them; there
//! from a trace of the block device, here from what the disk knows to be unsynced.

use std::collections::{BTreeMap, BTreeSet};

use super::contents::Leaving;
use super::profiles::{CrashProfile, WriteOrder};
use super::tree::{InodeId, Kind};
use super::{Disk, FileKind};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    Directory,
    File {
        bytes: Vec<u8>,
        /// All paths of this file, sorted.
        names: Vec<String>,
    },
}

/// A power loss could leave more states than somebody wanted to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a power loss could leave more than {max} states")]
pub struct TooManyStates {
    pub max: usize,
}

/// The operations on names that survive, and until when journals do.
struct Names {
    operations: BTreeSet<u64>,
    journal_end: u64,
}

type States = BTreeMap<BTreeMap<String, Entry>, Disk>;

impl Disk {
    /// Every distinct state that a power loss now could leave under this profile, each as the disk
    /// would come back: no file open, all that is there durable. Garbage is not among them, for it
    /// is anything at all. This disk stays as it is.
    ///
    /// # Errors
    /// If there are more than `max`. One append of so many bytes has more under POSIX's order.
    pub fn crash_states(
        &self,
        profile: &CrashProfile,
        max: usize,
    ) -> Result<Vec<Self>, TooManyStates> {
        let mut states = States::new();
        for names in self.surviving_names(profile, max)? {
            let mut disk = self.clone();
            disk.close_all();
            let survives = |number, _: &_| names.operations.contains(&number);
            disk.journal.lose_power(&mut disk.tree, survives);
            disk.tree.sweep();
            let files = disk.tree.unsynced_files();
            disk.lose_bytes_in_all_ways(&files, names.journal_end, profile, max, &mut states)?;
        }
        Ok(states.into_values().collect())
    }

    /// All that programs can see, by path from the root.
    pub fn entries(&self) -> BTreeMap<String, Entry> {
        let mut paths = BTreeMap::new();
        self.list("", &mut paths);
        let mut names: BTreeMap<InodeId, Vec<String>> = BTreeMap::new();
        for (path, inode) in &paths {
            names.entry(*inode).or_default().push(path.clone());
        }
        let entry = |inode: InodeId| match &self.tree.inode(inode).kind {
            Kind::Directory(_) => Entry::Directory,
            Kind::File(contents) => Entry::File {
                bytes: contents.bytes(),
                names: names[&inode].clone(),
            },
        };
        let entries = paths.iter();
        entries
            .map(|(path, &inode)| (path.clone(), entry(inode)))
            .collect()
    }

    fn list(&self, above: &str, paths: &mut BTreeMap<String, InodeId>) {
        let found = self.tree.find(&format!("/{above}"));
        let directory = self.tree.directory(found.expect("it was listed"));
        for (name, &inode) in &directory.entries {
            let path = format!("{above}{name}");
            if self.metadata_of(inode).kind == FileKind::Directory {
                self.list(&format!("{path}/"), paths);
            }
            paths.insert(path, inode);
        }
    }

    fn surviving_names(
        &self,
        profile: &CrashProfile,
        max: usize,
    ) -> Result<Vec<Names>, TooManyStates> {
        if profile.order == WriteOrder::Posix {
            let closed = self
                .journal
                .closed_subsets(max.saturating_mul(SUBSETS_PER_STATE));
            let names = |operations| Names {
                operations,
                journal_end: u64::MAX,
            };
            let closed = closed.ok_or(TooManyStates { max })?;
            return Ok(closed.into_iter().map(names).collect());
        }
        let mut ends = self.journal_times();
        ends.push(u64::MAX);
        ends.dedup();
        let names = |journal_end| Names {
            operations: self.journal.before(journal_end),
            journal_end,
        };
        Ok(ends.into_iter().map(names).collect())
    }

    fn lose_bytes_in_all_ways(
        self,
        files: &[InodeId],
        journal_end: u64,
        profile: &CrashProfile,
        max: usize,
        states: &mut States,
    ) -> Result<(), TooManyStates> {
        let Some((&file, others)) = files.split_first() else {
            states.insert(self.entries(), self);
            return match states.len() > max {
                true => Err(TooManyStates { max }),
                false => Ok(()),
            };
        };
        let contents = self.contents(file).expect("only files are listed");
        let ways = contents.leavings(journal_end, profile, max);
        for way in ways.ok_or(TooManyStates { max })? {
            let mut disk = self.clone();
            disk.leave(file, &way);
            disk.lose_bytes_in_all_ways(others, journal_end, profile, max, states)?;
        }
        Ok(())
    }

    fn leave(&mut self, file: InodeId, way: &Leaving) {
        if let Some((contents, space)) = self.tree.contents_mut(file) {
            contents.become_durable(way.size, &way.sectors, space);
        }
    }
}

/// So many sets of operations may lead to one state before the search gives up.
const SUBSETS_PER_STATE: usize = 64;
