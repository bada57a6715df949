//! Whether a specification keeps the promises that the search relies on.
//!
//! A specification that says of a write that it only reads, say, makes the search leave out orders that
//! it must not leave out: the verdict is then wrong, and nothing tells. So whoever writes a specification
//! lets [`verify`] try it on operations of its own choice.

use super::{Effect, Spec};
use crate::random::Random;
use std::fmt::Debug;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use thiserror::Error;

/// A promise that was broken, with an example.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{law} is broken: {example}")]
pub struct Broken {
    pub law: Law,
    /// The state, the operation, its answer, and what came of it.
    pub example: String,
}

/// What a specification promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Law {
    #[error("that a step always comes to the same")]
    Deterministic,
    #[error("that equal states have equal hashes")]
    EqualHashes,
    #[error("that a read-only operation changes no state")]
    ReadOnly,
    #[error("that an overwrite can happen in every state, and leads to the same one from all")]
    Overwrite,
    #[error("that an operation can happen in its only state alone")]
    OnlyState,
    #[error("that an operation can do as much when nobody knows its answer")]
    Uncertain,
}

/// How much to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// How many states to reach, by operations that can happen one after another.
    pub states: usize,
    /// How many operations to try in each of them.
    pub operations: usize,
    pub seed: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            states: 200,
            operations: 200,
            seed: 1,
        }
    }
}

/// Tries operations, with an answer each, in states that they lead to. `generate` makes one of a random
/// number; it should come upon the same few values often.
///
/// # Errors
/// The first promise that is broken.
pub fn verify<S: Spec>(
    spec: &S,
    effort: Effort,
    mut generate: impl FnMut(u64) -> (S::Operation, S::Return),
) -> Result<(), Broken>
where
    S::Operation: Debug,
    S::Return: Debug,
{
    let mut random = Random(effort.seed);
    let calls: Vec<(S::Operation, S::Return)> = (0..effort.operations)
        .map(|_| generate(random.next()))
        .collect();
    let mut states = vec![spec.initial()];
    while states.len() < effort.states && !calls.is_empty() {
        let state = &states[random.next() as usize % states.len()];
        let (operation, returned) = &calls[random.next() as usize % calls.len()];
        let next = spec.step(state, operation, Some(returned));
        states.push(next.unwrap_or_else(|_| spec.initial()));
    }
    for (operation, returned) in &calls {
        for answer in [Some(returned), None] {
            let trial = Trial {
                spec,
                operation,
                answer,
            };
            trial.verify(&states)?;
        }
    }
    Ok(())
}

struct Trial<'a, S: Spec> {
    spec: &'a S,
    operation: &'a S::Operation,
    answer: Option<&'a S::Return>,
}

