//! The shortest prefix of a history that is impossible.
//!
//! A search of the whole history knows how operations end that are still open where it fails: that a
//! write will have failed, say. A prefix knows only what was known then, so it may become impossible
//! later, but never possible again.

use super::judge::{Judgement, judge};
use super::limits::Meter;
use super::objects;
use super::problem::Entry;
use crate::history::{History, Operation, Outcome, Value};
use crate::spec::{DecodeError, Spec};

/// A prefix of a history in which one key's operations are impossible.
pub(super) struct BadPrefix<S: Spec> {
    pub(super) key: Option<Value>,
    /// The prefix's last event, with which it became impossible.
    pub(super) event: usize,
    /// The key's operations in the prefix.
    pub(super) entries: Vec<Entry<S>>,
    /// What a search of the prefix met: the return that nothing explains, and whose it is.
    pub(super) unexplained: usize,
    pub(super) culprit: usize,
    pub(super) reasons: Vec<String>,
}

/// The operations of the first `end` events. Nobody knows how those end that are still open there.
pub(super) fn operations_until(history: &History, end: usize) -> Vec<Operation> {
    let begun = history
        .operations()
        .iter()
        .take_while(|operation| operation.invoked < end);
    begun
        .map(|operation| match operation.completed {
            Some(completed) if completed >= end => Operation {
                outcome: Outcome::Info,
                completed: None,
                ..operation.clone()
            },
            _ => operation.clone(),
        })
        .collect()
}

/// The shortest impossible prefix of an impossible one, unless the limits are met on the way.
pub(super) fn shorten<S: Spec>(
    spec: &S,
    history: &History,
    mut shortest: BadPrefix<S>,
    meter: &mut Meter,
) -> Result<BadPrefix<S>, DecodeError> {
    // The search explained everything before this event; mostly, its return makes the difference.
    let mut possible = shortest.unexplained;
    let mut end = possible + 1;
    while possible < shortest.event {
        match bad_prefix(spec, history, &shortest.key, end, meter)? {
            Some(prefix) => shortest = prefix,
            None => possible = end,
        }
        end = possible + (shortest.event + 1 - possible).div_ceil(2);
    }
    Ok(shortest)
}

/// The prefix of the first `end` events, if it is impossible.
fn bad_prefix<S: Spec>(
    spec: &S,
    history: &History,
    key: &Option<Value>,
    end: usize,
    meter: &mut Meter,
) -> Result<Option<BadPrefix<S>>, DecodeError> {
    let mut objects = objects(spec, &operations_until(history, end))?;
    let entries = objects.remove(key).unwrap_or_default();
    Ok(match judge(spec, &entries, meter) {
        Judgement::Impossible {
            event,
            culprit,
            reasons,
        } => Some(BadPrefix {
            key: key.clone(),
            event: end - 1,
            entries,
            unexplained: event,
            culprit,
            reasons,
        }),
        Judgement::Possible(_) | Judgement::Exceeded { .. } => None,
    })
}
