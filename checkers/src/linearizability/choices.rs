//! What can be done next in a configuration, the most hopeful first.

use super::catalogue::StateNumber;
use super::configuration::Configuration;
use super::problem::ANY_STATE;
use super::walk::{Choice, Walk};
use crate::spec::Effect;

/// How soon a choice is tried: the first may well lead to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Due,
    BeforeDue,
    Other,
    Uncertain,
}

/// Room for what is worked out about one configuration, used again for the next.
pub(super) struct Choices {
    ranked: Vec<(Rank, u32, Choice)>,
    /// Of open operations with equal class the first to return: class, event of the return, choice.
    first_of_class: Vec<(u32, u32, Choice)>,
    wishes: Wishes,
    /// The event of the return that is due.
    event: u32,
}

/// The states in which something that is open can happen, overwrites aside.
#[derive(Default)]
struct Wishes {
    only: Vec<StateNumber>,
    /// Classes of open operations that no single state suits.
    classes: Vec<u32>,
}

impl Wishes {
    fn note<const WORDS: usize>(
        &mut self,
        walk: &Walk<'_, '_, WORDS>,
        configuration: &Configuration<WORDS>,
    ) {
        self.only.clear();
        self.classes.clear();
        for slot in configuration.pending.iter() {
            let class = walk.open.holder(slot).class;
            match walk.catalogue.only_state(class) {
                Some(state) if !self.only.contains(&state) => self.only.push(state),
                None if !self.classes.contains(&class) => self.classes.push(class),
                _ => {}
            }
        }
    }
}

impl Choices {
    pub(super) fn new() -> Self {
        // More than there mostly are.
        const ROOM: usize = 16;
        Self {
            ranked: Vec::with_capacity(ROOM),
            first_of_class: Vec::with_capacity(ROOM),
            wishes: Wishes::default(),
            event: 0,
        }
    }

    /// Adds the choices to the list, the first to be tried last.
    pub(super) fn push<const WORDS: usize>(
        &mut self,
        walk: &mut Walk<'_, '_, WORDS>,
        configuration: &Configuration<WORDS>,
        choices: &mut Vec<Choice>,
    ) {
        walk.open.go_to(walk.problem, configuration.step);
        self.event = walk.event(configuration);
        self.ranked.clear();
        self.wishes.note(walk, configuration);
        self.rank_due(walk, configuration);
        self.rank_open(walk, configuration);
        self.rank_uncertain(walk, configuration);
        self.ranked
            .sort_unstable_by_key(|&(rank, place, _)| (rank, place));
        choices.extend(self.ranked.iter().rev().map(|&(_, _, choice)| choice));
    }

    fn add(&mut self, rank: Rank, place: u32, choice: Choice) {
        self.ranked.push((rank, place, choice));
    }

    fn rank_due<const WORDS: usize>(
        &mut self,
        walk: &mut Walk<'_, '_, WORDS>,
        configuration: &Configuration<WORDS>,
    ) {
        let due = walk.due(configuration);
        let class = walk.problem.class(due);
        let Some(after) = walk.catalogue.step(configuration.state, class) else {
            return;
        };
        self.add(Rank::Due, 1, Choice::Place(due));
        if configuration.spare.contains(walk.problem.slot(due)) {
            let place = match self.is_wanted_now(walk, configuration, after) {
                true => 2,
                false => 0,
            };
            self.add(Rank::Due, place, Choice::LeaveUnseen);
        }
    }

    /// Operations other than the one that is due: of equals, the first to return.
    fn rank_open<const WORDS: usize>(
        &mut self,
        walk: &mut Walk<'_, '_, WORDS>,
        configuration: &Configuration<WORDS>,
    ) {
        self.gather_first_of_class(walk, configuration);
        let due = walk.due(configuration);
        let is_due_pending = configuration.pending.contains(walk.problem.slot(due));
        let due = walk.problem.class(due);
        for index in 0..self.first_of_class.len() {
            let (class, completed, choice) = self.first_of_class[index];
            let Some(after) = walk.catalogue.step(configuration.state, class) else {
                continue;
            };
            let is_overwrite = walk.catalogue.effect(class) == Effect::Overwrite;
            if is_overwrite && !self.is_wanted_now(walk, configuration, after) {
                continue;
            }
            let is_before_due = is_due_pending && walk.catalogue.step(after, due).is_some();
            let rank = if is_before_due {
                Rank::BeforeDue
            } else {
                Rank::Other
            };
            self.add(rank, completed, choice);
        }
    }

