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

use super::cell::Cell;
use super::intervals::{Moments, NEVER, Span};

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
/// `block_of` gives the block of an operation, if it has one.
pub(super) fn order(
    zones: &[Zone],
    cell: &Cell<'_>,
    moments: &Moments,
    block_of: impl Fn(u32) -> Option<u32>,
) -> Result<Vec<u32>, Overlap> {
    let mut order = Vec::with_capacity(zones.len());
    // The last forward block, and the end of its zone.
    let (mut outer, mut outer_end) = (0, 0);
    if let Some(initial) = zones.first().filter(|zone| zone.first_return != NEVER) {
        outer_end = initial.last_invocation;
        order.push(0);
    }
    for moment in moments.iter() {
        let operation = cell.at(moment.operation);
        let Some(inner) = block_of(moment.operation).filter(|&block| block != 0) else {
            continue;
        };
        let zone = zones[inner as usize];
        if operation.span.event(moment.is_return) != zone.key() {
            continue;
        }
        // Of a forward zone this is the beginning, of a backward one the end.
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
