//! The retry budget: each retry is paid for, by earlier requests or by time.
//!
//! A bucket of tokens, reckoned apart from the proxy's own.

use squall_checkers::verdict::Anomaly;
use squall_models::proxy::budget::Config;

use super::broken;

/// A token in the unit of account: a thousandth of a thousand million, so that a nanosecond counts.
const TOKEN: u128 = 1_000_000_000_000;

/// What a proxy has saved up.
#[derive(Debug)]
pub struct RetryBudget {
    config: Config,
    saved: u128,
    paid_ns: u64,
}

impl RetryBudget {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            saved: 0,
            paid_ns: 0,
        }
    }

    /// A proxy has been started, with all that can be saved up.
    pub fn starts(&mut self, now_ns: u64) {
        self.saved = u128::from(self.config.burst) * TOKEN;
        self.paid_ns = now_ns;
    }

    /// Somebody is asked for the first time on behalf of a request.
    pub fn attempts_first(&mut self, now_ns: u64) {
        self.pass(now_ns);
        self.save(u128::from(self.config.ratio_per_mille) * TOKEN / 1000);
    }

    /// A request is to be sent again.
    pub fn retries(&mut self, now_ns: u64) -> Option<Anomaly> {
        self.pass(now_ns);
        // The proxy reckons in thousandths, and rounds in favour of either.
        if self.saved + TOKEN / 100 >= TOKEN {
            self.saved = self.saved.saturating_sub(TOKEN);
            return None;
        }
        let Config {
            ratio_per_mille,
            minimum_per_second,
            burst,
        } = self.config;
        let sentence = format!(
            "The proxy sent a request again that its budget did not pay for: {ratio_per_mille} of 1000 \
             requests may be sent again, and {minimum_per_second} a second, with up to {burst} saved up."
        );
        Some(broken("retry-budget", "unpaid-retry", sentence))
    }

    fn pass(&mut self, now_ns: u64) {
        let elapsed_ns = u128::from(now_ns.saturating_sub(self.paid_ns));
        self.save(
            elapsed_ns * u128::from(self.config.minimum_per_second) * (TOKEN / 1_000_000_000),
        );
        self.paid_ns = now_ns;
    }

    fn save(&mut self, tokens: u128) {
        let max = u128::from(self.config.burst) * TOKEN;
        self.saved = (self.saved + tokens).min(max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn retries_are_paid_for_by_requests_and_by_time() {
        let mut invariant = RetryBudget::new(Config {
            ratio_per_mille: 500,
            minimum_per_second: 1,
            burst: 1,
        });
        invariant.starts(0);
        assert_eq!(invariant.retries(0), None, "saved up");
        assert!(invariant.retries(0).is_some());
        (0..2).for_each(|_| invariant.attempts_first(0));
        assert_eq!(invariant.retries(0), None, "paid for by two requests");
        assert!(invariant.retries(SECOND_NS / 2).is_some());
        assert_eq!(invariant.retries(SECOND_NS), None, "paid for by time");
        (0..9).for_each(|_| invariant.attempts_first(SECOND_NS));
        assert_eq!(invariant.retries(SECOND_NS), None);
        assert!(invariant.retries(SECOND_NS).is_some(), "no more is saved");
    }
}