    fn gather_first_of_class<const WORDS: usize>(
        &mut self,
        walk: &Walk<'_, '_, WORDS>,
        configuration: &Configuration<WORDS>,
    ) {
        self.first_of_class.clear();
        let due = walk.problem.class(walk.due(configuration));
        let open = configuration.pending.union(&configuration.owed);
        for slot in open.union(&configuration.spare).iter() {
            let holder = walk.open.holder(slot);
            if holder.class == due {
                continue;
            }
            let found = (
                holder.class,
                holder.completed,
                Choice::Place(holder.operation),
            );
            let known = self.first_of_class.iter_mut();
            match known.into_iter().find(|known| known.0 == holder.class) {
                Some(known) if holder.completed < known.1 => *known = found,
                Some(_) => {}
                None => self.first_of_class.push(found),
            }
        }
    }

    /// Whether an open operation that is no overwrite, or an uncertain one, can happen in the state.
    fn is_wanted_now<const WORDS: usize>(
        &self,
        walk: &mut Walk<'_, '_, WORDS>,
        configuration: &Configuration<WORDS>,
        state: StateNumber,
    ) -> bool {
        if self.wishes.only.contains(&state) {
            return true;
        }
        let mut classes = self.wishes.classes.iter();
        if classes.any(|&class| walk.catalogue.step(state, class).is_some()) {
            return true;
        }
        let problem = walk.problem;
        let mut updates = problem.uncertain_updates_in(state).iter();
        let mut others = problem.other_uncertain_updates().iter();
        updates.any(|&(_, index)| walk.is_available(configuration.used, index, self.event))
            || others.any(|&(_, index)| {
                let class = problem.uncertain[index as usize].class;
                walk.catalogue.step(state, class).is_some()
                    && walk.is_available(configuration.used, index, self.event)
            })
    }

    fn rank_uncertain<const WORDS: usize>(
        &mut self,
        walk: &mut Walk<'_, '_, WORDS>,
        configuration: &Configuration<WORDS>,
    ) {
        let problem = walk.problem;
        let updates = problem.uncertain_updates_in(configuration.state);
        for &(_, index) in updates.iter().chain(problem.other_uncertain_updates()) {
            self.rank_uncertain_class(walk, configuration, index);
        }
        let by_updates = &problem.states_of_updates;
        if !self.wishes.classes.is_empty() || by_updates.contains(&ANY_STATE) {
            for &(_, index) in problem.uncertain_overwrites.all() {
                self.rank_uncertain_class(walk, configuration, index);
            }
            return;
        }
        for at in 0..self.wishes.only.len() {
            for &(_, index) in problem.uncertain_overwrites_to(self.wishes.only[at]) {
                self.rank_uncertain_class(walk, configuration, index);
            }
        }
        for &state in by_updates {
            if !self.wishes.only.contains(&state) {
                for &(_, index) in problem.uncertain_overwrites_to(state) {
                    self.rank_uncertain_class(walk, configuration, index);
                }
            }
        }
    }

    fn rank_uncertain_class<const WORDS: usize>(
        &mut self,
        walk: &mut Walk<'_, '_, WORDS>,
        configuration: &Configuration<WORDS>,
        index: u32,
    ) {
        let class = walk.problem.uncertain[index as usize].class;
        let Some(after) = walk.catalogue.step(configuration.state, class) else {
            return;
        };
        // Even a write of the present value hides the others that are open.
        let changes = after != configuration.state || !configuration.owed.is_empty();
        if changes
            && self.is_wanted_now(walk, configuration, after)
            && walk.is_available(configuration.used, index, self.event)
        {
            let place = self.ranked.len() as u32;
            self.add(Rank::Uncertain, place, Choice::PlaceUncertain(index));
        }
    }
}
