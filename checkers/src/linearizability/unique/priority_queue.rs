//! A priority queue into which every value is put at most once: O(n log n), of which all but sorting is
//! nearly linear.
//!
//! Lee and Mathur, "Efficient decrease-and-conquer linearizability monitoring", 2025: a value is hindered
//! only by those that come before it, so these are placed first. Each is put as late and taken as early as
//! may be, at a moment when none before it is there; an earlier take leaves the queue to others at least
//! as long, so that if there is no such moment there is no order.
//!
//! A value that nobody took stays, unless one that must wait for it was taken: then only a take that
//! never returned can have had it. If there are too few of those that is a conflict. If there are
//! enough, and those that come first do not explain the rest, nothing is decided.

use super::covered::Covered;
use super::decision::{Conflict, Decision};
use super::held::{self, Earliest, Held, Holder, Range};
use super::intervals::{NEVER, NONE};
use super::queue::{Queue, Words};

pub(crate) const PRIORITY: Words = Words {
    put: "insert",
    was_put: "inserted",
    take: "poll",
    from_nowhere: "poll-from-nowhere",
    duplicate: "duplicate-poll",
};

/// Judges inserts and polls. Of two values the one with the smaller number comes first.
pub(crate) fn decide(queue: &Queue<'_>) -> Decision {
    queue.decide_by(|queue| held::judge(queue, deadlines, place))
}

/// Before which moment each value that nobody took must have gone: when one that comes later was taken,
/// or nothing was found, although it was there.
fn deadlines(holder: &Holder) -> Vec<u32> {
    let mut earliest = Earliest::new(holder.moments);
    for &(_, Range { first, end }) in &holder.empties {
        earliest.note(first, end);
    }
    let mut deadlines = vec![NEVER; holder.held.len()];
    for (deadline, held) in deadlines.iter_mut().zip(&holder.held).rev() {
        if held.take == NONE {
            *deadline = earliest.from(held.came.end);
        } else {
            earliest.note(held.went.first, held.went.end);
        }
    }
    deadlines
}

/// What happens at one moment happens in this order; polls by value.
#[derive(Clone, Copy)]
enum Deed {
    Poll,
    Empty,
    Insert,
}

/// The operations in an order.
fn place(queue: &Queue<'_>, holder: &Holder) -> Result<Vec<u32>, Conflict> {
    let mut covered = Covered::new(holder.moments);
    let mut deeds: Vec<u64> = Vec::with_capacity(2 * holder.held.len());
    let mut polled: Vec<u32> = Vec::with_capacity(holder.held.len());
    let mut note = |moment: u32, deed: Deed, number: usize| {
        deeds.push(u64::from(moment) << 32 | (deed as u64) << 30 | number as u64);
    };
    for (number, held) in holder.held.iter().enumerate() {
        let moment = match held.take {
            NONE => holder.moments,
            _ => covered.next_free(held.went.first),
        };
        if held.take != NONE && moment >= held.went.end {
            return Err(queue.hindered(holder, &polled, held.take, held.went));
        }
        polled.push(moment);
        if moment < held.came.end {
            note(moment, Deed::Poll, number);
            continue;
        }
        note(held.came.end - 1, Deed::Insert, number);
        covered.cover(held.came.end, moment);
        if held.take != NONE {
            note(moment, Deed::Poll, number);
        }
    }
    for (number, &(empty, range)) in holder.empties.iter().enumerate() {
        let moment = covered.next_free(range.first);
        if moment >= range.end {
            return Err(queue.hindered(holder, &polled, empty, range));
        }
        note(moment, Deed::Empty, number);
    }
    deeds.sort_unstable();
    Ok(operations(holder, &polled, &deeds))
}

fn operations(holder: &Holder, polled: &[u32], deeds: &[u64]) -> Vec<u32> {
    let mut operations = Vec::with_capacity(deeds.len());
    for deed in deeds {
        let number = (deed & ((1 << 30) - 1)) as usize;
        let of = |deed: Deed| deed as u64;
        let kind = deed >> 30 & 3;
        if kind == of(Deed::Empty) {
            operations.push(holder.empties[number].0);
            continue;
        }
        let held = &holder.held[number];
        let is_brief = polled[number] < held.came.end;
        if kind == of(Deed::Insert) || is_brief {
            operations.push(held.put);
        }
        if kind == of(Deed::Poll) {
            operations.push(held.take);
        }
    }
    operations
}

impl Queue<'_> {
    /// That a take found a value, or nothing, while others that come before it were always there. `polled`
    /// is when those were taken at the earliest.
    fn hindered(&self, holder: &Holder, polled: &[u32], take: u32, range: Range) -> Conflict {
        let Range { mut first, end } = range;
        let mut those: Vec<&Held> = Vec::new();
        for (held, &moment) in holder.held.iter().zip(polled).rev() {
            if held.came.end < end && moment > first {
                those.push(held);
                if moment > held.went.first {
                    // It would have gone sooner but for others.
                    first = first.min(held.went.first);
                }
            }
        }
        let told: Vec<String> = those
            .iter()
            .take(TOLD)
            .map(|held| self.told(held.put))
            .collect();
        let sentence = format!(
            "Whenever {} took place, a value was there that comes first: {}{}.",
            self.the(take),
            told.join(", "),
            if those.len() > TOLD { ", …" } else { "" },
        );
        let class = match those.is_empty() {
            true => "impossible-poll",
            false => "poll-out-of-order",
        };
        let mut operations: Vec<u32> = those.iter().flat_map(|held| held.operations()).collect();
        operations.push(take);
        let conflict = Conflict::new(class, sentence, &operations);
        if those.iter().any(|held| held.take == NONE) {
            let until = self.span(take).returned;
            return conflict.with_suspects(self.dequeues_until(until));
        }
        conflict
    }
}

/// Of more values only so many are told.
const TOLD: usize = 4;
