//! Serving HTTP/1.1: connections come in, each gets hyper and a bound on all that it may cost.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use squall_sim::net::{TcpListener, TcpStream};
use squall_sim::task;
use squall_sim::time::{Duration, timeout};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::io::{Clock, Io};

/// How much is thrown away at once of what comes after the last answer.
const UNREAD_BYTES: usize = 8 * 1024;

/// What a peer may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; one that comes beyond is closed.
    pub connections_max: usize,
    /// How long the head of a request may take, counted from when it is waited for: also how long a
    /// connection may idle.
    pub head_timeout: Duration,
    /// The longest head, in bytes; at least 8192.
    pub head_bytes_max: usize,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// The longest body, in bytes.
    pub body_bytes_max: usize,
    /// How long a peer may read nothing of what waits for it.
    pub write_patience: Duration,
    /// How long a connection that has been answered for the last time is read on.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            head_timeout: Duration::from_secs(30),
            head_bytes_max: 16 * 1024,
            body_timeout: Duration::from_secs(5),
            body_bytes_max: 256 * 1024,
            write_patience: Duration::from_secs(10),
            linger: Duration::from_secs(1),
        }
    }
}

/// Why a server cannot listen.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    address: String,
    source: io::Error,
}

/// Listens on `host:port`.
///
/// # Errors
/// If the address is no address of this machine, or is taken.
pub async fn listen(address: &str) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ListenError {
        address: address.to_owned(),
        source,
    })
}

/// Answers requests for ever. A client that closes its side has gone: what was being done for it is dropped, and
/// it may have no answer.
pub async fn serve_http<F, A>(listener: TcpListener, limits: Limits, answer: F) -> Infallible
where
    F: Fn(Request<Incoming>, SocketAddr) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        // An error is one connection's; the listener itself goes on.
        let Ok((stream, peer)) = listener.accept().await else {
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            continue;
        };
        let answer = answer.clone();
        task::spawn(async move {
            serve_connection(stream, peer, limits, answer).await;
            drop(slot);
        });
    }
}

async fn serve_connection<F, A>(stream: TcpStream, peer: SocketAddr, limits: Limits, answer: F)
where
    F: Fn(Request<Incoming>, SocketAddr) -> A,
    A: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(|request| {
        let answered = answer(request, peer);
        Box::pin(async { Ok::<_, Infallible>(answered.await) })
    });
    let mut connection = http1::Builder::new()
        .timer(Clock::new())
        // The date would come from the wall clock, by way of a cache of the thread.
        .auto_date_header(false)
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max)
        .serve_connection(Io::new(stream, limits.write_patience), service);
    // An error is the peer's: it has gone, or does not speak HTTP.
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let _ = timeout(limits.linger, close(connection.into_parts().io)).await;
}

/// Closes a connection in two steps, as RFC 9112 (section 9.6) asks: whoever closes with bytes unread resets the
/// connection, and the reset may overtake the last answer.
async fn close(stream: Io) {
    let mut stream = stream.into_stream();
    let mut unread = vec![0; UNREAD_BYTES];
    let mut is_open = stream.shutdown().await.is_ok();
    while is_open {
        is_open = matches!(stream.read(&mut unread).await, Ok(1..));
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    TooSlow,
    /// The peer has gone, or its framing makes no sense.
    Broken,
}

/// Reads a body to its end.
///
/// # Errors
/// If it is longer, or takes longer, than the limits say.
pub async fn read_body(body: Incoming, limits: &Limits) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limits.body_bytes_max as u64 {
        return Err(BodyError::TooLarge);
    }
    let limited = Limited::new(body, limits.body_bytes_max);
    match timeout(limits.body_timeout, limited.collect()).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::Broken),
    }
}
