//! Exclusive delivery: while somebody holds a message nobody else gets it, and once it is settled nobody
//! does.

use std::collections::{BTreeMap, BTreeSet};

use squall_checkers::verdict::Anomaly;

use super::broken;

/// Who has what, by the messages' numbers in their stream.
#[derive(Debug, Default)]
pub struct ExclusiveDelivery {
    holds: BTreeMap<u64, Hold>,
    settled: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Hold {
    /// The how-manieth delivery it is: a fencing token.
    count: u64,
    until_ns: u64,
}

impl ExclusiveDelivery {
    /// A message goes to somebody, for whom it is kept until then.
    pub fn delivers(
        &mut self,
        now_ns: u64,
        sequence: u64,
        count: u64,
        until_ns: u64,
    ) -> Option<Anomaly> {
        let hold = Hold { count, until_ns };
        let last = self.holds.insert(sequence, hold).unwrap_or_default();
        if self.settled.contains(&sequence) {
            let sentence = format!(
                "Message {sequence} was delivered again after the broker had confirmed that it was done \
                 with."
            );
            return Some(broken(
                "exclusive-delivery",
                "settled-and-delivered",
                sentence,
            ));
        }
        if last.until_ns > now_ns {
            let sentence = format!(
                "Message {sequence} was delivered to a second holder {} ms before the first one's time \
                 was over.",
                (last.until_ns - now_ns).div_ceil(1_000_000)
            );
            return Some(broken("exclusive-delivery", "two-holders", sentence));
        }
        (count <= last.count).then(|| {
            let sentence = format!(
                "Delivery {count} of message {sequence} came after delivery {}: a holder could not be \
                 told from one before it.",
                last.count
            );
            broken("exclusive-delivery", "token-not-rising", sentence)
        })
    }

    /// A holder is given more time, or (with 0) has given the message back.
    pub fn extends(&mut self, sequence: u64, count: u64, until_ns: u64) {
        self.holds.insert(sequence, Hold { count, until_ns });
    }

    /// A holder is done with a message.
    pub fn settles(&mut self, sequence: u64, count: u64) -> Option<Anomaly> {
        self.settled.insert(sequence);
        let last = self.holds.get(&sequence).copied().unwrap_or_default();
        (last.count != count).then(|| {
            let sentence = format!(
                "Message {sequence} was settled by the holder of its delivery {count}, when it had been \
                 given to another as delivery {}.",
                last.count
            );
            broken("exclusive-delivery", "settled-by-another", sentence)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(anomaly: Option<Anomaly>) -> Option<String> {
        anomaly.map(|anomaly| anomaly.class)
    }

    #[test]
    fn a_message_has_one_holder_at_a_time() {
        let mut invariant = ExclusiveDelivery::default();
        assert_eq!(invariant.delivers(10, 1, 1, 20), None);
        assert_eq!(invariant.delivers(20, 1, 2, 30), None);
        invariant.extends(1, 2, 0);
        assert_eq!(invariant.delivers(21, 1, 3, 40), None);
        let second = class(invariant.delivers(39, 1, 4, 50));
        assert_eq!(second.as_deref(), Some("two-holders"));
        let same = class(invariant.delivers(60, 1, 4, 70));
        assert_eq!(same.as_deref(), Some("token-not-rising"));
    }

    #[test]
    fn what_is_settled_stays_so_and_only_its_holder_settles_it() {
        let mut invariant = ExclusiveDelivery::default();
        let _ = invariant.delivers(10, 1, 1, 20);
        let _ = invariant.delivers(20, 1, 2, 30);
        let old = class(invariant.settles(1, 1));
        assert_eq!(old.as_deref(), Some("settled-by-another"));
        assert_eq!(invariant.settles(1, 2), None);
        let again = class(invariant.delivers(40, 1, 3, 50));
        assert_eq!(again.as_deref(), Some("settled-and-delivered"));
    }
}
