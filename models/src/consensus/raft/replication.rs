//! Replication: what a leader sends, what a follower makes of it, and when an entry is committed
//! (paper, sections 5.3 and 5.4).

use std::collections::BTreeMap;

use squall_sim::mutant;
use squall_sim::time::{Duration, Instant};

use super::log::Reconciled;
use super::read_index::ReadQueue;
use super::{AppendOutcome, Entry, EntryId, Index, Message, NodeId, Payload, Raft, Role};
use super::{RoleState, Term};

/// What only a leader knows; it ends with the term.
#[derive(Debug)]
pub(super) struct Leadership {
    pub(super) progress: BTreeMap<NodeId, Progress>,
    pub(super) heartbeat_at: Instant,
    pub(super) reads: ReadQueue,
}

/// How far a follower is.
#[derive(Debug)]
pub(super) struct Progress {
    /// Its log surely equals the leader's up to here.
    pub(super) matched: Index,
    /// What it is sent next.
    pub(super) next: Index,
    pub(super) flow: Flow,
    /// When it last answered in this term.
    heard_at: Instant,
    /// The latest round that it has answered.
    pub(super) round: u64,
}

/// How entries flow to a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is not known where its log parts from the leader's: one message at a time finds out.
    Probe { sent: bool },
    /// The logs agree: messages follow each other without waiting, up to a window.
    Stream,
    /// It needs a snapshot, which is on its way.
    Snapshot { repeat_at: Instant },
}

impl Leadership {
    pub(super) fn new(
        peers: &[NodeId],
        next: Index,
        now: Instant,
        heartbeat_interval: Duration,
    ) -> Self {
        let progress = |peer: &NodeId| {
            let progress = Progress {
                matched: Index::ZERO,
                next,
                flow: Flow::Probe { sent: false },
                heard_at: now,
                round: 0,
            };
            (*peer, progress)
        };
        Self {
            progress: peers.iter().map(progress).collect(),
            heartbeat_at: now + heartbeat_interval,
            reads: ReadQueue::default(),
        }
    }
}

/// The leader's side.
impl Raft {
    /// An entry of its own is what lets a leader commit those of earlier terms (section 8): see `advance_commit`.
    pub(super) fn begin_term(&mut self) {
        self.append_own(Payload::Noop);
    }

    pub(super) fn append_own(&mut self, payload: Payload) -> EntryId {
        assert_eq!(self.role(), Role::Leader, "only a leader makes entries");
        let id = EntryId {
            term: self.hard_state.term,
            index: self.log.last().index.next(),
        };
        self.log.append(Entry { id, payload });
        self.advance_commit();
        id
    }

    pub(super) fn tick_leader(&mut self) {
        let RoleState::Leader(leadership) = &mut self.role else {
            return;
        };
        let heartbeat_is_due = self.now >= leadership.heartbeat_at;
        if heartbeat_is_due {
            leadership.heartbeat_at = self.now + self.config.heartbeat_interval;
        }
        if self.has_lost_quorum() {
            self.become_follower(self.hard_state.term);
        } else if heartbeat_is_due {
            self.send_heartbeats();
        }
    }

    fn has_lost_quorum(&self) -> bool {
        let RoleState::Leader(leadership) = &self.role else {
            return false;
        };
        self.now >= self.quorum_lost_at(leadership)
    }

    /// When a leader resigns unless it hears from more followers (check-quorum; dissertation, section 6.2).
    pub(super) fn quorum_lost_at(&self, leadership: &Leadership) -> Instant {
        if leadership.progress.is_empty() {
            return Instant::from_nanos(u64::MAX);
        }
        let heard = leadership.progress.values().map(|it| it.heard_at);
        // A leader always hears itself: its own value must not be the one that decides.
        let heard_by_quorum = self.reached_by_quorum(heard.chain([Instant::from_nanos(u64::MAX)]));
        heard_by_quorum + self.config.election_timeout
    }

