//! What the search knows of a specification: classes of operations, states and transitions, all as
//! numbers. It is made once for an object and serves every search of its operations.

use super::hashing::QuickMap;
use crate::spec::{Effect, Reason, Spec};

/// An interned state.
pub(super) type StateNumber = u32;
/// Operations with equal effect and answer, which are interchangeable.
pub(super) type ClassNumber = u32;

/// No state: the operation cannot happen.
const NOWHERE: StateNumber = u32::MAX;
const UNKNOWN: StateNumber = u32::MAX - 1;

/// How the state after an operation is found.
#[derive(Clone, Copy)]
enum Transition {
    /// It is this one, whatever the state before.
    To(StateNumber),
    /// It can happen in the one state alone, and leads to the other.
    FromTo(StateNumber, StateNumber),
    /// It depends: the column in the table of transitions.
    Column(u32),
}

pub(super) struct Class<S: Spec> {
    operation: S::Operation,
    returned: Option<S::Return>,
    pub(super) effect: Effect,
    transition: Transition,
}

pub(super) struct Catalogue<'a, S: Spec> {
    spec: &'a S,
    classes: Vec<Class<S>>,
    class_numbers: QuickMap<(S::Operation, Option<S::Return>), ClassNumber>,
    states: Vec<S::State>,
    state_numbers: QuickMap<S::State, StateNumber>,
    /// By state, then column: the next state, as far as anybody has asked.
    table: Vec<Vec<StateNumber>>,
    /// For columns that are too many for a table.
    sparse: QuickMap<(StateNumber, u32), StateNumber>,
    columns: u32,
}

impl<'a, S: Spec> Catalogue<'a, S> {
    pub(super) const INITIAL: StateNumber = 0;
    /// Wider tables would be mostly empty.
    const TABLE_COLUMNS_MAX: u32 = 1024;

    pub(super) fn new(spec: &'a S) -> Self {
        let mut catalogue = Self {
            spec,
            classes: Vec::new(),
            class_numbers: QuickMap::default(),
            states: Vec::new(),
            state_numbers: QuickMap::default(),
            table: Vec::new(),
            sparse: QuickMap::default(),
            columns: 0,
        };
        catalogue.intern(spec.initial());
        catalogue
    }

    /// The class of an operation with this answer.
    pub(super) fn class_of(
        &mut self,
        operation: S::Operation,
        returned: Option<S::Return>,
    ) -> ClassNumber {
        let name = (operation, returned);
        if let Some(&number) = self.class_numbers.get(&name) {
            return number;
        }
        let number = self.classes.len() as ClassNumber;
        let class = self.describe(name.0.clone(), name.1.clone());
        self.classes.push(class);
        self.class_numbers.insert(name, number);
        number
    }

    /// The class of the same operation where nobody knows whether it happened.
    pub(super) fn relaxed(&mut self, class: ClassNumber) -> ClassNumber {
        let operation = self.classes[class as usize].operation.clone();
        self.class_of(operation, None)
    }

    fn describe(&mut self, operation: S::Operation, returned: Option<S::Return>) -> Class<S> {
        let answer = returned.as_ref();
        let mut effect = self.spec.effect(&operation, answer);
        let overwritten = match effect {
            Effect::Overwrite => self
                .spec
                .step(&self.spec.initial(), &operation, answer)
                .ok(),
            Effect::ReadOnly | Effect::Update => None,
        };
        let transition = match (overwritten, self.spec.only_state(&operation, answer)) {
            (Some(target), _) => Transition::To(self.intern(target)),
            (None, Some(only)) => {
                let next = self.spec.step(&only, &operation, answer).ok();
                let next = next.map_or(NOWHERE, |next| self.intern(next));
                Transition::FromTo(self.intern(only), next)
            }
            (None, None) => {
                self.columns += 1;
                Transition::Column(self.columns - 1)
            }
        };
        if effect == Effect::Overwrite && !matches!(transition, Transition::To(_)) {
            // An overwrite that cannot happen is none: the specification breaks its word.
            effect = Effect::Update;
        }
        Class {
            operation,
            returned,
            effect,
            transition,
        }
    }

    pub(super) fn intern(&mut self, state: S::State) -> StateNumber {
        if let Some(&number) = self.state_numbers.get(&state) {
            return number;
        }
        let number = self.states.len() as StateNumber;
        self.states.push(state.clone());
        self.state_numbers.insert(state, number);
        number
    }

    /// The state after an operation of the class, if it can happen.
    #[inline]
    pub(super) fn step(&mut self, state: StateNumber, class: ClassNumber) -> Option<StateNumber> {
        let next = match self.classes[class as usize].transition {
            Transition::To(target) => target,
            Transition::FromTo(only, next) if only == state => next,
            Transition::FromTo(..) => NOWHERE,
            Transition::Column(column) => self.look_up(state, class, column),
        };
        (next != NOWHERE).then_some(next)
    }

