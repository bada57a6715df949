//! Locks of whole files, by flock(2): they are advisory, belong to an open file, and end with it at the
//! latest, so that no process leaves one behind.

use std::fs::TryLockError;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use super::blocking;
use super::file::{File, FileIn};
use crate::engine::disk::{Errno, LockKind};
use crate::engine::{Work, world};

impl File {
    /// Locks the file for nobody else, once nobody else has it locked.
    ///
    /// # Errors
    /// As `flock(2)`.
    pub async fn lock(&self) -> io::Result<()> {
        self.wait_for_lock(LockKind::Exclusive).await
    }

    /// Locks the file for whoever shares it, once nobody has it for themselves.
    ///
    /// # Errors
    /// As `flock(2)`.
    pub async fn lock_shared(&self) -> io::Result<()> {
        self.wait_for_lock(LockKind::Shared).await
    }

    /// As [`Self::lock`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if somebody else has it locked.
    pub async fn try_lock(&self) -> Result<(), TryLockError> {
        self.lock_at_once(LockKind::Exclusive).await
    }

    /// As [`Self::lock_shared`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if somebody has it for themselves.
    pub async fn try_lock_shared(&self) -> Result<(), TryLockError> {
        self.lock_at_once(LockKind::Shared).await
    }

    /// Gives the lock back, if it has one.
    ///
    /// # Errors
    /// As `flock(2)`.
    pub async fn unlock(&self) -> io::Result<()> {
        match &self.0 {
            FileIn::Engine(file) => {
                let operation = file.begin(Work::Cached);
                let unlocked = operation.finish(|world, _| world.file_unlock(file.opened));
                Ok(unlocked.await?)
            }
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                blocking(move || file.unlock()).await
            }
        }
    }

    async fn wait_for_lock(&self, kind: LockKind) -> io::Result<()> {
        match &self.0 {
            FileIn::Engine(file) => {
                file.begin(Work::Cached).finish(|_, _| ()).await;
                let opened = file.opened;
                let locked = poll_fn(|context| {
                    world::with(|world| world.poll_file_lock(opened, kind, context))
                });
                Ok(locked.await?)
            }
            FileIn::Tokio { positional, .. } => {
                let file = Arc::clone(positional);
                blocking(move || match kind {
                    LockKind::Exclusive => file.lock(),
                    LockKind::Shared => file.lock_shared(),
                })
                .await
            }
        }
    }

    async fn lock_at_once(&self, kind: LockKind) -> Result<(), TryLockError> {
        match &self.0 {
            FileIn::Engine(file) => {
                let opened = file.opened;
                let operation = file.begin(Work::Cached);
                let locked = operation.finish(|world, _| world.file_try_lock(opened, kind));
                locked.await.map_err(|errno| match errno {
                    Errno::Again => TryLockError::WouldBlock,
                    other => TryLockError::Error(other.into()),
                })
            }
            FileIn::Tokio { positional, .. } => match kind {
                LockKind::Exclusive => positional.try_lock(),
                LockKind::Shared => positional.try_lock_shared(),
            },
        }
    }
}
