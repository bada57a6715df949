//! Values that were enqueued and that nobody got, although they must have left the queue.
//!
//! A value has to have left by its *deadline*: when a value that was enqueued later had been dequeued,
//! or when the queue was found empty. Only a dequeue that never returned can have taken it, and only
//! one that began before that. Each takes one value; those that began first go to the values with the
//! earliest deadlines, which finds takers for all if there is a way. A value without deadline stays.
//!
//! When the queue was found empty is a choice among moments. Where no dequeue is uncertain, the
//! choice does not matter. Otherwise the earliest and the latest are tried.

use super::empties::{Choice, Cover};
use super::items::{Item, LEAVES, Window, tick};
use super::{NONE, Queue, QueueAction};
use crate::linearizability::unique::decision::Conflict;
use crate::sorting::sort_by_number;

/// Adds the empty answers to the items, and finds who took the values that nobody got.
///
/// # Errors
/// A conflict. In the `Ok` case, why nothing is decided.
pub(super) fn settle(
    queue: &Queue<'_>,
    items: &mut Vec<Item>,
) -> Result<Result<(), String>, Conflict> {
    let takers: Vec<u32> = queue
        .numbered()
        .filter(|(_, operation)| operation.action == QueueAction::DequeueUnknown)
        .map(|(number, _)| number)
        .collect();
    let is_seen = |item: &&Item| takers.is_empty() || item.dequeue != NONE;
    let cover = Cover::new(items.iter().filter(is_seen));
    let empties = |choice| {
        let empties = queue.empties(&cover, choice);
        empties.map_err(|answer| queue.never_empty(answer, items.iter().filter(is_seen)))
    };
    let earliest = empties(Choice::Earliest)?;
    if takers.is_empty() {
        items.extend(earliest);
        return Ok(Ok(()));
    }
    let has_empties = !earliest.is_empty();
    let latest = empties(Choice::Latest)?;
    let mut lost = Lost::new(items);
    lost.find_takers(queue, &takers)
        .map_err(|late| lost.conflict(queue, items, late))?;
    for empties in [earliest, latest] {
        let mut by_empties = lost.with_deadlines_of(&empties);
        if let Ok(taken) = by_empties.find_takers(queue, &takers) {
            give(queue, items, &taken);
            items.extend(empties);
            return Ok(Ok(()));
        }
    }
    assert!(
        has_empties,
        "without empty answers the deadlines are the same"
    );
    Ok(Err(
        "the queue was found empty, and dequeues that never returned may have emptied it"
            .to_owned(),
    ))
}

/// Lets the takers have what they took: `(item, taker)`.
fn give(queue: &Queue<'_>, items: &mut [Item], taken: &[(u32, u32)]) {
    for &(item, taker) in taken {
        let item = &mut items[item as usize];
        item.dequeue = taker;
        item.dequeued = Window {
            first: item.enqueued.first.max(tick(queue.span(taker).invoked)),
            last: LEAVES,
        };
    }
}

/// A value that nobody got and that must have left.
#[derive(Clone, Copy)]
struct LostValue {
    item: u32,
    /// The last tick at which it can have been enqueued.
    entered: u32,
    /// The tick by which it had left; [`LEAVES`] if it need not have.
    deadline: u32,
    /// The item that was enqueued later and has that deadline.
    overtaken_by: u32,
}

#[derive(Clone)]
struct Lost {
    values: Vec<LostValue>,
}

impl Lost {
    fn new(items: &[Item]) -> Self {
        let lost = (0_u32..)
            .zip(items)
            .filter(|(_, item)| item.dequeue == NONE);
        let mut by_entry: Vec<(u32, u32)> = lost
            .map(|(number, item)| (item.enqueued.last, number))
            .collect();
        by_entry.sort_unstable();
        by_entry.reverse();
        let mut later: Vec<(u32, u32)> = (0_u32..)
            .zip(items)
            .filter(|(_, item)| item.dequeue != NONE)
            .map(|(number, item)| (item.enqueued.first, number))
            .collect();
        later.sort_unstable();
        let mut later = later.into_iter().rev().peekable();
        let mut values = Vec::with_capacity(by_entry.len());
        let (mut deadline, mut overtaken_by) = (LEAVES, NONE);
        for (entered, item) in by_entry {
            while let Some((_, second)) = later.next_if(|&(first, _)| first > entered) {
                let left = items[second as usize].dequeued.last;
                if left < deadline {
                    (deadline, overtaken_by) = (left, second);
                }
            }
            values.push(LostValue {
                item,
                entered,
                deadline,
                overtaken_by,
            });
        }
        Self { values }
    }

    /// The same values, if the queue was empty at the moments of some items too.
    fn with_deadlines_of(&self, empties: &[Item]) -> Self {
        let mut moments: Vec<u32> = empties.iter().map(|item| item.enqueued.first).collect();
        moments.sort_unstable();
        let mut lost = self.clone();
        for value in &mut lost.values {
            let next = moments.partition_point(|&moment| moment < value.entered);
            if let Some(&moment) = moments.get(next) {
                value.deadline = value.deadline.min(moment);
            }
        }
        lost
    }

    /// Who took each value that must have left: `(item, taker)`.
    ///
    /// # Errors
    /// How many values there are up to the first, by deadlines, for which no taker is left.
    fn find_takers(&mut self, queue: &Queue<'_>, takers: &[u32]) -> Result<Vec<(u32, u32)>, usize> {
        sort_by_number(&mut self.values, |value| value.item as usize);
        sort_by_number(&mut self.values, |value| value.deadline as usize);
        let must_leave = self.values.iter().filter(|value| value.deadline < LEAVES);
        let mut taken = Vec::new();
        // Takers are in the order of their invocations.
        for (index, value) in must_leave.enumerate() {
            let in_time = |&&taker: &&u32| tick(queue.span(taker).invoked) < value.deadline;
            let taker = takers.get(index).filter(in_time).ok_or(index + 1)?;
            taken.push((value.item, *taker));
        }
        Ok(taken)
    }

    /// That the first `count` values by deadlines had left, and that too few can have taken them.
    fn conflict(&self, queue: &Queue<'_>, items: &[Item], count: usize) -> Conflict {
        let last = self.values[count - 1];
        let second = &items[last.overtaken_by as usize];
        let first = &items[last.item as usize];
        let until = queue.span(second.dequeue).returned;
        let sentence = format!(
            "{} was enqueued (by event {}) before the enqueue of {} began (at event {}), and {} returned; but nobody got the first, and of the dequeues that began before and never returned each can have taken only one of {count} values that are missing so.",
            queue.told(first.enqueue),
            queue.span(first.enqueue).returned,
            queue.told(second.enqueue),
            queue.span(second.enqueue).invoked,
            queue.the(second.dequeue),
        );
        let mut operations = Vec::new();
        for value in &self.values[..count] {
            let second = &items[value.overtaken_by as usize];
            operations.push(items[value.item as usize].enqueue);
            operations.extend([second.enqueue, second.dequeue]);
        }
        let suspects = queue.dequeues_until(until);
        Conflict::new("lost-value", sentence, &operations).with_suspects(suspects)
    }
}
