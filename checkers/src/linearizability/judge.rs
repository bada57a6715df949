//! One object's operations in, one judgement out.

use super::any_spec::AnySpec;
use super::catalogue::{Catalogue, StateNumber};
use super::limits::{Exceeded, Meter};
use super::merge::Order;
use super::problem::{CONCURRENCY_MAX, Item, Problem};
use super::search::{Found, Search};
use super::strategy::{CheckError, Strategy};
use crate::spec::{Decided, Decision, Diagnosis, NEVER, Recorded};

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
/// own may have decided.
pub(super) fn judge(
    spec: &dyn AnySpec,
    strategy: Strategy,
    decided: Option<Decided>,
    recorded: Recorded<'_>,
    meter: &mut Meter,
) -> Result<Judged, Disagreement> {
    match (decided, strategy) {
        (None, Strategy::Special) => Ok(Judged {
            judgement: Judgement::Exceeded {
                limit: Exceeded::NoSpecialAlgorithm,
                event: 0,
            },
            algorithm: "none",
        }),
        (None, _) => Ok(Judged {
            judgement: search(spec, recorded, meter),
            algorithm: "search",
        }),
        (Some(decided), Strategy::CrossCheck) => cross_check(decided, spec, recorded, meter),
        (Some(decided), _) => Ok(by_decision(decided)),
    }
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
    let searched = search(spec, recorded, meter);
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

/// Judges by the general search.
fn search(spec: &dyn AnySpec, recorded: Recorded<'_>, meter: &mut Meter) -> Judgement {
    let compiled = compile(spec, recorded, meter);
    let laid_out = compiled.and_then(|(catalogue, items)| {
        let problem = Problem::new(&catalogue, items)?;
        Ok((catalogue, problem))
    });
    let (mut catalogue, problem) = match laid_out {
        Ok(laid_out) => laid_out,
        Err(limit) => return Judgement::Exceeded { limit, event: 0 },
    };
    match find(&problem, &mut catalogue, &[Catalogue::INITIAL], meter) {
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
    }
}

fn event(problem: &Problem, step: u32) -> usize {
    let step = problem.steps.get(step as usize);
    step.map_or(0, |&step| problem.event(step) as usize)
}

/// The operations as numbers, and what the numbers mean.
///
/// # Errors
/// Where they do not fit into the memory.
pub(super) fn compile<'a>(
    spec: &'a dyn AnySpec,
    recorded: Recorded<'_>,
    meter: &Meter,
) -> Result<(Catalogue<'a>, Vec<Item>), Exceeded> {
    let problem_bytes = Problem::bytes_of(recorded.len_max());
    meter.reserve(problem_bytes)?;
    let mut catalogue = Catalogue::new(spec.meaning(), meter.bytes_max());
    let mut items = Vec::with_capacity(recorded.len_max());
    for operation in recorded.iter() {
        let Some((class, is_certain)) = catalogue.class_of(&operation) else {
            continue;
        };
        meter.reserve(problem_bytes + catalogue.bytes())?;
        let completed = operation.completed.filter(|_| is_certain);
        items.push(Item {
            id: operation.id as u32,
            class,
            invoked: operation.invoked as u32,
            completed: completed.map_or(NEVER, |completed| completed as u32),
        });
    }
    Ok((catalogue, items))
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
