//! What the store remembers: a log of commits, and checkpoints, in files that survive the power.
//!
//! In reading order: `format` (the bytes), `recover` (what they mean after a crash, as a pure
//! function), `names`, `damage`.
//!
//! # The files
//!
//! All in one directory. Numbers are little-endian, checksums are the CRC-32 (IEEE), values are in
//! postcard's format. A *generation* is a checkpoint and the log that goes on from it; the first has no checkpoint.
//!
//! | name | holds |
//! |---|---|
//! | `wal-{generation:020}` | the log: commits since the checkpoint |
//! | `checkpoint-{generation:020}` | all keys, as of some version; the latest counts |
//! | `checkpoint.tmp` | a checkpoint that is being written |
//!
//! | bytes | of a log's header | bytes | of a checkpoint |
//! |---|---|---|---|
//! | 0..8 | `SQUALWAL` | 0..8 | `SQUALCHK` |
//! | 8..12 | version of the format: 1 | 8..12 | version of the format: 1 |
//! | 12..20 | generation | 12..20 | generation |
//! | 20..28 | the version that it goes on from | 20..24 | length of the payload |
//! | 28..32 | checksum of bytes 0..28 | 24..28 | checksum of bytes 0..24 and the payload |
//! | 32.. | frames | 28.. | payload: a `Checkpoint` |
//!
//! | bytes | of a frame |
//! |---|---|
//! | 0..4 | length of the payload |
//! | 4..8 | checksum of the payload |
//! | 8..12 | checksum of: the generation (u64), the frame's offset in the file (u64), bytes 0..8 |
//! | 12.. | payload: the commits of a group, whose versions follow each other; none in a seal |
//!
//! The second checksum binds a frame to its place: bytes of an earlier file, or of a misdirected write,
//! do not pass for a frame, though they may be one elsewhere.
//!
//! # The commit protocol
//!
//! A frame holds all commits that waited when the one before was durable (*group commit*, DeWitt et al.,
//! SIGMOD 1984): one fsync serves them all, and after a crash each transaction is there as a whole or not at all. A
//! frame is begun only when all before it is durable; recovery stands on that.
//!
//! **After a failed fsync nothing is acknowledged any more.** The kernel may have dropped what it
//! could not write, and a second fsync has nothing to do and succeeds (PostgreSQL's fsyncgate, 2018; Rebello et
//! al., ATC 2020). What is on the disk only a restart finds out. So any error poisons the log.
//!
//! A checkpoint of generation *g* + 1, at version *v*, between two groups:
//!
//! 1. `wal-{g+1}` is made with its header, fsynced, and so is the directory.
//! 2. The checkpoint is written to `checkpoint.tmp`, fsynced, renamed, and the directory is fsynced. The rename
//!    is the moment at which the generation changes.
//! 3. The files of generation *g* are deleted. This need not be durable: what comes back is known as old.
//!
//! To open, after a crash at any of these steps or in opening itself:
//!
//! 1. The latest checkpoint is read. It got its name when it was durable: if it is bad, that is damage.
//! 2. Its log is read; it was durable before the checkpoint's name. A log of a later generation may
//!    be there, of step 1: it must be empty, or a checkpoint has been lost.
//! 3. The log is cut off behind its last good unit; the unit is *written again* and fsynced, since after a kill
//!    or a failed fsync it may be in the page cache alone, where a second fsync would not see it.
//! 4. The directory is fsynced, and all that is of other generations is deleted.

mod damage;
mod format;
mod names;
mod recover;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use squall_sim::{fs, mutant};
use thiserror::Error;

pub use damage::{Damage, Problem};
pub use format::Checkpoint;
use format::LOG_HEADER_BYTES;
use names::Found;
use recover::Recovered;

use super::store::{Commit, Version};
use crate::storage::{self, BadBytes, FileError, frame, torn_end};

