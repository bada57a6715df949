//! The operations on one key, numbered and laid out in time for the search.

use super::catalogue::{Catalogue, ClassNumber, StateNumber};
use super::limits::Exceeded;
use super::slots::Slots;
use crate::spec::{Effect, NEVER};

/// An operation's place among those of a problem.
pub(super) type OperationNumber = u32;

/// How many operations that happened may be open at once.
pub(super) const CONCURRENCY_MAX: u32 = 1024;

/// An operation that happened, or may have: then `completed` is [`NEVER`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Its id in the history.
    pub(super) id: u32,
    pub(super) class: ClassNumber,
    /// The indices of its events in the history.
    pub(super) invoked: u32,
    pub(super) completed: u32,
}

/// An invocation or a return of an operation that happened. Uncertain operations take no step: they
/// are there from their invocation on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step(u32);

impl Step {
    fn new(operation: OperationNumber, is_return: bool) -> Self {
        Self(operation << 1 | u32::from(is_return))
    }

    #[inline]
    pub(super) fn operation(self) -> OperationNumber {
        self.0 >> 1
    }

    #[inline]
    pub(super) fn is_return(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Class indices with a state each, ordered by it.
#[derive(Default)]
pub(super) struct ByState {
    entries: Vec<(StateNumber, u32)>,
    /// By state, where its entries begin; those of no state in particular come after all.
    firsts: Vec<u32>,
}

impl ByState {
    fn new(mut entries: Vec<(StateNumber, u32)>, state_count: usize) -> Self {
        entries.sort_unstable();
        let mut firsts = Vec::new();
        if !entries.is_empty() {
            let mut first = 0;
            firsts.extend((0..=state_count as u32).map(|state| {
                while entries.get(first).is_some_and(|&(other, _)| other < state) {
                    first += 1;
                }
                first as u32
            }));
        }
        Self { entries, firsts }
    }

    pub(super) fn all(&self) -> &[(StateNumber, u32)] {
        &self.entries
    }

    #[inline]
    fn of(&self, state: StateNumber) -> &[(StateNumber, u32)] {
        let state = state as usize;
        match (self.firsts.get(state), self.firsts.get(state + 1)) {
            (Some(&first), Some(&end)) => &self.entries[first as usize..end as usize],
            _ => &[],
        }
    }

    #[inline]
    fn of_any(&self) -> &[(StateNumber, u32)] {
        let first = self.firsts.last().copied().unwrap_or(0);
        &self.entries[first as usize..]
    }

    fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(StateNumber, u32)>()
            + self.firsts.capacity() * size_of::<u32>()
    }
}

/// Stands for no state in particular.
pub(super) const ANY_STATE: StateNumber = StateNumber::MAX;

/// Uncertain operations of one class.
pub(super) struct Uncertain {
    pub(super) class: ClassNumber,
    /// Where in the list of all these end; the next class's follow.
    end: u32,
}

/// What the search decides about. Operations are numbered in the order of their invocations.
pub(super) struct Problem {
    pub(super) items: Vec<Item>,
    pub(super) steps: Vec<Step>,
    /// By operation: the slot that it holds while it is open. Nothing for an uncertain one.
    slots: Vec<u16>,
    pub(super) slot_count: u32,
    pub(super) uncertain: Vec<Uncertain>,
    /// The uncertain operations by class, in the order of their invocations.
    uncertain_operations: Vec<OperationNumber>,
    /// The indices of classes of uncertain operations that overwrite, by the state that they lead to.
    pub(super) uncertain_overwrites: ByState,
    /// The indices of the others, by the only state in which they can happen; [`ANY_STATE`] if there
    /// is none such.
    uncertain_updates: ByState,
    /// Those states, each once.
    pub(super) states_of_updates: Vec<StateNumber>,
    /// By state: the last event at which an operation that is no overwrite could want it.
    last_wish: Vec<u32>,
    /// The last event at which an operation might want any state at all.
    last_wish_for_any: u32,
}

impl Problem {
    /// Of `items` in the order of their invocations. Uncertain operations that cannot change the state
    /// explain nothing, and are left out.
    ///
    /// # Errors
    /// Where more operations are open at once than a search can handle.
    pub(super) fn new(catalogue: &Catalogue<'_>, mut items: Vec<Item>) -> Result<Self, Exceeded> {
        items.retain(|item| {
            item.completed != NEVER || catalogue.effect(item.class) != Effect::ReadOnly
        });
        assert!(
            items.is_sorted_by_key(|item| item.invoked),
            "operations come in the order of their invocations"
        );
        let steps = steps(&items);
        let mut problem = Self {
            slots: Vec::new(),
            slot_count: 0,
            items,
            steps,
            uncertain: Vec::new(),
            uncertain_operations: Vec::new(),
            uncertain_overwrites: ByState::default(),
            uncertain_updates: ByState::default(),
            states_of_updates: Vec::new(),
            last_wish: vec![0; catalogue.state_count()],
            last_wish_for_any: 0,
        };
        problem.give_slots()?;
        problem.gather_uncertain(catalogue);
        problem.note_wishes(catalogue);
        Ok(problem)
    }

