//! A stack onto which every value is pushed at most once: O(n log n).
//!
//! After Lee and Mathur, "Efficient decrease-and-conquer linearizability monitoring", 2025: take away a
//! value that cannot hinder the others, as often as there is one.
//!
//! A value is certainly there from its push's return to its pop's invocation: its *stay*. One without a stay
//! hinders nobody: it comes and goes at one moment. At a moment in no stay the stack can be empty, as what
//! may have been popped by then was, and what may have been pushed later was pushed later; the values
//! before it and after it do not touch. Stays without such a moment between them are of values that lie on
//! one another, and any that can be the lowest may be: it can be pushed before the first of the
//! stays begins, and popped after the last one ends. So a value can be taken away once its push and its pop
//! each have a moment in no stay that is left. If there is none such there is no order.
//!
//! A value that nobody popped stays, unless what was certainly below it was popped: then only a pop that
//! never returned can have had it. If there are too few of those that is a conflict. If there are
//! enough, and those that come first do not explain the rest, nothing is decided.

mod cover;
mod windows;

use super::covered::Covered;
use super::decision::{Conflict, Decision};
use super::held::{self, Earliest, Held, Holder, Range};
use super::intervals::{NEVER, NONE};
use super::queue::{Queue, Words};
use cover::Cover;
use windows::Windows;

pub(crate) const STACK: Words = Words {
    put: "push",
    was_put: "pushed",
    take: "pop",
    from_nowhere: "pop-from-nowhere",
    duplicate: "duplicate-pop",
};

/// Judges pushes and pops.
pub(crate) fn decide(queue: &Queue<'_>) -> Decision {
    queue.decide_by(|queue| held::judge(queue, deadlines, arrange))
}

/// Before which moment each value that nobody popped must have gone: when one was popped on which it
/// certainly lay, or nothing was found, although it was there.
fn deadlines(holder: &Holder) -> Vec<u32> {
    let mut earliest = Earliest::new(holder.moments);
    for &(_, Range { first, end }) in &holder.empties {
        earliest.note(first, end);
    }
    let numbered = || (0_u32..).zip(&holder.held);
    let taken = numbered().filter(|(_, held)| held.take != NONE);
    let mut below: Vec<(u32, u32)> = taken
        .map(|(number, held)| (held.came.end, number))
        .collect();
    below.sort_unstable();
    let lost = numbered().filter(|(_, held)| held.take == NONE);
    let mut lost: Vec<(u32, u32)> = lost
        .map(|(number, held)| (held.came.first, number))
        .collect();
    lost.sort_unstable();
    let mut below = below.into_iter().peekable();
    let mut deadlines = vec![NEVER; holder.held.len()];
    for (came, number) in lost {
        while let Some((_, lower)) = below.next_if(|&(end, _)| end <= came) {
            let went = holder.held[lower as usize].went;
            earliest.note(went.first, went.end);
        }
        deadlines[number as usize] = earliest.from(holder.held[number as usize].came.end);
    }
    deadlines
}

/// The operations in an order.
fn arrange(queue: &Queue<'_>, holder: &Holder) -> Result<Vec<u32>, Conflict> {
    let lowest_first = match peel(holder) {
        Ok(order) => order,
        Err(left) => return Err(queue.entangled(holder, &left)),
    };
    let mut deeds = Deeds::default();
    let mut later = Covered::new(holder.moments);
    // The same, backwards.
    let mut earlier = Covered::new(holder.moments);
    for (place, &number) in lowest_first.iter().enumerate().rev() {
        let place = place as u32;
        let Range { first, end } = holder.held[number as usize].stay();
        let last = holder.moments - 1;
        later.cover(first, end);
        earlier.cover(last + 1 - end, last + 1 - first);
        deeds.note(last - earlier.next_free(last - first), Deed::Push, place);
        deeds.note(later.next_free(first), Deed::Pop, PLACE_MAX - place);
    }
    for (place, &(empty, range)) in (0..).zip(&holder.empties) {
        let moment = later.next_free(range.first);
        if moment >= range.end {
            return Err(queue.never_bare(holder, empty, range));
        }
        deeds.note(moment, Deed::Empty, place);
    }
    for (number, held) in (0..).zip(&holder.held) {
        if held.came.end < held.went.first {
            continue;
        }
        deeds.note(held.went.first, Deed::Both, number);
    }
    Ok(deeds.operations(holder, &lowest_first))
}

/// What happens at one moment happens in this order: pops from the highest value on, pushes from the
/// lowest.
#[derive(Clone, Copy)]
enum Deed {
    Pop,
    Empty,
    Push,
    /// A push and its pop, at once.
    Both,
}

/// Moments, deeds, and a place among those.
#[derive(Default)]
struct Deeds(Vec<u64>);

const PLACE_BITS: u32 = 30;
const PLACE_MAX: u32 = (1 << PLACE_BITS) - 1;

impl Deeds {
    fn note(&mut self, moment: u32, deed: Deed, place: u32) {
        assert!(place <= PLACE_MAX, "2^30 operations or more");
        let deed = (deed as u64) << PLACE_BITS;
        self.0
            .push(u64::from(moment) << 32 | deed | u64::from(place));
    }

