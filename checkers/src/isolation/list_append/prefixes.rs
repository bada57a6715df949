//! Which reads show something else than the beginning of the longest read of their list.
//!
//! This is where all elements of all reads are looked at: most of the work, done by two threads.

use super::transactions::{Known, MicroOperation, Transactions};
use super::versions::Versions;
use std::ops::Range;
use std::thread;

/// Fewer micro-operations than this are not worth a thread.
const WORTH_A_THREAD: u32 = 50_000;

/// The reads, in order, that are not the beginning of the longest read of their list.
pub(super) fn divergent(known: Known<'_>, versions: &Versions) -> Vec<u32> {
    let count = known.begun();
    let middle = count / 2;
    if known.transactions.operations_before(count) < WORTH_A_THREAD {
        return divergent_of(known, versions, 0..count);
    }
    thread::scope(|scope| {
        let second = scope.spawn(|| divergent_of(known, versions, middle..count));
        let mut divergent = divergent_of(known, versions, 0..middle);
        divergent.extend(second.join().expect("comparing does not panic"));
        divergent
    })
}

fn divergent_of(known: Known<'_>, versions: &Versions, transactions: Range<u32>) -> Vec<u32> {
    let all: &Transactions = known.transactions;
    let committed = transactions.filter(|&transaction| known.is_ok(transaction));
    let operations = committed.flat_map(|transaction| all.operations_of(transaction));
    let is_divergent = |&operation: &u32| match all.operation(operation) {
        MicroOperation::Read { key, list } => !is_beginning(list, versions.list(all, key)),
        _ => false,
    };
    operations.filter(is_divergent).collect()
}

fn is_beginning(list: &[u32], longest: &[u32]) -> bool {
    // Lists that share their place in memory need no look.
    std::ptr::eq(list.as_ptr(), longest.as_ptr()) || longest.starts_with(list)
}
