//! Files and directories.
//!
//! As on any POSIX system, what is written is durable once its file has been synced, and a name once
//! its *directory* has: open the directory as a [`File`] and sync that.

use std::future::Future;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::engine::disk::{Disk, Errno, FileHandle, FileKind, OpenFlags};
use crate::engine::{self, CrashPoint, Effort, OpenedFile, world};
use crate::keyed::Key;
use crate::time::Sleep;

/// An open file or directory.
pub struct File(FileIn);

enum FileIn {
    Engine(EngineFile),
    Tokio {
        stream: Box<tokio::fs::File>,
        positional: Arc<std::fs::File>,
    },
}

struct EngineFile {
    opened: OpenedFile,
    cursor: u64,
    /// Whether every write goes to the end, and the cursor with it.
    appends: bool,
    /// How many operations it has seen: part of the key of what each takes.
    operations: std::sync::atomic::AtomicU64,
    /// The delay of the read or write that is under way.
    delay: Option<Sleep>,
}

impl Drop for EngineFile {
    fn drop(&mut self) {
        let OpenedFile { handle, .. } = self.opened;
        // A handle that died with its process answers an error, which is no news to anybody.
        let _ = world::try_with(|world| world.disk_of(self.opened).close(handle));
    }
}

impl EngineFile {
    fn next_key(&self) -> Key {
        let ordinal = self
            .operations
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.opened.key.with(ordinal)
    }

    fn begin(key: Key, effort: Effort) -> Sleep {
        Sleep::until_ns(world::with(|world| world.file_done_ns(key, effort)))
    }

    /// Does something to the file after the time that it takes.
    async fn act<T>(
        &self,
        act: impl FnOnce(&mut Disk, FileHandle) -> Result<T, Errno>,
    ) -> io::Result<T> {
        Self::begin(self.next_key(), Effort::Cached).await;
        let result = world::with(|world| act(world.disk_of(self.opened), self.opened.handle));
        Ok(result?)
    }

    async fn sync(&self, sync: fn(&mut Disk, FileHandle) -> Result<(), Errno>) -> io::Result<()> {
        let key = self.next_key();
        Self::begin(key, Effort::Sync).await;
        engine::pass(CrashPoint::Sync);
        Ok(world::with(|world| {
            world.sync_file(self.opened, key, sync)
        })?)
    }

    fn poll_delay(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut delay = match self.delay.take() {
            Some(delay) => delay,
            None => Self::begin(self.next_key(), Effort::Cached),
        };
        match Pin::new(&mut delay).poll(context) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => {
                self.delay = Some(delay);
                Poll::Pending
            }
        }
    }
}

/// How to open a file, as [`std::fs::OpenOptions`].
#[derive(Clone, Debug, Default)]
pub struct OpenOptions(OpenFlags);

impl OpenOptions {
    /// All off.
    pub fn new() -> Self {
        Self::default()
    }

    /// To read.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.0.read = read;
        self
    }

    /// To write.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.0.write = write;
        self
    }

    /// Every write goes to the end.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.0.append = append;
        self
    }

    /// Empty the file.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.0.truncate = truncate;
        self
    }

    /// Make the file if it is not there.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.0.create = create;
        self
    }

    /// Make the file, and fail if it is there.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.0.create_new = create_new;
        self
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As `open(2)`.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        if !world::is_running() {
            return self.open_real(path).await;
        }
        let text = text_of(path)?.to_owned();
        pass_time(&text).await;
        let opened = world::with(|world| world.file_open(&text, self.0))?;
        let operations = std::sync::atomic::AtomicU64::new(0);
        Ok(File(FileIn::Engine(EngineFile {
            opened,
            cursor: 0,
            appends: self.0.append,
            operations,
            delay: None,
        })))
    }

    async fn open_real(&self, path: &Path) -> io::Result<File> {
        let flags = self.0;
        let mut options = std::fs::OpenOptions::new();
        options
            .read(flags.read)
            .write(flags.write)
            .append(flags.append);
        options
            .truncate(flags.truncate)
            .create(flags.create)
            .create_new(flags.create_new);
        let path = path.to_owned();
        let file = blocking(move || options.open(path)).await?;
        let stream = Box::new(tokio::fs::File::from_std(file.try_clone()?));
        Ok(File(FileIn::Tokio {
            stream,
            positional: Arc::new(file),
        }))
    }
}

