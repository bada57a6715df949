//! Where [`Spec::decider`] meets the algorithms for unique values: calls become numbers, and what was
//! decided becomes ids.

use super::numbers::Numbers;
use super::queue::{QueueOperation as QueueDeed, QueueReturn};
use crate::history::{Operation, Value};
use crate::linearizability::unique::growth::{Growing, GrowthAction, GrowthOperation, Lists};
use crate::linearizability::unique::queue::{self, Queue, QueueAction, QueueOperation, Words};
use crate::linearizability::unique::{self, Span, log, priority_queue, set, stack};
use crate::spec::{Called, Decided, Decider, Decision, DecodeError, Diagnosis, Spec, called};

/// A decider that gathers the calls on each key apart, as its algorithm takes them.
pub(super) struct EachKey<'a, S, Gathered> {
    spec: &'a S,
    gathered: Vec<Gathered>,
    operations_max: usize,
}

impl<'a, S, Gathered> EachKey<'a, S, Gathered> {
    pub(super) fn boxed(spec: &'a S, operations_max: usize) -> Option<Box<dyn Decider + 'a>>
    where
        Self: Decider + 'a,
    {
        Some(Box::new(Self {
            spec,
            gathered: Vec::new(),
            operations_max,
        }))
    }
}

/// The calls on one key.
pub(super) trait Gather<S: Spec>: Send + Sync {
    /// None yet, and at most so many in all.
    fn new(operations_max: usize) -> Self;
    fn take(&mut self, called: &Called<S>);
    fn decide(&self) -> Option<Decided>;
}

impl<S: Spec, Gathered: Gather<S>> Decider for EachKey<'_, S, Gathered> {
    fn begin(&mut self, _operations: usize) {
        self.gathered.push(Gathered::new(self.operations_max));
    }

    fn take(&mut self, key: usize, operation: &Operation<'_>) -> Result<(), DecodeError> {
        if let Some(called) = called(self.spec, operation)? {
            self.gathered[key].take(&called);
        }
        Ok(())
    }

    fn decide(&self, key: usize) -> Option<Decided> {
        self.gathered[key].decide()
    }
}

/// An algorithm for what gives values back: its name, its words, and what decides.
#[derive(Clone, Copy)]
pub(super) struct Giving {
    algorithm: &'static str,
    words: &'static Words,
    decide: fn(&Queue<'_>) -> unique::Decision,
    order: Order,
}

/// How values are numbered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As they were first met.
    Met,
    /// The smallest first.
    Ascending,
    Descending,
}

impl Giving {
    pub(super) const FIFO: Self = Self {
        algorithm: "unique-queue",
        words: &queue::FIFO,
        decide: queue::decide,
        order: Order::Met,
    };
    pub(super) const STACK: Self = Self {
        algorithm: "unique-stack",
        words: &stack::STACK,
        decide: stack::decide,
        order: Order::Met,
    };
    pub(super) const SMALLEST_FIRST: Self = Self {
        algorithm: "unique-priority-queue",
        words: &priority_queue::PRIORITY,
        decide: priority_queue::decide,
        order: Order::Ascending,
    };
    pub(super) const LARGEST_FIRST: Self = Self {
        order: Order::Descending,
        ..Self::SMALLEST_FIRST
    };
}

/// The calls on a queue or a stack.
pub(super) struct QueueCalls {
    numbers: Numbers,
    ids: Vec<u32>,
    operations: Vec<QueueOperation>,
}

impl QueueCalls {
    pub(super) fn new(operations_max: usize) -> Self {
        Self {
            numbers: Numbers::new(operations_max),
            ids: Vec::new(),
            operations: Vec::new(),
        }
    }

