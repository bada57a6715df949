//! Linearizability: does some order of the operations, one after another, explain what every client
//! saw, with each operation at one moment between its invocation and its return?
//!
//! Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990. Objects
//! under different keys are judged apart: a history is linearizable exactly if each object's is
//! (their theorem 1). The first event whose prefix is already impossible is exact, since prefixes of
//! linearizable histories are linearizable.
//!
//! In reading order: `objects` reads each operation once, and has those on each key judged: by the
//! specification's own algorithm, or else `judge` asks the search. That one sees numbers only, to which
//! operations are `compiled` once: a `catalogue` of classes, states and transitions, and a `problem` laid out
//! in time. What the numbers mean knows a `meaning`, which with `any_spec` is all of this that is there for
//! each specification anew. `search` says by which rules it goes, `walk` makes its moves, `choices` orders
//! them, and `memo` and `used` keep what it has visited. Of what is impossible, `prefix` finds the first bad
//! event, `minimise` the few operations that matter, since `unplaced` tells what an order of some leaves
//! unexplained, and `anomaly` the words. `merge` makes one order of those of all keys. `online` judges events
//! as they come, `order` an order that is given.

mod anomaly;
pub(crate) mod any_spec;
mod catalogue;
mod choices;
mod compiled;
mod configuration;
pub(crate) mod hashing;
mod index;
mod judge;
mod limits;
mod meaning;
mod memo;
mod merge;
mod minimise;
mod objects;
mod online;
mod open;
mod order;
pub(crate) mod places;
mod prefix;
mod problem;
mod search;
mod slots;
mod strategy;
mod trail;
pub(crate) mod unique;
mod unplaced;
mod used;
mod walk;

use crate::history::History;
use crate::spec::{DecodeError, Spec};
use crate::verdict::Verdict;
use any_spec::AnySpec;
use compiled::Compiled;
use judge::{Judged, Judgement};
use merge::{Order, merged};
use objects::{Court, Object, Objects};
use order::verify_by;
use prefix::BadPrefix;
use std::collections::BTreeMap;
use std::time::Instant;

pub use limits::Limits;
pub use online::{Online, OnlineError};
pub use order::{NotAnOrder, verify_order};
pub use strategy::{CheckError, Method, Report, Strategy, UnknownStrategy};

/// Judges a history by a specification, on one thread.
///
/// # Errors
/// Where the history holds an operation that the specification does not know.
pub fn check<S: Spec>(
    spec: &S,
    history: &History,
    limits: &Limits,
) -> Result<Verdict, DecodeError> {
    check_any(spec, history, limits)
}

fn check_any(
    spec: &dyn AnySpec,
    history: &History,
    limits: &Limits,
) -> Result<Verdict, DecodeError> {
    let method = Method {
        limits: limits.clone(),
        threads: 1,
        ..Method::default()
    };
    match check_any_with(spec, history, &method) {
        Ok(report) => Ok(report.verdict),
        Err(CheckError::Decode(error)) => Err(error),
        Err(CheckError::Disagreement { .. } | CheckError::BadOrder(_)) => {
            unreachable!("only cross-checks compare algorithms")
        }
    }
}

/// Judges a history by a specification as the method says.
///
/// # Errors
/// Where the history holds an operation that the specification does not know, and in a cross-check
/// where two algorithms disagree.
pub fn check_with<S: Spec>(
    spec: &S,
    history: &History,
    method: &Method<'_>,
) -> Result<Report, CheckError> {
    check_any_with(spec, history, method)
}

/// As [`check_with`].
pub(crate) fn check_any_with(
    spec: &dyn AnySpec,
    history: &History,
    method: &Method<'_>,
) -> Result<Report, CheckError> {
    let court = Court {
        spec,
        history,
        method,
        started: Instant::now(),
    };
    let objects = Objects::read(spec, history, method.asks_decider())?;
    let refused_order = match method
        .order
        .map(|order| (order, verify_by(spec, history, order)))
    {
        Some((order, Ok(()))) => return Ok(by_given_order(order, objects.all.len())),
        Some((_, Err(refusal))) => Some(refusal),
        None => None,
    };
    let (held, limit) = (history.bytes() as u64, method.limits.memory_bytes_max);
    if held > limit {
        let why =
            format!("the history alone takes {held} bytes of memory, and the limit is {limit}");
        return Ok(Report {
            verdict: Verdict::Unknown(why),
            decided_by: BTreeMap::new(),
            refused_order,
        });
    }
    let (judged, compiled) = court.judge_all(&objects)?;
    let mut decided_by = BTreeMap::new();
    for judged in &judged {
        *decided_by.entry(judged.algorithm).or_default() += 1;
    }
    Ok(Report {
        verdict: verdict(&court, objects.all, judged, compiled)?,
        decided_by,
        refused_order,
    })
}

