//! What is known of the order of each key's versions: *fragments*, runs of versions of which each was
//! made from the one before it.
//!
//! A transaction that read a version and then wrote the key overwrote that very version, wherever no
//! update may be lost (snapshot isolation and all that is stronger): two that overwrote the same
//! version are a lost update. If every write follows a read, each key is one fragment and nothing is
//! left to decide: Huang et al., "Mini-Transactions: Fast Isolation Checking", 2025.

use super::happened::{Happened, Lists};
use super::transactions::INITIAL;

/// A run of versions of one key, by the slots that made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) key: u32,
    /// The slot of its first version; [`INITIAL`] if that is the initial one.
    pub(super) first: u32,
    /// The slot of its last; [`INITIAL`] if nobody overwrote the initial version.
    pub(super) last: u32,
}

/// Two that overwrote one version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LostUpdate {
    pub(super) key: u32,
    /// The slot that both read, or [`INITIAL`].
    pub(super) read: u32,
    pub(super) writers: (u32, u32),
}

/// The fragments of every key.
#[derive(Clone, Debug)]
pub(super) struct Fragments {
    pub(super) all: Vec<Fragment>,
    /// The fragments of each key; that of the initial version comes first.
    pub(super) of_key: Lists<u32>,
    /// The slot that overwrote each slot, or [`INITIAL`].
    pub(super) next: Vec<u32>,
    /// The slot that overwrote the initial version of each key, or [`INITIAL`].
    pub(super) first_of_key: Vec<u32>,
    pub(super) lost_updates: Vec<LostUpdate>,
    /// The readers of each slot, and then those of the initial version of each key.
    readers: Lists<u32>,
    slots: usize,
}

impl Fragments {
    /// O(n).
    pub(super) fn new(happened: &Happened) -> Self {
        let slots = happened.owner.len();
        let place = move |read: super::happened::Read| match read.slot {
            INITIAL => slots as u32 + read.key,
            slot => slot,
        };
        let pairs = happened
            .all_reads()
            .map(move |(reader, read)| (place(read), reader));
        let mut fragments = Self {
            all: Vec::new(),
            of_key: Lists::group(0, std::iter::empty()),
            next: vec![INITIAL; slots],
            first_of_key: vec![INITIAL; happened.keys],
            lost_updates: Vec::new(),
            readers: Lists::group(slots + happened.keys, pairs),
            slots,
        };
        let is_head = fragments.chain(happened);
        fragments.collect(happened, &is_head);
        fragments
    }

    /// Finds who overwrote what; says of each slot whether nobody knows what it overwrote.
    fn chain(&mut self, happened: &Happened) -> Vec<bool> {
        let mut is_head = vec![true; self.slots];
        for (transaction, read) in happened.all_reads() {
            let Some(slot) = happened.slot(transaction, read.key) else {
                continue;
            };
            if !std::mem::take(&mut is_head[slot as usize]) {
                // It read two versions: an anomaly of its own, and no order of them.
                continue;
            }
            let next = match read.slot {
                INITIAL => &mut self.first_of_key[read.key as usize],
                read => &mut self.next[read as usize],
            };
            if *next == INITIAL {
                *next = slot;
            } else {
                let writers = (happened.owner[*next as usize], transaction);
                self.lost_updates.push(LostUpdate {
                    key: read.key,
                    read: read.slot,
                    writers,
                });
            }
        }
        is_head
    }

    fn collect(&mut self, happened: &Happened, is_head: &[bool]) {
        let of_initial = (0..happened.keys as u32).map(|key| (key, INITIAL));
        let heads = (0..self.slots as u32).filter(|&slot| is_head[slot as usize]);
        let others = heads.map(|slot| (happened.key_of(slot), slot));
        let fragments: Vec<Fragment> = of_initial
            .chain(others)
            .map(|(key, first)| Fragment {
                key,
                first,
                last: self.end(key, first),
            })
            .collect();
        let pairs = fragments.iter().zip(0u32..);
        let pairs = pairs.map(|(fragment, index)| (fragment.key, index));
        self.of_key = Lists::group(happened.keys, pairs);
        self.all = fragments;
    }

    fn end(&self, key: u32, first: u32) -> u32 {
        let mut last = first;
        let mut next = self.after(key, first);
        while next != INITIAL {
            last = next;
            next = self.next[last as usize];
        }
        last
    }

    /// The slot that overwrote a version.
    pub(super) fn after(&self, key: u32, slot: u32) -> u32 {
        match slot {
            INITIAL => self.first_of_key[key as usize],
            slot => self.next[slot as usize],
        }
    }

    /// Who read a version.
    pub(super) fn readers(&self, key: u32, slot: u32) -> &[u32] {
        match slot {
            INITIAL => self.readers.get(self.slots + key as usize),
            slot => self.readers.get(slot as usize),
        }
    }
}
