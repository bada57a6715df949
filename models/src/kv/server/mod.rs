//! A server: the asynchronous shell around the store, on `squall_sim`'s network and disk.
//!
//! One task, the *core*, owns the store, the sessions and the log. Around it, one task a connection turns bytes
//! into commands for the core and answers into bytes. A connection asks one thing at a time: it reads
//! on when the answer has been written, so that a client that sends without reading is not read, and
//! nothing is buffered for it beyond one request and one answer.

mod connection;
mod core;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Serving;
use squall_sim::net::TcpListener;
use squall_sim::time::Duration;
use squall_sim::{emit, log, task};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};

use self::core::Core;
use super::limits::Limits;
use super::store::Store;
use super::truth::Truth;
use super::wal::{Restored, Wal, WalError};

/// Inputs that wait for the core, at most.
const INPUTS_MAX: usize = 256;

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the log and the checkpoint live.
    pub directory: PathBuf,
    /// Where to listen, as `host:port`.
    pub listen: String,
    /// A checkpoint is made when the log has become longer than this.
    pub checkpoint_bytes: u64,
    /// The commits that one fsync serves have about this many bytes at most.
    pub group_bytes_max: usize,
    /// The log is sealed when it has been idle for this long.
    pub seal_after: Duration,
    pub limits: Limits,
}

impl Config {
    /// The usual numbers: a checkpoint each 64 KiB, so that short runs make some.
    pub fn new(directory: impl Into<PathBuf>, listen: impl Into<String>) -> Self {
        Self {
            directory: directory.into(),
            listen: listen.into(),
            checkpoint_bytes: 64 << 10,
            group_bytes_max: 1 << 20,
            seal_after: Duration::from_millis(5),
            limits: Limits::default(),
        }
    }
}

/// Why a server could not start, or had to stop.
#[derive(Debug, Error)]
pub enum ServerError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: String, source: io::Error },
    #[error("the store cannot be used any more: {0}")]
    Wal(#[from] WalError),
}

/// Runs a server until it fails. It never returns `Ok` by itself.
///
/// # Errors
/// See [`ServerError`]. A server that cannot write stops rather than promise what it cannot keep.
pub fn serve(config: Config) -> Serving<ServerError> {
    Box::pin(run_server(config))
}

async fn run_server(config: Config) -> Result<(), ServerError> {
    let result = run(&config).await;
    if let Err(error) = &result {
        log!("stops: {error}");
        let reason = error.to_string();
        emit(match error {
            ServerError::Wal(WalError::Damaged(_)) => Truth::RefusedToStart { reason },
            _ => Truth::Stopped { reason },
        });
    }
    result
}

async fn run(config: &Config) -> Result<(), ServerError> {
    let (wal, restored) = Wal::open(&config.directory).await?;
    let store = restore(config, restored);
    let bound = TcpListener::bind(&config.listen).await;
    let listener = bound.map_err(|source| ServerError::Listen {
        address: config.listen.clone(),
        source,
    })?;
    let (inputs, inbox) = mpsc::channel(INPUTS_MAX);
    let room = Arc::new(Semaphore::new(config.limits.connections_max));
    let accepting = task::spawn(connection::accept(listener, inputs, room, config.limits));
    let _ends_with_the_core = AbortOnDrop(accepting);
    Core::new(config, wal, store).run(inbox).await
}

/// The store that a log remembers.
fn restore(config: &Config, restored: Restored) -> Store {
    let Restored {
        checkpoint,
        commits,
        cut_off_bytes,
    } = restored;
    let lag_max = config.limits.snapshot_lag_max;
    let mut store = Store::restore(lag_max, checkpoint.version, checkpoint.entries);
    commits.iter().for_each(|commit| store.replay(commit));
    log!(
        "restored version {}, of it {} from a checkpoint; {cut_off_bytes} torn bytes",
        store.visible(),
        checkpoint.version
    );
    emit(Truth::Restored {
        version: store.visible(),
        checkpoint: checkpoint.version,
        cut_off_bytes,
    });
    store
}

struct AbortOnDrop(task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
