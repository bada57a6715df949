//! The first event at which a history of registers had become impossible.
//!
//! In the history up to an event, transactions that had not returned may have happened or not, and
//! reads of what had not yet been written say nothing. So a longer prefix only knows more.

use super::transactions::{NEVER, Transactions};
use crate::isolation::first_bad::{self, Prefix};

/// All prefixes together may have so many transactions.
const JUDGED_AT_MOST: usize = 5_000_000;

/// What is found in a prefix.
pub(super) enum Found {
    Nothing,
    /// Something that may be certain since this event.
    Impossible {
        since: Option<usize>,
    },
    Unknown,
}

/// `judge` judges a prefix; `since` is when what was found in the whole history may have become certain.
/// `None` if some prefix cannot be judged, or that would be too much work.
pub(super) fn first_bad_event(
    all: &Transactions,
    since: Option<usize>,
    judge: impl Fn(&Transactions) -> Found,
) -> Option<usize> {
    let mut events: Vec<u32> = all.completed.to_vec();
    events.retain(|&event| event != NEVER);
    events.sort_unstable();
    let mut judged = 0;
    let mut judge = |event| {
        let prefix = all.prefix(event);
        judged += prefix.len();
        if judged > JUDGED_AT_MOST {
            return Found::Unknown;
        }
        judge(&prefix)
    };
    let last = *events.last()?;
    let since = certain_since(since, last, &mut judge)?;
    first_bad::first_bad_event(&events, since, &mut |event| match judge(event) {
        Found::Nothing => Prefix::Possible,
        Found::Unknown => Prefix::Unknown,
        Found::Impossible { since } => match certain_since(since, event, &mut judge) {
            Some(since) => Prefix::Impossible { since },
            None => Prefix::Unknown,
        },
    })
}

/// `since` if the history up to that event is impossible, else `event`, up to which it is.
fn certain_since(
    since: Option<usize>,
    event: u32,
    judge: &mut impl FnMut(u32) -> Found,
) -> Option<u32> {
    let since = since.map_or(event, |since| since as u32);
    if since >= event {
        return Some(event);
    }
    match judge(since) {
        Found::Nothing => Some(event),
        Found::Impossible { .. } => Some(since),
        Found::Unknown => None,
    }
}
