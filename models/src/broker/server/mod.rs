//! A server: the asynchronous shell around the router and the streams, on `squall_sim`'s network and disk.
//!
//! A task accepts connections (`connection`). Each has a task that reads and one that writes, and between
//! the router and the writer an `Outbox` that is bounded. The router is shared under a lock that
//! nobody holds across an await. One task, the `keeper`, owns the streams and the journal;
//! messages for the streams reach it over a bounded queue, and a client that sends faster than the
//! disk can follow is not read.

mod connection;
mod keeper;
mod outbox;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Serving;
use squall_sim::net::TcpListener;
use squall_sim::task;
use squall_sim::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::mpsc;

pub(crate) use self::outbox::Outbox;

use self::connection::Shared;
use self::keeper::Keeper;
use super::journal::{Journal, JournalError};
use super::protocol;
use super::router::Router;
use super::streams::Streams;
use super::streams::consumer::ConsumerConfig;
use super::streams::stream::StreamConfig;

/// Messages that wait for the keeper, at most.
const INPUTS_MAX: usize = 64;

type SharedRouter = Arc<Mutex<Router>>;

fn lock(router: &SharedRouter) -> MutexGuard<'_, Router> {
    router.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the journal lives.
    pub directory: PathBuf,
    /// Where to listen, as `host:port`.
    pub listen: String,
    /// Streams that are there from the start, with their consumers. What the disk remembers must not
    /// contradict it. Clients may make others.
    pub streams: Vec<(StreamConfig, Vec<ConsumerConfig>)>,
    pub limits: Limits,
}

/// What one client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub protocol: protocol::Limits,
    /// Bytes that wait to be written to a client. One whose messages do not fit is cut off.
    pub pending_bytes: usize,
    /// A client that says nothing for so long is asked, and after two more such times it is cut off.
    pub ping_interval: Duration,
    pub connections: usize,
    /// A segment of the journal is replaced when it has grown by this, and by as much as it began with.
    pub segment_bytes: u64,
}

impl Default for Limits {
    /// 4 MiB for a client, pings after 30 s, 1,024 connections, segments of 64 KiB: small, so that short runs
    /// replace some.
    fn default() -> Self {
        Self {
            protocol: protocol::Limits::default(),
            pending_bytes: 4 << 20,
            ping_interval: Duration::from_secs(30),
            connections: 1_024,
            segment_bytes: 64 << 10,
        }
    }
}

/// Why a server could not start, or had to stop.
#[derive(Debug, Error)]
pub enum ServerError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: String, source: io::Error },
    #[error("the journal cannot be used any more: {0}")]
    Journal(#[from] JournalError),
    #[error("what the disk remembers does not fit together: {0}")]
    Restore(&'static str),
    #[error("the configuration of stream {stream} does not fit: {why}")]
    Stream { stream: String, why: &'static str },
}

/// Runs a server until it fails. It never returns `Ok` by itself.
///
/// # Errors
/// See [`ServerError`]. A server that cannot write stops rather than promise what it cannot keep.
pub fn serve(config: Config) -> Serving<ServerError> {
    Box::pin(run_server(config))
}

async fn run_server(config: Config) -> Result<(), ServerError> {
    let segment_bytes = config.limits.segment_bytes;
    let (journal, records) = Journal::open(&config.directory, segment_bytes).await?;
    let streams = Streams::restore(Instant::now(), records).map_err(ServerError::Restore)?;
    let router = SharedRouter::default();
    let mut keeper = Keeper {
        streams,
        journal,
        router: Arc::clone(&router),
    };
    declare(&mut keeper.streams, &config)?;
    // What is declared is durable, and captured, before anybody can publish.
    keeper.take_turn().await?;
    let listener =
        TcpListener::bind(&config.listen)
            .await
            .map_err(|source| ServerError::Listen {
                address: config.listen.clone(),
                source,
            })?;
    let (inputs, inbox) = mpsc::channel(INPUTS_MAX);
    let shared = Shared {
        router,
        inputs,
        limits: config.limits,
        connections: Arc::default(),
    };
    let acceptor = task::spawn(connection::accept(listener, shared));
    let ended = keeper.run(inbox).await;
    acceptor.abort();
    ended
}

fn declare(streams: &mut Streams, config: &Config) -> Result<(), ServerError> {
    for (stream, consumers) in &config.streams {
        let created = streams.create_stream(stream.clone()).and_then(|()| {
            let mut consumers = consumers.iter().cloned();
            consumers.try_for_each(|consumer| streams.create_consumer(&stream.name, consumer))
        });
        created.map_err(|refusal| ServerError::Stream {
            stream: stream.name.clone(),
            why: refusal.2,
        })?;
    }
    Ok(())
}
