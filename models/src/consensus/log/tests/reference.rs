//! What a log must remember, said as plainly as possible: nothing of how it does so is known here.

use std::collections::BTreeMap;

use crate::consensus::raft::{Entry, HardState, Index, Ready, Restored, Snapshot};

#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    pub(super) hard_state: HardState,
    pub(super) snapshot: Option<Snapshot>,
    /// All entries since the log was last replaced, whether they are still wanted or not.
    entries: BTreeMap<u64, Entry>,
    /// Entries before this one may be gone.
    first_wanted: u64,
}

impl Reference {
    pub(super) fn last(&self) -> u64 {
        let last = self.entries.keys().next_back();
        last.copied().unwrap_or_else(|| self.covered())
    }

    /// The last index that the snapshot covers.
    pub(super) fn covered(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |it| it.last.index.0)
    }

    pub(super) fn entry(&self, index: u64) -> Option<&Entry> {
        self.entries.get(&index)
    }

    /// What a crash may leave while this is stored, from nothing of it to all of it.
    pub(super) fn stages(&self, ready: &Ready) -> Vec<Self> {
        let mut stages = vec![self.clone()];
        let mut now = self.clone();
        now.hard_state = ready.hard_state.unwrap_or(now.hard_state);
        if let Some(snapshot) = &ready.snapshot {
            stages.push(now.clone());
            now.first_wanted = snapshot.last.index.0 + 1;
            now.snapshot = Some(snapshot.clone());
            now.entries.clear();
            stages.push(now.clone());
        }
        if let Some(Index(cut)) = ready.truncate_from {
            now.entries.retain(|index, _| *index < cut);
        }
        let entries = ready.entries.iter().cloned();
        now.entries.extend(entries.map(|it| (it.id.index.0, it)));
        stages.push(now);
        stages
    }

    /// What a crash may leave while a snapshot is saved.
    pub(super) fn stages_of_saving(&self, snapshot: &Snapshot, first_wanted: Index) -> Vec<Self> {
        let mut saved = self.clone();
        saved.snapshot = Some(snapshot.clone());
        saved.first_wanted = first_wanted.0.max(self.first_wanted);
        vec![self.clone(), saved]
    }

    /// What about a restored log is not as it is here.
    pub(super) fn differs_from(&self, restored: &Restored) -> Option<String> {
        if restored.hard_state != self.hard_state {
            return Some(format!(
                "{:?} in place of {:?}",
                restored.hard_state, self.hard_state
            ));
        }
        if restored.snapshot != self.snapshot {
            return Some(format!(
                "{:?} in place of {:?}",
                restored.snapshot, self.snapshot
            ));
        }
        let last = self.last();
        let first = restored
            .entries
            .first()
            .map_or(last + 1, |entry| entry.id.index.0);
        let expected: Vec<&Entry> = self.entries.range(first..).map(|(_, it)| it).collect();
        if let Some((wanted, _)) = self.entries.range(self.first_wanted..).next()
            && *wanted < first
        {
            return Some(format!("entries from {first} on in place of {wanted}"));
        }
        if !restored.entries.iter().eq(expected.iter().copied()) {
            return Some(format!("{:?} in place of {expected:?}", restored.entries));
        }
        None
    }
}
