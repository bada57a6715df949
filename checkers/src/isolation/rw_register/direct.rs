//! The anomalies that one read shows: it saw what nobody wrote, what was taken back, what was not the
//! writer's last word, what its own transaction would write only later, or what its own transaction
//! contradicts. Adya 1999 (G1a, G1b), Cerone, Bernardi and Gotsman 2015 (internal consistency), and the
//! read consistency of Biswas and Enea 2019.
//!
//! What is left are the reads that another transaction explains.

use super::transactions::{Access, INITIAL, Transactions};
use crate::history::Outcome;

/// What one read shows to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DirectKind {
    /// Nobody ever wrote the value.
    ThinAir,
    /// The writer failed: its writes did not happen.
    Aborted,
    /// The writer wrote the key again before it ended.
    Intermediate,
    /// The reader itself wrote the value, but only after the read.
    Future,
    /// The transaction had written or read another value itself.
    Internal,
}

/// A read that shows something to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Direct {
    pub(crate) kind: DirectKind,
    /// Numbers among all transactions.
    pub(crate) reader: u32,
    /// Who wrote the value, or [`INITIAL`].
    pub(crate) writer: u32,
    pub(crate) key: u32,
    pub(crate) version: u32,
    /// For [`DirectKind::Internal`], what the transaction itself said before.
    pub(crate) expected: u32,
}

/// A read of another transaction's last write, or of the initial value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExternalRead {
    pub(crate) key: u32,
    pub(crate) version: u32,
}

/// Everything that was read, sorted into what is wrong and what others explain.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) wrong: Vec<Direct>,
    /// Versions that several transactions wrote: nobody knows whose a read of them saw.
    pub(crate) ambiguous: Vec<u32>,
    /// How many reads saw one of those, and were left out.
    pub(crate) ambiguous_reads: usize,
    observed: Vec<bool>,
    ends: Vec<u32>,
    reads: Vec<ExternalRead>,
}

impl Seen {
    /// Sorts every read. O(n).
    pub(crate) fn new(all: &Transactions) -> Self {
        let writers = Writers::new(all);
        let mut ambiguous: Vec<u32> = (0..all.version_count() as u32)
            .filter(|&version| writers.ambiguous[version as usize])
            .collect();
        ambiguous.shrink_to_fit();
        let mut seen = Self {
            wrong: Vec::new(),
            ambiguous,
            ambiguous_reads: 0,
            observed: vec![false; all.len()],
            ends: Vec::with_capacity(all.len()),
            reads: Vec::new(),
        };
        let mut own = Own::new(all.key_count());
        for reader in 0..all.len() {
            if all.outcomes[reader] == Outcome::Ok {
                seen.sort_reads(all, &writers, &mut own, reader as u32);
            }
            seen.ends.push(seen.reads.len() as u32);
        }
        seen
    }

    fn sort_reads(&mut self, all: &Transactions, writers: &Writers, own: &mut Own, reader: u32) {
        for &access in all.accesses(reader as usize) {
            let key = access.key();
            if access.is_write() {
                own.say(reader, access);
                continue;
            }
            let said = own.said(reader, key);
            if said.is_some_and(|said| said.is_write() && said.version == access.version) {
                continue;
            }
            let direct = |kind| Direct {
                kind,
                reader,
                writer: writers.of(access.version),
                key,
                version: access.version,
                expected: said.map_or(INITIAL, |said| said.version),
            };
            if let Some(kind) = writers.wrong(reader, access, said) {
                self.wrong.push(direct(kind));
            }
            if said.is_some_and(Access::is_write) {
                continue;
            }
            own.say(reader, access);
            self.keep_read(writers, reader, access);
        }
    }

    fn keep_read(&mut self, writers: &Writers, reader: u32, access: Access) {
        let version = access.version;
        if version != INITIAL {
            if writers.ambiguous[version as usize] {
                self.ambiguous_reads += 1;
                return;
            }
            let writer = writers.of(version);
            if writer == INITIAL || writer == reader {
                return;
            }
            self.observed[writer as usize] = true;
            if writers.failed[version as usize] || !writers.last[version as usize] {
                return;
            }
        }
        let key = access.key();
        self.reads.push(ExternalRead { key, version });
    }

