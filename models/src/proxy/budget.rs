//! How often requests are sent again, at the most: a share of all requests, and a little more.
//!
//! Retries turn a short overload into a lasting one: they are load that only failure makes, so
//! failure feeds itself and goes on when its cause is gone (Bronson et al., "Metastable Failures in
//! Distributed Systems", HotOS'21). A budget breaks the circle. It is a bucket of tokens, as in
//! Finagle's `RetryBudget`: each request that a backend is asked for the first time puts a fraction
//! of a token in, each retry takes a whole one *before* it begins to wait, so that retries still in
//! back-off have been counted. A request that nobody was asked pays for nothing.

use squall_sim::mutant;
use squall_sim::time::{Duration, Instant};

/// A thousandth of a token is the unit of account.
const TOKEN: u64 = 1000;

/// How generous a budget is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Retries per thousand first attempts.
    pub ratio_per_mille: u64,
    /// Retries a second that are allowed however few requests come.
    pub minimum_per_second: u64,
    /// Retries that can be saved up; a proxy starts with as many.
    pub burst: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ratio_per_mille: 200,
            minimum_per_second: 1,
            burst: 10,
        }
    }
}

impl Config {
    /// The law: after this many first attempts and this much time there have been no more retries.
    pub fn retries_max(&self, first_attempts: u64, elapsed: Duration) -> u64 {
        let by_time = elapsed.as_millis() as u64 * self.minimum_per_second;
        (self.burst * TOKEN + first_attempts * self.ratio_per_mille + by_time) / TOKEN
    }
}

/// A proxy's budget for all its retries.
#[derive(Clone, Debug)]
pub struct Budget {
    config: Config,
    /// In thousandths of a token.
    saved: u64,
    /// Up to when time has been paid for.
    paid: Instant,
}

impl Budget {
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            saved: config.burst * TOKEN,
            paid: now,
        }
    }

    /// Takes note of a first attempt: it pays for a part of a retry.
    pub fn deposit(&mut self, now: Instant) {
        self.accrue(now);
        self.save(self.config.ratio_per_mille);
    }

    /// Whether there may be one more retry; if so, it has been paid.
    pub fn withdraw(&mut self, now: Instant) -> bool {
        self.pays(now) || mutant!("proxy.retries-without-budget")
    }

    /// Pays for a retry if there is a token. Whoever looks on keeps a bucket of his own by this, from
    /// first attempts and retries as they are told, and so knows which retry was not paid.
    pub fn pays(&mut self, now: Instant) -> bool {
        self.accrue(now);
        let is_enough = self.saved >= TOKEN;
        self.saved -= if is_enough { TOKEN } else { 0 };
        is_enough
    }

    fn accrue(&mut self, now: Instant) {
        let elapsed_ms = (now - self.paid).as_millis() as u64;
        self.paid += Duration::from_millis(elapsed_ms);
        self.save(elapsed_ms * self.config.minimum_per_second * TOKEN / 1000);
    }

    fn save(&mut self, amount: u64) {
        self.saved = (self.saved + amount).min(self.config.burst * TOKEN);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn five_requests_pay_for_a_retry_and_so_does_a_second() {
        let mut budget = Budget::new(Config::default(), at(0));
        assert!((0..10).all(|_| budget.withdraw(at(0))));
        assert!(!budget.withdraw(at(999)));
        assert!(budget.withdraw(at(1000)));
        (0..5).for_each(|_| budget.deposit(at(1000)));
        assert!(budget.withdraw(at(1000)) && !budget.withdraw(at(1000)));
    }

    proptest! {
        #[test]
        fn the_law_holds_and_nothing_is_withheld(steps in prop::collection::vec((0u64..300, any::<bool>()), 1..300)) {
            let config = Config::default();
            let mut budget = Budget::new(config, at(0));
            let (mut now_ms, mut requests, mut retries) = (0, 0, 0);
            // The naive model saves in thousandths as well, one millisecond after the other.
            let mut saved = config.burst * TOKEN;
            for (wait_ms, is_request) in steps {
                now_ms += wait_ms;
                for _ in 0..wait_ms {
                    saved = (saved + config.minimum_per_second).min(config.burst * TOKEN);
                }
                if is_request {
                    requests += 1;
                    saved = (saved + config.ratio_per_mille).min(config.burst * TOKEN);
                    budget.deposit(at(now_ms));
                } else {
                    let allowed = budget.withdraw(at(now_ms));
                    prop_assert_eq!(allowed, saved >= TOKEN);
                    saved -= if allowed { TOKEN } else { 0 };
                    retries += u64::from(allowed);
                }
                prop_assert!(retries <= config.retries_max(requests, Duration::from_millis(now_ms)));
            }
        }
    }
}
