//! A queue by time for a clock that never runs backwards.
//!
//! What is due soon lies in a small heap; what is due behind its *horizon* lies in buckets, by the
//! highest bit in which its time differs from the horizon. As the heap runs dry, the first bucket is
//! emptied: into the heap if it holds little, else into the buckets below it. So an entry is moved a
//! few times, each time from one run of memory to another, where a heap of all entries would compare
//! and move it at places all over (Ahuja, Mehlhorn, Orlin and Tarjan, "Faster Algorithms for the
//! Shortest Path Problem", 1990, have radix heaps).

use super::heap::Heap;

/// A time in nanoseconds, and what orders entries of one time, in one number.
type Key = u128;

/// How many entries go into the heap at once.
const HANDFUL: usize = 16;
const BUCKETS: usize = u64::BITS as usize;

/// Small values by time; those of one time by their tie-breaker.
#[derive(Debug)]
pub(super) struct RadixQueue<V> {
    /// What is due no later than the horizon.
    near: Heap<Key, V>,
    horizon_ns: u64,
    /// What is due later. Each entry of a bucket is due before each of the next.
    far: [Vec<(Key, V)>; BUCKETS],
    /// Which buckets hold anything, a bit for each.
    occupied: u64,
    far_count: usize,
}

impl<V> Default for RadixQueue<V> {
    fn default() -> Self {
        Self {
            near: Heap::default(),
            horizon_ns: 0,
            // From the beginning, for most are first needed as the clock passes a power of two: what
            // a run holds does not grow then.
            far: std::array::from_fn(|_| Vec::with_capacity(HANDFUL)),
            occupied: 0,
            far_count: 0,
        }
    }
}

impl<V: Copy> RadixQueue<V> {
    pub(super) fn len(&self) -> usize {
        self.near.len() + self.far_count
    }

    #[inline]
    pub(super) fn push(&mut self, time_ns: u64, tie: u64, value: V) {
        let key = u128::from(time_ns) << 64 | u128::from(tie);
        if time_ns <= self.horizon_ns {
            self.near.push(key, value);
        } else {
            self.push_far(key, value);
        }
    }

    /// The first entry, if it is due no later than `until_ns`, with its time. To be asked when nothing
    /// [stands next in a crowd](Self::is_crowd_next).
    #[inline]
    pub(super) fn pop_until(&mut self, until_ns: u64) -> Option<(u64, V)> {
        let Some(key) = self.near.peek_key() else {
            return self.pop_single(until_ns);
        };
        if time_of(key) > until_ns {
            return None;
        }
        self.near.pop().map(|(key, value)| (time_of(key), value))
    }

    /// The same, where nothing is near and the first bucket holds one entry.
    #[inline]
    fn pop_single(&mut self, until_ns: u64) -> Option<(u64, V)> {
        let bucket = self.far.get_mut(self.occupied.trailing_zeros() as usize)?;
        let (key, value) = *bucket.first()?;
        assert_eq!(bucket.len(), 1, "a crowd is brought near first");
        if time_of(key) > until_ns {
            return None;
        }
        bucket.clear();
        self.occupied &= self.occupied - 1;
        self.far_count -= 1;
        self.horizon_ns = time_of(key);
        Some((self.horizon_ns, value))
    }

    /// Whether nothing is near, and the first bucket holds more than one entry.
    #[inline]
    pub(super) fn is_crowd_next(&self) -> bool {
        let first = self.occupied.trailing_zeros() as usize;
        self.near.len() == 0 && self.far.get(first).is_some_and(|bucket| bucket.len() > 1)
    }

    /// The first entry's time and tie-breaker. To be asked when no crowd is next.
    pub(super) fn peek(&self) -> Option<(u64, u64)> {
        let single = || {
            let bucket = self.far.get(self.occupied.trailing_zeros() as usize)?;
            bucket.first().map(|(key, _)| *key)
        };
        let key = self.near.peek_key().or_else(single)?;
        Some((time_of(key), key as u64))
    }

    /// What is near, in no order.
    pub(super) fn near(&self) -> impl Iterator<Item = V> {
        self.near.values()
    }