    fn give_slots(&mut self) -> Result<(), Exceeded> {
        let mut taken = Slots::<{ CONCURRENCY_MAX as usize / 64 }>::EMPTY;
        self.slots = vec![0; self.items.len()];
        for step in &self.steps {
            let slot = &mut self.slots[step.operation() as usize];
            if step.is_return() {
                taken.remove((*slot).into());
                continue;
            }
            let free = taken.first_free();
            let free = free.ok_or(Exceeded::Concurrency(CONCURRENCY_MAX))?;
            taken.insert(free);
            *slot = free as u16;
            self.slot_count = self.slot_count.max(free + 1);
        }
        Ok(())
    }

    fn gather_uncertain(&mut self, catalogue: &Catalogue<'_>) {
        let mut index_of = vec![NEVER; catalogue.class_count()];
        let is_uncertain = |item: &&Item| item.completed == NEVER;
        for item in self.items.iter().filter(is_uncertain) {
            let index = &mut index_of[item.class as usize];
            if *index == NEVER {
                *index = self.uncertain.len() as u32;
                let class = item.class;
                self.uncertain.push(Uncertain { class, end: 0 });
            }
            self.uncertain[*index as usize].end += 1;
        }
        // So many each; now where each begins; and in the end where each ends.
        let mut count = 0;
        for uncertain in &mut self.uncertain {
            count += std::mem::replace(&mut uncertain.end, count);
        }
        self.uncertain_operations = vec![0; count as usize];
        for (number, item) in self.items.iter().enumerate() {
            if item.completed == NEVER {
                let end = &mut self.uncertain[index_of[item.class as usize] as usize].end;
                self.uncertain_operations[*end as usize] = number as OperationNumber;
                *end += 1;
            }
        }
        let count = self.uncertain.len();
        let (mut overwrites, mut updates) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (index, uncertain) in self.uncertain.iter().enumerate() {
            let index = index as u32;
            match catalogue.target(uncertain.class) {
                Some(target) => overwrites.push((target, index)),
                None => {
                    let only = catalogue.only_state(uncertain.class);
                    updates.push((only.unwrap_or(ANY_STATE), index));
                }
            }
        }
        let state_count = catalogue.state_count();
        self.uncertain_overwrites = ByState::new(overwrites, state_count);
        self.uncertain_updates = ByState::new(updates, state_count);
        let states = self.uncertain_updates.all().iter();
        self.states_of_updates = states.map(|&(state, _)| state).collect();
        self.states_of_updates.dedup();
    }

    /// Notes until when each state can matter to anyone: an overwrite after which only overwrites
    /// come might as well go unseen.
    fn note_wishes(&mut self, catalogue: &Catalogue<'_>) {
        for item in &self.items {
            let last = match catalogue.only_state(item.class) {
                _ if catalogue.target(item.class).is_some() => continue,
                Some(state) => &mut self.last_wish[state as usize],
                None => &mut self.last_wish_for_any,
            };
            *last = item.completed.max(*last);
        }
    }

