//! Keyed choices: every decision is a hash of what it is about.
//!
//! A shared stream of random numbers ties all decisions together: whoever draws one number more
//! shifts everything that follows. Here a decision is a pure function of `(seed, kind, actor or
//! link, semantic id, ordinal within that scope)`, so that taking an operation or a fault out of a
//! plan leaves every other choice as it was. That is what makes shrinking and counterfactual runs
//! work.
//!
//! ```
//! use squall_sim::keyed::Key;
//!
//! let loss = Key::root(42).label("packet-loss"); // the seed and the kind
//! let link = loss.with(1).with(2); // from node 1 to node 2
//! let is_lost = link.with(17).chance(3, 100); // its 17th packet
//! # let _ = is_lost;
//! ```
//!
//! A draw consumes nothing: the same key gives the same answer for ever, and two draws from one key
//! are *not* independent. One key, one draw; a second decision gets a key of its own by
//! [`Key::with`] or [`Key::label`].
//!
//! **The values are a stable format.** Recorded failures replay by them, so neither the mixing nor
//! any draw may ever change its answer; the golden values in the tests of this file hold that down.
//! All arithmetic is on integers: no answer depends on the platform's floating point.

/// The identity of a decision, or of a scope that decisions are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

/// Odd constants with a balanced number of ones, after wyhash's secret.
const ROOT: u64 = 0xa076_1d64_78bd_642f;
const STATE: u64 = 0xe703_7ed1_a0b4_28db;
const WORD: u64 = 0x8ebc_6af0_9c88_c6e3;
const FINISH: [u64; 2] = [0x5899_65cc_7537_4cc3, 0x1d8e_4e27_c47d_124f];

impl Key {
    /// The key that all others of a run descend from.
    pub const fn root(seed: u64) -> Self {
        Self(ROOT).with(seed)
    }

    /// The key of something within this scope: an actor, an id, an ordinal.
    ///
    /// The order of words matters: `key.with(1).with(2)` is another key than `key.with(2).with(1)`.
    #[inline]
    pub const fn with(self, word: u64) -> Self {
        // The word is added once more behind the product: a state or word that happens to equal its
        // constant would otherwise swallow the other factor.
        let mixed = fold(self.0 ^ STATE, word ^ WORD);
        Self(mixed ^ self.0.rotate_left(32).wrapping_add(word))
    }

    /// The key of a scope that has a name: a kind of decision, a path.
    pub const fn label(self, name: &str) -> Self {
        self.with(fnv1a(name.as_bytes()))
    }

    /// The key itself, as a word to mix into something else: cheaper than [`Self::bits`], and not
    /// even enough to decide anything by.
    #[inline]
    pub(crate) const fn word(self) -> u64 {
        self.0
    }

    /// 64 even bits.
    #[inline]
    pub const fn bits(self) -> u64 {
        fold(self.0 ^ FINISH[0], self.0 ^ FINISH[1]) ^ self.0
    }

    /// A number in `0..n`, by Lemire's multiply-shift ("Fast Random Integer Generation in an
    /// Interval", 2019) without its rejection: the bias is below `n / 2^64`.
    ///
    /// # Panics
    /// If `n` is zero.
    #[inline]
    pub const fn below(self, n: u64) -> u64 {
        assert!(n > 0, "a number below zero does not exist");
        ((self.bits() as u128 * n as u128) >> 64) as u64
    }

    /// A number in `min..=max`.
    ///
    /// # Panics
    /// If `min` is greater than `max`.
    #[inline]
    pub const fn between(self, min: u64, max: u64) -> u64 {
        assert!(min <= max, "an empty range");
        match (max - min).checked_add(1) {
            Some(count) => min + self.below(count),
            None => self.bits(),
        }
    }

    /// True in `numerator` cases of `denominator`.
    ///
    /// Monotonic: what is true at some probability stays true at every greater one of the same
    /// denominator, so turning a fault up keeps the faults that were there.
    ///
    /// # Panics
    /// If `denominator` is zero or less than `numerator`.
    #[inline]
    pub const fn chance(self, numerator: u32, denominator: u32) -> bool {
        assert!(numerator <= denominator, "a probability above one");
        self.below(denominator as u64) < numerator as u64
    }

