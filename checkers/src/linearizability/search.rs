//! The search: explain one return after the other, and go back where that fails.
//!
//! Wing and Gong's search ("Testing and Verifying Concurrent Objects", 1993) in Lowe's just-in-time
//! form ("Testing for linearizability", 2017): an operation gets its place only when some return makes
//! it necessary, and what precedes that return is forgotten. Each rule below leaves out orders that
//! others stand for.
//!
//! - *Eager reads*: an operation that changes no state takes its place as soon as it can.
//! - *Equals*: of open operations with equal effect and answer, the one that returns first goes first.
//! - *Spare writes*: when an overwrite takes its place, every other open one has a place right before
//!   it, where nobody sees it. It owes nothing any more, but may still take a later place instead.
//! - *No write unseen*: an overwrite, or an uncertain operation, goes before the operation that is
//!   due only if an operation that is open now can happen right after it. Before another overwrite it
//!   might as well go unseen, or wait.
//! - *Dominance*: see [`Writes::is_at_least`].

use super::configuration::{Configuration, UsedCounts, Writes};
use super::limits::{Exceeded, Meter};
use super::problem::{ClassNumber, Problem, StateNumber};
use super::slots::Slots;
use super::timeline::OperationNumber;
use super::trail::{Recorder, Trail};
use crate::spec::{Effect, Spec};
use std::collections::HashMap;

/// What the search found out.
pub(super) enum Found {
    /// An order that explains everything.
    Order(Trail),
    Impossible(Frontier),
    Exceeded {
        limit: Exceeded,
        step: u32,
    },
}

/// How far explanations reach.
#[derive(Default)]
pub(super) struct Frontier {
    /// The return that nothing explains.
    pub(super) step: u32,
    /// The states in which explanations of all before it end, in the order in which they were found.
    pub(super) states: Vec<StateNumber>,
}

/// What to do next in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// Leave the due overwrite where it is: unseen.
    LeaveUnseen,
    Place(OperationNumber),
    PlaceUncertain(ClassNumber),
}

/// A configuration on the way from the start, and the choices that it has left.
struct Frame<const WORDS: usize> {
    configuration: Configuration<WORDS>,
    /// Its choices in the shared list; the last of all frames ends with the list.
    first_choice: usize,
    next_choice: usize,
}

/// What two comparable configurations have in common: step, state and pending operations.
type Place<const WORDS: usize> = (u32, StateNumber, Slots<WORDS>);

pub(super) struct Search<'p, 'a, S: Spec, const WORDS: usize> {
    problem: &'p mut Problem<'a, S>,
    /// The state that the search began with.
    start: StateNumber,
    frames: Vec<Frame<WORDS>>,
    choices: Vec<Choice>,
    /// For each place the best of what was visited there: none of them is at least another.
    visited: HashMap<Place<WORDS>, Vec<Writes<WORDS>>>,
    visited_bytes: u64,
    frontier: Frontier,
}

impl<'p, 'a, S: Spec, const WORDS: usize> Search<'p, 'a, S, WORDS> {
    pub(super) fn new(problem: &'p mut Problem<'a, S>) -> Self {
        Self {
            start: Problem::<S>::INITIAL,
            problem,
            frames: Vec::new(),
            choices: Vec::new(),
            visited: HashMap::new(),
            visited_bytes: 0,
            frontier: Frontier::default(),
        }
    }

    pub(super) fn run(mut self, meter: &mut Meter) -> Found {
        for state in self.problem.starts.clone() {
            self.start = state;
            if let Some(found) = self.run_from_start(meter) {
                return found;
            }
        }
        Found::Impossible(self.frontier)
    }

    /// `None` if nothing is possible from the start.
    fn run_from_start(&mut self, meter: &mut Meter) -> Option<Found> {
        let mut start = self.start();
        if self.advance(&mut start, &mut ()) {
            return Some(Found::Order(self.trail()));
        }
        self.enter(start);
        while let Some(frame) = self.frames.last_mut() {
            if frame.next_choice == self.choices.len() {
                self.choices.truncate(frame.first_choice);
                self.frames.pop();
                continue;
            }
            let choice = self.choices[frame.next_choice];
            frame.next_choice += 1;
            let mut next = frame.configuration.clone();
            if self.choose(&mut next, choice, &mut ()) {
                return Some(Found::Order(self.trail()));
            }
            if self.enter(next)
                && let Err(limit) = meter.visit(self.bytes())
            {
                return Some(Found::Exceeded {
                    limit,
                    step: self.frontier.step,
                });
            }
        }
        None
    }

