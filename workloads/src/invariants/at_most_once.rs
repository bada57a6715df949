//! At most once: what must not be repeated is not.

use std::collections::BTreeSet;

use squall_checkers::verdict::Anomaly;

use super::broken;

/// What has been executed, anywhere.
#[derive(Debug, Default)]
pub struct AtMostOnce {
    executed: BTreeSet<String>,
}

impl AtMostOnce {
    /// Somebody has executed a request.
    pub fn executes(&mut self, id: &str) -> Option<Anomaly> {
        (!self.executed.insert(id.to_owned())).then(|| {
            let sentence = format!(
                "Request {id} was executed a second time: it may not be sent again once it may have \
                 arrived."
            );
            broken("at-most-once", "executed-twice", sentence)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_is_one_too_many() {
        let mut invariant = AtMostOnce::default();
        assert_eq!(invariant.executes("a"), None);
        assert_eq!(invariant.executes("b"), None);
        assert!(invariant.executes("a").is_some());
    }
}
