//! A register with compare-and-set on which every value is produced at most once: O(n) after the
//! events are in order.
//!
//! The zones of Gibbons and Korach (see [`super::zones`]) carried over to chains. A compare-and-set
//! from u to v that happened follows the production of u with no other production between, and no
//! other can consume u. So the values form chains, and between the operations of a chain nothing else
//! can happen: each chain is a block. It can be ordered within itself exactly if no operation returned
//! before one that the chain puts before it began: then each can happen at the latest of the chain's
//! first return and the invocations so far.
//!
//! An uncertain operation happened if somebody read what it produced, or consumed it and happened;
//! then it never returned. The others are left out.
//!
//! A compare-and-set that found another value than the expected one is no link of a chain. It is left
//! out, and then must find its place in the order that the others have; if that order has none, another
//! may, so nothing is decided.

use super::cell::{Cell, CellAction, CellOperation, INITIAL, Values};
use super::decision::{Conflict, Decision};
use super::holders;
use super::intervals::NONE;
use super::others::place_others;
use super::zones::{self, Zone};

/// Judges reads, writes and compare-and-sets.
pub(crate) fn decide(cell: &Cell<'_>) -> Decision {
    cell.decided_by(judge)
}

fn judge(cell: &Cell<'_>) -> Decision {
    let values = Values::new(cell);
    if let Some(reason) = values.ambiguity(cell).or_else(|| to_itself(cell)) {
        return Decision::Undecided(reason);
    }
    let chains = match Chains::new(cell, &values) {
        Ok(chains) => chains,
        Err(conflict) => return Decision::Conflict(conflict),
    };
    match zones::order(&chains.zones) {
        Err(overlap) => {
            let members = |head| chains.members(head).collect();
            let shown_by = |operation| chains.shown_by(operation);
            Decision::Conflict(holders::conflict(cell, overlap, members, shown_by))
        }
        Ok(heads) => {
            let order: Vec<u32> = heads
                .iter()
                .flat_map(|&head| chains.members(head))
                .collect();
            place_others(cell, order)
        }
    }
}

fn to_itself(cell: &Cell<'_>) -> Option<String> {
    let is_to_itself = |operation: &&CellOperation| match operation.action {
        CellAction::CompareAndSet { expected, new } | CellAction::FoundOther { expected, new } => {
            expected == new
        }
        _ => false,
    };
    let found = cell.operations.iter().find(is_to_itself)?;
    let value = cell.told(found.produced().unwrap_or(INITIAL));
    Some(format!("a cas swaps {value} for itself"))
}

struct Chains<'a> {
    cell: &'a Cell<'a>,
    values: &'a Values,
    /// By value: a certain operation that shows that it was there; [`NONE`] if nothing does.
    evidence: Vec<u32>,
    /// By value: the compare-and-set that consumed it.
    consumer: Vec<u32>,
    /// By value: the first value of its chain.
    head: Vec<u32>,
    /// By the first value of a chain.
    zones: Vec<Zone>,
}

impl<'a> Chains<'a> {
    /// # Errors
    /// What is impossible within one chain.
    fn new(cell: &'a Cell<'a>, values: &'a Values) -> Result<Self, Conflict> {
        let mut chains = Self {
            cell,
            values,
            evidence: vec![NONE; cell.value_count],
            consumer: vec![NONE; cell.value_count],
            head: vec![NONE; cell.value_count],
            zones: vec![Zone::EMPTY; cell.value_count],
        };
        chains.find_evidence()?;
        chains.link()?;
        chains.walk()?;
        chains.find_circle()?;
        Ok(chains)
    }

