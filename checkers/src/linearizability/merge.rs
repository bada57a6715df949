//! The orders of several objects' operations as one.
//!
//! How much happens after each event is counted, and then each operation takes its place: linear in time.
//! That is done for some thousand events after the other, so that what is looked into stays small.

use super::trail::Moment;
use crate::history::{History, Operations};

/// In which order operations, by their ids, can have happened.
pub(super) enum Order {
    /// Each at a moment.
    Timed(Vec<(Moment, u32)>),
    /// Each as early as those before it allow.
    Early(Vec<u32>),
}

impl Order {
    fn into_ids(self) -> Vec<usize> {
        match self {
            Self::Timed(order) => order.into_iter().map(|(_, id)| id as usize).collect(),
            Self::Early(order) => order.into_iter().map(|id| id as usize).collect(),
        }
    }

    fn get(&self, place: usize) -> Option<(Moment, u32)> {
        match self {
            Self::Timed(order) => order.get(place).copied(),
            Self::Early(order) => Some((0, *order.get(place)?)),
        }
    }
}

/// An order, as far as it has been gone through.
struct Cursor<'a> {
    order: &'a Order,
    next: usize,
    /// No operation happens earlier than the one before it.
    now: Moment,
}

impl Cursor<'_> {
    /// The next operation, and the event after which it happens, unless that is one from `end` on.
    fn next_before(&mut self, operations: Operations<'_>, end: usize) -> Option<(usize, u32)> {
        let (moment, id) = self.order.get(self.next)?;
        let invoked = 2 * operations.invoked(id as usize) as Moment + 1;
        let now = self.now.max(moment).max(invoked);
        let event = now as usize / 2;
        if event >= end {
            return None;
        }
        self.now = now;
        self.next += 1;
        Some((event, id))
    }
}

/// All operations in one order.
pub(super) fn merged(mut orders: Vec<Order>, history: &History) -> Vec<usize> {
    const EVENTS_AT_ONCE: usize = 1 << 14;
    if orders.len() < 2 {
        return orders.pop().map_or_else(Vec::new, Order::into_ids);
    }
    let (operations, event_count) = (history.operations(), history.events().len());
    let cursors = orders.iter().map(|order| Cursor {
        order,
        next: 0,
        now: 0,
    });
    let mut cursors: Vec<Cursor<'_>> = cursors.collect();
    // Where there are many orders, it must be worth while to look at each of them.
    let step = EVENTS_AT_ONCE.max(16 * orders.len()).min(event_count + 1);
    let mut witness = Vec::with_capacity(operations.len());
    let mut places = vec![0_u32; step];
    let mut happened: Vec<(usize, u32)> = Vec::new();
    for start in (0..event_count).step_by(step) {
        happened.clear();
        for cursor in &mut cursors {
            let next = || cursor.next_before(operations, start + step);
            happened.extend(std::iter::from_fn(next));
        }
        places.fill(0);
        happened
            .iter()
            .for_each(|&(event, _)| places[event - start] += 1);
        let mut place = witness.len() as u32;
        for count in &mut places {
            place += std::mem::replace(count, place);
        }
        witness.resize(place as usize, 0);
        for &(event, id) in &happened {
            let place = &mut places[event - start];
            witness[*place as usize] = id as usize;
            *place += 1;
        }
    }
    witness
}