    fn operations(mut self, holder: &Holder, lowest_first: &[u32]) -> Vec<u32> {
        self.0.sort_unstable();
        let mut operations = Vec::with_capacity(2 * holder.held.len());
        for deed in self.0 {
            let place = deed as u32 & PLACE_MAX;
            let held = |number: u32| &holder.held[number as usize];
            let placed = |place: u32| held(lowest_first[place as usize]);
            match deed >> PLACE_BITS & 3 {
                0 => operations.push(placed(PLACE_MAX - place).take),
                1 => operations.push(holder.empties[place as usize].0),
                2 => operations.push(placed(place).put),
                _ => operations.extend(held(place).operations()),
            }
        }
        operations.retain(|&operation| operation != NONE);
        operations
    }
}

/// The values that have a stay, each before all that lie on it.
///
/// # Errors
/// Those of which none can be the lowest.
fn peel(holder: &Holder) -> Result<Vec<u32>, Vec<u32>> {
    let stays: Vec<Range> = holder.held.iter().map(Held::stay).collect();
    let has_stay = |number: &u32| {
        let stay = stays[*number as usize];
        stay.first < stay.end
    };
    let numbers = 0..holder.held.len() as u32;
    let staying: Vec<u32> = numbers.filter(has_stay).collect();
    let of_staying = staying.iter().map(|&number| stays[number as usize]);
    let mut cover = Cover::new(holder.moments, of_staying);
    let mut windows = Windows::new(holder, &staying);
    let mut free = vec![0_u8; holder.held.len()];
    let mut order = Vec::with_capacity(staying.len());
    while let Some(moment) = cover.next_bare() {
        while let Some(number) = windows.take(moment) {
            free[number as usize] += 1;
            if free[number as usize] == 2 {
                order.push(number);
                cover.uncover(stays[number as usize]);
            }
        }
    }
    if order.len() == staying.len() {
        return Ok(order);
    }
    let is_left = |&number: &u32| free[number as usize] < 2;
    Err(staying.into_iter().filter(is_left).collect())
}

impl Queue<'_> {
    /// That none of some values can lie below the others; only those of the fewest such are named.
    fn entangled(&self, holder: &Holder, left: &[u32]) -> Conflict {
        let fewest = fewest(holder, left);
        let held = || fewest.iter().map(|&number| &holder.held[number as usize]);
        let told: Vec<String> = held().take(TOLD).map(|held| self.stay_of(held)).collect();
        let sentence = format!(
            "None of these can have been the lowest of them: {}{}.",
            told.join("; "),
            if fewest.len() > TOLD { "; …" } else { "" },
        );
        let operations: Vec<u32> = held().flat_map(Held::operations).collect();
        let conflict = Conflict::new("pop-out-of-order", sentence, &operations);
        if held().any(|held| held.take == NONE) {
            return conflict.with_suspects(self.dequeues_until(NEVER));
        }
        conflict
    }

    /// `3 was pushed (events 2 to 4) and popped (events 9 to 11)`.
    fn stay_of(&self, held: &Held) -> String {
        let came = self.span(held.put).told();
        let came = format!("{} was pushed {came}", self.told(held.put));
        match held.take {
            NONE => format!("{came} and never popped"),
            take => format!("{came} and popped {}", self.span(take).told()),
        }
    }

    /// That a pop found nothing while something was always there.
    fn never_bare(&self, holder: &Holder, empty: u32, range: Range) -> Conflict {
        let meets = |held: &&Held| {
            let stay = held.stay();
            stay.first.max(range.first) < stay.end.min(range.end)
        };
        let there: Vec<&Held> = holder.held.iter().filter(meets).collect();
        let told: Vec<String> = there
            .iter()
            .take(TOLD)
            .map(|held| self.told(held.put))
            .collect();
        let sentence = format!(
            "The stack was never empty during {}: {} were there.",
            self.the(empty),
            told.join(", ")
        );
        let mut operations: Vec<u32> = there.iter().flat_map(|held| held.operations()).collect();
        operations.push(empty);
        let conflict = Conflict::new("impossible-empty", sentence, &operations);
        if there.iter().any(|held| held.take == NONE) {
            let until = self.span(empty).returned;
            return conflict.with_suspects(self.dequeues_until(until));
        }
        conflict
    }
}

/// Of values that lie on one another, and of which none can be the lowest, the fewest that touch.
fn fewest(holder: &Holder, left: &[u32]) -> Vec<u32> {
    let stay = |number: u32| holder.held[number as usize].stay();
    let mut by_start: Vec<(u32, u32)> = left
        .iter()
        .map(|&number| (stay(number).first, number))
        .collect();
    by_start.sort_unstable();
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut until = 0;
    for (start, number) in by_start {
        match groups.last_mut().filter(|_| start <= until) {
            Some(group) => group.push(number),
            None => groups.push(vec![number]),
        }
        until = until.max(stay(number).end);
    }
    groups.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

/// Of more values only so many are told.
const TOLD: usize = 4;
