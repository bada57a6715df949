//! In what order the elements of each list were appended, and by whom.
//!
//! A read of a list shows all that was appended to it before, in order. So the longest read gives the
//! order of all elements that any read saw, and what no read saw comes after them, in an order that
//! nobody knows.

use super::transactions::{Known, MicroOperation, Transactions};
use crate::history::Outcome;
use std::ops::Range;

/// No transaction, micro-operation or place.
pub(super) const NONE: u32 = u32::MAX;

/// An append, by its key and element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Append {
    name: u64,
    operation: u32,
    transaction: u32,
}

fn name(key: u32, element: u32) -> u64 {
    u64::from(key) << 32 | u64::from(element)
}

/// Who appended what. An element stands for one append: what failed gives way to what did not.
pub(super) struct Appends {
    /// By name.
    all: Vec<Append>,
    /// Where the appends of each key start among them.
    starts: Vec<u32>,
}

/// Two appends of one element to one key, either of which may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ambiguous {
    pub(super) operations: [u32; 2],
}

impl Appends {
    pub(super) fn new(transactions: &Transactions) -> Result<Self, Ambiguous> {
        let mut all = Vec::new();
        for transaction in 0..transactions.count() {
            for operation in transactions.operations_of(transaction) {
                if let MicroOperation::Append { key, element } = transactions.operation(operation) {
                    all.push(Append {
                        name: name(key, element),
                        operation,
                        transaction,
                    });
                }
            }
        }
        all.sort_unstable();
        unite(&mut all, transactions)?;
        let mut starts = vec![0; transactions.key_count() as usize + 1];
        for append in &all {
            starts[(append.name >> 32) as usize + 1] += 1;
        }
        for key in 1..starts.len() {
            starts[key] += starts[key - 1];
        }
        Ok(Self { all, starts })
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    fn find(&self, key: u32, element: u32) -> Option<&Append> {
        let range = self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize;
        let appends = &self.all[range];
        let name = name(key, element);
        // Where elements are numbered from 1 in the order of appends, this is the place.
        let guess = (element as usize).wrapping_sub(1);
        if let Some(append) = appends.get(guess).filter(|append| append.name == name) {
            return Some(append);
        }
        let place = appends.binary_search_by_key(&name, |append| append.name);
        place.ok().map(|place| &appends[place])
    }

    /// The micro-operation that appends the element to the key's list.
    pub(super) fn operation(&self, key: u32, element: u32) -> Option<u32> {
        self.find(key, element).map(|append| append.operation)
    }
}

/// Of several appends of one name only one may be of a transaction that did not fail.
fn unite(all: &mut Vec<Append>, transactions: &Transactions) -> Result<(), Ambiguous> {
    let has_failed =
        |append: &Append| transactions.header(append.transaction).outcome == Outcome::Fail;
    let mut ambiguous = None;
    all.dedup_by(|next, kept| {
        if next.name != kept.name {
            return false;
        }
        match (has_failed(kept), has_failed(next)) {
            (_, true) => {}
            (true, false) => *kept = *next,
            (false, false) => {
                ambiguous.get_or_insert(Ambiguous {
                    operations: [kept.operation, next.operation],
                });
            }
        }
        true
    });
    ambiguous.map_or(Ok(()), Err)
}

/// The order of the elements of each list.
pub(super) struct Versions {
    /// The read that showed the most of each list; [`NONE`] if none returned.
    longest: Vec<u32>,
    /// How many elements of each list no read contradicts.
    agreed: Vec<u32>,
    /// Where the elements of each key start in the columns below.
    starts: Vec<u32>,
    /// For each element the micro-operation that appended it; [`NONE`] if there is none.
    writers: Vec<u32>,
    /// The transaction of each writer.
    transactions: Vec<u32>,
    /// For each element the transaction that appended it or, if that did not commit, the last one
    /// before it that did; [`NONE`] if there is none.
    committed_before: Vec<u32>,
    /// As `committed_before`, but the first one after it.
    committed_after: Vec<u32>,
    /// For each micro-operation that is an append the place of its element in the list; [`NONE`] if no
    /// read shows it, [`ELSEWHERE`] if only reads do that contradict the longest.
    places: Vec<u32>,
    /// Whether each transaction counts: it returned `ok`, or something that it appended was read.
    is_committed: Vec<bool>,
    /// The transactions before this one had begun, or one after them counts.
    transactions_seen: u32,
    /// The transactions whose appends to a list no read showed, for each key in the order of
    /// invocation.
    unobserved: Vec<u32>,
    unobserved_starts: Vec<u32>,
    unobserved_count: usize,
}

/// Read, but at no place that all reads agree on.
const ELSEWHERE: u32 = u32::MAX - 1;

impl Versions {
    pub(super) fn new(known: Known<'_>, appends: &Appends) -> Self {
        let transactions = known.transactions;
        let mut versions = Self {
            longest: longest_reads(known),
            agreed: Vec::new(),
            starts: Vec::new(),
            writers: Vec::new(),
            transactions: Vec::new(),
            committed_before: Vec::new(),
            committed_after: Vec::new(),
            places: vec![NONE; transactions.operation_count() as usize],
            is_committed: vec![false; transactions.count() as usize],
            transactions_seen: known.begun(),
            unobserved: Vec::new(),
            unobserved_starts: Vec::new(),
            unobserved_count: 0,
        };
        for transaction in 0..known.begun() {
            versions.is_committed[transaction as usize] = known.is_ok(transaction);
        }
        versions.place(known, appends);
        versions
    }

