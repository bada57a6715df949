//! The broker's memory: everything that was promised, in one file that grows and is replaced when it is long.
//!
//! # The files
//!
//! A **segment** `journal-{generation:020}` is a sequence of frames. Its first frame holds a snapshot
//! of all that was before, so only the latest segment counts, and the disk is bounded by what is wanted.
//!
//! | bytes | of a frame |
//! |---|---|
//! | 0..4 | length of the payload, in bytes |
//! | 4..8 | checksum of the payload (CRC-32, IEEE) |
//! | 8..12 | checksum of: the generation (u64), the frame's offset in the segment (u64), bytes 0..8 |
//! | 12.. | payload: a list of records, in postcard's format |
//!
//! Numbers are little-endian. The second checksum binds a frame to its place: what an earlier life of the
//! disk has left there does not pass for one.
//!
//! # The protocol
//!
//! A frame is what one fsync makes durable: everything that came while the last one was being synced (*group
//! commit*). **A frame is begun only when the one before it is durable**, so a power loss can hurt the
//! last one alone, of which nobody was told.
//!
//! A segment is begun as `journal.tmp`, with its snapshot; it is fsynced, then renamed, then the
//! directory is fsynced (ALICE, OSDI'14). Only then may anything follow in it, and older ones are deleted.
//!
//! After any error the journal must not be used: an fsync that has failed is never tried again
//! (PostgreSQL's fsyncgate, 2018). The server stops.
//!
//! To open: the latest segment is read and cut off behind its last whole frame, which is written and synced
//! again, since after a mere kill it may be in the page cache alone. A bad frame with a good one
//! behind it, or in the place of a snapshot, is no crash's work: [`JournalError::Damaged`] names file and offset.

mod format;
mod recover;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use squall_sim::{fs, mutant};
use thiserror::Error;

use self::format::encode_frame;
pub use self::recover::{Damage, Problem};
use super::streams::{Record, Snapshot};
use crate::storage::{FileError, directory, torn_end};

const TEMPORARY: &str = "journal.tmp";
const PREFIX: &str = "journal-";

/// Why the journal cannot be read or written.
#[derive(Debug, Error)]
pub enum JournalError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the journal is damaged: {0}")]
    Damaged(#[from] Damage),
}

/// The journal on disk.
pub(super) struct Journal {
    directory: PathBuf,
    segment_bytes: u64,
    active: Option<Active>,
    next_generation: u64,
}

struct Active {
    generation: u64,
    path: PathBuf,
    file: fs::File,
    length: u64,
    snapshot_bytes: u64,
}

impl Journal {
    /// Opens the journal in a directory, or begins one; answers what it remembers. A segment is
    /// replaced when it has grown by `segment_bytes` and by as much as its snapshot has.
    pub(super) async fn open(
        directory: &Path,
        segment_bytes: u64,
    ) -> Result<(Self, Vec<Record>), JournalError> {
        create_durably(directory).await?;
        let generations = list(directory).await?;
        let mut journal = Self {
            directory: directory.to_owned(),
            segment_bytes,
            active: None,
            next_generation: generations.last().map_or(1, |last| last + 1),
        };
        let mut records = Vec::new();
        if let Some(generation) = generations.last() {
            records = journal.take_up(*generation).await?;
        }
        journal.delete_others().await?;
        Ok((journal, records))
    }

    async fn take_up(&mut self, generation: u64) -> Result<Vec<Record>, JournalError> {
        let path = self.directory.join(name(generation));
        let bytes = fs::read(&path)
            .await
            .map_err(FileError::to("read", &path))?;
        let recovered = recover::recover(&name(generation), generation, &bytes)?;
        let end = recovered.last.end;
        let open = async {
            let file = torn_end::cut_off(&path, &bytes, recovered.last).await?;
            file.sync_all().await?;
            Ok(file)
        };
        let file = open.await.map_err(FileError::to("cut off", &path))?;
        directory::sync(&self.directory).await?;
        self.active = Some(Active {
            generation,
            path,
            file,
            length: end as u64,
            snapshot_bytes: recovered.snapshot_bytes,
        });
        Ok(recovered.records)
    }

