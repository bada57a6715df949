//! Sectors that the medium has done something to, and what comes of reading and writing them.
//!
//! A scar is on the medium. Nobody sees it while the page cache has the sector: because it waits to be
//! written, or because it was written and the cache still shows what was meant. It heals when the
//! sector is written again.

use std::collections::BTreeMap;
use std::ops::Range;

use super::contents::{Contents, Space};
use super::sectors::cut_at;
use super::write_back::sectors_of;
use super::{Disk, Errno, FileHandle, PAGE_BYTES, SECTOR_BYTES};

/// Who has done it: a number of the caller's choice, to count by when a program feels it.
pub type Cause = u32;

/// The scars of a file.
#[derive(Clone, Default)]
pub(super) struct Scars {
    /// Sectors that cannot be read.
    unreadable: BTreeMap<u64, Cause>,
    /// Sectors that hold something else than was last written to them.
    wrong: BTreeMap<u64, Cause>,
    /// How many syncs of the file have failed.
    pub(super) sync_failures: u32,
}

impl Disk {
    /// Whether any file has scars.
    pub(in crate::engine) fn is_scarred(&self) -> bool {
        self.tree.files().any(Contents::is_scarred)
    }

    /// What a read of an open file has felt, by its result: whose doing it is that it failed or ended
    /// early, or that some of what it read is not what was written.
    pub(in crate::engine) fn scars_felt(
        &self,
        handle: FileHandle,
        offset: u64,
        asked: usize,
        result: Result<usize, Errno>,
    ) -> Option<Cause> {
        let open = self.opened(handle).ok()?;
        let contents = self.contents(open.inode).ok()?;
        let scars = contents.scars.as_ref()?;
        let read = result.unwrap_or(0);
        let end = offset.saturating_add(read as u64);
        let wrong = scars.wrong.range(sectors_of(&(offset..end)));
        let mut wrong =
            wrong.filter(|(sector, _)| contents.shows_medium(**sector, open.flags.direct));
        if let Some((_, cause)) = wrong.next() {
            return Some(*cause);
        }
        let stop = contents.first_unreadable(end, asked - read, unit_bytes(open.flags.direct));
        stop.filter(|(at, _)| *at <= end).map(|(_, cause)| cause)
    }

    /// Whose doing it is that a write failed or ended early, by its result: it met a page that it had to
    /// read first.
    pub(in crate::engine) fn scars_in_the_way(
        &self,
        handle: FileHandle,
        offset: u64,
        asked: usize,
        result: Result<usize, Errno>,
    ) -> Option<Cause> {
        if result == Ok(asked) || result == Err(Errno::NoSpace) {
            return None;
        }
        let open = self.opened(handle).ok()?;
        let contents = self.contents(open.inode).ok()?;
        let met = offset.saturating_add(result.unwrap_or(0) as u64);
        let page = met / PAGE_BYTES * PAGE_BYTES;
        let found = contents.first_unreadable(page, asked, PAGE_BYTES);
        found.map(|(_, cause)| cause)
    }

    /// The kernel drops all clean pages: what programs read next is what the medium holds. Answers how
    /// many sectors that changes.
    pub fn drop_caches(&mut self) -> u64 {
        let mut changed = 0;
        self.tree.for_each_file(|_, contents, space| {
            changed += contents.evict(0, u64::MAX, space);
        });
        changed
    }
}

impl Contents {
    pub(super) fn is_scarred(&self) -> bool {
        self.scars.is_some()
    }

    pub(super) fn scars_mut(&mut self) -> &mut Scars {
        self.scars.get_or_insert_default()
    }

    /// Marks a sector as one that holds something else than was written.
    pub(super) fn scar_wrong(&mut self, sector: u64, cause: Cause) {
        self.scars_mut().wrong.insert(sector, cause);
    }

    /// Marks a sector as one that cannot be read.
    pub(super) fn scar_unreadable(&mut self, sector: u64, cause: Cause) {
        self.scars_mut().unreadable.insert(sector, cause);
    }

    /// A sector was written.
    pub(super) fn heal(&mut self, sector: u64) {
        if let Some(scars) = &mut self.scars {
            scars.unreadable.remove(&sector);
            scars.wrong.remove(&sector);
        }
    }

    /// All dirty sectors are being written.
    pub(super) fn heal_written(&mut self) {
        if self.scars.is_some() {
            self.heal_sectors(0..u64::MAX);
        }
    }

    /// The dirty sectors among these are being written.
    pub(super) fn heal_sectors(&mut self, sectors: Range<u64>) {
        if let Some(scars) = &mut self.scars {
            for sector in self.dirty.range(sectors).map(|(sector, _)| sector) {
                scars.unreadable.remove(sector);
                scars.wrong.remove(sector);
            }
        }
    }

