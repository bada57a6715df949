//! Where [`Spec::decide`] meets the algorithms for unique values: calls become numbers, and what was
//! decided becomes ids.

use super::cell::{CellOperation, CellReturn};
use super::numbers::Numbers;
use crate::history::Value;
use crate::linearizability::unique::cell::{self, Cell, CellAction};
use crate::linearizability::unique::growth::{Growing, GrowthAction, GrowthOperation, Lists};
use crate::linearizability::unique::queue::{self, Queue, QueueAction, QueueOperation};
use crate::linearizability::unique::{self, Span, cas_chains, log, register, set};
use crate::spec::{Called, Calls, Decided, Decision, Diagnosis, Spec};

/// Decides on a register, with compare-and-set or without.
pub(super) fn decide_cell<S>(calls: Calls<'_, S>, initial: &Value) -> Option<Decided>
where
    S: Spec<Operation = CellOperation, Return = CellReturn>,
{
    let mut numbers = Numbers::new(calls.len_max());
    assert!(numbers.of(initial) == cell::INITIAL, "it is met first");
    let mut ids = Vec::with_capacity(calls.len_max());
    let mut operations = Vec::with_capacity(calls.len_max());
    let mut has_cas = false;
    let mut produced = Produced::default();
    produced.add(cell::INITIAL);
    for called in calls.iter() {
        let span = span(&called);
        let action = match (&called.operation, &called.returned) {
            (CellOperation::Read, Some(CellReturn::Value(value))) => {
                CellAction::Read(numbers.of(value))
            }
            (CellOperation::Read, _) => continue,
            (CellOperation::Write(value), _) => CellAction::Write(numbers.of(value)),
            (CellOperation::CompareAndSet { expected, new }, returned) => {
                has_cas = true;
                let (expected, new) = (numbers.of(expected), numbers.of(new));
                match returned {
                    Some(CellReturn::Swapped(false)) => CellAction::FoundOther { expected, new },
                    _ => CellAction::CompareAndSet { expected, new },
                }
            }
        };
        if let CellAction::Write(value) | CellAction::CompareAndSet { new: value, .. } = action {
            produced.add(value);
        }
        if has_cas && produced.is_any_twice {
            // The chains of compare-and-sets are not known then.
            return None;
        }
        ids.push(called.id);
        operations.push(cell::CellOperation { span, action });
    }
    let cell = Cell {
        operations: &operations,
        value_count: numbers.count(),
        name: &|number| numbers.name(number),
    };
    if has_cas {
        decided("unique-cas-chains", cas_chains::decide(&cell), &ids)
    } else {
        decided("unique-writes", register::decide(&cell), &ids)
    }
}

/// Which values were produced.
#[derive(Default)]
struct Produced {
    /// By value.
    is_known: Vec<bool>,
    is_any_twice: bool,
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

/// What a call does to a queue.
pub(super) enum Queued<'a> {
    Enqueue(&'a Value),
    Dequeue(&'a Value),
    Empty,
    Unknown,
}

/// Decides on a first-in-first-out queue.
pub(super) fn decide_queue<S: Spec>(
    calls: Calls<'_, S>,
    queued: impl Fn(&Called<S>) -> Queued<'_>,
) -> Option<Decided> {
    let mut numbers = Numbers::new(calls.len_max());
    let mut ids = Vec::with_capacity(calls.len_max());
    let mut operations = Vec::with_capacity(calls.len_max());
    for called in calls.iter() {
        let span = span(&called);
        let action = match queued(&called) {
            Queued::Enqueue(value) => QueueAction::Enqueue(numbers.of(value)),
            Queued::Dequeue(value) => QueueAction::Dequeue(numbers.of(value)),
            Queued::Empty => QueueAction::DequeueEmpty,
            Queued::Unknown => QueueAction::DequeueUnknown,
        };
        ids.push(called.id);
        operations.push(QueueOperation { span, action });
    }
    let queue = Queue {
        operations: &operations,
        value_count: numbers.count(),
        name: &|number| numbers.name(number),
    };
    decided("unique-queue", queue::decide(&queue), &ids)
}

/// What a call does to an object that only grows. A read without answer says nothing.
pub(super) enum Grown<'a> {
    Add(&'a Value),
    Read(Option<&'a [Value]>),
}

/// Decides on a set that only grows.
pub(super) fn decide_set<S: Spec>(
    calls: Calls<'_, S>,
    grown: impl Fn(&Called<S>) -> Grown<'_>,
) -> Option<Decided> {
    decide_growing("grow-only-set", set::decide, calls, grown)
}

/// Decides on a log.
pub(super) fn decide_log<S: Spec>(
    calls: Calls<'_, S>,
    grown: impl Fn(&Called<S>) -> Grown<'_>,
) -> Option<Decided> {
    decide_growing("unique-log", log::decide, calls, grown)
}

fn decide_growing<S: Spec>(
    algorithm: &'static str,
    decide: fn(&Growing<'_>) -> unique::Decision,
    calls: Calls<'_, S>,
    grown: impl Fn(&Called<S>) -> Grown<'_>,
) -> Option<Decided> {
    let mut numbers = Numbers::new(calls.len_max());
    let mut ids = Vec::with_capacity(calls.len_max());
    let mut operations = Vec::with_capacity(calls.len_max());
    let mut reads = Lists::default();
    for called in calls.iter() {
        let span = span(&called);
        let action = match grown(&called) {
            Grown::Add(element) => GrowthAction::Add(numbers.of(element)),
            Grown::Read(Some(shown)) => {
                let shown = shown.iter().map(|element| numbers.of(element));
                GrowthAction::Read(reads.push(shown))
            }
            Grown::Read(None) => continue,
        };
        ids.push(called.id);
        operations.push(GrowthOperation { span, action });
    }
    let growing = Growing {
        operations: &operations,
        reads: &reads,
        element_count: numbers.count(),
        name: &|number| numbers.name(number),
    };
    decided(algorithm, decide(&growing), &ids)
}

fn span<S: Spec>(called: &Called<S>) -> Span {
    Span {
        invoked: called.invoked,
        returned: called.completed,
    }
}

/// The decision in terms of the history. `ids` are those of the operations that were decided on.
fn decided(algorithm: &'static str, decision: unique::Decision, ids: &[u32]) -> Option<Decided> {
    let decision = match decision {
        unique::Decision::Order(mut order) => {
            for operation in &mut order {
                *operation = ids[*operation as usize];
            }
            Decision::Possible(order)
        }
        unique::Decision::Conflict(conflict) => Decision::Impossible(diagnosis(&conflict, ids)),
        unique::Decision::Undecided(_) => return None,
    };
    Some(Decided {
        algorithm,
        decision,
    })
}

fn diagnosis(conflict: &unique::Conflict, ids: &[u32]) -> Diagnosis {
    let ids = |operations: &[u32]| {
        let ids = operations
            .iter()
            .map(|&operation| ids[operation as usize] as usize);
        ids.collect()
    };
    Diagnosis {
        class: conflict.class,
        sentence: conflict.sentence.clone(),
        operations: ids(&conflict.operations),
        suspects: ids(&conflict.suspects),
        is_minimal: conflict.is_minimal,
    }
}
