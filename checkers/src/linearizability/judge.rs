//! One object's operations in, one judgement out.

use super::limits::{Exceeded, Meter};
use super::problem::{CONCURRENCY_MAX, Entry, Problem};
use super::search::{Found, Search};
use super::trail::Moment;
use crate::spec::{Calls, Decision, Diagnosis, NEVER, Spec};

pub(super) enum Judgement {
    /// The ids of the operations, each with the moment at which it happened, in order.
    Possible(Vec<(Moment, usize)>),
    Impossible(Impossible),
    Exceeded {
        limit: Exceeded,
        /// The index of the event up to which everything was explained.
        event: usize,
    },
}

/// How operations are impossible.
pub(super) enum Impossible {
    /// Nothing explains a return, and so nothing that comes after it.
    Return(UnexplainedReturn),
    /// Some operations exclude each other, by an algorithm that knows objects of this kind.
    Conflict(Diagnosis),
}

pub(super) struct UnexplainedReturn {
    /// The index of its event.
    pub(super) event: usize,
    /// The id of the operation that returns there.
    pub(super) culprit: usize,
    /// For each state that explains all before it, why the culprit cannot happen in it.
    pub(super) reasons: Vec<String>,
}

/// Judges operations on an object in its initial state.
pub(super) fn judge<S: Spec>(spec: &S, calls: Calls<'_, S>, meter: &mut Meter) -> Judgement {
    match spec.decide(calls).map(|decided| decided.decision) {
        Some(Decision::Possible(order)) => Judgement::Possible(with_moments(calls, &order)),
        Some(Decision::Impossible(diagnosis)) => {
            Judgement::Impossible(Impossible::Conflict(diagnosis))
        }
        None => judge_from(spec, None, &entries(calls), meter),
    }
}

/// Each operation of an order happens as early as those before it allow.
fn with_moments<S: Spec>(calls: Calls<'_, S>, order: &[u32]) -> Vec<(Moment, usize)> {
    let operations = calls.history().operations();
    let mut now = 0;
    let mut happens = |&id: &u32| {
        let id = id as usize;
        now = (2 * operations[id].invoked as Moment + 1).max(now);
        (now, id)
    };
    order.iter().map(&mut happens).collect()
}

/// The calls, all at once.
pub(super) fn entries<S: Spec>(calls: Calls<'_, S>) -> Vec<Entry<S>> {
    calls
        .iter()
        .map(|called| Entry {
            id: called.id as usize,
            operation: called.operation,
            returned: called.returned,
            invoked: called.invoked as usize,
            completed: (called.completed != NEVER).then_some(called.completed as usize),
        })
        .collect()
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
            Judgement::Impossible(Impossible::Return(UnexplainedReturn {
                event: step.event,
                culprit: problem.timeline.ids[step.operation as usize],
                reasons: states.map(|&state| problem.explain(state, class)).collect(),
            }))
        }
    }
}
