//! A sector with unsynced bytes: what it may hold when the power is gone.

use std::collections::BTreeSet;

use super::power_loss::{Crash, CrashReport, Outcome};
use super::profiles::CrashProfile;
use super::sizes::{Sizes, Survivor};
use super::{SECTOR_BYTES, Sector};
use crate::keyed::Key;

/// How many versions of a sector are remembered between the durable one and the present one.
const VERSIONS_MAX: usize = 16;

/// What a sector has held since the last sync.
#[derive(Clone)]
pub(super) struct DirtySector {
    /// What the disk holds; `None` for zeros.
    pub(super) durable: Option<Box<Sector>>,
    /// Oldest first; what programs see is not among them.
    between: Vec<(Version, Past)>,
    latest: Version,
}

/// What a sector held before the next version.
#[derive(Clone)]
pub(super) enum Past {
    Whole(Box<Sector>),
    /// What the next version holds, up to here; zeros from here on. Appends, which most writes are,
    /// cost no copy.
    Prefix(u16),
}

/// A write to a sector, or a cut through it.
#[derive(Clone, Copy)]
pub(super) struct Version {
    pub(super) time: u64,
    /// Shrinks of the file since the last sync when it was written.
    pub(super) shrinks: u32,
    /// The shrink that must have reached the disk before this can have: the last that took something
    /// of the sector.
    pub(super) needs: u32,
}

impl DirtySector {
    pub(super) fn new(durable: Option<Box<Sector>>, latest: Version) -> Self {
        Self {
            durable,
            between: Vec::new(),
            latest,
        }
    }

    /// It is about to change from what it has held until now.
    pub(super) fn change(&mut self, past: Past, latest: Version) {
        let before = std::mem::replace(&mut self.latest, latest);
        self.between.push((before, past));
        if self.between.len() > VERSIONS_MAX {
            // Who must be as new as the one that is forgotten is as new as the next.
            let forgotten = self.between.remove(0);
            self.between[0].0.time = forgotten.0.time;
        }
    }

    /// All shrinks until now are durable, and with them this: what it held in between is forgotten.
    pub(super) fn settle_shrinks(&mut self, durable: Sector) {
        self.durable = Some(Box::new(durable));
        self.between.clear();
        (self.latest.shrinks, self.latest.needs) = (0, 0);
    }

    pub(super) fn durable_image(&self) -> Sector {
        self.durable.as_deref().copied().unwrap_or([0; _])
    }

    /// What the sector may hold, whole, if this size survives; `seen` is what programs see.
    pub(super) fn candidates(
        &self,
        sector: u64,
        seen: &Sector,
        sizes: &Sizes,
        survivor: &Survivor,
    ) -> Candidates {
        let cut = |bytes: &Sector, floor: u64| {
            cut_at(cut_at(*bytes, sector, floor), sector, survivor.size)
        };
        let mut images = vec![cut(&self.durable_image(), survivor.floor)];
        let held_since = sizes.held_since(survivor, sector);
        let is_held = |version: &Version| held_since.is_some_and(|since| version.time <= since);
        for (version, bytes) in self.past_images(seen) {
            let floor = sizes.floor_since(version.shrinks, survivor);
            if let Some(floor) = floor.filter(|_| version.needs <= survivor.shrinks) {
                if is_held(version) {
                    images.clear();
                }
                images.push(cut(&bytes, floor));
            }
        }
        let has_latest = self.latest.needs <= survivor.shrinks;
        if has_latest {
            if is_held(&self.latest) {
                images.clear();
            }
            images.push(cut(seen, u64::MAX));
        }
        Candidates { images, has_latest }
    }

    /// What it has held between the durable image and what programs see, oldest first.
    fn past_images(&self, seen: &Sector) -> Vec<(&Version, Sector)> {
        let mut images = Vec::with_capacity(self.between.len());
        let mut next = *seen;
        for (version, past) in self.between.iter().rev() {
            match past {
                Past::Whole(bytes) => next = **bytes,
                Past::Prefix(end) => next[usize::from(*end)..].fill(0),
            }
            images.push((version, next));
        }
        images.reverse();
        images
    }
}

/// What a sector may hold, oldest first; never empty.
pub(super) struct Candidates {
    pub(super) images: Vec<Sector>,
    /// Whether the last of them is what programs saw.
    has_latest: bool,
}

impl Candidates {
    pub(super) fn oldest(&self) -> &Sector {
        &self.images[0]
    }