    fn look_up(&mut self, state: StateNumber, class: ClassNumber, column: u32) -> StateNumber {
        let known = match self.table.get(state as usize) {
            Some(row) if (column as usize) < row.len() => row[column as usize],
            _ => UNKNOWN,
        };
        if known != UNKNOWN {
            return known;
        }
        if column >= Self::TABLE_COLUMNS_MAX
            && let Some(&known) = self.sparse.get(&(state, column))
        {
            return known;
        }
        let next = self.step_in_words(state, class).ok();
        let next = next.map_or(NOWHERE, |next| self.intern(next));
        self.note(state, column, next);
        next
    }

    fn note(&mut self, state: StateNumber, column: u32, next: StateNumber) {
        if column >= Self::TABLE_COLUMNS_MAX {
            self.sparse.insert((state, column), next);
            return;
        }
        let (state, column) = (state as usize, column as usize);
        if self.table.len() <= state {
            self.table.resize_with(state + 1, Vec::new);
        }
        let row = &mut self.table[state];
        if row.len() <= column {
            row.resize(self.columns.min(Self::TABLE_COLUMNS_MAX) as usize, UNKNOWN);
        }
        row[column] = next;
    }

    fn step_in_words(&self, state: StateNumber, class: ClassNumber) -> Result<S::State, Reason> {
        let class = &self.classes[class as usize];
        let state = &self.states[state as usize];
        self.spec
            .step(state, &class.operation, class.returned.as_ref())
    }

    /// Why an operation of the class cannot happen in the state.
    pub(super) fn explain(&self, state: StateNumber, class: ClassNumber) -> String {
        match self.step_in_words(state, class) {
            Err(reason) => reason.into_owned(),
            Ok(_) => "it can happen".to_owned(),
        }
    }

    pub(super) fn state(&self, state: StateNumber) -> &S::State {
        &self.states[state as usize]
    }

    pub(super) fn operation(&self, class: ClassNumber) -> &S::Operation {
        &self.classes[class as usize].operation
    }

    /// How many bytes it holds by now, what operations and states point to not included.
    pub(super) fn bytes(&self) -> u64 {
        let cells: usize = self.table.iter().map(Vec::capacity).sum();
        let of_class = size_of::<Class<S>>() + 2 * size_of::<(S::Operation, Option<S::Return>)>();
        let of_state = 3 * size_of::<S::State>() + size_of::<Vec<StateNumber>>();
        let bytes = self.classes.capacity() * of_class
            + self.states.capacity() * of_state
            + cells * size_of::<StateNumber>()
            + self.sparse.capacity() * 2 * size_of::<(StateNumber, u32, StateNumber)>();
        bytes as u64
    }

    pub(super) fn state_count(&self) -> usize {
        self.states.len()
    }

    pub(super) fn class_count(&self) -> usize {
        self.classes.len()
    }

    #[inline]
    pub(super) fn effect(&self, class: ClassNumber) -> Effect {
        self.classes[class as usize].effect
    }

    /// The state after an overwrite.
    pub(super) fn target(&self, class: ClassNumber) -> Option<StateNumber> {
        match self.classes[class as usize].transition {
            Transition::To(target) => Some(target),
            Transition::FromTo(..) | Transition::Column(_) => None,
        }
    }

    /// The only state in which an operation of the class can happen, if there is just one.
    #[inline]
    pub(super) fn only_state(&self, class: ClassNumber) -> Option<StateNumber> {
        match self.classes[class as usize].transition {
            Transition::FromTo(only, _) => Some(only),
            Transition::To(_) | Transition::Column(_) => None,
        }
    }

    /// Every state that so many operations of the classes can lead to in any order, and maybe more;
    /// `None` if there are more than so many, or if it takes more than so many steps to tell.
    pub(super) fn reachable(
        &mut self,
        classes: &[ClassNumber],
        operations: usize,
        (states_max, steps_max): (usize, usize),
    ) -> Option<Vec<StateNumber>> {
        let mut states = vec![Self::INITIAL];
        let mut is_known = vec![true];
        let mut next = 0;
        // Where the states begin that so many operations lead to, and no fewer.
        let (mut layer, mut layer_from) = (0, 0);
        while next < states.len() {
            if next == layer_from {
                (layer, layer_from) = (layer + 1, states.len());
            }
            if layer > operations {
                return Some(states);
            }
            let state = states[next];
            next += 1;
            if next * classes.len() > steps_max || states.len() > states_max {
                return None;
            }
            for &class in classes {
                let Some(after) = self.step(state, class) else {
                    continue;
                };
                is_known.resize(self.states.len().max(is_known.len()), false);
                if !std::mem::replace(&mut is_known[after as usize], true) {
                    states.push(after);
                }
            }
        }
        Some(states)
    }
}