/// Why the log cannot be read or written.
#[derive(Debug, Error)]
pub enum WalError {
    #[error(transparent)]
    File(#[from] FileError),
    /// What was being synced may be lost although a later fsync succeeds: it must not be tried again.
    #[error("{} could not be synced, and nobody knows what of it is durable: {source}", path.display())]
    Sync { path: PathBuf, source: io::Error },
    /// The server must not start.
    #[error("the files are damaged: {0}")]
    Damaged(#[from] Damage),
    /// The server has to stop: see the [module](self).
    #[error("an earlier write to the log failed or was broken off")]
    Poisoned,
}

/// What a store is made of again after a start.
#[derive(Debug)]
pub struct Restored {
    /// Empty, at version 0, if there is none yet.
    pub checkpoint: Checkpoint,
    /// All commits since, in order.
    pub commits: Vec<Commit>,
    /// The bytes of a torn tail that has been cut off.
    pub cut_off_bytes: u64,
}

/// The log, open to append to.
pub struct Wal {
    directory: PathBuf,
    generation: u64,
    file: fs::File,
    length: u64,
    /// Whether the last frame is a seal, or there is none.
    is_sealed: bool,
    is_poisoned: bool,
}

impl Wal {
    /// Opens the files in a directory, or begins them; answers what they hold.
    ///
    /// # Errors
    /// If the directory cannot be read or written, or its files are damaged.
    pub async fn open(directory: &Path) -> Result<(Self, Restored), WalError> {
        storage::directory::create_durably(directory, sync_directory).await?;
        let paths = fs::read_dir(directory).await;
        let paths = paths.map_err(FileError::to("list", directory))?;
        let found = Found::among(&paths.into_paths());
        let generation = found.generation();
        let checkpoint = read_checkpoint(directory, &found).await?;
        check_later_logs(directory, &found).await?;
        let (file, restored, length) = match found.logs.contains(&generation) {
            true => take_up(directory, generation, checkpoint).await?,
            false if found.checkpoints.is_empty() => {
                let file = begin_log(directory, 0, 0).await?;
                (file, Restored::default(), LOG_HEADER_BYTES)
            }
            false => return Err(missing(generation).into()),
        };
        sync_directory(directory).await?;
        delete_others(directory, &found, generation).await?;
        let wal = Self {
            directory: directory.to_owned(),
            generation,
            file,
            length: length as u64,
            is_sealed: restored.commits.is_empty(),
            is_poisoned: false,
        };
        Ok((wal, restored))
    }

    /// How long the log has become since the checkpoint.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether a seal would make the last group safer.
    pub fn wants_seal(&self) -> bool {
        !self.is_sealed
    }

    /// Appends a group of commits, which is durable on return.
    ///
    /// # Errors
    /// If it cannot be written. Then, and also if the future is dropped before its end, the log is poisoned.
    pub async fn append(&mut self, commits: &[Commit]) -> Result<(), WalError> {
        if self.is_poisoned {
            return Err(WalError::Poisoned);
        }
        self.is_poisoned = true;
        let bytes = format::encode_frame(self.generation, self.length, commits);
        let path = self.directory.join(names::log(self.generation));
        let written = self.file.write_all_at(&bytes, self.length).await;
        written.map_err(FileError::to("append to", &path))?;
        if !mutant!("kv.acknowledged-before-sync") {
            sync_log(&self.file, &path).await?;
        }
        self.length += bytes.len() as u64;
        self.is_sealed = commits.is_empty();
        self.is_poisoned = false;
        Ok(())
    }

    /// Appends an empty frame, so that the last group is not the end of the log: see `recover`.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub async fn seal(&mut self) -> Result<(), WalError> {
        self.append(&[]).await
    }

    /// Begins a new generation from a checkpoint of all commits that have been appended.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub async fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), WalError> {
        if self.is_poisoned {
            return Err(WalError::Poisoned);
        }
        self.is_poisoned = true;
        let next = self.generation + 1;
        let file = begin_log(&self.directory, next, checkpoint.version).await?;
        sync_directory(&self.directory).await?;
        self.write_checkpoint(next, checkpoint).await?;
        for old in [
            names::checkpoint(self.generation),
            names::log(self.generation),
        ] {
            delete(&self.directory, &old).await?;
        }
        self.file = file;
        (self.generation, self.length) = (next, LOG_HEADER_BYTES as u64);
        (self.is_sealed, self.is_poisoned) = (true, false);
        Ok(())
    }

    /// Gives the checkpoint its name only when it is whole: a name always leads to a whole one.
    async fn write_checkpoint(
        &self,
        generation: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), WalError> {
        let temporary = self.directory.join(names::TEMPORARY);
        let path = self.directory.join(names::checkpoint(generation));
        let bytes = format::encode_checkpoint(generation, checkpoint);
        let write = async {
            let file = fs::File::create(&temporary).await?;
            file.write_all_at(&bytes, 0).await?;
            Ok(file)
        };
        let file = write.await.map_err(FileError::to("write", &temporary))?;
        if !mutant!("kv.checkpoint-not-synced") {
            sync_file(&file, &temporary).await?;
        }
        let renamed = fs::rename(&temporary, &path).await;
        renamed.map_err(FileError::to("rename a file to", &path))?;
        sync_directory(&self.directory).await
    }
}

impl Default for Restored {
    /// What a new store has.
    fn default() -> Self {
        Self {
            checkpoint: Checkpoint::default(),
            commits: Vec::new(),
            cut_off_bytes: 0,
        }
    }
}

async fn read_checkpoint(directory: &Path, found: &Found) -> Result<Checkpoint, WalError> {
    let Some(generation) = found.checkpoints.last() else {
        return Ok(Checkpoint::default());
    };
    let name = names::checkpoint(*generation);
    let bytes = read(directory, &name).await?;
    let damage = |problem| Damage {
        file: name,
        offset: 0,
        problem,
    };
    Ok(format::decode_checkpoint(*generation, &bytes).map_err(damage)?)
}

