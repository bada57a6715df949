//! Operations as sends and polls.

use crate::history::{History, ListRef, Operation, Outcome, ValueRef};
use crate::named::numbering::Numbering;
use crate::named::span::Span;
use crate::named::{misfit, misfit_answer};
use crate::spec::DecodeError;
use std::collections::HashMap;

/// What was done, in the order of invocation.
pub(super) struct Recorded<'h> {
    pub(super) history: &'h History,
    pub(super) keys: Numbering<'h>,
    /// The key and value of each message.
    pub(super) messages: Vec<(usize, ValueRef<'h>)>,
    numbers: HashMap<(usize, ValueRef<'h>), usize>,
    pub(super) acts: Vec<Act>,
}

pub(super) struct Act {
    pub(super) span: Span,
    pub(super) process: u64,
    pub(super) what: What,
}

pub(super) enum What {
    /// Polls only where the transaction returned.
    Transaction(Vec<Part>),
    Assign(Vec<usize>),
    Subscribe(Vec<usize>),
    Seek,
    Nothing,
}

pub(super) enum Part {
    Send(Record),
    /// What each poll returned, in its order within each key.
    Poll(Vec<Record>),
}

/// A message at its offset, if that is known.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) message: usize,
    pub(super) offset: Option<i64>,
}

const EXPECTED: &str = "a list of [\"send\" key value] and [\"poll\"], answered by [\"send\" key [offset value]] and [\"poll\" {key [[offset value] …] …}]";

impl<'h> Recorded<'h> {
    pub(super) fn decode(history: &'h History) -> Result<Self, DecodeError> {
        let mut recorded = Self {
            history,
            keys: Numbering::default(),
            messages: Vec::new(),
            numbers: HashMap::new(),
            acts: Vec::with_capacity(history.operations().len()),
        };
        for operation in history.operations() {
            let what = recorded.what(operation)?;
            recorded.acts.push(Act {
                span: operation.into(),
                process: operation.process,
                what,
            });
        }
        Ok(recorded)
    }

    /// The key of a message.
    pub(super) fn key(&self, message: usize) -> usize {
        self.messages[message].0
    }

    /// `message 3 of key 1`.
    pub(super) fn name(&self, message: usize) -> String {
        let (key, value) = self.messages[message];
        format!("message {value} of key {}", self.keys.value(key))
    }

    fn what(&mut self, operation: Operation<'h>) -> Result<What, DecodeError> {
        match operation.f {
            "send" | "poll" | "txn" => self.transaction(operation).map(What::Transaction),
            "assign" | "subscribe" => {
                let keys = operation.input.as_list();
                let expected = "`assign` or `subscribe` of a list of keys";
                let keys = keys.ok_or_else(|| misfit(operation, expected, operation.input))?;
                let keys = keys.iter().map(|key| self.keys.number(key)).collect();
                Ok(match operation.f {
                    "assign" => What::Assign(keys),
                    _ => What::Subscribe(keys),
                })
            }
            "seek" => Ok(What::Seek),
            "crash" | "debug-topic-partitions" => Ok(What::Nothing),
            f => {
                let expected = "`send`, `poll`, `txn`, `assign`, `subscribe`, `seek` or `crash`";
                Err(misfit(operation, expected, format!("`{f}`")))
            }
        }
    }

    fn transaction(&mut self, operation: Operation<'h>) -> Result<Vec<Part>, DecodeError> {
        let asked = operation.input.as_list();
        let asked = asked.ok_or_else(|| misfit(operation, EXPECTED, operation.input))?;
        let answer = operation
            .output
            .as_list()
            .filter(|answer| answer.len() == asked.len());
        if answer.is_none() && operation.outcome == Outcome::Ok {
            return Err(misfit_answer(operation, EXPECTED, operation.output));
        }
        let mut parts = Vec::new();
        for (place, asked) in asked.iter().enumerate() {
            let answer = answer.and_then(|answer| answer.get(place));
            let part = match asked.as_list().and_then(|asked| self.part(asked, answer)) {
                Some(part) => part,
                None if operation.outcome == Outcome::Ok => {
                    return Err(misfit_answer(operation, EXPECTED, operation.output));
                }
                None => return Err(misfit(operation, EXPECTED, operation.input)),
            };
            if operation.outcome == Outcome::Ok || matches!(part, Part::Send(_)) {
                parts.push(part);
            }
        }
        Ok(parts)
    }

    fn part(&mut self, asked: ListRef<'h>, answer: Option<ValueRef<'h>>) -> Option<Part> {
        let answer = answer.and_then(ValueRef::as_list);
        match asked.first()?.as_text()? {
            "send" if asked.len() == 3 => {
                let (key, value) = (asked.get(1)?, asked.get(2)?);
                let answered = answer.and_then(|answer| answer.get(2));
                let pair = answered.filter(|&answered| answered != value);
                let pair = pair.and_then(|pair| pair.as_list()?.array());
                Some(Part::Send(Record {
                    message: self.message(key, value),
                    offset: pair.and_then(|[offset, _]| offset.as_int()),
                }))
            }
            "poll" => {
                let polled = answer.and_then(|answer| answer.get(1));
                match polled {
                    Some(ValueRef::Map(keys)) => {
                        let mut records = Vec::new();
                        for (key, rows) in keys {
                            self.rows(key, rows.as_list()?, &mut records)?;
                        }
                        Some(Part::Poll(records))
                    }
                    // A poll that never returned, or that found nothing.
                    None | Some(ValueRef::Nil) => Some(Part::Poll(Vec::new())),
                    Some(_) => None,
                }
            }
            _ => None,
        }
    }

    fn rows(
        &mut self,
        key: ValueRef<'h>,
        rows: ListRef<'h>,
        records: &mut Vec<Record>,
    ) -> Option<()> {
        self.keys.number(key);
        for row in rows {
            let [offset, value] = row.as_list()?.array()?;
            records.push(Record {
                message: self.message(key, value),
                offset: offset.as_int(),
            });
        }
        Some(())
    }

    fn message(&mut self, key: ValueRef<'h>, value: ValueRef<'h>) -> usize {
        let key = self.keys.number(key);
        let next = self.messages.len();
        let number = *self.numbers.entry((key, value)).or_insert(next);
        if number == next {
            self.messages.push((key, value));
        }
        number
    }
}

impl Act {
    pub(super) fn parts(&self) -> &[Part] {
        match &self.what {
            What::Transaction(parts) => parts,
            _ => &[],
        }
    }

    pub(super) fn sent(&self) -> impl Iterator<Item = Record> {
        self.parts().iter().filter_map(|part| match part {
            Part::Send(record) => Some(*record),
            Part::Poll(_) => None,
        })
    }

    pub(super) fn polls(&self) -> impl Iterator<Item = &[Record]> {
        self.parts().iter().filter_map(|part| match part {
            Part::Send(_) => None,
            Part::Poll(records) => Some(records.as_slice()),
        })
    }

    pub(super) fn polled(&self) -> impl Iterator<Item = Record> {
        self.polls().flatten().copied()
    }
}