    /// Finds the writer of each element of the longest reads.
    fn place(&mut self, known: Known<'_>, appends: &Appends) {
        for key in 0..known.transactions.key_count() {
            self.starts.push(self.writers.len() as u32);
            let list = self.list(known.transactions, key);
            self.agreed.push(list.len() as u32);
            for (place, &element) in list.iter().enumerate() {
                let append = appends.find(key, element);
                self.writers
                    .push(append.map_or(NONE, |append| append.operation));
                self.transactions
                    .push(append.map_or(NONE, |append| append.transaction));
                if let Some(append) = append {
                    self.commit(known, append.transaction);
                    let own = &mut self.places[append.operation as usize];
                    *own = (*own).min(place as u32);
                }
            }
        }
        self.starts.push(self.writers.len() as u32);
    }

    /// What a transaction wrote was seen.
    fn commit(&mut self, known: Known<'_>, transaction: u32) {
        if known.outcome(transaction) != Outcome::Fail {
            self.is_committed[transaction as usize] = true;
            self.transactions_seen = self.transactions_seen.max(transaction + 1);
        }
    }

    /// Takes in a read that is not the beginning of the longest one.
    pub(super) fn contradict(
        &mut self,
        known: Known<'_>,
        appends: &Appends,
        key: u32,
        list: &[u32],
    ) {
        let longest = self.list(known.transactions, key);
        let agreed = list
            .iter()
            .zip(longest)
            .take_while(|(one, other)| one == other);
        let agreed = agreed.count() as u32;
        let own = &mut self.agreed[key as usize];
        *own = agreed.min(*own);
        for &element in list {
            if let Some(append) = appends.find(key, element) {
                self.commit(known, append.transaction);
                let place = &mut self.places[append.operation as usize];
                *place = (*place).min(ELSEWHERE);
            }
        }
    }

    /// Once all reads are taken in: who committed last before, and first after, each element, and whose
    /// appends nobody saw.
    pub(super) fn settle(&mut self, transactions: &Transactions) {
        self.committed_before = vec![NONE; self.writers.len()];
        self.committed_after = vec![NONE; self.writers.len()];
        for key in 0..self.longest.len() as u32 {
            let range = self.range(key);
            let mut last = NONE;
            for place in 0..range.len() {
                last = self.committed_writer(key, place).unwrap_or(last);
                self.committed_before[range.start + place] = last;
            }
            let mut next = NONE;
            for place in (0..range.len()).rev() {
                next = self.committed_writer(key, place).unwrap_or(next);
                self.committed_after[range.start + place] = next;
            }
        }
        self.find_unobserved(transactions);
    }

    /// The transaction that appended the element at a place of a list, if it committed and the element
    /// does not stand there a second time.
    pub(super) fn committed_writer(&self, key: u32, place: usize) -> Option<u32> {
        let writer = self.writers(key)[place];
        if writer == NONE || self.places[writer as usize] as usize != place {
            return None;
        }
        let transaction = self.writing_transactions(key)[place];
        self.is_committed(transaction).then_some(transaction)
    }

    fn find_unobserved(&mut self, transactions: &Transactions) {
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for transaction in 0..self.transactions_seen {
            if !self.is_committed(transaction) {
                continue;
            }
            for operation in transactions.operations_of(transaction) {
                if let MicroOperation::Append { key, .. } = transactions.operation(operation)
                    && self.places[operation as usize] == NONE
                {
                    pairs.push((key, transaction));
                }
            }
        }
        self.unobserved_count = pairs.len();
        pairs.sort_unstable();
        pairs.dedup();
        self.unobserved_starts = (0..=transactions.key_count())
            .map(|key| pairs.partition_point(|&(of, _)| of < key) as u32)
            .collect();
        let unobserved = pairs.into_iter().map(|(_, transaction)| transaction);
        self.unobserved = unobserved.collect();
    }

