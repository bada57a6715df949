//! One order that explains everything so far. The next event mostly leaves it as it is, or needs one more
//! operation at its end: then no search has to find another.
//!
//! That is sound, since one order is enough. Where the few steps that are tried here do not lead to one,
//! the search tells whether there is any.

use super::super::catalogue::{Catalogue, ClassNumber, StateNumber};
use super::super::problem::Problem;
use super::super::trail::Trail;
use super::window::Kept;
use crate::spec::{Effect, NEVER};

pub(super) struct Explanation {
    /// The event before which nobody remembers which crashed operations have happened.
    since: u32,
    /// The operations that may change the state, in order. The first stands for all that came before.
    placed: Vec<Placed>,
}

/// An operation in its place.
struct Placed {
    /// The events of its invocation and its completion.
    invoked: u32,
    completed: u32,
    /// The state after it.
    after: StateNumber,
    /// It happens right before this event.
    moment: u32,
    is_overwrite: bool,
    /// The first completion of an operation that has found this state, and does not change it.
    seen: u32,
}

impl Explanation {
    /// Of what came since an event, from the state there on.
    pub(super) fn new(since: u32, state: StateNumber) -> Self {
        let start = Placed {
            invoked: since,
            completed: since,
            after: state,
            moment: since,
            is_overwrite: false,
            seen: NEVER,
        };
        Self {
            since,
            placed: vec![start],
        }
    }

    /// What a search has found, if the catalogue has room to follow it.
    pub(super) fn found(
        trail: Trail,
        problem: &Problem,
        catalogue: &mut Catalogue<'_>,
        since: u32,
    ) -> Option<Self> {
        let mut explanation = Self::new(since, trail.start);
        for (moment, number) in trail.in_order() {
            let item = problem.items[number as usize];
            let after = catalogue.step(explanation.state(), item.class)?;
            if catalogue.effect(item.class) == Effect::ReadOnly {
                explanation.see(item.completed);
                continue;
            }
            explanation.placed.push(Placed {
                invoked: item.invoked,
                completed: item.completed,
                after,
                moment: moment / 2 + 1,
                is_overwrite: catalogue.effect(item.class) == Effect::Overwrite,
                seen: NEVER,
            });
        }
        Some(explanation)
    }

    /// The state after everything.
    fn state(&self) -> StateNumber {
        self.placed
            .last()
            .map_or(Catalogue::INITIAL, |last| last.after)
    }

    fn see(&mut self, completed: u32) {
        if let Some(last) = self.placed.last_mut() {
            last.seen = last.seen.min(completed);
        }
    }

    fn place_of(&self, invoked: u32) -> Option<usize> {
        let others = self.placed[1..].iter();
        let place = others.rev().position(|placed| placed.invoked == invoked)?;
        Some(self.placed.len() - 1 - place)
    }

    /// Whether it still explains everything now that an operation has not happened.
    pub(super) fn holds_without(&self, invoked: u32) -> bool {
        self.place_of(invoked).is_none()
    }

    /// Whether it explains, or is easily made to explain, that an operation has just completed. `kept` are
    /// those that still matter.
    pub(super) fn complete(
        &mut self,
        completed: &Kept,
        class: ClassNumber,
        kept: &[Kept],
        catalogue: &mut Catalogue<'_>,
    ) -> bool {
        if let Some(place) = self.place_of(completed.invoked) {
            return self.confirm(place, completed.completed, class, catalogue);
        }
        let is_explained = match catalogue.effect(class) {
            Effect::ReadOnly => {
                self.was_seen(completed, class, catalogue)
                    || self.bring_back(completed, class, catalogue)
            }
            Effect::Overwrite | Effect::Update => self.append(completed, class, catalogue),
        };
        is_explained || self.append_after_another(completed, class, kept, catalogue)
    }

    /// An operation that has its place already is known to have happened.
    fn confirm(
        &mut self,
        place: usize,
        completed: u32,
        class: ClassNumber,
        catalogue: &mut Catalogue<'_>,
    ) -> bool {
        let before = self.placed[place - 1].after;
        let placed = &mut self.placed[place];
        placed.completed = completed;
        placed.is_overwrite = catalogue.effect(class) == Effect::Overwrite;
        catalogue.step(before, class) == Some(placed.after)
    }

