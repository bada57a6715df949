//! The phenomena that one or two transactions show by themselves, without a cycle.
//!
//! G1a and G1b are of Adya, "Weak Consistency", 1999; the others are of Kingsbury, Alvaro, "Elle:
//! Inferring Isolation Anomalies from Experimental Observations", 2020, section 6. One pass over all
//! micro-operations; a read is looked into only if it contradicts the longest read of its list.

use super::transactions::{Known, MicroOperation, Transactions};
use super::versions::{Appends, NONE, Versions};
use crate::history::Outcome;
use crate::isolation::phenomena::Phenomenon;
use std::collections::BTreeMap;

/// A phenomenon and the micro-operations that show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Direct {
    pub(super) phenomenon: Phenomenon,
    /// The read, or the append, that is impossible.
    pub(super) operation: u32,
    /// The micro-operation that it contradicts, if there is one.
    pub(super) other: Option<u32>,
    /// The element that shows it.
    pub(super) element: Option<u32>,
}

/// The first of each phenomenon, in the order of invocations, and how many there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    first: BTreeMap<Phenomenon, (Direct, usize)>,
}

impl Findings {
    fn note(&mut self, found: Direct) {
        let (first, count) = self.first.entry(found.phenomenon).or_insert((found, 0));
        *count += 1;
        if found.operation < first.operation {
            *first = found;
        }
    }

    /// The first of each phenomenon, the worst first, and how many of it there are.
    pub(super) fn all(&self) -> impl Iterator<Item = (Direct, usize)> + '_ {
        self.first.values().copied()
    }

    pub(super) fn phenomena(&self) -> Vec<Phenomenon> {
        self.first.keys().copied().collect()
    }
}

/// Looks for all of them. `divergent` are the reads that contradict the longest of their list.
pub(super) fn find(
    known: Known<'_>,
    appends: &Appends,
    versions: &Versions,
    divergent: &[u32],
) -> Findings {
    let transactions = known.transactions;
    let mut pass = Pass {
        known,
        transactions,
        appends,
        versions,
        divergent,
        bad_places: bad_places(known, versions),
        is_intermediate: intermediate(transactions, versions.transactions_seen()),
        seen: vec![Seen::default(); transactions.key_count() as usize],
        previous: Vec::new(),
        updates: vec![NONE; versions.slot_count()],
        findings: Findings::default(),
    };
    for key in 0..transactions.key_count() {
        pass.judge_updates(key);
    }
    for transaction in 0..versions.transactions_seen() {
        if versions.is_committed(transaction) {
            pass.judge(transaction);
        }
    }
    pass.findings
}

/// The first place in a list at which an element is not as it should be.
#[derive(Clone, Copy)]
struct BadPlaces {
    duplicate: u32,
    thin_air: u32,
    aborted: u32,
}

fn bad_places(known: Known<'_>, versions: &Versions) -> Vec<BadPlaces> {
    let keys = 0..known.transactions.key_count();
    keys.map(|key| {
        let first = |is_bad: &dyn Fn(usize, u32) -> bool| {
            let writers = versions.writers(key).iter().enumerate();
            let mut bad = writers.filter(|&(place, &writer)| is_bad(place, writer));
            bad.next().map_or(NONE, |(place, _)| place as u32)
        };
        let writing = versions.writing_transactions(key);
        BadPlaces {
            duplicate: first(&|place, writer| {
                writer != NONE && versions.place_of(writer) != Some(place as u32)
            }),
            thin_air: first(&|_, writer| writer == NONE),
            aborted: first(&|place, writer| {
                writer != NONE && known.outcome(writing[place]) == Outcome::Fail
            }),
        }
    })
    .collect()
}

/// Which appends of the first `count` transactions are not their last to the key.
fn intermediate(transactions: &Transactions, count: u32) -> Vec<bool> {
    let mut is_intermediate = vec![false; transactions.operation_count() as usize];
    // The last append to each key so far.
    let mut last = vec![NONE; transactions.key_count() as usize];
    for transaction in 0..count {
        let operations = transactions.operations_of(transaction);
        for operation in operations.clone() {
            if let MicroOperation::Append { key, .. } = transactions.operation(operation) {
                let before = std::mem::replace(&mut last[key as usize], operation);
                if operations.contains(&before) {
                    is_intermediate[before as usize] = true;
                }
            }
        }
    }
    is_intermediate
}

