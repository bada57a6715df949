//! Half-open: a backend that comes back weak is met by a few requests, not by all.

use squall_checkers::verdict::Anomaly;

use super::broken;

/// A half-open breaker has let a request through, which `in_flight` counts.
pub fn admits(backend: usize, in_flight: u32, max: u32) -> Option<Anomaly> {
    (in_flight > max).then(|| {
        let sentence = format!(
            "The half-open breaker of backend {backend} let a request through when {} were on their \
             way: {max} may be.",
            in_flight - 1
        );
        broken("half-open", "too-many-probes", sentence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_may_be_and_no_more() {
        assert_eq!(admits(0, 2, 2), None);
        assert!(admits(0, 3, 2).is_some());
    }
}
