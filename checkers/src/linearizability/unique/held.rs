//! Values that were held by something that gives them back in an order of its own, and the moments at
//! which they can have come and gone.
//!
//! *Moments* lie between events: moment k is the one right after the k-th event of the operations, and the
//! last one after all of them, when what nobody took is thought to go. An operation can have happened at
//! any moment from that after its invocation up to that before its return.

use super::decision::{Conflict, Decision};
use super::intervals::{Moments, NEVER, NONE};
use super::queue::{Queue, QueueAction};

/// Moments from the first up to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u32,
    pub(super) end: u32,
}

/// A value that was certainly put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) put: u32,
    /// Who took it; [`NONE`] if nobody did.
    pub(super) take: u32,
    pub(super) came: Range,
    pub(super) went: Range,
}

impl Held {
    /// The moments at which it was certainly there; none if the end is not after the first.
    pub(super) fn stay(&self) -> Range {
        Range {
            first: self.came.end,
            end: self.went.first,
        }
    }

    /// Those of its operations that there are.
    pub(super) fn operations(&self) -> impl Iterator<Item = u32> {
        let operations = [self.put, self.take];
        operations
            .into_iter()
            .filter(|&operation| operation != NONE)
    }
}

/// All that was put, and who found what.
pub(super) struct Holder {
    pub(super) held: Vec<Held>,
    /// Takes that found nothing.
    pub(super) empties: Vec<(u32, Range)>,
    /// Takes that never returned, and the first moment of each.
    pub(super) takers: Vec<(u32, u32)>,
    /// How many moments there are.
    pub(super) moments: u32,
}

impl Holder {
    /// # Errors
    /// What is wrong with one value alone. In the `Ok` case, why these values are none to decide by.
    pub(super) fn new(queue: &Queue<'_>) -> Result<Result<Self, String>, Conflict> {
        let pairs = match queue.pairs()? {
            Ok(pairs) => pairs,
            Err(reason) => return Ok(Err(reason)),
        };
        let (ranges, moments) = ranges(queue);
        let range = |operation: u32| ranges[operation as usize];
        let mut held = Vec::with_capacity(pairs.len());
        for (put, take) in pairs {
            if put == NONE || (take == NONE && queue.span(put).returned == NEVER) {
                continue;
            }
            let mut came = range(put);
            let mut went = Range {
                first: moments - 1,
                end: moments,
            };
            if take != NONE {
                went = range(take);
                went.first = went.first.max(came.first);
                came.end = came.end.min(went.end);
            }
            held.push(Held {
                put,
                take,
                came,
                went,
            });
        }
        let of = |action: QueueAction| {
            let found = queue
                .numbered()
                .filter(move |(_, found)| found.action == action);
            found.map(|(number, _)| (number, range(number)))
        };
        let takers = of(QueueAction::DequeueUnknown);
        Ok(Ok(Self {
            empties: of(QueueAction::DequeueEmpty).collect(),
            takers: takers.map(|(taker, range)| (taker, range.first)).collect(),
            held,
            moments,
        }))
    }

    /// Whether somebody may have taken a value that nobody got: who did is not known then.
    pub(super) fn is_uncertain(&self) -> bool {
        let is_there = |held: &Held| held.take == NONE;
        !self.takers.is_empty() && self.held.iter().any(is_there)
    }

    /// Lets takes that never returned have the values that must have gone: `deadlines` says, for each
    /// value, before which moment. Those that began first go to the earliest deadlines, which finds
    /// takers for all if there is a way.
    ///
    /// # Errors
    /// The value for which there is none.
    pub(super) fn lend(&mut self, deadlines: &[u32]) -> Result<(), u32> {
        let all = (0_u32..).zip(&self.held).zip(deadlines.iter().copied());
        let lost = all.filter(|&((_, held), deadline)| held.take == NONE && deadline < NEVER);
        let mut lost: Vec<(u32, u32)> = lost.map(|((number, _), until)| (until, number)).collect();
        lost.sort_unstable();
        let begun = self.takers.iter().map(|&(taker, first)| (first, taker));
        let mut takers: Vec<(u32, u32)> = begun.collect();
        takers.sort_unstable();
        let mut takers = takers.into_iter();
        for (deadline, number) in lost {
            let next = takers.next().filter(|&(first, _)| first < deadline);
            let (first, taker) = next.ok_or(number)?;
            let held = &mut self.held[number as usize];
            held.take = taker;
            held.went.first = held.came.first.max(first);
            held.came.end = held.came.end.min(held.went.end);
        }
        Ok(())
    }
}

