//! A node's memory: the log, the hard state and the latest snapshot, in files that survive the power.
//!
//! [`DurableLog`] carries out the first step of the [driver's contract](super::raft#the-drivers-contract):
//! what it has stored is there after any crash, and what it was storing is there as a whole or not at all.
//! [`DurableLog::open`] tells what a crash can leave behind from what it cannot, and refuses to start
//! from the latter.
//!
//! In reading order: `format` (the bytes), `recover` (what they mean after a crash, as a pure function),
//! `segment` (the file that grows), `extents` (which files nobody needs any more), `names`, `damage`.
//!
//! # The files
//!
//! All in one directory. Numbers are little-endian, checksums are the CRC-32 (IEEE), values are in postcard's format.
//!
//! | name | holds |
//! |---|---|
//! | `log-{sequence:020}` | a segment: a part of the log. Segments count 1, 2, 3; the last one grows |
//! | `snapshot-{index:020}` | a snapshot, by the index of the last entry that it covers; the latest counts |
//! | `snapshot.tmp` | a snapshot that is being written |
//!
//! A **segment** is a header and at least one frame. The header repeats the state that the first frame
//! changes, so that segments can be deleted from the front.
//!
//! | bytes | of a segment's header |
//! |---|---|
//! | 0..8 | `SQUALLOG` |
//! | 8..12 | version of the format: 1 |
//! | 12..20 | the segment's sequence number |
//! | 20..28 | the index that the next entry would have had |
//! | 28..36 | the hard state's term |
//! | 36..44 | the hard state's vote: 0 for nobody, or the node's id plus 1 |
//! | 44..48 | checksum of bytes 0..44 |
//!
//! | bytes | of a frame |
//! |---|---|
//! | 0..4 | length of the payload, in bytes |
//! | 4..8 | checksum of the payload |
//! | 8..12 | checksum of: the segment's sequence number (u64), the frame's offset in the segment (u64), bytes 0..8 |
//! | 12.. | payload: a change |
//!
//! The second checksum binds a frame to its place: bytes of an earlier life of the disk, or of a
//! misdirected write, do not pass for a frame, though they may be one elsewhere.
//!
//! A **change** is what one `Ready` does to the log. Its fields take effect in this order:
//!
//! | field | effect |
//! |---|---|
//! | `hard_state: Option<HardState>` | replaces it |
//! | `restart_at: Option<Index>` | all entries are gone, the log goes on at this index |
//! | `truncate_from: Option<Index>` | the entries from this index on are gone |
//! | `entries: [Entry]` | are appended |
//!
//! | bytes | of a snapshot |
//! |---|---|
//! | 0..8 | `SQUALSNP` |
//! | 8..12 | version of the format: 1 |
//! | 12..16 | length of the payload, in bytes |
//! | 16..20 | checksum of bytes 0..16 and the payload |
//! | 20.. | payload: a `Snapshot`; nothing follows |
//!
//! # The commit protocol
//!
//! A **unit** is what one fsync makes durable: a frame, or a segment's header with its first frame. The law that
//! recovery stands on: *a unit is begun only when the one before it is durable*. So whatever a power loss does to
//! sectors that were not synced, it can only hurt the last unit.
//!
//! To store a `Ready` without a snapshot:
//!
//! 1. Hard state, cut and entries become one change, one frame: after a crash it holds or it does not.
//!    No entry can be there without the term that it needs, nor without the cut that made room for it.
//! 2. If the frame fits, it is written at the end of the last segment, and the file is fsynced. If not, a new
//!    segment is begun: header and frame are written, the file is fsynced, then the directory.
//!
//! To store a `Ready` with a snapshot, which replaces the log:
//!
//! 1. A frame with the hard state, if it is new: a snapshot must not be of a later term.
//! 2. The snapshot is written to `snapshot.tmp`, fsynced, renamed, and the directory is fsynced.
//! 3. A frame with `restart_at`, the cut and the entries. A crash before it leaves a log that the snapshot
//!    contradicts: then recovery writes a frame with `restart_at` itself.
//! 4. Segments and snapshots that nobody needs any more are deleted. This need not be durable: what
//!    comes back is known as old.
//!
//! To save a snapshot of the node's own, steps 2 and 4. What is deleted in step 4 is then nowhere else, so it
//! never comes before step 2 (openraft #437).
//!
//! After any error the log is poisoned: what is on the disk is no longer known, and only a restart
//! finds out. In particular an fsync that has failed is never tried again (PostgreSQL's fsyncgate, 2018).
//!
//! To open, after a crash at any of these steps or in opening itself:
//!
//! 1. The directory is made, its parent fsynced. The latest snapshot is read, and the segments after the
//!    last gap in their numbers.
//! 2. `recover` makes a log of them, or finds damage and refuses.
//! 3. A last segment without a whole unit is deleted. Another is cut off behind its last whole unit; this
//!    unit is written again and fsynced, since after a mere kill it may be in the page cache alone.
//! 4. The directory is fsynced: only now is the snapshot's name surely durable, and the deletion of step 3.
//! 5. A log that the snapshot contradicts is restarted behind it.
//! 6. What is old is deleted: `snapshot.tmp`, snapshots before the latest, segments before a gap.