/// What the transaction at hand did to a key before.
#[derive(Clone, Copy)]
struct Seen {
    transaction: u32,
    last: u32,
    /// The read that came before every append.
    external: Option<u32>,
    last_append: Option<u32>,
    /// The read that showed the most.
    longest: Option<u32>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            transaction: NONE,
            last: NONE,
            external: None,
            last_append: None,
            longest: None,
        }
    }
}

struct Pass<'a> {
    known: Known<'a>,
    transactions: &'a Transactions,
    appends: &'a Appends,
    versions: &'a Versions,
    divergent: &'a [u32],
    bad_places: Vec<BadPlaces>,
    /// Whether each micro-operation is an append after which its transaction makes another one to the
    /// same key.
    is_intermediate: Vec<bool>,
    seen: Vec<Seen>,
    /// For each micro-operation of the transaction at hand the one before it on the same key.
    previous: Vec<u32>,
    /// For each version the read of it whose transaction overwrote it.
    updates: Vec<u32>,
    findings: Findings,
}

impl Pass<'_> {
    fn note(&mut self, phenomenon: Phenomenon, operation: u32, other: Option<u32>) {
        self.findings.note(Direct {
            phenomenon,
            operation,
            other,
            element: None,
        });
    }

    fn note_element(
        &mut self,
        phenomenon: Phenomenon,
        operation: u32,
        other: Option<u32>,
        element: u32,
    ) {
        self.findings.note(Direct {
            phenomenon,
            operation,
            other,
            element: Some(element),
        });
    }

    /// Appends that took place on top of one that failed.
    fn judge_updates(&mut self, key: u32) {
        let aborted = self.bad_places[key as usize].aborted;
        if aborted == NONE {
            return;
        }
        let (writers, writing) = (
            self.versions.writers(key),
            self.versions.writing_transactions(key),
        );
        for place in aborted as usize + 1..writers.len() {
            if writers[place] != NONE && self.versions.is_committed(writing[place]) {
                let failed = writers[aborted as usize];
                self.note(Phenomenon::DirtyUpdate, writers[place], Some(failed));
            }
        }
    }

    fn judge(&mut self, transaction: u32) {
        let operations = self.transactions.operations_of(transaction);
        let is_ok = self.known.is_ok(transaction);
        self.previous.clear();
        for operation in operations.clone() {
            let micro = self.transactions.operation(operation);
            let key = micro.key();
            let seen = self.seen[key as usize];
            let seen = if seen.transaction == transaction {
                seen
            } else {
                Seen {
                    transaction,
                    ..Seen::default()
                }
            };
            self.previous.push(seen.last);
            self.seen[key as usize] = Seen {
                last: operation,
                ..seen
            };
            match micro {
                MicroOperation::Append { .. } => self.judge_append(operation, key),
                MicroOperation::Read { list, .. } if is_ok => {
                    self.judge_read(operation, key, list, operations.start);
                }
                MicroOperation::Read { .. } | MicroOperation::UnknownRead { .. } => {}
            }
        }
    }

    fn judge_append(&mut self, operation: u32, key: u32) {
        let seen = self.seen[key as usize];
        let place = self.versions.place_of(operation);
        if let Some(before) = seen.last_append
            && self.versions.is_agreed(key)
            && let Some(place) = place
            && self
                .versions
                .place_of(before)
                .is_none_or(|before| before > place)
        {
            self.note(Phenomenon::IncompatibleOrder, operation, Some(before));
        }
        if let (Some(place), Some(read)) = (place, seen.longest)
            && self.transactions.list(read).len() > place as usize
        {
            self.note(Phenomenon::FutureRead, read, Some(operation));
        }
        if let Some(read) = seen.external {
            self.judge_update(read, key);
        }
        self.seen[key as usize] = Seen {
            external: None,
            last_append: Some(operation),
            ..seen
        };
    }

    /// The transaction read a version and overwrites it now.
    fn judge_update(&mut self, read: u32, key: u32) {
        let length = self.transactions.list(read).len();
        let slot = self.versions.slot(key, length);
        match self.updates[slot] {
            NONE => self.updates[slot] = read,
            other => self.note(Phenomenon::LostUpdate, read, Some(other)),
        }
    }

    fn judge_read(&mut self, operation: u32, key: u32, list: &[u32], first: u32) {
        let is_divergent = self.divergent.binary_search(&operation).is_ok();
        if is_divergent {
            self.judge_divergent(operation, key, list);
        } else {
            self.judge_beginning(operation, key, list);
        }
        self.judge_internal(operation, list, first);
        let seen = &mut self.seen[key as usize];
        if is_divergent {
            return;
        }
        if seen.last_append.is_none() && seen.external.is_none() {
            seen.external = Some(operation);
        }
        let longest = seen
            .longest
            .map_or(0, |read| self.transactions.list(read).len());
        if list.len() > longest {
            seen.longest = Some(operation);
        }
    }

    /// A read that is the beginning of the longest one.
    fn judge_beginning(&mut self, operation: u32, key: u32, list: &[u32]) {
        let BadPlaces {
            duplicate,
            thin_air,
            aborted,
        } = self.bad_places[key as usize];
        let shown = |place: u32| list.get(place as usize).copied();
        if let Some(element) = shown(duplicate) {
            self.note_element(Phenomenon::DuplicateElements, operation, None, element);
        }
        if let Some(element) = shown(thin_air) {
            self.note_element(Phenomenon::ThinAirRead, operation, None, element);
        }
        if let Some(element) = shown(aborted) {
            let writer = self.versions.writers(key)[aborted as usize];
            self.note_element(Phenomenon::G1a, operation, Some(writer), element);
        }
        if let Some(last) = list.len().checked_sub(1) {
            let writer = self.versions.writers(key)[last];
            let transaction = self.versions.writing_transactions(key)[last];
            self.judge_last(operation, key, writer, transaction);
        }
    }

    /// The last element that a read shows is of another transaction that appended more.
    fn judge_last(&mut self, operation: u32, key: u32, writer: u32, transaction: u32) {
        if writer == NONE
            || self.seen[key as usize].transaction == transaction
            || !self.versions.is_committed(transaction)
        {
            return;
        }
        if self.is_intermediate[writer as usize] {
            self.note(Phenomenon::G1b, operation, Some(writer));
        }
    }

    /// A read that contradicts the longest one.
    fn judge_divergent(&mut self, operation: u32, key: u32, list: &[u32]) {
        let longest = self.versions.longest_read(key);
        self.note(Phenomenon::IncompatibleOrder, operation, longest);
        let reader = self.seen[key as usize].transaction;
        let mut elements = list.to_vec();
        elements.sort_unstable();
        if let Some(twice) = elements.windows(2).find(|pair| pair[0] == pair[1]) {
            self.note_element(Phenomenon::DuplicateElements, operation, None, twice[0]);
        }
        for &element in list {
            let Some(writer) = self.appends.operation(key, element) else {
                self.note_element(Phenomenon::ThinAirRead, operation, None, element);
                continue;
            };
            let transaction = self.transactions.transaction_of(writer);
            if self.known.outcome(transaction) == Outcome::Fail {
                self.note_element(Phenomenon::G1a, operation, Some(writer), element);
            }
            if transaction == reader && writer > operation {
                self.note(Phenomenon::FutureRead, operation, Some(writer));
            }
        }
        let last = list
            .last()
            .and_then(|&last| self.appends.operation(key, last));
        if let Some(writer) = last {
            let transaction = self.transactions.transaction_of(writer);
            self.judge_last(operation, key, writer, transaction);
        }
    }

    /// A read shows what its transaction last read of the key, and then what it appended since. Where
    /// it read nothing before, it shows at least what it appended, at the end.
    fn judge_internal(&mut self, operation: u32, list: &[u32], first: u32) {
        let mut rest = list;
        let mut before = self.previous[(operation - first) as usize];
        let mut contradicts = None;
        while before != NONE {
            match self.transactions.operation(before) {
                MicroOperation::Append { element, .. } => {
                    rest = match rest.split_last() {
                        Some((&last, rest)) if last == element => rest,
                        _ => {
                            contradicts = Some(before);
                            break;
                        }
                    };
                }
                MicroOperation::Read { list, .. } => {
                    contradicts = (rest != list).then_some(before);
                    break;
                }
                MicroOperation::UnknownRead { .. } => {}
            }
            before = self.previous[(before - first) as usize];
        }
        if contradicts.is_some() {
            self.note(Phenomenon::Internal, operation, contradicts);
        }
    }
}
