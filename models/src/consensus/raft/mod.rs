//! Raft as a pure state machine: no clock, no randomness, no network, no disk.
//!
//! Time is an argument, jitter is a hash of the configuration, and what is to be written or sent
//! comes out as a value. The source is Ongaro and Ousterhout, *In Search of an Understandable
//! Consensus Algorithm* (the paper), and Ongaro's dissertation of 2014. Voters are fixed.
//!
//! # The story
//!
//! A node that hears no leader for an election timeout asks the others whether they would vote for
//! it (`election.rs`: pre-vote, then the vote), and becomes the leader of a new term once a majority
//! has. It begins its term with an entry of its own and brings each follower's log in line with its
//! own (`replication.rs`). An entry that a majority holds durably is committed, and so is all before
//! it. Reads cost no entry: the leader has a majority confirm that it still leads, then answers from
//! its state machine (`read_index.rs`). Logs do not grow for ever: what has been applied is replaced
//! by a snapshot, which is also what a follower gets that has fallen too far behind (`snapshot.rs`).
//! A leader that hears from no majority for an election timeout resigns, so that its clients look
//! elsewhere (check-quorum; `replication.rs`).
//!
//! # The driver's contract
//!
//! Inputs are [`Raft::step`], [`Raft::tick`] (at or after [`Raft::next_deadline`]),
//! [`Raft::propose`], [`Raft::read_index`] and [`Raft::compact`], in any order. After each input, or
//! after several, the driver takes [`Raft::ready`] until it is `None`, and carries each out in this order:
//!
//! 1. Write [`Ready::hard_state`], then [`Ready::snapshot`] (it replaces the whole log), then cut the
//!    log at [`Ready::truncate_from`], then append [`Ready::entries`]; and make all of it durable. A
//!    node that stops after any of these steps can restart: no entry is ever of a later term than the hard state.
//! 2. Call [`Raft::persisted`].
//! 3. Send [`Ready::messages`]; report [`Ready::role_changes`].
//! 4. Restore the state machine from [`Ready::snapshot`], then apply [`Ready::committed`].
//! 5. Answer [`Ready::reads`] from the state machine.
//!
//! **Messages wait for the disk** because they are promises: a vote says "nobody else gets mine in
//! this term", an acknowledgement says "this entry counts as stored here". A node that restarts
//! without remembering what it promised breaks election safety in the first case and loses committed
//! entries in the second. The promise must be kept even when the machine loses power, hence
//! *durable*, not just written. What cannot be made durable must not be sent: the driver stops the node instead.
//!
//! Inputs may go on while a `Ready` is being written. What they cause collects in the next one, which
//! is handed out after `persisted`: this is how several entries come to share one fsync.

mod election;
mod log;
mod message;
mod read_index;
mod ready;
mod replication;
mod snapshot;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use squall_sim::time::{Duration, Instant};
use thiserror::Error;

use election::Campaign;
use log::Log;
pub use message::{
    AppendOutcome, Ballot, Entry, EntryId, HardState, Index, Message, NodeId, Payload, Snapshot,
    Term,
};
pub use ready::{ReadOutcome, Ready, RoleChange};
use replication::Leadership;
pub use snapshot::SnapshotTooLarge;

/// The longest command that can be proposed, in bytes: with it and what else may share a message, an
/// append stays below a peer frame.
pub const MAX_COMMAND_BYTES: usize = 1 << 20;

/// The largest snapshot, in bytes: it travels in one message, which is one peer frame.
pub const MAX_SNAPSHOT_BYTES: usize = 4 * (1 << 20) - (1 << 10);

/// What a node is told once and for all.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node: one of the voters.
    pub id: NodeId,
    /// All who vote and hold the log.
    pub voters: Vec<NodeId>,
    /// How long a node waits to hear from a leader, at least; each wait is 1 to 2 times as long. It is also how
    /// long a leader leads without hearing from a majority.
    pub election_timeout: Duration,
    /// How often a leader lets itself be heard, and a candidate repeats its question.
    pub heartbeat_interval: Duration,
    /// Entries in one message, at most.
    pub max_entries_per_append: usize,
    /// Bytes of entries in one message, at most; one entry is always sent.
    pub max_bytes_per_append: usize,
    /// Entries kept behind a snapshot for followers that lag, so that they need not be sent the snapshot.
    pub trailing_entries: u64,
    /// Keys the jitter of the election timeouts.
    pub seed: u64,
}