    fn start(&self) -> Configuration<WORDS> {
        let writes = Writes {
            owed: Slots::EMPTY,
            spare: Slots::EMPTY,
            used: UsedCounts::default(),
        };
        Configuration {
            step: 0,
            state: self.start,
            pending: Slots::EMPTY,
            writes,
        }
    }

    /// An estimate of what the search holds.
    fn bytes(&self) -> u64 {
        let frames = self.frames.len() * size_of::<Frame<WORDS>>();
        let choices = self.choices.len() * size_of::<Choice>();
        self.visited_bytes + (frames + choices) as u64
    }

    /// Opens a configuration, unless one that is at least as good was visited before.
    fn enter(&mut self, configuration: Configuration<WORDS>) -> bool {
        self.note_frontier(&configuration);
        if !self.remember(&configuration) {
            return false;
        }
        let first_choice = self.choices.len();
        self.push_choices(&configuration);
        self.frames.push(Frame {
            configuration,
            first_choice,
            next_choice: first_choice,
        });
        true
    }

    fn note_frontier(&mut self, configuration: &Configuration<WORDS>) {
        /// More states than anybody reads.
        const STATES_MAX: usize = 1000;
        if configuration.step > self.frontier.step {
            self.frontier = Frontier {
                step: configuration.step,
                states: Vec::new(),
            };
        }
        let states = &mut self.frontier.states;
        if configuration.step == self.frontier.step
            && states.len() < STATES_MAX
            && !states.contains(&configuration.state)
        {
            states.push(configuration.state);
        }
    }

    fn remember(&mut self, configuration: &Configuration<WORDS>) -> bool {
        let writes = &configuration.writes;
        let place = (
            configuration.step,
            configuration.state,
            configuration.pending,
        );
        let best = self.visited.entry(place).or_default();
        if best.iter().any(|visited| visited.is_at_least(writes)) {
            return false;
        }
        if best.is_empty() {
            self.visited_bytes +=
                (size_of::<Place<WORDS>>() + size_of::<Vec<Writes<WORDS>>>()) as u64;
        }
        best.retain(|visited| !writes.is_at_least(visited));
        best.push(writes.clone());
        self.visited_bytes += (size_of::<Writes<WORDS>>() + writes.used.bytes()) as u64;
        true
    }

    /// Carries out a choice; true when nothing is left to explain.
    fn choose(
        &mut self,
        configuration: &mut Configuration<WORDS>,
        choice: Choice,
        recorder: &mut impl Recorder,
    ) -> bool {
        let due = self.due(configuration);
        match choice {
            Choice::LeaveUnseen => {
                configuration
                    .writes
                    .spare
                    .remove(self.problem.timeline.slot(due));
            }
            Choice::Place(number) => {
                let slot = self.problem.timeline.slot(number);
                if configuration
                    .writes
                    .spare
                    .contains(self.problem.timeline.slot(due))
                {
                    // To go before the due overwrite means that this one will be seen.
                    let slot = self.problem.timeline.slot(due);
                    configuration.writes.spare.remove(slot);
                    configuration.writes.owed.insert(slot);
                }
                configuration.pending.remove(slot);
                configuration.writes.owed.remove(slot);
                configuration.writes.spare.remove(slot);
                self.place(configuration, number, recorder);
            }
            Choice::PlaceUncertain(class) => {
                let due_slot = self.problem.timeline.slot(due);
                if configuration.writes.spare.contains(due_slot) {
                    configuration.writes.spare.remove(due_slot);
                    configuration.writes.owed.insert(due_slot);
                }
                let used = configuration.writes.used.of(class);
                let number = self.problem.classes[class as usize].uncertain[used as usize];
                configuration.writes.used = configuration.writes.used.with_one_more(class);
                self.place(configuration, number, recorder);
            }
        }
        self.advance(configuration, recorder)
    }

    /// The operation whose return the configuration has to explain.
    fn due(&self, configuration: &Configuration<WORDS>) -> OperationNumber {
        self.problem.steps()[configuration.step as usize].operation
    }

    /// Lets an operation happen now.
    fn place(
        &mut self,
        configuration: &mut Configuration<WORDS>,
        number: OperationNumber,
        recorder: &mut impl Recorder,
    ) {
        if self.problem.effect(number) == Effect::Overwrite {
            self.spare_open_writes(configuration, recorder);
        }
        let event = self.problem.steps()[configuration.step as usize].event;
        recorder.placed_before(event, number);
        let class = self.problem.class(number);
        let next = self.problem.step(configuration.state, class);
        configuration.state = next.expect("only operations that can happen are chosen");
        self.place_reads(configuration, recorder);
    }

