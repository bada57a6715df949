//! The vocabulary of Raft: the numbers, the entries, and the messages between nodes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a node. It is never given to another node, not even after its disk is gone.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct NodeId(pub u32);

/// A term of office: at most one leader each. Term 0 is the time before the first election.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Term(pub u64);

impl Term {
    /// The term after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A position in the log. The first entry has index 1; index 0 is the place before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Index(pub u64);

impl Index {
    /// The place before the first entry.
    pub const ZERO: Self = Self(0);

    /// The position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The position before this one; zero has none and stays.
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// An entry's identity: two logs that hold the same id hold the same entry, and the same entries
/// before it (the log matching property, Raft section 5.3).
///
/// The order, term before index, is the order of "more up to date" that elections use (section 5.4.1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct EntryId {
    /// The term of the leader that made the entry.
    pub term: Term,
    /// Where it stands in the log.
    pub index: Index,
}

/// One entry of the replicated log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub id: EntryId,
    pub payload: Payload,
}

impl Entry {
    /// Roughly what the entry adds to a message, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        const OVERHEAD_BYTES: usize = 32;
        let payload = match &self.payload {
            Payload::Noop => 0,
            Payload::Command(bytes) => bytes.len(),
        };
        OVERHEAD_BYTES + payload
    }
}

/// What an entry asks of the state machine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing: the entry with which each leader begins its term, and with which it commits those before it.
    Noop,
    /// A command, opaque to Raft.
    Command(Vec<u8>),
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noop => f.write_str("Noop"),
            Self::Command(bytes) => write!(f, "Command({} bytes)", bytes.len()),
        }
    }
}

/// What a node must never forget: forgetting the term or the vote elects two leaders of one term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term the node has seen.
    pub term: Term,
    /// Whom the node has given its vote of that term to.
    pub voted_for: Option<NodeId>,
}

/// The state machine as it is once the entry `last` has been applied (Raft section 7).
///
/// A snapshot travels in one message: it must fit into a frame with some room to spare
/// ([`MAX_SNAPSHOT_BYTES`](super::MAX_SNAPSHOT_BYTES)).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry that the snapshot stands for.
    pub last: EntryId,
    /// The state, opaque to Raft.
    pub data: Vec<u8>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("last", &self.last)
            .field("data_bytes", &self.data.len())
            .finish()
    }
}

/// What nodes say to each other. `term` is the sender's, except in a pre-vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A candidate asks for a vote.
    RequestVote {
        ballot: Ballot,
        /// The term that the candidate stands for; in a pre-vote the one that it would stand for.
        term: Term,
        /// The last entry of the candidate's log.
        last: EntryId,
    },
    /// A voter answers. The same question gets the same answer, however often it is asked.
    Vote {
        ballot: Ballot,
        /// The term voted in; when a pre-vote is refused, the voter's own.
        term: Term,
        granted: bool,
    },
    /// A leader sends entries, or none as a heartbeat.
    Append {
        term: Term,
        /// The entry before the first one sent.
        previous: EntryId,
        entries: Vec<Entry>,
        /// What the leader knows to be committed.
        commit: Index,
        /// The leader's latest round of confirming that it still leads.
        round: u64,
    },
    /// A leader sends its snapshot to a follower that needs entries which the leader no longer has.
    InstallSnapshot {
        term: Term,
        snapshot: Snapshot,
        round: u64,
    },
    /// A follower answers an append or a snapshot.
    AppendReply {
        term: Term,
        /// The round of the message that is answered.
        round: u64,
        outcome: AppendOutcome,
    },
}

impl Message {
    /// The term that the message speaks of.
    pub fn term(&self) -> Term {
        match self {
            Self::RequestVote { term, .. }
            | Self::Vote { term, .. }
            | Self::Append { term, .. }
            | Self::InstallSnapshot { term, .. }
            | Self::AppendReply { term, .. } => *term,
        }
    }

    /// Whether a correct node could have sent this. Peers are trusted to be honest but not to be intact:
    /// what fails here is ignored, so that no bytes of a peer can bring a node down.
    pub(super) fn is_well_formed(&self) -> bool {
        if self.term().0 == 0 || self.term().0 > NUMBER_MAX {
            return false;
        }
        match self {
            Self::RequestVote { term, last, .. } => last.is_well_formed() && last.term < *term,
            Self::Vote { .. } => true,
            Self::Append {
                term,
                previous,
                entries,
                commit,
                ..
            } => {
                commit.0 <= NUMBER_MAX
                    && previous.is_well_formed()
                    && previous.term <= *term
                    && follow_each_other(*previous, entries)
                    && entries.last().is_none_or(|entry| entry.id.term <= *term)
            }
            Self::InstallSnapshot { term, snapshot, .. } => {
                snapshot.last.is_well_formed()
                    && snapshot.last.index > Index::ZERO
                    && snapshot.last.term <= *term
            }
            Self::AppendReply { outcome, .. } => match outcome {
                AppendOutcome::Appended { matched } => matched.0 <= NUMBER_MAX,
                AppendOutcome::Conflict { previous, hint } => {
                    previous.0 <= NUMBER_MAX && hint.is_well_formed() && hint.index <= *previous
                }
                AppendOutcome::StaleTerm => true,
            },
        }
    }
}

impl EntryId {
    fn is_well_formed(self) -> bool {
        // Only the place before the first entry belongs to term 0.
        self.index.0 <= NUMBER_MAX
            && self.term.0 <= NUMBER_MAX
            && (self.index == Index::ZERO) == (self.term == Term(0))
    }
}

/// Whether the entries continue the log right after `previous`, with terms that never fall.
pub(super) fn follow_each_other(previous: EntryId, entries: &[Entry]) -> bool {
    let mut last = previous;
    entries.iter().all(|entry| {
        let follows = entry.id.index == last.index.next()
            && entry.id.term >= last.term
            && entry.id.is_well_formed();
        last = entry.id;
        follows
    })
}

/// The two kinds of election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ballot {
    /// Would you vote for me? Binds nobody and changes nothing (Ongaro's dissertation, section 9.6).
    Pre,
    /// Vote for me. A vote granted is a promise for the whole term.
    Real,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The follower's log equals the leader's up to here, durably.
    Appended { matched: Index },
    /// The follower does not hold the entry before those sent.
    Conflict {
        /// The index of that entry.
        previous: Index,
        /// The follower's last entry that may be the leader's too: no later index and no later term.
        hint: EntryId,
    },
    /// The sender's term is over: the answer's term is newer.
    StaleTerm,
}

/// Terms and indexes beyond this are nonsense: no cluster lives to see them, and sums cannot overflow below.
const NUMBER_MAX: u64 = 1 << 62;
