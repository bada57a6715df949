//! How much a check may cost, and how much it has cost.

use std::fmt;
use std::time::{Duration, Instant};

/// What a check may cost. Past any of these its answer is `Unknown`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many configurations the search may visit, over all keys. The same on every machine.
    pub configurations_max: u64,
    /// How many bytes the search may hold, by its own estimate.
    pub memory_bytes_max: u64,
    /// How long the check may take. Off by default: with it, a verdict depends on the machine.
    pub time_max: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            configurations_max: 20_000_000,
            memory_bytes_max: 4 << 30,
            time_max: None,
        }
    }
}

/// The limit that a check ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    Configurations(u64),
    MemoryBytes(u64),
    Time(Duration),
    /// More operations open at once than a configuration can hold.
    Concurrency(u32),
}

impl fmt::Display for Exceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configurations(count) => write!(formatter, "the limit of {count} configurations"),
            Self::MemoryBytes(bytes) => {
                write!(formatter, "the limit of {} MiB of memory", bytes >> 20)
            }
            Self::Time(time) => write!(formatter, "the limit of {time:?}"),
            Self::Concurrency(count) => {
                write!(formatter, "the limit of {count} operations open at once")
            }
        }
    }
}

/// Counts what a check costs.
pub(super) struct Meter {
    limits: Limits,
    started: Instant,
    pub(super) configurations: u64,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            started: Instant::now(),
            configurations: 0,
        }
    }

    /// Counts one more configuration, with so many bytes held.
    ///
    /// # Errors
    /// The limit that is now exceeded.
    pub(super) fn visit(&mut self, bytes: u64) -> Result<(), Exceeded> {
        /// Asking for the time is slow.
        const CLOCK_EVERY: u64 = 256;
        self.configurations += 1;
        if self.configurations > self.limits.configurations_max {
            return Err(Exceeded::Configurations(self.limits.configurations_max));
        }
        if bytes > self.limits.memory_bytes_max {
            return Err(Exceeded::MemoryBytes(self.limits.memory_bytes_max));
        }
        match self.limits.time_max {
            Some(time_max)
                if self.configurations % CLOCK_EVERY == 1 && self.started.elapsed() > time_max =>
            {
                Err(Exceeded::Time(time_max))
            }
            _ => Ok(()),
        }
    }
}
