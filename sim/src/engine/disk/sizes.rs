//! The sizes that a file had since its last sync, and which of them a power loss may leave.

use std::ops::Range;

use super::power_loss::Outcome;
use super::profiles::{CrashProfile, WriteOrder};
use super::{PAGE_BYTES, SECTOR_BYTES};
use crate::keyed::Key;

/// How many changes since the last sync are remembered one by one, in either way of counting.
const CHANGES_MAX: usize = 32;

/// What programs did to a file's size since the last sync, oldest first.
#[derive(Clone, Default)]
pub(super) struct Sizes {
    /// As an inode that is written whole has them: growth upon growth is one change.
    resizes: Vec<Resize>,
    /// As a journal has them, each with its time.
    steps: Vec<Step>,
    /// When the file took another one's name.
    replacements: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Resize {
    from: u64,
    to: u64,
    /// Shrinks since the last sync, up to and with this change.
    shrinks: u32,
    /// The smallest size that any of those shrinks left; `u64::MAX` if there was none.
    floor: u64,
}

impl Resize {
    fn is_growth(self) -> bool {
        self.to > self.from
    }
}

#[derive(Clone, Copy)]
struct Step {
    time: u64,
    size: u64,
    cause: Cause,
    shrinks: u32,
    floor: u64,
}

/// Why a size changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Bytes were written from this offset on, which reaches the journal when they reach the disk.
    Written { from: u64 },
    /// The file was cut or extended, which goes into the journal at once.
    Set,
}

/// A size that a power loss may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Survivor {
    pub(super) size: u64,
    /// Shrinks since the last sync that survived.
    pub(super) shrinks: u32,
    /// The smallest size that any of them left.
    pub(super) floor: u64,
    /// Bytes that reached the disk before the size did.
    held: Range<u64>,
    /// The steps by which they came.
    growth: Range<usize>,
}

impl Survivor {
    fn of_resize(resize: Resize, size: u64) -> Self {
        Self {
            size,
            shrinks: resize.shrinks,
            floor: resize.floor,
            held: 0..0,
            growth: 0..0,
        }
    }

    /// The size at the last sync.
    pub(super) fn unchanged(durable_size: u64) -> Self {
        Self {
            size: durable_size,
            shrinks: 0,
            floor: u64::MAX,
            held: 0..0,
            growth: 0..0,
        }
    }
}

impl Sizes {
    pub(super) fn is_changed(&self) -> bool {
        !self.resizes.is_empty()
    }

    /// What was true of the size is durable.
    pub(super) fn settle(&mut self) {
        self.resizes.clear();
        self.steps.clear();
        self.replacements.clear();
    }

    /// The smallest size that any shrink since the last sync has left; `u64::MAX` if there was none.
    pub(super) fn floor(&self) -> u64 {
        self.resizes.last().map_or(u64::MAX, |resize| resize.floor)
    }

    /// Shrinks since the last sync.
    pub(super) fn shrinks(&self) -> u32 {
        self.resizes.last().map_or(0, |resize| resize.shrinks)
    }

    /// The last shrink that took something of the sector; 0 if none did.
    pub(super) fn last_cut_of(&self, sector: u64) -> u32 {
        let end = (sector + 1) * SECTOR_BYTES;
        if self.resizes.last().is_none_or(|last| last.floor >= end) {
            return 0;
        }
        let mut shrinks = self.resizes.iter().filter(|resize| !resize.is_growth());
        let cut = shrinks.rfind(|shrink| shrink.to < end);
        cut.or_else(|| self.resizes.first())
            .map_or(0, |resize| resize.shrinks)
    }

    pub(super) fn change(&mut self, from: u64, to: u64, time: u64, cause: Cause) {
        let last = self.resizes.last();
        let (shrinks, floor) = last.map_or((0, u64::MAX), |last| (last.shrinks, last.floor));
        let (shrinks, floor) = match to < from {
            true => (shrinks + 1, floor.min(to)),
            false => (shrinks, floor),
        };
        match self.resizes.last_mut() {
            Some(last) if last.is_growth() && to > from => last.to = to,
            _ => remember(
                &mut self.resizes,
                Resize {
                    from,
                    to,
                    shrinks,
                    floor,
                },
            ),
        }
        let step = Step {
            time,
            size: to,
            cause,
            shrinks,
            floor,
        };
        self.step(step);
    }

    /// Of many writes on end, those in the middle become one: a power loss will not show the size
    /// between them.
    fn step(&mut self, step: Step) {
        if self.steps.len() >= CHANGES_MAX
            && let Some(last) = self.steps.last_mut()
            && let (Cause::Written { from }, Cause::Written { .. }) = (last.cause, step.cause)
        {
            *last = Step {
                cause: Cause::Written { from },
                ..step
            };
            return;
        }
        self.steps.push(step);
    }

    /// The file takes the name of another.
    pub(super) fn replace(&mut self, time: u64) {
        if self.is_changed() {
            remember(&mut self.replacements, time);
        }
    }

    /// When journals took up what they have of the file from `since` on.
    pub(super) fn times(&self, since: u64) -> impl Iterator<Item = u64> {
        let times = self.steps.iter().map(|step| step.time);
        times.filter(move |&time| time >= since)
    }

