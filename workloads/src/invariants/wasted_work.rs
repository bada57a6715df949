//! Wasted work: nobody begins to work for somebody who has stopped waiting.

use std::collections::BTreeMap;

use squall_checkers::verdict::Anomaly;
use squall_sim::time::Duration;

use super::broken;

/// How long somebody waits for each attempt of each request.
#[derive(Debug, Default)]
pub struct WastedWork {
    patience: BTreeMap<(u64, u32), Duration>,
}

impl WastedWork {
    /// An attempt is sent.
    pub fn attempts(&mut self, request: u64, ordinal: u32, patience: Duration) {
        self.patience.insert((request, ordinal), patience);
    }

    /// A backend begins to work on an attempt that it has had for so long.
    pub fn works(&mut self, request: u64, ordinal: u32, waited: Duration) -> Option<Anomaly> {
        let patience = *self.patience.get(&(request, ordinal))?;
        (waited > patience).then(|| {
            let sentence = format!(
                "A backend began to work on an attempt that it had had for {} ms: after {} ms nobody \
                 waited for it any more.",
                waited.as_millis(),
                patience.as_millis()
            );
            broken("wasted-work", "work-for-nobody", sentence)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_begins_in_time_or_not_at_all() {
        let ms = Duration::from_millis;
        let mut invariant = WastedWork::default();
        invariant.attempts(7, 0, ms(10));
        assert_eq!(invariant.works(7, 0, ms(10)), None);
        assert_eq!(invariant.works(7, 1, ms(99)), None, "not the proxy's own");
        assert!(invariant.works(7, 0, ms(11)).is_some());
    }
}
