//! One object's operations in, one judgement out.

use super::catalogue::{Catalogue, StateNumber};
use super::limits::{Exceeded, Meter};
use super::problem::{CONCURRENCY_MAX, Item, Problem};
use super::search::{Found, Search};
use super::trail::Moment;
use crate::spec::{Calls, Decision, Diagnosis, Spec};

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
        None => search(calls, meter),
    }
}

/// Each operation of an order happens as early as those before it allow.
fn with_moments<S: Spec>(calls: Calls<'_, S>, order: &[u32]) -> Vec<(Moment, usize)> {
    let operations = calls.history().operations();
    let mut now = 0;
    let mut happens = |&id: &u32| {
        let id = id as usize;
        now = (2 * operations.invoked(id) as Moment + 1).max(now);
        (now, id)
    };
    order.iter().map(&mut happens).collect()
}

/// Judges by the general search.
fn search<S: Spec>(calls: Calls<'_, S>, meter: &mut Meter) -> Judgement {
    let (mut catalogue, items) = compile(calls);
    let problem = match Problem::new(&catalogue, items) {
        Ok(problem) => problem,
        Err(limit) => return Judgement::Exceeded { limit, event: 0 },
    };
    match find(&problem, &mut catalogue, &[Catalogue::<S>::INITIAL], meter) {
        Found::Order(trail) => {
            let id = |number: u32| problem.items[number as usize].id as usize;
            let order = trail.in_order();
            Judgement::Possible(order.map(|(moment, number)| (moment, id(number))).collect())
        }
        Found::Exceeded { limit, step } => Judgement::Exceeded {
            limit,
            event: event(&problem, step),
        },
        Found::Impossible(frontier) => {
            let step = problem.steps[frontier.step as usize];
            let culprit = problem.items[step.operation() as usize];
            let reasons = frontier.states.iter().map(|&state| {
                let reason = catalogue.explain(state, culprit.class);
                format!("state {}: {reason}", catalogue.state(state))
            });
            Judgement::Impossible(Impossible::Return(UnexplainedReturn {
                event: culprit.completed as usize,
                culprit: culprit.id as usize,
                reasons: reasons.collect(),
            }))
        }
    }
}

fn event(problem: &Problem, step: u32) -> usize {
    let step = problem.steps.get(step as usize);
    step.map_or(0, |&step| problem.event(step) as usize)
}

/// The calls as numbers, and what the numbers mean.
pub(super) fn compile<'a, S: Spec>(calls: Calls<'a, S>) -> (Catalogue<'a, S>, Vec<Item>) {
    let mut catalogue = Catalogue::new(calls.spec());
    let mut items = Vec::with_capacity(calls.len_max());
    items.extend(calls.iter().map(|called| Item {
        id: called.id,
        class: catalogue.class_of(called.operation, called.returned),
        invoked: called.invoked,
        completed: called.completed,
    }));
    (catalogue, items)
}

/// Searches with sets as wide as the problem needs.
pub(super) fn find<S: Spec>(
    problem: &Problem,
    catalogue: &mut Catalogue<'_, S>,
    starts: &[StateNumber],
    meter: &mut Meter,
) -> Found {
    const WORDS_MAX: usize = CONCURRENCY_MAX as usize / 64;
    match problem.slot_count {
        0..=64 => Search::<S, 1>::new(problem, catalogue).run(starts, meter),
        65..=256 => Search::<S, 4>::new(problem, catalogue).run(starts, meter),
        _ => Search::<S, WORDS_MAX>::new(problem, catalogue).run(starts, meter),
    }
}