impl File {
    /// Opens a file to read, or a directory to sync.
    ///
    /// # Errors
    /// As `open(2)`.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Opens a file to write, empty.
    ///
    /// # Errors
    /// As `open(2)`.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .await
    }

    /// The options to open a file with.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Makes the file's bytes and size durable; of a directory, its names.
    ///
    /// # Errors
    /// As `fsync(2)`.
    pub async fn sync_all(&self) -> io::Result<()> {
        match &self.0 {
            FileIn::Engine(file) => file.sync(Disk::sync_all).await,
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                blocking(move || file.sync_all()).await
            }
        }
    }

    /// Makes the file's bytes durable, and its size as far as reading them needs it.
    ///
    /// # Errors
    /// As `fdatasync(2)`.
    pub async fn sync_data(&self) -> io::Result<()> {
        match &self.0 {
            FileIn::Engine(file) => file.sync(Disk::sync_data).await,
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                blocking(move || file.sync_data()).await
            }
        }
    }

    /// Cuts the file off, or fills it up with zeros.
    ///
    /// # Errors
    /// As `ftruncate(2)`.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        match &self.0 {
            FileIn::Engine(file) => file.act(|disk, handle| disk.set_len(handle, len)).await,
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                blocking(move || file.set_len(len)).await
            }
        }
    }

    /// How many bytes it has.
    ///
    /// # Errors
    /// As `fstat(2)`.
    pub async fn len(&self) -> io::Result<u64> {
        match &self.0 {
            FileIn::Engine(file) => file.act(|disk, handle| disk.len(handle)).await,
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                blocking(move || Ok(file.metadata()?.len())).await
            }
        }
    }

    /// Reads at an offset, and leaves the cursor alone; answers how many bytes, 0 at the end.
    ///
    /// # Errors
    /// As `pread(2)`.
    pub async fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.0 {
            FileIn::Engine(file) => {
                let offset = as_off_t(offset)?;
                file.act(|disk, handle| disk.read_at(handle, offset, buffer))
                    .await
            }
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                let length = buffer.len();
                let read = blocking(move || {
                    let mut bytes = vec![0; length];
                    let read = std::os::unix::fs::FileExt::read_at(&*file, &mut bytes, offset)?;
                    bytes.truncate(read);
                    Ok(bytes)
                });
                let bytes = read.await?;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
        }
    }

    /// Writes at an offset, and leaves the cursor alone; answers how many bytes.
    ///
    /// # Errors
    /// As `pwrite(2)`.
    pub async fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match &self.0 {
            FileIn::Engine(file) => {
                let offset = as_off_t(offset)?;
                let written = file
                    .act(|disk, handle| disk.write_at(handle, offset, bytes))
                    .await?;
                world::with(|world| world.count_written(written));
                Ok(written)
            }
            FileIn::Tokio { positional, .. } => {
                let (file, bytes) = (Arc::clone(positional), bytes.to_vec());
                blocking(move || std::os::unix::fs::FileExt::write_at(&*file, &bytes, offset)).await
            }
        }
    }

    /// Writes all of the bytes at an offset.
    ///
    /// # Errors
    /// As `pwrite(2)`; `WriteZero` if nothing more can be written.
    pub async fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write_at(bytes, offset).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let file = match &mut self.0 {
            FileIn::Engine(file) => file,
            FileIn::Tokio { stream, .. } => return Pin::new(stream).poll_read(context, buffer),
        };
        ready!(file.poll_delay(context));
        let (opened, cursor) = (file.opened, file.cursor);
        let unfilled = buffer.initialize_unfilled();
        let read = world::with(|world| {
            world
                .disk_of(opened)
                .read_at(opened.handle, cursor, unfilled)
        })?;
        buffer.advance(read);
        file.cursor += read as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for File {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let file = match &mut self.0 {
            FileIn::Engine(file) => file,
            FileIn::Tokio { stream, .. } => return Pin::new(stream).poll_write(context, bytes),
        };
        ready!(file.poll_delay(context));
        let (opened, cursor, appends) = (file.opened, file.cursor, file.appends);
        let (written, cursor) = world::with(|world| {
            let disk = world.disk_of(opened);
            let written = disk.write_at(opened.handle, cursor, bytes)?;
            let cursor = match appends {
                true => disk.len(opened.handle)?,
                false => cursor + written as u64,
            };
            world.count_written(written);
            Ok::<_, io::Error>((written, cursor))
        })?;
        file.cursor = cursor;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            FileIn::Engine(_) => Poll::Ready(Ok(())),
            FileIn::Tokio { stream, .. } => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl AsyncSeek for File {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let file = match &mut self.0 {
            FileIn::Engine(file) => file,
            FileIn::Tokio { stream, .. } => return Pin::new(stream).start_seek(position),
        };
        let from = |base: u64, offset: i64| base.checked_add_signed(offset);
        let cursor = match position {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(offset) => from(file.cursor, offset),
            SeekFrom::End(offset) => {
                let opened = file.opened;
                from(
                    world::with(|world| world.disk_of(opened).len(opened.handle))?,
                    offset,
                )
            }
        };
        file.cursor = as_off_t(cursor.unwrap_or(u64::MAX))?;
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match &mut self.0 {
            FileIn::Engine(file) => Poll::Ready(Ok(file.cursor)),
            FileIn::Tokio { stream, .. } => Pin::new(stream).poll_complete(context),
        }
    }
}