mod damage;
mod extents;
mod format;
mod names;
mod recover;
mod segment;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use squall_sim::{fs, mutant};
use thiserror::Error;

pub use damage::{Damage, Problem};
use extents::Extents;
use format::{Change, SegmentHeader};
use names::Found;
use recover::{End, Recovered, SegmentFile};
use segment::ActiveSegment;

use super::raft::{HardState, Index, Ready, Restored, Snapshot};
use crate::storage::{FileError, directory};

/// What a log is told once and for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A segment is not made longer than this; only its first frame may be longer.
    pub segment_bytes: u64,
}

impl Default for Options {
    /// Segments of 64 KiB: small, so that short runs begin and delete some.
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 10,
        }
    }
}

/// Why the log cannot be read or written.
#[derive(Debug, Error)]
pub enum LogError {
    #[error(transparent)]
    File(#[from] FileError),
    /// The node must not start.
    #[error("the log is damaged: {0}")]
    Damaged(#[from] Damage),
    /// The node has to stop: see the [module](self).
    #[error("an earlier write to the log failed or was broken off")]
    Poisoned,
}

/// A node's log on disk. The [module](self) has the format and the protocol.
pub struct DurableLog {
    directory: PathBuf,
    options: Options,
    hard_state: HardState,
    /// The last entry that the latest snapshot covers; zero without one.
    snapshot: Index,
    /// The index of the next entry.
    next: Index,
    extents: Extents,
    /// `None` where the next frame has to begin a segment.
    active: Option<ActiveSegment>,
    next_sequence: u64,
    is_poisoned: bool,
}

impl DurableLog {
    /// Opens the log in a directory, or begins one; answers what it remembers.
    ///
    /// # Errors
    /// If the directory cannot be read or written, or its files are damaged.
    pub async fn open(directory: impl AsRef<Path>) -> Result<(Self, Restored), LogError> {
        Self::open_with(directory, Options::default()).await
    }

    /// As [`Self::open`], with other options. They need not be those of before.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(
        directory: impl AsRef<Path>,
        options: Options,
    ) -> Result<(Self, Restored), LogError> {
        let directory = directory.as_ref();
        directory::create_durably(directory, directory::sync).await?;
        let mut found = find_files(directory).await?;
        let deleted = found.take_deleted_segments();
        let snapshot = read_snapshot(directory, &found).await?;
        let segments = read_segments(directory, &found).await?;
        let recovered = recover::recover(&segments, snapshot.as_ref().map(|it| it.last))?;

        let active = take_up_end(directory, &recovered.end, segments.last()).await?;
        directory::sync(directory).await?;
        let mut log = Self::resume(directory, options, &recovered, active, snapshot.as_ref());
        let mut entries = recovered.log.entries;
        if recovered.is_left_over {
            log.restart_behind_snapshot().await?;
            entries.clear();
        }
        log.delete_segments(deleted).await?;
        log.delete_old_snapshots(&found).await?;
        let restored = Restored {
            hard_state: log.hard_state,
            snapshot,
            entries,
        };
        Ok((log, restored))
    }

    fn resume(
        directory: &Path,
        options: Options,
        recovered: &Recovered,
        active: Option<ActiveSegment>,
        snapshot: Option<&Snapshot>,
    ) -> Self {
        let next_sequence = match recovered.end {
            End::New => 1,
            End::Void { sequence } => sequence,
            End::Unit { sequence, .. } => sequence + 1,
        };
        Self {
            directory: directory.to_owned(),
            options,
            hard_state: recovered.log.hard_state,
            snapshot: snapshot.map_or(Index::ZERO, |snapshot| snapshot.last.index),
            next: recovered.log.next(),
            extents: recovered.extents.clone(),
            active,
            next_sequence,
            is_poisoned: false,
        }
    }

    /// Carries out the first step of the [driver's contract](super::raft#the-drivers-contract): all of it is
    /// durable on return. Without anything to write it costs nothing.
    ///
    /// # Errors
    /// If it cannot be written. Then, and also if the future is dropped before its end, the log is poisoned.
    ///
    /// # Panics
    /// If the entries do not follow on the log.
    pub async fn store(&mut self, ready: &Ready) -> Result<(), LogError> {
        if self.is_poisoned {
            return Err(LogError::Poisoned);
        }
        if !ready.must_persist() {
            return Ok(());
        }
        self.is_poisoned = true;
        match &ready.snapshot {
            Some(snapshot) => self.store_with_snapshot(ready, snapshot).await?,
            None => self.append(&Change::of(ready)).await?,
        }
        self.is_poisoned = false;
        Ok(())
    }

    /// Makes a snapshot of the node's own durable; then deletes old snapshots, and those segments that
    /// hold no entry from `first_wanted` on. A snapshot that is no newer than the latest changes nothing.
    ///
    /// # Errors
    /// As [`Self::store`].
    ///
    /// # Panics
    /// If the log does not reach to the snapshot's end, or an entry that the snapshot does not cover is not wanted.
    pub async fn save_snapshot(
        &mut self,
        snapshot: &Snapshot,
        first_wanted: Index,
    ) -> Result<(), LogError> {
        if self.is_poisoned {
            return Err(LogError::Poisoned);
        }
        let last = snapshot.last.index;
        assert!(last < self.next, "a snapshot of what is not stored");
        assert!(first_wanted <= last.next(), "entries without a snapshot");
        if last <= self.snapshot {
            return Ok(());
        }
        self.is_poisoned = true;
        self.write_snapshot(snapshot).await?;
        self.delete_before(first_wanted).await?;
        self.is_poisoned = false;
        Ok(())
    }

    async fn store_with_snapshot(
        &mut self,
        ready: &Ready,
        snapshot: &Snapshot,
    ) -> Result<(), LogError> {
        assert!(
            snapshot.last.index > self.snapshot,
            "a leader's snapshot is newer than the node's"
        );
        if ready.hard_state.is_some() {
            let change = Change {
                hard_state: ready.hard_state,
                ..Change::default()
            };
            self.append(&change).await?;
        }
        self.write_snapshot(snapshot).await?;
        let change = Change {
            hard_state: None,
            restart_at: Some(snapshot.last.index.next()),
            truncate_from: ready.truncate_from,
            entries: Cow::Borrowed(&ready.entries),
        };
        self.append(&change).await?;
        self.delete_before(snapshot.last.index.next()).await
    }

    async fn restart_behind_snapshot(&mut self) -> Result<(), LogError> {
        let change = Change {
            restart_at: Some(self.snapshot.next()),
            ..Change::default()
        };
        self.append(&change).await
    }

    /// Writes one frame, durably.
    async fn append(&mut self, change: &Change<'_>) -> Result<(), LogError> {
        let next = self.next_after(change);
        let payload = change.encode();
        match &mut self.active {
            Some(active) if active.length_with(&payload) <= self.options.segment_bytes => {
                active.append(&self.directory, &payload).await?;
            }
            _ => self.begin_segment(&payload).await?,
        }
        self.extents.apply(change);
        self.hard_state = change.hard_state.unwrap_or(self.hard_state);
        self.next = next;
        Ok(())
    }

    async fn begin_segment(&mut self, payload: &[u8]) -> Result<(), LogError> {
        let header = SegmentHeader {
            sequence: self.next_sequence,
            next: self.next,
            hard_state: self.hard_state,
        };
        let active = ActiveSegment::create(&self.directory, header, payload).await?;
        self.active = Some(active);
        self.next_sequence += 1;
        self.extents.begin(header.sequence);
        Ok(())
    }

    /// The index of the next entry once the change has been made.
    fn next_after(&self, change: &Change<'_>) -> Index {
        let mut next = change.restart_at.unwrap_or(self.next);
        if let Some(index) = change.truncate_from {
            assert!(
                Index::ZERO < index && index <= next,
                "a cut beyond the end of the log"
            );
            next = index;
        }
        for entry in change.entries.iter() {
            assert_eq!(entry.id.index, next, "entries must follow on the log");
            next = next.next();
        }
        next
    }

    /// Gives the snapshot its name only when it is whole: a name always leads to a whole one.
    async fn write_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), LogError> {
        let temporary = self.directory.join(names::TEMPORARY);
        let path = self.directory.join(names::snapshot(snapshot.last.index));
        let bytes = format::encode_snapshot(snapshot);
        let write = async {
            let file = fs::File::create(&temporary).await?;
            file.write_all_at(&bytes, 0).await?;
            if !mutant!("log.snapshot-not-synced") {
                file.sync_all().await?;
            }
            fs::rename(&temporary, &path).await
        };
        write.await.map_err(FileError::to("write", &path))?;
        directory::sync(&self.directory).await?;
        self.snapshot = snapshot.last.index;
        Ok(())
    }

