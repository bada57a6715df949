//! The configurations that were visited. None is visited again, nor one that is no better than another.

use super::configuration::Configuration;
use super::used::{ClassSet, UsedNumber, UsedTable};

/// The index of a configuration that was visited.
pub(super) type VisitNumber = u32;

const NOBODY: VisitNumber = VisitNumber::MAX;

struct Visit<const WORDS: usize> {
    configuration: Configuration<WORDS>,
    /// The next visit to the same place that is no worse than this one.
    next: VisitNumber,
}

/// All visits, with a table that finds those to a place: open addressing, at most three quarters full.
pub(super) struct Memo<const WORDS: usize> {
    visits: Vec<Visit<WORDS>>,
    /// The first visit to each place.
    table: Vec<VisitNumber>,
    places: usize,
}

/// What came of a visit.
pub(super) enum Entered {
    New(VisitNumber),
    /// Another visit can do all that this one could: it leads nowhere as long as these classes of
    /// uncertain operations have been used so often.
    NoBetter(ClassSet),
}

impl<const WORDS: usize> Memo<WORDS> {
    pub(super) fn new() -> Self {
        // Most searches visit few configurations, and there may be many searches.
        Self {
            visits: Vec::with_capacity(48),
            table: vec![NOBODY; 64],
            places: 0,
        }
    }

    pub(super) fn get(&self, number: VisitNumber) -> &Configuration<WORDS> {
        &self.visits[number as usize].configuration
    }

    /// Notes a configuration, unless another is at least as good.
    pub(super) fn enter(
        &mut self,
        configuration: &Configuration<WORDS>,
        used: &UsedTable,
    ) -> Entered {
        let at = self.find(configuration);
        let mut visit = self.table[at];
        let is_new_place = visit == NOBODY;
        while visit != NOBODY {
            let Visit {
                configuration: known,
                next,
            } = &self.visits[visit as usize];
            if known.owes_no_more(configuration) && used.is_at_most(known.used, configuration.used)
            {
                return Entered::NoBetter(used.classes(known.used));
            }
            visit = *next;
        }
        let number = self.visits.len() as VisitNumber;
        let next = self.without_worse(self.table[at], configuration, used);
        self.visits.push(Visit {
            configuration: *configuration,
            next,
        });
        self.table[at] = number;
        self.places += usize::from(is_new_place);
        if 4 * self.places > 3 * self.table.len() {
            self.widen();
        }
        Entered::New(number)
    }

    /// The visit led nowhere, and would not have if fewer uncertain operations had been used, those of
    /// these classes aside.
    pub(super) fn failed(
        &mut self,
        number: VisitNumber,
        classes: ClassSet,
        used: &mut UsedTable,
    ) -> UsedNumber {
        let configuration = &mut self.visits[number as usize].configuration;
        configuration.used = used.only(configuration.used, classes);
        configuration.used
    }

    /// Takes out of a list of visits those that are no better than the configuration.
    fn without_worse(
        &mut self,
        first: VisitNumber,
        configuration: &Configuration<WORDS>,
        used: &UsedTable,
    ) -> VisitNumber {
        let mut kept = NOBODY;
        let mut visit = first;
        while visit != NOBODY {
            let Visit {
                configuration: known,
                next,
            } = &mut self.visits[visit as usize];
            let is_worse = configuration.owes_no_more(known)
                && used.is_at_most(configuration.used, known.used);
            let following = *next;
            if !is_worse {
                *next = kept;
                kept = visit;
            }
            visit = following;
        }
        kept
    }

    /// Where in the table the first visit to the place is, or would be.
    fn find(&self, configuration: &Configuration<WORDS>) -> usize {
        let mask = self.table.len() - 1;
        let mut at = hash(configuration) as usize & mask;
        while self.table[at] != NOBODY && !self.get(self.table[at]).is_at_same_place(configuration)
        {
            at = (at + 1) & mask;
        }
        at
    }

    fn widen(&mut self) {
        let wider = vec![NOBODY; 2 * self.table.len()];
        let firsts = std::mem::replace(&mut self.table, wider);
        for first in firsts.into_iter().filter(|&first| first != NOBODY) {
            let at = self.find(self.get(first));
            self.table[at] = first;
        }
    }

    /// How many bytes it holds at most until the next visit, copies on growing included.
    pub(super) fn bytes(&self) -> u64 {
        let visits = self.visits.capacity() * size_of::<Visit<WORDS>>();
        let is_full = self.visits.len() == self.visits.capacity();
        let is_wide = 4 * (self.places + 1) > 3 * self.table.len();
        let table = self.table.len() * size_of::<VisitNumber>();
        let visits = if is_full { 3 * visits } else { visits };
        let table = if is_wide { 3 * table } else { table };
        (visits + table) as u64
    }
}

fn hash<const WORDS: usize>(configuration: &Configuration<WORDS>) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let place = u64::from(configuration.step) << 32 | u64::from(configuration.state);
    let mut hash = place.wrapping_mul(ODD);
    for &word in configuration.pending.words() {
        hash = (hash ^ (hash >> 29) ^ word).wrapping_mul(ODD);
    }
    hash ^ (hash >> 32)
}
