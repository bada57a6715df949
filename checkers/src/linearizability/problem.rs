//! The operations on one key, numbered and tabulated for the search.
//!
//! The search handles numbers only: operations with equal effect and answer share a *class*, states
//! are interned, and transitions are remembered.

use super::limits::Exceeded;
use super::timeline::{OperationNumber, Step, Timeline};
use crate::spec::{Effect, Reason, Spec};
use std::collections::{BTreeMap, HashMap};

/// An operation on the key under judgement.
pub(super) struct Entry<S: Spec> {
    /// Its id in the history.
    pub(super) id: usize,
    pub(super) operation: S::Operation,
    /// `None` where nobody knows whether it happened.
    pub(super) returned: Option<S::Return>,
    pub(super) invoked: usize,
    /// The index of its completion; `None` exactly where `returned` is.
    pub(super) completed: Option<usize>,
}

impl<S: Spec> Clone for Entry<S> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            operation: self.operation.clone(),
            returned: self.returned.clone(),
            invoked: self.invoked,
            completed: self.completed,
        }
    }
}

impl<S: Spec> Entry<S> {
    /// The same operation, but nobody knows whether it happened. Whatever was possible stays so.
    pub(super) fn relaxed(&self) -> Self {
        Self {
            returned: None,
            completed: None,
            ..self.clone()
        }
    }

    pub(super) fn effect(&self, spec: &S) -> Effect {
        spec.effect(&self.operation, self.returned.as_ref())
    }
}

/// How many operations that happened may be open at once.
pub(super) const CONCURRENCY_MAX: u32 = 1024;

/// An interned state.
pub(super) type StateNumber = u32;
/// A set of interchangeable operations.
pub(super) type ClassNumber = u32;

pub(super) struct Class<S: Spec> {
    operation: S::Operation,
    returned: Option<S::Return>,
    pub(super) effect: Effect,
    /// The state after an overwrite.
    target: StateNumber,
    /// The only state in which it can happen, and what then comes of it.
    only: Option<(StateNumber, Option<StateNumber>)>,
    /// Its uncertain operations in the order of their invocations; empty for a certain class.
    pub(super) uncertain: Vec<OperationNumber>,
}

impl<S: Spec> Class<S> {
    pub(super) fn only_state(&self) -> Option<StateNumber> {
        self.only.map(|(state, _)| state)
    }
}

pub(super) struct Problem<'a, S: Spec> {
    spec: &'a S,
    /// The states in which the history may begin.
    pub(super) starts: Vec<StateNumber>,
    pub(super) timeline: Timeline,
    pub(super) classes: Vec<Class<S>>,
    /// The class of each operation.
    pub(super) class_of: Vec<ClassNumber>,
    states: Vec<S::State>,
    state_numbers: HashMap<S::State, StateNumber>,
    transitions: HashMap<(StateNumber, ClassNumber), Option<StateNumber>>,
    /// By state: the last step at which an operation that is no overwrite could want it.
    last_wish: Vec<u32>,
    /// The last step at which an operation might want any state at all.
    last_wish_for_any: u32,
    pub(super) uncertain_overwrites: BTreeMap<StateNumber, Vec<ClassNumber>>,
    pub(super) uncertain_updates: Vec<ClassNumber>,
}

impl<'a, S: Spec> Problem<'a, S> {
    pub(super) const INITIAL: StateNumber = 0;

    /// Uncertain operations that cannot change the state are left out: they explain nothing.
    ///
    /// # Errors
    /// Where a search could not even begin within the memory given.
    pub(super) fn new(
        spec: &'a S,
        entries: &[Entry<S>],
        memory_bytes_max: u64,
    ) -> Result<Self, Exceeded> {
        let useful =
            |entry: &&Entry<S>| entry.completed.is_some() || entry.effect(spec) != Effect::ReadOnly;
        let entries: Vec<&Entry<S>> = entries.iter().filter(useful).collect();
        let mut timeline = Timeline::new(
            entries
                .iter()
                .map(|entry| (entry.id, entry.invoked, entry.completed)),
        );
        if timeline.slot_count > CONCURRENCY_MAX {
            return Err(Exceeded::Concurrency(CONCURRENCY_MAX));
        }
        if timeline.open_bytes() > memory_bytes_max {
            return Err(Exceeded::MemoryBytes(memory_bytes_max));
        }
        timeline.note_open();
        let mut problem = Self {
            spec,
            starts: vec![Self::INITIAL],
            timeline,
            classes: Vec::new(),
            class_of: Vec::with_capacity(entries.len()),
            states: Vec::new(),
            state_numbers: HashMap::new(),
            transitions: HashMap::new(),
            last_wish: Vec::new(),
            last_wish_for_any: 0,
            uncertain_overwrites: BTreeMap::new(),
            uncertain_updates: Vec::new(),
        };
        problem.intern(spec.initial());
        problem.classify(&entries);
        problem.note_uncertain_classes();
        problem.note_wishes();
        Ok(problem)
    }

    /// Says that the history may begin in any of the states.
    pub(super) fn start_in(&mut self, states: &[S::State]) {
        self.starts = states
            .iter()
            .map(|state| self.intern(state.clone()))
            .collect();
    }

