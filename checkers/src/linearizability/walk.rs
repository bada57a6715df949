//! From one configuration to the next: what a choice does, and how far it leads.

use super::catalogue::{Catalogue, ClassNumber, StateNumber};
use super::configuration::Configuration;
use super::open::Open;
use super::problem::{OperationNumber, Problem};
use super::slots::Slots;
use super::trail::Recorder;
use super::used::{ClassSet, UsedNumber, UsedTable};
use crate::spec::Effect;

/// What to do next in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Leave the due overwrite where it is: unseen.
    LeaveUnseen,
    Place(OperationNumber),
    /// The index of a class of uncertain operations.
    PlaceUncertain(u32),
}

/// A search's view of a problem, from a place that moves with it.
pub(super) struct Walk<'p, 'a, const WORDS: usize> {
    pub(super) problem: &'p Problem,
    pub(super) catalogue: &'p mut Catalogue<'a>,
    pub(super) open: Open,
    pub(super) used: UsedTable,
    /// Classes of uncertain operations that were wanted while none was left.
    pub(super) missed: ClassSet,
}

impl<'p, 'a, const WORDS: usize> Walk<'p, 'a, WORDS> {
    pub(super) fn new(problem: &'p Problem, catalogue: &'p mut Catalogue<'a>) -> Self {
        Self {
            open: Open::new(problem),
            problem,
            catalogue,
            used: UsedTable::new(),
            missed: 0,
        }
    }

    /// The operation whose return the configuration has to explain.
    pub(super) fn due(&self, configuration: &Configuration<WORDS>) -> OperationNumber {
        self.problem.steps[configuration.step as usize].operation()
    }

    /// The event of that return.
    pub(super) fn event(&self, configuration: &Configuration<WORDS>) -> u32 {
        let step = self.problem.steps[configuration.step as usize];
        self.problem.event(step)
    }

    /// Carries out a choice; true when nothing is left to explain.
    pub(super) fn choose(
        &mut self,
        configuration: &mut Configuration<WORDS>,
        choice: Choice,
        recorder: &mut impl Recorder,
    ) -> bool {
        self.open.go_to(self.problem, configuration.step);
        let due = self.problem.slot(self.due(configuration));
        match choice {
            Choice::LeaveUnseen => configuration.spare.remove(due),
            Choice::Place(operation) => {
                claim(configuration, due);
                let slot = self.problem.slot(operation);
                configuration.pending.remove(slot);
                configuration.owed.remove(slot);
                configuration.spare.remove(slot);
                self.place(configuration, operation, recorder);
            }
            Choice::PlaceUncertain(index) => {
                claim(configuration, due);
                let used = self.used.of(configuration.used, index);
                let operations = self.problem.uncertain_of(index);
                configuration.used = self.used.with_one_more(configuration.used, index);
                self.place(configuration, operations[used as usize], recorder);
            }
        }
        self.advance(configuration, recorder)
    }

    /// Lets an operation happen now.
    fn place(
        &mut self,
        configuration: &mut Configuration<WORDS>,
        operation: OperationNumber,
        recorder: &mut impl Recorder,
    ) {
        let class = self.problem.class(operation);
        if self.catalogue.effect(class) == Effect::Overwrite {
            self.spare_open_writes(configuration, recorder);
        }
        let event = self.event(configuration);
        recorder.placed_before(event, operation);
        let next = self.catalogue.step(configuration.state, class);
        configuration.state = next.expect("only operations that can happen are chosen");
        self.place_reads(configuration, event, recorder);
    }

    /// An overwrite is about to take its place: the others that are open have one right before it.
    /// Not so the one that is due, since this choice goes before it.
    fn spare_open_writes(
        &self,
        configuration: &mut Configuration<WORDS>,
        recorder: &mut impl Recorder,
    ) {
        let due = self.problem.slot(self.due(configuration));
        let is_due_owed = configuration.owed.contains(due);
        configuration.owed.remove(due);
        if recorder.is_on() {
            for slot in configuration.owed.iter() {
                recorder.unseen_before_next(self.open.holder(slot).operation);
            }
        }
        configuration.spare = configuration.spare.union(&configuration.owed);
        configuration.owed = Slots::EMPTY;
        if is_due_owed {
            configuration.owed.insert(due);
        }
    }

    /// Eager reads, after a change of state.
    fn place_reads(
        &mut self,
        configuration: &mut Configuration<WORDS>,
        event: u32,
        recorder: &mut impl Recorder,
    ) {
        for slot in configuration.pending.iter() {
            let holder = self.open.holder(slot);
            if self.is_read_of(holder.class, configuration.state) {
                configuration.pending.remove(slot);
                recorder.placed_before(event, holder.operation);
            }
        }
    }

    fn is_read_of(&mut self, class: ClassNumber, state: StateNumber) -> bool {
        self.catalogue.effect(class) == Effect::ReadOnly
            && self.catalogue.step(state, class).is_some()
    }

    /// Goes on to the next return whose operation is not in order; true when there is none.
    pub(super) fn advance(
        &mut self,
        configuration: &mut Configuration<WORDS>,
        recorder: &mut impl Recorder,
    ) -> bool {
        self.open.go_to(self.problem, configuration.step);
        while let Some(&step) = self.problem.steps.get(configuration.step as usize) {
            let slot = self.problem.slot(step.operation());
            if step.is_return() {
                if configuration.pending.contains(slot) || configuration.owed.contains(slot) {
                    return false;
                }
                if configuration.spare.contains(slot) {
                    let class = self.open.holder(slot).class;
                    let target = self.catalogue.target(class);
                    let target = target.expect("only overwrites go unseen");
                    if self
                        .problem
                        .is_wanted_after(target, self.problem.event(step))
                    {
                        return false;
                    }
                    configuration.spare.remove(slot);
                }
            } else {
                self.begin(configuration, step.operation(), slot, recorder);
            }
            self.open.go_forward(self.problem);
            configuration.step += 1;
        }
        true
    }

    fn begin(
        &mut self,
        configuration: &mut Configuration<WORDS>,
        operation: OperationNumber,
        slot: u32,
        recorder: &mut impl Recorder,
    ) {
        let item = self.problem.items[operation as usize];
        match self.catalogue.effect(item.class) {
            Effect::Overwrite => configuration.owed.insert(slot),
            Effect::ReadOnly
                if self
                    .catalogue
                    .step(configuration.state, item.class)
                    .is_some() =>
            {
                recorder.placed_after(item.invoked, operation);
            }
            Effect::ReadOnly | Effect::Update => configuration.pending.insert(slot),
        }
    }

    /// Whether an operation of the class has been invoked by an event, and is not among those used. If the
    /// want of one decides, that is noted.
    pub(super) fn is_available(&mut self, used: UsedNumber, index: u32, event: u32) -> bool {
        let used = self.used.of(used, index);
        let next = self.problem.uncertain_of(index).get(used as usize);
        let is_available =
            next.is_some_and(|&next| self.problem.items[next as usize].invoked <= event);
        if !is_available && used > 0 {
            self.missed |= super::used::set_of(index);
        }
        is_available
    }
}

/// To go before the due overwrite means that this one will be seen.
fn claim<const WORDS: usize>(configuration: &mut Configuration<WORDS>, due: u32) {
    if configuration.spare.contains(due) {
        configuration.spare.remove(due);
        configuration.owed.insert(due);
    }
}
