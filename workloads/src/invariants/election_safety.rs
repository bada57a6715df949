//! Election safety: at most one leader a term (Raft, figure 3).

use std::collections::BTreeMap;

use squall_checkers::verdict::Anomaly;

use super::broken;

/// Who has led which term.
#[derive(Debug, Default)]
pub struct ElectionSafety {
    leaders: BTreeMap<u64, u32>,
}

impl ElectionSafety {
    /// A server says that it leads a term.
    pub fn leads(&mut self, server: u32, term: u64) -> Option<Anomaly> {
        let first = *self.leaders.entry(term).or_insert(server);
        (first != server).then(|| {
            let sentence = format!(
                "Servers n{first} and n{server} both led in term {term}: two majorities of one \
                 cluster share a server, and that one must have voted twice."
            );
            broken("election-safety", "two-leaders-in-one-term", sentence)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_leaders_of_one_term_are_one_too_many() {
        let mut invariant = ElectionSafety::default();
        assert_eq!(invariant.leads(0, 1), None);
        assert_eq!(invariant.leads(0, 1), None);
        assert_eq!(invariant.leads(1, 2), None);
        assert!(
            invariant
                .leads(2, 1)
                .is_some_and(|anomaly| anomaly.sentence.contains("n0 and n2"))
        );
    }
}