    fn range(&self, key: u32) -> Range<usize> {
        self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize
    }

    /// The elements of a key's list, as far as they were read.
    pub(super) fn list<'a>(&self, transactions: &'a Transactions, key: u32) -> &'a [u32] {
        match self.longest[key as usize] {
            NONE => &[],
            read => transactions.list(read),
        }
    }

    /// The read that showed the most of a key's list.
    pub(super) fn longest_read(&self, key: u32) -> Option<u32> {
        Some(self.longest[key as usize]).filter(|&read| read != NONE)
    }

    /// How many elements of a list no read contradicts.
    fn agreed(&self, key: u32) -> usize {
        self.agreed[key as usize] as usize
    }

    /// Whether all reads of the list agree.
    pub(super) fn is_agreed(&self, key: u32) -> bool {
        self.agreed(key) == self.range(key).len()
    }

    /// The appends that made the elements of a list; [`NONE`] for elements that nobody appended.
    pub(super) fn writers(&self, key: u32) -> &[u32] {
        &self.writers[self.range(key)]
    }

    /// The transactions of [`Versions::writers`].
    pub(super) fn writing_transactions(&self, key: u32) -> &[u32] {
        &self.transactions[self.range(key)]
    }

    /// A number for each length that a read of the key's list may have.
    pub(super) fn slot(&self, key: u32, length: usize) -> usize {
        self.starts[key as usize] as usize + key as usize + length
    }

    /// One more than the largest slot.
    pub(super) fn slot_count(&self) -> usize {
        self.writers.len() + self.longest.len()
    }

    /// Where in its list the element of an append stands, if the longest read shows it.
    pub(super) fn place_of(&self, append: u32) -> Option<u32> {
        Some(self.places[append as usize]).filter(|&place| place < ELSEWHERE)
    }

    /// Those that count are among the transactions before this one.
    pub(super) fn transactions_seen(&self) -> u32 {
        self.transactions_seen
    }

    /// Whether a transaction counts.
    pub(super) fn is_committed(&self, transaction: u32) -> bool {
        self.is_committed[transaction as usize]
    }

    /// The committed transactions of the elements that no read contradicts, in the order of the list.
    pub(super) fn agreed_writers(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let agreed = 0..self.agreed(key);
        agreed.filter_map(move |place| self.committed_writer(key, place))
    }

    /// The committed transaction that last appended to the first `length` elements.
    pub(super) fn last_writer(&self, key: u32, length: usize) -> Option<u32> {
        let before = &self.committed_before[self.range(key)];
        let last = *before[..length].last()?;
        Some(last).filter(|&writer| writer != NONE)
    }

    /// The committed transaction that first appended after the first `length` elements, if it was seen
    /// and no read contradicts that.
    pub(super) fn next_writer(&self, key: u32, length: usize) -> Option<u32> {
        let after = &self.committed_after[self.range(key)][..self.agreed(key)];
        after.get(length).copied().filter(|&writer| writer != NONE)
    }

    /// The committed transactions whose appends to a list no read showed, if they come after all that
    /// was read for certain.
    pub(super) fn unobserved(&self, key: u32) -> &[u32] {
        if !self.is_agreed(key) {
            return &[];
        }
        let start = self.unobserved_starts[key as usize] as usize;
        &self.unobserved[start..self.unobserved_starts[key as usize + 1] as usize]
    }

    /// How many appends of committed transactions no read showed.
    pub(super) fn unobserved_count(&self) -> usize {
        self.unobserved_count
    }
}

fn longest_reads(known: Known<'_>) -> Vec<u32> {
    let transactions = known.transactions;
    let mut longest = vec![NONE; transactions.key_count() as usize];
    let mut lengths = vec![0; longest.len()];
    for transaction in 0..known.begun() {
        if !known.is_ok(transaction) {
            continue;
        }
        for operation in transactions.operations_of(transaction) {
            if let MicroOperation::Read { key, list } = transactions.operation(operation) {
                let key = key as usize;
                if longest[key] == NONE || list.len() > lengths[key] {
                    longest[key] = operation;
                    lengths[key] = list.len();
                }
            }
        }
    }
    longest
}
