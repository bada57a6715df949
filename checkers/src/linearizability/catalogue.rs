//! What the search knows of a specification: classes of operations, states and transitions, all as
//! numbers. It is made once for an object and serves every search of its operations.

use super::hashing::QuickMap;
use super::meaning::Meaning;
use crate::history::Operation;
use crate::spec::Effect;

/// An interned state.
pub(crate) type StateNumber = u32;
/// Operations with equal effect and answer, which are interchangeable.
pub(crate) type ClassNumber = u32;

/// No state: the operation cannot happen.
const NOWHERE: StateNumber = u32::MAX;
const UNKNOWN: StateNumber = u32::MAX - 1;

/// How the state after an operation is found.
#[derive(Clone, Copy)]
pub(crate) enum Transition {
    /// It is this one, whatever the state before.
    To(StateNumber),
    /// It can happen in the one state alone, and leads to the other.
    FromTo(StateNumber, StateNumber),
    /// It depends: the column in the table of transitions.
    Column(u32),
}

impl Transition {
    /// From the only state in which it can happen; there it cannot either if it leads to none.
    pub(super) fn from_to(only: StateNumber, next: Option<StateNumber>) -> Self {
        Self::FromTo(only, next.unwrap_or(NOWHERE))
    }
}

#[derive(Clone, Copy)]
struct Class {
    effect: Effect,
    transition: Transition,
}

pub(super) struct Catalogue<'a> {
    meaning: Box<dyn Meaning + 'a>,
    classes: Vec<Class>,
    /// By state, then column: the next state, as far as anybody has asked.
    table: Vec<Vec<StateNumber>>,
    /// For columns that are too many for a table.
    sparse: QuickMap<(StateNumber, u32), StateNumber>,
    columns: u32,
    table_bytes: usize,
    /// How many bytes it holds, and how many it may.
    bytes: u64,
    bytes_max: u64,
    /// How many steps were taken by the specification itself.
    steps: u64,
    steps_max: u64,
}

impl<'a> Catalogue<'a> {
    pub(super) const INITIAL: StateNumber = 0;
    /// Wider tables would be mostly empty.
    const TABLE_COLUMNS_MAX: u32 = 1024;
    /// More than anybody has.
    const FULL: u64 = u64::MAX / 2;

    /// It will hold so many bytes, and then give wrong answers: see [`Catalogue::bytes`].
    pub(super) fn new(meaning: Box<dyn Meaning + 'a>, bytes_max: u64) -> Self {
        let mut catalogue = Self {
            meaning,
            classes: Vec::new(),
            table: Vec::new(),
            sparse: QuickMap::default(),
            columns: 0,
            table_bytes: 0,
            bytes: 0,
            bytes_max,
            steps: 0,
            steps_max: u64::MAX,
        };
        catalogue.weigh();
        catalogue
    }

    /// Sets how many bytes it may hold, and how many steps the specification itself may have taken. Past
    /// either it gives wrong answers, as [`Catalogue::bytes`] says.
    pub(super) fn limit(&mut self, bytes_max: u64, steps_max: u64) {
        self.bytes_max = bytes_max;
        self.steps_max = steps_max;
    }

    /// The class of an operation, and whether it certainly happened; nothing if it did not.
    pub(super) fn class_of(&mut self, recorded: &Operation<'_>) -> Option<(ClassNumber, bool)> {
        let (class, is_certain) = self.meaning.class_of(recorded)?;
        self.describe_until(class);
        Some((class, is_certain))
    }

    /// The class of the same operation where nobody knows whether it happened.
    pub(super) fn relaxed(&mut self, class: ClassNumber) -> ClassNumber {
        let class = self.meaning.relaxed(class);
        self.describe_until(class);
        class
    }

    fn describe_until(&mut self, last: ClassNumber) {
        while self.classes.len() <= last as usize {
            let class = self.classes.len() as ClassNumber;
            let (effect, transition) = self.meaning.describe(class, self.columns);
            if let Transition::Column(_) = transition {
                self.columns += 1;
            }
            self.classes.push(Class { effect, transition });
            self.weigh();
        }
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
        self.find_out(state, class, column)
    }

    #[cold]
    fn find_out(&mut self, state: StateNumber, class: ClassNumber, column: u32) -> StateNumber {
        if column >= Self::TABLE_COLUMNS_MAX
            && let Some(&known) = self.sparse.get(&(state, column))
        {
            return known;
        }
        if self.bytes > self.bytes_max || self.steps >= self.steps_max {
            self.bytes = Self::FULL;
            return NOWHERE;
        }
        self.steps += 1;
        let next = self.meaning.step(state, class).unwrap_or(NOWHERE);
        self.note(state, column, next);
        self.weigh();
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
            let held = row.capacity();
            row.resize(self.columns.min(Self::TABLE_COLUMNS_MAX) as usize, UNKNOWN);
            self.table_bytes += (row.capacity() - held) * size_of::<StateNumber>();
        }
        row[column] = next;
    }

    fn weigh(&mut self) {
        let bytes = self.meaning.bytes()
            + self.classes.capacity() * size_of::<Class>()
            + self.table.capacity() * size_of::<Vec<StateNumber>>()
            + self.table_bytes
            + self.sparse.capacity() * 2 * size_of::<(StateNumber, u32, StateNumber)>();
        self.bytes = bytes as u64;
    }

    /// Why an operation of the class cannot happen in the state, which it tells too.
    pub(super) fn explain(&self, state: StateNumber, class: ClassNumber) -> String {
        self.meaning.explain(state, class)
    }

    /// How many bytes it holds by now. Once it has reached its limits it says of operations that they
    /// cannot happen, and this is more than any limit: who relies on it asks for this after all else.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many steps the specification itself has taken, which cost the most.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Forgets all but the initial state, and some others and some classes, which get new numbers.
    pub(super) fn keep(&mut self, states: &mut [StateNumber], classes: &mut [ClassNumber]) {
        self.meaning.keep(states, classes);
        self.classes.clear();
        self.table.clear();
        self.sparse = QuickMap::default();
        self.columns = 0;
        self.table_bytes = 0;
        if let Some(&last) = classes.iter().max() {
            self.describe_until(last);
        }
        self.weigh();
    }

    pub(super) fn state_count(&self) -> usize {
        self.meaning.state_count()
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
    /// `None` if there are more than so many, or if it takes more than so many steps or too much room to
    /// tell.
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
                break;
            }
            let state = states[next];
            next += 1;
            let is_full = self.bytes > self.bytes_max;
            if is_full || next * classes.len() > steps_max || states.len() > states_max {
                return None;
            }
            for &class in classes {
                let Some(after) = self.step(state, class) else {
                    continue;
                };
                is_known.resize(self.state_count().max(is_known.len()), false);
                if !std::mem::replace(&mut is_known[after as usize], true) {
                    states.push(after);
                }
            }
        }
        (self.bytes <= self.bytes_max).then_some(states)
    }
}
