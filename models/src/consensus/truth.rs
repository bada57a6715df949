//! What a node says that it does, as it does it: the ground truth that it is judged by.

use super::raft::{Entry, EntryId, HardState, Index, NodeId, Payload, Role, Term};
use super::service::SessionId;

/// An event in a node. The driver emits it when it is true for good: after the fsync that makes it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The node has started from what its disk remembered.
    Restored {
        hard_state: HardState,
        /// The last entry that its snapshot stands for; zero without one.
        snapshot: EntryId,
        /// The last entry of its log.
        last: EntryId,
    },
    /// The node has taken a role, or entered a term in it. At most one node leads a term.
    RoleChanged { role: Role, term: Term },
    /// The node's term and vote are durable. A node votes for at most one candidate a term.
    Voted {
        term: Term,
        voted_for: Option<NodeId>,
    },
    /// Entries up to here are durable in the node's log.
    Persisted { last: EntryId },
    /// The node has applied an entry. At one index all nodes apply the same, in every incarnation.
    Applied {
        index: Index,
        term: Term,
        /// [`command_hash`] of the entry.
        command: u64,
        /// [`Service::fingerprint`](super::service::Service::fingerprint) of the state after it.
        state: u64,
    },
    /// A client was told that its command is done.
    Acknowledged {
        index: Index,
        session: SessionId,
        sequence: u64,
    },
    /// A client's read was answered from the state as of `index`.
    ReadServed { index: Index, term: Term },
    /// The node has made a snapshot of its own.
    Snapshotted { last: EntryId },
    /// The node has replaced its log and state by the leader's snapshot.
    SnapshotInstalled { last: EntryId },
}

impl Truth {
    /// The truth about an entry that has been applied.
    pub fn applied(entry: &Entry, state: u64) -> Self {
        Self::Applied {
            index: entry.id.index,
            term: entry.id.term,
            command: command_hash(&entry.payload),
            state,
        }
    }
}

/// FNV-1a of what an entry asks for; 0 for one that asks for nothing.
pub fn command_hash(payload: &Payload) -> u64 {
    match payload {
        Payload::Noop => 0,
        Payload::Command(bytes) => squall_sim::keyed::fnv1a(bytes),
    }
}
