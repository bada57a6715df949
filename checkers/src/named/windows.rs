//! Operations by the windows of time in which they were invoked.

use super::recovery::Share;
use crate::history::{History, Operation, Outcome};
use std::collections::BTreeMap;

/// The operations invoked in a window of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub start_ns: u64,
    pub end_ns: u64,
    pub invoked: u64,
    pub succeeded: u64,
    /// The ids of the first of the others.
    pub others: Vec<usize>,
}

impl Window {
    /// Whether enough operations succeeded.
    ///
    /// # Panics
    /// If the share is more than the whole or of nothing.
    pub fn is_served(&self, share: Share) -> bool {
        share.is_met(self.succeeded, self.invoked)
    }

    fn add(&mut self, operation: Operation<'_>) {
        const TOLD_MAX: usize = 16;
        self.invoked += 1;
        if operation.outcome == Outcome::Ok {
            self.succeeded += 1;
        } else if self.others.len() < TOLD_MAX {
            self.others.push(operation.id);
        }
    }
}

/// The windows from a time on in which something was invoked, in order. One that reaches beyond the last
/// event is left out, and so is an operation that was still open at the end and had been so for less than
/// a window's time.
///
/// # Panics
/// If the window is zero.
pub(super) fn windows(history: &History, start_ns: u64, window_ns: u64) -> Vec<Window> {
    assert!(window_ns > 0, "a window lasts for some time");
    let times = history.events().iter().map(|event| event.time_ns);
    let end_ns = times.max().unwrap_or(0);
    let mut windows: BTreeMap<u64, Window> = BTreeMap::new();
    for operation in history.operations() {
        let Some(since_ns) = operation.invoked_ns.checked_sub(start_ns) else {
            continue;
        };
        let number = since_ns / window_ns;
        let window_start_ns = start_ns + number * window_ns;
        let is_whole = end_ns - window_start_ns >= window_ns;
        let is_open = operation.completed_ns.is_none();
        let says_nothing = is_open && end_ns - operation.invoked_ns < window_ns;
        if is_whole && !says_nothing {
            let window = windows.entry(number).or_default();
            window.start_ns = window_start_ns;
            window.end_ns = window_start_ns + window_ns;
            window.add(operation);
        }
    }
    windows.into_values().collect()
}
