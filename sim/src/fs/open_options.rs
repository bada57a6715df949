//! How a file is opened.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::file::{EngineFile, File, FileIn};
use super::{begin_on_path, blocking, text_of};
use crate::engine::disk::OpenFlags;
use crate::engine::world;

/// How to open a file, as [`std::fs::OpenOptions`], with what its extension for Unix adds.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    flags: OpenFlags,
    custom_flags: i32,
    mode: Option<u32>,
}

impl OpenOptions {
    /// All off.
    pub fn new() -> Self {
        Self::default()
    }

    /// To read.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.flags.read = read;
        self
    }

    /// To write.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.flags.write = write;
        self
    }

    /// Every write goes to the end.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.flags.append = append;
        self
    }

    /// Empty the file.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.flags.truncate = truncate;
        self
    }

    /// Make the file if it is not there.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.flags.create = create;
        self
    }

    /// Make the file, and fail if it is there.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.flags.create_new = create_new;
        self
    }

    /// The permissions of a file that is made. The simulated disk has none.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// More flags of `open(2)`. The simulated disk knows `O_DIRECT`, `O_DSYNC` and `O_SYNC`, may well
    /// ignore `O_CLOEXEC`, `O_NOATIME`, `O_NOFOLLOW`, `O_NONBLOCK` and `O_LARGEFILE`, and refuses to
    /// open with others.
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom_flags = flags;
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
        let flags = self.engine_flags()?;
        let operation = begin_on_path(&text);
        let opened = operation.finish(|world, _| world.file_open(&text, flags));
        Ok(File(FileIn::Engine(EngineFile::new(opened.await?))))
    }

    fn engine_flags(&self) -> io::Result<OpenFlags> {
        let known = libc::O_DIRECT | libc::O_SYNC | libc::O_DSYNC;
        let harmless = libc::O_CLOEXEC
            | libc::O_NOATIME
            | libc::O_NOFOLLOW
            | libc::O_NONBLOCK
            | libc::O_LARGEFILE;
        if self.custom_flags & !(known | harmless) != 0 {
            let problem = "the simulated disk knows O_DIRECT, O_DSYNC and O_SYNC alone";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let has = |flag: i32| self.custom_flags & flag == flag;
        Ok(OpenFlags {
            direct: has(libc::O_DIRECT),
            data_sync: has(libc::O_DSYNC),
            all_sync: has(libc::O_SYNC),
            ..self.flags
        })
    }

    async fn open_real(&self, path: &Path) -> io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = self.flags;
        let mut options = std::fs::OpenOptions::new();
        options
            .read(flags.read)
            .write(flags.write)
            .append(flags.append);
        options
            .truncate(flags.truncate)
            .create(flags.create)
            .create_new(flags.create_new)
            .custom_flags(self.custom_flags);
        if let Some(mode) = self.mode {
            options.mode(mode);
        }
        let path = path.to_owned();
        let file = blocking(move || options.open(path)).await?;
        let stream = Box::new(tokio::fs::File::from_std(file.try_clone()?));
        Ok(File(FileIn::Tokio {
            stream,
            positional: Arc::new(file),
        }))
    }
}
