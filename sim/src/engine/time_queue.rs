//! A queue by time for a clock that never runs backwards.
//!
//! A few entries are a heap. Of a crowd, only what is due up to a *horizon* is sorted: a run that was
//! brought near in one go, and a heap of what has been added since. The rest lies [far](super::far), and
//! the run is lengthened before it ends, so that what comes next is known some way ahead.

use super::far::{Far, Key, time_of};
use super::heap::Heap;

/// With more than this, a heap becomes a crowd.
const CROWD: usize = 256;
/// How many entries are brought near and sorted at once, unless more are of one time.
const HANDFUL: usize = 64;
/// How long a run is at the least, while there is anything far.
const RUN_LEN_MIN: usize = 16;

/// Small values by time; those of one time by their tie-breaker.
#[derive(Debug)]
pub(super) struct TimeQueue<V> {
    /// What was added no later than the horizon.
    near: Heap<Key, V>,
    /// What has been brought near, sorted; what lies before `run_at` is gone.
    run: Vec<(Key, V)>,
    run_at: usize,
    /// Behind all that is near. The end of time, where nothing is far: unless there is a crowd, or once
    /// the run holds what never comes.
    horizon_ns: u64,
    far: Far<V>,
}

impl<V> Default for TimeQueue<V> {
    fn default() -> Self {
        Self {
            near: Heap::default(),
            run: Vec::new(),
            run_at: 0,
            horizon_ns: u64::MAX,
            far: Far::default(),
        }
    }
}

impl<V: Copy> TimeQueue<V> {
    pub(super) fn len(&self) -> usize {
        self.near.len() + (self.run.len() - self.run_at) + self.far.len()
    }

    #[inline]
    pub(super) fn push(&mut self, time_ns: u64, tie: u64, value: V) {
        let key = u128::from(time_ns) << 64 | u128::from(tie);
        if time_ns > self.horizon_ns {
            self.far.push(self.horizon_ns, key, value);
            return;
        }
        self.near.push(key, value);
        if self.near.len() > CROWD && self.horizon_ns == u64::MAX {
            self.part();
        }
    }

    /// The first entry, if it is due no later than `until_ns`, with its time.
    #[inline]
    pub(super) fn pop_until(&mut self, until_ns: u64) -> Option<(u64, V)> {
        let is_in_run = self.find_first();
        if !is_in_run {
            let time_ns = time_of(self.near.peek_key()?);
            if time_ns > until_ns {
                return None;
            }
            return self.near.pop().map(|(_, value)| (time_ns, value));
        }
        let (key, value) = self.run[self.run_at];
        let time_ns = time_of(key);
        if time_ns > until_ns {
            return None;
        }
        self.run_at += 1;
        Some((time_ns, value))
    }

    /// The first entry's time and tie-breaker.
    pub(super) fn peek(&mut self) -> Option<(u64, u64)> {
        let key = match self.find_first() {
            true => self.run[self.run_at].0,
            false => self.near.peek_key()?,
        };
        Some((time_of(key), key as u64))
    }

    /// What comes so many places behind the first, as far as that is known: of a crowd. More may come
    /// between.
    #[inline]
    pub(super) fn ahead(&self, places: usize) -> Option<V> {
        let entry = self.run.get(self.run_at + places);
        entry.map(|(_, value)| *value)
    }

