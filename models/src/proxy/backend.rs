//! A server to stand behind the proxy: it works on so many requests at once, each takes its time, and
//! the others wait. So it can be truly overloaded.
//!
//! Like a server with a pool of threads, it does not notice that a client has left while its request
//! waits. What tells it is the deadline that came with the request: work whose time is over is
//! thrown away without being begun. Without that, an overloaded server works for nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Serving;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, StatusCode};
use squall_sim::time::{Duration, Instant, sleep};
use squall_sim::{emit, task};
use tokio::sync::{Semaphore, oneshot};

use super::headers;
use super::listen::{Limits, ListenError, listen, serve_http};
use super::truth::Truth;

/// The longest id or nonce, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Ids that are remembered, at most; further ones are declined.
const IDS_MAX: usize = 1 << 20;

/// What a backend is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, as `host:port`.
    pub listen: String,
    /// How long it works on a request.
    pub service_time: Duration,
    /// Requests that it works on at once.
    pub concurrency: usize,
    /// Requests that may wait besides; one that comes beyond is declined at once.
    pub queue_max: usize,
    pub limits: Limits,
}

impl Config {
    /// The usual numbers: 10 ms a request, 4 at once, 256 that wait.
    pub fn new(listen: impl Into<String>) -> Self {
        Self {
            listen: listen.into(),
            service_time: Duration::from_millis(10),
            concurrency: 4,
            queue_max: 256,
            limits: Limits::default(),
        }
    }
}

/// Runs a backend. It never returns `Ok`.
///
/// # Errors
/// If it cannot listen.
pub fn serve_backend(config: Config) -> Serving<ListenError> {
    Box::pin(run_backend(config))
}

async fn run_backend(config: Config) -> Result<(), ListenError> {
    let listener = listen(&config.listen).await?;
    let backend = Arc::new(Backend {
        hands: Semaphore::new(config.concurrency),
        accepted: AtomicUsize::new(0),
        counts: Mutex::default(),
        config: config.clone(),
    });
    let answer = move |request: Request<Incoming>, _| {
        // What came as a body is not read; hyper sees to it that it is no next request.
        answer(Arc::clone(&backend), request.into_parts().0)
    };
    match serve_http(listener, config.limits, answer).await {}
}

struct Backend {
    config: Config,
    /// One permit for each request that is worked on; waiting for one is the queue, first come first served.
    hands: Semaphore,
    /// Requests that wait or are worked on.
    accepted: AtomicUsize,
    counts: Mutex<BTreeMap<String, u64>>,
}

/// What there is to do.
enum Work {
    Echo(String),
    Once(String),
}

async fn answer(backend: Arc<Backend>, head: hyper::http::request::Parts) -> Response<Full<Bytes>> {
    let path = head.uri.path();
    let name = |prefix| {
        path.strip_prefix(prefix)
            .filter(|name: &&str| (1..=NAME_BYTES_MAX).contains(&name.len()))
            .map(str::to_owned)
    };
    match head.method {
        Method::GET if path == "/health" => plain(StatusCode::OK, "ok"),
        Method::GET if path == "/counts" => plain(StatusCode::OK, backend.report()),
        Method::GET => match name("/echo/") {
            Some(nonce) => enqueue(backend, &head, Work::Echo(nonce)).await,
            None => plain(StatusCode::NOT_FOUND, "no such thing"),
        },
        Method::POST => match name("/once/") {
            Some(id) => enqueue(backend, &head, Work::Once(id)).await,
            None => plain(StatusCode::NOT_FOUND, "no such thing"),
        },
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "GET or POST"),
    }
}

/// Puts work into the queue and waits for its end. The work goes on if nobody waits any more.
async fn enqueue(
    backend: Arc<Backend>,
    head: &hyper::http::request::Parts,
    work: Work,
) -> Response<Full<Bytes>> {
    let capacity = backend
        .config
        .concurrency
        .saturating_add(backend.config.queue_max);
    if backend.accepted.load(Ordering::Relaxed) >= capacity {
        return declined(StatusCode::SERVICE_UNAVAILABLE, "the queue is full");
    }
    backend.accepted.fetch_add(1, Ordering::Relaxed);
    let arrival = Arrival {
        at: Instant::now(),
        patience: headers::deadline(&head.headers),
        attempt: attempt(head),
    };
    let (done, end) = oneshot::channel();
    task::spawn(async move {
        let response = backend.work(arrival, work).await;
        backend.accepted.fetch_sub(1, Ordering::Relaxed);
        // Whoever asked may have gone.
        let _ = done.send(response);
    });
    let gone = || plain(StatusCode::INTERNAL_SERVER_ERROR, "the work was abandoned");
    end.await.unwrap_or_else(|_| gone())
}

struct Arrival {
    at: Instant,
    patience: Option<Duration>,
    attempt: Option<(u64, u32)>,
}

impl Backend {
    async fn work(&self, arrival: Arrival, work: Work) -> Response<Full<Bytes>> {
        let Ok(_hand) = self.hands.acquire().await else {
            return declined(StatusCode::SERVICE_UNAVAILABLE, "the server is closing");
        };
        let waited = arrival.at.elapsed();
        if arrival.patience.is_some_and(|patience| waited >= patience) {
            return declined(StatusCode::GATEWAY_TIMEOUT, "nobody waits for it any more");
        }
        if let Some((request, ordinal)) = arrival.attempt {
            emit(Truth::WorkStarted {
                request,
                ordinal,
                waited,
            });
        }
        sleep(self.config.service_time).await;
        match work {
            Work::Echo(nonce) => echo(nonce),
            Work::Once(id) => self.execute(id),
        }
    }

    fn execute(&self, id: String) -> Response<Full<Bytes>> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= IDS_MAX && !counts.contains_key(&id) {
            return declined(StatusCode::INSUFFICIENT_STORAGE, "too many ids");
        }
        let count = counts.entry(id.clone()).or_default();
        *count += 1;
        emit(Truth::Executed { id });
        plain(StatusCode::OK, count.to_string())
    }

    fn report(&self) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = counts.iter().map(|(id, count)| format!("{id} {count}\n"));
        lines.collect()
    }
}

/// Which attempt of which request this is, if a proxy says so.
fn attempt(head: &hyper::http::request::Parts) -> Option<(u64, u32)> {
    let value = head.headers.get(headers::ATTEMPT)?.to_str().ok()?;
    let (request, ordinal) = value.split_once('/')?;
    Some((request.parse().ok()?, ordinal.parse().ok()?))
}

fn echo(nonce: String) -> Response<Full<Bytes>> {
    let header = HeaderValue::from_str(&nonce);
    let mut response = plain(StatusCode::OK, nonce);
    if let Ok(header) = header {
        response.headers_mut().insert(headers::NONCE, header);
    }
    response
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}

/// An answer to what has certainly not been done.
fn declined(status: StatusCode, why: &'static str) -> Response<Full<Bytes>> {
    let mut response = plain(status, why);
    let none = HeaderValue::from_static("none");
    response.headers_mut().insert(headers::EFFECT, none);
    response
}
