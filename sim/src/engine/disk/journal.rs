//! Operations on names that a power loss may still undo, and what each of them stands on.
//!
//! POSIX promises nothing about unsynced names, and not even that of any two the first survives.
//! Still some combinations cannot be: a name cannot be given away before it was had. Each operation
//! therefore lists the earlier ones that it *stands on*, and what survives is closed under that:
//!
//! - the last operation on each of its names: what happens to one name happens in order;
//! - when a directory goes away, the last operation on each name within, or what was moved out of
//!   it would be lost by a survivor;
//! - for a rename, the operations that gave their names to the directories above its target, or
//!   what is moved into a new directory would be lost with it, and two moves of directories could
//!   make a circle with no way in.
//!
//! A rename is one operation on two names. Nothing that was synced, and that no program removed, can
//! be lost by any closed subset. A link and the unlink of the older name are two operations: whoever
//! does not sync the new name in between may lose the file.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Holder, InodeId, Tree};
use crate::keyed::Key;

/// One entry of a directory, before and after.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) directory: InodeId,
    pub(super) name: String,
    pub(super) before: Option<InodeId>,
    pub(super) after: Option<InodeId>,
}

#[derive(Clone)]
pub(super) struct Operation {
    pub(super) changes: Vec<Change>,
    stands_on: BTreeSet<u64>,
    /// What its fate is keyed by: its last name, and the how-manieth unsynced operation on that.
    pub(super) identity: Key,
    ordinal: u64,
}

/// The operations since each name was last synced, oldest first.
#[derive(Clone, Default)]
pub(super) struct Journal {
    operations: BTreeMap<u64, Operation>,
    /// The time of the last change to anything on the disk; the number of an operation is its time.
    now: u64,
    /// Up to and with this time, journaling file systems have their journal on the disk.
    flushed: u64,
}

impl Journal {
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    /// Oldest first, each with its number.
    pub(super) fn operations(&self) -> impl DoubleEndedIterator<Item = (u64, &Operation)> {
        self.operations
            .iter()
            .map(|(&number, operation)| (number, operation))
    }

    /// The time of a change that begins now.
    pub(super) fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// A sync that makes a journaling file system write its journal up to and with a time.
    pub(super) fn flush(&mut self, time: u64) {
        self.flushed = self.flushed.max(time);
    }

    pub(super) fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Carries out changes of names. `above` are the directories whose names a rename stands on.
    pub(super) fn perform(&mut self, tree: &mut Tree, changes: Vec<Change>, above: &[InodeId]) {
        let number = self.tick();
        let stands_on = self.foundations(tree, &changes, above);
        let (identity, ordinal) = self.identity(tree, &changes);
        for change in &changes {
            let directory = tree.directory_mut(change.directory);
            directory.unsynced.insert(change.name.clone(), number);
            for inode in change.inodes() {
                tree.hold(inode, Holder::Journal);
                tree.inode_mut(inode).changed_at = number;
            }
        }
        // What is removed is held by now, and what is moved is named twice for a moment.
        for change in changes.iter().rev() {
            tree.set_entry(change.directory, &change.name, change.after);
        }
        if let Some(directory) = named_directory(tree, &changes) {
            tree.directory_mut(directory).named_by = Some(number);
        }
        let operation = Operation {
            changes,
            stands_on,
            identity,
            ordinal,
        };
        self.operations.insert(number, operation);
    }

    fn foundations(&self, tree: &Tree, changes: &[Change], above: &[InodeId]) -> BTreeSet<u64> {
        let mut numbers = BTreeSet::new();
        for change in changes {
            let directory = tree.directory(change.directory);
            numbers.extend(directory.unsynced.get(&change.name));
            let leaving = change.before.filter(|&inode| tree.is_directory(inode));
            if let Some(leaving) = leaving {
                numbers.extend(tree.directory(leaving).unsynced.values());
            }
        }
        numbers.extend(above.iter().filter_map(|&id| tree.directory(id).named_by));
        numbers.retain(|number| self.operations.contains_key(number));
        numbers
    }

    fn identity(&self, tree: &Tree, changes: &[Change]) -> (Key, u64) {
        let change = changes.last().expect("an operation changes something");
        let before = tree.directory(change.directory).unsynced.get(&change.name);
        let before = before.and_then(|number| self.operations.get(number));
        let ordinal = before.map_or(0, |operation| operation.ordinal + 1);
        let directory = tree.inode(change.directory).identity;
        (directory.label(&change.name).with(ordinal), ordinal)
    }

