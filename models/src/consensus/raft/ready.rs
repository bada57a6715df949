//! What a node wants done: the one way out of the state machine.

use squall_sim::mutant;

use super::{Entry, HardState, Index, Message, NodeId, Raft, Role, Snapshot, Term};

/// Work for the driver, in the order of the [contract](super#the-drivers-contract).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// To be given to [`Raft::persisted`].
    pub number: u64,
    /// Replaces the one on disk. Write it first.
    pub hard_state: Option<HardState>,
    /// A snapshot from the leader. It replaces the log on disk, all of it, and the state machine.
    /// Write it before the log is dropped: a log that is left over from before it is dropped at the restart.
    pub snapshot: Option<Snapshot>,
    /// Entries from here on are on disk, or on their way there, and no longer in the log.
    pub truncate_from: Option<Index>,
    /// To be appended to the log on disk, after the cut.
    pub entries: Vec<Entry>,
    /// To be sent once the above is durable.
    pub messages: Vec<(NodeId, Message)>,
    /// To be applied, in order. No index is ever handed out twice, and none left out except those
    /// that a snapshot stands for.
    pub committed: Vec<Entry>,
    /// Reads that can be answered once `committed` has been applied, by the context they were asked with.
    pub reads: Vec<(u64, ReadOutcome)>,
    /// What the node has become, in order.
    pub role_changes: Vec<RoleChange>,
}

impl Ready {
    /// Whether something has to be durable before the messages go out.
    pub fn must_persist(&self) -> bool {
        self.hard_state.is_some()
            || self.snapshot.is_some()
            || self.truncate_from.is_some()
            || !self.entries.is_empty()
    }

    fn is_empty(&self) -> bool {
        !self.must_persist()
            && self.messages.is_empty()
            && self.committed.is_empty()
            && self.reads.is_empty()
            && self.role_changes.is_empty()
    }
}

/// What became of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// The state machine may be read as soon as it has applied this index.
    Index(Index),
    /// The node stopped leading before it could tell. Nothing has happened; ask again elsewhere.
    Failed,
}

/// A node has taken a role, or has entered a term in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleChange {
    pub role: Role,
    pub term: Term,
}

/// What collects between one [`Ready`] and the next.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) messages: Vec<(NodeId, Message)>,
    pub(super) reads: Vec<(u64, ReadOutcome)>,
    pub(super) role_changes: Vec<RoleChange>,
    /// The hard state as the disk has it, or will have it once `in_flight` is persisted.
    hard_state: HardState,
    /// The number of the last `Ready`.
    number: u64,
    /// Whether that one still waits to be persisted.
    in_flight: bool,
}

impl Outbox {
    pub(super) fn new(hard_state: HardState) -> Self {
        Self {
            messages: Vec::new(),
            reads: Vec::new(),
            role_changes: Vec::new(),
            hard_state,
            number: 0,
            in_flight: false,
        }
    }
}

impl Raft {
    /// The work that has collected; `None` if there is none, or while the last work is not yet persisted.
    pub fn ready(&mut self) -> Option<Ready> {
        if self.outbox.in_flight {
            return None;
        }
        self.send_new_entries();
        let unpersisted = self.log.take_unpersisted();
        let ready = Ready {
            number: self.outbox.number + 1,
            hard_state: self.take_hard_state(),
            snapshot: unpersisted.snapshot,
            truncate_from: unpersisted.truncate_from,
            entries: unpersisted.entries,
            messages: std::mem::take(&mut self.outbox.messages),
            committed: self.take_committed(),
            reads: std::mem::take(&mut self.outbox.reads),
            role_changes: std::mem::take(&mut self.outbox.role_changes),
        };
        for (_, outcome) in &ready.reads {
            if let ReadOutcome::Index(index) = outcome {
                assert!(*index <= self.applied, "a read must wait for no later work");
            }
        }
        if ready.is_empty() {
            return None;
        }
        self.outbox.number = ready.number;
        self.outbox.in_flight = true;
        Some(ready)
    }

    /// The [`Ready`] of this number is durable. Only now do the leader's own entries count towards a majority.
    ///
    /// # Panics
    /// When that is not the work that was handed out last.
    pub fn persisted(&mut self, number: u64) {
        assert!(
            self.outbox.in_flight && number == self.outbox.number,
            "work {number} is not the one handed out last"
        );
        self.outbox.in_flight = false;
        self.log.persisted();
        self.advance_commit();
    }

    fn take_hard_state(&mut self) -> Option<HardState> {
        let mut hard_state = self.hard_state;
        if mutant!("raft.vote-not-durable") {
            hard_state.voted_for = None;
        }
        if hard_state == self.outbox.hard_state {
            return None;
        }
        self.outbox.hard_state = hard_state;
        Some(hard_state)
    }

    fn take_committed(&mut self) -> Vec<Entry> {
        assert!(self.applied <= self.commit, "applied past the commit index");
        let committed = self.log.between(self.applied, self.commit).to_vec();
        self.applied = self.commit;
        committed
    }
}
