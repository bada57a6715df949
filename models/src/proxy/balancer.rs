//! Which backend is asked: the better of two that chance picks.
//!
//! Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001): the longest queue
//! is exponentially shorter than with one choice, and unlike "the least loaded of all" it does not
//! send every proxy to the same backend at once.

use squall_sim::mutant;

/// A backend that may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in the configuration.
    pub backend: usize,
    /// Requests of this proxy that it is working on.
    pub in_flight: usize,
}

/// The backends that may be asked, by their health.
///
/// Where fewer than `panic_below_per_cent` of them are healthy, health is no longer believed and all
/// may be asked (Envoy's panic threshold): checks fail for reasons that requests do not have, and the few that
/// are left would only be overrun. Never empty if there are backends and the threshold is not zero.
pub fn eligible(healthy: &[bool], panic_below_per_cent: usize) -> Vec<usize> {
    let up: Vec<usize> = (0..healthy.len()).filter(|index| healthy[*index]).collect();
    let in_panic = up.len() * 100 < healthy.len() * panic_below_per_cent;
    if in_panic && !mutant!("proxy.all-ejected") {
        return (0..healthy.len()).collect();
    }
    up
}

/// One of the candidates: of two different ones that `random` picks, that with less to do.
pub fn choose(candidates: &[Candidate], random: [u64; 2]) -> Option<usize> {
    let count = candidates.len();
    if count < 2 {
        return candidates.first().map(|candidate| candidate.backend);
    }
    let first = (random[0] % count as u64) as usize;
    let step = 1 + (random[1] % (count as u64 - 1)) as usize;
    let (first, second) = (candidates[first], candidates[(first + step) % count]);
    let better = if second.in_flight < first.in_flight {
        second
    } else {
        first
    };
    Some(better.backend)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nobody_is_asked_who_is_ejected_until_too_few_are_left() {
        assert_eq!(eligible(&[true, false, true], 34), [0, 2]);
        assert_eq!(eligible(&[true, false, false], 34), [0, 1, 2]);
        assert_eq!(eligible(&[false, false, false], 1), [0, 1, 2]);
        assert_eq!(eligible(&[false, false], 0), [0; 0]);
        assert_eq!(eligible(&[], 50), [0; 0]);
    }

    #[test]
    fn the_busiest_of_several_is_never_chosen() {
        let candidates = [3, 9, 4].map(|in_flight| Candidate {
            backend: in_flight,
            in_flight,
        });
        let mut seen = [0; 10];
        for a in 0..30 {
            for b in 0..30 {
                seen[choose(&candidates, [a, b]).unwrap()] += 1;
            }
        }
        assert_eq!(seen[9], 0);
        assert!(seen[3] > seen[4] && seen[4] > 0);
    }

    proptest! {
        #[test]
        fn a_candidate_is_chosen_and_never_the_worst_of_all(
            loads in prop::collection::vec(0usize..5, 0..6), random: [u64; 2],
        ) {
            let candidates: Vec<_> = loads
                .iter()
                .enumerate()
                .map(|(backend, in_flight)| Candidate { backend, in_flight: *in_flight })
                .collect();
            match choose(&candidates, random) {
                None => prop_assert!(candidates.is_empty()),
                // Somebody else, with no less to do, was the other choice.
                Some(chosen) => prop_assert!(
                    candidates.len() == 1
                        || candidates.iter().any(|other| other.backend != chosen
                            && other.in_flight >= loads[chosen])
                ),
            }
        }
    }
}
