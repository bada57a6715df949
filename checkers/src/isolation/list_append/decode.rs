//! Transactions as a history has them.

use super::names::{FIRST_NAMED_ELEMENT, Names};
use super::transactions::{Header, Transactions};
use crate::history::{History, ListRef, Operation, Outcome, ValueRef};
use crate::spec::DecodeError;
use std::collections::HashMap;

/// Reads the transactions of a history: a transaction's number is its operation's id.
pub(super) fn decode(history: &History) -> Result<(Transactions, Names), DecodeError> {
    let mut decoder = Decoder::default();
    for operation in history.operations().iter() {
        decoder.transaction(operation)?;
    }
    let Decoder {
        transactions,
        mut names,
        ..
    } = decoder;
    if history.has_times() {
        let events = history.events().iter();
        names.times_ns = events.map(|event| event.time_ns).collect();
    }
    Ok((transactions, names))
}

#[derive(Default)]
struct Decoder<'h> {
    transactions: Transactions,
    names: Names,
    keys: HashMap<ValueRef<'h>, u32>,
    elements: HashMap<ValueRef<'h>, u32>,
    /// The list at hand.
    list: Vec<u32>,
}

const EXPECTED: &str = "`txn` with a value like [[\"append\" x 1] [\"r\" y nil]]";
const EXPECTED_LIST: &str = "in a transaction that returned for each read [\"r\" key list], the list nil if there is none yet";

impl<'h> Decoder<'h> {
    fn transaction(&mut self, operation: Operation<'h>) -> Result<(), DecodeError> {
        if operation.f != "txn" || operation.key.is_some() {
            let found = match operation.key {
                Some(key) => format!("`{}` on key {key}", operation.f),
                None => format!("`{}`", operation.f),
            };
            return Err(DecodeError::new(&operation, EXPECTED, found));
        }
        let is_ok = operation.outcome == Outcome::Ok;
        let value = if is_ok {
            operation.output
        } else {
            operation.input
        };
        let misfit = |expected: &str| DecodeError::new(&operation, expected, value.to_string());
        let steps = value.as_list().ok_or_else(|| misfit(EXPECTED))?;
        self.transactions.begin(Header {
            process: operation.process,
            outcome: operation.outcome,
            invoked: operation.invoked as u32,
            completed: operation.completed.map_or(u32::MAX, |event| event as u32),
        });
        for step in steps {
            self.step(step, is_ok).map_err(misfit)?;
        }
        Ok(())
    }

    fn step(&mut self, step: ValueRef<'h>, is_ok: bool) -> Result<(), &'static str> {
        let parts = step.as_list().and_then(ListRef::array).ok_or(EXPECTED)?;
        let [function, key, value]: [ValueRef<'h>; 3] = parts;
        let key = self.key(key);
        match function.as_text() {
            Some("append") => {
                let element = self.element(value);
                self.transactions.append(key, element);
                Ok(())
            }
            Some("r") if is_ok => self.read(key, value),
            Some("r") => {
                self.transactions.unknown_read(key);
                Ok(())
            }
            _ => Err(EXPECTED),
        }
    }

    fn read(&mut self, key: u32, value: ValueRef<'h>) -> Result<(), &'static str> {
        let mut list = std::mem::take(&mut self.list);
        list.clear();
        match value {
            ValueRef::Nil => {}
            ValueRef::List(elements) => {
                list.extend(elements.iter().map(|element| self.element(element)));
            }
            _ => return Err(EXPECTED_LIST),
        }
        self.transactions.read(key, &list);
        self.list = list;
        Ok(())
    }

    fn key(&mut self, key: ValueRef<'h>) -> u32 {
        let keys = &mut self.names.keys;
        *self.keys.entry(key).or_insert_with(|| {
            keys.push(key.to_value());
            keys.len() as u32 - 1
        })
    }

    fn element(&mut self, element: ValueRef<'h>) -> u32 {
        let number = element
            .as_int()
            .and_then(|number| u32::try_from(number).ok());
        if let Some(number) = number.filter(|&number| number < FIRST_NAMED_ELEMENT) {
            return number;
        }
        let elements = &mut self.names.elements;
        *self.elements.entry(element).or_insert_with(|| {
            elements.push(element.to_value());
            FIRST_NAMED_ELEMENT + elements.len() as u32 - 1
        })
    }
}