    /// The reads of a transaction that others explain, in the order of the program.
    pub(crate) fn external_reads(&self, transaction: usize) -> &[ExternalRead] {
        let start = transaction
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        &self.reads[start as usize..self.ends[transaction] as usize]
    }

    /// Whether a transaction certainly happened.
    pub(crate) fn happened(&self, all: &Transactions, transaction: usize) -> bool {
        match all.outcomes[transaction] {
            Outcome::Ok => true,
            Outcome::Info => self.observed[transaction],
            Outcome::Fail => false,
        }
    }
}

/// What the transaction at hand itself said of each key.
struct Own {
    of: Vec<u32>,
    said: Vec<Option<Access>>,
}

impl Own {
    fn new(keys: usize) -> Self {
        Self {
            of: vec![INITIAL; keys],
            said: vec![None; keys],
        }
    }

    fn say(&mut self, transaction: u32, access: Access) {
        self.of[access.key() as usize] = transaction;
        self.said[access.key() as usize] = Some(access);
    }

    fn said(&self, transaction: u32, key: u32) -> Option<Access> {
        let is_own = self.of[key as usize] == transaction;
        self.said[key as usize].filter(|_| is_own)
    }
}

/// Who wrote each version.
struct Writers {
    writer: Vec<u32>,
    failed: Vec<bool>,
    ambiguous: Vec<bool>,
    /// Whether it is the writer's last of the key.
    last: Vec<bool>,
}

impl Writers {
    fn new(all: &Transactions) -> Self {
        let versions = all.version_count();
        let mut writers = Self {
            writer: vec![INITIAL; versions],
            failed: vec![false; versions],
            ambiguous: vec![false; versions],
            last: vec![false; versions],
        };
        for transaction in 0..all.len() {
            writers.add(all, transaction as u32);
        }
        writers.mark_last(all);
        writers
    }

    fn add(&mut self, all: &Transactions, transaction: u32) {
        let failed = all.outcomes[transaction as usize] == Outcome::Fail;
        for access in all.accesses(transaction as usize) {
            if !access.is_write() {
                continue;
            }
            let version = access.version as usize;
            let before = self.writer[version];
            if before == transaction || (failed && before != INITIAL) {
                continue;
            }
            self.ambiguous[version] |= before != INITIAL && !self.failed[version];
            self.writer[version] = transaction;
            self.failed[version] = failed;
        }
    }

    fn mark_last(&mut self, all: &Transactions) {
        let mut seen = vec![INITIAL; all.key_count()];
        for transaction in 0..all.len() {
            for access in all.accesses(transaction).iter().rev() {
                let key = access.key() as usize;
                if access.is_write() && seen[key] != transaction as u32 {
                    seen[key] = transaction as u32;
                    if self.writer[access.version as usize] == transaction as u32 {
                        self.last[access.version as usize] = true;
                    }
                }
            }
        }
    }

    /// The transaction that wrote a version, or [`INITIAL`].
    fn of(&self, version: u32) -> u32 {
        match version {
            INITIAL => INITIAL,
            version => self.writer[version as usize],
        }
    }

    /// What is wrong with a read, if anything; `said` is what the reader itself said of the key.
    fn wrong(&self, reader: u32, read: Access, said: Option<Access>) -> Option<DirectKind> {
        let contradicts = said.is_some_and(|said| said.version != read.version);
        let internal = contradicts.then_some(DirectKind::Internal);
        if read.version == INITIAL || self.ambiguous[read.version as usize] {
            return internal;
        }
        let version = read.version as usize;
        match self.writer[version] {
            INITIAL => Some(DirectKind::ThinAir),
            writer if writer == reader && said.is_none_or(|said| !said.is_write()) => {
                Some(DirectKind::Future)
            }
            writer if writer == reader => internal,
            _ if self.failed[version] => Some(DirectKind::Aborted),
            _ if !self.last[version] => Some(DirectKind::Intermediate),
            _ => internal,
        }
    }
}
