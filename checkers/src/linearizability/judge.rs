//! One object's operations in, one judgement out.

use super::limits::{Exceeded, Meter};
use super::problem::{CONCURRENCY_MAX, Entry, Problem};
use super::search::{Found, Search};
use super::trail::Moment;
use crate::spec::Spec;

pub(super) enum Judgement {
    /// The ids of the operations, each with the moment at which it happened, in order.
    Possible(Vec<(Moment, usize)>),
    Impossible {
        /// The index of the first event that nothing explains: a return.
        event: usize,
        /// The id of the operation that returns there.
        culprit: usize,
        /// For each state that explains all before it, why the culprit cannot happen in it.
        reasons: Vec<String>,
    },
    Exceeded {
        limit: Exceeded,
        /// The index of the event up to which everything was explained.
        event: usize,
    },
}

/// Judges operations on an object in its initial state.
pub(super) fn judge<S: Spec>(spec: &S, entries: &[Entry<S>], meter: &mut Meter) -> Judgement {
    judge_from(spec, None, entries, meter)
}

/// Judges operations on an object that may be in any of the states; `None` is its initial one.
pub(super) fn judge_from<S: Spec>(
    spec: &S,
    states: Option<&[S::State]>,
    entries: &[Entry<S>],
    meter: &mut Meter,
) -> Judgement {
    let mut problem = match Problem::new(spec, entries, meter.memory_bytes_max()) {
        Ok(problem) => problem,
        Err(limit) => return Judgement::Exceeded { limit, event: 0 },
    };
    if let Some(states) = states {
        problem.start_in(states);
    }
    let found = match problem.timeline.slot_count {
        0..=64 => Search::<S, 1>::new(&mut problem).run(meter),
        65..=256 => Search::<S, 4>::new(&mut problem).run(meter),
        _ => Search::<S, { CONCURRENCY_MAX as usize / 64 }>::new(&mut problem).run(meter),
    };
    match found {
        Found::Order(trail) => {
            let ids = &problem.timeline.ids;
            let order = trail.in_order().into_iter();
            Judgement::Possible(
                order
                    .map(|(moment, number)| (moment, ids[number as usize]))
                    .collect(),
            )
        }
        Found::Exceeded { limit, step } => Judgement::Exceeded {
            limit,
            event: problem.steps()[step as usize].event,
        },
        Found::Impossible(frontier) => {
            let step = problem.steps()[frontier.step as usize];
            let class = problem.class(step.operation);
            let states = frontier.states.iter();
            Judgement::Impossible {
                event: step.event,
                culprit: problem.timeline.ids[step.operation as usize],
                reasons: states.map(|&state| problem.explain(state, class)).collect(),
            }
        }
    }
}