fn by_given_order(order: &[usize], object_count: usize) -> Report {
    let mut decided_by = BTreeMap::new();
    *decided_by.entry("given-order").or_default() = object_count;
    Report {
        verdict: Verdict::Valid {
            witness: Some(order.to_vec()),
        },
        decided_by,
        refused_order: None,
    }
}

/// What was found of each object, and whose operations the search could not judge.
fn verdict<'a>(
    court: &Court<'a>,
    objects: Vec<Object>,
    judged: Vec<Judged>,
    mut compiled: Option<Compiled<'a>>,
) -> Result<Verdict, CheckError> {
    let event_count = court.history.events().len();
    let mut first_bad: Option<BadPrefix<'a>> = None;
    let mut unjudged: Vec<(Object, String, usize)> = Vec::new();
    let mut orders = Vec::new();
    for (object, Judged { judgement, .. }) in objects.into_iter().zip(judged) {
        match judgement {
            Judgement::Possible(order) => orders.push(order),
            Judgement::Exceeded { limit, event } => {
                let of_key = object.of_key();
                let why =
                    format!("the search{of_key} met {limit} after event {event} of {event_count}");
                unjudged.push((object, why, event));
            }
            Judgement::Impossible(impossible) => {
                let whole = BadPrefix {
                    event: event_count - 1,
                    impossible,
                    ids: object.ids,
                    compiled: compiled.take(),
                };
                let shortest = prefix::shorten(court, whole)?;
                if first_bad
                    .as_ref()
                    .is_none_or(|bad| shortest.event < bad.event)
                {
                    first_bad = Some(shortest);
                }
            }
        }
    }
    match (first_bad, unjudged.is_empty()) {
        (Some(bad), _) => invalid(court, bad, unjudged),
        (None, false) => Ok(Verdict::Unknown(unknown(unjudged))),
        (None, true) => valid(court, orders),
    }
}

/// The objects that could not be judged matter only as far as they might be impossible even earlier.
fn invalid<'a>(
    court: &Court<'a>,
    mut bad: BadPrefix<'a>,
    unjudged: Vec<(Object, String, usize)>,
) -> Result<Verdict, CheckError> {
    let mut doubts = Vec::new();
    for (object, why, event) in unjudged {
        if event >= bad.event {
            continue;
        }
        let mut compiled = None;
        match court.judge_until(&object.ids, bad.event, &mut compiled)? {
            Judgement::Possible(_) => {}
            Judgement::Exceeded { .. } => doubts.push(why),
            Judgement::Impossible(impossible) => {
                let earlier = BadPrefix {
                    event: bad.event - 1,
                    impossible,
                    ids: object.ids,
                    compiled,
                };
                bad = prefix::shorten(court, earlier)?;
            }
        }
    }
    let mut anomaly = anomaly::anomaly(court, bad)?;
    let doubts = doubts.into_iter();
    anomaly
        .explanation
        .extend(doubts.map(|why| format!("An earlier event may already be impossible: {why}.")));
    Ok(Verdict::Invalid(anomaly))
}

fn unknown(unjudged: Vec<(Object, String, usize)>) -> String {
    let more = unjudged.len() - 1;
    let mut reasons = unjudged.into_iter().map(|(_, why, _)| why);
    let why = reasons.next().unwrap_or_default();
    match more {
        0 => why,
        _ => format!("{why}; so did {more} more keys"),
    }
}

fn valid(court: &Court<'_>, orders: Vec<Order>) -> Result<Verdict, CheckError> {
    let witness = merged(orders, court.history);
    if court.method.strategy == Strategy::CrossCheck {
        verify_by(court.spec, court.history, &witness).map_err(CheckError::BadOrder)?;
    } else {
        debug_assert_eq!(verify_by(court.spec, court.history, &witness), Ok(()));
    }
    Ok(Verdict::Valid {
        witness: Some(witness),
    })
}
