//! One vote: a server gives its durable vote of a term to one candidate (Raft, section 5.2).

use std::collections::BTreeMap;

use squall_checkers::verdict::Anomaly;

use super::broken;

/// Who has voted for whom.
#[derive(Debug, Default)]
pub struct OneVote {
    votes: BTreeMap<(u32, u64), u32>,
}

impl OneVote {
    /// A server's vote of a term is durable.
    pub fn votes(&mut self, server: u32, term: u64, candidate: u32) -> Option<Anomaly> {
        let first = *self.votes.entry((server, term)).or_insert(candidate);
        (first != candidate).then(|| {
            let sentence = format!(
                "Server n{server} voted in term {term} for n{first} and for n{candidate}: a vote \
                 is a promise for the whole term."
            );
            broken("one-vote", "two-votes-in-one-term", sentence)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_cannot_be_given_twice() {
        let mut invariant = OneVote::default();
        assert_eq!(invariant.votes(0, 1, 1), None);
        assert_eq!(invariant.votes(0, 1, 1), None);
        assert_eq!(invariant.votes(0, 2, 2), None);
        assert_eq!(invariant.votes(1, 1, 2), None);
        assert!(invariant.votes(0, 1, 2).is_some());
    }
}
