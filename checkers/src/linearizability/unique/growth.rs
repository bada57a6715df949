//! Objects to which things are only added, and which are read as a whole.
//!
//! Every read shows all that smaller ones do. So the reads say in which order they happened, and
//! between which of them what they show was added. A walk in that order gives each operation
//! the earliest moment that is left, the latest invocation so far, and sees whether it was still
//! open then.

use super::decision::{Conflict, Decision};
use super::intervals::{NEVER, NONE, Span};
use super::minimal::{minimal, only_certain};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GrowthAction {
    /// An element was added. Elements have numbers from 0 on, equal ones the same.
    Add(u32),
    /// A read, by its number in [`Growing::reads`]. One that never returned shows nothing.
    Read(u32),
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GrowthOperation {
    pub(crate) span: Span,
    pub(crate) action: GrowthAction,
}

/// One object's operations, in the order of their invocations.
#[derive(Clone, Copy)]
pub(crate) struct Growing<'a> {
    pub(crate) operations: &'a [GrowthOperation],
    /// The elements that each read shows.
    pub(crate) reads: &'a Lists,
    /// One more than the largest number of an element.
    pub(crate) element_count: usize,
    /// How an element is written in sentences.
    pub(crate) name: &'a dyn Fn(u32) -> String,
}

/// Lists of numbers, in one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lists {
    numbers: Vec<u32>,
    ends: Vec<usize>,
}

impl Lists {
    /// Adds a list, and answers its number.
    pub(crate) fn push(&mut self, numbers: impl IntoIterator<Item = u32>) -> u32 {
        self.numbers.extend(numbers);
        self.ends.push(self.numbers.len());
        self.ends.len() as u32 - 1
    }

    pub(super) fn get(&self, list: u32) -> &[u32] {
        let list = list as usize;
        let start = if list == 0 { 0 } else { self.ends[list - 1] };
        &self.numbers[start..self.ends[list]]
    }
}

/// Who added an element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adders {
    /// The addition that began first; [`NONE`] if there is none.
    pub(super) begun: u32,
    /// The addition that returned first, or one that never did; [`NONE`] if there is none.
    pub(super) returned: u32,
}

impl Growing<'_> {
    /// The algorithm's decision; of a conflict, only what is needed.
    pub(super) fn decided_by(&self, algorithm: fn(&Growing<'_>) -> Decision) -> Decision {
        match algorithm(self) {
            Decision::Conflict(conflict) => {
                let judge = |certain: &[u32]| self.judge_only(certain, algorithm);
                Decision::Conflict(minimal(conflict, self.operations.len(), judge))
            }
            decision => decision,
        }
    }

    /// The decision when of all operations only some, ascending, are certain.
    fn judge_only(&self, certain: &[u32], algorithm: fn(&Growing<'_>) -> Decision) -> Decision {
        let operations = only_certain(self.operations, certain, |operation| {
            operation.span.returned = NEVER;
        });
        algorithm(&Growing {
            operations: &operations,
            ..*self
        })
    }

    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &GrowthOperation)> + Clone {
        (0..).zip(self.operations)
    }

    pub(super) fn span(&self, operation: u32) -> Span {
        self.operations[operation as usize].span
    }

    /// The elements that a read shows; none for an addition.
    pub(super) fn shown(&self, operation: u32) -> &[u32] {
        match self.operations[operation as usize].action {
            GrowthAction::Read(list) => self.reads.get(list),
            GrowthAction::Add(_) => &[],
        }
    }

    /// The reads that returned.
    pub(super) fn reads(&self) -> Vec<u32> {
        let reads = self.numbered().filter(|(_, operation)| {
            let is_read = matches!(operation.action, GrowthAction::Read(_));
            is_read && operation.span.returned != NEVER
        });
        reads.map(|(number, _)| number).collect()
    }

    /// Who added each element.
    pub(super) fn adders(&self) -> Vec<Adders> {
        let nobody = Adders {
            begun: NONE,
            returned: NONE,
        };
        let mut adders = vec![nobody; self.element_count];
        for (number, operation) in self.numbered() {
            let GrowthAction::Add(element) = operation.action else {
                continue;
            };
            let adders = &mut adders[element as usize];
            if adders.begun == NONE {
                adders.begun = number;
                adders.returned = number;
            } else if operation.span.returned < self.span(adders.returned).returned {
                adders.returned = number;
            }
        }
        adders
    }

    /// `the read (events 4 to 7)`, `the add of 3 (events 4 to 7)`.
    pub(super) fn the(&self, operation: u32) -> String {
        let GrowthOperation { span, action } = self.operations[operation as usize];
        match action {
            GrowthAction::Add(element) => {
                format!("the addition of {} {}", (self.name)(element), span.told())
            }
            GrowthAction::Read(_) => format!("the read {}", span.told()),
        }
    }

    /// A read shows what nobody had begun to add.
    pub(super) fn unadded(&self, element: u32, read: u32) -> Conflict {
        let told = (self.name)(element);
        let the = self.the(read);
        let sentence = format!("Nobody had begun to add {told}, but {the} shows it.");
        Conflict::new("unexpected-element", sentence, &[read])
    }
}