    /// Says to every follower: I lead, this is the commit index, and this the round of confirmation.
    pub(super) fn send_heartbeats(&mut self) {
        for peer in self.peers() {
            self.send_heartbeat(peer);
        }
    }

    /// A heartbeat stands at the end of what was sent, so that a follower that missed something says so.
    fn send_heartbeat(&mut self, to: NodeId) {
        let RoleState::Leader(leadership) = &mut self.role else {
            return;
        };
        let progress = leadership.progress.get_mut(&to).expect("a peer is a voter");
        let previous = match progress.flow {
            Flow::Probe { .. } => {
                // The probe may be lost: it is sent again, and is a heartbeat itself.
                progress.flow = Flow::Probe { sent: false };
                return;
            }
            Flow::Stream => self.log.id_at(progress.next.previous()),
            Flow::Snapshot { repeat_at } if self.now < repeat_at => Some(self.log.base()),
            Flow::Snapshot { .. } => None,
        };
        match previous {
            Some(previous) => self.send_append(to, previous, Vec::new()),
            None => self.send_snapshot(to),
        }
    }

    /// Sends every follower what it lacks, as far as its flow allows. Called when work is handed out,
    /// so that entries that were proposed together travel together.
    pub(super) fn send_new_entries(&mut self) {
        if self.role() == Role::Leader {
            for peer in self.peers() {
                while self.send_next_batch(peer) {}
            }
        }
    }

    /// Whether something was sent, and more may follow.
    fn send_next_batch(&mut self, to: NodeId) -> bool {
        let RoleState::Leader(leadership) = &mut self.role else {
            return false;
        };
        let progress = leadership.progress.get_mut(&to).expect("a peer is a voter");
        let window_is_full = progress.next.0 > progress.matched.0 + WINDOW_ENTRIES;
        let may_send = match progress.flow {
            Flow::Probe { sent } => !sent,
            Flow::Stream => !window_is_full && progress.next <= self.log.last().index,
            Flow::Snapshot { .. } => false,
        };
        if !may_send {
            return false;
        }
        let Some(previous) = self.log.id_at(progress.next.previous()) else {
            self.send_snapshot(to);
            return false;
        };
        let max_entries = if mutant!("raft.commit-older-term") {
            // Otherwise the leader's first entry rides along, and is committed with the older ones.
            1
        } else {
            self.config.max_entries_per_append
        };
        let max_bytes = self.config.max_bytes_per_append;
        let entries = self.log.batch(progress.next, max_entries, max_bytes);
        if progress.flow == Flow::Stream {
            progress.next = entries
                .last()
                .map_or(progress.next, |it| it.id.index.next());
        } else {
            progress.flow = Flow::Probe { sent: true };
        }
        let may_send_more = progress.flow == Flow::Stream;
        self.send_append(to, previous, entries);
        may_send_more
    }

    fn send_append(&mut self, to: NodeId, previous: EntryId, entries: Vec<Entry>) {
        let append = Message::Append {
            term: self.hard_state.term,
            previous,
            entries,
            commit: self.commit,
            round: self.round,
        };
        self.send(to, append);
    }

    pub(super) fn handle_append_reply(
        &mut self,
        from: NodeId,
        term: Term,
        round: u64,
        outcome: AppendOutcome,
    ) {
        if term > self.hard_state.term {
            self.become_follower(term);
            return;
        }
        let RoleState::Leader(leadership) = &mut self.role else {
            return;
        };
        if term < self.hard_state.term || round > self.round {
            return;
        }
        let progress = leadership
            .progress
            .get_mut(&from)
            .expect("a peer is a voter");
        // Even a refusal says that the follower knows of no newer leader.
        progress.heard_at = self.now;
        progress.round = progress.round.max(round);
        match outcome {
            AppendOutcome::Appended { matched } if matched <= self.log.last().index => {
                progress.matched = progress.matched.max(matched);
                progress.next = progress.next.max(matched.next());
                if self.log.id_at(progress.next.previous()).is_some() {
                    progress.flow = Flow::Stream;
                }
                self.advance_commit();
            }
            AppendOutcome::Appended { .. } | AppendOutcome::StaleTerm => {}
            AppendOutcome::Conflict { previous, hint } => self.back_off(from, previous, hint),
        }
        self.confirm_reads();
    }

