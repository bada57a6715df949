//! Conflicts of which every operation is needed.
//!
//! What an algorithm names is impossible, but a part of it may be so already. An operation is needed if
//! without it, when nobody knows whether it happened, the others are possible; the algorithm itself
//! says that. What is not needed is given up in chunks, ever smaller ones, as in Zeller and
//! Hildebrandt's "Simplifying and isolating failure-inducing input", 2002. The words are always those of
//! the last conflict, which knows of no other operations than are left.

use super::decision::{Conflict, Decision};

/// How many operations may be looked at: a count, so that the result is the same on every machine.
const WORK_MAX: usize = 10_000_000;

/// What stays of a conflict among so many operations. `judge` decides on all of them when only some,
/// ascending, are certain.
pub(super) fn minimal(
    conflict: Conflict,
    operation_count: usize,
    judge: impl Fn(&[u32]) -> Decision,
) -> Conflict {
    let size = conflict.core().len().div_ceil(2);
    let mut shrinking = Shrinking {
        conflict,
        tries_left: WORK_MAX / operation_count.max(1),
        judge,
    };
    shrinking.shrink(size);
    shrinking.conflict
}

/// The operations when of all only some, ascending, are certain; `relax` makes one of the others uncertain.
pub(super) fn only_certain<Operation: Clone>(
    operations: &[Operation],
    certain: &[u32],
    relax: impl Fn(&mut Operation),
) -> Vec<Operation> {
    let mut operations = operations.to_vec();
    let mut certain = certain.iter().peekable();
    for (number, operation) in (0..).zip(&mut operations) {
        if certain.next_if(|&&next| next == number).is_none() {
            relax(operation);
        }
    }
    operations
}

struct Shrinking<Judge> {
    conflict: Conflict,
    tries_left: usize,
    judge: Judge,
}

/// What came of going through a conflict once.
enum Round {
    Shrunk,
    /// Without any of the chunks the rest is possible.
    AllNeeded,
    /// The algorithm does not decide on some rest.
    Undecided,
    OutOfWork,
}

impl<Judge: Fn(&[u32]) -> Decision> Shrinking<Judge> {
    fn shrink(&mut self, mut size: usize) {
        loop {
            match self.round(size.max(1)) {
                Round::OutOfWork => return,
                _ if size > 1 => size = size.div_ceil(2),
                Round::Shrunk => {}
                round => {
                    self.conflict.is_minimal = matches!(round, Round::AllNeeded);
                    return;
                }
            }
        }
    }

    /// Tries to give up each chunk of so many operations.
    fn round(&mut self, size: usize) -> Round {
        let (mut core, mut start) = (self.conflict.core(), 0);
        let mut round = Round::AllNeeded;
        while start < core.len() {
            if self.tries_left == 0 {
                return Round::OutOfWork;
            }
            self.tries_left -= 1;
            let end = (start + size).min(core.len());
            let rest = [&core[..start], &core[end..]].concat();
            match (self.judge)(&rest) {
                Decision::Conflict(smaller) => {
                    // What was uncertain all the time may be told of, but is none of those needed.
                    self.conflict = smaller.within(&rest);
                    core = self.conflict.core();
                    round = Round::Shrunk;
                    continue;
                }
                Decision::Undecided(_) if matches!(round, Round::AllNeeded) => {
                    round = Round::Undecided;
                }
                _ => {}
            }
            start = end;
        }
        round
    }
}