impl Config {
    /// The usual numbers: elections after 150 to 300 ms, a heartbeat each 50 ms.
    pub fn new(id: NodeId, voters: Vec<NodeId>, seed: u64) -> Self {
        Self {
            id,
            voters,
            election_timeout: Duration::from_millis(150),
            heartbeat_interval: Duration::from_millis(50),
            max_entries_per_append: 64,
            max_bytes_per_append: 1 << 20,
            trailing_entries: 128,
            seed,
        }
    }

    fn assert_valid(&self) {
        assert!(self.voters.contains(&self.id), "a node must be a voter");
        let mut voters = self.voters.clone();
        voters.sort_unstable();
        voters.dedup();
        assert_eq!(voters.len(), self.voters.len(), "a voter is named twice");
        assert!(
            self.heartbeat_interval > Duration::ZERO
                && self.heartbeat_interval < self.election_timeout,
            "a leader must be heard within each election timeout"
        );
        assert!(
            self.max_entries_per_append > 0,
            "appends must carry entries"
        );
        assert!(
            self.max_bytes_per_append <= MAX_COMMAND_BYTES,
            "appends must fit into a frame"
        );
    }
}

/// What the disk remembers; the default is a new node's.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    pub hard_state: HardState,
    /// The latest snapshot that is complete and durable.
    pub snapshot: Option<Snapshot>,
    /// The log: without gaps, reaching back to the snapshot's last entry or its successor at least (to index 1 without one).
    /// It may reach further back, and it may be left over from before the snapshot was installed: then it is dropped.
    pub entries: Vec<Entry>,
}

/// Why a node cannot start from what its disk remembers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// Something between the snapshot and the log is lost.
    #[error("the log begins at index {first:?}, but the snapshot ends at {snapshot:?}")]
    Gap { first: Index, snapshot: Index },
    /// The log does not count 1, 2, 3, or its terms fall.
    #[error("the log's entries do not follow each other")]
    NotContiguous,
    /// The log has entries of a term that the hard state does not know: the hard state was lost or is old.
    #[error("the log ends in term {log:?}, but the hard state is of term {hard_state:?}")]
    TermBehindLog { log: Term, hard_state: Term },
}

/// The request must go to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this node does not lead")]
pub struct NotLeader {
    /// Who may lead, as far as this node knows.
    pub leader: Option<NodeId>,
}

/// What a node is in its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Votes, stores what the leader sends.
    Follower,
    /// Asks whether it would be elected.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Decides what the log holds.
    Leader,
}

/// A node's view of itself, for status requests and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub id: NodeId,
    pub role: Role,
    pub term: Term,
    pub leader: Option<NodeId>,
    /// The last entry of the log.
    pub last: EntryId,
    pub commit: Index,
    /// How far committed entries have been handed out in a [`Ready`].
    pub applied: Index,
}

/// One node of a Raft group. The [module](self) has the contract.
#[derive(Debug)]
pub struct Raft {
    config: Config,
    /// The latest time that any input has told.
    now: Instant,
    hard_state: HardState,
    log: Log,
    commit: Index,
    /// How far committed entries have been handed out.
    applied: Index,
    role: RoleState,
    leader: Option<NodeId>,
    leader_heard_at: Option<Instant>,
    election_deadline: Instant,
    /// How many campaigns this node has begun, to draw each timeout afresh.
    attempt: u64,
    /// The latest round of confirming leadership. It is never set back, and replies count only in
    /// their term: so no reply to an earlier leadership confirms a later one's read (etcd #20418).
    round: u64,
    outbox: ready::Outbox,
}

#[derive(Debug)]
enum RoleState {
    Follower,
    PreCandidate(Campaign),
    Candidate(Campaign),
    Leader(Leadership),
}

impl Raft {
    /// A node that (re)starts, as a follower.
    ///
    /// # Panics
    /// When the configuration contradicts itself.
    pub fn new(config: Config, restored: Restored, now: Instant) -> Result<Self, RestoreError> {
        config.assert_valid();
        let hard_state = restored.hard_state;
        let log = Log::restore(restored.snapshot, restored.entries)?;
        if log.last().term > hard_state.term {
            return Err(RestoreError::TermBehindLog {
                log: log.last().term,
                hard_state: hard_state.term,
            });
        }
        let applied = log.snapshot_last().index;
        let mut raft = Self {
            config,
            now,
            hard_state,
            log,
            commit: applied,
            applied,
            role: RoleState::Follower,
            leader: None,
            leader_heard_at: None,
            election_deadline: now,
            attempt: 0,
            round: 0,
            outbox: ready::Outbox::new(hard_state),
        };
        raft.reset_election_deadline();
        Ok(raft)
    }