    /// Steps back to where the follower's log may agree. Answers to older questions change nothing.
    fn back_off(&mut self, from: NodeId, rejected: Index, hint: EntryId) {
        let RoleState::Leader(leadership) = &mut self.role else {
            return;
        };
        let progress = leadership
            .progress
            .get_mut(&from)
            .expect("a peer is a voter");
        let is_current = match progress.flow {
            Flow::Probe { .. } => rejected == progress.next.previous(),
            Flow::Stream => rejected > progress.matched && rejected < progress.next,
            Flow::Snapshot { .. } => false,
        };
        if !is_current || rejected <= progress.matched {
            return;
        }
        let candidate = self.log.last_at_most(hint).index.min(hint.index);
        let next = candidate.next().min(rejected).max(progress.matched.next());
        assert!(next <= rejected, "backing off must make headway");
        progress.next = next;
        progress.flow = Flow::Probe { sent: false };
    }

    /// Commits what a majority holds durably, if it ends in an entry of the leader's own term.
    ///
    /// An entry of an older term that a majority holds can still be overwritten: by a leader whose
    /// log ends in a term between that one and this (section 5.4.2 and figure 8). Once an entry of
    /// this term stands behind it on a majority, no such leader can be elected any more.
    pub(super) fn advance_commit(&mut self) {
        let RoleState::Leader(leadership) = &self.role else {
            return;
        };
        let matched = leadership.progress.values().map(|it| it.matched);
        let mut stored = self.reached_by_quorum(matched.chain([self.log.durable()]));
        if mutant!("raft.ack-before-commit") {
            stored = self.log.last().index;
        }
        let is_own_term = self
            .log
            .id_at(stored)
            .is_some_and(|id| id.term == self.hard_state.term);
        if stored > self.commit && (is_own_term || mutant!("raft.commit-older-term")) {
            self.commit = stored;
            self.start_read_round();
        }
    }
}

/// The follower's side.
impl Raft {
    pub(super) fn handle_append(
        &mut self,
        from: NodeId,
        term: Term,
        previous: EntryId,
        entries: Vec<Entry>,
        commit: Index,
        round: u64,
    ) {
        if !self.follow(from, term, round) {
            return;
        }
        let outcome = match self.log.reconcile(previous, entries, self.commit) {
            Reconciled::Matched(matched) => {
                // What lies behind `matched` was not compared: it may differ from what was committed.
                self.commit = self.commit.max(commit.min(matched));
                AppendOutcome::Appended { matched }
            }
            Reconciled::Conflict(hint) => AppendOutcome::Conflict {
                previous: previous.index,
                hint,
            },
            Reconciled::DeniesCommitted => return,
        };
        self.reply_to_append(from, round, outcome);
    }

    /// Takes the sender for the leader of `term`; tells it if that term is over.
    pub(super) fn follow(&mut self, from: NodeId, term: Term, round: u64) -> bool {
        if term < self.hard_state.term {
            self.reply_to_append(from, round, AppendOutcome::StaleTerm);
            return false;
        }
        if term == self.hard_state.term && self.role() == Role::Leader {
            // There is one leader a term, and it is this node.
            return false;
        }
        self.become_follower(term);
        self.leader = Some(from);
        self.leader_heard_at = Some(self.now);
        self.reset_election_deadline();
        true
    }

    pub(super) fn reply_to_append(&mut self, to: NodeId, round: u64, outcome: AppendOutcome) {
        let reply = Message::AppendReply {
            term: self.hard_state.term,
            round,
            outcome,
        };
        self.send(to, reply);
    }
}

/// How many entries may be on their way to a follower, give or take one message.
const WINDOW_ENTRIES: u64 = 1024;
