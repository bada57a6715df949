//! What an order leaves unexplained.
//!
//! Where nobody knows how some operations ended, an order of the others may be possible. Those that find a
//! place in it as they ended are not to blame that all of them together are impossible: the rest is, or some
//! of it. This is how other fields find small cores, as in Belov and Marques-Silva's "Accelerating MUS
//! extraction with recursive model rotation", 2011.

use super::catalogue::{Catalogue, StateNumber};
use super::problem::{Item, Problem};
use super::trail::{Moment, Trail};
use crate::spec::Effect;

/// An order of operations, with the states between them.
pub(super) struct Explained {
    spells: Vec<Spell>,
    /// The id of each operation that is placed, and the spell that it begins; by id.
    places: Vec<(u32, u32)>,
}

/// A state, and what led to it.
struct Spell {
    /// It may begin as early as here, and lasts until the next begins.
    since: Moment,
    state: StateNumber,
    /// Whether what led to it does so from any state.
    by_overwrite: bool,
}

impl Explained {
    /// An order of nothing.
    pub(super) fn empty(start: StateNumber) -> Self {
        let spell = Spell {
            since: 0,
            state: start,
            by_overwrite: false,
        };
        Self {
            spells: vec![spell],
            places: Vec::new(),
        }
    }

    pub(super) fn new(trail: Trail, problem: &Problem, catalogue: &mut Catalogue<'_>) -> Self {
        let mut explained = Self::empty(trail.start);
        explained.spells.reserve(trail.len());
        explained.places.reserve(trail.len());
        let (mut since, mut state) = (0, trail.start);
        for (_, number) in trail.in_order() {
            let item = problem.items[number as usize];
            since = after(item.invoked).max(since);
            state = catalogue.step(state, item.class).unwrap_or(state);
            let place = explained.spells.len() as u32;
            explained.places.push((item.id, place));
            explained.spells.push(Spell {
                since,
                state,
                by_overwrite: catalogue.effect(item.class) == Effect::Overwrite,
            });
        }
        explained.places.sort_unstable();
        explained
    }

    /// The ids of those of some operations that have no place as they ended, the first to return first. The
    /// others have one, all at once.
    pub(super) fn unplaced<'i>(
        &self,
        operations: impl Iterator<Item = &'i Item>,
        catalogue: &mut Catalogue<'_>,
    ) -> Vec<usize> {
        // When the last of them that changes nothing must have happened.
        let mut seen = self.spells.last().map_or(0, |last| last.since);
        let mut changing = Vec::new();
        let mut unplaced = Vec::new();
        for item in operations {
            match self.place_of(item) {
                Some(place) if self.has_happened(item, place, catalogue) => {}
                Some(_) => unplaced.push((item.completed, item.id)),
                None => match self.unchanged(item, catalogue) {
                    Some(moment) => seen = seen.max(moment),
                    None => changing.push(*item),
                },
            }
        }
        changing.retain(|item| !self.is_unseen(item, seen, catalogue));
        unplaced.extend(changing.iter().map(|item| (item.completed, item.id)));
        unplaced.sort_unstable();
        unplaced.iter().map(|&(_, id)| id as usize).collect()
    }

    fn place_of(&self, item: &Item) -> Option<usize> {
        let places = &self.places;
        let found = places.binary_search_by_key(&item.id, |&(id, _)| id);
        found.ok().map(|at| places[at].1 as usize)
    }

    /// Whether the operation happened in time, and as it ended.
    fn has_happened(&self, item: &Item, place: usize, catalogue: &mut Catalogue<'_>) -> bool {
        let (before, spell) = (&self.spells[place - 1], &self.spells[place]);
        spell.since <= before_event(item.completed)
            && catalogue.step(before.state, item.class) == Some(spell.state)
    }

    /// The spells that are not over when an operation begins, and have begun when it ends.
    fn spells_of(&self, item: &Item) -> std::ops::Range<usize> {
        let begun = self
            .spells
            .partition_point(|spell| spell.since <= before_event(item.completed));
        let over = self
            .spells
            .partition_point(|spell| spell.since < after(item.invoked));
        over.saturating_sub(1)..begun
    }

    /// When the operation can happen and leave the state as it is.
    fn unchanged(&self, item: &Item, catalogue: &mut Catalogue<'_>) -> Option<Moment> {
        let mut spells = self.spells[self.spells_of(item)].iter();
        let found =
            spells.find(|spell| catalogue.step(spell.state, item.class) == Some(spell.state));
        found.map(|spell| spell.since.max(after(item.invoked)))
    }

    /// Whether the operation can happen right before an overwrite, or after everything.
    fn is_unseen(&self, item: &Item, seen: Moment, catalogue: &mut Catalogue<'_>) -> bool {
        if catalogue.effect(item.class) != Effect::Overwrite {
            return false;
        }
        let mut begun = self.spells[self.spells_of(item)].iter();
        begun.any(|spell| spell.by_overwrite && spell.since >= after(item.invoked))
            || seen <= before_event(item.completed)
    }
}

fn after(event: u32) -> Moment {
    2 * event + 1
}

fn before_event(event: u32) -> Moment {
    2 * event - 1
}
