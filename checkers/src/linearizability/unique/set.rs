//! A set that only grows and is read as a whole: linear in the size of all reads, and O(n log n) in the
//! number of operations.
//!
//! The reads in the order of their sizes say when each element came (see [`super::growth`], which walks
//! over them). Elements that one read is the first to show came in the order of their invocations, since
//! nothing says otherwise. An element may be added again: the addition that begins first brings it, and
//! the others only have to come after the last read without it. Uncertain additions count as far as
//! somebody saw what they brought.

use super::decision::{Conflict, Decision};
use super::growth::{Adders, Growing, GrowthAction, Walk};
use super::intervals::{NEVER, NONE};
use crate::sorting::sort_by_number;

/// Judges additions and reads.
pub(crate) fn decide(set: &Growing<'_>) -> Decision {
    set.decided_by(judge)
}

fn judge(set: &Growing<'_>) -> Decision {
    match Elements::new(set).order() {
        Ok(order) => Decision::Order(order),
        Err(conflict) => Decision::Conflict(conflict),
    }
}

struct Elements<'a> {
    set: &'a Growing<'a>,
    adders: Vec<Adders>,
    /// By element: the last read, as they are gone through, that shows it.
    shown_by: Vec<u32>,
    /// By element: when it came; [`NONE`] if it has not.
    came: Vec<u32>,
    /// How many elements have come.
    size: usize,
}

impl<'a> Elements<'a> {
    fn new(set: &'a Growing<'a>) -> Self {
        Self {
            set,
            adders: set.adders(),
            shown_by: vec![NONE; set.element_count],
            came: vec![NONE; set.element_count],
            size: 0,
        }
    }

    fn order(mut self) -> Result<Vec<u32>, Conflict> {
        let mut walk = Walk::new(self.set);
        for read in self.by_size() {
            self.show(&mut walk, read)?;
        }
        self.add_unseen(&mut walk)?;
        let mut placed = walk.placed;
        self.add_again(&mut placed);
        // Stable: what has one moment stays in the order in which it was placed.
        sort_by_number(&mut placed, |&(moment, _)| moment as usize);
        Ok(placed.into_iter().map(|(_, operation)| operation).collect())
    }

    /// The reads, those of fewer elements first.
    fn by_size(&mut self) -> Vec<u32> {
        let reads = self.set.reads();
        let mut sized: Vec<(usize, u32)> = reads
            .into_iter()
            .map(|read| (self.note_shown(read), read))
            .collect();
        self.shown_by.fill(NONE);
        sized.sort_unstable();
        sized.into_iter().map(|(_, read)| read).collect()
    }

    /// How many elements a read shows; the same one twice is one.
    fn note_shown(&mut self, read: u32) -> usize {
        let mut count = 0;
        for &element in self.set.shown(read) {
            let shown_by = &mut self.shown_by[element as usize];
            count += usize::from(*shown_by != read);
            *shown_by = read;
        }
        count
    }

    /// Goes on to a read that shows no fewer elements than the last.
    fn show(&mut self, walk: &mut Walk<'_>, read: u32) -> Result<(), Conflict> {
        let shown = self.note_shown(read);
        let is_new = |element: &&u32| self.came[**element as usize] == NONE;
        let mut new: Vec<u32> = self
            .set
            .shown(read)
            .iter()
            .filter(is_new)
            .copied()
            .collect();
        new.sort_unstable();
        sort_by_number(&mut new, |&element| {
            self.adders[element as usize].begun as usize
        });
        new.dedup();
        if shown - new.len() != self.size
            && let Some(last) = walk.last_read()
        {
            return Err(self.neither_includes(last, read, new.first().copied()));
        }
        for &element in &new {
            let Adders { begun, returned } = self.adders[element as usize];
            if begun == NONE {
                return Err(self.set.unadded(element, read));
            }
            walk.require_open(returned, element)?;
        }
        for element in new {
            walk.add(self.adders[element as usize].begun, element)?;
            self.came[element as usize] = walk.now();
            self.size += 1;
        }
        walk.read(read)
    }