    /// Makes the entries of a directory durable.
    pub(super) fn sync_directory(&mut self, tree: &mut Tree, directory: InodeId) {
        let numbers: Vec<u64> = tree
            .directory(directory)
            .unsynced
            .values()
            .copied()
            .collect();
        for number in numbers {
            self.commit(tree, number);
        }
    }

    /// Makes the oldest operations durable until no more than `count` are left.
    pub(super) fn commit_all_but(&mut self, tree: &mut Tree, count: usize) {
        while self.len() > count {
            let (&oldest, _) = self.operations.first_key_value().expect("it is not empty");
            self.commit(tree, oldest);
        }
    }

    /// Makes the removals durable that alone keep an inode, as ext4 does when it runs out of space.
    pub(super) fn commit_removals(&mut self, tree: &mut Tree) {
        let condemns = |change: &Change| change.before.is_some_and(|id| tree.is_condemned(id));
        let removals = self
            .operations
            .iter()
            .filter(|(_, it)| it.changes.iter().any(condemns));
        let numbers: Vec<u64> = removals.map(|(&number, _)| number).collect();
        for number in numbers {
            self.commit(tree, number);
        }
    }

    /// Makes one operation durable, with all that it stands on.
    fn commit(&mut self, tree: &mut Tree, number: u64) {
        let mut waiting = vec![number];
        while let Some(number) = waiting.pop() {
            let Some(operation) = self.operations.remove(&number) else {
                continue;
            };
            self.flush(number);
            waiting.extend(&operation.stands_on);
            for change in &operation.changes {
                let unsynced = &mut tree.directory_mut(change.directory).unsynced;
                if unsynced.get(&change.name) == Some(&number) {
                    unsynced.remove(&change.name);
                }
            }
            for inode in operation.changes.iter().flat_map(Change::inodes) {
                tree.let_go(inode, Holder::Journal);
            }
        }
    }

    /// The operations before a time.
    pub(super) fn before(&self, time: u64) -> BTreeSet<u64> {
        self.operations
            .range(..time)
            .map(|(&number, _)| number)
            .collect()
    }

    /// All sets of operations that may survive without the others; `None` if there are more than
    /// `max`.
    pub(super) fn closed_subsets(&self, max: usize) -> Option<Vec<BTreeSet<u64>>> {
        let mut subsets = vec![BTreeSet::new()];
        for (&number, operation) in &self.operations {
            let may_survive = |subset: &&BTreeSet<u64>| {
                let mut needed = operation.stands_on.iter();
                needed.all(|it| subset.contains(it) || !self.operations.contains_key(it))
            };
            let mut with: Vec<_> = subsets.iter().filter(may_survive).cloned().collect();
            for subset in &mut with {
                subset.insert(number);
            }
            subsets.append(&mut with);
            if subsets.len() > max {
                return None;
            }
        }
        Some(subsets)
    }

    /// The power goes: every operation that `survives` does not keep is undone, with all that stands
    /// on it. Answers how many were.
    pub(super) fn lose_power(
        &mut self,
        tree: &mut Tree,
        survives: impl Fn(u64, &Operation) -> bool,
    ) -> u64 {
        let operations = std::mem::take(&mut self.operations);
        for change in operations
            .values()
            .rev()
            .flat_map(|it| it.changes.iter().rev())
        {
            tree.put_entry(change.directory, &change.name, change.before);
        }
        let mut undone = BTreeSet::new();
        for (number, operation) in &operations {
            if !operation.stands_on.is_disjoint(&undone) || !survives(*number, operation) {
                undone.insert(*number);
                continue;
            }
            for change in &operation.changes {
                tree.put_entry(change.directory, &change.name, change.after);
            }
        }
        undone.len() as u64
    }
}

impl Change {
    /// All that the change refers to.
    fn inodes(&self) -> impl Iterator<Item = InodeId> + use<> {
        [Some(self.directory), self.before, self.after]
            .into_iter()
            .flatten()
    }
}

/// The directory that an operation gives a name.
fn named_directory(tree: &Tree, changes: &[Change]) -> Option<InodeId> {
    let named = changes.last().and_then(|change| change.after);
    named.filter(|&inode| tree.is_directory(inode))
}
