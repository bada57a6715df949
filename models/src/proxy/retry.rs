//! What may be sent again, and after which pause.

use hyper::Method;
use squall_sim::mutant;
use squall_sim::time::Duration;

/// How requests are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Attempts of one request, the first included.
    pub attempts_max: u32,
    /// The pause before the first retry is anything up to this; before each further one, up to twice as much.
    pub backoff_first: Duration,
    /// No pause is longer.
    pub backoff_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            backoff_first: Duration::from_millis(25),
            backoff_max: Duration::from_millis(250),
        }
    }
}

/// Whether a failed attempt can have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The request certainly never left, or the backend says that it did nothing.
    None,
    /// Bytes may have arrived; nobody knows what became of them.
    Possible,
}

/// Whether a request may be sent again after an attempt that failed.
///
/// The law: a request that is not idempotent (RFC 9110, section 9.2.2) and may have had its effect is
/// never sent again. "The connection broke" does not say that nothing has happened (golang #11978,
/// lib/pq #939, pingora #979).
pub fn may_repeat(method: &Method, effect: Effect) -> bool {
    let is_harmless = method.is_idempotent() || effect == Effect::None;
    is_harmless || mutant!("proxy.retried-after-send")
}

/// The pause before a retry, the first being number 1: anything up to a bound that doubles ("full
/// jitter": Brooker, "Exponential Backoff and Jitter", 2015).
pub fn backoff(config: &Config, retry: u32, random: u64) -> Duration {
    assert!(retry > 0, "the first attempt does not wait");
    let doubled = config
        .backoff_first
        .saturating_mul(1 << (retry - 1).min(20))
        .min(config.backoff_max);
    let bound_ns = doubled.as_nanos() as u64;
    Duration::from_nanos(((u128::from(random) * u128::from(bound_ns)) >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_may_have_happened_is_repeated_only_if_that_is_harmless() {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            assert!(may_repeat(&method, Effect::Possible), "{method}");
        }
        let custom = Method::from_bytes(b"TRANSFER").unwrap();
        for method in [Method::POST, Method::PATCH, custom] {
            assert!(!may_repeat(&method, Effect::Possible), "{method}");
            assert!(may_repeat(&method, Effect::None), "{method}");
        }
    }

    proptest! {
        #[test]
        fn pauses_double_up_to_their_bound(retry in 1u32..80, random: u64) {
            let config = Config::default();
            let mut bound = config.backoff_first;
            for _ in 1..retry {
                bound = (bound * 2).min(config.backoff_max);
            }
            prop_assert!(backoff(&config, retry, random) <= bound);
            let longest = backoff(&config, retry, u64::MAX);
            prop_assert!(bound - longest <= Duration::from_nanos(1));
        }
    }
}
