//! Operations on one value, as the algorithms for registers take them.

use super::decision::{Conflict, Decision};
use super::intervals::{Grouped, NEVER, NONE, Span};
use super::minimal::{minimal, only_certain};

/// The number of the value that a register has at first. Nobody need ever have written it.
pub(crate) const INITIAL: u32 = 0;

/// What was done to a register. Values have numbers from 0 on, equal ones the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CellAction {
    Read(u32),
    Write(u32),
    CompareAndSet {
        expected: u32,
        new: u32,
    },
    /// A compare-and-set that found another value than the expected one.
    FoundOther {
        expected: u32,
        new: u32,
    },
}

/// One operation on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CellOperation {
    pub(crate) span: Span,
    pub(crate) action: CellAction,
}

impl CellOperation {
    pub(super) fn is_certain(&self) -> bool {
        self.span.returned != NEVER
    }

    /// The value that it leaves behind, if it happens.
    pub(super) fn produced(&self) -> Option<u32> {
        match self.action {
            CellAction::Write(value) => Some(value),
            CellAction::CompareAndSet { new, .. } => Some(new),
            _ => None,
        }
    }

    /// The value right after it, if it happens as it says.
    pub(super) fn left(&self) -> u32 {
        match self.action {
            CellAction::Read(value) | CellAction::Write(value) => value,
            CellAction::CompareAndSet { new, .. } => new,
            CellAction::FoundOther { .. } => unreachable!("it may leave anything but one value"),
        }
    }

    /// The value that it certainly read.
    pub(super) fn read(&self) -> Option<u32> {
        match self.action {
            CellAction::Read(value) if self.is_certain() => Some(value),
            _ => None,
        }
    }
}

/// One object's operations, in the order of their invocations.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a> {
    pub(crate) operations: &'a [CellOperation],
    /// One more than the largest number of a value.
    pub(crate) value_count: usize,
    /// How a value is written in sentences.
    pub(crate) name: &'a dyn Fn(u32) -> String,
}

impl Cell<'_> {
    /// The algorithm's decision; of a conflict, only what is needed.
    pub(super) fn decided_by(&self, algorithm: fn(&Cell<'_>) -> Decision) -> Decision {
        match algorithm(self) {
            Decision::Conflict(conflict) => {
                let judge = |certain: &[u32]| self.judge_only(certain, algorithm);
                Decision::Conflict(minimal(conflict, self.operations.len(), judge))
            }
            decision => decision,
        }
    }

    /// The decision when of all operations only some, ascending, are certain. What is uncertain and would
    /// have changed nothing is left out.
    fn judge_only(&self, certain: &[u32], algorithm: fn(&Cell<'_>) -> Decision) -> Decision {
        let operations = only_certain(self.operations, certain, |operation| {
            operation.span.returned = NEVER;
            if let CellAction::FoundOther { expected, .. } = operation.action {
                operation.action = CellAction::Read(expected);
            }
        });
        algorithm(&Cell {
            operations: &operations,
            ..*self
        })
    }

    pub(super) fn at(&self, operation: u32) -> &CellOperation {
        &self.operations[operation as usize]
    }

    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &CellOperation)> + Clone {
        (0..).zip(self.operations)
    }

    pub(super) fn told(&self, value: u32) -> String {
        (self.name)(value)
    }

    /// `write of 3`, `read of 3`, `cas from 3 to 4`.
    pub(super) fn deed(&self, operation: u32) -> String {
        match self.at(operation).action {
            CellAction::Read(value) => format!("read of {}", self.told(value)),
            CellAction::Write(value) => format!("write of {}", self.told(value)),
            CellAction::CompareAndSet { expected, new }
            | CellAction::FoundOther { expected, new } => {
                format!("cas from {} to {}", self.told(expected), self.told(new))
            }
        }
    }

    /// `the read of 3 (events 4 to 7)`.
    pub(super) fn the(&self, operation: u32) -> String {
        let span = self.at(operation).span.told();
        format!("the {} {span}", self.deed(operation))
    }

    /// `stale-read` and the like; what a compare-and-set cannot have found is a class of its own.
    pub(super) fn class_by(&self, witness: u32, class: &'static str) -> &'static str {
        match self.at(witness).action {
            CellAction::CompareAndSet { .. } => "impossible-cas",
            _ => class,
        }
    }

    /// Somebody found a value that nobody had begun to produce, by `witness`.
    pub(super) fn unwritten(&self, value: u32, witness: u32) -> Conflict {
        let (told, seen) = (self.told(value), self.the(witness));
        Conflict::new(
            self.class_by(witness, "read-of-unwritten-value"),
            format!("Nobody had begun to write {told}, but {seen} found it."),
            &[witness],
        )
    }

    /// Somebody found a value, by `witness`, and was done before it could be there.
    pub(super) fn too_early(&self, value: u32, producer: u32, witness: u32) -> Conflict {
        let sentence = format!(
            "Value {} was not there before event {}, where its {} began; but {} had found it by then.",
            self.told(value),
            self.at(producer).span.invoked,
            self.deed(producer),
            self.the(witness),
        );
        let class = self.class_by(witness, "read-of-unwritten-value");
        Conflict::new(class, sentence, &[witness])
    }
}

/// Who produced each value and who read it.
pub(super) struct Values {
    /// [`NONE`] where nobody did.
    pub(super) producer: Vec<u32>,
    /// Whether more than one operation may have produced it: the initial value had been there before.
    pub(super) is_ambiguous: Vec<bool>,
    /// The certain reads.
    pub(super) readers: Grouped,
}

impl Values {
    pub(super) fn new(cell: &Cell<'_>) -> Self {
        let mut producer = vec![NONE; cell.value_count];
        let mut is_ambiguous = vec![false; cell.value_count];
        for (number, operation) in cell.numbered() {
            if let Some(value) = operation.produced() {
                let value = value as usize;
                is_ambiguous[value] |= producer[value] != NONE || value == INITIAL as usize;
                producer[value] = number;
            }
        }
        let reads = cell
            .numbered()
            .filter_map(|(number, operation)| Some((operation.read()?, number)));
        Self {
            producer,
            is_ambiguous,
            readers: Grouped::new(cell.value_count, reads),
        }
    }

    pub(super) fn producer(&self, value: u32) -> Option<u32> {
        Some(self.producer[value as usize]).filter(|&producer| producer != NONE)
    }

    /// Why the algorithms do not decide, if a value is ambiguous.
    pub(super) fn ambiguity(&self, cell: &Cell<'_>) -> Option<String> {
        let value = self.is_ambiguous.iter().position(|&is| is)? as u32;
        let told = cell.told(value);
        Some(if value == INITIAL {
            format!("value {told} was there at first and was written again")
        } else {
            format!("value {told} was written more than once")
        })
    }
}
