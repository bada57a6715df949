//! What proxy and backends say that they do, as they do it: the ground truth that they are judged by.

use squall_sim::time::Duration;

use super::breaker::State;
use super::server::Cause;

/// An event in a proxy or in a backend. Backends are named by their places in the proxy's configuration,
/// requests by random numbers that no two proxies or incarnations share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The proxy has taken a request on (it was not shed).
    RequestStarted { request: u64 },
    /// The proxy asks a backend.
    Attempt {
        request: u64,
        /// 0 for the first attempt.
        ordinal: u32,
        backend: usize,
        is_retry: bool,
        /// How long the proxy waits for an answer: no backend begins to work on it after that.
        patience: Duration,
    },
    /// A request is to be sent again, after a pause. Law: a [`Budget`](super::budget::Budget) that is given each
    /// first attempt as a deposit pays for it.
    Retried { request: u64 },
    /// A request might have been sent again, and was not: too many have been.
    BudgetExhausted { request: u64 },
    /// A breaker has changed its state.
    BreakerChanged {
        backend: usize,
        state: State,
        /// Requests of this proxy that the backend is working on.
        in_flight: usize,
    },
    /// A half-open breaker has let a request through. Law: `in_flight`, which counts it, is at most `max`.
    HalfOpenAdmitted {
        backend: usize,
        in_flight: u32,
        max: u32,
    },
    /// Health checks have changed their mind.
    HealthChanged { backend: usize, healthy: bool },
    /// The proxy answers. Law: `cause` is never [`Cause::NoHealthyBackend`].
    RequestDone {
        request: u64,
        status: u16,
        /// Why the proxy answers an error of its own; `None` for a backend's answer.
        cause: Option<Cause>,
    },
    /// A backend begins to work on an attempt. Law: it has not `waited` longer than the attempt's patience.
    WorkStarted {
        request: u64,
        ordinal: u32,
        /// From its arrival at the backend.
        waited: Duration,
    },
    /// A backend has carried out a `POST /once/<id>`. Law: at most once for each id, among all backends.
    Executed { id: String },
}