/// Judges by when values must have gone, at the latest, and an order of the operations, if there is one of
/// those that took place for certain. That nobody can have taken what must have gone is a conflict;
/// where some may have it is not known who did, so that another order may explain what this one does not.
pub(super) fn judge(
    queue: &Queue<'_>,
    deadlines: fn(&Holder) -> Vec<u32>,
    order: fn(&Queue<'_>, &Holder) -> Result<Vec<u32>, Conflict>,
) -> Result<Decision, Conflict> {
    let mut holder = match Holder::new(queue)? {
        Ok(holder) => holder,
        Err(reason) => return Ok(Decision::Undecided(reason)),
    };
    let is_uncertain = holder.is_uncertain();
    if is_uncertain {
        let deadlines = deadlines(&holder);
        let lent = holder.lend(&deadlines);
        lent.map_err(|lost| queue.never_taken(&holder, lost, deadlines[lost as usize]))?;
    }
    match order(queue, &holder) {
        Err(_) if is_uncertain => Ok(Decision::Undecided(format!(
            "who never returned from a {} may have taken what nobody got",
            queue.words.take
        ))),
        order => order.map(Decision::Order),
    }
}

impl Queue<'_> {
    /// That nobody can have taken a value which must have gone before some moment.
    fn never_taken(&self, holder: &Holder, lost: u32, deadline: u32) -> Conflict {
        let lost = &holder.held[lost as usize];
        let sentence = format!(
            "Nobody got {}, but it must have gone: {} returned, and what must wait for it was given, or nothing was found, while it would still have been there.",
            self.told(lost.put),
            self.the(lost.put),
        );
        let involved = holder.held.iter().filter(|held| held.came.first < deadline);
        let mut operations: Vec<u32> = involved.map(|held| held.put).collect();
        let (ranges, _) = ranges(self);
        let begun = self.numbered().filter(|&(number, operation)| {
            let is_put = matches!(operation.action, QueueAction::Enqueue(_));
            !is_put && ranges[number as usize].first < deadline
        });
        operations.extend(begun.map(|(number, _)| number));
        Conflict::new("lost-value", sentence, &operations)
    }
}

/// The moments of each operation, and how many there are.
fn ranges(queue: &Queue<'_>) -> (Vec<Range>, u32) {
    let never = Range {
        first: 0,
        end: NEVER,
    };
    let mut ranges = vec![never; queue.operations.len()];
    let spans = queue.operations.iter().map(|operation| operation.span);
    let mut moment = 0;
    for event in Moments::new(spans).iter() {
        let range = &mut ranges[event.operation as usize];
        if event.is_return {
            range.end = moment;
        } else {
            range.first = moment;
        }
        moment += 1;
    }
    let moments = moment + 1;
    for range in &mut ranges {
        range.end = range.end.min(moments);
    }
    (ranges, moments)
}

/// The least of what was noted at some moment or later: a tree after Fenwick, "A new data structure for
/// cumulative frequency tables", 1994.
pub(super) struct Earliest {
    least: Vec<u32>,
}

impl Earliest {
    pub(super) fn new(moments: u32) -> Self {
        Self {
            least: vec![NEVER; moments as usize + 1],
        }
    }

    pub(super) fn note(&mut self, moment: u32, value: u32) {
        let mut place = self.least.len() - moment as usize - 1;
        while let Some(least) = self.least.get_mut(place) {
            *least = value.min(*least);
            place |= place + 1;
        }
    }

    pub(super) fn from(&self, moment: u32) -> u32 {
        let mut count = self.least.len().saturating_sub(moment as usize);
        let mut least = NEVER;
        while count > 0 {
            least = least.min(self.least[count - 1]);
            count &= count - 1;
        }
        least
    }
}
