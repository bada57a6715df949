//! Which operation holds each slot at some step. The search goes forward and back along the steps, and
//! this goes with it.

use super::catalogue::ClassNumber;
use super::problem::{OperationNumber, Problem};

/// An operation that is open.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    pub(super) operation: OperationNumber,
    pub(super) class: ClassNumber,
    /// The event of its return.
    pub(super) completed: u32,
}

/// Who holds each slot before a step. Of a slot that is free it says nothing useful.
pub(super) struct Open {
    step: u32,
    holders: Vec<Holder>,
}

impl Open {
    pub(super) fn new(problem: &Problem) -> Self {
        let nobody = Holder {
            operation: 0,
            class: 0,
            completed: 0,
        };
        Self {
            step: 0,
            holders: vec![nobody; problem.slot_count as usize],
        }
    }

    #[inline]
    pub(super) fn holder(&self, slot: u32) -> Holder {
        self.holders[slot as usize]
    }

    /// Goes to just before the step.
    pub(super) fn go_to(&mut self, problem: &Problem, step: u32) {
        while self.step < step {
            self.go_forward(problem);
        }
        while self.step > step {
            self.step -= 1;
            let undone = problem.steps[self.step as usize];
            // Who was there before an invocation is known once its return is undone.
            if undone.is_return() {
                self.hold(problem, undone.operation());
            }
        }
    }

    #[inline]
    pub(super) fn go_forward(&mut self, problem: &Problem) {
        let done = problem.steps[self.step as usize];
        if !done.is_return() {
            self.hold(problem, done.operation());
        }
        self.step += 1;
    }

    #[inline]
    fn hold(&mut self, problem: &Problem, operation: OperationNumber) {
        let item = problem.items[operation as usize];
        self.holders[problem.slot(operation) as usize] = Holder {
            operation,
            class: item.class,
            completed: item.completed,
        };
    }
}
