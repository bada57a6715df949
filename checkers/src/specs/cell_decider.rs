//! Where [`crate::Spec::decider`] meets the algorithms for registers: calls become numbers, which are few bytes,
//! as they are read, one after another, however many keys they are on.

use super::cell::{self, Answer, CellSpec, Deed, Verb};
use super::numbers::NumbersByKey;
use super::unique_values::decided;
use crate::history::{Operation, Operations, Outcome, Value};
use crate::linearizability::unique::cell::{Cell, CellAction, CellOperation, INITIAL};
use crate::linearizability::unique::{Span, cas_chains, register};
use crate::spec::{Decided, Decider, DecodeError, Decoded, NEVER};

/// Decides on registers, with compare-and-set or without.
pub(super) struct CellDecider<'a, S> {
    spec: &'a S,
    initial: &'a Value,
    numbers: NumbersByKey,
    keys: Vec<Calls>,
    /// By name of the history, as far as they were met.
    verbs: Vec<Option<Verb>>,
}

/// The calls on one key.
#[derive(Default)]
struct Calls {
    ids: Vec<u32>,
    operations: Vec<CellOperation>,
    produced: Produced,
    has_cas: bool,
}

/// Which values were produced.
#[derive(Default)]
struct Produced {
    /// By value.
    is_known: Vec<bool>,
    is_any_twice: bool,
}

impl<'a, S: CellSpec> CellDecider<'a, S> {
    pub(super) fn boxed(
        spec: &'a S,
        initial: &'a Value,
        operations_max: usize,
    ) -> Option<Box<dyn Decider + 'a>> {
        Some(Box::new(Self {
            spec,
            initial,
            numbers: NumbersByKey::new(operations_max),
            keys: Vec::new(),
            verbs: Vec::new(),
        }))
    }

    /// What an operation does, if it may be on this key.
    fn verb(&mut self, operations: Operations<'_>, id: usize) -> Option<Verb> {
        let name = operations.f_number(id);
        if name >= self.verbs.len() {
            let verbs = operations.names().map(|name| self.spec.verb(name));
            self.verbs = verbs.collect();
        }
        let is_of_key = !self.spec.needs_key() || operations.key_number(id).is_some();
        self.verbs[name].filter(|_| is_of_key)
    }

    fn take_seen(
        &mut self,
        key: usize,
        id: usize,
        seen: Decoded<Deed<'_>, Answer<'_>>,
        span: Span,
    ) {
        let (deed, answer) = match seen {
            Decoded::Returned(deed, answer) => (deed, Some(answer)),
            Decoded::Uncertain(deed) => (deed, None),
            Decoded::Absent => return,
        };
        if self.keys[key].is_hopeless() {
            return;
        }
        let is_certain = answer.is_some() && span.returned != NEVER;
        let span = Span {
            returned: if is_certain { span.returned } else { NEVER },
            ..span
        };
        if let Some(action) = self.action(key, &deed, answer.filter(|_| is_certain)) {
            self.keys[key].push(id as u32, CellOperation { span, action });
        }
    }

    /// What is done to the register of a key, unless it says nothing.
    fn action(
        &mut self,
        key: usize,
        deed: &Deed<'_>,
        answer: Option<Answer<'_>>,
    ) -> Option<CellAction> {
        let numbers = &mut self.numbers;
        Some(match (deed, answer) {
            (Deed::Read, Some(Answer::Value(value))) => CellAction::Read(numbers.of(key, value)),
            (Deed::Read, _) => return None,
            (Deed::Write(value), _) => CellAction::Write(numbers.of(key, *value)),
            (Deed::CompareAndSet { expected, new }, answer) => {
                let (expected, new) = (numbers.of(key, *expected), numbers.of(key, *new));
                match answer {
                    Some(Answer::Swapped(false)) => CellAction::FoundOther { expected, new },
                    _ => CellAction::CompareAndSet { expected, new },
                }
            }
        })
    }
}

