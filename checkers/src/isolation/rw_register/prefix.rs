//! The first event at which a history had become impossible.
//!
//! In the history up to an event, transactions that had not returned may have happened or not, and
//! reads of what had not yet been written say nothing. So a longer prefix only knows more, and the
//! first impossible one is found by halves.

use super::transactions::{NEVER, Transactions};

/// `is_bad` judges a prefix, or cannot tell, in which case nobody knows. O(log n) judgements.
pub(super) fn first_bad_event(
    all: &Transactions,
    is_bad: impl Fn(&Transactions) -> Option<bool>,
) -> Option<usize> {
    let mut events: Vec<u32> = all.completed.to_vec();
    events.retain(|&event| event != NEVER);
    events.sort_unstable();
    let (mut good, mut bad) = (0, events.len());
    while good < bad {
        let middle = good + (bad - good) / 2;
        if is_bad(&all.prefix(events[middle]))? {
            bad = middle;
        } else {
            good = middle + 1;
        }
    }
    events.get(bad).map(|&event| event as usize)
}