    /// As [`Self::read`], where a page that holds an unreadable sector cannot be read.
    pub(super) fn read_scarred(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let length = self.readable(offset, buffer.len(), PAGE_BYTES)?;
        Ok(self.read(offset, &mut buffer[..length]))
    }

    /// As [`Self::read`], past the page cache: what was left there unwritten does not show. What waits to
    /// be written does, since the kernel writes it first.
    pub(super) fn read_past_cache(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let length = self.readable(offset, buffer.len(), SECTOR_BYTES)?;
        let read = self.read(offset, &mut buffer[..length]);
        let range = sectors_of(&(offset..offset + read as u64));
        for (&sector, state) in self.unwritten.range(range) {
            let held = cut_at(state.durable_image(), sector, self.size);
            let start = (sector * SECTOR_BYTES - offset) as usize;
            let target = &mut buffer[start..read.min(start + SECTOR_BYTES as usize)];
            target.copy_from_slice(&held[..target.len()]);
        }
        Ok(read)
    }

    /// How many of so many bytes can be read in units of this size.
    fn readable(&self, offset: u64, length: usize, unit: u64) -> Result<usize, Errno> {
        match self.first_unreadable(offset, length, unit) {
            None => Ok(length),
            Some((at, _)) if at <= offset => Err(Errno::Io),
            Some((at, _)) => Ok((at - offset) as usize),
        }
    }

    /// Where the first unit that cannot be read begins, and whose doing that is.
    fn first_unreadable(&self, offset: u64, length: usize, unit: u64) -> Option<(u64, Cause)> {
        let scars = self.scars.as_ref()?;
        let end = offset.saturating_add(length as u64).min(self.size);
        if offset >= end {
            return None;
        }
        let units = offset / unit * unit..end.next_multiple_of(unit);
        let mut inside = scars.unreadable.range(sectors_of(&units));
        let found =
            inside.find(|(sector, _)| !self.keeps_page(**sector * SECTOR_BYTES / PAGE_BYTES));
        found.map(|(sector, cause)| (sector * SECTOR_BYTES / unit * unit, *cause))
    }

    /// How many of so many bytes can be written through the page cache: a page of which only a part is
    /// written must be read first.
    pub(super) fn writable(&self, offset: u64, length: usize) -> Result<usize, Errno> {
        let end = offset + length as u64;
        let first = offset / PAGE_BYTES * PAGE_BYTES;
        let last = end / PAGE_BYTES * PAGE_BYTES;
        let is_stuck = |page: u64| {
            self.first_unreadable(page, PAGE_BYTES as usize, PAGE_BYTES)
                .is_some()
        };
        if length > 0 && offset > first && is_stuck(first) {
            return Err(Errno::Io);
        }
        let ends_inside = last < end && end < self.size;
        match (ends_inside && is_stuck(last), last <= offset) {
            (false, _) => Ok(length),
            (true, true) => Err(Errno::Io),
            (true, false) => Ok((last - offset) as usize),
        }
    }

    /// Whether a reader of a sector sees what the medium holds.
    fn shows_medium(&self, sector: u64, direct: bool) -> bool {
        let is_hidden = !direct && self.unwritten.contains_key(&sector);
        !self.dirty.contains_key(&sector) && !is_hidden
    }

    /// Drops the clean pages of a range from the page cache. Answers how many sectors that changes.
    pub(super) fn evict(&mut self, offset: u64, length: u64, space: &mut Space) -> u64 {
        if self.unwritten.is_empty() {
            return 0;
        }
        let end = offset.saturating_add(length).min(self.size);
        let pages = offset / PAGE_BYTES * PAGE_BYTES..end.next_multiple_of(PAGE_BYTES);
        let clean: Vec<u64> = self
            .unwritten
            .range(sectors_of(&pages))
            .map(|(&sector, _)| sector)
            .filter(|sector| !self.keeps_page(sector * SECTOR_BYTES / PAGE_BYTES))
            .collect();
        let mut changed = 0;
        for sector in clean {
            let Some(state) = self.unwritten.remove(&sector) else {
                continue;
            };
            let held = cut_at(state.durable_image(), sector, self.size);
            changed += u64::from(held != self.sector(sector));
            self.put_sector(sector, &held, space);
        }
        changed
    }
}

/// In what units bytes are read from the medium.
fn unit_bytes(direct: bool) -> u64 {
    match direct {
        true => SECTOR_BYTES,
        false => PAGE_BYTES,
    }
}
