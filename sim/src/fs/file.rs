//! An open file or directory: positions, lengths and syncs.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use super::{Metadata, OpenOptions, as_off_t, blocking};
use crate::engine::disk::{Disk, Errno, FileHandle, Synced};
use crate::engine::world::{self, World};
use crate::engine::{self, CrashPoint, Moment, OpenedFile, Operation, Work, happened};
use crate::keyed::Key;

/// An open file or directory.
pub struct File(pub(super) FileIn);

pub(super) enum FileIn {
    Engine(EngineFile),
    Tokio {
        stream: Box<tokio::fs::File>,
        positional: Arc<std::fs::File>,
    },
}

pub(super) struct EngineFile {
    pub(super) opened: OpenedFile,
    pub(super) cursor: u64,
    /// How many operations it has seen: part of the key of what each takes.
    operations: AtomicU64,
    /// The read or write that is under way.
    under_way: Option<Operation>,
}

impl Drop for EngineFile {
    fn drop(&mut self) {
        let _ = world::try_with(|world| world.file_close(self.opened));
    }
}

impl EngineFile {
    pub(super) fn new(opened: OpenedFile) -> Self {
        Self {
            opened,
            cursor: 0,
            operations: AtomicU64::new(0),
            under_way: None,
        }
    }

    fn next_key(&self) -> Key {
        let ordinal = self.operations.fetch_add(1, Ordering::Relaxed);
        self.opened.key.with(ordinal)
    }

    /// Begins an operation on the file.
    pub(super) fn begin(&self, work: Work) -> Operation {
        let (key, node) = (self.next_key(), self.opened.node);
        world::with(|world| Operation::begin(world, node, key, work))
    }

    /// Does something to the file after the time that it takes.
    async fn act<T>(
        &self,
        act: impl FnOnce(&mut Disk, FileHandle) -> Result<T, Errno>,
    ) -> io::Result<T> {
        let opened = self.opened;
        let operation = self.begin(Work::Cached);
        let result = operation.finish(|world, _| act(world.disk_of(opened), opened.handle));
        Ok(result.await?)
    }

    async fn sync(&self, synced: Synced) -> io::Result<()> {
        let opened = self.opened;
        let handle = opened.handle;
        let operation = self.begin(Work::Sync { handle });
        let key = operation.finish(|_, key| key).await;
        engine::pass(CrashPoint::Sync);
        let result = world::with(|world| world.sync_file(opened, key, synced));
        happened(Moment::Sync).await;
        Ok(result?)
    }

    /// What reading so many bytes asks of the disk.
    pub(super) fn reading(&self, bytes: usize) -> Work {
        let bytes = bytes as u64;
        match self.opened.flags.direct {
            true => Work::Direct { bytes },
            false => Work::Read { bytes },
        }
    }

    /// What writing so many bytes asks of the disk.
    pub(super) fn writing(&self, bytes: usize) -> Work {
        let (bytes, flags) = (bytes as u64, self.opened.flags);
        match (flags.syncs_writes(), flags.direct) {
            (true, _) => Work::WriteThrough { bytes },
            (false, true) => Work::Direct { bytes },
            (false, false) => Work::Cached,
        }
    }

    pub(super) fn poll_operation<T>(
        &mut self,
        context: &mut Context<'_>,
        work: Work,
        act: impl FnOnce(&mut World, Key) -> T,
    ) -> Poll<T> {
        let mut operation = match self.under_way.take() {
            Some(operation) => operation,
            None => self.begin(work),
        };
        let done = operation.poll(context, act);
        if done.is_pending() {
            self.under_way = Some(operation);
        }
        done
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

    /// Makes a file to read and write.
    ///
    /// # Errors
    /// As `open(2)`: `EEXIST` if it is there.
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
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
            FileIn::Engine(file) => file.sync(Synced::All).await,
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
            FileIn::Engine(file) => file.sync(Synced::Data).await,
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

    /// What it is, and how long.
    ///
    /// # Errors
    /// As `fstat(2)`.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        match &self.0 {
            FileIn::Engine(file) => {
                let found = file.act(|disk, handle| disk.handle_metadata(handle));
                Ok(Metadata::of_engine(found.await?))
            }
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                blocking(move || Ok(Metadata::of_real(&file.metadata()?))).await
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
                let operation = file.begin(file.reading(buffer.len()));
                let read = operation
                    .finish(|world, key| world.read_file(file.opened, key, offset, buffer));
                Ok(read.await?)
            }
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                let length = buffer.len();
                let read = blocking(move || {
                    let mut bytes = Aligned::zeros(length);
                    let read = std::os::unix::fs::FileExt::read_at(&*file, bytes.get(), offset)?;
                    Ok((bytes, read))
                });
                let (mut bytes, read) = read.await?;
                buffer[..read].copy_from_slice(&bytes.get()[..read]);
                Ok(read)
            }
        }
    }

    /// Reads as many bytes at an offset as the buffer takes.
    ///
    /// # Errors
    /// As `pread(2)`; `UnexpectedEof` if there are fewer.
    pub async fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let read = self.read_at(buffer, offset).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = &mut buffer[read..];
            offset += read as u64;
        }
        Ok(())
    }

    /// Writes at an offset, and leaves the cursor alone; answers how many bytes.
    ///
    /// # Errors
    /// As `pwrite(2)`.
    pub async fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match &self.0 {
            FileIn::Engine(file) => {
                let offset = as_off_t(offset)?;
                let operation = file.begin(file.writing(bytes.len()));
                let written = operation
                    .finish(|world, key| world.write_file(file.opened, key, offset, bytes));
                Ok(written.await?)
            }
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                let mut aligned = Aligned::zeros(bytes.len());
                aligned.get().copy_from_slice(bytes);
                let written = blocking(move || {
                    std::os::unix::fs::FileExt::write_at(&*file, aligned.get(), offset)
                });
                written.await
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

/// Bytes that begin where `O_DIRECT` lets them.
struct Aligned {
    bytes: Vec<u8>,
    length: usize,
}

impl Aligned {
    const UNIT: usize = 4096;

    fn zeros(length: usize) -> Self {
        Self {
            bytes: vec![0; length + Self::UNIT],
            length,
        }
    }

    fn get(&mut self) -> &mut [u8] {
        let start = self.bytes.as_ptr().align_offset(Self::UNIT);
        &mut self.bytes[start..][..self.length]
    }
}
