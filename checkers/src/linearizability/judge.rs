//! One object's operations in, one judgement out.

use super::any_spec::AnySpec;
use super::catalogue::{Catalogue, StateNumber};
use super::compiled::Compiled;
use super::limits::{Exceeded, Meter};
use super::merge::Order;
use super::problem::{CONCURRENCY_MAX, Item, Problem};
use super::search::{Found, Search};
use super::strategy::{CheckError, Strategy};
use crate::spec::{Decided, Decision, Diagnosis, Recorded};

pub(super) enum Judgement {
    Possible(Order),
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

/// A judgement, and whose it is.
pub(super) struct Judged {
    pub(super) judgement: Judgement,
    /// The name of the algorithm.
    pub(super) algorithm: &'static str,
}

impl Judged {
    pub(super) fn is_out_of_memory(&self) -> bool {
        let limit = match &self.judgement {
            Judgement::Exceeded { limit, .. } => limit,
            Judgement::Possible(_) | Judgement::Impossible(_) => return false,
        };
        matches!(limit, Exceeded::MemoryBytes(_))
    }
}

/// That two algorithms do not agree.
pub(super) struct Disagreement {
    pub(super) special: &'static str,
    pub(super) special_says: String,
}

impl Disagreement {
    /// As an error, of ` of key …` or the like.
    pub(super) fn told(self, of_key: String) -> CheckError {
        CheckError::Disagreement {
            of_key,
            special: self.special,
            special_says: self.special_says,
        }
    }
}

/// Judges operations on an object in its initial state, of which an algorithm of the specification's
/// own may have decided. What they were compiled to is left where another search may need it.
pub(super) fn judge<'a>(
    spec: &'a dyn AnySpec,
    strategy: Strategy,
    decided: Option<Decided>,
    recorded: Recorded<'_>,
    meter: &mut Meter,
) -> Result<(Judged, Option<Compiled<'a>>), Disagreement> {
    let judged = match (decided, strategy) {
        (None, Strategy::Special) => Judged {
            judgement: Judgement::Exceeded {
                limit: Exceeded::NoSpecialAlgorithm,
                event: 0,
            },
            algorithm: "none",
        },
        (None, _) => {
            let (judgement, compiled) = search(spec, recorded, meter);
            let judged = Judged {
                judgement,
                algorithm: "search",
            };
            // A cross-check asks both algorithms again of every part of the operations.
            return Ok((
                judged,
                compiled.filter(|_| strategy != Strategy::CrossCheck),
            ));
        }
        (Some(decided), Strategy::CrossCheck) => cross_check(decided, spec, recorded, meter)?,
        (Some(decided), _) => by_decision(decided),
    };
    Ok((judged, None))
}

fn by_decision(decided: Decided) -> Judged {
    let judgement = match decided.decision {
        Decision::Possible(order) => Judgement::Possible(Order::Early(order)),
        Decision::Impossible(diagnosis) => Judgement::Impossible(Impossible::Conflict(diagnosis)),
    };
    Judged {
        judgement,
        algorithm: decided.algorithm,
    }
}

/// Asks the search whether it says the same, within its limits.
fn cross_check(
    decided: Decided,
    spec: &dyn AnySpec,
    recorded: Recorded<'_>,
    meter: &mut Meter,
) -> Result<Judged, Disagreement> {
    let (searched, _) = search(spec, recorded, meter);
    let special_says = match (&decided.decision, &searched) {
        (_, Judgement::Exceeded { .. })
        | (Decision::Possible(_), Judgement::Possible(_))
        | (Decision::Impossible(_), Judgement::Impossible(_)) => {
            return Ok(by_decision(decided));
        }
        (Decision::Possible(_), _) => "possible".to_owned(),
        (Decision::Impossible(diagnosis), _) => format!("impossible ({})", diagnosis.sentence),
    };
    Err(Disagreement {
        special: decided.algorithm,
        special_says,
    })
}

/// Judges by the general search. Where they are impossible, others may search the same operations.
fn search<'a>(
    spec: &'a dyn AnySpec,
    recorded: Recorded<'_>,
    meter: &mut Meter,
) -> (Judgement, Option<Compiled<'a>>) {
    let Compiled {
        mut catalogue,
        items,
    } = match Compiled::new(spec, recorded, meter) {
        Ok(compiled) => compiled,
        Err(limit) => return (Judgement::Exceeded { limit, event: 0 }, None),
    };
    match judge_items(&mut catalogue, items, meter) {
        (judgement @ Judgement::Impossible(_), items) => {
            (judgement, Some(Compiled { catalogue, items }))
        }
        (judgement, _) => (judgement, None),
    }
}

/// Judges operations by the general search, and gives those back that it looked at.
pub(super) fn judge_items(
    catalogue: &mut Catalogue<'_>,
    items: Vec<Item>,
    meter: &mut Meter,
) -> (Judgement, Vec<Item>) {
    let problem = match Problem::new(catalogue, items) {
        Ok(problem) => problem,
        Err(limit) => return (Judgement::Exceeded { limit, event: 0 }, Vec::new()),
    };
    let judgement = match find(&problem, catalogue, &[Catalogue::INITIAL], meter) {
        Found::Order(trail) => {
            let id = |number: u32| problem.items[number as usize].id;
            let order = trail.in_order();
            let timed = order.map(|(moment, number)| (moment, id(number)));
            Judgement::Possible(Order::Timed(timed.collect()))
        }
        Found::Exceeded { limit, step } => Judgement::Exceeded {
            limit,
            event: event(&problem, step),
        },
        Found::Impossible(frontier) => {
            let step = problem.steps[frontier.step as usize];
            let culprit = problem.items[step.operation() as usize];
            let states = frontier.states.iter();
            let reasons = states.map(|&state| catalogue.explain(state, culprit.class));
            Judgement::Impossible(Impossible::Return(UnexplainedReturn {
                event: culprit.completed as usize,
                culprit: culprit.id as usize,
                reasons: reasons.collect(),
            }))
        }
    };
    (judgement, problem.items)
}

fn event(problem: &Problem, step: u32) -> usize {
    let step = problem.steps.get(step as usize);
    step.map_or(0, |&step| problem.event(step) as usize)
}

/// Searches with sets as wide as the problem needs.
pub(super) fn find(
    problem: &Problem,
    catalogue: &mut Catalogue<'_>,
    starts: &[StateNumber],
    meter: &mut Meter,
) -> Found {
    const WORDS_MAX: usize = CONCURRENCY_MAX as usize / 64;
    match problem.slot_count {
        0..=64 => Search::<1>::new(problem, catalogue).run(starts, meter),
        65..=256 => Search::<4>::new(problem, catalogue).run(starts, meter),
        _ => Search::<WORDS_MAX>::new(problem, catalogue).run(starts, meter),
    }
}