    /// The sizes that survive in no order, if they are no more than `max`.
    pub(super) fn in_no_order(&self, durable_size: u64, max: usize) -> Option<Vec<Survivor>> {
        let mut survivors = vec![Survivor::unchanged(durable_size)];
        for &resize in &self.resizes {
            let sizes = resize.from.min(resize.to)..=resize.to;
            if sizes.end() - sizes.start() > max as u64 {
                return None;
            }
            survivors.extend(sizes.map(|size| Survivor::of_resize(resize, size)));
        }
        Some(survivors)
    }

    /// One of the sizes that survive in no order.
    pub(super) fn draw(&self, key: Key, durable_size: u64, outcome: Outcome) -> Survivor {
        let unchanged = Survivor::unchanged(durable_size);
        let chosen = match outcome {
            Outcome::Nothing => None,
            Outcome::Everything => self.resizes.last(),
            Outcome::Mixed => {
                let index = key.with(0).below(self.resizes.len() as u64 + 1) as usize;
                index.checked_sub(1).map(|index| &self.resizes[index])
            }
        };
        let Some(&resize) = chosen else {
            return unchanged;
        };
        let size = match outcome {
            Outcome::Mixed if resize.is_growth() => {
                size_within(key.with(1), resize.from, resize.to)
            }
            _ => resize.to,
        };
        Survivor::of_resize(resize, size)
    }

    /// The sizes that a journal leaves which was written up to a time, smallest growth first.
    pub(super) fn in_order(
        &self,
        durable_size: u64,
        journal_end: u64,
        profile: &CrashProfile,
    ) -> Vec<Survivor> {
        let count = self.steps.partition_point(|step| step.time < journal_end);
        let set = self.steps[..count]
            .iter()
            .rposition(|step| step.cause == Cause::Set);
        let base = match set.map(|at| self.steps[at]) {
            None => Survivor::unchanged(durable_size),
            Some(step) => Survivor {
                size: step.size,
                shrinks: step.shrinks,
                floor: step.floor,
                ..Survivor::unchanged(0)
            },
        };
        let growth = set.map_or(0, |at| at + 1)..count;
        let written = self.written_by_replacement(journal_end, profile);
        let forced = self.steps[growth.clone()].partition_point(|step| step.time < written);
        let grown = self.grown_sizes(base.size, growth.clone());
        let least = forced
            .checked_sub(1)
            .map(|at| self.steps[growth.start + at].size);
        let survivor = |size: u64| Survivor {
            size,
            held: match profile.order {
                WriteOrder::Xfs if size > base.size => size - 1..size,
                WriteOrder::Xfs => 0..0,
                _ => base.size..size,
            },
            growth: growth.clone(),
            ..base.clone()
        };
        let sizes = std::iter::once(base.size).chain(grown);
        sizes
            .filter(|&size| least.is_none_or(|least| size >= least))
            .map(survivor)
            .collect()
    }

    /// All that was written before this time has reached the disk with its size.
    fn written_by_replacement(&self, journal_end: u64, profile: &CrashProfile) -> u64 {
        let mut times = self.replacements.iter().copied();
        let last = times.rfind(|&time| time < journal_end);
        last.filter(|_| profile.auto_da_alloc).unwrap_or(0)
    }

    /// Where growth gets to by whole writes and whole pages.
    fn grown_sizes(&self, from: u64, growth: Range<usize>) -> Vec<u64> {
        let mut sizes = Vec::new();
        let mut size = from;
        for step in &self.steps[growth] {
            let start = match step.cause {
                Cause::Written { from } => size.max(from),
                Cause::Set => size,
            };
            let pages = start / PAGE_BYTES + 1..step.size.div_ceil(PAGE_BYTES);
            sizes.extend(pages.map(|page| page * PAGE_BYTES));
            sizes.push(step.size);
            size = step.size;
        }
        sizes
    }

    /// Since when a sector must have been written if this size survived, if it must at all.
    pub(super) fn held_since(&self, survivor: &Survivor, sector: u64) -> Option<u64> {
        let (start, end) = (sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
        let is_apart = start >= survivor.held.end || end <= survivor.held.start;
        if survivor.held.is_empty() || is_apart {
            return None;
        }
        let covered = end.min(survivor.size);
        let mut growth = self.steps[survivor.growth.clone()].iter();
        growth
            .find(|step| step.size >= covered)
            .map(|step| step.time)
    }

    /// Where bytes are cut that were written when there had been `shrinks` shrinks; `None` if that is
    /// forgotten.
    pub(super) fn floor_since(&self, shrinks: u32, survivor: &Survivor) -> Option<u64> {
        if shrinks >= survivor.shrinks {
            return Some(u64::MAX);
        }
        let remembered = self.resizes.iter().filter(|resize| !resize.is_growth());
        let mut later = remembered
            .skip_while(|shrink| shrink.shrinks <= shrinks)
            .take_while(|shrink| shrink.shrinks <= survivor.shrinks)
            .peekable();
        later.peek().filter(|first| first.shrinks == shrinks + 1)?;
        later.map(|shrink| shrink.to).min()
    }
}

/// Where a growth from `from` to `to` got to: the ends, a whole number of sectors, or any byte.
fn size_within(key: Key, from: u64, to: u64) -> u64 {
    let any = key.with(1).between(from, to);
    match key.with(0).below(4) {
        0 => from,
        1 => to,
        2 => any.next_multiple_of(SECTOR_BYTES).min(to),
        _ => any,
    }
}

/// Forgetting an old change only means that a power loss will not show that state.
fn remember<T>(changes: &mut Vec<T>, change: T) {
    if changes.len() == CHANGES_MAX {
        changes.remove(0);
    }
    changes.push(change);
}