    /// Whether it is time for [`Self::begin_segment`].
    pub(super) fn is_long(&self) -> bool {
        let grown = |it: &Active| it.length - it.snapshot_bytes;
        self.active
            .as_ref()
            .is_none_or(|it| grown(it) > self.segment_bytes.max(it.snapshot_bytes))
    }

    /// Appends records, all or none; durable on return.
    ///
    /// # Panics
    /// If no segment has been begun.
    pub(super) async fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let active = self
            .active
            .as_mut()
            .expect("a segment is begun at the start");
        let bytes = encode_frame(active.generation, active.length, records);
        let append = async {
            active.file.write_all_at(&bytes, active.length).await?;
            if !mutant!("broker.acknowledged-before-sync") {
                active.file.sync_data().await?;
            }
            Ok(())
        };
        append
            .await
            .map_err(FileError::to("append to", &active.path))?;
        active.length += bytes.len() as u64;
        Ok(())
    }

    /// Replaces what there is by a segment that begins with this snapshot; durable on return.
    pub(super) async fn begin_segment(&mut self, snapshot: Snapshot) -> Result<(), JournalError> {
        let generation = self.next_generation;
        let temporary = self.directory.join(TEMPORARY);
        let path = self.directory.join(name(generation));
        let bytes = encode_frame(generation, 0, &[Record::Snapshot(snapshot)]);
        let begin = async {
            let file = fs::File::create(&temporary).await?;
            file.write_all_at(&bytes, 0).await?;
            if !mutant!("broker.snapshot-not-synced") {
                file.sync_all().await?;
            }
            fs::rename(&temporary, &path).await?;
            Ok(file)
        };
        let file = begin.await.map_err(FileError::to("begin", &path))?;
        if !mutant!("broker.directory-not-synced") {
            directory::sync(&self.directory).await?;
        }
        self.next_generation += 1;
        let length = bytes.len() as u64;
        self.active = Some(Active {
            generation,
            path,
            file,
            length,
            snapshot_bytes: length,
        });
        self.delete_others().await
    }

    /// Deletes what nobody needs any more. This need not be durable: what comes back is known as old.
    async fn delete_others(&self) -> Result<(), JournalError> {
        let latest = self.active.as_ref().map_or(0, |active| active.generation);
        let old = list(&self.directory).await?.into_iter();
        let mut names: Vec<String> = old.filter(|it| *it != latest).map(name).collect();
        let temporary = self.directory.join(TEMPORARY);
        if fs::try_exists(&temporary)
            .await
            .map_err(FileError::to("find", &temporary))?
        {
            names.push(TEMPORARY.to_owned());
        }
        for name in names {
            let path = self.directory.join(name);
            fs::remove_file(&path)
                .await
                .map_err(FileError::to("delete", &path))?;
        }
        Ok(())
    }
}

fn name(generation: u64) -> String {
    format!("{PREFIX}{generation:020}")
}

/// The generations that are there, in order. Other files are no business of the journal's.
async fn list(directory: &Path) -> Result<Vec<u64>, FileError> {
    let paths = fs::read_dir(directory)
        .await
        .map_err(FileError::to("list", directory))?
        .into_paths();
    let generation = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        let digits = name.strip_prefix(PREFIX).filter(|it| it.len() == 20)?;
        digits.parse().ok().filter(|it| *it < u64::MAX)
    };
    let mut generations: Vec<u64> = paths.iter().filter_map(generation).collect();
    generations.sort_unstable();
    Ok(generations)
}

/// Makes a directory and those above it that are missing, and makes their names durable.
async fn create_durably(directory: &Path) -> Result<(), FileError> {
    fs::create_dir_all(directory)
        .await
        .map_err(FileError::to("make", directory))?;
    for level in directory.ancestors().skip(1) {
        let level = if level.as_os_str().is_empty() {
            Path::new(".")
        } else {
            level
        };
        directory::sync(level).await?;
    }
    Ok(())
}
