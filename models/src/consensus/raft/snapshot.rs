//! Snapshots and log compaction (paper, section 7).

use thiserror::Error;

use super::replication::Flow;
use super::{AppendOutcome, Index, MAX_SNAPSHOT_BYTES, Message, NodeId, Raft, RoleState};
use super::{Snapshot, Term};

/// The state machine has outgrown what a snapshot can carry; the log is kept instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a snapshot of {bytes} bytes does not fit into a message of {MAX_SNAPSHOT_BYTES}")]
pub struct SnapshotTooLarge {
    pub bytes: usize,
}

impl Raft {
    /// Lets a snapshot of the state machine at `up_to` stand for the log up to there.
    ///
    /// The driver calls this when the snapshot is durable, and not before: what is dropped is then
    /// nowhere else (openraft #437). The answer is the last index that the driver may drop from its
    /// log on disk; what is kept behind `up_to` is for followers that lag a little.
    ///
    /// # Panics
    /// When `up_to` has not been handed out to be applied.
    pub fn compact(&mut self, up_to: Index, data: Vec<u8>) -> Result<Index, SnapshotTooLarge> {
        assert!(up_to <= self.applied, "a snapshot of what is not applied");
        if data.len() > MAX_SNAPSHOT_BYTES {
            return Err(SnapshotTooLarge { bytes: data.len() });
        }
        if up_to > self.log.snapshot_last().index {
            let last = self
                .log
                .id_at(up_to)
                .expect("entries after a snapshot are kept");
            let trailing = self.config.trailing_entries;
            let discard = Index(up_to.0.saturating_sub(trailing));
            self.log.compact(Snapshot { last, data }, discard);
        }
        // A newer snapshot may have come from the leader, which is not durable yet: it must not make the
        // driver drop more than its own snapshot covers.
        Ok(self.log.base().index.min(up_to))
    }

    /// Sends the snapshot in place of entries that are no longer kept.
    pub(super) fn send_snapshot(&mut self, to: NodeId) {
        let RoleState::Leader(leadership) = &mut self.role else {
            return;
        };
        let progress = leadership.progress.get_mut(&to).expect("a peer is a voter");
        progress.flow = Flow::Snapshot {
            repeat_at: self.now + self.config.election_timeout,
        };
        let snapshot = self.log.snapshot().cloned();
        let message = Message::InstallSnapshot {
            term: self.hard_state.term,
            snapshot: snapshot.expect("entries are dropped only behind a snapshot"),
            round: self.round,
        };
        self.send(to, message);
    }

    pub(super) fn handle_install_snapshot(
        &mut self,
        from: NodeId,
        term: Term,
        snapshot: Snapshot,
        round: u64,
    ) {
        if !self.follow(from, term, round) {
            return;
        }
        let last = snapshot.last;
        if last.index <= self.commit {
            // It came late: the log holds all of that, or has outgrown it.
        } else if self.log.id_at(last.index) == Some(last) {
            // The log holds it, and maybe more behind it, which must stay: it may be committed. The
            // snapshot only says that everything up to here is.
            self.commit = last.index;
        } else {
            // Whatever else the log holds conflicts with what is committed, or is older.
            self.log.install(snapshot);
            self.commit = last.index;
            self.applied = last.index;
        }
        let matched = last.index;
        self.reply_to_append(from, round, AppendOutcome::Appended { matched });
    }
}
