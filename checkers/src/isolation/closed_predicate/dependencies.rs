//! Which transaction came before which, as far as the reads show.
//!
//! The versions that a read may have chosen are mostly a run in their order: the reader came after who
//! wrote the first of them (wr), and before who wrote the one after the last (rw). If nothing was read
//! but that a predicate did not match, the writer of the one is the last who changed that, and the writer
//! of the other the next: these are Adya's predicate dependencies.

use super::reads::{self, Read};
use super::transactions::Transactions;
use super::universe::{NOBODY, Universe, Version};
use crate::history::Outcome;
use crate::isolation::graph::{Edge, Kinds};

/// What one read of a key shows.
pub(super) struct Shown<'h> {
    /// The first version that may have been read, if somebody wrote it.
    pub(super) after: Option<Version<'h>>,
    /// Those that came right after the last one that may have been read.
    pub(super) before: Vec<Version<'h>>,
    /// Whether that is all that the read says.
    pub(super) is_all: bool,
}

/// What the read shows; nothing if no version fits.
pub(super) fn shown<'h>(universe: &Universe<'h>, read: &Read<'h>) -> Shown<'h> {
    let mut shown = Shown {
        after: None,
        before: Vec::new(),
        is_all: true,
    };
    let ranks = || universe.fitting(read).map(|version| version.rank);
    let (Some(first), Some(last)) = (ranks().min(), ranks().max()) else {
        return shown;
    };
    let others = || universe.others(read.key, read.reader);
    let is_in_run = |version: &&Version<'_>| (first..=last).contains(&version.rank);
    let is_run = others().filter(is_in_run).count() == ranks().count();
    let mut of_first = universe
        .fitting(read)
        .filter(|version| version.rank == first);
    let only = of_first.next().filter(|_| of_first.next().is_none());
    if let Some(only) =
        only.filter(|only| only.writer != NOBODY && (is_run || ranks().count() == 1))
    {
        shown.after = Some(*only);
    }
    shown.is_all = is_run && only.is_some();
    if is_run {
        let later = others().filter(|version| version.rank > last);
        let next = later.map(|version| version.rank).min();
        let next = others().filter(|version| Some(version.rank) == next);
        shown
            .before
            .extend(next.filter(|next| universe.happened[next.writer as usize]));
    }
    shown
}

/// The edges between transactions.
#[derive(Default)]
pub(super) struct Dependencies<'h> {
    /// But for those below.
    pub(super) edges: Vec<Edge>,
    /// From who read by a predicate to who changed what it matches.
    pub(super) by_predicate: Vec<Edge>,
    /// The first read of which these do not tell all.
    pub(super) undetermined: Option<Read<'h>>,
}

impl<'h> Dependencies<'h> {
    pub(super) fn new(
        transactions: &Transactions<'h>,
        outcomes: &[Outcome],
        universe: &Universe<'h>,
    ) -> Self {
        let mut all = Self::default();
        // Of one reader: an edge's other end, and which form it has.
        let mut ends: Vec<(u32, u32)> = Vec::new();
        for (reader, _) in (0..)
            .zip(outcomes)
            .filter(|&(_, &outcome)| outcome == Outcome::Ok)
        {
            ends.clear();
            reads::each_of(transactions, reader, &mut |read| {
                all.read(universe, &read, &mut ends);
            });
            ends.sort_unstable();
            ends.dedup();
            for &(other, form) in &ends {
                all.add(reader, other, form);
            }
        }
        all
    }

    fn read(&mut self, universe: &Universe<'h>, read: &Read<'h>, ends: &mut Vec<(u32, u32)>) {
        if read.own.is_some() {
            return;
        }
        let shown = shown(universe, read);
        if !shown.is_all && self.undetermined.is_none() {
            self.undetermined = Some(*read);
        }
        ends.extend(shown.after.map(|version| (version.writer, WRITE_READ)));
        let form = match read.sight.is_by_predicate() {
            true => BY_PREDICATE,
            false => READ_WRITE,
        };
        let before = shown.before.iter();
        ends.extend(before.map(|version| (version.writer, form)));
    }

    fn add(&mut self, reader: u32, other: u32, form: u32) {
        let (edges, from, to, kind) = match form {
            WRITE_READ => (&mut self.edges, other, reader, Kinds::WRITE_READ),
            READ_WRITE => (&mut self.edges, reader, other, Kinds::READ_WRITE),
            _ => (&mut self.by_predicate, reader, other, Kinds::READ_WRITE),
        };
        edges.push(Edge { from, to, kind });
    }
}

const WRITE_READ: u32 = 0;
const READ_WRITE: u32 = 1;
const BY_PREDICATE: u32 = 2;