    /// One of `choices`, each as likely as the other.
    ///
    /// # Panics
    /// If there are none.
    pub const fn pick<T>(self, choices: &[T]) -> &T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// An exponentially distributed number of this mean, rounded to the nearest, at most 44.4 times
    /// the mean, and saturating.
    ///
    /// `-ln(u)` for an even `u` in `(0, 1]`: the leading zeros of the bits give the whole part of
    /// `-log2(u)`, a table with linear interpolation its fraction (off by less than 2^-15).
    pub const fn exponential(self, mean: u64) -> u64 {
        const LN_2: u128 = 0xb172_17f7; // ln(2) * 2^32
        let bits = self.bits();
        let zeros = bits.leading_zeros();
        // What follows the leading one is the fraction; a zero word counts as 64 zeros.
        let fraction = if zeros >= 63 { 0 } else { bits << (zeros + 1) };
        let index = (fraction >> 58) as usize;
        let rest = (fraction >> 26) & 0xffff_ffff;
        let step = LOG2[index + 1] - LOG2[index];
        let log2_fraction = LOG2[index] + ((step * rest) >> 32);
        let negative_log2 = ((zeros as u64 + 1) << 32) - log2_fraction;
        let nats = (negative_log2 as u128 * LN_2) >> 32; // at most 64 ln 2, times 2^32
        let value = (nats * mean as u128 + (1 << 31)) >> 32;
        if value > u64::MAX as u128 {
            return u64::MAX;
        }
        value as u64
    }
}

/// Both halves of the product, folded: wyhash's mixing step.
#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// FNV-1a of 64 bits.
pub const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

/// `log2(1 + i / 64) * 2^32` for `i` in `0..=64`.
const LOG2: [u64; 65] = {
    let mut table = [0; 65];
    let mut i = 0;
    while i < 64 {
        table[i] = log2_of_64ths(64 + i as u64);
        i += 1;
    }
    table[64] = 1 << 32;
    table
};

