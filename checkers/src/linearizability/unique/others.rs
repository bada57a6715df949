//! Compare-and-sets that found another value, put where an order has room for them.

use super::cell::{Cell, CellAction, INITIAL};
use super::decision::Decision;
use super::intervals::{Moments, NONE};
use crate::sorting::sort_by_number;

/// Puts what found another value than the expected one into an order of all else: each, as they were
/// invoked, as early as it can be. Undecided where this order has no room for one.
pub(super) fn place_others(cell: &Cell<'_>, order: Vec<u32>) -> Decision {
    let is_other = |action| matches!(action, CellAction::FoundOther { .. });
    let mut operations = cell.operations.iter();
    if !operations.any(|operation| is_other(operation.action)) {
        return Decision::Order(order);
    }
    match Gaps::new(cell, &order).place_all() {
        Ok(placed) => Decision::Order(merged(&order, &placed)),
        Err(other) => Decision::Undecided(format!(
            "{} failed, and the order found has no place for it",
            cell.the(other)
        )),
    }
}

/// The places between the operations of an order: gap 0 is before the first.
struct Gaps<'a> {
    cell: &'a Cell<'a>,
    moments: Moments,
    /// The value at each gap.
    values: Vec<u32>,
    /// By operation of the order: the gap before it.
    before: Vec<u32>,
}

impl<'a> Gaps<'a> {
    fn new(cell: &'a Cell<'a>, order: &[u32]) -> Self {
        let mut before = vec![NONE; cell.operations.len()];
        let mut values = vec![INITIAL];
        for (gap, &operation) in (0..).zip(order) {
            before[operation as usize] = gap;
            values.push(cell.at(operation).left());
        }
        let spans = cell.operations.iter();
        let moments = Moments::new(spans.map(|operation| operation.span));
        Self {
            cell,
            moments,
            values,
            before,
        }
    }

    /// `(gap, operation)` of each in the order of their invocations.
    ///
    /// # Errors
    /// The first for which there is no room.
    fn place_all(&mut self) -> Result<Vec<(u32, u32)>, u32> {
        let latest = self.latest();
        let other_from = self.other_from();
        let mut placed = Vec::new();
        // The first gap after all that has returned.
        let mut earliest = 0;
        for moment in self.moments.iter() {
            let number = moment.operation;
            let expected = match self.cell.at(number).action {
                CellAction::FoundOther { expected, .. } => Some(expected),
                _ => None,
            };
            let before = self.before[number as usize];
            match (moment.is_return, expected) {
                (true, Some(_)) => earliest = earliest.max(before),
                (true, None) => earliest = earliest.max(before + 1),
                (false, Some(expected)) => {
                    let is_there = self.values[earliest as usize] == expected;
                    let gap = if is_there {
                        other_from[earliest as usize]
                    } else {
                        earliest
                    };
                    if gap > latest[number as usize] {
                        return Err(number);
                    }
                    self.before[number as usize] = gap;
                    placed.push((gap, number));
                }
                _ => {}
            }
        }
        Ok(placed)
    }

    /// By operation: the last gap before all that began after it returned.
    fn latest(&self) -> Vec<u32> {
        let mut latest = vec![self.values.len() as u32 - 1; self.cell.operations.len()];
        let mut before = self.values.len() as u32 - 1;
        for moment in self.moments.iter().rev() {
            let operation = moment.operation as usize;
            if moment.is_return {
                latest[operation] = before;
            } else {
                // No gap is larger than that of what is not in the order.
                before = before.min(self.before[operation]);
            }
        }
        latest
    }

    /// By gap: the next one at which there is another value.
    fn other_from(&self) -> Vec<u32> {
        let mut other_from = vec![NONE; self.values.len()];
        for gap in (1..self.values.len()).rev() {
            other_from[gap - 1] = if self.values[gap - 1] == self.values[gap] {
                other_from[gap]
            } else {
                gap as u32
            };
        }
        other_from
    }
}

/// The order with more operations in its gaps, `(gap, operation)`.
fn merged(order: &[u32], placed: &[(u32, u32)]) -> Vec<u32> {
    let mut placed = placed.to_vec();
    // What is in one gap stays in the order of invocations.
    sort_by_number(&mut placed, |&(gap, _)| gap as usize);
    let mut merged = Vec::with_capacity(order.len() + placed.len());
    let mut placed = placed.iter().peekable();
    for (gap, &operation) in (0..).zip(order) {
        while let Some((_, other)) = placed.next_if(|(at, _)| *at == gap) {
            merged.push(*other);
        }
        merged.push(operation);
    }
    merged.extend(placed.map(|(_, other)| other));
    merged
}
