//! Files and directories.
//!
//! As on any POSIX system, what is written is durable once its file has been synced, and a name once
//! its *directory* has: open the directory as a [`File`] and sync that, or call [`sync_dir`].
//!
//! `open_options` is how a file is opened, `file` what can be done at a place in it, `stream` what
//! with its cursor, `locks` flock(2). What is done to names is in here.

mod file;
mod locks;
mod open_options;
mod stream;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub use self::file::File;
pub use self::open_options::OpenOptions;

use crate::engine::disk::{self, Disk, Errno, FileKind};
use crate::engine::{self, CrashPoint, Moment, Operation, Work, happened, world};

/// What there is to know about a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    kind: FileKind,
    len: u64,
}

impl Metadata {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// Whether it is a file.
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    /// Bytes in a file; of a directory, whatever the file system says.
    #[expect(clippy::len_without_is_empty, reason = "it has the shape of std's")]
    pub fn len(&self) -> u64 {
        self.len
    }

    fn of_engine(found: disk::Metadata) -> Self {
        Self {
            kind: found.kind,
            len: found.len,
        }
    }

    fn of_real(found: &std::fs::Metadata) -> Self {
        let kind = match found.is_dir() {
            true => FileKind::Directory,
            false => FileKind::File,
        };
        Self {
            kind,
            len: found.len(),
        }
    }
}

/// What a path leads to.
///
/// # Errors
/// As `stat(2)`.
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    if !world::is_running() {
        return Ok(Metadata::of_real(&tokio::fs::metadata(path).await?));
    }
    let found = with_path(path, |disk, path| disk.metadata(path)).await?;
    Ok(Metadata::of_engine(found))
}

/// Whether a path leads anywhere.
///
/// # Errors
/// As `stat(2)`, except that it finds nothing.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match metadata(path).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The path from the root to what a path leads to, without `.` and `..`.
///
/// # Errors
/// As `realpath(3)`: it must exist.
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    if !world::is_running() {
        return tokio::fs::canonicalize(path).await;
    }
    with_path(path, |disk, path| disk.metadata(path)).await?;
    let mut canonical = PathBuf::from("/");
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => canonical.push(name),
            std::path::Component::ParentDir => drop(canonical.pop()),
            _ => {}
        }
    }
    Ok(canonical)
}

/// All bytes of a file.
///
/// # Errors
/// As `open(2)` and `read(2)`.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    if !world::is_running() {
        return tokio::fs::read(path).await;
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).await?;
    tokio::io::AsyncReadExt::read_to_end(&mut file, &mut bytes).await?;
    Ok(bytes)
}

/// All of a file, as text.
///
/// # Errors
/// As [`read()`]; `InvalidData` if it is not UTF-8.
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path).await?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Makes a file of these bytes, or replaces what was in it. Nothing is synced.
///
/// # Errors
/// As `open(2)` and `write(2)`.
pub async fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = File::create(path).await?;
    tokio::io::AsyncWriteExt::write_all(&mut file, bytes.as_ref()).await?;
    tokio::io::AsyncWriteExt::flush(&mut file).await
}

/// Makes a file of another's bytes, or replaces what was in it; answers how many they are.
///
/// # Errors
/// As `open(2)`, `read(2)` and `write(2)`; `InvalidInput` if what it copies is no file.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    if !world::is_running() {
        return tokio::fs::copy(from, to).await;
    }
    let mut source = File::open(from).await?;
    if !source.metadata().await?.is_file() {
        let problem = "the source path is not a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let mut target = File::create(to).await?;
    tokio::io::copy(&mut source, &mut target).await
}

/// Gives a file or directory another name; replaces what has that name.
///
/// # Errors
/// As `rename(2)`.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    if !world::is_running() {
        return tokio::fs::rename(from, to).await;
    }
    let to = text_of(to.as_ref())?.to_owned();
    let result = with_path(from.as_ref(), |disk, from| disk.rename(from, &to)).await;
    if result.is_ok() {
        engine::pass(CrashPoint::Rename);
    }
    happened(Moment::Rename).await;
    result
}

/// Gives a file one more name.
///
/// # Errors
/// As `link(2)`.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    if !world::is_running() {
        return tokio::fs::hard_link(original, link).await;
    }
    let link = text_of(link.as_ref())?.to_owned();
    with_path(original.as_ref(), |disk, original| {
        disk.link(original, &link)
    })
    .await
}

/// Takes a file's name away.
///
/// # Errors
/// As `unlink(2)`.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    if !world::is_running() {
        return tokio::fs::remove_file(path).await;
    }
    with_path(path.as_ref(), |disk, path| disk.unlink(path)).await
}

/// Makes a directory.
///
/// # Errors
/// As `mkdir(2)`.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    if !world::is_running() {
        return tokio::fs::create_dir(path).await;
    }
    with_path(path.as_ref(), |disk, path| disk.mkdir(path)).await
}

