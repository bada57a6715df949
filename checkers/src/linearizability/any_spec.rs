//! A specification whose types nobody needs to know. Whoever judges asks it through a table of functions:
//! what is below this file is compiled for each specification, and all else once.

use super::meaning::{Meaning, Typed};
use crate::history::{Operation, ValueRef};
use crate::spec::{Call, Decider, DecodeError, Decoded, Diagnosis, Spec, called};

/// What judges ask of a specification.
pub(crate) trait AnySpec: Sync {
    /// See [`Spec::part`].
    fn part_of<'h>(&self, f: &str, input: ValueRef<'h>) -> Option<ValueRef<'h>>;

    /// Whether the operation certainly happened; nothing if it did not.
    ///
    /// # Errors
    /// Where the operation is none of this specification.
    fn is_certain(&self, recorded: &Operation<'_>) -> Result<Option<bool>, DecodeError>;

    /// See [`Spec::decider`].
    fn any_decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>>;

    /// See [`Spec::diagnose`].
    ///
    /// # Errors
    /// Where one of the operations is none of this specification.
    fn diagnose_any(
        &self,
        recorded: &[Operation<'_>],
        culprit: usize,
        has_times: bool,
    ) -> Result<Option<Diagnosis>, DecodeError>;

    /// Numbers for states and operations, none given yet but that of the initial state.
    fn meaning(&self) -> Box<dyn Meaning + '_>;

    /// Objects that are all in their initial state.
    fn replay(&self) -> Box<dyn Replay + '_>;
}

/// Objects that do one operation at a time.
pub(crate) trait Replay {
    /// Lets an object do an operation. Objects are numbered from 0 on, in the order in which they come.
    ///
    /// # Errors
    /// Why the operation cannot happen; nothing where it did not.
    fn step(&mut self, object: usize, recorded: &Operation<'_>) -> Result<(), Option<String>>;
}

impl<S: Spec> AnySpec for S {
    fn part_of<'h>(&self, f: &str, input: ValueRef<'h>) -> Option<ValueRef<'h>> {
        self.part(f, input)
    }

    fn is_certain(&self, recorded: &Operation<'_>) -> Result<Option<bool>, DecodeError> {
        Ok(match self.decode(recorded)? {
            Decoded::Returned(..) => Some(recorded.completed.is_some()),
            Decoded::Uncertain(_) => Some(false),
            Decoded::Absent => None,
        })
    }

    fn any_decider(&self, operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        self.decider(operations_max)
    }

    fn diagnose_any(
        &self,
        recorded: &[Operation<'_>],
        culprit: usize,
        has_times: bool,
    ) -> Result<Option<Diagnosis>, DecodeError> {
        let mut calls = Vec::with_capacity(recorded.len());
        for recorded in recorded {
            let decoded = self.decode(recorded)?;
            calls.push(Call {
                decoded,
                recorded,
                has_times,
            });
        }
        Ok(self.diagnose(&calls, culprit))
    }

    fn meaning(&self) -> Box<dyn Meaning + '_> {
        Box::new(Typed::new(self))
    }

    fn replay(&self) -> Box<dyn Replay + '_> {
        Box::new(Objects {
            spec: self,
            states: Vec::new(),
        })
    }
}

struct Objects<'a, S: Spec> {
    spec: &'a S,
    states: Vec<S::State>,
}

impl<S: Spec> Replay for Objects<'_, S> {
    fn step(&mut self, object: usize, recorded: &Operation<'_>) -> Result<(), Option<String>> {
        let called = called(self.spec, recorded).ok().flatten().ok_or(None)?;
        if object == self.states.len() {
            self.states.push(self.spec.initial());
        }
        let state = &mut self.states[object];
        let after = self
            .spec
            .step(state, &called.operation, called.returned.as_ref());
        *state = after.map_err(|reason| Some(reason.into_owned()))?;
        Ok(())
    }
}
