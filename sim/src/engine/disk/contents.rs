//! The bytes of one file: what programs see, and what would be left of them.
//!
//! Only what programs see is kept whole. What the disk still holds is remembered for dirty sectors
//! alone, as an *undo image* that is taken when a sector is first changed after a sync; a file with
//! nothing unsynced costs one copy of its bytes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::power_loss::{CrashProfile, CrashReport, Outcome, WriteOrder};
use crate::keyed::Key;

/// Bytes in a sector: the unit in which unsynced bytes live or die.
pub const SECTOR_BYTES: u64 = 512;
/// Bytes in a page: the unit in which space is taken. What lies in no page is a hole.
const PAGE_BYTES: u64 = 4096;

type Sector = [u8; SECTOR_BYTES as usize];
type Page = [u8; PAGE_BYTES as usize];

/// How many size changes since the last sync are remembered one by one.
const RESIZES_MAX: usize = 32;

/// Law: all bytes of pages at and behind `size` are zero, and no page begins there.
#[derive(Default)]
pub(super) struct Contents {
    size: u64,
    pages: BTreeMap<u64, Box<Page>>,
    /// By the number of the sector in the file.
    dirty: BTreeMap<u64, DirtySector>,
    /// Sectors that a failed sync left clean without writing them: they are lost with the power,
    /// unless they are written again and synced.
    unwritten: BTreeMap<u64, DirtySector>,
    durable_size: u64,
    /// What lies below was made durable by a sync before the last one that had something to write.
    settled_bytes: u64,
    /// Since the last sync, oldest first; growth upon growth is one change.
    resizes: Vec<Resize>,
}

