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