    pub(super) fn add<S>(&mut self, called: &Called<S>)
    where
        S: Spec<Operation = QueueDeed, Return = QueueReturn>,
    {
        let action = match (&called.operation, &called.returned) {
            (QueueDeed::Put(value), _) => QueueAction::Enqueue(self.numbers.of(value.into())),
            (_, Some(QueueReturn::Taken(Some(value)))) => {
                QueueAction::Dequeue(self.numbers.of(value.into()))
            }
            (_, Some(_)) => QueueAction::DequeueEmpty,
            (_, None) => QueueAction::DequeueUnknown,
        };
        self.ids.push(called.id);
        let span = span(called);
        self.operations.push(QueueOperation { span, action });
    }

    pub(super) fn decide_by(&self, giving: Giving) -> Option<Decided> {
        let mut by_rank = Vec::new();
        let mut ranked = Vec::new();
        if giving.order != Order::Met {
            by_rank = self.numbers.ascending();
            if giving.order == Order::Descending {
                by_rank.reverse();
            }
            ranked = self.ranked(&by_rank);
        }
        let queue = Queue {
            words: giving.words,
            operations: if by_rank.is_empty() {
                &self.operations
            } else {
                &ranked
            },
            value_count: self.numbers.count(),
            name: &|value| {
                let number = by_rank.get(value as usize).copied();
                self.numbers.name(number.unwrap_or(value))
            },
        };
        decided(giving.algorithm, (giving.decide)(&queue), &self.ids)
    }

    /// The operations with values numbered by their place among these.
    fn ranked(&self, by_rank: &[u32]) -> Vec<QueueOperation> {
        let mut ranks = vec![0; by_rank.len()];
        for (rank, &number) in (0..).zip(by_rank) {
            ranks[number as usize] = rank;
        }
        let mut operations = self.operations.clone();
        for operation in &mut operations {
            if let QueueAction::Enqueue(value) | QueueAction::Dequeue(value) = &mut operation.action
            {
                *value = ranks[*value as usize];
            }
        }
        operations
    }
}

/// What a call does to an object that only grows. A read without answer says nothing.
pub(super) enum Grown<'a> {
    Add(&'a Value),
    Read(Option<&'a [Value]>),
}

/// The calls on an object that only grows.
pub(super) struct GrowingCalls {
    numbers: Numbers,
    ids: Vec<u32>,
    operations: Vec<GrowthOperation>,
    reads: Lists,
}

impl GrowingCalls {
    pub(super) fn new(operations_max: usize) -> Self {
        Self {
            numbers: Numbers::new(operations_max),
            ids: Vec::new(),
            operations: Vec::new(),
            reads: Lists::default(),
        }
    }

    pub(super) fn add<S: Spec>(&mut self, called: &Called<S>, grown: &Grown<'_>) {
        let action = match grown {
            Grown::Add(element) => GrowthAction::Add(self.numbers.of((*element).into())),
            Grown::Read(Some(shown)) => {
                let shown = shown.iter().map(|element| self.numbers.of(element.into()));
                GrowthAction::Read(self.reads.push(shown))
            }
            Grown::Read(None) => return,
        };
        self.ids.push(called.id);
        let span = span(called);
        self.operations.push(GrowthOperation { span, action });
    }

    fn decide(
        &self,
        algorithm: &'static str,
        decide: fn(&Growing<'_>) -> unique::Decision,
    ) -> Option<Decided> {
        let growing = Growing {
            operations: &self.operations,
            reads: &self.reads,
            element_count: self.numbers.count(),
            name: &|number| self.numbers.name(number),
        };
        decided(algorithm, decide(&growing), &self.ids)
    }

    /// Decides on a set.
    pub(super) fn decide_set(&self) -> Option<Decided> {
        self.decide("grow-only-set", set::decide)
    }

    /// Decides on a log.
    pub(super) fn decide_log(&self) -> Option<Decided> {
        self.decide("unique-log", log::decide)
    }
}

pub(super) fn span<S: Spec>(called: &Called<S>) -> Span {
    Span {
        invoked: called.invoked,
        returned: called.completed,
    }
}

/// The decision in terms of the history. `ids` are those of the operations that were decided on.
pub(super) fn decided(
    algorithm: &'static str,
    decision: unique::Decision,
    ids: &[u32],
) -> Option<Decided> {
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
