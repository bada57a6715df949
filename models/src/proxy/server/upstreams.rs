//! What all requests share: the backends, what is known of each, and the budget for retries.
//!
//! One lock, never held across an await. What is taken here comes back by destructors, so that a request
//! that is dropped anywhere leaves nothing behind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use squall_sim::time::Instant;
use squall_sim::{emit, log, mutant, rand};

use super::super::balancer::{self, Candidate};
use super::super::breaker::{Breaker, Permit, State, Verdict};
use super::super::budget::Budget;
use super::super::connection::Connection;
use super::super::health::Health;
use super::super::pool::Pool;
use super::super::truth::Truth;
use super::{Cause, Config};

/// The state of a proxy.
pub(super) struct Upstreams {
    pub(super) config: Config,
    shared: Mutex<Shared>,
}

struct Shared {
    backends: Vec<Backend>,
    budget: Budget,
    /// Requests of clients that are being worked on.
    in_flight: usize,
}

struct Backend {
    /// Attempts that are under way.
    in_flight: usize,
    health: Health,
    breaker: Breaker,
    pool: Pool<Connection>,
}

impl Upstreams {
    pub(super) fn new(config: Config, now: Instant) -> Self {
        let backend = |_: &String| Backend {
            in_flight: 0,
            health: Health::new(config.health),
            breaker: Breaker::new(config.breaker, now),
            pool: Pool::new(config.pool),
        };
        let shared = Shared {
            backends: config.backends.iter().map(backend).collect(),
            budget: Budget::new(config.budget, now),
            in_flight: 0,
        };
        Self {
            config,
            shared: Mutex::new(shared),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request on, unless there are too many.
    pub(super) fn take_on(self: &Arc<Self>) -> Option<Slot> {
        let mut shared = self.lock();
        if shared.in_flight >= self.config.in_flight_max {
            return None;
        }
        shared.in_flight += 1;
        Some(Slot(Arc::clone(self)))
    }

    /// Whether there may be one more retry; if so, it is on the account already.
    pub(super) fn pay_for_retry(&self) -> bool {
        self.lock().budget.withdraw(Instant::now())
    }

    /// Chooses a backend, preferably one that has not been tried, and asks its breaker.
    pub(super) fn choose(self: &Arc<Self>, tried: &[usize]) -> Result<Lease, Cause> {
        let mut shared = self.lock();
        let now = Instant::now();
        let healthy: Vec<bool> = shared
            .backends
            .iter()
            .map(|backend| backend.health.is_healthy())
            .collect();
        let eligible = balancer::eligible(&healthy, self.config.panic_below_per_cent);
        if eligible.is_empty() {
            return Err(Cause::NoHealthyBackend);
        }
        let admitted = shared.admitted(now, &eligible);
        let fresh: Vec<Candidate> = admitted
            .iter()
            .filter(|candidate| !tried.contains(&candidate.backend))
            .copied()
            .collect();
        let candidates = if fresh.is_empty() { admitted } else { fresh };
        let backend = balancer::choose(&candidates, [rand::bits(), rand::bits()])
            .ok_or(Cause::BreakersOpen)?;
        if tried.is_empty() {
            shared.budget.deposit(now);
        }
        let permit = shared.admit(now, backend, self.config.breaker.probes_max);
        let pool = &mut shared.backends[backend].pool;
        let connection = pool.take(now, Connection::is_open);
        drop(shared);
        Ok(Lease {
            upstreams: Arc::clone(self),
            backend,
            connection,
            permit: Some(permit),
        })
    }

    /// Takes the outcome of a health check.
    pub(super) fn record_check(&self, backend: usize, passed: bool) {
        let changed = self.lock().backends[backend].health.record(passed);
        if changed {
            log!(
                "backend {backend} is {}",
                if passed { "up" } else { "down" }
            );
            emit(Truth::HealthChanged {
                backend,
                healthy: passed,
            });
        }
    }
}

impl Shared {
    /// The backends of these whose breakers would let a request through.
    fn admitted(&self, now: Instant, eligible: &[usize]) -> Vec<Candidate> {
        eligible
            .iter()
            .filter(|backend| self.backends[**backend].breaker.admits(now))
            .map(|backend| Candidate {
                backend: *backend,
                in_flight: self.backends[*backend].in_flight,
            })
            .collect()
    }

    fn admit(&mut self, now: Instant, backend: usize, max: u32) -> Permit {
        let permit = self.observing(backend, |chosen| {
            chosen.in_flight += 1;
            let permit = chosen.breaker.admit(now);
            permit.expect("candidates are those that the breaker admits")
        });
        let breaker = &self.backends[backend].breaker;
        if breaker.state() == State::HalfOpen {
            emit(Truth::HalfOpenAdmitted {
                backend,
                in_flight: breaker.probes_in_flight(),
                max,
            });
        }
        permit
    }

    /// Does something to a backend, and says so if its breaker has changed by it.
    fn observing<T>(&mut self, backend: usize, act: impl FnOnce(&mut Backend) -> T) -> T {
        let it = &mut self.backends[backend];
        let before = it.breaker.state();
        let result = act(it);
        let state = it.breaker.state();
        if state != before {
            log!("the breaker of backend {backend} is {state:?}");
            emit(Truth::BreakerChanged {
                backend,
                state,
                in_flight: it.in_flight,
            });
        }
        result
    }
}

/// A request's place among those that are worked on.
pub(super) struct Slot(Arc<Upstreams>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

/// A backend for one attempt, with the breaker's leave, and a connection once there is one.
pub(super) struct Lease {
    upstreams: Arc<Upstreams>,
    pub(super) backend: usize,
    pub(super) connection: Option<Connection>,
    permit: Option<Permit>,
}

impl Lease {
    /// Tells the breaker how it went. A lease that is dropped without was cancelled.
    pub(super) fn finish(mut self, verdict: Verdict) {
        self.give_back(verdict);
    }

    fn give_back(&mut self, verdict: Verdict) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let now = Instant::now();
        let mut shared = self.upstreams.lock();
        shared.observing(self.backend, |backend| {
            backend.in_flight -= 1;
            backend.breaker.finish(now, permit, verdict);
        });
        if let Some(connection) = self.connection.take()
            && (connection.is_clean() || mutant!("proxy.dirty-connection-reused"))
            && connection.is_open()
        {
            shared.backends[self.backend].pool.put(now, connection);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_back(Verdict::Cancelled);
    }
}