    fn classify(&mut self, entries: &[&Entry<S>]) {
        let mut numbers: HashMap<(S::Operation, Option<S::Return>), ClassNumber> = HashMap::new();
        for (number, entry) in entries.iter().enumerate() {
            let name = (entry.operation.clone(), entry.returned.clone());
            let class = *numbers.entry(name).or_insert_with(|| self.add_class(entry));
            self.class_of.push(class);
            if entry.completed.is_none() {
                self.classes[class as usize]
                    .uncertain
                    .push(number as OperationNumber);
            }
        }
    }

    fn add_class(&mut self, entry: &Entry<S>) -> ClassNumber {
        let (operation, returned) = (&entry.operation, entry.returned.as_ref());
        let after = |state: &S::State| self.spec.step(state, operation, returned).ok();
        let only = self.spec.only_state(operation, returned).map(|state| {
            let next = after(&state);
            (state, next)
        });
        let overwritten = after(&self.spec.initial());
        let effect = match entry.effect(self.spec) {
            // An overwrite that cannot happen is none: the specification breaks its word.
            Effect::Overwrite if overwritten.is_none() => Effect::Update,
            effect => effect,
        };
        let class = Class {
            operation: operation.clone(),
            returned: entry.returned.clone(),
            effect,
            target: overwritten.map_or(Self::INITIAL, |state| self.intern(state)),
            only: only
                .map(|(state, next)| (self.intern(state), next.map(|state| self.intern(state)))),
            uncertain: Vec::new(),
        };
        self.classes.push(class);
        (self.classes.len() - 1) as ClassNumber
    }

    fn note_uncertain_classes(&mut self) {
        for (number, class) in self.classes.iter().enumerate() {
            if class.uncertain.is_empty() {
                continue;
            }
            let number = number as ClassNumber;
            match class.effect {
                Effect::Overwrite => {
                    self.uncertain_overwrites
                        .entry(class.target)
                        .or_default()
                        .push(number);
                }
                Effect::Update => self.uncertain_updates.push(number),
                Effect::ReadOnly => {}
            }
        }
    }

    /// Notes until when each state can matter to anyone: an overwrite after which only overwrites
    /// come might as well go unseen.
    fn note_wishes(&mut self) {
        self.last_wish = vec![0; self.states.len()];
        for (number, &class) in self.class_of.iter().enumerate() {
            let class = &self.classes[class as usize];
            let until = self.timeline.returned[number];
            match (class.effect, class.only) {
                (Effect::Overwrite, _) => {}
                (_, Some((state, _))) => {
                    let last = &mut self.last_wish[state as usize];
                    *last = until.max(*last);
                }
                (_, None) => self.last_wish_for_any = until.max(self.last_wish_for_any),
            }
        }
    }

    fn intern(&mut self, state: S::State) -> StateNumber {
        if let Some(&number) = self.state_numbers.get(&state) {
            return number;
        }
        let number = self.states.len() as StateNumber;
        self.states.push(state.clone());
        self.state_numbers.insert(state, number);
        number
    }

    /// The state after an operation of the class, if it can happen.
    pub(super) fn step(&mut self, state: StateNumber, class: ClassNumber) -> Option<StateNumber> {
        let known = &self.classes[class as usize];
        if known.effect == Effect::Overwrite {
            return Some(known.target);
        }
        if let Some((only, next)) = known.only {
            return if state == only { next } else { None };
        }
        if let Some(&next) = self.transitions.get(&(state, class)) {
            return next;
        }
        let next = self
            .step_in_words(state, class)
            .ok()
            .map(|next| self.intern(next));
        self.transitions.insert((state, class), next);
        next
    }

    fn step_in_words(&self, state: StateNumber, class: ClassNumber) -> Result<S::State, Reason> {
        let class = &self.classes[class as usize];
        self.spec.step(
            &self.states[state as usize],
            &class.operation,
            class.returned.as_ref(),
        )
    }

    /// A state, and why an operation of the class cannot happen in it.
    pub(super) fn explain(&self, state: StateNumber, class: ClassNumber) -> String {
        match self.step_in_words(state, class) {
            Err(reason) => format!("state {}: {reason}", self.states[state as usize]),
            Ok(_) => format!("state {}: it can happen", self.states[state as usize]),
        }
    }

    /// Whether the value of an overwrite can matter to an operation that returns after the step.
    pub(super) fn is_wanted_after(&self, class: ClassNumber, step: u32) -> bool {
        let target = self.classes[class as usize].target;
        let last = self.last_wish.get(target as usize).copied().unwrap_or(0);
        last.max(self.last_wish_for_any) > step
    }

    pub(super) fn class(&self, number: OperationNumber) -> ClassNumber {
        self.class_of[number as usize]
    }

    pub(super) fn effect(&self, number: OperationNumber) -> Effect {
        self.classes[self.class(number) as usize].effect
    }

    /// The only state in which the operation can happen, if there is just one.
    pub(super) fn only_state(&self, number: OperationNumber) -> Option<StateNumber> {
        self.classes[self.class(number) as usize].only_state()
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.timeline.steps
    }
}
