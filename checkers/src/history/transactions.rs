//! Transactions of reads and writes, as histories of databases come: who did what, and what of it was
//! committed, but not when.

use super::format::{Intake, ReadError};
use super::{EventKind, EventRef, Value};

/// A transaction that is being read.
#[derive(Default)]
pub(super) struct Transaction {
    /// `["r" key nil]` and `["w" key value]`.
    input: Vec<Value>,
    /// The same, with what was read.
    output: Vec<Value>,
}

impl Transaction {
    pub(super) fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    pub(super) fn read(&mut self, key: Value, value: Value) {
        self.input
            .push(micro_operation("r", key.clone(), Value::Nil));
        self.output.push(micro_operation("r", key, value));
    }

    pub(super) fn write(&mut self, key: Value, value: Value) {
        let write = micro_operation("w", key, value);
        self.input.push(write.clone());
        self.output.push(write);
    }

    /// Adds it to a history, as it ended.
    pub(super) fn push(
        self,
        into: &mut Intake<'_>,
        at: usize,
        process: u64,
        end: EventKind,
    ) -> Result<(), ReadError> {
        for event in self.events(process, end).iter() {
            into.push(at, EventRef::from(event))?;
        }
        Ok(())
    }

    pub(super) fn events(self, process: u64, end: EventKind) -> [super::Event; 2] {
        let invoke = super::Event {
            process,
            kind: EventKind::Invoke,
            f: "txn".to_owned(),
            key: None,
            value: Value::List(self.input),
            time_ns: 0,
            error: None,
        };
        let completion = super::Event {
            kind: end,
            value: match end {
                EventKind::Ok => Value::List(self.output),
                _ => invoke.value.clone(),
            },
            ..invoke.clone()
        };
        [invoke, completion]
    }
}

fn micro_operation(f: &str, key: Value, value: Value) -> Value {
    Value::List(vec![Value::from(f), key, value])
}
