//! What a checker must know of a system: how it would behave if it did one thing at a time.

mod calls;
pub mod contract;
mod nondeterministic;

use crate::history::{self, ValueRef};
use std::borrow::Cow;
use std::fmt;
use std::hash::Hash;
use thiserror::Error;

pub use calls::{Called, NEVER};
pub(crate) use calls::{Recorded, called};
pub use nondeterministic::{Nondeterministic, OneOf, PowerSet};

/// A sequential specification: an object that does one operation at a time.
///
/// Only [`Spec::initial`], [`Spec::step`] and [`Spec::decode`] decide what is correct. The other
/// methods let the search skip work; their defaults are always sound. Keys are judged by several threads.
pub trait Spec: Sync {
    type State: Clone + Eq + Hash + fmt::Display;
    type Operation: Clone + Eq + Hash;
    type Return: Clone + Eq + Hash;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `operation` if it can happen in `state` and answer `returned`; `None` is the
    /// unknown answer of an `info` operation. Where such an operation could only leave the state as it
    /// is, the answer may be an error: not happening amounts to the same.
    ///
    /// # Errors
    /// Why it cannot happen.
    fn step(
        &self,
        state: &Self::State,
        operation: &Self::Operation,
        returned: Option<&Self::Return>,
    ) -> Result<Self::State, Reason>;

    /// What the operation can do to any state, given its answer.
    fn effect(&self, _operation: &Self::Operation, _returned: Option<&Self::Return>) -> Effect {
        Effect::Update
    }

    /// The only state in which the operation can happen with this answer, if there is just one.
    fn only_state(
        &self,
        _operation: &Self::Operation,
        _returned: Option<&Self::Return>,
    ) -> Option<Self::State> {
        None
    }

    /// How many bytes the state holds beyond its own size, as elements of a list: who judges keeps many
    /// states, and counts them towards [`crate::Limits::memory_bytes_max`]. The default is none.
    fn state_bytes(&self, _state: &Self::State) -> usize {
        0
    }

    /// Which of several independent objects under the operation's key it concerns: an element of a set, say. It
    /// is known from the invocation. Each key, and each part of it, has a state of its own; the default is that
    /// keys have no parts.
    fn part<'h>(&self, _f: &str, _input: ValueRef<'h>) -> Option<ValueRef<'h>> {
        None
    }

    /// Reads an operation of a history.
    ///
    /// # Errors
    /// Where the operation is none of this specification.
    fn decode(&self, operation: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError>;

    /// An algorithm that knows sooner than a search whether some order explains the calls on a key, if
    /// there is one. It is about to be given so many operations at most.
    fn decider(&self, _operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        None
    }

    /// What is wrong with `culprit`, in the specification's own terms, if they say more than that no
    /// order explains it. `calls` are the operations on its key that began before it ended, in the
    /// order of their invocations.
    fn diagnose(&self, _calls: &[Call<'_, Self>], _culprit: usize) -> Option<Diagnosis> {
        None
    }
}

/// Why an operation cannot happen in a state, in words.
pub type Reason = Cow<'static, str>;

/// What an operation can do to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes no state, whatever the state.
    ReadOnly,
    /// It can happen in every state, and neither its answer nor the state after it depends on the
    /// state before it.
    Overwrite,
    /// Anything.
    Update,
}

/// What an operation of a history means to a specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded<Operation, Return> {
    /// It happened and returned.
    Returned(Operation, Return),
    /// It may have happened, at any time after its invocation.
    Uncertain(Operation),
    /// It did not happen, or says nothing.
    Absent,
}

/// What an operation of a history means to the specification `S`.
pub type DecodedBy<S> = Decoded<<S as Spec>::Operation, <S as Spec>::Return>;

/// An operation as a specification and as the history see it.
pub struct Call<'a, S: Spec + ?Sized> {
    pub decoded: Decoded<S::Operation, S::Return>,
    pub recorded: &'a history::Operation<'a>,
    /// Whether times are worth telling.
    pub has_times: bool,
}

/// An algorithm for one kind of object: it is given the operations of a history, and then decides on
/// those on one key at a time.
pub trait Decider: Send + Sync {
    /// Another key: they are numbered from 0 on. It has about so many operations, or nobody knows how many.
    fn begin(&mut self, operations: usize);

    /// Takes the next operation on a key. Operations on each come in the order of their invocations.
    ///
    /// # Errors
    /// Where the operation is none of the specification.
    fn take(&mut self, key: usize, operation: &history::Operation<'_>) -> Result<(), DecodeError>;

    /// As [`Decider::take`], of the operation with an id, of which not all may be worth looking at.
    ///
    /// # Errors
    /// Where the operation is none of the specification.
    fn take_from(
        &mut self,
        key: usize,
        operations: history::Operations<'_>,
        id: usize,
    ) -> Result<(), DecodeError> {
        let operation = operations.get(id).expect("the operation is the history's");
        self.take(key, &operation)
    }

    /// Whether it is certain by now that it will not decide on the key, so that nobody need read on.
    fn is_hopeless(&self, _key: usize) -> bool {
        false
    }

    /// Whether some order explains the operations on the key: `None` if the algorithm is not for these
    /// (values are written twice, say). The answer is exact.
    fn decide(&self, key: usize) -> Option<Decided>;
}

/// What an algorithm for one kind of object has found out about the calls on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The algorithm's name in kebab case, for verdicts: `unique-writes`, ….
    pub algorithm: &'static str,
    pub decision: Decision,
}

/// Whether calls are possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They are, in the order of these ids. All certain calls are among them, and those uncertain ones
    /// that must have happened.
    Possible(Vec<u32>),
    /// They are not: the operations that the diagnosis names exclude each other, whatever happened to
    /// the others.
    Impossible(Diagnosis),
}

/// A specification's own words for an anomaly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// See [`crate::verdict::Anomaly::class`].
    pub class: &'static str,
    /// See [`crate::verdict::Anomaly::sentence`].
    pub sentence: String,
    /// The ids of the operations that the sentence speaks of.
    pub operations: Vec<usize>,
    /// The ids of others that together with those might be impossible on their own: a guess, which
    /// saves a search for such a set where it is right.
    pub suspects: Vec<usize>,
    /// Whether both together are impossible, and no more so once nobody knows whether one of them happened.
    pub is_minimal: bool,
}

/// An operation that a specification does not know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "operation {id} (process {process}, event {event}): expected {expected}, but found {found}"
)]
pub struct DecodeError {
    pub id: usize,
    pub process: u64,
    pub event: usize,
    pub expected: String,
    pub found: String,
}

impl DecodeError {
    /// The error that names where in the history it is.
    pub fn new(operation: &history::Operation<'_>, expected: &str, found: String) -> Self {
        Self {
            id: operation.id,
            process: operation.process,
            event: operation.invoked,
            expected: expected.to_owned(),
            found,
        }
    }
}
