//! The proxy: the asynchronous shell around the machines that decide.
//!
//! A request comes in by hyper, in a task of its connection (`forward`). For each attempt the shared
//! state (`upstreams`) names a backend and gives a permit and a connection, or says why not;
//! `attempt` sends the request and waits. Whatever is dropped on the way, because the client has left or the
//! time is over, gives back what it held by its destructor. `checks` asks each backend for its
//! health. `refusal` is what the proxy says when it has nothing else to say.
//!
//! Bodies are bounded and held whole, in both directions: what may have to be sent again cannot be
//! streamed, and a connection is clean when its answer has been read to the end.

mod attempt;
mod checks;
mod forward;
mod refusal;
mod upstreams;

use std::sync::Arc;

use crate::Serving;
use squall_sim::task;
use squall_sim::time::{Duration, Instant};
use thiserror::Error;

pub use self::refusal::Cause;
use self::upstreams::Upstreams;
use super::listen::{self, ListenError, listen, serve_http};
use super::{breaker, budget, connection, health, pool, retry};

/// What a proxy is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, as `host:port`.
    pub listen: String,
    /// Where the backends listen.
    pub backends: Vec<String>,
    /// How long a connection to a backend may take to be made.
    pub connect_timeout: Duration,
    /// How long a backend may take to answer an attempt.
    pub try_timeout: Duration,
    /// How long a request may take with all its attempts. A client may ask for less.
    pub request_timeout: Duration,
    /// Requests at once; one that comes beyond is shed.
    pub in_flight_max: usize,
    /// Health is believed as long as this share of the backends is healthy; see
    /// [`balancer::eligible`](super::balancer::eligible).
    pub panic_below_per_cent: usize,
    pub health: health::Config,
    pub breaker: breaker::Config,
    pub retry: retry::Config,
    pub budget: budget::Config,
    pub pool: pool::Config,
    /// What clients may cost.
    pub clients: listen::Limits,
    /// What answers of backends may cost.
    pub answers: connection::Limits,
}

impl Config {
    /// The usual numbers.
    pub fn new(listen: impl Into<String>, backends: Vec<String>) -> Self {
        Self {
            listen: listen.into(),
            backends,
            connect_timeout: Duration::from_millis(250),
            try_timeout: Duration::from_millis(500),
            request_timeout: Duration::from_secs(2),
            in_flight_max: 512,
            panic_below_per_cent: 34,
            health: health::Config::default(),
            breaker: breaker::Config::default(),
            retry: retry::Config::default(),
            budget: budget::Config::default(),
            pool: pool::Config::default(),
            clients: listen::Limits::default(),
            answers: connection::Limits::default(),
        }
    }
}

/// Why a proxy could not start.
#[derive(Debug, Error)]
pub enum ServerError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("there are no backends: expected at least one")]
    NoBackends,
}

/// Runs a proxy. It never returns `Ok`.
///
/// # Errors
/// See [`ServerError`].
pub fn serve(config: Config) -> Serving<ServerError> {
    Box::pin(run_server(config))
}

async fn run_server(config: Config) -> Result<(), ServerError> {
    if config.backends.is_empty() {
        return Err(ServerError::NoBackends);
    }
    let listener = listen(&config.listen).await?;
    let limits = config.clients;
    let upstreams = Arc::new(Upstreams::new(config, Instant::now()));
    for backend in 0..upstreams.config.backends.len() {
        task::spawn(checks::run(Arc::clone(&upstreams), backend));
    }
    let answer = move |request, peer| forward::forward(Arc::clone(&upstreams), request, peer);
    match serve_http(listener, limits, answer).await {}
}
