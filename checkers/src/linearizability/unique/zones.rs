//! Which stretches of time values take up, and whether they leave room for each other.
//!
//! Gibbons and Korach's zones (1997, section 4; named so in Golab, Li and Shah, "Analyzing consistency
//! properties for fun and profit", 2011, section 3). Here a *block* is a set of operations between
//! which no others can happen: all that concerns one unique value, or a chain of such values. Let f be
//! the first return in it and s the last invocation. If f < s, the block takes up all of [f, s]: its
//! zone is *forward*. Otherwise everything in it can happen at one point anywhere in [s, f]. Given
//! that each block can be ordered within itself, an order of all exists exactly if no two forward
//! zones overlap and no backward zone lies inside a forward one. Then the blocks in the order of f for
//! forward zones and s for backward ones are such an order: a backward block that begins
//! inside a forward zone outlasts it, and comes right after.

use super::intervals::{NEVER, Span, in_order};

/// The zone of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    pub(super) first_return: u32,
    pub(super) last_invocation: u32,
}

impl Zone {
    pub(super) const EMPTY: Self = Self {
        first_return: NEVER,
        last_invocation: 0,
    };

    pub(super) fn add(&mut self, span: Span) {
        self.first_return = self.first_return.min(span.returned);
        self.last_invocation = self.last_invocation.max(span.invoked);
    }

    /// Whether nothing that certainly happened belongs to the block.
    fn is_empty(self) -> bool {
        self.first_return == NEVER
    }

    fn is_forward(self) -> bool {
        self.first_return < self.last_invocation
    }

    /// The event at which the block takes its place in the order.
    fn key(self) -> u32 {
        self.first_return.min(self.last_invocation)
    }
}

/// A block whose zone is forward, and one that must begin and end in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overlap {
    pub(super) outer: u32,
    pub(super) inner: u32,
}

/// The order of the blocks. Block 0 is that of the initial value, which begins before everything.
pub(super) fn order(zones: &[Zone]) -> Result<Vec<u32>, Overlap> {
    let mut order = Vec::with_capacity(zones.len());
    // The last forward block, and the end of its zone.
    let (mut outer, mut outer_end) = (0, 0);
    if let Some(initial) = zones.first().filter(|zone| !zone.is_empty()) {
        outer_end = initial.last_invocation;
        order.push(0);
    }
    let others = || {
        (1..)
            .zip(zones.iter().skip(1))
            .filter(|(_, zone)| !zone.is_empty())
    };
    for inner in in_order(others().map(|(block, zone)| (zone.key(), block))) {
        let zone = zones[inner as usize];
        // Of a forward zone its key is the beginning, of a backward one the end.
        if zone.key() < outer_end && (zone.is_forward() || zone.first_return < outer_end) {
            return Err(Overlap { outer, inner });
        }
        order.push(inner);
        if zone.is_forward() {
            (outer, outer_end) = (inner, zone.last_invocation);
        }
    }
    Ok(order)
}
