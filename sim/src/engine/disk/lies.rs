//! Writes that the medium acknowledges, and a sync too, and that are not where they should be.
//!
//! A drive is handed *requests*: runs of sectors that lie next to each other. It loses a request, or
//! puts it somewhere else, as a whole (Bairavasundaram et al., *An Analysis of Data Corruption in the
//! Storage Stack*, FAST 2008). The page cache shows what was meant until it is gone.

use std::ops::Range;

use super::contents::Contents;
use super::scars::Cause;
use super::sectors::{DirtySector, Version};
use super::{Disk, Errno, FileHandle, PAGE_BYTES, SECTOR_BYTES, Sector};
use crate::keyed::Key;

/// The most sectors in one request: 128 KiB.
const REQUEST_SECTORS_MAX: u64 = 256;

/// What a drive does with a request instead of carrying it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing: the old bytes stay.
    Phantom,
    /// It writes elsewhere, in the same file or another; the old bytes stay as well.
    Misdirected,
}

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Untruth {
    pub lie: Lie,
    pub cause: Cause,
    /// The numbers of its sectors in the file.
    pub sectors: Range<u64>,
}

impl Disk {
    /// The requests that a sync of a range makes: (first, behind the last) sector of each.
    ///
    /// # Errors
    /// `BadDescriptor`.
    pub(in crate::engine) fn requests(
        &self,
        handle: FileHandle,
        range: &Range<u64>,
    ) -> Result<Vec<Range<u64>>, Errno> {
        let mut requests: Vec<Range<u64>> = Vec::new();
        let Ok(contents) = self.contents(self.opened(handle)?.inode) else {
            return Ok(requests);
        };
        let sectors = contents.sectors_through(range);
        for &sector in contents.dirty.range(sectors).map(|(sector, _)| sector) {
            match requests.last_mut() {
                Some(last) if last.end == sector && last.end - last.start < REQUEST_SECTORS_MAX => {
                    last.end += 1;
                }
                _ => requests.push(sector..sector + 1),
            }
        }
        Ok(requests)
    }

    /// A sync, by `sync`, that succeeds though some requests were not carried out. `key` is of this
    /// operation.
    pub(in crate::engine) fn sync_with(
        &mut self,
        handle: FileHandle,
        key: Key,
        untruths: &[Untruth],
        sync: impl FnOnce(&mut Self) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let inode = self.opened(handle)?.inode;
        let mut kept = Vec::new();
        if let Some((contents, _)) = self.tree.contents_mut(inode) {
            kept.extend(untruths.iter().map(|it| contents.withhold(it)));
        }
        let synced = sync(self);
        for (untruth, (sectors, bytes)) in untruths.iter().zip(kept) {
            if let Some((contents, _)) = self.tree.contents_mut(inode) {
                contents.forsake(sectors, untruth.cause);
            }
            if untruth.lie == Lie::Misdirected {
                let key = key.label("astray").with(untruth.sectors.start);
                self.land(key, &bytes, untruth.cause);
            }
        }
        synced
    }

    /// Writes sectors where nobody wanted them: somewhere in a file that has a name.
    fn land(&mut self, key: Key, bytes: &[Sector], cause: Cause) {
        let holds: Vec<u64> = self.tree.files().map(Contents::stored_pages).collect();
        let eligible: Vec<usize> = (0..holds.len()).filter(|file| holds[*file] > 0).collect();
        if eligible.is_empty() {
            return;
        }
        let file = *key.label("file").pick(&eligible);
        let page = key.label("page").below(holds[file]);
        let within = key.label("sector").below(PAGE_BYTES / SECTOR_BYTES);
        if let Some(contents) = self.tree.files_and_space().0.nth(file) {
            contents.receive(page as usize, within, bytes, cause);
        }
    }
}

impl Contents {
    /// Keeps a request from being written; answers its sectors, and the bytes that they should hold.
    fn withhold(&mut self, untruth: &Untruth) -> (Vec<(u64, DirtySector)>, Vec<Sector>) {
        let bytes = untruth.sectors.clone().map(|it| self.sector(it)).collect();
        let sectors = self.dirty.extract_if(untruth.sectors.clone(), |_, _| true);
        (sectors.collect(), bytes)
    }

    /// What was not written is in the page cache alone.
    fn forsake(&mut self, sectors: Vec<(u64, DirtySector)>, cause: Cause) {
        for (sector, state) in sectors {
            self.unwritten.insert(sector, state);
            self.scar_wrong(sector, cause);
        }
    }

    /// How many pages hold something that is durable.
    fn stored_pages(&self) -> u64 {
        let behind = self.durable_size.min(self.size).div_ceil(PAGE_BYTES);
        self.pages.range(..behind).count() as u64
    }

    /// Sectors of another place land in this file, from a sector of its so-many-th page on.
    fn receive(&mut self, page: usize, within: u64, bytes: &[Sector], cause: Cause) {
        let Some(page) = self.pages.keys().nth(page) else {
            return;
        };
        let first = page * PAGE_BYTES / SECTOR_BYTES + within;
        let durable_size = self.durable_size.min(self.size);
        for (sector, bytes) in (first..).zip(bytes) {
            let is_ours = sector * SECTOR_BYTES < durable_size
                && self
                    .pages
                    .contains_key(&(sector * SECTOR_BYTES / PAGE_BYTES));
            if !is_ours {
                break;
            }
            let held = Some(Box::new(*bytes));
            if let Some(dirty) = self.dirty.get_mut(&sector) {
                dirty.durable = held;
                continue;
            }
            let version = Version {
                time: 0,
                shrinks: 0,
                needs: 0,
            };
            self.unwritten
                .insert(sector, DirtySector::new(held, version));
            self.heal(sector);
            self.scar_wrong(sector, cause);
        }
    }
}