    /// Notes which values were certainly there, from what was read and from what was consumed.
    fn find_evidence(&mut self) -> Result<(), Conflict> {
        for (number, operation) in self.cell.numbered() {
            if !operation.is_certain() {
                continue;
            }
            match operation.action {
                CellAction::Read(value) => self.note(value, number)?,
                CellAction::Write(value) => self.evidence[value as usize] = number,
                CellAction::CompareAndSet { new, .. } => self.note(new, number)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes that the value was there, and so were those that it was swapped for.
    fn note(&mut self, value: u32, witness: u32) -> Result<(), Conflict> {
        let mut value = value;
        while self.evidence[value as usize] == NONE {
            self.evidence[value as usize] = witness;
            let Some(producer) = self.values.producer(value) else {
                return if value == INITIAL {
                    Ok(())
                } else {
                    Err(self.cell.unwritten(value, witness))
                };
            };
            match self.cell.at(producer).action {
                CellAction::CompareAndSet { expected, .. } => value = expected,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn happened(&self, operation: &CellOperation) -> bool {
        let produced = operation.produced();
        produced.is_some_and(|value| self.evidence[value as usize] != NONE)
    }

    /// Notes who consumed each value.
    fn link(&mut self) -> Result<(), Conflict> {
        for (number, operation) in self.cell.numbered() {
            let CellAction::CompareAndSet { expected, .. } = operation.action else {
                continue;
            };
            if !self.happened(operation) {
                continue;
            }
            let other = self.consumer[expected as usize];
            if other != NONE {
                return Err(self.consumed_twice(expected, other, number));
            }
            self.consumer[expected as usize] = number;
        }
        Ok(())
    }

    fn consumed_twice(&self, value: u32, first: u32, second: u32) -> Conflict {
        let cell = self.cell;
        let sentence = format!(
            "Value {} was there once, but both {} and {} swapped it for another.",
            cell.told(value),
            cell.the(first),
            cell.the(second)
        );
        let shown_by = [first, second].map(|operation| self.shown_by(operation));
        Conflict::new("impossible-cas", sentence, &shown_by)
    }

    /// Walks each chain from its head on.
    fn walk(&mut self) -> Result<(), Conflict> {
        self.walk_from(INITIAL)?;
        for operation in self.cell.operations {
            if let CellAction::Write(value) = operation.action
                && self.happened(operation)
            {
                self.walk_from(value)?;
            }
        }
        Ok(())
    }

    /// Walks a chain, and sees whether its operations can have happened in the order that it gives.
    fn walk_from(&mut self, head: u32) -> Result<(), Conflict> {
        let cell = self.cell;
        let mut zone = Zone::EMPTY;
        // The operation that was invoked last among those that must come before.
        let mut latest: Option<u32> = None;
        let invoked = |operation: u32| cell.at(operation).span.invoked;
        let mut next = Some(head);
        while let Some(value) = next {
            self.head[value as usize] = head;
            let producer = self.values.producer(value);
            let readers = self.values.readers.get(value);
            if let Some(producer) = producer {
                self.require_after(producer, latest)?;
                latest = latest
                    .into_iter()
                    .chain([producer])
                    .max_by_key(|&at| invoked(at));
            }
            for &reader in readers {
                self.require_after(reader, latest)?;
            }
            for &member in producer.iter().chain(readers) {
                zone.add(cell.at(member).span);
            }
            // Readers are in the order of their invocations.
            let last = latest.into_iter().chain(readers.last().copied());
            latest = last.max_by_key(|&at| invoked(at));
            next = self.swapped_for(value);
        }
        self.zones[head as usize] = zone;
        Ok(())
    }

    fn require_after(&self, operation: u32, latest: Option<u32>) -> Result<(), Conflict> {
        let cell = self.cell;
        let returned = cell.at(operation).span.returned;
        match latest.filter(|&latest| returned < cell.at(latest).span.invoked) {
            Some(latest) => Err(self.out_of_order(latest, operation)),
            None => Ok(()),
        }
    }

    fn out_of_order(&self, latest: u32, operation: u32) -> Conflict {
        let cell = self.cell;
        let value = cell.at(operation).left();
        if self.values.producer(value) == Some(latest) {
            return cell.too_early(value, latest, operation);
        }
        let sentence = format!(
            "{} was there only after {}, for the one was swapped for the other; but that had not begun when {} returned.",
            cell.told(value),
            cell.the(latest),
            cell.the(operation),
        );
        let class = cell.class_by(latest, "stale-read");
        let operations = [operation, latest].map(|operation| self.shown_by(operation));
        Conflict::new(class, sentence, &operations)
    }

    /// Values of which each was swapped for another of them, and so none was ever there.
    fn find_circle(&self) -> Result<(), Conflict> {
        let is_in_circle = |operation: &&CellOperation| {
            let head = operation.produced().map(|value| self.head[value as usize]);
            self.happened(operation) && head == Some(NONE)
        };
        let Some(start) = self.cell.operations.iter().find(is_in_circle) else {
            return Ok(());
        };
        // A value without a head is swapped for one without, so this comes back to where it was.
        let first = start.left();
        let mut swaps = Vec::new();
        let mut value = first;
        while let Some(producer) = self.values.producer(value) {
            swaps.push(producer);
            match self.cell.at(producer).action {
                CellAction::CompareAndSet { expected, .. } if expected != first => value = expected,
                _ => break,
            }
        }
        Err(self.circle(&swaps))
    }

    fn circle(&self, swaps: &[u32]) -> Conflict {
        let cell = self.cell;
        let first = swaps.first().map_or(NONE, |&swap| self.shown_by(swap));
        let sentence = format!(
            "Each of {} values was there only after the next, and the last only after the first: none ever was, but {} found one.",
            swaps.len(),
            cell.the(first)
        );
        let operations: Vec<u32> = swaps.iter().map(|&swap| self.shown_by(swap)).collect();
        Conflict::new("impossible-cas", sentence, &operations)
    }

    /// The value that this one was swapped for.
    fn swapped_for(&self, value: u32) -> Option<u32> {
        let consumer = Some(self.consumer[value as usize]).filter(|&consumer| consumer != NONE)?;
        Some(self.cell.at(consumer).left())
    }

    /// A certain operation that shows that this one happened.
    fn shown_by(&self, operation: u32) -> u32 {
        if self.cell.at(operation).is_certain() {
            return operation;
        }
        self.evidence[self.cell.at(operation).left() as usize]
    }

    /// The operations of a chain, in order.
    fn members(&self, head: u32) -> impl Iterator<Item = u32> {
        let values = std::iter::successors(Some(head), |&value| self.swapped_for(value));
        values.flat_map(|value| {
            let readers = self.values.readers.get(value).iter().copied();
            self.values.producer(value).into_iter().chain(readers)
        })
    }
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
        duplicate: 30,
        found_other: 8,
        lie: 8,
    };

    #[test]
    fn agrees_with_every_order_on_all_small_histories() {
        use CellAction::{CompareAndSet, FoundOther, Read, Write};
        let cas = |expected, new| CompareAndSet { expected, new };
        let other = |expected, new| FoundOther { expected, new };
        let menu = [
            Read(0),
            Read(1),
            Read(2),
            Write(1),
            cas(0, 1),
            cas(1, 2),
            cas(2, 1),
            other(1, 3),
        ];
        check_all(decide, &menu, 2);
    }

    #[test]
    fn agrees_with_every_order_on_random_histories() {
        let mut random = Random(2);
        let mut tally = Tally::default();
        for _ in 0..cases(20_000) {
            let (count, open_max) = (3 + random.below(7) as usize, 2 + random.below(4) as usize);
            let operations = history(&mut random, count, open_max, true, ODDS);
            check(decide, &operations, &mut tally);
        }
        tally.require_many();
    }
}