    async fn delete_before(&mut self, first_wanted: Index) -> Result<(), LogError> {
        let segments = self.extents.drop_before(first_wanted);
        self.delete_segments(segments).await?;
        let found = find_files(&self.directory).await?;
        self.delete_old_snapshots(&found).await
    }

    async fn delete_segments(&self, sequences: Vec<u64>) -> Result<(), LogError> {
        for sequence in sequences {
            delete(&self.directory, &names::segment(sequence)).await?;
        }
        Ok(())
    }

    async fn delete_old_snapshots(&self, found: &Found) -> Result<(), LogError> {
        for last in found.snapshots.iter().filter(|last| **last < self.snapshot) {
            delete(&self.directory, &names::snapshot(*last)).await?;
        }
        if found.has_temporary {
            delete(&self.directory, names::TEMPORARY).await?;
        }
        Ok(())
    }
}

async fn find_files(directory: &Path) -> Result<Found, LogError> {
    let paths = fs::read_dir(directory)
        .await
        .map_err(FileError::to("list", directory))?
        .into_paths();
    Ok(Found::among(&paths))
}

async fn read_snapshot(directory: &Path, found: &Found) -> Result<Option<Snapshot>, LogError> {
    let Some(last) = found.snapshots.last() else {
        return Ok(None);
    };
    let bytes = read(directory, &names::snapshot(*last)).await?;
    let snapshot = recover::recover_snapshot(*last, &bytes)?;
    Ok(Some(snapshot))
}