    /// The problem as far as it is settled before an event: nobody knows who comes after it.
    pub(super) fn until(mut self, event: u32) -> Self {
        let settled = self
            .steps
            .iter()
            .take_while(|&&step| self.event(step) < event);
        let count = settled.count();
        self.steps.truncate(count);
        self.last_wish_for_any = NEVER;
        self
    }

    /// The number of the operation that was invoked at the event.
    pub(super) fn invoked_at(&self, event: u32) -> Option<OperationNumber> {
        let found = self.items.binary_search_by_key(&event, |item| item.invoked);
        found.ok().map(|number| number as OperationNumber)
    }

    /// Whether the state can matter to an operation that returns after the event.
    pub(super) fn is_wanted_after(&self, state: StateNumber, event: u32) -> bool {
        let last = self.last_wish.get(state as usize).copied().unwrap_or(0);
        last.max(self.last_wish_for_any) > event
    }

    /// The uncertain operations of the class with an index, in the order of their invocations.
    #[inline]
    pub(super) fn uncertain_of(&self, index: u32) -> &[OperationNumber] {
        let index = index as usize;
        let start = index.checked_sub(1);
        let start = start.map_or(0, |before| self.uncertain[before].end);
        &self.uncertain_operations[start as usize..self.uncertain[index].end as usize]
    }

    /// The classes of uncertain overwrites after which the state is this one.
    pub(super) fn uncertain_overwrites_to(&self, state: StateNumber) -> &[(StateNumber, u32)] {
        self.uncertain_overwrites.of(state)
    }

    /// The classes of uncertain updates that can happen in this state alone.
    #[inline]
    pub(super) fn uncertain_updates_in(&self, state: StateNumber) -> &[(StateNumber, u32)] {
        self.uncertain_updates.of(state)
    }

    /// The classes of uncertain updates of which no single state is known in which they can happen.
    #[inline]
    pub(super) fn other_uncertain_updates(&self) -> &[(StateNumber, u32)] {
        self.uncertain_updates.of_any()
    }

    #[inline]
    pub(super) fn class(&self, operation: OperationNumber) -> ClassNumber {
        self.items[operation as usize].class
    }

    #[inline]
    pub(super) fn slot(&self, operation: OperationNumber) -> u32 {
        self.slots[operation as usize].into()
    }

    /// The step's index among the history's events.
    #[inline]
    pub(super) fn event(&self, step: Step) -> u32 {
        let item = &self.items[step.operation() as usize];
        if step.is_return() {
            item.completed
        } else {
            item.invoked
        }
    }

    /// How many bytes a problem of so many operations takes at most, while it is made.
    pub(super) fn bytes_of(operation_count: usize) -> u64 {
        let of_each =
            size_of::<Item>() + 2 * size_of::<Step>() + size_of::<u16>() + 3 * size_of::<u32>();
        (operation_count * of_each) as u64
    }

    /// How many bytes the problem holds.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = self.items.capacity() * size_of::<Item>()
            + self.steps.capacity() * size_of::<Step>()
            + self.slots.capacity() * size_of::<u16>()
            + self.uncertain.capacity() * size_of::<Uncertain>()
            + self.uncertain_operations.capacity() * size_of::<OperationNumber>()
            + self.last_wish.capacity() * size_of::<u32>()
            + self.uncertain_overwrites.bytes()
            + self.uncertain_updates.bytes();
        bytes as u64
    }
}

/// The invocations and returns of what happened, in the order of their events.
fn steps(items: &[Item]) -> Vec<Step> {
    let certain = |(_, item): &(u32, &Item)| item.completed != NEVER;
    let numbered = || (0..).zip(items).filter(certain);
    let mut returns: Vec<(u32, OperationNumber)> = Vec::with_capacity(items.len());
    returns.extend(numbered().map(|(number, item)| (item.completed, number)));
    returns.sort_unstable();
    let mut steps = Vec::with_capacity(2 * returns.len());
    let mut returns = returns.into_iter().peekable();
    for (number, item) in numbered() {
        while let Some((_, returned)) = returns.next_if(|&(event, _)| event < item.invoked) {
            steps.push(Step::new(returned, true));
        }
        steps.push(Step::new(number, false));
    }
    steps.extend(returns.map(|(_, number)| Step::new(number, true)));
    steps
}
