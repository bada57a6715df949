//! All versions of all keys, and in which order they came.

use super::predicate::State;
use super::reads::{self, Read};
use super::transactions::{Step, Transactions};
use crate::history::Outcome;

/// The writer of what was there at first.
pub(super) const NOBODY: u32 = u32::MAX;

/// What a transaction that may have happened left in a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version<'h> {
    pub(super) state: State<'h>,
    pub(super) writer: u32,
    /// A version came before another if its rank is lower. What was there at first has 0.
    pub(super) rank: u32,
}

pub(super) struct Universe<'h> {
    /// Of each key the initial one, and then by writer.
    pub(super) versions: Vec<Vec<Version<'h>>>,
    /// Whether each transaction certainly happened.
    pub(super) happened: Vec<bool>,
    /// Keys, and two transactions that both overwrote the version which both had read.
    pub(super) lost_updates: Vec<(u32, [u32; 2])>,
}

impl<'h> Universe<'h> {
    pub(super) fn new(transactions: &Transactions<'h>, outcomes: &[Outcome]) -> Self {
        let is_ok = outcomes.iter().map(|&outcome| outcome == Outcome::Ok);
        let mut universe = Self {
            versions: versions(transactions, outcomes),
            happened: is_ok.collect(),
            lost_updates: Vec::new(),
        };
        let mut replacing = vec![Vec::new(); transactions.keys.len()];
        reads::each(transactions, outcomes, &mut |read| {
            universe.note_whose_it_was(&read);
            if universe.is_replaced_by(&read) {
                replacing[read.key as usize].push(read);
            }
        });
        for (key, reads) in (0..).zip(&replacing) {
            universe.order(key, reads);
        }
        universe
    }

    /// A key of which nobody knows in which order its versions came.
    pub(super) fn unordered(&self) -> Option<u32> {
        let mut keys = (0..).zip(&self.versions);
        let found = keys.find(|(_, versions)| {
            let last = versions.iter().map(|version| version.rank).max();
            last.is_some_and(|last| (last as usize) < versions.len() - 1)
        });
        found.map(|(key, _)| key)
    }

    /// Finds out in which order the versions of a key came; `reads` are what writers had read there.
    fn order(&mut self, key: u32, reads: &[Read<'h>]) {
        let versions = &mut self.versions[key as usize];
        if versions.len() > 2 {
            let replaced = replaced(versions, reads);
            rank(versions, &replaced);
            let rivals = rivals(versions, &replaced);
            self.lost_updates.extend(rivals.map(|rivals| (key, rivals)));
        }
    }

    /// Whether the reader wrote a version of the key after it had read which one was there.
    fn is_replaced_by(&self, read: &Read<'h>) -> bool {
        let versions = &self.versions[read.key as usize];
        let written = versions[1..].binary_search_by_key(&read.reader, |version| version.writer);
        read.own.is_none() && !read.sight.is_by_predicate() && written.is_ok()
    }

    /// If only one transaction can have made what was read, that one happened.
    fn note_whose_it_was(&mut self, read: &Read<'h>) {
        if read.own.is_some() {
            return;
        }
        let mut fitting = self.fitting(read);
        let only = fitting.next().filter(|_| fitting.next().is_none());
        let writer = only.map(|version| version.writer);
        drop(fitting);
        if let Some(writer) = writer.filter(|&writer| writer != NOBODY) {
            self.happened[writer as usize] = true;
        }
    }

    /// The versions that a read may have chosen, but for its own transaction's.
    pub(super) fn fitting(&self, read: &Read<'h>) -> impl Iterator<Item = &Version<'h>> {
        let (reader, sight) = (read.reader, read.sight);
        let versions = self.others(read.key, reader);
        versions.filter(move |version| sight.fits(version.state))
    }

    /// The versions of a key, but for one transaction's.
    pub(super) fn others(&self, key: u32, own: u32) -> impl Iterator<Item = &Version<'h>> {
        let versions = self.versions[key as usize].iter();
        versions.filter(move |version| version.writer != own)
    }
}

/// Each key's initial version, and the last that each transaction which did not fail wrote.
fn versions<'h>(transactions: &Transactions<'h>, outcomes: &[Outcome]) -> Vec<Vec<Version<'h>>> {
    let initial = transactions.initial.iter().map(|&state| Version {
        state,
        writer: NOBODY,
        rank: 0,
    });
    let mut versions: Vec<Vec<Version<'h>>> = initial.map(|version| vec![version]).collect();
    for (writer, steps) in transactions.all() {
        if outcomes[writer as usize] == Outcome::Fail {
            continue;
        }
        for step in steps {
            if let Step::Write { key, state } = *step {
                let of_key = &mut versions[key as usize];
                of_key.pop_if(|last| last.writer == writer);
                let rank = 1;
                of_key.push(Version {
                    state,
                    writer,
                    rank,
                });
            }
        }
    }
    versions
}

/// Ranks the versions of a key as far as each writer read the one before: that one came first, or there
/// would be a circle of writers and readers (G1c). All others stay at one rank, the last.
fn rank(versions: &mut [Version<'_>], replaced: &[Option<u32>]) {
    let all: Option<Vec<u32>> = replaced.iter().copied().collect();
    let Some(replaced) = all else {
        return;
    };
    let mut next: Vec<Next> = vec![Next::Nobody; versions.len()];
    for (place, &replaced) in (1..).zip(&replaced) {
        let next = &mut next[replaced as usize];
        *next = match next {
            Next::Nobody => Next::Only(place),
            _ => Next::Several,
        };
    }
    for version in &mut versions[1..] {
        version.rank = u32::MAX;
    }
    let (mut last, mut rank) = (0, 1);
    while let Next::Only(place) = next[last] {
        versions[place].rank = rank;
        (last, rank) = (place, rank + 1);
    }
    for version in versions.iter_mut() {
        version.rank = version.rank.min(rank);
    }
}

/// Who overwrote a version that it had read.
#[derive(Clone, Copy)]
enum Next {
    Nobody,
    Only(usize),
    Several,
}

/// For each written version the place of the one that its writer had read before, if there is just one
/// that this may have been. The reads stand in the order of the readers.
fn replaced(versions: &[Version<'_>], reads: &[Read<'_>]) -> Vec<Option<u32>> {
    let replaced = versions[1..].iter().map(|version| {
        let end = reads.partition_point(|read| read.reader <= version.writer);
        let last = end.checked_sub(1).map(|place| &reads[place]);
        let read = last.filter(|read| read.reader == version.writer)?;
        let mut fitting = (0..)
            .zip(versions)
            .filter(|(_, other)| other.writer != version.writer && read.sight.fits(other.state));
        let (place, _) = fitting.next()?;
        fitting.next().is_none().then_some(place)
    });
    replaced.collect()
}

/// Two that overwrote the same version, if there are such.
fn rivals(versions: &[Version<'_>], replaced: &[Option<u32>]) -> Option<[u32; 2]> {
    let mut first: Vec<Option<u32>> = vec![None; versions.len()];
    let pairs = replaced.iter().zip(&versions[1..]);
    pairs.into_iter().find_map(|(replaced, version)| {
        let first = &mut first[(*replaced)? as usize];
        let rival = first.replace(version.writer)?;
        Some([rival, version.writer])
    })
}