/// `log2(n / 64) * 2^32` for `n` in `64..128`, bit by bit: squaring doubles the logarithm, and each
/// time the square passes two, that bit of it is set.
const fn log2_of_64ths(n: u64) -> u64 {
    let mut mantissa: u128 = (n as u128) << 56; // in [1, 2), with 62 bits behind the point
    let mut log2 = 0;
    let mut bit = 0;
    while bit < 32 {
        mantissa = (mantissa * mantissa) >> 62;
        log2 <<= 1;
        if mantissa >= 2 << 62 {
            mantissa >>= 1;
            log2 |= 1;
        }
        bit += 1;
    }
    log2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_never_drift() {
        let key = Key::root(42);
        assert_eq!(Key::root(0).bits(), 0x5938c83b615604b0);
        assert_eq!(key.bits(), 0xaa0a8c6805c00a60);
        assert_eq!(key.with(0).bits(), 0xc0c09936530a61db);
        assert_eq!(key.with(1).with(2).bits(), 0x86101b8163ca60f7);
        assert_eq!(key.with(2).with(1).bits(), 0x77d7ac17a87cf291);
        assert_eq!(key.label("").bits(), 0x740efec572ff3bba);
        assert_eq!(
            key.label("packet-loss").with(u64::MAX).bits(),
            0xb115ce52a9280618
        );
        let scope = key.label("draws");
        let draws: Vec<u64> = (0..8).map(|i| scope.with(i).below(1000)).collect();
        assert_eq!(draws, [29, 778, 393, 916, 909, 121, 495, 448]);
        let draws: Vec<u64> = (0..8).map(|i| scope.with(i).between(10, 12)).collect();
        assert_eq!(draws, [10, 12, 11, 12, 12, 10, 11, 11]);
        let draws: Vec<u64> = (0..8)
            .map(|i| scope.with(i).exponential(1_000_000))
            .collect();
        assert_eq!(
            draws,
            [
                3536026, 250159, 932392, 87574, 94778, 2105985, 702541, 801793
            ]
        );
    }

    #[test]
    fn labels_are_fnv_1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn keys_are_made_at_compile_time() {
        const KIND: Key = Key::root(7).label("kind");
        assert_eq!(KIND, Key::root(7).label("kind"));
    }

    #[test]
    fn no_word_or_state_swallows_the_other() {
        for word in [0, 1, WORD, STATE, u64::MAX] {
            assert_ne!(Key(1).with(word), Key(2).with(word));
            assert_ne!(Key(STATE).with(word), Key(STATE).with(word ^ 1));
        }
    }

    #[test]
    fn neighbouring_keys_do_not_collide() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..64 {
            for actor in 0..64 {
                for ordinal in 0..64 {
                    seen.insert(Key::root(seed).with(actor).with(ordinal).bits());
                }
            }
        }
        assert_eq!(seen.len(), 64 * 64 * 64);
    }

    /// Each bit of a word, a seed or an earlier word flips each bit of the answer in half of the
    /// cases.
    #[test]
    fn every_bit_of_a_word_reaches_every_bit_of_the_answer() {
        const SAMPLES: u32 = 4096;
        let families: [fn(u64, u64) -> Key; 3] = [
            |sample, word| Key::root(sample).with(word),
            |sample, word| Key::root(word).with(sample),
            |sample, word| Key::root(1).with(word).with(sample).with(3),
        ];
        for (family, key) in families.iter().enumerate() {
            for bit_in in 0..64 {
                let mut flips = [0u32; 64];
                for sample in 0..u64::from(SAMPLES) {
                    let word = sample.wrapping_mul(0x9e37); // small words, as ids and ordinals are
                    let change =
                        key(sample, word).bits() ^ key(sample, word ^ (1 << bit_in)).bits();
                    for (bit_out, count) in flips.iter_mut().enumerate() {
                        *count += (change >> bit_out) as u32 & 1;
                    }
                }
                for (bit_out, count) in flips.iter().enumerate() {
                    // Six standard deviations of a fair coin thrown 4096 times are 192.
                    assert!(
                        count.abs_diff(SAMPLES / 2) < 192,
                        "family {family}: bit {bit_in} flips bit {bit_out} {count} times"
                    );
                }
            }
        }
    }

    /// The statistic of n draws over cells, expected to be near the number of cells.
    fn chi_square(cells: usize, draws: u64, draw: impl Fn(u64) -> u64) -> f64 {
        let mut counts = vec![0u64; cells];
        for i in 0..draws {
            counts[draw(i) as usize] += 1;
        }
        let expected = draws as f64 / cells as f64;
        let deviation = |&count: &u64| (count as f64 - expected).powi(2) / expected;
        counts.iter().map(deviation).sum()
    }

    #[test]
    fn draws_below_are_even() {
        for (seed, cells) in [(1, 2), (2, 3), (3, 10), (4, 64), (5, 1000)] {
            let key = Key::root(seed).label("even");
            let statistic = chi_square(cells, 200_000, |i| key.with(i).below(cells as u64));
            let (freedom, spread) = (cells as f64 - 1.0, (2.0 * cells as f64).sqrt());
            assert!(
                statistic < freedom + 5.0 * spread,
                "{cells} cells: {statistic}"
            );
        }
    }

    #[test]
    fn neighbouring_ordinals_are_independent() {
        let key = Key::root(6);
        let pairs = |i| key.with(i).below(16) * 16 + key.with(i + 1).below(16);
        let statistic = chi_square(256, 200_000, pairs);
        assert!(statistic < 255.0 + 5.0 * 512f64.sqrt(), "{statistic}");
    }

    #[test]
    fn chance_is_a_ratio_and_grows_with_it() {
        let key = Key::root(9);
        let count = |numerator| {
            (0..100_000)
                .filter(|&i| key.with(i).chance(numerator, 100))
                .count()
        };
        assert_eq!(count(0), 0);
        assert_eq!(count(100), 100_000);
        assert!(count(3).abs_diff(3_000) < 300);
        for i in 0..1000 {
            let verdicts: Vec<bool> = (0..=100).map(|n| key.with(i).chance(n, 100)).collect();
            assert!(verdicts.is_sorted());
        }
    }

    #[test]
    fn between_reaches_both_ends_and_the_whole_range() {
        let key = Key::root(3);
        let drawn: std::collections::BTreeSet<u64> =
            (0..100).map(|i| key.with(i).between(5, 8)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [5, 6, 7, 8]);
        assert_eq!(key.between(0, u64::MAX), key.bits());
        assert_eq!(key.between(4, 4), 4);
    }

    #[test]
    fn pick_chooses_every_item() {
        let key = Key::root(3);
        for choice in ["a", "b", "c"] {
            assert!((0..100).any(|i| *key.with(i).pick(&["a", "b", "c"]) == choice));
        }
    }

    #[test]
    fn exponential_has_its_quantiles() {
        const DRAWS: u64 = 200_000;
        const MEAN: u64 = 1_000_000;
        let key = Key::root(11).label("exponential");
        let mut values: Vec<u64> = (0..DRAWS).map(|i| key.with(i).exponential(MEAN)).collect();
        values.sort_unstable();
        let mean = values.iter().sum::<u64>() / DRAWS;
        assert!(mean.abs_diff(MEAN) < MEAN / 100, "{mean}");
        for percent in [1, 10, 25, 50, 75, 90, 99] {
            let value = values[(DRAWS * percent / 100) as usize] as f64;
            let exact = -(1.0 - percent as f64 / 100.0).ln() * MEAN as f64;
            assert!(
                (value / exact - 1.0).abs() < 0.03,
                "{percent} %: {value}, not {exact}"
            );
        }
    }

    #[test]
    fn exponential_saturates_and_never_panics() {
        for i in 0..10_000 {
            let key = Key(i);
            assert_eq!(key.exponential(0), 0);
            let _ = key.exponential(u64::MAX);
        }
        assert!((0..1000).any(|i| Key::root(i).exponential(u64::MAX) == u64::MAX));
    }

    #[test]
    fn the_logarithm_is_exact_to_the_last_bit() {
        for (i, &value) in LOG2.iter().enumerate() {
            let exact = ((1.0 + i as f64 / 64.0).log2() * 4_294_967_296.0).floor();
            assert!(
                (value as f64 - exact).abs() <= 1.0,
                "{i}: {value}, not {exact}"
            );
        }
    }
}