    /// Whether what changes nothing could happen somewhere between its invocation and its completion.
    fn was_seen(
        &mut self,
        operation: &Kept,
        class: ClassNumber,
        catalogue: &mut Catalogue<'_>,
    ) -> bool {
        for placed in self.placed.iter_mut().rev() {
            if catalogue.step(placed.after, class).is_some() {
                placed.seen = placed.seen.min(operation.completed);
                return true;
            }
            if placed.moment <= operation.invoked {
                return false;
            }
        }
        false
    }

    /// Whether an overwrite that leads to what was found can come last: then all that came after it, of
    /// which nobody has seen anything, comes right before it.
    fn bring_back(
        &mut self,
        operation: &Kept,
        class: ClassNumber,
        catalogue: &mut Catalogue<'_>,
    ) -> bool {
        // When all of them must have begun, and when the first of them must have happened.
        let (mut begun, mut moment) = (0, operation.completed);
        for place in (1..self.placed.len()).rev() {
            let placed = &self.placed[place];
            if !placed.is_overwrite {
                return false;
            }
            begun = begun.max(placed.invoked);
            moment = moment.min(placed.completed);
            let moment_seen = moment.min(placed.seen);
            if begun < moment_seen && catalogue.step(placed.after, class).is_some() {
                self.placed[place..].rotate_left(1);
                for placed in &mut self.placed[place..] {
                    placed.moment = moment_seen;
                }
                self.see(operation.completed);
                return true;
            }
            if placed.seen != NEVER {
                return false;
            }
        }
        false
    }

    /// Whether the operation can happen after everything.
    fn append(
        &mut self,
        operation: &Kept,
        class: ClassNumber,
        catalogue: &mut Catalogue<'_>,
    ) -> bool {
        self.push(operation, class, operation.completed, catalogue)
    }

    fn push(
        &mut self,
        operation: &Kept,
        class: ClassNumber,
        moment: u32,
        catalogue: &mut Catalogue<'_>,
    ) -> bool {
        let Some(after) = catalogue.step(self.state(), class) else {
            return false;
        };
        match catalogue.effect(class) {
            Effect::ReadOnly => self.see(operation.completed),
            effect => self.placed.push(Placed {
                invoked: operation.invoked,
                completed: operation.completed,
                after,
                moment,
                is_overwrite: effect == Effect::Overwrite,
                seen: NEVER,
            }),
        }
        true
    }

    /// Whether the operation can happen after another that may have happened.
    fn append_after_another(
        &mut self,
        operation: &Kept,
        class: ClassNumber,
        kept: &[Kept],
        catalogue: &mut Catalogue<'_>,
    ) -> bool {
        for other in kept {
            let Some(other_class) = other.class.filter(|_| other.completed == NEVER) else {
                continue;
            };
            if other.invoked < self.since
                || catalogue.effect(other_class) == Effect::ReadOnly
                || !self.holds_without(other.invoked)
            {
                continue;
            }
            let between = catalogue.step(self.state(), other_class);
            if between.is_some_and(|between| catalogue.step(between, class).is_some()) {
                let moment = operation.completed;
                return self.push(other, other_class, moment, catalogue)
                    && self.push(operation, class, moment, catalogue);
            }
        }
        false
    }

    /// Forgets what no operation can reach that is open at an event.
    pub(super) fn forget_before(&mut self, event: u32) {
        let passed = self
            .placed
            .iter()
            .take_while(|placed| placed.moment <= event);
        let passed = passed.count().saturating_sub(1);
        self.placed.drain(..passed);
        self.placed[0].is_overwrite = false;
        self.since = event;
    }

    /// The numbers of its states.
    pub(super) fn states_mut(&mut self) -> impl Iterator<Item = &mut StateNumber> {
        self.placed.iter_mut().map(|placed| &mut placed.after)
    }

    /// How many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        self.placed.capacity() * size_of::<Placed>()
    }
}