    /// Keeps what `is_wanted` says.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(V) -> bool) {
        self.near.retain(&is_wanted);
        self.run.drain(..self.run_at);
        self.run_at = 0;
        self.run.retain(|(_, value)| is_wanted(*value));
        self.far.retain(self.horizon_ns, is_wanted);
    }

    /// Whether the first entry is that of the run, or else that of the heap, if there is any.
    #[inline]
    fn find_first(&mut self) -> bool {
        if self.horizon_ns == u64::MAX && self.run.is_empty() {
            return false;
        }
        self.find_first_of_crowd()
    }

    fn find_first_of_crowd(&mut self) -> bool {
        let run_len = self.run.len() - self.run_at;
        if run_len == 0 || (run_len < RUN_LEN_MIN && self.far.len() > 0) {
            self.lengthen_run();
        }
        match (self.run.get(self.run_at), self.near.peek_key()) {
            (Some((first, _)), Some(added)) => *first < added,
            (first, _) => first.is_some(),
        }
    }

    fn lengthen_run(&mut self) {
        self.run.drain(..self.run_at);
        self.run_at = 0;
        while self.run.len() < RUN_LEN_MIN && self.far.len() > 0 {
            let before = self.run.len();
            let far = &mut self.far;
            self.horizon_ns = far.bring_near(self.horizon_ns, HANDFUL, &mut self.run);
            self.run[before..].sort_unstable_by_key(|(key, _)| *key);
        }
        if self.run.is_empty() {
            self.horizon_ns = u64::MAX;
        }
    }

    /// Makes a crowd of all: all but what is due first is far from now on.
    #[cold]
    fn part(&mut self) {
        for (key, value) in self.run.drain(..).skip(std::mem::take(&mut self.run_at)) {
            self.near.push(key, value);
        }
        let Some(first) = self.near.peek_key() else {
            return;
        };
        self.horizon_ns = time_of(first);
        self.run.reserve(RUN_LEN_MIN + HANDFUL);
        let (far, horizon_ns) = (&mut self.far, self.horizon_ns);
        let horizon = u128::from(horizon_ns) << 64 | u128::from(u64::MAX);
        self.near
            .shed(horizon, |key, value| far.push(horizon_ns, key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed::Key as Draw;

    /// Pushes and pops at random, beside a sorted list: far and near, many of one time, few and many.
    #[test]
    fn it_pops_in_order_of_time_and_tie() {
        for seed in 0..100 {
            let scope = Draw::root(seed);
            let (mut queue, mut sorted) = (TimeQueue::default(), Vec::new());
            let mut now_ns = 0;
            let pushes_of_ten = scope.between(4, 9);
            for step in 0..3000 {
                let draw = scope.with(step);
                if draw.below(10) < pushes_of_ten {
                    let reach = 1 << draw.label("reach").below(64);
                    let time_ns = match draw.label("never").below(30) {
                        0 => u64::MAX,
                        _ => draw.label("time").below(reach).saturating_add(now_ns),
                    };
                    let tie = draw.label("tie").below(1000) * 10_000 + step;
                    queue.push(time_ns, tie, tie);
                    let at = sorted.partition_point(|entry| *entry < (time_ns, tie));
                    sorted.insert(at, (time_ns, tie));
                } else if draw.below(400) == 399 {
                    queue.retain(|tie| tie % 3 != 0);
                    sorted.retain(|(_, tie)| tie % 3 != 0);
                } else if sorted.is_empty() {
                    assert_eq!(queue.pop_until(u64::MAX), None);
                } else {
                    let (time_ns, tie) = sorted.remove(0);
                    if time_ns > now_ns {
                        assert_eq!(queue.pop_until(time_ns - 1), None);
                    }
                    assert_eq!(queue.peek(), Some((time_ns, tie)));
                    assert_eq!(queue.pop_until(time_ns), Some((time_ns, tie)));
                    now_ns = time_ns;
                }
                assert_eq!(queue.len(), sorted.len());
            }
        }
    }

    #[test]
    fn crowds_at_one_time_and_around_it_come_out_in_order() {
        let mut queue = TimeQueue::default();
        let mut sorted = Vec::new();
        for number in 0..3000 {
            let draw = Draw::root(number);
            let time_ns = 1_000_000_000 + draw.below(3) * draw.label("around").below(100_000);
            queue.push(time_ns, number, number);
            sorted.push((time_ns, number));
        }
        sorted.sort_unstable();
        for entry in sorted {
            assert_eq!(queue.pop_until(u64::MAX), Some(entry));
        }
        assert_eq!((queue.len(), queue.pop_until(u64::MAX)), (0, None));
    }

    /// A run that holds what never comes reaches to the end of time: nothing is far then, though a crowd
    /// may come after.
    #[test]
    fn a_crowd_comes_before_what_never_does() {
        let mut queue = TimeQueue::default();
        let mut sorted = Vec::new();
        let mut push = |queue: &mut TimeQueue<u64>, time_ns: u64, tie: u64| {
            queue.push(time_ns, tie, tie);
            sorted.push((time_ns, tie));
        };
        push(&mut queue, 0, 0);
        for tie in 1..=CROWD as u64 {
            push(&mut queue, if tie % 100 == 0 { u64::MAX } else { tie }, tie);
        }
        for _ in 0..CROWD - 2 {
            queue.pop_until(CROWD as u64);
        }
        assert_eq!((queue.len(), queue.horizon_ns), (3, u64::MAX));
        for tie in 1000..1000 + 2 * CROWD as u64 {
            push(&mut queue, tie, tie);
        }
        sorted.sort_unstable();
        for entry in sorted.split_off(CROWD - 2) {
            assert_eq!(queue.pop_until(u64::MAX), Some(entry));
        }
        assert_eq!(queue.len(), 0);
    }

    /// Of a crowd, what comes next is known.
    #[test]
    fn it_knows_what_is_ahead_of_a_crowd() {
        let mut queue = TimeQueue::default();
        queue.push(0, 0, 0);
        for number in 1..3000 {
            queue.push(Draw::root(number).between(1, 1 << 40), number, number);
        }
        // What the horizon was drawn at is no part of the run.
        queue.pop_until(0);
        while queue.len() > CROWD {
            queue.peek();
            let ahead: Vec<_> = (0..RUN_LEN_MIN).map(|place| queue.ahead(place)).collect();
            for value in ahead {
                assert_eq!(queue.pop_until(u64::MAX).map(|(_, value)| value), value);
            }
        }
    }
}
