//! The bytes of one file: what programs see, and what would be left of them.
//!
//! Only what programs see is kept whole. What the disk still holds is remembered for dirty sectors
//! alone, as an *undo image* that is taken when a sector is first changed after a sync; a file with
//! nothing unsynced costs one copy of its bytes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::power_loss::{Crash, CrashReport, Outcome};
use super::profiles::{CrashProfile, WriteOrder};
use super::scars::Scars;
use super::sectors::{Candidates, DirtySector, Past, Version, cut_at};
use super::sizes::{Cause, Sizes, Survivor};
use super::{PAGE_BYTES, SECTOR_BYTES, Sector};
use crate::keyed::Key;

type Page = [u8; PAGE_BYTES as usize];

/// Law: all bytes of pages at and behind `size` are zero, and no page begins there.
#[derive(Clone, Default)]
pub(super) struct Contents {
    pub(super) size: u64,
    pub(super) pages: BTreeMap<u64, Box<Page>>,
    /// By the number of the sector in the file.
    pub(super) dirty: BTreeMap<u64, DirtySector>,
    /// Sectors that a failed sync left clean without writing them: they are lost with the power,
    /// unless they are written again and synced.
    pub(super) unwritten: BTreeMap<u64, DirtySector>,
    pub(super) durable_size: u64,
    /// What lies below was made durable by a sync before the last one that had something to write.
    pub(super) settled_bytes: u64,
    pub(super) sizes: Sizes,
    /// What the medium has done to single sectors.
    pub(super) scars: Option<Box<Scars>>,
}

/// What a power loss leaves of a file: its size, and what was unsynced.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leaving {
    pub(super) size: u64,
    pub(super) sectors: Vec<(u64, Sector)>,
}

impl Leaving {
    fn with(&self, sector: u64, image: &Sector) -> Self {
        let mut with = self.clone();
        with.sectors.push((sector, *image));
        with
    }
}

/// The room on a disk, counted in pages as ext4 counts blocks.
#[derive(Clone)]
pub(super) struct Space {
    pub(super) capacity_bytes: u64,
    pub(super) used_bytes: u64,
}

impl Space {
    fn take_page(&mut self) -> bool {
        if self.used_bytes + PAGE_BYTES > self.capacity_bytes {
            return false;
        }
        self.used_bytes += PAGE_BYTES;
        true
    }

    /// For what is on the disk already, whatever the capacity.
    fn claim_page(&mut self) {
        self.used_bytes += PAGE_BYTES;
    }

    fn give_pages(&mut self, count: usize) {
        self.used_bytes -= count as u64 * PAGE_BYTES;
    }
}

