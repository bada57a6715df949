//! What lies behind the page cache: which reads need the medium.

use std::ops::Range;

use super::contents::Contents;
use super::{Disk, Errno, FileHandle, PAGE_BYTES, SECTOR_BYTES};

/// Sectors in a page.
const PAGE_SECTORS: u64 = PAGE_BYTES / SECTOR_BYTES;

impl Disk {
    /// Whether a read needs the medium: it asks for a page that no unwritten bytes keep in the cache,
    /// or goes past the cache.
    ///
    /// # Errors
    /// `BadDescriptor`, `IsDirectory`.
    pub(in crate::engine) fn reads_medium(
        &self,
        handle: FileHandle,
        offset: u64,
        length: u64,
    ) -> Result<bool, Errno> {
        let open = self.opened(handle)?;
        let contents = self.contents(open.inode)?;
        let end = offset.saturating_add(length).min(contents.size());
        if offset >= end {
            return Ok(false);
        }
        let pages = offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES);
        let stored = contents.pages.range(pages).map(|(&page, _)| page);
        let mut needed = stored.filter(|&page| open.flags.direct || !contents.keeps_page(page));
        Ok(needed.next().is_some())
    }
}

impl Contents {
    /// Whether unwritten bytes keep a page in the cache.
    pub(super) fn keeps_page(&self, page: u64) -> bool {
        self.dirty.range(sectors_of(page)).next().is_some()
    }
}

/// The numbers of a page's sectors.
fn sectors_of(page: u64) -> Range<u64> {
    page * PAGE_SECTORS..(page + 1) * PAGE_SECTORS
}
