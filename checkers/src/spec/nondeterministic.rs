//! Specifications in which an operation may have several outcomes.
//!
//! Such an object is a deterministic one whose state is the set of states in which it may be: the power
//! set construction of automata.

use super::{DecodeError, DecodedBy, Reason, Spec};
use crate::history::{self, ValueRef};
use std::fmt;
use std::hash::Hash;

/// A sequential specification that leaves a choice: what an operation does is one of several things,
/// and nobody says which.
pub trait Nondeterministic: Sync {
    type State: Clone + Ord + Hash + fmt::Display;
    type Operation: Clone + Eq + Hash;
    type Return: Clone + Eq + Hash;

    /// The states before the first operation, at least one.
    fn initial(&self) -> Vec<Self::State>;

    /// All states after `operation` if it happens in `state` and answers `returned` (`None` is an
    /// unknown answer); none if it cannot.
    fn steps(
        &self,
        state: &Self::State,
        operation: &Self::Operation,
        returned: Option<&Self::Return>,
    ) -> Vec<Self::State>;

    /// See [`Spec::state_bytes`].
    fn state_bytes(&self, _state: &Self::State) -> usize {
        0
    }

    /// See [`Spec::part`].
    fn part<'h>(&self, _f: &str, _input: ValueRef<'h>) -> Option<ValueRef<'h>> {
        None
    }

    /// See [`Spec::decode`].
    ///
    /// # Errors
    /// Where the operation is none of this specification.
    fn decode(
        &self,
        operation: &history::Operation<'_>,
    ) -> Result<super::Decoded<Self::Operation, Self::Return>, DecodeError>;
}

/// A nondeterministic specification as a deterministic one.
#[derive(Clone, Debug, Default)]
pub struct PowerSet<N>(pub N);

/// The states in which an object may be: ascending, each once, never none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OneOf<State>(Vec<State>);

impl<State: Ord> OneOf<State> {
    fn new(mut states: Vec<State>) -> Option<Self> {
        states.sort_unstable();
        states.dedup();
        (!states.is_empty()).then_some(Self(states))
    }

    /// The states, ascending.
    pub fn states(&self) -> &[State] {
        &self.0
    }
}

impl<State: fmt::Display> fmt::Display for OneOf<State> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, state) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " or " };
            write!(formatter, "{gap}{state}")?;
        }
        Ok(())
    }
}

impl<N: Nondeterministic> Spec for PowerSet<N> {
    type State = OneOf<N::State>;
    type Operation = N::Operation;
    type Return = N::Return;

    fn initial(&self) -> Self::State {
        OneOf::new(self.0.initial()).expect("an object is in some state at first")
    }

    fn step(
        &self,
        state: &Self::State,
        operation: &N::Operation,
        returned: Option<&N::Return>,
    ) -> Result<Self::State, Reason> {
        let states = state.0.iter();
        let after = states.flat_map(|state| self.0.steps(state, operation, returned));
        OneOf::new(after.collect())
            .ok_or_else(|| format!("the state is {state}, and in none it can happen").into())
    }

    fn state_bytes(&self, OneOf(states): &Self::State) -> usize {
        let held = states.iter().map(|state| self.0.state_bytes(state));
        states.capacity() * size_of::<N::State>() + held.sum::<usize>()
    }

    fn part<'h>(&self, f: &str, input: ValueRef<'h>) -> Option<ValueRef<'h>> {
        self.0.part(f, input)
    }

    fn decode(&self, operation: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        self.0.decode(operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{History, Outcome};
    use crate::linearizability::{Limits, check};
    use crate::spec::Decoded;
    use crate::verdict::Verdict;

    /// Two registers, one of which has names of its own for its operations. Writes may be lost.
    struct Forgetful;

    impl Nondeterministic for Forgetful {
        type State = i64;
        type Operation = Option<i64>;
        type Return = i64;

        fn initial(&self) -> Vec<i64> {
            vec![0]
        }

        fn steps(&self, state: &i64, write: &Option<i64>, returned: Option<&i64>) -> Vec<i64> {
            match (write, returned) {
                (Some(value), _) => vec![*state, *value],
                (None, Some(seen)) if seen != state => Vec::new(),
                (None, _) => vec![*state],
            }
        }

        fn part<'h>(&self, f: &str, _input: ValueRef<'h>) -> Option<ValueRef<'h>> {
            Some(ValueRef::Bool(f.starts_with("other")))
        }

        fn decode(
            &self,
            operation: &history::Operation<'_>,
        ) -> Result<Decoded<Option<i64>, i64>, DecodeError> {
            let number = |value: ValueRef<'_>| value.as_int().unwrap_or_default();
            let write = operation
                .f
                .ends_with("write")
                .then(|| number(operation.input));
            Ok(match operation.outcome {
                Outcome::Ok => Decoded::Returned(write, number(operation.output)),
                Outcome::Info => Decoded::Uncertain(write),
                Outcome::Fail => Decoded::Absent,
            })
        }
    }

    fn is_possible(lines: &str) -> bool {
        let history = History::read(lines.as_bytes(), None).expect("a history");
        let verdict = check(&PowerSet(Forgetful), &history, &Limits::default());
        matches!(verdict, Ok(Verdict::Valid { .. }))
    }

    #[test]
    fn every_outcome_is_kept_in_mind_until_one_is_seen() {
        let writes = "0 :invoke :write 1\n0 :ok :write 1\n0 :invoke :write 2\n0 :ok :write 2\n";
        let read = |seen: i64| format!("0 :invoke :read\n0 :ok :read {seen}\n");
        for seen in [0, 1, 2] {
            assert!(is_possible(&format!(
                "{writes}{}{}",
                read(seen),
                read(seen)
            )));
        }
        assert!(!is_possible(&format!("{writes}{}", read(3))));
        assert!(!is_possible(&format!("{writes}{}{}", read(0), read(1))));
    }

    #[test]
    fn each_part_has_its_own_state() {
        let seen = "0 :invoke :write 1\n0 :ok :write 1\n0 :invoke :read\n0 :ok :read 1\n";
        let other = "0 :invoke :other-read\n0 :ok :other-read 0\n";
        assert!(is_possible(&format!("{seen}{other}")));
        assert!(!is_possible(&format!(
            "{seen}{}",
            other.replace("other-", "")
        )));
    }

    #[test]
    fn all_that_may_be_the_state_takes_room() {
        let spec = PowerSet(Forgetful);
        let Ok(after) = spec.step(&spec.initial(), &Some(1), None) else {
            panic!("anything can be written");
        };
        assert!(spec.state_bytes(&after) >= 2 * size_of::<i64>());
    }

    #[test]
    fn each_key_has_a_state_of_its_own() {
        let write = r#"{"process":0,"type":"invoke","f":"write","key":1,"value":5}
            {"process":0,"type":"ok","f":"write","key":1,"value":5}"#;
        let read = |key: i64| {
            format!(
                r#"{write}
                {{"process":0,"type":"invoke","f":"read","key":{key},"value":null}}
                {{"process":0,"type":"ok","f":"read","key":{key},"value":5}}"#
            )
        };
        assert!(is_possible(&read(1)));
        assert!(!is_possible(&read(2)));
    }
}
