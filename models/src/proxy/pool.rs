//! Which connections may be used again: the last that came back, unless it has idled too long.

use squall_sim::time::{Duration, Instant};

/// How many idle connections are kept, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Idle connections to one backend, at most.
    pub idle_max: usize,
    /// How long one is kept. It should be less than the backend's own patience, so that a request does
    /// not meet a connection that is being closed.
    pub idle_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_max: 32,
            idle_timeout: Duration::from_secs(10),
        }
    }
}

/// The idle connections to one backend, the longest idle first.
#[derive(Debug)]
pub struct Pool<C> {
    config: Config,
    idle: Vec<(C, Instant)>,
}

impl<C> Pool<C> {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            idle: Vec::new(),
        }
    }

    /// The connection that came back last, of those that are still `usable`. The last, so that those which are not
    /// needed grow old.
    pub fn take(&mut self, now: Instant, usable: impl Fn(&C) -> bool) -> Option<C> {
        self.expire(now);
        while let Some((connection, _)) = self.idle.pop() {
            if usable(&connection) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection that nobody uses. Where there is no room, the one that has idled longest goes.
    pub fn put(&mut self, now: Instant, connection: C) {
        self.expire(now);
        self.idle.push((connection, now));
        if self.idle.len() > self.config.idle_max {
            self.idle.remove(0);
        }
    }

    /// Closes what has idled too long.
    pub fn expire(&mut self, now: Instant) {
        let timeout = self.config.idle_timeout;
        self.idle.retain(|(_, since)| now - *since < timeout);
    }

    pub fn idle_count(&self) -> usize {
        self.idle.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_list_with_dates_does(steps in prop::collection::vec((0u64..4000, any::<bool>()), 1..100)) {
            let config = Config { idle_max: 4, ..Config::default() };
            let mut pool = Pool::new(config);
            let mut dates: Vec<u64> = Vec::new();
            let mut now_ms = 0;
            for (wait_ms, puts) in steps {
                now_ms += wait_ms;
                let now = Instant::from_nanos(now_ms * 1_000_000);
                let young: Vec<u64> = dates.iter().copied().filter(|date| now_ms - date < 10_000).collect();
                dates = young;
                if puts {
                    pool.put(now, now_ms);
                    dates.push(now_ms);
                    dates = dates.split_off(dates.len().saturating_sub(4));
                } else {
                    // Connections of odd dates have been closed by the other side.
                    let taken = pool.take(now, |date| date % 2 == 0);
                    let expected = dates.iter().rposition(|date| date % 2 == 0);
                    prop_assert_eq!(taken, expected.map(|index| dates[index]));
                    dates.truncate(expected.unwrap_or(0));
                }
                prop_assert_eq!(pool.idle_count(), dates.len());
            }
        }
    }
}
