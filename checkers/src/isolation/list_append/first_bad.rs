//! The first event with which a history is impossible.
//!
//! What completes later may have happened or not; a history that is possible stays so when less is
//! known of it. So a binary search finds the event.

use super::judge::{self, Judgement};
use super::transactions::{Known, Transactions};
use super::versions::Appends;
use super::{ListAppendOptions, judge::judge};
use crate::isolation::cycles::CycleLimits;

/// The index of the first event whose prefix the model forbids; `None` if that would take more work
/// than the options allow.
pub(super) fn first_bad_event(
    transactions: &Transactions,
    appends: &Appends,
    options: &ListAppendOptions,
) -> Option<usize> {
    let mut events = completions(transactions);
    let rounds = u64::from(usize::BITS - events.len().leading_zeros());
    let size = transactions.elements_read() + u64::from(transactions.operation_count());
    if rounds * size > options.prefix_work {
        return None;
    }
    events.sort_unstable();
    // Whether there is a cycle is asked, not how short it can be.
    let limits = CycleLimits {
        shorten_edges: 0,
        ..options.limits
    };
    let first = events.partition_point(|&event| {
        let known = Known {
            transactions,
            until: event + 1,
        };
        let found: Judgement = judge(known, appends, options.model, &limits);
        !judge::is_broken(&found, options.model)
    });
    events.get(first).map(|&event| event as usize)
}

fn completions(transactions: &Transactions) -> Vec<u32> {
    let headers = (0..transactions.count()).map(|transaction| transactions.header(transaction));
    let completions = headers.map(|header| header.completed);
    completions.filter(|&event| event != u32::MAX).collect()
}
