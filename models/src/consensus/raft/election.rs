//! Elections: time-outs, pre-votes, votes (paper, section 5.2; dissertation, sections 4.2.3 and 9.6).

use std::collections::BTreeMap;

use squall_sim::mutant;
use squall_sim::time::{Duration, Instant};

use super::replication::Leadership;
use super::{Ballot, EntryId, HardState, Message, NodeId, Raft, ReadOutcome, Role};
use super::{RoleChange, RoleState, Term};

/// A candidate's count.
#[derive(Debug)]
pub(super) struct Campaign {
    /// Who has answered, and how. A voter counts once, however often its answer comes.
    answers: BTreeMap<NodeId, bool>,
    votes: usize,
    /// When those who have not answered are asked again.
    pub(super) repeat_at: Instant,
}

impl Raft {
    pub(super) fn tick_election(&mut self) {
        if self.now >= self.election_deadline {
            self.attempt += 1;
            self.campaign(Ballot::Pre);
            return;
        }
        if let RoleState::PreCandidate(campaign) | RoleState::Candidate(campaign) = &mut self.role
            && self.now >= campaign.repeat_at
        {
            campaign.repeat_at = self.now + self.config.heartbeat_interval;
            self.ask_for_votes();
        }
    }

    /// Stands for election. The pre-vote changes no term: a node that cannot win, because it is cut
    /// off or its log is old, does not disturb a leader that the others follow.
    fn campaign(&mut self, ballot: Ballot) {
        let own = self.config.id;
        let campaign = Campaign {
            answers: BTreeMap::from([(own, true)]),
            votes: 1,
            repeat_at: self.now + self.config.heartbeat_interval,
        };
        self.leader = None;
        match ballot {
            Ballot::Pre => self.role = RoleState::PreCandidate(campaign),
            Ballot::Real => {
                self.hard_state = HardState {
                    term: self.hard_state.term.next(),
                    voted_for: Some(own),
                };
                self.role = RoleState::Candidate(campaign);
            }
        }
        self.reset_election_deadline();
        self.report_role();
        self.ask_for_votes();
        self.count_votes();
    }

    /// Asks all who have not answered, again and again while the election is open: a lost question or
    /// answer must not cost a whole election timeout. A slow answer can so arrive twice.
    fn ask_for_votes(&mut self) {
        let (ballot, term, campaign) = match &self.role {
            RoleState::PreCandidate(campaign) => {
                (Ballot::Pre, self.hard_state.term.next(), campaign)
            }
            RoleState::Candidate(campaign) => (Ballot::Real, self.hard_state.term, campaign),
            RoleState::Follower | RoleState::Leader(_) => return,
        };
        let mut voters = self.peers();
        voters.retain(|voter| !campaign.answers.contains_key(voter));
        let last = self.log.last();
        for voter in voters {
            self.send(voter, Message::RequestVote { ballot, term, last });
        }
    }

    pub(super) fn handle_request_vote(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        term: Term,
        last: EntryId,
    ) {
        match ballot {
            Ballot::Pre => self.answer_pre_vote(from, term, last),
            Ballot::Real => self.answer_vote(from, term, last),
        }
    }

    fn answer_pre_vote(&mut self, from: NodeId, term: Term, last: EntryId) {
        let own_term = self.hard_state.term;
        let granted = term > own_term && !self.hears_a_leader() && last >= self.log.last();
        // A refusal carries the voter's own term, so that a candidate that is behind catches up.
        let answer = Message::Vote {
            ballot: Ballot::Pre,
            term: if granted { term } else { own_term },
            granted,
        };
        self.send(from, answer);
    }

    fn answer_vote(&mut self, from: NodeId, term: Term, last: EntryId) {
        if term > self.hard_state.term {
            if self.hears_a_leader() {
                return;
            }
            self.become_follower(term);
        }
        let unbound = self.hard_state.voted_for.is_none_or(|voted| voted == from);
        let granted = term == self.hard_state.term && unbound && last >= self.log.last();
        if granted {
            self.become_follower(term);
            self.hard_state.voted_for = Some(from);
            self.reset_election_deadline();
        }
        let answer = Message::Vote {
            ballot: Ballot::Real,
            term: self.hard_state.term,
            granted,
        };
        self.send(from, answer);
    }

