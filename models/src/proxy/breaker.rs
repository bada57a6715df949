//! Which backends are left alone for a while: a circuit breaker (Nygard, "Release It!", 2007).
//!
//! *Closed*, everybody passes, until too many requests have failed. *Open*, nobody passes for a time:
//! callers fail at once instead of waiting, and the backend is left in peace. *Half-open*, a few may
//! try. The law of this file: at no time are more than `probes_max` of them on their way; a backend
//! that comes back weak is not met by everybody at once.

use squall_sim::mutant;
use squall_sim::time::{Duration, Instant};

/// When a breaker opens, and how it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// This many failures in a row open it.
    pub consecutive_failures: u32,
    /// So does this share of failures among the requests of a window, if they are `volume_min` or more.
    pub failed_per_cent: u64,
    pub volume_min: u64,
    pub window: Duration,
    /// How long it stays open.
    pub open_for: Duration,
    /// Requests that may be on their way while it is half-open.
    pub probes_max: u32,
    /// Successes, while it is half-open, that close it.
    pub successes_to_close: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failed_per_cent: 50,
            volume_min: 20,
            window: Duration::from_secs(5),
            open_for: Duration::from_secs(1),
            probes_max: 2,
            successes_to_close: 2,
        }
    }
}

/// The three states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Closed,
    Open,
    HalfOpen,
}

/// How a request that was let through has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Success,
    Failure,
    /// Nobody waited for the end: it says nothing of the backend.
    Cancelled,
}

/// The leave to send a request. It has to come back, by [`Breaker::finish`].
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    epoch: u64,
}

/// The breaker of one backend.
#[derive(Clone, Debug)]
pub struct Breaker {
    config: Config,
    phase: Phase,
    /// Counts changes of state: what was let through before one says nothing after it.
    epoch: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed(Window),
    Open { until: Instant },
    HalfOpen { in_flight: u32, successes: u32 },
}

#[derive(Clone, Debug)]
struct Window {
    end: Instant,
    finished: u64,
    failed: u64,
    consecutive: u32,
}

impl Window {
    fn new(now: Instant, config: &Config) -> Self {
        Self {
            end: now + config.window,
            finished: 0,
            failed: 0,
            consecutive: 0,
        }
    }

    fn record(&mut self, now: Instant, failed: bool, config: &Config) {
        if now >= self.end {
            let consecutive = self.consecutive;
            *self = Self::new(now, config);
            self.consecutive = consecutive;
        }
        self.finished += 1;
        self.failed += u64::from(failed);
        self.consecutive = if failed { self.consecutive + 1 } else { 0 };
    }

    fn is_too_bad(&self, config: &Config) -> bool {
        let many = self.finished >= config.volume_min;
        self.consecutive >= config.consecutive_failures
            || (many && self.failed * 100 >= self.finished * config.failed_per_cent)
    }
}

