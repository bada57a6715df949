//! How many bytes states take that are lists or trees of values.

use crate::history::Value;

/// A list with room for so many values.
pub(super) fn list_bytes<'v>(capacity: usize, values: impl Iterator<Item = &'v Value>) -> usize {
    capacity * size_of::<Value>() + values.map(Value::heap_bytes).sum::<usize>()
}

/// About what a tree of values takes, of which the nodes may be half empty.
pub(super) fn tree_bytes<'v>(values: impl Iterator<Item = &'v Value>) -> usize {
    let bytes = values.map(|value| 2 * size_of::<Value>() + value.heap_bytes());
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;
    use crate::specs::{
        AppendLog, CasRegister, CellOperation, FifoQueue, GrowOnlySet, GrowingOperation, KvMap,
        MultiRegister, PriorityQueue, QueueOperation, Register, Stack, Step, Transaction,
    };

    fn value() -> Value {
        "x".repeat(1000).into()
    }

    fn bytes<S: Spec>(spec: &S, operation: &S::Operation) -> usize {
        let Ok(after) = spec.step(&spec.initial(), operation, None) else {
            panic!("nothing forbids the first operation");
        };
        spec.state_bytes(&after)
    }

    #[test]
    fn every_state_is_as_large_as_what_it_holds() {
        let (add, put) = (GrowingOperation::Add(value()), QueueOperation::Put(value()));
        let write = CellOperation::Write(value());
        let held = [
            bytes(&AppendLog, &add),
            bytes(&GrowOnlySet, &add),
            bytes(&FifoQueue, &put),
            bytes(&Stack, &put),
            bytes(&PriorityQueue::default(), &put),
            bytes(&Register::default(), &write),
            bytes(&CasRegister::default(), &write),
            bytes(&KvMap::default(), &write),
        ];
        assert!(held.iter().all(|&bytes| bytes >= 1000), "{held:?}");
        let both = Transaction(vec![Step::Write(value(), value())]);
        assert!(bytes(&MultiRegister::default(), &both) >= 2000);
    }
}