    /// All that a power loss may make of the sector, but for garbage.
    pub(super) fn all(&self, profile: &CrashProfile) -> BTreeSet<Sector> {
        let newest = self.images.len() - 1;
        let is_shown = |at: usize| {
            profile.between_per_mille > 0 || at == 0 || (at == newest && self.has_latest)
        };
        let shown = self.images.iter().enumerate();
        let shown = shown.filter(|&(at, _)| is_shown(at));
        let images: Vec<Sector> = shown.map(|(_, &image)| image).collect();
        let mut all: BTreeSet<Sector> = images.iter().copied().collect();
        if profile.torn_per_mille > 0 {
            for (at, new) in images.iter().enumerate() {
                for old in &images[..at] {
                    all.extend((1..new.len()).map(|stop| torn(old, new, stop)));
                }
            }
        }
        all
    }

    /// What a power loss makes of the sector.
    pub(super) fn decide(
        &self,
        key: Key,
        kept_of_eight: u32,
        crash: &Crash,
        report: &mut CrashReport,
    ) -> Sector {
        let newest = self.images.len() - 1;
        match crash.outcome {
            Outcome::Everything => return self.images[newest],
            Outcome::Nothing => return *self.oldest(),
            Outcome::Mixed => {}
        }
        let (old, new) = self.draw_write(key, crash);
        let (old, new) = (&self.images[old], &self.images[new]);
        if old == new {
            return *new;
        }
        if key.with(0).chance(crash.profile.garbage_per_mille, 1000) {
            report.sectors_garbage += 1;
            return garbage(key.with(1), old, new);
        }
        if key.with(2).chance(crash.profile.torn_per_mille, 1000) {
            report.sectors_torn += 1;
            let stop = key.with(3).between(1, SECTOR_BYTES - 1);
            return torn(old, new, stop as usize);
        }
        if key.with(4).chance(kept_of_eight, 8) {
            return *new;
        }
        *old
    }

    /// The last write that was under way, as (over which image, of which).
    fn draw_write(&self, key: Key, crash: &Crash) -> (usize, usize) {
        let is_between = |key: Key| key.chance(crash.profile.between_per_mille, 1000);
        let newest = self.images.len() - 1;
        let end = newest + usize::from(!self.has_latest);
        let new = match end > 1 && is_between(key.with(5)) {
            true => key.with(6).between(1, end as u64 - 1) as usize,
            false if self.has_latest => newest,
            false => 0,
        };
        let old = match new > 1 && is_between(key.with(7)) {
            true => key.with(8).between(1, new as u64 - 1) as usize,
            false => 0,
        };
        (old, new)
    }
}

/// The write stopped in the middle of the sector.
pub(super) fn torn(old: &Sector, new: &Sector, stop: usize) -> Sector {
    let mut left = *old;
    left[..stop].copy_from_slice(&new[..stop]);
    left
}

/// The write left anything at all, but only between the first and the last byte that it changed:
/// what was synced stays.
fn garbage(key: Key, old: &Sector, new: &Sector) -> Sector {
    let mut left = *old;
    let differs = |&i: &usize| old[i] != new[i];
    let first = (0..old.len()).find(differs);
    let last = (0..old.len()).rfind(differs);
    if let (Some(first), Some(last)) = (first, last) {
        for (i, byte) in left.iter_mut().enumerate().take(last + 1).skip(first) {
            *byte = key.with(i as u64).bits() as u8;
        }
    }
    left
}

/// Zeros from `size` on.
pub(super) fn cut_at(mut bytes: Sector, sector: u64, size: u64) -> Sector {
    let within = size.saturating_sub(sector * SECTOR_BYTES).min(SECTOR_BYTES);
    bytes[within as usize..].fill(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER_CUT: Version = Version {
        time: 0,
        shrinks: 0,
        needs: 0,
    };

    /// Appends and a write over what is there, beside a list of what was seen.
    #[test]
    fn what_a_sector_has_held_comes_back() {
        let mut dirty = DirtySector::new(None, NEVER_CUT);
        let (mut seen, mut end, mut held) = ([0; SECTOR_BYTES as usize], 0, Vec::new());
        for round in 1..=12_u8 {
            held.push(seen);
            if round == 7 {
                dirty.change(Past::Whole(Box::new(seen)), NEVER_CUT);
                seen[10..20].fill(round);
                continue;
            }
            // Every other append leaves a hole.
            let start = end + usize::from(round % 2) * 5;
            dirty.change(Past::Prefix(start as u16), NEVER_CUT);
            end = start + 30;
            seen[start..end].fill(round);
        }
        let images = dirty.past_images(&seen);
        let images: Vec<Sector> = images.into_iter().map(|(_, image)| image).collect();
        assert_eq!(images, held);
    }
}
