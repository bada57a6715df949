//! What numbers of states and of classes of operations stand for. This knows the specification's types,
//! and is asked only what is not known in numbers yet.

use super::catalogue::{ClassNumber, StateNumber, Transition};
use super::hashing::QuickHasher;
use super::index::Index;
use crate::history::Operation;
use crate::spec::{Called, Effect, Reason, Spec, called};
use std::hash::{Hash, Hasher};

/// Gives numbers to states and classes, from 0 on as they are met: state 0 is the initial one.
pub(crate) trait Meaning {
    /// The class of an operation, and whether it certainly happened; nothing if it did not.
    fn class_of(&mut self, recorded: &Operation<'_>) -> Option<(ClassNumber, bool)>;

    /// The class of the same operation where nobody knows whether it happened.
    fn relaxed(&mut self, class: ClassNumber) -> ClassNumber;

    /// What operations of the class do. Where they lead depends on the state, this says so with the
    /// column that is given.
    fn describe(&mut self, class: ClassNumber, column: u32) -> (Effect, Transition);

    /// The state after an operation of the class, if it can happen.
    fn step(&mut self, state: StateNumber, class: ClassNumber) -> Option<StateNumber>;

    /// Why an operation of the class cannot happen in the state, which it tells too.
    fn explain(&self, state: StateNumber, class: ClassNumber) -> String;

    fn state_count(&self) -> usize;

    /// How many bytes it holds.
    fn bytes(&self) -> usize;

    /// Forgets all but some states and classes, and the initial state, and tells their new numbers.
    fn keep(&mut self, states: &mut [StateNumber], classes: &mut [ClassNumber]);
}

pub(super) struct Typed<'a, S: Spec> {
    spec: &'a S,
    states: Vec<S::State>,
    state_index: Index,
    classes: Vec<(S::Operation, Option<S::Return>)>,
    class_index: Index,
    /// What states, operations and answers point to.
    heap_bytes: usize,
}

impl<'a, S: Spec> Typed<'a, S> {
    pub(super) fn new(spec: &'a S) -> Self {
        // More than most objects have that are small.
        const ROOM: usize = 16;
        let mut typed = Self {
            spec,
            states: Vec::with_capacity(ROOM),
            state_index: Index::default(),
            classes: Vec::with_capacity(2 * ROOM),
            class_index: Index::default(),
            heap_bytes: 0,
        };
        typed.intern(spec.initial());
        typed
    }

    fn intern(&mut self, state: S::State) -> StateNumber {
        let hash = hash(&state);
        let is_it = |number: u32| self.states[number as usize] == state;
        if let Some(known) = self.state_index.find(hash, is_it) {
            return known;
        }
        self.heap_bytes += self.spec.state_bytes(&state);
        self.states.push(state);
        self.state_index.push(hash)
    }

    fn number(&mut self, class: (S::Operation, Option<S::Return>)) -> ClassNumber {
        let hash = hash(&class);
        let is_it = |number: u32| self.classes[number as usize] == class;
        if let Some(known) = self.class_index.find(hash, is_it) {
            return known;
        }
        self.classes.push(class);
        self.class_index.push(hash)
    }

    fn after(&self, state: StateNumber, class: ClassNumber) -> Result<S::State, Reason> {
        let (operation, returned) = &self.classes[class as usize];
        let state = &self.states[state as usize];
        self.spec.step(state, operation, returned.as_ref())
    }
}

impl<S: Spec> Meaning for Typed<'_, S> {
    fn class_of(&mut self, recorded: &Operation<'_>) -> Option<(ClassNumber, bool)> {
        let Called {
            operation,
            returned,
            ..
        } = called(self.spec, recorded).ok()??;
        let (known, is_certain) = (self.classes.len(), returned.is_some());
        let class = self.number((operation, returned));
        if class as usize == known {
            // Twice: it may be asked for without its answer too.
            self.heap_bytes += 2 * (recorded.input.heap_bytes() + recorded.output.heap_bytes());
        }
        Some((class, is_certain))
    }

    fn relaxed(&mut self, class: ClassNumber) -> ClassNumber {
        let operation = self.classes[class as usize].0.clone();
        self.number((operation, None))
    }

    fn describe(&mut self, class: ClassNumber, column: u32) -> (Effect, Transition) {
        let spec = self.spec;
        let (operation, returned) = &self.classes[class as usize];
        let returned = returned.as_ref();
        let mut effect = spec.effect(operation, returned);
        if effect == Effect::Overwrite {
            if let Ok(target) = spec.step(&spec.initial(), operation, returned) {
                return (effect, Transition::To(self.intern(target)));
            }
            // An overwrite that cannot happen is none: the specification breaks its word.
            effect = Effect::Update;
        }
        let Some(only) = spec.only_state(operation, returned) else {
            return (effect, Transition::Column(column));
        };
        let next = spec.step(&only, operation, returned).ok();
        let next = next.map(|next| self.intern(next));
        (effect, Transition::from_to(self.intern(only), next))
    }

    fn step(&mut self, state: StateNumber, class: ClassNumber) -> Option<StateNumber> {
        let after = self.after(state, class).ok()?;
        Some(self.intern(after))
    }

    fn explain(&self, state: StateNumber, class: ClassNumber) -> String {
        let reason = match self.after(state, class) {
            Err(reason) => reason,
            Ok(_) => "it can happen".into(),
        };
        format!("state {}: {reason}", self.states[state as usize])
    }

    fn state_count(&self) -> usize {
        self.states.len()
    }

    fn bytes(&self) -> usize {
        self.heap_bytes
            + self.states.capacity() * size_of::<S::State>()
            + self.classes.capacity() * size_of::<(S::Operation, Option<S::Return>)>()
            + self.state_index.bytes()
            + self.class_index.bytes()
    }

    fn keep(&mut self, states: &mut [StateNumber], classes: &mut [ClassNumber]) {
        let all = std::mem::replace(self, Self::new(self.spec));
        for state in states {
            *state = self.intern(all.states[*state as usize].clone());
        }
        for class in classes {
            *class = self.number(all.classes[*class as usize].clone());
        }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = QuickHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}