async fn read_segments(directory: &Path, found: &Found) -> Result<Vec<SegmentFile>, LogError> {
    let mut segments = Vec::new();
    for &sequence in &found.segments {
        let bytes = read(directory, &names::segment(sequence)).await?;
        segments.push(SegmentFile { sequence, bytes });
    }
    Ok(segments)
}

/// Rids the last segment of what is torn, and opens it if anything is left.
async fn take_up_end(
    directory: &Path,
    end: &End,
    last: Option<&SegmentFile>,
) -> Result<Option<ActiveSegment>, LogError> {
    match (end, last) {
        (End::Void { sequence }, _) => {
            delete(directory, &names::segment(*sequence)).await?;
            Ok(None)
        }
        (End::Unit { sequence, unit }, Some(last)) => {
            let active =
                ActiveSegment::reopen(directory, *sequence, &last.bytes, unit.clone()).await?;
            Ok(Some(active))
        }
        _ => Ok(None),
    }
}

async fn read(directory: &Path, name: &str) -> Result<Vec<u8>, FileError> {
    let path = directory.join(name);
    fs::read(&path).await.map_err(FileError::to("read", &path))
}

async fn delete(directory: &Path, name: &str) -> Result<(), FileError> {
    let path = directory.join(name);
    fs::remove_file(&path)
        .await
        .map_err(FileError::to("delete", &path))
}