/// Makes a directory, and those above it that are missing.
///
/// # Errors
/// As `mkdir(2)`.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    if !world::is_running() {
        return tokio::fs::create_dir_all(path).await;
    }
    let mut missing = Vec::new();
    for directory in path.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        match create_dir_unless_there(directory).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(directory),
            made => {
                made?;
                break;
            }
        }
    }
    for directory in missing.into_iter().rev() {
        create_dir_unless_there(directory).await?;
    }
    Ok(())
}

async fn create_dir_unless_there(path: &Path) -> io::Result<()> {
    let Err(error) = create_dir(path).await else {
        return Ok(());
    };
    match metadata(path).await {
        Ok(found) if found.is_dir() => Ok(()),
        _ => Err(error),
    }
}

/// Removes an empty directory.
///
/// # Errors
/// As `rmdir(2)`.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    if !world::is_running() {
        return tokio::fs::remove_dir(path).await;
    }
    with_path(path.as_ref(), |disk, path| disk.rmdir(path)).await
}

/// Removes a directory and all that is in it, from the leaves up.
///
/// # Errors
/// As `unlink(2)` and `rmdir(2)`; `ENOTDIR` for a file. What was removed until then stays removed.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    if !world::is_running() {
        return tokio::fs::remove_dir_all(path).await;
    }
    let mut emptied = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(directory) = waiting.pop() {
        let mut entries = read_dir(&directory).await?;
        while let Some(entry) = entries.next_entry().await? {
            match entry.kind {
                FileKind::Directory => waiting.push(entry.path()),
                FileKind::File => remove_file(entry.path()).await?,
            }
        }
        emptied.push(directory);
    }
    for directory in emptied.into_iter().rev() {
        remove_dir(directory).await?;
    }
    Ok(())
}

/// What is in a directory, in order of name.
///
/// # Errors
/// As `readdir(3)`.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref();
    let mut found = Vec::new();
    if world::is_running() {
        let entries = with_path(path, |disk, path| disk.read_dir(path)).await?;
        found.extend(entries.into_iter().map(|entry| DirEntry {
            directory: path.to_owned(),
            name: entry.name.into(),
            kind: entry.kind,
        }));
    } else {
        let mut entries = tokio::fs::read_dir(path).await?;
        while let Some(entry) = entries.next_entry().await? {
            let is_directory = entry.file_type().await?.is_dir();
            found.push(DirEntry {
                directory: path.to_owned(),
                name: entry.file_name(),
                kind: match is_directory {
                    true => FileKind::Directory,
                    false => FileKind::File,
                },
            });
        }
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(ReadDir(found.into_iter()))
}

/// What [`read_dir`] has found.
#[derive(Debug)]
pub struct ReadDir(std::vec::IntoIter<DirEntry>);

impl ReadDir {
    /// The next entry.
    ///
    /// # Errors
    /// None as yet: a directory is read at once.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        Ok(self.0.next())
    }

    /// The paths of all entries that are left.
    pub fn into_paths(self) -> Vec<PathBuf> {
        self.0.map(|entry| entry.path()).collect()
    }
}

/// One name in a directory.
#[derive(Clone, Debug)]
pub struct DirEntry {
    directory: PathBuf,
    name: OsString,
    kind: FileKind,
}

impl DirEntry {
    /// The path that was read, with the name behind it.
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// The name alone.
    pub fn file_name(&self) -> OsString {
        self.name.clone()
    }

    /// What it is.
    ///
    /// # Errors
    /// As `stat(2)`.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        metadata(self.path()).await
    }
}

/// Makes the names in a directory durable.
///
/// # Errors
/// As `open(2)` and `fsync(2)`.
pub async fn sync_dir(path: impl AsRef<Path>) -> io::Result<()> {
    File::open(path).await?.sync_all().await
}

/// Does something to a path of the simulated disk, after the time that it takes.
async fn with_path<T>(
    path: &Path,
    act: impl FnOnce(&mut Disk, &str) -> Result<T, Errno>,
) -> io::Result<T> {
    let path = text_of(path)?;
    let operation = begin_on_path(path);
    let result = operation.finish(|world, _| act(world.disk_here(), path));
    Ok(result.await?)
}

fn begin_on_path(path: &str) -> Operation {
    world::with(|world| {
        let (key, node) = (world.next_file_key(path), world.current_node());
        Operation::begin(world, node, key, Work::Cached)
    })
}

/// An offset as Linux takes it: no greater than an `off_t`.
fn as_off_t(offset: u64) -> io::Result<u64> {
    match i64::try_from(offset) {
        Ok(_) => Ok(offset),
        Err(_) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

fn text_of(path: &Path) -> io::Result<&str> {
    let problem = "the simulated disk takes paths in UTF-8";
    path.to_str()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, problem))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
