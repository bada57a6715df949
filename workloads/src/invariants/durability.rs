//! Durability: what a server has promised to remember, every later start remembers.

use std::collections::BTreeMap;

use squall_checkers::verdict::Anomaly;

use super::broken;

/// What each server has promised, by a number that grows: a version, or a place in a log.
#[derive(Debug, Default)]
pub struct Durability {
    promised: BTreeMap<u32, u64>,
}

impl Durability {
    /// A server has told somebody of this, and so of all before it.
    pub fn promises(&mut self, server: u32, number: u64) {
        let promised = self.promised.entry(server).or_default();
        *promised = number.max(*promised);
    }

    /// A server has started with this on its disk.
    pub fn restores(&mut self, server: u32, name: &str, number: u64) -> Option<Anomaly> {
        let promised = self.promised.get(&server).copied().unwrap_or_default();
        (number < promised).then(|| {
            let sentence = format!(
                "Server {name} had told its clients of all up to {promised}, and came back with all \
                 up to {number}: what is acknowledged is durable."
            );
            broken("durability", "acknowledged-and-forgotten", sentence)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_promised_must_be_there_and_more_may_be() {
        let mut invariant = Durability::default();
        assert_eq!(invariant.restores(0, "n0", 0), None);
        invariant.promises(0, 7);
        invariant.promises(0, 5);
        invariant.promises(1, 9);
        assert_eq!(invariant.restores(0, "n0", 8), None);
        assert!(invariant.restores(0, "n0", 6).is_some());
    }
}