struct DirtySector {
    /// What the disk holds; `None` for zeros.
    durable: Option<Box<Sector>>,
    /// The number of shrinks that must have reached the disk before the present contents can have.
    shrinks_before: u32,
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

/// The room on a disk, counted in pages as ext4 counts blocks.
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
        !self.dirty.is_empty() || !self.unwritten.is_empty() || !self.resizes.is_empty()
    }

    /// Bytes at the file's beginning that were durable before others behind them were.
    pub(super) fn settled_bytes(&self) -> u64 {
        self.settled_bytes.min(self.durable_size).min(self.size)
    }

    /// Whether a sync would change the size that a power loss leaves.
    pub(super) fn is_resized(&self) -> bool {
        !self.resizes.is_empty()
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
    pub(super) fn write(&mut self, offset: u64, data: &[u8], space: &mut Space) -> usize {
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
            self.touch(at, at + length as u64);
            let bytes = self.pages.get_mut(&page).expect("it was made above");
            bytes[within..within + length].copy_from_slice(&data[done..done + length]);
            done += length;
        }
        if done > 0 {
            self.grow(offset + done as u64);
        }
        done
    }

    pub(super) fn set_size(&mut self, size: u64, space: &mut Space) {
        if size < self.size {
            self.shrink(size, space);
        } else {
            self.grow(size);
        }
    }

    /// Makes all that programs see durable.
    pub(super) fn sync(&mut self) {
        if let Some((&first, _)) = self.dirty.first_key_value() {
            self.settled_bytes = first * SECTOR_BYTES;
        }
        self.dirty.clear();
        self.resizes.clear();
        self.durable_size = self.size;
    }

    /// A sync that fails: see [`super::Disk::fail_sync`]. The size may yet become durable.
    pub(super) fn fail_sync(&mut self) {
        self.unwritten.append(&mut self.dirty);
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

    /// (Shrinks since the last sync, the smallest size that one left.)
    fn shrunk(&self) -> (u32, u64) {
        self.resizes
            .last()
            .map_or((0, u64::MAX), |resize| (resize.shrinks, resize.floor))
    }

    fn grow(&mut self, size: u64) {
        if size <= self.size {
            return;
        }
        let (shrinks, floor) = self.shrunk();
        match self.resizes.last_mut() {
            Some(last) if last.is_growth() => last.to = size,
            _ => self.remember(Resize {
                from: self.size,
                to: size,
                shrinks,
                floor,
            }),
        }
        self.size = size;
    }

    fn shrink(&mut self, size: u64, space: &mut Space) {
        let (shrinks, floor) = self.shrunk();
        let shrinks = shrinks + 1;
        let pages: Vec<u64> = self
            .pages
            .range(size / PAGE_BYTES..)
            .map(|(&n, _)| n)
            .collect();
        for page in pages {
            let start = (page * PAGE_BYTES).max(size);
            self.touch(start, self.size.min((page + 1) * PAGE_BYTES));
            if page * PAGE_BYTES >= size {
                self.pages.remove(&page);
                space.give_pages(1);
            } else {
                let bytes = self.pages.get_mut(&page).expect("it was listed above");
                bytes[(size % PAGE_BYTES) as usize..].fill(0);
            }
        }
        for sector in self
            .dirty
            .range_mut(size / SECTOR_BYTES..)
            .map(|(_, it)| it)
        {
            sector.shrinks_before = shrinks;
        }
        self.remember(Resize {
            from: self.size,
            to: size,
            shrinks,
            floor: floor.min(size),
        });
        self.size = size;
    }

    /// Forgetting an old change only means that a power loss will not show that state.
    fn remember(&mut self, resize: Resize) {
        if self.resizes.len() == RESIZES_MAX {
            self.resizes.remove(0);
        }
        self.resizes.push(resize);
    }

    /// Takes undo images before the bytes from `start` to `end`, within one page, are changed.
    fn touch(&mut self, start: u64, end: u64) {
        let (shrinks, floor) = self.shrunk();
        let page = self.pages.get(&(start / PAGE_BYTES));
        for sector in start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let first = sector * SECTOR_BYTES;
            let unwritten = &mut self.unwritten;
            let dirty = self.dirty.entry(sector).or_insert_with(|| {
                let stored = || {
                    let page = page.filter(|_| first < self.durable_size)?;
                    Some(Box::new(sector_of(page, sector)))
                };
                DirtySector {
                    durable: unwritten
                        .remove(&sector)
                        .map_or_else(stored, |unwritten| unwritten.durable),
                    shrinks_before: 0,
                }
            });
            if first + SECTOR_BYTES > floor {
                dirty.shrinks_before = shrinks;
            }
        }
    }

    /// What a power loss leaves becomes the contents. `key` is of this file and this power loss.
    pub(super) fn lose_power(
        &mut self,
        key: Key,
        profile: &CrashProfile,
        outcome: Outcome,
        space: &mut Space,
        report: &mut CrashReport,
    ) {
        if !self.is_dirty() {
            return;
        }
        let seen_size = self.size;
        let survivor = self.surviving_size(key.label("size"), profile, outcome);
        let fates = SectorFates {
            key: key.label("sector"),
            profile,
            outcome,
            // Sectors fare alike within a file: mostly lost, half and half, or mostly kept.
            kept_of_eight: *key.label("kept").pick(&[1, 4, 7]),
        };
        for (sector, state) in std::mem::take(&mut self.unwritten) {
            let seen = self.sector(sector);
            let old = cut_at(durable_image(&state), sector, survivor.floor);
            let left = cut_at(old, sector, survivor.size);
            report.note_sector(&old, &seen, &left);
            self.put_sector(sector, &left, space);
        }
        let dirty = std::mem::take(&mut self.dirty);
        for (&sector, state) in &dirty {
            let seen = self.sector(sector);
            let old = cut_at(durable_image(state), sector, survivor.floor);
            let is_possible = state.shrinks_before <= survivor.shrinks;
            let left = if !is_possible {
                old
            } else if survivor.must_hold(sector) {
                seen
            } else {
                fates.decide(sector, &old, &seen, report)
            };
            let left = cut_at(left, sector, survivor.size);
            report.note_sector(&old, &seen, &left);
            self.put_sector(sector, &left, space);
        }
        self.drop_pages_behind(survivor.size, space);
        report.files_resized += u64::from(survivor.size != seen_size);
        self.size = survivor.size;
        self.sync();
    }

    fn surviving_size(&self, key: Key, profile: &CrashProfile, outcome: Outcome) -> Survivor {
        let nothing = Survivor {
            size: self.durable_size,
            shrinks: 0,
            floor: u64::MAX,
            held: 0..0,
        };
        let Some(&last) = self.resizes.last() else {
            return nothing;
        };
        // Only what programs see now is still known, so a size of ext4, whose bytes must be there, is
        // one on the way of the last change, or the durable one.
        let ordered = profile.order == WriteOrder::Ext4Ordered;
        let chosen = match outcome {
            Outcome::Nothing => return nothing,
            Outcome::Everything => Some(last),
            Outcome::Mixed if ordered => key.with(0).chance(1, 2).then_some(last),
            Outcome::Mixed => {
                let index = key.with(0).below(self.resizes.len() as u64 + 1) as usize;
                index.checked_sub(1).map(|index| self.resizes[index])
            }
        };
        let Some(resize) = chosen else {
            return nothing;
        };
        let size = if resize.is_growth() && outcome == Outcome::Mixed {
            size_within(key.with(1), resize.from, resize.to)
        } else {
            resize.to
        };
        let held = if ordered {
            self.durable_size.min(resize.floor)..size
        } else {
            0..0
        };
        Survivor {
            size,
            shrinks: resize.shrinks,
            floor: resize.floor,
            held,
        }
    }

    fn sector(&self, sector: u64) -> Sector {
        self.pages
            .get(&(sector * SECTOR_BYTES / PAGE_BYTES))
            .map_or([0; _], |page| sector_of(page, sector))
    }

    /// Zeros into a hole leave it a hole.
    fn put_sector(&mut self, sector: u64, bytes: &Sector, space: &mut Space) {
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

/// Which size change of a file was the last to reach the disk.
struct Survivor {
    size: u64,
    shrinks: u32,
    floor: u64,
    /// Bytes that reached the disk before the size did.
    held: std::ops::Range<u64>,
}

impl Survivor {
    fn must_hold(&self, sector: u64) -> bool {
        let start = sector * SECTOR_BYTES;
        start < self.held.end && start + SECTOR_BYTES > self.held.start
    }
}

struct SectorFates<'a> {
    key: Key,
    profile: &'a CrashProfile,
    outcome: Outcome,
    kept_of_eight: u32,
}