impl Contents {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether a power loss might leave something else than programs see.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.unwritten.is_empty() || self.sizes.is_changed()
    }

    /// Bytes at the file's beginning that were durable before others behind them were.
    pub(super) fn settled_bytes(&self) -> u64 {
        self.settled_bytes.min(self.durable_size).min(self.size)
    }

    pub(super) fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// The file takes the name of another.
    pub(super) fn replace(&mut self, time: u64) {
        self.sizes.replace(time);
    }

    pub(super) fn dirty_sector_count(&self) -> u64 {
        self.dirty.len() as u64
    }

    /// Bytes of the file that lie in dirty sectors.
    pub(super) fn dirty_bytes(&self) -> u64 {
        let in_file = |&sector: &u64| {
            let start = sector * SECTOR_BYTES;
            self.size.saturating_sub(start).min(SECTOR_BYTES)
        };
        self.dirty.keys().map(in_file).sum()
    }

    /// All that a reader finds.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.size as usize];
        self.read(0, &mut bytes);
        bytes
    }

    /// Reads up to the end of the file; holes are zeros. Answers the number of bytes read.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let available = self.size.saturating_sub(offset);
        let count = available.min(buffer.len() as u64) as usize;
        let mut done = 0;
        while done < count {
            let (page, within, length) = in_page(offset + done as u64, count - done);
            let target = &mut buffer[done..done + length];
            match self.pages.get(&page) {
                Some(bytes) => target.copy_from_slice(&bytes[within..within + length]),
                None => target.fill(0),
            }
            done += length;
        }
        count
    }

    /// Writes as much as there is room for. Answers the number of bytes written.
    pub(super) fn write(
        &mut self,
        offset: u64,
        data: &[u8],
        time: u64,
        space: &mut Space,
    ) -> usize {
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let (page, within, length) = in_page(at, data.len() - done);
            if let Entry::Vacant(vacant) = self.pages.entry(page) {
                if !space.take_page() {
                    break;
                }
                vacant.insert(Box::new([0; _]));
            }
            self.touch(at, at + length as u64, time);
            let bytes = self.pages.get_mut(&page).expect("it was made above");
            bytes[within..within + length].copy_from_slice(&data[done..done + length]);
            done += length;
        }
        if done > 0 {
            self.grow(offset + done as u64, time, Cause::Written { from: offset });
        }
        done
    }

    pub(super) fn set_size(&mut self, size: u64, time: u64, space: &mut Space) {
        if size < self.size {
            self.shrink(size, time, space);
        } else {
            self.grow(size, time, Cause::Set);
        }
    }

    /// Makes all that programs see durable.
    pub(super) fn sync(&mut self) {
        self.heal_written();
        if let Some((&first, _)) = self.dirty.first_key_value() {
            self.settled_bytes = first * SECTOR_BYTES;
        }
        self.dirty.clear();
        self.sizes.settle();
        self.durable_size = self.size;
    }

    /// Flips bits of a stored byte. A reader sees it unless the byte is dirty, and so newer than what
    /// is stored.
    pub(super) fn flip(&mut self, offset: u64, mask: u8) {
        let (page, within, _) = in_page(offset, 1);
        let sector = offset / SECTOR_BYTES;
        let stored = self
            .dirty
            .get_mut(&sector)
            .or_else(|| self.unwritten.get_mut(&sector));
        match (stored, self.pages.get_mut(&page)) {
            (Some(stored), _) => {
                let bytes = stored.durable.get_or_insert_with(|| Box::new([0; _]));
                bytes[(offset % SECTOR_BYTES) as usize] ^= mask;
            }
            (None, Some(bytes)) => bytes[within] ^= mask,
            // A hole has no bytes that could rot.
            (None, None) => {}
        }
    }

    /// The file is gone for good.
    pub(super) fn release(self, space: &mut Space) {
        space.give_pages(self.pages.len());
    }

    fn grow(&mut self, size: u64, time: u64, cause: Cause) {
        if size > self.size {
            self.sizes.change(self.size, size, time, cause);
            self.size = size;
        }
    }

    fn shrink(&mut self, size: u64, time: u64, space: &mut Space) {
        self.sizes.change(self.size, size, time, Cause::Set);
        let pages: Vec<u64> = self
            .pages
            .range(size / PAGE_BYTES..)
            .map(|(&n, _)| n)
            .collect();
        for page in pages {
            let start = (page * PAGE_BYTES).max(size);
            self.touch(start, self.size.min((page + 1) * PAGE_BYTES), time);
            if page * PAGE_BYTES >= size {
                self.pages.remove(&page);
                space.give_pages(1);
            } else {
                let bytes = self.pages.get_mut(&page).expect("it was listed above");
                bytes[(size % PAGE_BYTES) as usize..].fill(0);
            }
        }
        self.size = size;
    }

    /// Takes undo images before the bytes from `start` to `end`, within one page, are changed.
    fn touch(&mut self, start: u64, end: u64, time: u64) {
        let page = self.pages.get(&(start / PAGE_BYTES));
        for sector in start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let first = sector * SECTOR_BYTES;
            let seen = || page.map_or([0; _], |page| sector_of(page, sector));
            let version = Version {
                time,
                shrinks: self.sizes.shrinks(),
                needs: self.sizes.last_cut_of(sector),
            };
            match self.dirty.entry(sector) {
                Entry::Occupied(mut dirty) => {
                    // Behind the file's end are zeros.
                    let past = match start >= self.size {
                        true => Past::Prefix((start.max(first) - first) as u16),
                        false => Past::Whole(Box::new(seen())),
                    };
                    dirty.get_mut().change(past, version);
                }
                Entry::Vacant(clean) => {
                    let stored = || {
                        let is_stored = page.is_some() && first < self.durable_size;
                        is_stored.then(|| Box::new(seen()))
                    };
                    let durable = match self.unwritten.remove(&sector) {
                        Some(unwritten) => unwritten.durable,
                        None => stored(),
                    };
                    clean.insert(DirtySector::new(durable, version));
                }
            }
        }
    }

    /// What a power loss leaves becomes the contents. `key` is of this file and this power loss.
    pub(super) fn lose_power(
        &mut self,
        key: Key,
        crash: &Crash,
        space: &mut Space,
        report: &mut CrashReport,
    ) {
        if !self.is_dirty() {
            return;
        }
        let survivor = self.draw_size(key.label("size"), crash);
        report.files_resized += u64::from(survivor.size != self.size);
        // Sectors fare alike within a file: mostly lost, half and half, or mostly kept.
        let kept_of_eight = *key.label("kept").pick(&[1, 4, 7]);
        let key = key.label("sector");
        let mut left: Vec<(u64, Sector)> = Vec::new();
        let mut written: Vec<u64> = Vec::new();
        for (&sector, state) in &self.unwritten {
            let old = self.unwritten_image(sector, state, &survivor);
            report.note_sector(&old, &self.sector(sector), &old);
            left.push((sector, old));
        }
        for (&sector, state) in &self.dirty {
            let seen = self.sector(sector);
            let candidates = self.candidates(sector, state, &survivor);
            let chosen = candidates.decide(key.with(sector), kept_of_eight, crash, report);
            let chosen = cut_at(chosen, sector, survivor.size);
            report.note_sector(candidates.oldest(), &seen, &chosen);
            left.push((sector, chosen));
            if chosen != *candidates.oldest() {
                written.push(sector);
            }
        }
        written.into_iter().for_each(|sector| self.heal(sector));
        self.become_durable(survivor.size, &left, space);
    }

    fn draw_size(&self, key: Key, crash: &Crash) -> Survivor {
        if !self.sizes.is_changed() {
            return Survivor::unchanged(self.durable_size);
        }
        if crash.profile.order == WriteOrder::Posix {
            return self.sizes.draw(key, self.durable_size, crash.outcome);
        }
        let mut allowed = self
            .sizes
            .in_order(self.durable_size, crash.journal_end, crash.profile);
        let last = allowed.len() - 1;
        let index = match crash.outcome {
            Outcome::Nothing => 0,
            Outcome::Everything => last,
            Outcome::Mixed => match key.with(0).below(3) {
                0 => 0,
                1 => last,
                _ => key.with(1).between(0, last as u64) as usize,
            },
        };
        allowed.swap_remove(index)
    }

    /// All that a power loss may leave; `None` if that is more than `max`.
    pub(super) fn leavings(
        &self,
        journal_end: u64,
        profile: &CrashProfile,
        max: usize,
    ) -> Option<BTreeSet<Leaving>> {
        let survivors = match profile.order {
            WriteOrder::Posix => self.sizes.in_no_order(self.durable_size, max)?,
            _ => self.sizes.in_order(self.durable_size, journal_end, profile),
        };
        let mut all = BTreeSet::new();
        for survivor in survivors {
            all.extend(self.leavings_of(&survivor, profile, max)?);
            if all.len() > max {
                return None;
            }
        }
        Some(all)
    }

    fn leavings_of(
        &self,
        survivor: &Survivor,
        profile: &CrashProfile,
        max: usize,
    ) -> Option<Vec<Leaving>> {
        let unwritten = self.unwritten.iter();
        let lost = unwritten
            .map(|(&sector, state)| (sector, self.unwritten_image(sector, state, survivor)));
        let mut leavings = vec![Leaving {
            size: survivor.size,
            sectors: lost.collect(),
        }];
        for (&sector, state) in &self.dirty {
            let images = self.candidates(sector, state, survivor).all(profile);
            if leavings.len().saturating_mul(images.len()) > max {
                return None;
            }
            let with = |leaving: &Leaving| {
                let with = |image| leaving.with(sector, image);
                images.iter().map(with).collect::<Vec<_>>()
            };
            leavings = leavings.iter().flat_map(with).collect();
        }
        Some(leavings)
    }

    fn candidates(&self, sector: u64, state: &DirtySector, survivor: &Survivor) -> Candidates {
        state.candidates(sector, &self.sector(sector), &self.sizes, survivor)
    }

    fn unwritten_image(&self, sector: u64, state: &DirtySector, survivor: &Survivor) -> Sector {
        let old = cut_at(state.durable_image(), sector, survivor.floor);
        cut_at(old, sector, survivor.size)
    }

    /// The disk holds these bytes and no others, and the page cache comes back equal to it.
    pub(super) fn become_durable(
        &mut self,
        size: u64,
        sectors: &[(u64, Sector)],
        space: &mut Space,
    ) {
        self.dirty.clear();
        self.unwritten.clear();
        for (sector, bytes) in sectors {
            self.put_sector(*sector, bytes, space);
        }
        self.drop_pages_behind(size, space);
        self.size = size;
        self.sync();
    }

    pub(super) fn sector(&self, sector: u64) -> Sector {
        self.pages
            .get(&(sector * SECTOR_BYTES / PAGE_BYTES))
            .map_or([0; _], |page| sector_of(page, sector))
    }

    /// Zeros into a hole leave it a hole.
    pub(super) fn put_sector(&mut self, sector: u64, bytes: &Sector, space: &mut Space) {
        let (page, within, length) = in_page(sector * SECTOR_BYTES, SECTOR_BYTES as usize);
        let target = match self.pages.entry(page) {
            Entry::Occupied(occupied) => occupied.into_mut(),
            Entry::Vacant(_) if bytes.iter().all(|&byte| byte == 0) => return,
            Entry::Vacant(vacant) => {
                space.claim_page();
                vacant.insert(Box::new([0; _]))
            }
        };
        target[within..within + length].copy_from_slice(bytes);
    }

    /// Bytes behind `size` in its own page lie in dirty sectors, or a shrink had made them zeros.
    fn drop_pages_behind(&mut self, size: u64, space: &mut Space) {
        let behind = self.pages.split_off(&size.div_ceil(PAGE_BYTES));
        space.give_pages(behind.len());
    }
}

fn sector_of(page: &Page, sector: u64) -> Sector {
    let within = (sector * SECTOR_BYTES % PAGE_BYTES) as usize;
    let bytes = &page[within..within + SECTOR_BYTES as usize];
    bytes.try_into().expect("a page is whole sectors")
}

/// The page of the byte at `offset`, the place in it, and how many of `count` bytes lie in it.
fn in_page(offset: u64, count: usize) -> (u64, usize, usize) {
    let within = (offset % PAGE_BYTES) as usize;
    let length = count.min(PAGE_BYTES as usize - within);
    (offset / PAGE_BYTES, within, length)
}