    /// An overwrite is about to take its place: the others that are open have one right before it.
    /// Not so the one that is due, since this choice goes before it.
    fn spare_open_writes(
        &self,
        configuration: &mut Configuration<WORDS>,
        recorder: &mut impl Recorder,
    ) {
        let timeline = &self.problem.timeline;
        let due = timeline.slot(self.due(configuration));
        let writes = &mut configuration.writes;
        let is_due_owed = writes.owed.contains(due);
        writes.owed.remove(due);
        if recorder.is_on() {
            for &open in timeline.open_at(configuration.step) {
                if writes.owed.contains(timeline.slot(open)) {
                    recorder.unseen_before_next(open);
                }
            }
        }
        writes.spare = writes.spare.union(&writes.owed);
        writes.owed = Slots::EMPTY;
        if is_due_owed {
            writes.owed.insert(due);
        }
    }

    /// Eager reads, after a change of state.
    fn place_reads(
        &mut self,
        configuration: &mut Configuration<WORDS>,
        recorder: &mut impl Recorder,
    ) {
        if configuration.pending.is_empty() {
            return;
        }
        let event = self.problem.steps()[configuration.step as usize].event;
        for index in 0..self.problem.timeline.open_at(configuration.step).len() {
            let open = self.problem.timeline.open_at(configuration.step)[index];
            let slot = self.problem.timeline.slot(open);
            if configuration.pending.contains(slot) && self.is_read_of(open, configuration.state) {
                configuration.pending.remove(slot);
                recorder.placed_before(event, open);
            }
        }
    }

    fn is_read_of(&mut self, number: OperationNumber, state: StateNumber) -> bool {
        let class = self.problem.class(number);
        self.problem.effect(number) == Effect::ReadOnly && self.problem.step(state, class).is_some()
    }

    /// Goes on to the next return whose operation is not in order; true when there is none.
    fn advance(
        &mut self,
        configuration: &mut Configuration<WORDS>,
        recorder: &mut impl Recorder,
    ) -> bool {
        while let Some(&step) = self.problem.steps().get(configuration.step as usize) {
            let slot = self.problem.timeline.slot(step.operation);
            let is_overwrite = self.problem.effect(step.operation) == Effect::Overwrite;
            if step.is_return {
                if configuration.pending.contains(slot) || configuration.writes.owed.contains(slot)
                {
                    return false;
                }
                if configuration.writes.spare.contains(slot) {
                    let class = self.problem.class(step.operation);
                    if self.problem.is_wanted_after(class, configuration.step) {
                        return false;
                    }
                    configuration.writes.spare.remove(slot);
                }
            } else if is_overwrite {
                configuration.writes.owed.insert(slot);
            } else if self.is_read_of(step.operation, configuration.state) {
                recorder.placed_after(step.event, step.operation);
            } else {
                configuration.pending.insert(slot);
            }
            configuration.step += 1;
        }
        true
    }

    /// The order of the choices that led here.
    fn trail(&mut self) -> Trail {
        let mut trail = Trail::default();
        let mut configuration = self.start();
        self.advance(&mut configuration, &mut trail);
        let taken: Vec<Choice> = self
            .frames
            .iter()
            .map(|frame| self.choices[frame.next_choice - 1])
            .collect();
        for choice in taken {
            self.choose(&mut configuration, choice, &mut trail);
        }
        trail
    }
}

/// How soon a choice is tried: the first may well lead to the end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Due,
    BeforeDue,
    Other,
    Uncertain,
}

impl<S: Spec, const WORDS: usize> Search<'_, '_, S, WORDS> {
    fn push_choices(&mut self, configuration: &Configuration<WORDS>) {
        let mut choices = Vec::new();
        self.choose_due(configuration, &mut choices);
        self.choose_open(configuration, &mut choices);
        self.choose_uncertain(configuration, &mut choices);
        choices.sort_by_key(|&(rank, _)| rank);
        self.choices
            .extend(choices.into_iter().map(|(_, choice)| choice));
    }

    fn choose_due(
        &mut self,
        configuration: &Configuration<WORDS>,
        choices: &mut Vec<(Rank, Choice)>,
    ) {
        let due = self.due(configuration);
        let Some(after) = self
            .problem
            .step(configuration.state, self.problem.class(due))
        else {
            return;
        };
        choices.push((Rank::Due, Choice::Place(due)));
        if configuration
            .writes
            .spare
            .contains(self.problem.timeline.slot(due))
        {
            let at = usize::from(self.is_wanted_now(configuration, after));
            choices.insert(at, (Rank::Due, Choice::LeaveUnseen));
        }
    }