    /// Keeps what `is_wanted` says.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(V) -> bool) {
        self.near.retain(&is_wanted);
        (self.occupied, self.far_count) = (0, 0);
        for (index, bucket) in self.far.iter_mut().enumerate() {
            bucket.retain(|(_, value)| is_wanted(*value));
            self.occupied |= u64::from(!bucket.is_empty()) << index;
            self.far_count += bucket.len();
        }
    }

    /// The time is behind the horizon.
    #[inline]
    fn push_far(&mut self, key: Key, value: V) {
        let index = (time_of(key) ^ self.horizon_ns).ilog2();
        self.far[index as usize].push((key, value));
        self.occupied |= 1 << index;
        self.far_count += 1;
    }

    /// Moves the horizon on until something is near. To be done when a crowd is next.
    pub(super) fn bring_near(&mut self) {
        assert!(self.is_crowd_next());
        let index = self.occupied.trailing_zeros() as usize;
        self.occupied &= self.occupied - 1;
        let mut bucket = std::mem::take(&mut self.far[index]);
        self.far_count -= bucket.len();
        if bucket.len() <= HANDFUL {
            for (key, value) in bucket.drain(..) {
                self.horizon_ns = self.horizon_ns.max(time_of(key));
                self.near.push(key, value);
            }
        } else {
            self.spread(&bucket);
            bucket.clear();
        }
        self.far[index] = bucket;
    }

    /// Moves the horizon to the first of a bucket's entries, and the others into the buckets below.
    fn spread(&mut self, bucket: &[(Key, V)]) {
        let first = bucket.iter().map(|(key, _)| time_of(*key)).min();
        let horizon_ns = first.expect("an occupied bucket is not empty");
        let mut occupied = 0;
        for (key, value) in bucket {
            match (time_of(*key) ^ horizon_ns).checked_ilog2() {
                None => self.near.push(*key, *value),
                Some(index) => {
                    self.far[index as usize].push((*key, *value));
                    occupied |= 1 << index;
                }
            }
        }
        self.horizon_ns = horizon_ns;
        self.occupied |= occupied;
        self.far_count += bucket.len() - self.near.len();
    }
}

fn time_of(key: Key) -> u64 {
    (key >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed::Key as Draw;

    fn pop(queue: &mut RadixQueue<u64>, until_ns: u64) -> Option<(u64, u64)> {
        if queue.is_crowd_next() {
            queue.bring_near();
        }
        queue.pop_until(until_ns)
    }

    /// Pushes and pops at random, beside a sorted list: far and near, many of one time.
    #[test]
    fn it_pops_in_order_of_time_and_tie() {
        for seed in 0..200 {
            let scope = Draw::root(seed);
            let mut queue = RadixQueue::default();
            let mut sorted: Vec<(u64, u64)> = Vec::new();
            let mut now_ns = 0;
            for step in 0..400 {
                let draw = scope.with(step);
                if draw.below(5) < 3 {
                    let reach = 1 << draw.label("reach").below(63);
                    let time_ns = now_ns + draw.label("time").below(reach);
                    let entry = (time_ns, draw.label("tie").below(1000) * 1000 + step);
                    queue.push(entry.0, entry.1, entry.1);
                    sorted.push(entry);
                    sorted.sort_unstable();
                } else if draw.below(40) == 39 {
                    queue.retain(|tie| tie % 3 != 0);
                    sorted.retain(|(_, tie)| tie % 3 != 0);
                } else if sorted.is_empty() {
                    assert_eq!(pop(&mut queue, u64::MAX), None);
                } else {
                    let (time_ns, tie) = sorted.remove(0);
                    if time_ns > now_ns {
                        assert_eq!(pop(&mut queue, time_ns - 1), None);
                    }
                    assert_eq!(queue.peek(), Some((time_ns, tie)));
                    assert_eq!(pop(&mut queue, time_ns), Some((time_ns, tie)));
                    now_ns = time_ns.min(u64::MAX / 4);
                }
                assert_eq!(queue.len(), sorted.len());
            }
        }
    }

    /// More than a handful in one bucket are spread over those below.
    #[test]
    fn crowds_at_one_time_and_around_it_come_out_in_order() {
        let mut queue = RadixQueue::default();
        let mut sorted = Vec::new();
        for number in 0..1000 {
            let draw = Draw::root(number);
            let time_ns = 1_000_000_000 + draw.below(3) * draw.label("around").below(100_000);
            queue.push(time_ns, number, number);
            sorted.push((time_ns, number));
        }
        sorted.sort_unstable();
        for entry in sorted {
            assert_eq!(pop(&mut queue, u64::MAX), Some(entry));
        }
        assert_eq!((queue.len(), pop(&mut queue, u64::MAX)), (0, None));
    }
}
