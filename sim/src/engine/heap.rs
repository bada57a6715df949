//! A heap of four children to a parent, smallest key first.
//!
//! It is half as deep as a binary one, and the four children that are compared on the way down lie
//! in two cache lines (LaMarca and Ladner, "The Influence of Caches on the Performance of Heaps",
//! 1996). Keys are compared as one number, not field by field.

const CHILDREN: usize = 4;

/// A heap of small values. Values of equal keys come out in an order that depends on nothing but
/// the pushes and pops before.
#[derive(Debug)]
pub(super) struct Heap<K, V>(Vec<(K, V)>);

impl<K, V> Default for Heap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Copy + Ord, V: Copy> Heap<K, V> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn peek_key(&self) -> Option<K> {
        self.0.first().map(|(key, _)| *key)
    }

    #[inline]
    pub(super) fn push(&mut self, key: K, value: V) {
        self.0.push((key, value));
        let entries = self.0.as_mut_slice();
        let mut hole = entries.len() - 1;
        while hole > 0 {
            let parent = (hole - 1) / CHILDREN;
            if entries[parent].0 <= key {
                break;
            }
            entries[hole] = entries[parent];
            hole = parent;
        }
        entries[hole] = (key, value);
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<(K, V)> {
        let last = self.0.pop()?;
        let Some(first) = self.0.first().copied() else {
            return Some(last);
        };
        sink(&mut self.0, 0, last);
        Some(first)
    }

    /// Keeps what `is_wanted` says.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(V) -> bool) {
        self.0.retain(|(_, value)| is_wanted(*value));
        self.order();
    }

    /// Gives away what comes behind a key, in no order.
    pub(super) fn shed(&mut self, behind: K, mut take: impl FnMut(K, V)) {
        self.0.retain(|(key, value)| {
            let is_kept = *key <= behind;
            if !is_kept {
                take(*key, *value);
            }
            is_kept
        });
        self.order();
    }

    fn order(&mut self) {
        for hole in (0..self.0.len().div_ceil(CHILDREN)).rev() {
            let entry = self.0[hole];
            sink(&mut self.0, hole, entry);
        }
    }
}

/// Lets an entry sink from a hole to its place, and what is smaller rise.
#[inline]
fn sink<K: Copy + Ord, V: Copy>(entries: &mut [(K, V)], mut hole: usize, entry: (K, V)) {
    while let Some((smallest, key)) = smallest_child(entries, hole) {
        if entry.0 <= key {
            break;
        }
        entries[hole] = entries[smallest];
        hole = smallest;
    }
    entries[hole] = entry;
}

#[inline]
fn smallest_child<K: Copy + Ord, V>(entries: &[(K, V)], parent: usize) -> Option<(usize, K)> {
    let begin = parent * CHILDREN + 1;
    let children = entries.get(begin..)?;
    if let Some([a, b, c, d]) = children.first_chunk() {
        let left = if b.0 < a.0 { (1, b.0) } else { (0, a.0) };
        let right = if d.0 < c.0 { (3, d.0) } else { (2, c.0) };
        let (at, key) = if right.1 < left.1 { right } else { left };
        return Some((begin + at, key));
    }
    let few = children.iter().enumerate();
    few.map(|(at, (key, _))| (begin + at, *key))
        .min_by_key(|(_, key)| *key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed::Key;

    /// Pushes and pops in a random order, beside a sorted list.
    #[test]
    fn it_pops_in_order_of_key_whatever_is_done_to_it() {
        for seed in 0..200 {
            let scope = Key::root(seed);
            let mut heap = Heap::default();
            let mut sorted = Vec::new();
            for step in 0..200 {
                let draw = scope.with(step);
                if draw.below(3) > 0 {
                    let key = draw.label("key").below(50);
                    heap.push(key, key * 2);
                    sorted.push(key);
                    sorted.sort_unstable();
                } else if draw.below(40) == 0 {
                    heap.retain(|value| value % 4 == 0);
                    sorted.retain(|key| key % 2 == 0);
                } else if sorted.is_empty() {
                    assert_eq!(heap.pop(), None);
                } else {
                    let key = sorted.remove(0);
                    assert_eq!(heap.peek_key(), Some(key));
                    assert_eq!(heap.pop(), Some((key, key * 2)));
                }
                assert_eq!(heap.len(), sorted.len());
            }
        }
    }
}
