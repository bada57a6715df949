//! Linearizable reads without a log entry (dissertation, section 6.4).
//!
//! A leader knows the latest commit index as soon as it has committed an entry of its own term. What
//! it does not know is whether it still leads. So it notes the commit index, has a majority confirm
//! its leadership *after* that, and may then answer from the state machine, once that has come to the index. All
//! reads that arrive while one round is out share the next.

use squall_sim::mutant;
use squall_sim::time::Instant;

use super::{Index, NotLeader, Raft, ReadOutcome, RoleState};

/// Reads that a leader has not answered.
#[derive(Debug, Default)]
pub(super) struct ReadQueue {
    /// No round has begun for these.
    waiting: Vec<u64>,
    running: Option<ReadRound>,
}

#[derive(Debug)]
struct ReadRound {
    round: u64,
    index: Index,
    contexts: Vec<u64>,
}

impl ReadQueue {
    pub(super) fn into_contexts(self) -> impl Iterator<Item = u64> {
        let running = self.running.map_or_else(Vec::new, |round| round.contexts);
        running.into_iter().chain(self.waiting)
    }
}

impl Raft {
    /// Asks for an index that holds everything which was acknowledged to anybody before now. The
    /// answer is a [`Ready::reads`](super::Ready::reads) with the same `context`, which the driver chooses.
    pub fn read_index(&mut self, now: Instant, context: u64) -> Result<(), NotLeader> {
        self.advance_clock(now);
        let RoleState::Leader(leadership) = &mut self.role else {
            return Err(self.not_leader());
        };
        if mutant!("raft.stale-leader-read") {
            let answer = ReadOutcome::Index(self.commit);
            self.outbox.reads.push((context, answer));
            return Ok(());
        }
        leadership.reads.waiting.push(context);
        self.start_read_round();
        Ok(())
    }

    /// Begins a round for all reads that wait, unless one is out.
    pub(super) fn start_read_round(&mut self) {
        // A new leader may hold entries that were committed and acknowledged before its time without
        // knowing that they are: its commit index is behind until an entry of its own is committed (etcd #7331).
        let own_term_is_committed = self
            .log
            .id_at(self.commit)
            .is_some_and(|id| id.term == self.hard_state.term);
        if !own_term_is_committed && !mutant!("raft.read-before-own-term") {
            return;
        }
        let RoleState::Leader(leadership) = &mut self.role else {
            return;
        };
        let reads = &mut leadership.reads;
        if reads.running.is_some() || reads.waiting.is_empty() {
            return;
        }
        self.round += 1;
        reads.running = Some(ReadRound {
            round: self.round,
            index: self.commit,
            contexts: std::mem::take(&mut reads.waiting),
        });
        self.send_heartbeats();
        self.confirm_reads();
    }

    /// Answers the round's reads once a majority, the leader among it, has replied to it or a later one.
    pub(super) fn confirm_reads(&mut self) {
        let RoleState::Leader(leadership) = &self.role else {
            return;
        };
        let rounds = leadership.progress.values().map(|it| it.round);
        let confirmed = self.reached_by_quorum(rounds.chain([self.round]));
        let RoleState::Leader(leadership) = &mut self.role else {
            return;
        };
        if let Some(round) = leadership.reads.running.take_if(|it| it.round <= confirmed) {
            let outcome = ReadOutcome::Index(round.index);
            let answers = round.contexts.into_iter().map(|it| (it, outcome));
            self.outbox.reads.extend(answers);
            self.start_read_round();
        }
    }
}
