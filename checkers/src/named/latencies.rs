//! How long something took, of many.

use serde::Serialize;

/// Times in nanoseconds, from which quantiles are told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latencies {
    times_ns: Vec<u64>,
}

impl Latencies {
    pub(super) fn add(&mut self, time_ns: u64) {
        self.times_ns.push(time_ns);
    }

    pub fn count(&self) -> usize {
        self.times_ns.len()
    }

    /// The least time that so many of a thousand did not exceed: 500 for the median, 1000 for the
    /// greatest. `None` if there are no times.
    ///
    /// # Panics
    /// If it is more than 1000.
    pub fn quantile_ns(&self, of_thousand: usize) -> Option<u64> {
        assert!(of_thousand <= 1000, "a quantile is a part of the whole");
        let mut times_ns = self.times_ns.clone();
        let rank = (times_ns.len() * of_thousand).div_ceil(1000);
        let place = rank.saturating_sub(1);
        (place < times_ns.len()).then(|| *times_ns.select_nth_unstable(place).1)
    }

    /// `median 3 ns, 99 of 100 within 8 ns, worst 10 ns`, or `none`.
    pub(super) fn sentence(&self) -> String {
        let quantile = |of_thousand| self.quantile_ns(of_thousand);
        match (quantile(500), quantile(990), quantile(1000)) {
            (Some(median), Some(most), Some(worst)) => {
                format!("median {median} ns, 99 of 100 within {most} ns, worst {worst} ns")
            }
            _ => "none".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Latencies;

    #[test]
    fn quantiles_are_of_what_was_added() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile_ns(500), None);
        (1..=10).rev().for_each(|time_ns| latencies.add(time_ns));
        let quantiles = [0, 1, 500, 501, 1000].map(|part| latencies.quantile_ns(part));
        assert_eq!(quantiles, [1, 1, 5, 6, 10].map(Some));
    }
}
