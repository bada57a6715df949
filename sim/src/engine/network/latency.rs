//! How long a packet takes: distributions that are drawn from by key.

use serde::{Deserialize, Serialize};

use crate::keyed::Key;

/// A distribution of times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Latency {
    /// Always the same: packets of one link arrive in their order.
    Constant { ns: u64 },
    /// Each time between the two as likely as the other.
    Uniform { min_ns: u64, max_ns: u64 },
    /// What the way takes at the least, and what its queues add: exponentially distributed with
    /// this mean (TigerBeetle's VOPR has such links).
    Exponential { floor_ns: u64, mean_extra_ns: u64 },
    /// Mostly between `min_ns` and `max_ns`; of a thousand packets, `tail_per_mille` take between
    /// `max_ns` and `tail_ns_max` (FoundationDB's simulator: one in a thousand, up to 100 ms).
    Bimodal {
        min_ns: u64,
        max_ns: u64,
        tail_ns_max: u64,
        tail_per_mille: u32,
    },
}

impl Latency {
    /// Whether the bounds are in their order and the share is a share.
    pub const fn is_sound(&self) -> bool {
        match *self {
            Self::Constant { .. } | Self::Exponential { .. } => true,
            Self::Uniform { min_ns, max_ns } => min_ns <= max_ns,
            Self::Bimodal {
                min_ns,
                max_ns,
                tail_ns_max,
                tail_per_mille,
            } => min_ns <= max_ns && max_ns <= tail_ns_max && tail_per_mille <= 1000,
        }
    }

    /// What a packet takes at the most; on the mean, where the distribution has no bound.
    pub const fn longest_ns(&self) -> u64 {
        match *self {
            Self::Constant { ns } => ns,
            Self::Uniform { max_ns, .. } => max_ns,
            Self::Exponential {
                floor_ns,
                mean_extra_ns,
            } => floor_ns.saturating_add(mean_extra_ns),
            Self::Bimodal { tail_ns_max, .. } => tail_ns_max,
        }
    }

    /// What the packet of this key takes.
    ///
    /// # Panics
    /// If it is not sound.
    #[inline]
    pub fn draw(&self, key: Key) -> u64 {
        match *self {
            Self::Constant { ns } => ns,
            Self::Uniform { min_ns, max_ns } => key.between(min_ns, max_ns),
            Self::Exponential {
                floor_ns,
                mean_extra_ns,
            } => floor_ns.saturating_add(key.exponential(mean_extra_ns)),
            Self::Bimodal {
                min_ns,
                max_ns,
                tail_ns_max,
                tail_per_mille,
            } => match key.label("tail").chance(tail_per_mille, 1000) {
                true => key.between(max_ns, tail_ns_max),
                false => key.between(min_ns, max_ns),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn sorted_draws(latency: Latency) -> Vec<u64> {
        assert!(latency.is_sound());
        let key = Key::root(5).label("latency");
        let mut draws: Vec<u64> = (0..10_000).map(|i| latency.draw(key.with(i))).collect();
        draws.sort_unstable();
        draws
    }

    #[test]
    fn each_distribution_has_its_bounds_and_its_middle() {
        let constant = sorted_draws(Latency::Constant { ns: 7 });
        assert_eq!((constant[0], constant[9_999]), (7, 7));

        let uniform = sorted_draws(Latency::Uniform {
            min_ns: MS,
            max_ns: 3 * MS,
        });
        assert!(uniform[0] >= MS && uniform[9_999] <= 3 * MS);
        assert!(uniform[5_000].abs_diff(2 * MS) < MS / 10);

        let exponential = sorted_draws(Latency::Exponential {
            floor_ns: 10 * MS,
            mean_extra_ns: MS,
        });
        assert!(exponential[0] >= 10 * MS && exponential[9_999] > 16 * MS);
        let median_ns = exponential[5_000] - 10 * MS;
        assert!(
            median_ns.abs_diff(693_147) < MS / 20,
            "ln 2 of the mean: {median_ns}"
        );
    }

    #[test]
    fn a_tail_is_as_heavy_as_it_says() {
        let draws = sorted_draws(Latency::Bimodal {
            min_ns: MS,
            max_ns: 2 * MS,
            tail_ns_max: 100 * MS,
            tail_per_mille: 20,
        });
        let late = draws.iter().filter(|ns| **ns > 2 * MS).count();
        assert!((150..250).contains(&late), "20 in a thousand: {late}");
        assert!(draws[9_999] > 80 * MS && draws[9_999] <= 100 * MS);
    }

    #[test]
    fn what_is_out_of_order_is_not_sound() {
        let upside_down = Latency::Uniform {
            min_ns: 2,
            max_ns: 1,
        };
        assert!(!upside_down.is_sound());
        let bimodal = |max_ns, tail_ns_max, tail_per_mille| Latency::Bimodal {
            min_ns: 1,
            max_ns,
            tail_ns_max,
            tail_per_mille,
        };
        assert!(bimodal(2, 3, 1000).is_sound());
        assert!(!bimodal(0, 3, 1000).is_sound());
        assert!(!bimodal(4, 3, 1000).is_sound());
        assert!(!bimodal(2, 3, 1001).is_sound());
    }
}
