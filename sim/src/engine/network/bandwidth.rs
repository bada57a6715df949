//! What a link carries at the most: packets wait for those before them, in a queue with an end.

use serde::{Deserialize, Serialize};

const NS_PER_SECOND: u128 = 1_000_000_000;

/// The width of a directed link, and how much waits before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// Above zero; zero counts as one.
    pub bytes_per_second: u64,
    /// A packet that finds more than this before it, itself included, is dropped: a datagram is
    /// lost, a stream sends again after its time-out.
    pub queue_bytes_max: u64,
}

impl Bandwidth {
    /// The narrower of both in either respect.
    pub(super) fn narrower(self, other: Self) -> Self {
        Self {
            bytes_per_second: self.bytes_per_second.min(other.bytes_per_second),
            queue_bytes_max: self.queue_bytes_max.min(other.queue_bytes_max),
        }
    }

    /// Takes a packet in. Answers what it waits and takes until its last byte is on the way, or
    /// nothing if it is dropped. `busy_until_ns` is when the link will have sent all before it.
    pub(super) fn admit(self, busy_until_ns: &mut u64, now_ns: u64, bytes: u64) -> Option<u64> {
        let rate = u128::from(self.bytes_per_second.max(1));
        let wait_ns = busy_until_ns.saturating_sub(now_ns);
        let waiting_bytes = u128::from(wait_ns) * rate / NS_PER_SECOND;
        // What finds the link idle does not wait: no queue is too short for that.
        if wait_ns > 0 && waiting_bytes + u128::from(bytes) > u128::from(self.queue_bytes_max) {
            return None;
        }
        let send_ns = u64::try_from(u128::from(bytes) * NS_PER_SECOND / rate).unwrap_or(u64::MAX);
        let delay_ns = wait_ns.saturating_add(send_ns);
        *busy_until_ns = now_ns.saturating_add(delay_ns);
        Some(delay_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_wait_for_those_before_them_until_the_queue_is_full() {
        let megabyte = Bandwidth {
            bytes_per_second: 1_000_000,
            queue_bytes_max: 2_500,
        };
        let mut busy = 0;
        assert_eq!(megabyte.admit(&mut busy, 0, 1_000), Some(1_000_000));
        assert_eq!(megabyte.admit(&mut busy, 0, 1_000), Some(2_000_000));
        assert_eq!(megabyte.admit(&mut busy, 0, 1_000), None, "3,000 bytes");
        assert_eq!(megabyte.admit(&mut busy, 0, 500), Some(2_500_000));
        // Half a millisecond later, 500 bytes have left.
        assert_eq!(megabyte.admit(&mut busy, 500_000, 501), None);
        assert_eq!(megabyte.admit(&mut busy, 500_000, 500), Some(2_500_000));
        assert_eq!(megabyte.admit(&mut busy, 9_000_000, 9_000), Some(9_000_000));
    }

    #[test]
    fn no_width_is_no_division_by_zero() {
        let nothing = Bandwidth {
            bytes_per_second: 0,
            queue_bytes_max: 0,
        };
        let mut busy = 0;
        assert_eq!(nothing.admit(&mut busy, 0, 3), Some(3_000_000_000));
        assert_eq!(nothing.admit(&mut busy, 0, u64::MAX), None);
        busy = 0;
        assert_eq!(nothing.admit(&mut busy, 0, u64::MAX), Some(u64::MAX));
    }
}