impl SectorFates<'_> {
    fn decide(&self, sector: u64, old: &Sector, new: &Sector, report: &mut CrashReport) -> Sector {
        match self.outcome {
            Outcome::Everything => return *new,
            Outcome::Nothing => return *old,
            Outcome::Mixed if old == new => return *new,
            Outcome::Mixed => {}
        }
        let key = self.key.with(sector);
        if key.with(0).chance(self.profile.garbage_per_mille, 1000) {
            report.sectors_garbage += 1;
            return garbage(key.with(1), old, new);
        }
        if key.with(2).chance(self.profile.torn_per_mille, 1000) {
            report.sectors_torn += 1;
            return torn(key.with(3), old, new);
        }
        if key.with(4).chance(self.kept_of_eight, 8) {
            return *new;
        }
        *old
    }
}

/// The write stopped in the middle of the sector.
fn torn(key: Key, old: &Sector, new: &Sector) -> Sector {
    let stop = key.between(1, SECTOR_BYTES - 1) as usize;
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

fn durable_image(state: &DirtySector) -> Sector {
    state.durable.as_deref().copied().unwrap_or([0; _])
}

/// Zeros from `size` on.
fn cut_at(mut bytes: Sector, sector: u64, size: u64) -> Sector {
    let within = size.saturating_sub(sector * SECTOR_BYTES).min(SECTOR_BYTES);
    bytes[within as usize..].fill(0);
    bytes
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
