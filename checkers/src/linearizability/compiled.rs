//! The operations on an object as the search sees them. They are read once, for all searches of them.

use super::any_spec::AnySpec;
use super::catalogue::Catalogue;
use super::limits::{Exceeded, Meter};
use super::problem::{Item, Problem};
use crate::history::Operation;
use crate::spec::{NEVER, Recorded};

/// Operations as numbers, and what the numbers mean.
pub(super) struct Compiled<'a> {
    pub(super) catalogue: Catalogue<'a>,
    /// In the order of their invocations. Uncertain ones that change nothing may be missing.
    pub(super) items: Vec<Item>,
}

impl<'a> Compiled<'a> {
    /// # Errors
    /// Where they do not fit into the memory.
    pub(super) fn new(
        spec: &'a dyn AnySpec,
        recorded: Recorded<'_>,
        meter: &Meter,
    ) -> Result<Self, Exceeded> {
        let problem_bytes = Problem::bytes_of(recorded.len_max());
        meter.reserve(problem_bytes)?;
        let mut catalogue = Catalogue::new(spec.meaning(), meter.bytes_max());
        let mut items = Vec::with_capacity(recorded.len_max());
        for operation in recorded.iter() {
            items.extend(item(&mut catalogue, &operation));
            meter.reserve(problem_bytes + catalogue.bytes())?;
        }
        Ok(Self { catalogue, items })
    }

    /// What is known of the same operations after fewer events.
    ///
    /// # Errors
    /// Where that does not fit into the memory beside them.
    pub(super) fn until(
        &mut self,
        recorded: Recorded<'_>,
        meter: &Meter,
    ) -> Result<Vec<Item>, Exceeded> {
        let begun = recorded.begun();
        let list_bytes = (size_of_val(&self.items[..]) + size_of_val(begun)) as u64;
        let problem_bytes = Problem::bytes_of(begun.len()) + list_bytes;
        let mut known = self.items.iter().peekable();
        let mut items = Vec::with_capacity(begun.len());
        for &id in begun {
            let item_at_end = known.next_if(|item| item.id == id).copied();
            items.extend(match recorded.is_open(id) {
                true => item(&mut self.catalogue, &recorded.operation(id)),
                false => item_at_end,
            });
            meter.reserve(problem_bytes + self.catalogue.bytes())?;
        }
        Ok(items)
    }
}

/// An operation, unless it did not happen.
fn item(catalogue: &mut Catalogue<'_>, operation: &Operation<'_>) -> Option<Item> {
    let (class, is_certain) = catalogue.class_of(operation)?;
    let completed = operation.completed.filter(|_| is_certain);
    Some(Item {
        id: operation.id as u32,
        class,
        invoked: operation.invoked as u32,
        completed: completed.map_or(NEVER, |completed| completed as u32),
    })
}