    /// Of two reads each shows what the other does not.
    fn neither_includes(&self, last: u32, read: u32, new: Option<u32>) -> Conflict {
        let set = self.set;
        let gone = |&&element: &&u32| self.shown_by[element as usize] != read;
        let gone = set.shown(last).iter().find(gone);
        let told = |element: Option<&u32>| {
            element.map_or_else(String::new, |&element| (set.name)(element))
        };
        let sentence = format!(
            "{} shows {} but not {}, and {} shows the second but not the first.",
            super::growth::capitalised(&set.the(last)),
            told(gone),
            told(new.as_ref()),
            set.the(read),
        );
        Conflict::new("incomparable-reads", sentence, &[last, read])
    }

    /// Certain additions whose element no read shows come after all reads.
    fn add_unseen(&self, walk: &mut Walk<'_>) -> Result<(), Conflict> {
        for (number, operation) in self.set.numbered() {
            if let GrowthAction::Add(element) = operation.action
                && operation.span.returned != NEVER
                && self.came[element as usize] == NONE
            {
                walk.add(number, element)?;
            }
        }
        Ok(())
    }

    /// Certain additions of what is there come when they begin, or when the element has come.
    fn add_again(&self, placed: &mut Vec<(u32, u32)>) {
        for (number, operation) in self.set.numbered() {
            if let GrowthAction::Add(element) = operation.action
                && operation.span.returned != NEVER
                && self.came[element as usize] != NONE
                && self.adders[element as usize].begun != number
            {
                let moment = operation.span.invoked.max(self.came[element as usize]);
                placed.push((moment, number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::brute_force::{Object, Tally};
    use super::super::growth::Lists;
    use super::super::growth_cases::{Told, check, check_all, history};
    use super::super::intervals::Span;
    use super::*;
    use crate::random::{Random, cases};
    use std::collections::BTreeSet;
    use std::marker::PhantomData;

    struct GrowOnlySet<'a>(PhantomData<&'a ()>);

    impl<'a> Object for GrowOnlySet<'a> {
        type State = BTreeSet<u32>;
        type Operation = Told<'a>;

        fn initial(&self) -> BTreeSet<u32> {
            BTreeSet::new()
        }

        fn span(&self, operation: Told<'a>) -> Span {
            operation.span()
        }

        fn step(&self, state: &BTreeSet<u32>, operation: Told<'a>) -> Option<BTreeSet<u32>> {
            let mut state = state.clone();
            if let GrowthAction::Add(element) = operation.action {
                state.insert(element);
            }
            let shown = operation
                .shown()
                .map(|shown| shown.iter().copied().collect());
            shown
                .is_none_or(|shown: BTreeSet<u32>| shown == state)
                .then_some(state)
        }
    }

    #[test]
    fn agrees_with_every_order_on_all_small_histories() {
        let mut reads = Lists::default();
        for shown in [&[][..], &[0], &[1], &[1, 0]] {
            reads.push(shown.iter().copied());
        }
        let tally = check_all(&GrowOnlySet(PhantomData), decide, &reads, 4);
        tally.require_many();
        assert_eq!(tally.undecided, 0);
    }

    #[test]
    fn agrees_with_every_order_on_random_histories() {
        let mut random = Random(4);
        let mut tally = Tally::default();
        for _ in 0..cases(20_000) {
            let (count, open_max) = (3 + random.below(7) as usize, 2 + random.below(4) as usize);
            let (operations, reads) = history(&mut random, count, open_max, 6);
            check(
                &GrowOnlySet(PhantomData),
                decide,
                &operations,
                &reads,
                &mut tally,
            );
        }
        tally.require_many();
        assert_eq!(tally.undecided, 0);
    }
}