impl<S: Spec> Trial<'_, S>
where
    S::Operation: Debug,
    S::Return: Debug,
{
    fn verify(&self, states: &[S::State]) -> Result<(), Broken> {
        let effect = self.spec.effect(self.operation, self.answer);
        let only = self.spec.only_state(self.operation, self.answer);
        let mut overwritten: Option<S::State> = None;
        for state in states {
            let after = self.deterministic(state)?;
            if effect == Effect::ReadOnly && after.as_ref().is_some_and(|after| after != state) {
                return Err(self.broken(Law::ReadOnly, state, after.as_ref()));
            }
            if effect == Effect::Overwrite {
                let first = overwritten.as_ref().or(after.as_ref());
                if after.is_none() || first != after.as_ref() {
                    return Err(self.broken(Law::Overwrite, state, after.as_ref()));
                }
                overwritten = overwritten.or_else(|| after.clone());
            }
            if after.is_some() && only.as_ref().is_some_and(|only| only != state) {
                return Err(self.broken(Law::OnlyState, state, after.as_ref()));
            }
            self.no_more_than_uncertain(state, after.as_ref())?;
        }
        Ok(())
    }

    fn deterministic(&self, state: &S::State) -> Result<Option<S::State>, Broken> {
        let step = || self.spec.step(state, self.operation, self.answer).ok();
        let (one, other) = (step(), step());
        if one != other {
            return Err(self.broken(Law::Deterministic, state, one.as_ref()));
        }
        let hash = |state: &S::State| BuildHasherDefault::<DefaultHasher>::new().hash_one(state);
        if one.as_ref().map(hash) != other.as_ref().map(hash) {
            return Err(self.broken(Law::EqualHashes, state, one.as_ref()));
        }
        Ok(one)
    }

    /// What it did and told of, it could have done without telling.
    fn no_more_than_uncertain(
        &self,
        state: &S::State,
        after: Option<&S::State>,
    ) -> Result<(), Broken> {
        let Some(after) = after.filter(|&after| after != state) else {
            return Ok(());
        };
        match self.spec.step(state, self.operation, None) {
            Ok(uncertain) if uncertain == *after => Ok(()),
            _ => Err(self.broken(Law::Uncertain, state, Some(after))),
        }
    }

    fn broken(&self, law: Law, state: &S::State, after: Option<&S::State>) -> Broken {
        let outcome = match after {
            Some(after) => format!("leads to state {after}"),
            None => "cannot happen".to_owned(),
        };
        let answer = match self.answer {
            Some(answer) => format!("answering {answer:?}"),
            None => "without an answer".to_owned(),
        };
        Broken {
            law,
            example: format!("in state {state}, {:?} {answer} {outcome}", self.operation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history;
    use crate::history::Value;
    use crate::spec::{DecodeError, DecodedBy, Reason};
    use crate::specs::{CasRegister, CellOperation, CellReturn, Register};
    use expect_test::{Expect, expect};

    fn cell(number: u64) -> (CellOperation, CellReturn) {
        let value = |number: u64| Value::Int((number % 4) as i64);
        match number % 5 {
            0 => (CellOperation::Read, CellReturn::Value(value(number >> 8))),
            1 => (CellOperation::Write(value(number >> 8)), CellReturn::Done),
            rest => {
                let (expected, new) = (value(number >> 8), value(number >> 16));
                let operation = CellOperation::CompareAndSet { expected, new };
                (operation, CellReturn::Swapped(rest > 2))
            }
        }
    }

    #[test]
    fn the_specifications_of_the_crate_keep_their_word() {
        assert_eq!(
            verify(&Register::default(), Effort::default(), cell),
            Ok(())
        );
        assert_eq!(
            verify(&CasRegister::default(), Effort::default(), cell),
            Ok(())
        );
    }

    /// A counter that says what the test wants it to say.
    struct Counter {
        effect: Effect,
        only: Option<i64>,
        /// What it adds besides where nobody knows its answer; nothing if it cannot happen then.
        in_doubt: Option<i64>,
    }

    impl Spec for Counter {
        type State = i64;
        type Operation = i64;
        type Return = ();

        fn initial(&self) -> i64 {
            0
        }

        fn step(&self, state: &i64, add: &i64, answer: Option<&()>) -> Result<i64, Reason> {
            match (answer, self.in_doubt) {
                (Some(()), _) => Ok((state + add) % 8),
                (None, Some(more)) => Ok((state + add + more) % 8),
                (None, None) => Err("it has no answer".into()),
            }
        }

        fn effect(&self, _add: &i64, _answer: Option<&()>) -> Effect {
            self.effect
        }

        fn only_state(&self, _add: &i64, _answer: Option<&()>) -> Option<i64> {
            self.only
        }

        fn decode(&self, _: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
            unreachable!("there is no history")
        }
    }

    fn check(counter: &Counter, expected: Expect) {
        let told = match verify(counter, Effort::default(), |number| {
            ((number % 3) as i64, ())
        }) {
            Ok(()) => "kept".to_owned(),
            Err(broken) => broken.to_string(),
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn broken_words_are_told_with_an_example() {
        let honest = Counter {
            effect: Effect::Update,
            only: None,
            in_doubt: Some(0),
        };
        check(&honest, expect!["kept"]);
        check(
            &Counter {
                effect: Effect::ReadOnly,
                ..honest
            },
            expect![
                "that a read-only operation changes no state is broken: in state 0, 2 answering () leads to state 2"
            ],
        );
        check(
            &Counter {
                effect: Effect::Overwrite,
                ..honest
            },
            expect![
                "that an overwrite can happen in every state, and leads to the same one from all is broken: in state 1, 2 answering () leads to state 3"
            ],
        );
        check(
            &Counter {
                only: Some(3),
                ..honest
            },
            expect![
                "that an operation can happen in its only state alone is broken: in state 0, 2 answering () leads to state 2"
            ],
        );
        for in_doubt in [None, Some(1)] {
            check(
                &Counter { in_doubt, ..honest },
                expect![
                    "that an operation can do as much when nobody knows its answer is broken: in state 0, 2 answering () leads to state 2"
                ],
            );
        }
    }
}
