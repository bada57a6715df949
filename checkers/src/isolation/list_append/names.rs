//! What the numbers of keys, elements and events stand for.

use super::transactions::{MicroOperation, Transactions};
use crate::history::Value;

/// Elements from here on stand for values that are no small integers.
pub const FIRST_NAMED_ELEMENT: u32 = 1 << 31;

/// The names of keys and elements, and the times of events. Where a name is not given the number is
/// shown.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub keys: Vec<Value>,
    /// What the elements from [`FIRST_NAMED_ELEMENT`] on stand for; smaller ones are integers.
    pub elements: Vec<Value>,
    /// The time of each event in nanoseconds; empty if no event has one.
    pub times_ns: Vec<u64>,
}

/// A longer list is shown from here before its end.
const SHOWN_ELEMENTS: usize = 8;
/// Of a longer transaction only so many micro-operations are shown.
const SHOWN_OPERATIONS: usize = 12;

impl Names {
    pub(super) fn key(&self, key: u32) -> String {
        let name = self.keys.get(key as usize);
        name.map_or_else(|| key.to_string(), Value::to_string)
    }

    pub(super) fn element(&self, element: u32) -> String {
        let named = element.checked_sub(FIRST_NAMED_ELEMENT);
        let name = named.and_then(|index| self.elements.get(index as usize));
        name.map_or_else(|| element.to_string(), Value::to_string)
    }

    /// `[1 2 3]`, and `[… 28 29 30]` with the number of elements of a long list.
    pub(super) fn list(&self, list: &[u32]) -> String {
        let shown = &list[list.len().saturating_sub(SHOWN_ELEMENTS)..];
        let names: Vec<String> = shown.iter().map(|&element| self.element(element)).collect();
        let names = names.join(" ");
        if shown.len() == list.len() {
            format!("[{names}]")
        } else {
            format!("[… {names}] ({} elements)", list.len())
        }
    }

    /// `event 12`, with its time.
    pub(super) fn event(&self, event: u32) -> String {
        match self.times_ns.get(event as usize) {
            Some(&time) => format!("event {event} ({})", duration(time)),
            None => format!("event {event}"),
        }
    }

    fn operation(&self, operation: MicroOperation<'_>) -> String {
        match operation {
            MicroOperation::Append { key, element } => {
                format!("[append {} {}]", self.key(key), self.element(element))
            }
            MicroOperation::Read { key, list } => {
                format!("[r {} {}]", self.key(key), self.list(list))
            }
            MicroOperation::UnknownRead { key } => format!("[r {} ?]", self.key(key)),
        }
    }

    /// All that a transaction did.
    pub(super) fn transaction(&self, transactions: &Transactions, transaction: u32) -> String {
        let operations = transactions.operations_of(transaction);
        let count = operations.len();
        let shown = operations.take(SHOWN_OPERATIONS);
        let mut words: Vec<String> = shown
            .map(|operation| self.operation(transactions.operation(operation)))
            .collect();
        if count > SHOWN_OPERATIONS {
            words.push(format!("… ({count} micro-operations)"));
        }
        words.join(" ")
    }
}

fn duration(time_ns: u64) -> String {
    const MILLISECOND: u64 = 1_000_000;
    format!(
        "{}.{:03} ms",
        time_ns / MILLISECOND,
        time_ns % MILLISECOND / 1000
    )
}