/// The walk: what was placed so far.
pub(super) struct Walk<'a> {
    object: &'a Growing<'a>,
    /// The latest invocation so far, and whose it is; [`NONE`] at first.
    now: u32,
    latest: u32,
    /// The last read so far.
    last_read: u32,
    /// `(moment, operation)`, in order.
    pub(super) placed: Vec<(u32, u32)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(object: &'a Growing<'a>) -> Self {
        Self {
            object,
            now: 0,
            latest: NONE,
            last_read: NONE,
            placed: Vec::with_capacity(object.operations.len()),
        }
    }

    /// The last read so far, if there was one.
    pub(super) fn last_read(&self) -> Option<u32> {
        Some(self.last_read).filter(|&read| read != NONE)
    }

    /// Requires that an addition can come now.
    pub(super) fn require_open(&self, addition: u32, element: u32) -> Result<(), Conflict> {
        if self.object.span(addition).returned >= self.now {
            return Ok(());
        }
        Err(self.missing(addition, element))
    }

    /// Places an addition after all before it.
    pub(super) fn add(&mut self, addition: u32, element: u32) -> Result<(), Conflict> {
        self.require_open(addition, element)?;
        self.place(addition);
        Ok(())
    }

    /// Places an addition that a read shows, with all before it.
    pub(super) fn append(
        &mut self,
        addition: u32,
        element: u32,
        read: u32,
    ) -> Result<(), Conflict> {
        if self.object.span(addition).returned < self.now {
            return Err(self.overtaken(addition, element, read));
        }
        self.place(addition);
        Ok(())
    }

    /// The latest moment so far.
    pub(super) fn now(&self) -> u32 {
        self.now
    }

    /// Places a read after all before it, which it shows.
    pub(super) fn read(&mut self, read: u32) -> Result<(), Conflict> {
        if self.object.span(read).returned < self.now {
            return Err(self.too_early(read));
        }
        self.place(read);
        self.last_read = read;
        Ok(())
    }

    fn place(&mut self, operation: u32) {
        let invoked = self.object.span(operation).invoked;
        if invoked >= self.now {
            (self.now, self.latest) = (invoked, operation);
        }
        self.placed.push((self.now, operation));
    }

    /// An addition had returned before the latest operation began, but was not seen by then.
    fn missing(&self, addition: u32, element: u32) -> Conflict {
        let object = self.object;
        let told = (object.name)(element);
        let returned = object.span(addition).returned;
        let (latest, the) = (self.latest, object.the(self.latest));
        match object.operations[latest as usize].action {
            GrowthAction::Read(_) => {
                let sentence = format!(
                    "Element {told} had been added by event {returned}, but {the} does not show it."
                );
                Conflict::new("stale-read", sentence, &[addition, latest])
            }
            GrowthAction::Add(_) => {
                let read = self.last_read;
                let sentence = format!(
                    "Element {told} had been added by event {returned}, before {the} began, but {} shows the second without the first.",
                    object.the(read)
                );
                Conflict::new("stale-read", sentence, &[addition, latest, read])
            }
        }
    }

    /// An addition had returned before the latest operation began, but a read shows it after that one.
    fn overtaken(&self, addition: u32, element: u32, read: u32) -> Conflict {
        let object = self.object;
        let GrowthAction::Add(_) = object.operations[self.latest as usize].action else {
            return self.missing(addition, element);
        };
        let sentence = format!(
            "{} had returned before {} began, but {} shows them the other way round.",
            capitalised(&object.the(addition)),
            object.the(self.latest),
            object.the(read),
        );
        Conflict::new(
            "append-out-of-order",
            sentence,
            &[addition, self.latest, read],
        )
    }

    /// A read returned before the latest operation began, which must come before it.
    fn too_early(&self, read: u32) -> Conflict {
        let object = self.object;
        match object.operations[self.latest as usize].action {
            GrowthAction::Add(element) => object.unadded(element, read),
            GrowthAction::Read(_) => {
                let sentence = format!(
                    "{} shows less than {}, which had returned before it began.",
                    capitalised(&object.the(self.latest)),
                    object.the(read),
                );
                Conflict::new("stale-read", sentence, &[read, self.latest])
            }
        }
    }
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