/// A log of a later generation than the latest checkpoint's was begun for one that never got its name.
async fn check_later_logs(directory: &Path, found: &Found) -> Result<(), WalError> {
    for later in found.logs.iter().filter(|log| **log > found.generation()) {
        let bytes = read(directory, &names::log(*later)).await?;
        if recover::has_frame(*later, &bytes, 0) {
            return Err(WalError::Damaged(Damage {
                file: names::log(*later),
                offset: 0,
                problem: Problem::CheckpointLost,
            }));
        }
        if *later == 1 && !found.logs.contains(&0) {
            return Err(missing(0).into());
        }
    }
    Ok(())
}

fn missing(generation: u64) -> Damage {
    Damage {
        file: names::log(generation),
        offset: 0,
        problem: Problem::Missing,
    }
}

/// Opens the log that is there; makes its end durable, without what is torn.
async fn take_up(
    directory: &Path,
    generation: u64,
    checkpoint: Checkpoint,
) -> Result<(fs::File, Restored, usize), WalError> {
    let bytes = read(directory, &names::log(generation)).await?;
    let recovered = recover::recover(generation, checkpoint.version, &bytes)?;
    let Some(Recovered { commits, unit }) = recovered else {
        if generation > 0 {
            // It was durable before its checkpoint had a name: no crash can have torn it.
            return Err(WalError::Damaged(Damage {
                file: names::log(generation),
                offset: 0,
                problem: BadBytes::short(LOG_HEADER_BYTES, bytes.len()).into(),
            }));
        }
        let file = begin_log(directory, 0, 0).await?;
        return Ok((file, Restored::default(), LOG_HEADER_BYTES));
    };
    let path = directory.join(names::log(generation));
    let length = unit.end;
    let file = torn_end::cut_off(&path, &bytes, unit)
        .await
        .map_err(FileError::to("cut off", &path))?;
    sync_file(&file, &path).await?;
    let restored = Restored {
        checkpoint,
        commits,
        cut_off_bytes: (bytes.len() - length) as u64,
    };
    Ok((file, restored, length))
}

/// Makes an empty log whose bytes are durable; its name is not yet.
async fn begin_log(directory: &Path, generation: u64, base: Version) -> Result<fs::File, WalError> {
    let path = directory.join(names::log(generation));
    let write = async {
        let file = fs::File::create(&path).await?;
        let header = format::encode_log_header(generation, base);
        file.write_all_at(&header, 0).await?;
        Ok(file)
    };
    let file = write.await.map_err(FileError::to("begin", &path))?;
    sync_file(&file, &path).await?;
    Ok(file)
}

/// Deletes what is left of earlier generations, and of a checkpoint that did not come to be.
async fn delete_others(directory: &Path, found: &Found, generation: u64) -> Result<(), WalError> {
    let is_other = |number: &&u64| **number != generation;
    let logs = found.logs.iter().filter(is_other);
    let checkpoints = found.checkpoints.iter().filter(is_other);
    let mut names: Vec<String> = logs.map(|number| names::log(*number)).collect();
    names.extend(checkpoints.map(|number| names::checkpoint(*number)));
    names.extend(found.has_temporary.then(|| names::TEMPORARY.to_owned()));
    for name in names {
        delete(directory, &name).await?;
    }
    Ok(())
}

async fn read(directory: &Path, name: &str) -> Result<Vec<u8>, FileError> {
    let path = directory.join(name);
    fs::read(&path).await.map_err(FileError::to("read", &path))
}

async fn delete(directory: &Path, name: &str) -> Result<(), FileError> {
    let path = directory.join(name);
    match fs::remove_file(&path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::to("delete", &path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes a file durable, or fails for good.
async fn sync_file(file: &fs::File, path: &Path) -> Result<(), WalError> {
    file.sync_all().await.map_err(|source| WalError::Sync {
        path: path.to_owned(),
        source,
    })
}

/// Makes the log durable, or fails for good.
async fn sync_log(log: &fs::File, path: &Path) -> Result<(), WalError> {
    match sync_file(log, path).await {
        // The kernel has nothing left to write, and says that all is well.
        Err(_) if mutant!("kv.sync-retried") => sync_file(log, path).await,
        result => result,
    }
}

/// Makes the names in a directory durable.
async fn sync_directory(directory: &Path) -> Result<(), WalError> {
    if mutant!("kv.directory-not-synced") {
        return Ok(());
    }
    let synced = fs::sync_dir(directory).await;
    synced.map_err(|source| WalError::Sync {
        path: directory.to_owned(),
        source,
    })
}

const _: () = assert!(
    frame::HEADER_BYTES == 12 && LOG_HEADER_BYTES == 32,
    "as the tables say"
);
