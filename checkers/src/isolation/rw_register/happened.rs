//! What certainly happened, and what was seen of it: the transactions that ended in `ok` and those
//! others of which somebody saw a write.
//!
//! A transaction that crashed happened if and only if a value that it wrote was read. If it was not,
//! leaving it out keeps every explanation of the history right: nobody read from it.

use super::transactions::{INITIAL, Transactions};
use crate::history::Outcome;

/// A read of what another transaction wrote last to that key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) key: u32,
    /// The slot of the write that it saw, or [`INITIAL`].
    pub(super) slot: u32,
}

/// Lists of different lengths in one vector.
#[derive(Clone, Debug)]
pub(super) struct Lists<T> {
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T> Lists<T> {
    fn new() -> Self {
        Self {
            starts: vec![0],
            items: Vec::new(),
        }
    }

    fn end_list(&mut self) {
        self.starts.push(self.items.len() as u32);
    }

    pub(super) fn get(&self, list: usize) -> &[T] {
        &self.items[self.range(list)]
    }

    pub(super) fn range(&self, list: usize) -> std::ops::Range<usize> {
        self.starts[list] as usize..self.starts[list + 1] as usize
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn item_count(&self) -> usize {
        self.items.len()
    }
}

impl<T: Copy + Default> Lists<T> {
    /// The items by the number of their list, in the order in which they come.
    pub(super) fn group(lists: usize, pairs: impl Iterator<Item = (u32, T)> + Clone) -> Self {
        let mut starts = vec![0u32; lists + 1];
        for (list, _) in pairs.clone() {
            starts[list as usize + 1] += 1;
        }
        for list in 0..lists {
            starts[list + 1] += starts[list];
        }
        let mut next = starts.clone();
        let mut items = vec![T::default(); starts[lists] as usize];
        for (list, item) in pairs {
            let place = &mut next[list as usize];
            items[*place as usize] = item;
            *place += 1;
        }
        Self { starts, items }
    }
}

/// The transactions that happened, numbered in the order of their invocations.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    /// Their numbers among all transactions.
    pub(super) transactions: Vec<u32>,
    /// What each saw of others, in the order of the program. Reads that no order could explain are
    /// left out: they are anomalies of their own.
    pub(super) reads: Lists<Read>,
    /// The keys that each wrote, ascending. The place of an item among all is its *slot*, which
    /// stands for the version that the transaction left there.
    pub(super) writes: Lists<u32>,
    /// The transaction of each slot.
    pub(super) owner: Vec<u32>,
    /// The version of each slot.
    pub(super) version: Vec<u32>,
    /// The last transaction of the same process that had returned before, or [`INITIAL`].
    pub(super) previous: Vec<u32>,
    pub(super) keys: usize,
}

impl Happened {
    /// Leaves out what [`super::direct`] found to be wrong. O(n log w) for w writes of a transaction.
    pub(super) fn new(all: &Transactions, seen: &super::direct::Seen) -> Self {
        let transactions: Vec<u32> = (0..all.len() as u32)
            .filter(|&number| seen.happened(all, number as usize))
            .collect();
        let mut happened = Self {
            reads: Lists::new(),
            writes: Lists::new(),
            owner: Vec::new(),
            version: Vec::new(),
            previous: previous(all, &transactions),
            keys: all.key_count(),
            transactions,
        };
        let slot_of_version = happened.collect_writes(all);
        happened.collect_reads(seen, &slot_of_version);
        happened
    }

    fn collect_writes(&mut self, all: &Transactions) -> Vec<u32> {
        let mut slot_of_version = vec![INITIAL; all.version_count()];
        let mut last: Vec<(u32, u32)> = Vec::new();
        for (index, &number) in self.transactions.iter().enumerate() {
            last.clear();
            for access in all.accesses(number as usize) {
                if access.is_write() {
                    last.push((access.key(), access.version));
                }
            }
            last.sort_by_key(|&(key, _)| key);
            for (place, &(key, version)) in last.iter().enumerate() {
                if last.get(place + 1).is_some_and(|&(next, _)| next == key) {
                    continue;
                }
                slot_of_version[version as usize] = self.owner.len() as u32;
                self.owner.push(index as u32);
                self.version.push(version);
                self.writes.items.push(key);
            }
            self.writes.end_list();
        }
        slot_of_version
    }

    fn collect_reads(&mut self, seen: &super::direct::Seen, slots: &[u32]) {
        for &number in &self.transactions {
            for read in seen.external_reads(number as usize) {
                let slot = match read.version {
                    INITIAL => INITIAL,
                    version => slots[version as usize],
                };
                self.reads.items.push(Read {
                    key: read.key,
                    slot,
                });
            }
            self.reads.end_list();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.transactions.len()
    }

    /// The slot of what a transaction wrote to a key.
    pub(super) fn slot(&self, transaction: u32, key: u32) -> Option<u32> {
        let range = self.writes.range(transaction as usize);
        let found = self.writes.get(transaction as usize).binary_search(&key);
        found.ok().map(|place| (range.start + place) as u32)
    }

    pub(super) fn key_of(&self, slot: u32) -> u32 {
        self.writes.items[slot as usize]
    }

    /// Every read: the transaction and what it saw.
    pub(super) fn all_reads(&self) -> impl Iterator<Item = (u32, Read)> + Clone + '_ {
        (0..self.len()).flat_map(|transaction| {
            let reads = self.reads.get(transaction).iter();
            reads.map(move |&read| (transaction as u32, read))
        })
    }

    /// The transaction that a read saw, or [`INITIAL`].
    pub(super) fn writer(&self, read: Read) -> u32 {
        match read.slot {
            INITIAL => INITIAL,
            slot => self.owner[slot as usize],
        }
    }
}

/// A crashed transaction comes after what its process had done, but nothing comes after it.
fn previous(all: &Transactions, transactions: &[u32]) -> Vec<u32> {
    let mut last_of_process: Vec<u32> = Vec::new();
    let mut previous = Vec::with_capacity(transactions.len());
    for (index, &number) in transactions.iter().enumerate() {
        let process = all.processes[number as usize] as usize;
        if last_of_process.len() <= process {
            last_of_process.resize(process + 1, INITIAL);
        }
        previous.push(last_of_process[process]);
        if all.outcomes[number as usize] == Outcome::Ok {
            last_of_process[process] = index as u32;
        }
    }
    previous
}