    /// Operations other than the one that is due: of equals, the first to return.
    fn choose_open(
        &mut self,
        configuration: &Configuration<WORDS>,
        choices: &mut Vec<(Rank, Choice)>,
    ) {
        let mut seen = vec![self.problem.class(self.due(configuration))];
        for index in 0..self.problem.timeline.open_at(configuration.step).len() {
            let open = self.problem.timeline.open_at(configuration.step)[index];
            let class = self.problem.class(open);
            if seen.contains(&class) || !self.can_be_placed(configuration, open) {
                continue;
            }
            seen.push(class);
            let Some(after) = self.problem.step(configuration.state, class) else {
                continue;
            };
            let is_overwrite = self.problem.effect(open) == Effect::Overwrite;
            if !is_overwrite || self.is_wanted_now(configuration, after) {
                let rank = self.rank_before_due(configuration, after);
                choices.push((rank, Choice::Place(open)));
            }
        }
    }

    fn can_be_placed(&self, configuration: &Configuration<WORDS>, open: OperationNumber) -> bool {
        let slot = self.problem.timeline.slot(open);
        configuration.pending.contains(slot)
            || configuration.writes.owed.contains(slot)
            || configuration.writes.spare.contains(slot)
    }

    fn rank_before_due(
        &mut self,
        configuration: &Configuration<WORDS>,
        after: StateNumber,
    ) -> Rank {
        let due = self.problem.class(self.due(configuration));
        let is_pending = configuration
            .pending
            .contains(self.problem.timeline.slot(self.due(configuration)));
        if is_pending && self.problem.step(after, due).is_some() {
            Rank::BeforeDue
        } else {
            Rank::Other
        }
    }

    /// Whether an open operation that is no overwrite, or an uncertain one, can happen in the state.
    fn is_wanted_now(&mut self, configuration: &Configuration<WORDS>, state: StateNumber) -> bool {
        for index in 0..self.problem.timeline.open_at(configuration.step).len() {
            let open = self.problem.timeline.open_at(configuration.step)[index];
            if configuration
                .pending
                .contains(self.problem.timeline.slot(open))
                && self.problem.step(state, self.problem.class(open)).is_some()
            {
                return true;
            }
        }
        for index in 0..self.problem.uncertain_updates.len() {
            let class = self.problem.uncertain_updates[index];
            if self.is_available(configuration, class) && self.problem.step(state, class).is_some()
            {
                return true;
            }
        }
        false
    }

    fn is_available(&self, configuration: &Configuration<WORDS>, class: ClassNumber) -> bool {
        let used = configuration.writes.used.of(class) as usize;
        let next = self.problem.classes[class as usize].uncertain.get(used);
        next.is_some_and(|&next| self.problem.timeline.invoked[next as usize] <= configuration.step)
    }

    fn choose_uncertain(
        &mut self,
        configuration: &Configuration<WORDS>,
        choices: &mut Vec<(Rank, Choice)>,
    ) {
        for class in self.uncertain_candidates(configuration) {
            if !self.is_available(configuration, class) {
                continue;
            }
            let Some(after) = self.problem.step(configuration.state, class) else {
                continue;
            };
            // Even a write of the present value hides the others that are open.
            let changes = after != configuration.state || !configuration.writes.owed.is_empty();
            if changes && self.is_wanted_now(configuration, after) {
                choices.push((Rank::Uncertain, Choice::PlaceUncertain(class)));
            }
        }
    }

    /// Classes of uncertain operations of which some might be wanted now.
    fn uncertain_candidates(&self, configuration: &Configuration<WORDS>) -> Vec<ClassNumber> {
        let problem = &*self.problem;
        let mut candidates = problem.uncertain_updates.clone();
        let updates = problem.uncertain_updates.iter();
        let mut wanted: Vec<Option<StateNumber>> = updates
            .map(|&class| problem.classes[class as usize].only_state())
            .collect();
        for &open in problem.timeline.open_at(configuration.step) {
            if configuration.pending.contains(problem.timeline.slot(open)) {
                wanted.push(problem.only_state(open));
            }
        }
        if wanted.contains(&None) {
            candidates.extend(problem.uncertain_overwrites.values().flatten());
            return candidates;
        }
        wanted.sort_unstable();
        wanted.dedup();
        for state in wanted.into_iter().flatten() {
            candidates.extend(
                problem
                    .uncertain_overwrites
                    .get(&state)
                    .into_iter()
                    .flatten(),
            );
        }
        candidates
    }
}
