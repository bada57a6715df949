//! The part of a history that speaks of some keys: what it forbids, the whole forbids.

use super::transactions::{MicroOperation, Transactions};

/// The transactions that visit any of the keys, with nothing but that; numbered anew, as the keys are.
/// Events keep their indices.
pub(super) fn project(transactions: &Transactions, keys: &[u32]) -> Transactions {
    const ABSENT: u32 = u32::MAX;
    let mut numbers = vec![ABSENT; transactions.key_count() as usize];
    for (number, &key) in (0..).zip(keys) {
        numbers[key as usize] = number;
    }
    let mut part = Transactions::default();
    for transaction in 0..transactions.count() {
        let operations = transactions.operations_of(transaction);
        let operations = operations.map(|operation| transactions.operation(operation));
        let mut visits = operations
            .map(|operation| (numbers[operation.key() as usize], operation))
            .filter(|&(key, _)| key != ABSENT)
            .peekable();
        if visits.peek().is_some() {
            part.begin(*transactions.header(transaction));
        }
        for (key, operation) in visits {
            match operation {
                MicroOperation::Append { element, .. } => part.append(key, element),
                MicroOperation::Read { list, .. } => part.read(key, list),
                MicroOperation::UnknownRead { .. } => part.unknown_read(key),
            }
        }
    }
    part
}

/// The keys that some transactions visit, ascending.
pub(super) fn keys_of(transactions: &Transactions, of: impl Iterator<Item = u32>) -> Vec<u32> {
    let operations = of.flat_map(|transaction| transactions.operations_of(transaction));
    let keys = operations.map(|operation| transactions.operation(operation).key());
    let mut keys: Vec<u32> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
