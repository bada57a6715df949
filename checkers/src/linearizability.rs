//! Linearizability: does some order of the operations, one after another, explain what every client
//! saw, with each operation at one moment between its invocation and its return?
//!
//! Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990. Objects
//! under different keys are judged apart: a history is linearizable exactly if each object's is
//! (their theorem 1). The first event whose prefix is already impossible is exact, since prefixes of
//! linearizable histories are linearizable.

mod anomaly;
mod catalogue;
mod choices;
mod configuration;
mod hashing;
mod judge;
mod limits;
mod memo;
mod minimise;
mod open;
mod order;
mod prefix;
mod problem;
mod search;
mod slots;
mod trail;
mod used;
mod walk;

use crate::history::{History, Value};
use crate::spec::{Calls, DecodeError, Spec};
use crate::verdict::Verdict;
use judge::{Judgement, judge};
use limits::Meter;
use prefix::BadPrefix;
use std::collections::BTreeMap;

pub use limits::Limits;
pub use order::{NotAnOrder, verify_order};

/// Judges a history by a specification.
///
/// # Errors
/// Where the history holds an operation that the specification does not know.
pub fn check<S: Spec>(
    spec: &S,
    history: &History,
    limits: &Limits,
) -> Result<Verdict, DecodeError> {
    let mut meter = Meter::new(limits.clone());
    let objects = objects(spec, history)?;
    let mut end = history.events().len();
    let mut first_bad = None;
    let mut exceeded = None;
    let mut order = Vec::new();
    for (key, ids) in objects {
        // The other keys matter only as far as they might be impossible even earlier.
        let calls = Calls::new(spec, history, &ids).until(end);
        match judge(spec, calls, &mut meter) {
            Judgement::Possible(places) => order.extend(places),
            Judgement::Exceeded { limit, event } => {
                exceeded.get_or_insert_with(|| (limit, key.clone(), event));
            }
            Judgement::Impossible(impossible) => {
                let whole = BadPrefix {
                    event: end - 1,
                    impossible,
                    ids,
                };
                let shortest = prefix::shorten(spec, history, whole, &mut meter);
                end = shortest.event;
                first_bad = Some(shortest);
            }
        }
    }
    if let Some(bad) = first_bad {
        return Ok(Verdict::Invalid(anomaly::anomaly(spec, history, &bad)?));
    }
    if let Some((limit, key, event)) = exceeded {
        return Ok(Verdict::Unknown(not_judged(
            limit,
            key.as_ref(),
            event,
            history,
        )));
    }
    order.sort_by_key(|&(moment, _)| moment);
    let witness = order.into_iter().map(|(_, id)| id).collect::<Vec<usize>>();
    debug_assert_eq!(verify_order(spec, history, &witness), Ok(()));
    Ok(Verdict::Valid {
        witness: Some(witness),
    })
}

/// The ids of the operations on each key, in the order of their invocations.
fn objects<S: Spec>(
    spec: &S,
    history: &History,
) -> Result<BTreeMap<Option<Value>, Vec<u32>>, DecodeError> {
    let mut objects: BTreeMap<Option<Value>, Vec<u32>> = BTreeMap::new();
    for recorded in history.operations() {
        spec.decode(&recorded)?;
        let ids = objects.entry(spec.key(&recorded)).or_default();
        ids.push(recorded.id as u32);
    }
    Ok(objects)
}

fn not_judged(
    limit: limits::Exceeded,
    key: Option<&Value>,
    event: usize,
    history: &History,
) -> String {
    let of_key = key.map_or_else(String::new, |key| format!(" of key {key}"));
    let total = history.events().len();
    format!("the search{of_key} met {limit} after event {event} of {total}")
}
