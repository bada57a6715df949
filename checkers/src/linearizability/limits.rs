//! How much a check may cost, and how much it has cost.

use std::fmt;
use std::time::{Duration, Instant};

/// What a check may cost. Past any of these its answer is `Unknown`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many configurations a search may visit, for each key. The same on every machine.
    pub configurations_max: u64,
    /// How many bytes the check may hold: the history and what searches keep, with what copies take
    /// on growing. What states point to is known by [`crate::Spec::state_bytes`].
    pub memory_bytes_max: u64,
    /// How long the check may take. Off by default: with it, whether the answer is `Unknown` depends
    /// on the machine.
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
    /// Only an algorithm of the specification's own was asked for.
    NoSpecialAlgorithm,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configurations(count) => write!(formatter, "the limit of {count} configurations"),
            Self::MemoryBytes(bytes) => {
                write!(formatter, "the limit of {} MiB of memory", bytes >> 20)
            }
            Self::Time(time) => write!(
                formatter,
                "the limit of {time:?} of time, which another run might not meet"
            ),
            Self::Concurrency(count) => {
                write!(formatter, "the limit of {count} operations open at once")
            }
            Self::NoSpecialAlgorithm => {
                formatter.write_str("operations for which no special algorithm is known")
            }
        }
    }
}

/// Counts what a check costs.
pub(super) struct Meter {
    limits: Limits,
    started: Instant,
    /// How many bytes the search may hold.
    search_bytes_max: u64,
    pub(super) configurations: u64,
}

impl Meter {
    pub(super) fn new(limits: Limits, started: Instant) -> Self {
        Self {
            started,
            search_bytes_max: limits.memory_bytes_max,
            configurations: 0,
            limits,
        }
    }

    /// A meter of one of so many searches at once, beside what is held already.
    pub(super) fn beside(self, held_bytes: u64, searches: u64) -> Self {
        let left = self.limits.memory_bytes_max.saturating_sub(held_bytes);
        Self {
            search_bytes_max: left / searches,
            ..self
        }
    }

    /// Whether so many bytes may be held.
    ///
    /// # Errors
    /// If not, the limit.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Exceeded> {
        match bytes > self.search_bytes_max {
            true => Err(Exceeded::MemoryBytes(self.limits.memory_bytes_max)),
            false => Ok(()),
        }
    }

    /// How many bytes may be held.
    pub(super) fn bytes_max(&self) -> u64 {
        self.search_bytes_max
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
        self.reserve(bytes)?;
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
