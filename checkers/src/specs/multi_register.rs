//! Several registers, and transactions over them: `txn`.

use super::decoding::{decoded, misfit, misfit_answer, unknown};
use super::room::tree_bytes;
use crate::history::{self, Value, ValueRef};
use crate::spec::{DecodeError, DecodedBy, Effect, Reason, Spec};
use std::collections::BTreeMap;
use std::fmt;

/// Registers by name. `txn` is invoked with a list of `[read name nil]` and `[write name value]` (or `r`
/// and `w`), which happen one after another at one moment, and returns it with the values read. With a
/// key on its operations: one such map per key.
#[derive(Clone, Debug, Default)]
pub struct MultiRegister {
    /// What the registers hold at first: a map from names to values, or one value for all. A register that
    /// is not in the map holds nil.
    pub initial: Value,
}

/// What the registers hold that were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Registers(BTreeMap<Value, Value>);

impl fmt::Display for Registers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        write!(formatter, "{{{}}}", told.join(", "))
    }
}

/// What a transaction does to one register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Read(Value),
    Write(Value, Value),
}

/// The steps of a transaction, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction(pub Vec<Step>);

/// The values that the reads of a transaction saw, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seen(pub Vec<Value>);

impl MultiRegister {
    fn value<'a>(&'a self, state: &'a Registers, name: &Value) -> &'a Value {
        let initially = || match &self.initial {
            Value::Map(initial) => initial.get(name).unwrap_or(&Value::Nil),
            value => value,
        };
        state.0.get(name).unwrap_or_else(initially)
    }
}

impl Spec for MultiRegister {
    type State = Registers;
    type Operation = Transaction;
    type Return = Seen;

    /// All registers of an initial map, so that two states are equal if their registers are; of
    /// others only those that were written, since their names are not known.
    fn initial(&self) -> Registers {
        match &self.initial {
            Value::Map(initial) => Registers(initial.clone()),
            _ => Registers::default(),
        }
    }

    fn step(
        &self,
        state: &Registers,
        operation: &Transaction,
        returned: Option<&Seen>,
    ) -> Result<Registers, Reason> {
        let mut after = state.clone();
        let mut seen = returned.map(|Seen(values)| values.iter());
        for step in &operation.0 {
            match step {
                Step::Write(name, value) => {
                    after.0.insert(name.clone(), value.clone());
                }
                Step::Read(name) => {
                    let Some(seen) = &mut seen else { continue };
                    let (held, seen) = (self.value(&after, name), seen.next());
                    if seen != Some(held) {
                        let seen = seen.map_or_else(|| "nothing".to_owned(), Value::to_string);
                        return Err(format!("{name} is {held}, but the read saw {seen}").into());
                    }
                }
            }
        }
        Ok(after)
    }

    fn effect(&self, operation: &Transaction, _returned: Option<&Seen>) -> Effect {
        let writes = |step: &Step| matches!(step, Step::Write(..));
        if operation.0.iter().any(writes) {
            Effect::Update
        } else {
            Effect::ReadOnly
        }
    }

    fn state_bytes(&self, state: &Registers) -> usize {
        tree_bytes(state.0.keys()) + tree_bytes(state.0.values())
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        let expected = "`txn` of a list of [read name nil] and [write name value]";
        if recorded.f != "txn" {
            return Err(unknown(recorded, expected));
        }
        let asked = steps(recorded.input).ok_or_else(|| misfit(recorded, expected))?;
        let transaction = Transaction(asked.iter().map(|asked| asked.step()).collect());
        decoded(recorded, transaction, || {
            let same = |(asked, answered): (&MicroOperation<'_>, &MicroOperation<'_>)| {
                (asked.is_write, asked.name) == (answered.is_write, answered.name)
            };
            let answered = steps(recorded.output).filter(|answered| {
                answered.len() == asked.len() && asked.iter().zip(answered).all(same)
            });
            let answered = answered.ok_or_else(|| {
                misfit_answer(recorded, "`txn` to return its list with the values read")
            })?;
            let reads = answered.iter().filter(|step| !step.is_write);
            Ok(Seen(reads.map(|step| step.value.to_value()).collect()))
        })
    }
}

/// `[read name value]` or `[write name value]`.
struct MicroOperation<'a> {
    is_write: bool,
    name: ValueRef<'a>,
    value: ValueRef<'a>,
}

impl MicroOperation<'_> {
    fn step(&self) -> Step {
        if self.is_write {
            Step::Write(self.name.to_value(), self.value.to_value())
        } else {
            Step::Read(self.name.to_value())
        }
    }
}

fn steps(list: ValueRef<'_>) -> Option<Vec<MicroOperation<'_>>> {
    list.as_list()?.iter().map(step).collect()
}

fn step(step: ValueRef<'_>) -> Option<MicroOperation<'_>> {
    let [f, name, value] = step.as_list()?.array()?;
    let is_write = match f.as_text()? {
        "write" | "w" => true,
        "read" | "r" => false,
        _ => return None,
    };
    Some(MicroOperation {
        is_write,
        name,
        value,
    })
}