impl Breaker {
    /// A closed breaker.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            phase: Phase::Closed(Window::new(now, &config)),
            epoch: 0,
        }
    }

    pub fn state(&self) -> State {
        match self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Requests on their way that were let through half-open.
    pub fn probes_in_flight(&self) -> u32 {
        match self.phase {
            Phase::HalfOpen { in_flight, .. } => in_flight,
            Phase::Closed(_) | Phase::Open { .. } => 0,
        }
    }

    /// Whether [`Self::admit`] would let a request through.
    pub fn admits(&self, now: Instant) -> bool {
        match &self.phase {
            Phase::Closed(_) => true,
            Phase::Open { until } => now >= *until,
            Phase::HalfOpen { in_flight, .. } => {
                *in_flight < self.config.probes_max || mutant!("proxy.half-open-unbounded")
            }
        }
    }

    /// Lets a request through, or not.
    pub fn admit(&mut self, now: Instant) -> Option<Permit> {
        if !self.admits(now) {
            return None;
        }
        if let Phase::Open { .. } = self.phase {
            self.enter(Phase::HalfOpen {
                in_flight: 0,
                successes: 0,
            });
        }
        if let Phase::HalfOpen { in_flight, .. } = &mut self.phase {
            *in_flight += 1;
        }
        Some(Permit { epoch: self.epoch })
    }

    /// Takes a permit back, with what the request has shown.
    pub fn finish(&mut self, now: Instant, permit: Permit, verdict: Verdict) {
        if permit.epoch != self.epoch {
            return;
        }
        let failed = verdict == Verdict::Failure;
        match &mut self.phase {
            Phase::Closed(_) if verdict == Verdict::Cancelled => {}
            Phase::Closed(window) => {
                window.record(now, failed, &self.config);
                if window.is_too_bad(&self.config) {
                    self.open(now);
                }
            }
            Phase::Open { .. } => unreachable!("no permit is given in an epoch that is open"),
            Phase::HalfOpen {
                in_flight,
                successes,
            } => {
                *in_flight -= 1;
                *successes += u32::from(verdict == Verdict::Success);
                if failed {
                    self.open(now);
                } else if *successes >= self.config.successes_to_close {
                    self.enter(Phase::Closed(Window::new(now, &self.config)));
                }
            }
        }
    }

    fn open(&mut self, now: Instant) {
        self.enter(Phase::Open {
            until: now + self.config.open_for,
        });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(Config::default(), at(0));
        for _ in 0..5 {
            let permit = breaker.admit(at(0)).unwrap();
            breaker.finish(at(0), permit, Verdict::Failure);
        }
        assert_eq!(breaker.state(), State::Open);
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_successes_close_it() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(at(999)), None);
        for _ in 0..2 {
            let permit = breaker.admit(at(1000)).unwrap();
            breaker.finish(at(1001), permit, Verdict::Success);
        }
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn half_open_admits_a_few_and_one_failure_opens_it_again() {
        let mut breaker = opened();
        let first = breaker.admit(at(1000)).unwrap();
        let second = breaker.admit(at(1000)).unwrap();
        assert_eq!(breaker.admit(at(1000)), None);
        breaker.finish(at(1100), first, Verdict::Cancelled);
        let third = breaker
            .admit(at(1100))
            .expect("a cancelled probe makes room");
        breaker.finish(at(1200), second, Verdict::Failure);
        assert_eq!(breaker.state(), State::Open);
        breaker.finish(at(1300), third, Verdict::Success);
        assert_eq!(breaker.state(), State::Open, "an older epoch says nothing");
        assert!(!breaker.admits(at(2199)) && breaker.admits(at(2200)));
    }

    #[test]
    fn a_share_of_failures_opens_it() {
        let mut breaker = Breaker::new(Config::default(), at(0));
        for number in 0..20 {
            assert_eq!(breaker.state(), State::Closed, "after {number}");
            let permit = breaker.admit(at(0)).unwrap();
            let verdict = [Verdict::Success, Verdict::Failure][number % 2];
            breaker.finish(at(0), permit, verdict);
        }
        assert_eq!(breaker.state(), State::Open);
    }

    proptest! {
        /// Whatever happens: half-open never has more on its way than allowed, open admits nobody
        /// before its time, and every change follows from the last event.
        #[test]
        fn laws_hold(steps in prop::collection::vec((0u64..400, 0u8..3, any::<prop::sample::Index>()), 1..200)) {
            let config = Config::default();
            let mut breaker = Breaker::new(config, at(0));
            let (mut now_ms, mut opened_at) = (0, None);
            let mut permits = Vec::new();
            for (wait, action, which) in steps {
                now_ms += wait;
                let before = breaker.state();
                if action == 0 || permits.is_empty() {
                    let permit = breaker.admit(at(now_ms));
                    if let (State::Open, Some(opened_ms)) = (before, opened_at) {
                        prop_assert_eq!(permit.is_some(), now_ms >= opened_ms + 1000);
                    }
                    permits.extend(permit);
                } else {
                    let permit = permits.swap_remove(which.index(permits.len()));
                    let verdict = if action == 1 { Verdict::Failure } else { Verdict::Success };
                    breaker.finish(at(now_ms), permit, verdict);
                }
                if before != State::Open && breaker.state() == State::Open {
                    prop_assert_eq!(action, 1, "only a failure opens");
                    opened_at = Some(now_ms);
                }
                let current = permits.iter().filter(|permit| permit.epoch == breaker.epoch).count();
                if breaker.state() == State::HalfOpen {
                    prop_assert_eq!(current, breaker.probes_in_flight() as usize);
                    prop_assert!(breaker.probes_in_flight() <= config.probes_max);
                }
            }
        }
    }
}
