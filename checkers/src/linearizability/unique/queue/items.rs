//! The values that were in a queue, and an order of them.
//!
//! Times here are *ticks*: event e is tick 2e, and tick 2e + 1 is the moment right after it.

use super::super::intervals::NONE;
use std::collections::VecDeque;

/// The first tick that no event has.
const TICKS_MAX: u32 = u32::MAX - 1;
/// When a value leaves the queue that left at some time after all returns.
pub(super) const LEAVES: u32 = TICKS_MAX;
/// When a value leaves the queue that never does.
pub(super) const STAYS: u32 = u32::MAX;

/// The tick of an event.
pub(super) fn tick(event: u32) -> u32 {
    assert!(
        event < TICKS_MAX / 2,
        "a queue's events are fewer than 2^31"
    );
    2 * event
}

/// The first and the last tick at which something can have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// A value that was in the queue. An empty answer is one too: what came and went at one moment, and
/// found nothing there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) enqueued: Window,
    pub(super) dequeued: Window,
    /// The operations that did it; [`NONE`] if none did.
    pub(super) enqueue: u32,
    pub(super) dequeue: u32,
}

impl Item {
    /// The ticks between which it was certainly in the queue, if any.
    pub(super) fn presence(&self) -> Option<(u32, u32)> {
        let (from, to) = (self.enqueued.last, self.dequeued.first);
        (from < to).then_some((from, to))
    }
}

/// The numbers of items in ascending order of some tick.
fn sorted_by(items: &[Item], tick: impl Fn(&Item) -> u32) -> Vec<u32> {
    let numbered = (0_u64..).zip(items);
    let mut keyed: Vec<u64> = numbered
        .map(|(number, item)| u64::from(tick(item)) << 32 | number)
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|key| key as u32).collect()
}

/// An order of the items in which each enters after all that certainly entered before it, and leaves
/// after all that certainly left before it; `None` if there is none.
pub(super) fn peel(items: &[Item]) -> Option<Vec<u32>> {
    let mut in_front = [
        Front::new(items, |item: &Item| item.enqueued),
        Front::new(items, |item: &Item| item.dequeued),
    ];
    // In how many of the two nothing that is left must come before it.
    let mut free_in = vec![0_u8; items.len()];
    let mut is_taken = vec![false; items.len()];
    let mut ready = VecDeque::new();
    let mut order = Vec::with_capacity(items.len());
    loop {
        for front in &mut in_front {
            front.advance(&is_taken, |freed| {
                free_in[freed as usize] += 1;
                if free_in[freed as usize] == 2 {
                    ready.push_back(freed);
                }
            });
        }
        if ready.is_empty() {
            return (order.len() == items.len()).then_some(order);
        }
        for taken in ready.drain(..) {
            is_taken[taken as usize] = true;
            order.push(taken);
        }
    }
}

/// What is left of the items, in one order of intervals.
struct Front<'a> {
    items: &'a [Item],
    of: fn(&Item) -> Window,
    by_first: Vec<u32>,
    by_last: Vec<u32>,
    /// How many of `by_first` nothing must precede any more.
    freed: usize,
    /// How many of `by_last` are taken, up to the first that is left.
    taken: usize,
}

impl<'a> Front<'a> {
    fn new(items: &'a [Item], of: fn(&Item) -> Window) -> Self {
        Self {
            items,
            by_first: sorted_by(items, |item| of(item).first),
            by_last: sorted_by(items, |item| of(item).last),
            of,
            freed: 0,
            taken: 0,
        }
    }

    fn advance(&mut self, is_taken: &[bool], mut free: impl FnMut(u32)) {
        let window = |item: u32| (self.of)(&self.items[item as usize]);
        while let Some(&next) = self.by_last.get(self.taken) {
            if !is_taken[next as usize] {
                let bound = window(next).last;
                while let Some(&next) = self.by_first.get(self.freed) {
                    if window(next).first > bound {
                        break;
                    }
                    free(next);
                    self.freed += 1;
                }
                return;
            }
            self.taken += 1;
        }
    }
}

/// The operations in an order, given that of the items.
pub(super) fn operations(items: &[Item], order: &[u32]) -> Vec<u32> {
    let mut operations = Vec::with_capacity(2 * order.len());
    // Each enters and leaves as early as what is before it allows.
    let entries = running(items, order, |item| item.enqueued.first);
    let exits = running(items, order, |item| item.dequeued.first);
    let (mut entered, mut left) = (0, 0);
    while entered < order.len() || left < entered {
        let leaves = left < entered && (entered == order.len() || exits[left] <= entries[entered]);
        let operation = if leaves {
            left += 1;
            items[order[left - 1] as usize].dequeue
        } else {
            entered += 1;
            items[order[entered - 1] as usize].enqueue
        };
        if operation != NONE {
            operations.push(operation);
        }
    }
    operations
}

/// The largest tick so far.
fn running(items: &[Item], order: &[u32], tick: impl Fn(&Item) -> u32) -> Vec<u32> {
    let mut largest = 0;
    let next = |&item: &u32| {
        largest = largest.max(tick(&items[item as usize]));
        largest
    };
    order.iter().map(next).collect()
}

/// Two items of which the first certainly entered before the second, and certainly left after it.
pub(super) fn out_of_order(items: &[Item]) -> Option<(u32, u32)> {
    let mut entered = sorted_by(items, |item| item.enqueued.last)
        .into_iter()
        .peekable();
    let mut last_to_leave: Option<u32> = None;
    let at = |item: u32| &items[item as usize];
    for second in sorted_by(items, |item| item.enqueued.first) {
        while let Some(first) =
            entered.next_if(|&first| at(first).enqueued.last < at(second).enqueued.first)
        {
            last_to_leave = last_to_leave
                .into_iter()
                .chain([first])
                .max_by_key(|&item| at(item).dequeued.first);
        }
        if let Some(first) = last_to_leave
            && at(first).dequeued.first > at(second).dequeued.last
        {
            return Some((first, second));
        }
    }
    None
}
