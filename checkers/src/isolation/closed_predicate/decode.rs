//! Transactions as a history has them.

use super::predicate::{Predicate, State};
use super::transactions::{Step, Transactions};
use crate::history::{History, ListRef, Operation, Outcome, ValueRef};
use crate::isolation::list_append::Header;
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use std::collections::HashMap;

/// Reads the transactions of a history.
pub(super) fn decode(history: &History) -> Result<Transactions<'_>, DecodeError> {
    let mut decoder = Decoder::default();
    for operation in history.operations().iter() {
        match operation.f {
            "init" => decoder.init(&operation)?,
            _ => decoder.transaction(&operation)?,
        }
    }
    Ok(decoder.transactions)
}

#[derive(Default)]
struct Decoder<'h> {
    transactions: Transactions<'h>,
    numbers: HashMap<ValueRef<'h>, u32>,
    /// The event at which the universe was there.
    began: Option<u32>,
}

const EXPECTED: &str =
    "`txn` with a value like [[\"w\" x 1] [\"delete\" y] [\"r\" z nil] [\"rp\" [\"=\" 1] nil]]";
const EXPECTED_FOUND: &str =
    "in a transaction that returned for each [\"rp\" predicate found] a map of what was found";
const EXPECTED_INIT: &str =
    "`init` once, with a map of keys and values, and returned before the first transaction";

impl<'h> Decoder<'h> {
    fn begin(&mut self, operation: &Operation<'h>) {
        self.transactions.headers.push(Header {
            process: operation.process,
            outcome: operation.outcome,
            invoked: operation.invoked as u32,
            completed: operation.completed.map_or(u32::MAX, |event| event as u32),
        });
        self.transactions.steps.push(Vec::new());
    }

    fn init(&mut self, operation: &Operation<'h>) -> Result<(), DecodeError> {
        let misfit = |found: String| DecodeError::new(operation, EXPECTED_INIT, found);
        if !self.transactions.headers.is_empty() || operation.outcome != Outcome::Ok {
            let place = self.transactions.headers.len();
            let found = format!(
                "`init` as operation {place}, whose outcome is {:?}",
                operation.outcome
            );
            return Err(misfit(found));
        }
        self.begin(operation);
        let values = operation.output.as_map();
        let values = values.ok_or_else(|| misfit(operation.output.to_string()))?;
        for (key, value) in values.iter() {
            let key = self.key(key);
            self.transactions.initial[key as usize] = state(value);
        }
        self.began = operation.completed.map(|event| event as u32);
        Ok(())
    }

    fn transaction(&mut self, operation: &Operation<'h>) -> Result<(), DecodeError> {
        if operation.f != "txn" || operation.key.is_some() {
            let found = format!("`{}`", operation.f);
            return Err(DecodeError::new(operation, EXPECTED, found));
        }
        if self
            .began
            .is_some_and(|event| operation.invoked < event as usize)
        {
            let found = "a transaction that began before".to_owned();
            return Err(DecodeError::new(operation, EXPECTED_INIT, found));
        }
        let is_ok = operation.outcome == Outcome::Ok;
        let value = match is_ok {
            true => operation.output,
            false => operation.input,
        };
        let misfit = |expected: &str| DecodeError::new(operation, expected, value.to_string());
        let steps = value.as_list().ok_or_else(|| misfit(EXPECTED))?;
        self.begin(operation);
        let mut decoded = Vec::with_capacity(steps.len());
        for step in steps {
            let step = step.as_list().ok_or_else(|| misfit(EXPECTED))?;
            decoded.extend(self.step(step, is_ok).map_err(misfit)?);
        }
        self.transactions.steps.pop();
        self.transactions.steps.push(decoded);
        Ok(())
    }

    /// The step; `None` if it is a read of which nobody knows what it returned.
    fn step(&mut self, step: ListRef<'h>, is_ok: bool) -> Result<Option<Step<'h>>, &'static str> {
        let name = step.first().and_then(ValueRef::as_text);
        if name == Some("delete") {
            let [_, key] = step.array().ok_or(EXPECTED)?;
            let (key, state) = (self.key(key), None);
            return Ok(Some(Step::Write { key, state }));
        }
        let [_, what, value]: [ValueRef<'h>; 3] = step.array().ok_or(EXPECTED)?;
        match name {
            Some("w" | "insert") if !value.is_nil() => {
                let (key, state) = (self.key(what), state(value));
                Ok(Some(Step::Write { key, state }))
            }
            Some("r") => {
                let (key, state) = (self.key(what), state(value));
                Ok(is_ok.then_some(Step::Read { key, state }))
            }
            Some("rp") => {
                let predicate = Predicate::decode(what).ok_or(EXPECTED)?;
                let found = is_ok.then(|| self.found(value)).transpose()?;
                Ok(found.map(|found| Step::ReadWhere { predicate, found }))
            }
            _ => Err(EXPECTED),
        }
    }

    fn found(&mut self, value: ValueRef<'h>) -> Result<Vec<(u32, ValueRef<'h>)>, &'static str> {
        let found = value.as_map().ok_or(EXPECTED_FOUND)?.iter();
        let found = found.filter(|(_, value)| !value.is_nil());
        let mut found: Vec<_> = found.map(|(key, value)| (self.key(key), value)).collect();
        sort_by_number(&mut found, |&(key, _)| key as usize);
        Ok(found)
    }

    fn key(&mut self, key: ValueRef<'h>) -> u32 {
        let Transactions { keys, initial, .. } = &mut self.transactions;
        *self.numbers.entry(key).or_insert_with(|| {
            keys.push(key);
            initial.push(None);
            keys.len() as u32 - 1
        })
    }
}

fn state(value: ValueRef<'_>) -> State<'_> {
    (!value.is_nil()).then_some(value)
}