/// What there is to know about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub is_dir: bool,
    /// Bytes in a file.
    pub len: u64,
}

/// What a path leads to.
///
/// # Errors
/// As `stat(2)`.
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    if !world::is_running() {
        let metadata = tokio::fs::metadata(path).await?;
        return Ok(Metadata {
            is_dir: metadata.is_dir(),
            len: metadata.len(),
        });
    }
    let found = with_path(path, |disk, path| disk.metadata(path)).await?;
    Ok(Metadata {
        is_dir: found.kind == FileKind::Directory,
        len: found.len,
    })
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

/// Makes a file of these bytes, or replaces what was in it. Nothing is synced.
///
/// # Errors
/// As `open(2)` and `write(2)`.
pub async fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = File::create(path).await?;
    tokio::io::AsyncWriteExt::write_all(&mut file, bytes.as_ref()).await?;
    tokio::io::AsyncWriteExt::flush(&mut file).await
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
    with_path(from.as_ref(), |disk, from| disk.rename(from, &to)).await?;
    engine::pass(CrashPoint::Rename);
    Ok(())
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
        Ok(found) if found.is_dir => Ok(()),
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

/// The paths of what is in a directory, in order of name.
///
/// # Errors
/// As `readdir(3)`.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
    let path = path.as_ref();
    if world::is_running() {
        let entries = with_path(path, |disk, path| disk.read_dir(path)).await?;
        return Ok(entries
            .into_iter()
            .map(|entry| path.join(entry.name))
            .collect());
    }
    let mut entries = tokio::fs::read_dir(path).await?;
    let mut paths = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        paths.push(entry.path());
    }
    paths.sort_unstable();
    Ok(paths)
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
    pass_time(path).await;
    Ok(world::with(|world| act(world.disk_here(), path))?)
}

async fn pass_time(path: &str) {
    let done_ns = world::with(|world| {
        let key = world.next_file_key(path);
        world.file_done_ns(key, Effort::Cached)
    });
    Sleep::until_ns(done_ns).await;
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
