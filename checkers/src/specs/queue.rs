//! A first-in-first-out queue: `enqueue` and `dequeue`.

use super::decoding::{decoded, given, told, unknown};
use super::room::list_bytes;
use super::unique_values::{EachKey, Gather, Giving, QueueCalls};
use crate::history::{self, Value};
use crate::spec::{Called, Decided, Decider, DecodeError, DecodedBy, Reason, Spec};
use std::collections::VecDeque;
use std::fmt;

/// A queue that gives first what it got first. `enqueue` is invoked with a value, not nil; `dequeue`
/// returns a value, or nil where the queue was empty. With a key on its operations: one queue per key.
///
/// A `drain` is none of these: [`History::drains_as_dequeues`](crate::History::drains_as_dequeues) makes it
/// as many dequeues as it took elements.
#[derive(Clone, Copy, Debug, Default)]
pub struct FifoQueue;

/// What a queue holds, what is next first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueueState(VecDeque<Value>);

impl fmt::Display for QueueState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}]", told(&self.0))
    }
}

/// What is done to a queue, a stack or a priority queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueOperation {
    Put(Value),
    Take,
}

/// What such an object answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueReturn {
    /// To a put.
    Done,
    /// To a take; `None` where there was nothing.
    Taken(Option<Value>),
}

impl Spec for FifoQueue {
    type State = QueueState;
    type Operation = QueueOperation;
    type Return = QueueReturn;

    fn initial(&self) -> QueueState {
        QueueState::default()
    }

    fn step(
        &self,
        state: &QueueState,
        operation: &QueueOperation,
        returned: Option<&QueueReturn>,
    ) -> Result<QueueState, Reason> {
        let mut after = state.clone();
        match operation {
            QueueOperation::Put(value) => after.0.push_back(value.clone()),
            QueueOperation::Take => {
                let taken = after.0.pop_front();
                require_taken("queue", state, taken.as_ref(), returned)?;
            }
        }
        Ok(after)
    }

    fn state_bytes(&self, state: &QueueState) -> usize {
        list_bytes(state.0.capacity(), state.0.iter())
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        let (puts, takes) = (["enqueue"], ["dequeue"]);
        decode::<Self>(recorded, &puts, &takes, "`enqueue` of a value or `dequeue`")
    }

    fn decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        EachKey::<Self, QueueCalls>::boxed(self, operations_max)
    }
}

impl Gather<FifoQueue> for QueueCalls {
    fn new(operations_max: usize) -> Self {
        Self::new(operations_max)
    }

    fn take(&mut self, called: &Called<FifoQueue>) {
        self.add(called);
    }

    fn decide(&self) -> Option<Decided> {
        self.decide_by(Giving::FIFO)
    }
}

/// Requires that a take answered what was next.
pub(super) fn require_taken(
    object: &str,
    state: &dyn fmt::Display,
    next: Option<&Value>,
    returned: Option<&QueueReturn>,
) -> Result<(), Reason> {
    match returned {
        None => Ok(()),
        Some(QueueReturn::Taken(taken)) if taken.as_ref() == next => Ok(()),
        Some(QueueReturn::Taken(Some(taken))) => {
            Err(format!("the {object} is {state}, but {taken} was taken").into())
        }
        Some(_) => Err(format!("the {object} is {state}, but nothing was found").into()),
    }
}

/// Reads a put by one of its names, or a take.
pub(super) fn decode<S>(
    recorded: &history::Operation<'_>,
    puts: &[&str],
    takes: &[&str],
    expected: &str,
) -> Result<DecodedBy<S>, DecodeError>
where
    S: Spec<Operation = QueueOperation, Return = QueueReturn>,
{
    let f = recorded.f;
    if puts.contains(&f) {
        let put = QueueOperation::Put(given(recorded, expected)?);
        return decoded(recorded, put, || Ok(QueueReturn::Done));
    }
    if !takes.contains(&f) {
        return Err(unknown(recorded, expected));
    }
    let taken = || {
        let value = Some(recorded.output.to_value());
        Ok(QueueReturn::Taken(
            value.filter(|value| *value != Value::Nil),
        ))
    };
    decoded(recorded, QueueOperation::Take, taken)
}