    /// A peer's message has come. What no correct peer would send is ignored.
    pub fn step(&mut self, now: Instant, from: NodeId, message: Message) {
        self.advance_clock(now);
        let known = from != self.config.id && self.config.voters.contains(&from);
        if !known || !message.is_well_formed() {
            return;
        }
        match message {
            Message::RequestVote { ballot, term, last } => {
                self.handle_request_vote(from, ballot, term, last);
            }
            Message::Vote {
                ballot,
                term,
                granted,
            } => self.handle_vote(from, ballot, term, granted),
            Message::Append {
                term,
                previous,
                entries,
                commit,
                round,
            } => self.handle_append(from, term, previous, entries, commit, round),
            Message::InstallSnapshot {
                term,
                snapshot,
                round,
            } => self.handle_install_snapshot(from, term, snapshot, round),
            Message::AppendReply {
                term,
                round,
                outcome,
            } => self.handle_append_reply(from, term, round, outcome),
        }
    }

    /// Time has passed. Too early is harmless.
    pub fn tick(&mut self, now: Instant) {
        self.advance_clock(now);
        match &self.role {
            RoleState::Leader(_) => self.tick_leader(),
            RoleState::Follower | RoleState::PreCandidate(_) | RoleState::Candidate(_) => {
                self.tick_election();
            }
        }
    }

    /// When [`Raft::tick`] is wanted next.
    pub fn next_deadline(&self) -> Instant {
        match &self.role {
            RoleState::Follower => self.election_deadline,
            RoleState::PreCandidate(campaign) | RoleState::Candidate(campaign) => {
                self.election_deadline.min(campaign.repeat_at)
            }
            RoleState::Leader(leadership) => {
                leadership.heartbeat_at.min(self.quorum_lost_at(leadership))
            }
        }
    }

    /// Appends a command to the leader's log. It is committed when a [`Ready`] hands out an entry of
    /// this very term and index; another term at this index means that it is lost.
    ///
    /// # Panics
    /// When the command is longer than [`MAX_COMMAND_BYTES`].
    pub fn propose(&mut self, now: Instant, command: Vec<u8>) -> Result<EntryId, NotLeader> {
        assert!(
            command.len() <= MAX_COMMAND_BYTES,
            "a command of {} bytes cannot be replicated",
            command.len()
        );
        self.advance_clock(now);
        if self.role() != Role::Leader {
            return Err(self.not_leader());
        }
        Ok(self.append_own(Payload::Command(command)))
    }

    pub fn role(&self) -> Role {
        match self.role {
            RoleState::Follower => Role::Follower,
            RoleState::PreCandidate(_) => Role::PreCandidate,
            RoleState::Candidate(_) => Role::Candidate,
            RoleState::Leader(_) => Role::Leader,
        }
    }

    pub fn status(&self) -> Status {
        Status {
            id: self.config.id,
            role: self.role(),
            term: self.hard_state.term,
            leader: self.leader,
            last: self.log.last(),
            commit: self.commit,
            applied: self.applied,
        }
    }

    fn not_leader(&self) -> NotLeader {
        NotLeader {
            leader: self.leader.filter(|leader| *leader != self.config.id),
        }
    }

    /// A clock that goes backwards counts as one that stands still.
    fn advance_clock(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// How many voters make a majority.
    fn quorum(&self) -> usize {
        self.config.voters.len() / 2 + 1
    }

    fn peers(&self) -> Vec<NodeId> {
        let own = self.config.id;
        self.config
            .voters
            .iter()
            .copied()
            .filter(|voter| *voter != own)
            .collect()
    }

    fn send(&mut self, to: NodeId, message: Message) {
        self.outbox.messages.push((to, message));
    }

    /// The greatest value that a majority has reached, given each voter's.
    fn reached_by_quorum<T: Ord + Copy>(&self, values: impl Iterator<Item = T>) -> T {
        let mut values: Vec<T> = values.collect();
        assert_eq!(values.len(), self.config.voters.len(), "one value a voter");
        values.sort_unstable_by(|a, b| b.cmp(a));
        values[self.quorum() - 1]
    }
}