    /// A node that has a leader neither votes for others nor takes on their term: without this a node
    /// that missed some heartbeats could depose a leader that everybody else follows.
    fn hears_a_leader(&self) -> bool {
        let heard_lately = self
            .leader_heard_at
            .is_some_and(|heard| self.now < heard + self.config.election_timeout);
        self.role() == Role::Leader || heard_lately
    }

    pub(super) fn handle_vote(&mut self, from: NodeId, ballot: Ballot, term: Term, granted: bool) {
        let is_promise = ballot == Ballot::Pre && granted;
        if !is_promise && term > self.hard_state.term {
            self.become_follower(term);
            return;
        }
        let own_term = self.hard_state.term;
        let campaign = match (&mut self.role, ballot) {
            (RoleState::PreCandidate(campaign), Ballot::Pre)
                if !granted || term == own_term.next() =>
            {
                campaign
            }
            (RoleState::Candidate(campaign), Ballot::Real) if term == own_term => campaign,
            _ => return,
        };
        campaign.answers.insert(from, granted);
        if mutant!("raft.duplicate-votes-counted") {
            campaign.votes += usize::from(granted);
        } else {
            campaign.votes = campaign.answers.values().filter(|yes| **yes).count();
        }
        self.count_votes();
    }

    fn count_votes(&mut self) {
        let quorum = self.quorum();
        match &self.role {
            RoleState::PreCandidate(campaign) if campaign.votes >= quorum => {
                self.campaign(Ballot::Real);
            }
            RoleState::Candidate(campaign) if campaign.votes >= quorum => self.become_leader(),
            _ => {}
        }
    }

    fn become_leader(&mut self) {
        assert_eq!(self.role(), Role::Candidate, "only a candidate is elected");
        self.leader = Some(self.config.id);
        self.role = RoleState::Leader(Leadership::new(
            &self.peers(),
            self.log.last().index.next(),
            self.now,
            self.config.heartbeat_interval,
        ));
        self.report_role();
        self.begin_term();
    }

    /// Follows whoever leads `term`, not knowing yet who that is.
    pub(super) fn become_follower(&mut self, term: Term) {
        assert!(term >= self.hard_state.term, "terms never fall");
        let is_new_term = term > self.hard_state.term;
        let old_role = self.role();
        if is_new_term {
            self.hard_state = HardState {
                term,
                voted_for: None,
            };
        }
        if is_new_term || old_role != Role::Follower {
            self.leader = None;
        }
        let was = std::mem::replace(&mut self.role, RoleState::Follower);
        if let RoleState::Leader(leadership) = was {
            for context in leadership.reads.into_contexts() {
                self.outbox.reads.push((context, ReadOutcome::Failed));
            }
            self.reset_election_deadline();
        }
        if is_new_term || old_role != Role::Follower {
            self.report_role();
        }
    }

    fn report_role(&mut self) {
        let change = RoleChange {
            role: self.role(),
            term: self.hard_state.term,
        };
        self.outbox.role_changes.push(change);
    }

    /// Waits 1 to 2 election timeouts from now on. The draw changes with the term and with each
    /// attempt, so that candidates that split the votes once do not do so for ever.
    pub(super) fn reset_election_deadline(&mut self) {
        let key = [
            self.config.seed,
            u64::from(self.config.id.0),
            self.hard_state.term.0,
            self.attempt,
        ];
        let least = self.config.election_timeout;
        let least_ns = u64::try_from(least.as_nanos()).expect("a timeout is less than 500 years");
        let extra = Duration::from_nanos(keyed_hash(key) % least_ns.max(1));
        self.election_deadline = self.now + least + extra;
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), once for each part of the key.
fn keyed_hash(key: [u64; 4]) -> u64 {
    key.into_iter().fold(0, |hash: u64, part| {
        let mut mixed = (hash ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}