impl<S: CellSpec> Decider for CellDecider<'_, S> {
    fn begin(&mut self, operations: usize) {
        let key = self.keys.len();
        let mut calls = Calls::default();
        calls.ids.reserve_exact(operations);
        calls.operations.reserve_exact(operations);
        let initial = self.numbers.of(key, self.initial.into());
        assert!(initial == INITIAL, "it is met first");
        calls.produced.add(initial);
        self.keys.push(calls);
    }

    fn take(&mut self, key: usize, operation: &Operation<'_>) -> Result<(), DecodeError> {
        let seen = cell::seen(self.spec, operation)?;
        let (id, invoked) = (operation.id, operation.invoked);
        self.take_seen(key, id, seen, span(invoked, operation.completed));
        Ok(())
    }

    /// Nearly all are told by few columns.
    fn take_from(
        &mut self,
        key: usize,
        operations: Operations<'_>,
        id: usize,
    ) -> Result<(), DecodeError> {
        let (verb, completed) = (self.verb(operations, id), operations.completed(id));
        let outcome = operations.outcome(id);
        let value = match (verb, outcome) {
            (Some(Verb::Read), Outcome::Ok) => operations.output(id),
            (Some(Verb::Write), Outcome::Ok | Outcome::Info) => operations.input(id),
            _ => {
                let Some(deed) = verb.and_then(|verb| verb.deed(operations.input(id))) else {
                    // It is none of the specification, which has the words for that.
                    let operation = operations.get(id).expect("the operation is the history's");
                    return self.take(key, &operation);
                };
                let seen = deed.ended(outcome, operations.output(id), self.spec.failed_cas());
                self.take_seen(key, id, seen, span(operations.invoked(id), completed));
                return Ok(());
            }
        };
        if !self.keys[key].is_hopeless() {
            let number = self.numbers.of(key, value);
            let action = match verb {
                Some(Verb::Write) => CellAction::Write(number),
                _ => CellAction::Read(number),
            };
            let span = span(operations.invoked(id), completed);
            self.keys[key].push(id as u32, CellOperation { span, action });
        }
        Ok(())
    }

    fn is_hopeless(&self, key: usize) -> bool {
        self.keys[key].is_hopeless()
    }

    fn decide(&self, key: usize) -> Option<Decided> {
        let calls = &self.keys[key];
        if calls.is_hopeless() {
            return None;
        }
        let cell = Cell {
            operations: &calls.operations,
            value_count: self.numbers.count(key),
            name: &|number| self.numbers.name(key, number),
        };
        if calls.has_cas {
            decided("unique-cas-chains", cas_chains::decide(&cell), &calls.ids)
        } else {
            decided("unique-writes", register::decide(&cell), &calls.ids)
        }
    }
}

fn span(invoked: usize, completed: Option<usize>) -> Span {
    Span {
        invoked: invoked as u32,
        returned: completed.map_or(NEVER, |completed| completed as u32),
    }
}

impl Calls {
    /// Whether the chains of compare-and-sets are not known.
    fn is_hopeless(&self) -> bool {
        self.has_cas && self.produced.is_any_twice
    }

    fn push(&mut self, id: u32, operation: CellOperation) {
        match operation.action {
            CellAction::Write(value) => self.produced.add(value),
            CellAction::CompareAndSet { new, .. } => {
                self.has_cas = true;
                self.produced.add(new);
            }
            CellAction::FoundOther { .. } => self.has_cas = true,
            CellAction::Read(_) => {}
        }
        if self.is_hopeless() {
            (self.ids, self.operations) = (Vec::new(), Vec::new());
            return;
        }
        self.ids.push(id);
        self.operations.push(operation);
    }
}

impl Produced {
    fn add(&mut self, value: u32) {
        let value = value as usize;
        if value >= self.is_known.len() {
            self.is_known.resize(value + 1, false);
        }
        self.is_any_twice |= std::mem::replace(&mut self.is_known[value], true);
    }
}
