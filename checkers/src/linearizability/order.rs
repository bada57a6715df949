//! Checks an order that is said to explain a history, without any search.

use super::entry;
use crate::history::{History, Operation, Value};
use crate::spec::Spec;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why an order does not explain a history.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotAnOrder {
    #[error("operation {0} is in the order, but did not happen or is none of the history")]
    DidNotHappen(usize),
    #[error("operation {0} is in the order twice")]
    Twice(usize),
    #[error("operation {0} happened, but is not in the order")]
    Missing(usize),
    #[error("operation {later} returned before operation {earlier} began, but comes after it")]
    AgainstTime { earlier: usize, later: usize },
    #[error("operation {id} cannot happen where it stands: {reason}")]
    Impossible { id: usize, reason: String },
}

/// Whether the history's operations can have happened in the order of these ids, one after another.
///
/// # Errors
/// What is wrong with the order.
pub fn verify_order<S: Spec>(
    spec: &S,
    history: &History,
    order: &[usize],
) -> Result<(), NotAnOrder> {
    verify_each_once(spec, history, order)?;
    verify_time(history.operations(), order)?;
    replay(spec, history.operations(), order)
}

fn verify_each_once<S: Spec>(
    spec: &S,
    history: &History,
    order: &[usize],
) -> Result<(), NotAnOrder> {
    let mut is_placed = vec![false; history.operations().len()];
    for &id in order {
        let is_placed = is_placed.get_mut(id).ok_or(NotAnOrder::DidNotHappen(id))?;
        if *is_placed {
            return Err(NotAnOrder::Twice(id));
        }
        *is_placed = true;
    }
    for (recorded, is_placed) in history.operations().iter().zip(is_placed) {
        let known = spec
            .decode(recorded)
            .ok()
            .and_then(|decoded| entry::<S>(decoded, recorded));
        match known {
            None if is_placed => return Err(NotAnOrder::DidNotHappen(recorded.id)),
            Some(entry) if entry.completed.is_some() && !is_placed => {
                return Err(NotAnOrder::Missing(recorded.id));
            }
            _ => {}
        }
    }
    Ok(())
}

fn verify_time(operations: &[Operation], order: &[usize]) -> Result<(), NotAnOrder> {
    let mut last_invoked: Option<&Operation> = None;
    for operation in order.iter().map(|&id| &operations[id]) {
        match (last_invoked, operation.completed) {
            (Some(last), Some(completed)) if completed < last.invoked => {
                return Err(NotAnOrder::AgainstTime {
                    earlier: last.id,
                    later: operation.id,
                });
            }
            _ => {}
        }
        if last_invoked.is_none_or(|last| last.invoked < operation.invoked) {
            last_invoked = Some(operation);
        }
    }
    Ok(())
}

fn replay<S: Spec>(spec: &S, operations: &[Operation], order: &[usize]) -> Result<(), NotAnOrder> {
    let mut states: BTreeMap<Option<Value>, S::State> = BTreeMap::new();
    for recorded in order.iter().map(|&id| &operations[id]) {
        let decoded = spec.decode(recorded).ok();
        let entry = decoded.and_then(|decoded| entry::<S>(decoded, recorded));
        let entry = entry.ok_or(NotAnOrder::DidNotHappen(recorded.id))?;
        let state = states
            .entry(spec.key(recorded))
            .or_insert_with(|| spec.initial());
        *state = spec
            .step(state, &entry.operation, entry.returned.as_ref())
            .map_err(|reason| NotAnOrder::Impossible {
                id: recorded.id,
                reason: reason.into_owned(),
            })?;
    }
    Ok(())
}
