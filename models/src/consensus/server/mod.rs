//! A server: the asynchronous shell around [`raft`], on `squall_sim`'s network and disk.
//!
//! One task, the *core*, owns the Raft node, the log on disk and the state machine, and carries out
//! what Raft wants in the order of its contract. Around it: a task that accepts connections, one a
//! connection that turns bytes into inputs for the core (`connection`), and one a peer that sends
//! (`link`). They speak over bounded queues; a message to a peer that does not fit is dropped, as
//! on a network, and a client that sends faster than the core works is not read.
//!
//! Both clients and peers come to one port. The first byte of a connection says which it is.

mod connection;
mod core;
mod link;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

pub(super) use self::connection::Frames;
use crate::Serving;
use squall_sim::net::TcpListener;
use squall_sim::task;
use thiserror::Error;
use tokio::sync::mpsc;

use super::log::{DurableLog, LogError};
use super::raft::{self, EntryId, NodeId, Raft, RestoreError};
use super::service::{Limits, Service, SnapshotError};

/// The first byte of a connection from a peer.
pub(super) const PEER: u8 = b'P';
/// The first byte of a connection from a client.
pub(super) const CLIENT: u8 = b'C';

/// Inputs that wait for the core, at most.
const INPUTS_MAX: usize = 256;

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Raft's own: who this node is, and who the voters are.
    pub raft: raft::Config,
    /// Where the log and the snapshots live.
    pub directory: PathBuf,
    /// Where to listen, as `host:port`.
    pub listen: String,
    /// Where the other nodes listen.
    pub peers: BTreeMap<NodeId, String>,
    /// A snapshot is made, and the log before it dropped, each time that this many entries have been
    /// applied.
    pub snapshot_every: u64,
    pub limits: Limits,
}

/// Why a server could not start, or had to stop.
#[derive(Debug, Error)]
pub enum ServerError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: String, source: io::Error },
    #[error("the log cannot be used any more: {0}")]
    Log(#[from] LogError),
    #[error("what the disk remembers does not fit together: {0}")]
    Restore(#[from] RestoreError),
    #[error("the snapshot cannot be read: {0}")]
    Snapshot(#[from] SnapshotError),
    #[error("entry {index} of the log is no command: {source}")]
    Command { index: u64, source: postcard::Error },
}

/// Runs a server until it fails. It never returns `Ok` by itself.
///
/// # Errors
/// See [`ServerError`]. A server that cannot write stops rather than promise what it cannot keep.
pub fn serve(config: Config) -> Serving<ServerError> {
    Box::pin(run_server(config))
}

async fn run_server(config: Config) -> Result<(), ServerError> {
    let (log, restored) = DurableLog::open(&config.directory).await?;
    let service = match &restored.snapshot {
        Some(snapshot) => Service::restore(config.limits, &snapshot.data)?,
        None => Service::new(config.limits),
    };
    core::emit_restored(&restored);
    let snapshot_last = restored
        .snapshot
        .as_ref()
        .map_or_else(EntryId::default, |snapshot| snapshot.last);
    let raft = Raft::new(
        config.raft.clone(),
        restored,
        squall_sim::time::Instant::now(),
    )?;
    let listener =
        TcpListener::bind(&config.listen)
            .await
            .map_err(|source| ServerError::Listen {
                address: config.listen.clone(),
                source,
            })?;
    let (inputs, inbox) = mpsc::channel(INPUTS_MAX);
    task::spawn(connection::accept(listener, inputs));
    let own = config.raft.id;
    let others = config.peers.iter().filter(|(id, _)| **id != own);
    let links = others
        .map(|(id, address)| (*id, link::start(own, address.clone())))
        .collect();
    core::Core::new(&config, raft, log, service, links, snapshot_last)
        .run(inbox)
        .await
}
