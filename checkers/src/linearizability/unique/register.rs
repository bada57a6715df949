//! A register to which every value is written at most once: O(n) after the events are in order.
//!
//! Gibbons and Korach, "Testing shared memories", 1997, section 4, with the rules for uncertain
//! operations: an uncertain write whose value somebody read has happened, and never returned; one
//! whose value nobody read is left out. See [`super::zones`] for why the rest suffices.
//!
//! Values that were written more than once are not decided here. But to leave out all that concerns
//! one value keeps a register's history possible, so a conflict among the others stands.

use super::cell::{Cell, CellAction, CellOperation, INITIAL, Values};
use super::decision::{Conflict, Decision};
use super::holders;
use super::zones::{self, Zone};

/// Judges reads and writes. There must be no compare-and-set among them.
pub(crate) fn decide(cell: &Cell<'_>) -> Decision {
    cell.decided_by(judge)
}

fn judge(cell: &Cell<'_>) -> Decision {
    let values = Values::new(cell);
    let zones = match zones(cell, &values) {
        Ok(zones) => zones,
        Err(conflict) => return Decision::Conflict(conflict),
    };
    match zones::order(&zones) {
        Err(overlap) => {
            let members = |value| members(&values, value);
            let shown_by = |operation| shown_by(cell, &values, operation);
            Decision::Conflict(holders::conflict(cell, overlap, members, shown_by))
        }
        Ok(order) => match values.ambiguity(cell) {
            Some(reason) => Decision::Undecided(reason),
            None => Decision::Order(in_order(&values, &order)),
        },
    }
}

/// The value that the operation concerns, if that is written only once. A write that never returned, and that
/// nobody read, makes no zone.
fn block(values: &Values, operation: &CellOperation) -> Option<u32> {
    let value = match operation.action {
        CellAction::Read(value) if operation.is_certain() => value,
        CellAction::Write(value) => value,
        CellAction::Read(_) => return None,
        CellAction::CompareAndSet { .. } | CellAction::FoundOther { .. } => {
            unreachable!("registers without cas only")
        }
    };
    (!values.is_ambiguous[value as usize]).then_some(value)
}

/// The zone of each value.
///
/// # Errors
/// A read of what was not there yet, or never.
fn zones(cell: &Cell<'_>, values: &Values) -> Result<Vec<Zone>, Conflict> {
    let mut zones = vec![Zone::EMPTY; cell.value_count];
    for (number, operation) in cell.numbered() {
        let Some(value) = block(values, operation) else {
            continue;
        };
        if operation.read().is_some() && value != INITIAL {
            let Some(producer) = values.producer(value) else {
                return Err(cell.unwritten(value, number));
            };
            if operation.span.returned < cell.at(producer).span.invoked {
                return Err(cell.too_early(value, producer, number));
            }
        }
        zones[value as usize].add(operation.span);
    }
    Ok(zones)
}

/// All that happened to a value: its write, and then its reads.
fn members(values: &Values, value: u32) -> Vec<u32> {
    let mut members: Vec<u32> = values.producer(value).into_iter().collect();
    members.extend(values.readers.get(value));
    members
}

/// Itself if it returned; otherwise a read of what it wrote.
fn shown_by(cell: &Cell<'_>, values: &Values, operation: u32) -> u32 {
    let found = cell.at(operation);
    let readers = values.readers.get(found.left());
    match readers.first() {
        Some(&reader) if !found.is_certain() => reader,
        _ => operation,
    }
}

fn in_order(values: &Values, blocks: &[u32]) -> Vec<u32> {
    let mut order = Vec::with_capacity(values.readers.len() + blocks.len());
    for &value in blocks {
        order.extend(values.producer(value));
        order.extend(values.readers.get(value));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::brute_force::Tally;
    use super::super::cell::CellAction;
    use super::super::cell_cases::{Odds, check, check_all, history};
    use super::*;
    use crate::random::{Random, cases};

    const ODDS: Odds = Odds {
        uncertain: 4,
        duplicate: 12,
        found_other: 4,
        lie: 8,
    };

    #[test]
    fn agrees_with_every_order_on_all_small_histories() {
        use CellAction::{Read, Write};
        let menu = [Read(0), Read(1), Read(2), Write(1), Write(2)];
        check_all(decide, &menu, 3);
    }

    #[test]
    fn agrees_with_every_order_on_random_histories() {
        let mut random = Random(1);
        let mut tally = Tally::default();
        for _ in 0..cases(20_000) {
            let (count, open_max) = (3 + random.below(7) as usize, 2 + random.below(4) as usize);
            let operations = history(&mut random, count, open_max, false, ODDS);
            check(decide, &operations, &mut tally);
        }
        tally.require_many();
    }
}
