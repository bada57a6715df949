//! What becomes of bytes while they lie on the medium: bits flip, sectors cannot be read any more.

use super::contents::Contents;
use super::scars::Cause;
use super::{Disk, PAGE_BYTES, SECTOR_BYTES};
use crate::keyed::Key;

impl Disk {
    /// Flips so many bits of what is stored; answers how many: none if no file is eligible.
    ///
    /// Each lies before something in its file that a later fsync made durable. So a reader without a
    /// second copy can tell it from a write that never ended, which rot of the very last write it
    /// cannot.
    pub fn corrupt(&mut self, key: Key, bits: u32) -> u64 {
        self.rot(key, bits, None)
    }

    /// As [`Self::corrupt`], on somebody's account.
    pub fn rot(&mut self, key: Key, bits: u32, cause: Option<Cause>) -> u64 {
        let settled: Vec<u64> = self.tree.files().map(Contents::settled_bytes).collect();
        let eligible: Vec<usize> = (0..settled.len())
            .filter(|file| settled[*file] > 0)
            .collect();
        if eligible.is_empty() {
            return 0;
        }
        for bit in 0..bits {
            let key = key.with(u64::from(bit));
            let file = *key.label("file").pick(&eligible);
            let offset = key.label("offset").below(settled[file]);
            let mask = 1 << key.label("bit").below(8);
            if let Some(contents) = self.tree.files_and_space().0.nth(file) {
                contents.flip(offset, mask);
                if let Some(cause) = cause {
                    contents.scar_wrong(offset / SECTOR_BYTES, cause);
                }
            }
        }
        u64::from(bits)
    }

    /// Makes up to so many stored sectors unreadable until they are written again (latent sector
    /// errors: Bairavasundaram et al., SIGMETRICS 2007); answers how many. The kernel drops their pages
    /// from its cache, as it may any that is clean; pages that wait to be written are spared, since
    /// writing them would heal them.
    ///
    /// Through the page cache all of an unreadable sector's page is `EIO`, to read and to write in part.
    pub fn lose_sectors(&mut self, key: Key, sectors: u32, cause: Cause) -> u64 {
        let mut lost = 0;
        for ordinal in 0..sectors {
            let key = key.with(u64::from(ordinal));
            let clean: Vec<u64> = self.tree.files().map(Contents::clean_pages).collect();
            let Some(place) = clean.iter().sum::<u64>().checked_sub(1) else {
                break;
            };
            let mut place = key.label("page").between(0, place);
            let is_before = |pages: &&u64| match place.checked_sub(**pages) {
                Some(rest) => {
                    place = rest;
                    true
                }
                None => false,
            };
            let file = clean.iter().take_while(is_before).count();
            let within = key.label("sector").below(PAGE_BYTES / SECTOR_BYTES);
            self.lose_sector(file, place, within, cause);
            lost += 1;
        }
        lost
    }

    fn lose_sector(&mut self, file: usize, page: u64, within: u64, cause: Cause) {
        let (mut files, space) = self.tree.files_and_space();
        if let Some(contents) = files.nth(file)
            && let Some(page) = contents.clean_page(page as usize)
        {
            contents.evict(page * PAGE_BYTES, PAGE_BYTES, space);
            contents.scar_unreadable(page * PAGE_BYTES / SECTOR_BYTES + within, cause);
        }
    }
}

impl Contents {
    /// How many pages are stored that no unwritten bytes keep in the cache.
    fn clean_pages(&self) -> u64 {
        let pages = self.pages.keys();
        pages.filter(|page| !self.keeps_page(**page)).count() as u64
    }

    /// The so-many-th of [`Self::clean_pages`].
    fn clean_page(&self, ordinal: usize) -> Option<u64> {
        let pages = self.pages.keys();
        let mut clean = pages.filter(|page| !self.keeps_page(**page));
        clean.nth(ordinal).copied()
    }
}
