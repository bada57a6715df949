//! Two values that a register would have had to hold at once, in words.

use super::cell::{Cell, INITIAL};
use super::decision::Conflict;
use super::zones::Overlap;

/// Tells why two blocks leave no room for each other. `members` gives all operations of a block,
/// `shown_by` one that returned and shows that another happened.
pub(super) fn conflict(
    cell: &Cell<'_>,
    overlap: Overlap,
    members: impl Fn(u32) -> Vec<u32>,
    shown_by: impl Fn(u32) -> u32,
) -> Conflict {
    let outer = Holder::new(cell, &members(overlap.outer));
    let inner = members(overlap.inner);
    let is_initial = overlap.outer == INITIAL;
    let is_inside = |&&member: &&u32| {
        let span = cell.at(member).span;
        (is_initial || outer.returned(cell) < span.invoked) && span.returned < outer.invoked(cell)
    };
    let mut operations = vec![outer.last];
    if !is_initial {
        operations.push(outer.first);
    }
    let intruder = if let Some(&alone) = inner.iter().find(is_inside) {
        operations.push(alone);
        format!("{} lies wholly in that time", cell.the(alone))
    } else {
        let inner = Holder::new(cell, &inner);
        operations.extend([inner.first, inner.last]);
        inner.presence(cell)
    };
    let held = if is_initial {
        outer.held_from_the_start(cell)
    } else {
        outer.held(cell)
    };
    let operations: Vec<u32> = operations.into_iter().map(shown_by).collect();
    // What is found last although something else had been there in between is stale.
    let class = cell.class_by(outer.last, "stale-read");
    Conflict::new(class, format!("{held}; but {intruder}."), &operations)
}

/// The operations of a block that show how long it was there.
struct Holder {
    /// The one that returned first.
    first: u32,
    /// The one that was invoked last.
    last: u32,
}

impl Holder {
    fn new(cell: &Cell<'_>, members: &[u32]) -> Self {
        let first = members
            .iter()
            .min_by_key(|&&member| cell.at(member).span.returned);
        let last = members
            .iter()
            .max_by_key(|&&member| cell.at(member).span.invoked);
        let (Some(&first), Some(&last)) = (first, last) else {
            unreachable!("a block in conflict has operations");
        };
        Self { first, last }
    }

    fn returned(&self, cell: &Cell<'_>) -> u32 {
        cell.at(self.first).span.returned
    }

    fn invoked(&self, cell: &Cell<'_>) -> u32 {
        cell.at(self.last).span.invoked
    }

    /// `event 210 (a write of 17 returned)`.
    fn return_told(&self, cell: &Cell<'_>) -> String {
        let (event, deed) = (self.returned(cell), cell.deed(self.first));
        format!("event {event} (a {deed} returned)")
    }

    /// `event 460 (a read of 17 began)`.
    fn invocation_told(&self, cell: &Cell<'_>) -> String {
        let (event, deed) = (self.invoked(cell), cell.deed(self.last));
        format!("event {event} (a {deed} began)")
    }

    /// `value 17`, or `values of one chain of cas (17 and 19 among them)`.
    fn values(&self, cell: &Cell<'_>) -> String {
        let [first, last] = [self.first, self.last].map(|operation| cell.at(operation).left());
        if first == last {
            return format!("value {}", cell.told(first));
        }
        let (first, last) = (cell.told(first), cell.told(last));
        format!("values of one chain of cas ({first} and {last} among them)")
    }

    fn held(&self, cell: &Cell<'_>) -> String {
        let (from, to) = (self.return_told(cell), self.invocation_told(cell));
        format!(
            "From {from} to {to} the register held {}",
            self.values(cell)
        )
    }

    fn held_from_the_start(&self, cell: &Cell<'_>) -> String {
        let last = cell.told(cell.at(self.last).left());
        let to = self.invocation_told(cell);
        let initial = cell.told(INITIAL);
        if cell.at(self.last).left() == INITIAL {
            format!("Until {to} the register held the initial value {initial}")
        } else {
            format!(
                "Until {to} the register held the initial value {initial} and what was swapped for it, up to {last}"
            )
        }
    }

    /// When the block was certainly there.
    fn presence(&self, cell: &Cell<'_>) -> String {
        let (returned, invoked) = (self.return_told(cell), self.invocation_told(cell));
        let values = self.values(cell);
        if self.returned(cell) < self.invoked(cell) {
            format!("it held {values} from {returned} to {invoked}")
        } else {
            format!("it held {values} at some time from {invoked} to {returned}")
        }
    }
}
