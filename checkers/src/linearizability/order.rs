//! Checks an order that is said to explain a history, without any search.

use super::any_spec::AnySpec;
use super::places::Places;
use crate::history::{History, Operations};
use crate::spec::Spec;
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
    verify_by(spec, history, order)
}

pub(super) fn verify_by(
    spec: &dyn AnySpec,
    history: &History,
    order: &[usize],
) -> Result<(), NotAnOrder> {
    verify_each_once(spec, history, order)?;
    verify_time(history.operations(), order)?;
    replay(spec, history.operations(), order)
}

/// Each at most once, nothing that did not happen, and everything that did.
fn verify_each_once(
    spec: &dyn AnySpec,
    history: &History,
    order: &[usize],
) -> Result<(), NotAnOrder> {
    let mut is_placed = vec![false; history.operations().len()];
    for &id in order {
        let is_placed = is_placed.get_mut(id).ok_or(NotAnOrder::DidNotHappen(id))?;
        if std::mem::replace(is_placed, true) {
            return Err(NotAnOrder::Twice(id));
        }
    }
    let left_out = (0..is_placed.len()).filter(|&id| !is_placed[id]);
    for id in left_out {
        if let Ok(Some(true)) = spec.is_certain(&history.operation(id)) {
            return Err(NotAnOrder::Missing(id));
        }
    }
    Ok(())
}

fn verify_time(operations: Operations<'_>, order: &[usize]) -> Result<(), NotAnOrder> {
    let mut last_invoked: Option<(usize, usize)> = None;
    for operation in order.iter().filter_map(|&id| operations.get(id)) {
        let (id, invoked) = (operation.id, operation.invoked);
        match (last_invoked, operation.completed) {
            (Some((last, event)), Some(completed)) if completed < event => {
                return Err(NotAnOrder::AgainstTime {
                    earlier: last,
                    later: id,
                });
            }
            _ => {}
        }
        if last_invoked.is_none_or(|(_, event)| event < invoked) {
            last_invoked = Some((id, invoked));
        }
    }
    Ok(())
}

fn replay(
    spec: &dyn AnySpec,
    operations: Operations<'_>,
    order: &[usize],
) -> Result<(), NotAnOrder> {
    let mut places = Places::new(spec, operations);
    let mut replay = spec.replay();
    for recorded in order.iter().filter_map(|&id| operations.get(id)) {
        let id = recorded.id;
        let done = replay.step(places.of(id), &recorded);
        done.map_err(|reason| match reason {
            Some(reason) => NotAnOrder::Impossible { id, reason },
            None => NotAnOrder::DidNotHappen(id),
        })?;
    }
    Ok(())
}
