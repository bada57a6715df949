//! The log as the state machine sees it: a snapshot, the entries behind and after it, and how much of
//! it the disk has.

use super::message::follow_each_other;
use super::{Entry, EntryId, Index, RestoreError, Snapshot, Term};

/// Entries `base.index + 1 ..= last`. `base` is zero, or an entry that the snapshot covers.
#[derive(Debug)]
pub(super) struct Log {
    base: EntryId,
    entries: Vec<Entry>,
    snapshot: Option<Snapshot>,
    /// A snapshot has come that the driver does not know of yet.
    snapshot_is_new: bool,
    /// What of the driver's log has to go.
    truncate_from: Option<Index>,
    /// The last entry that the driver was given and that has not been cut off since.
    handed_out: Index,
    /// The last entry that is surely on disk.
    durable: Index,
}

/// What the driver has to write.
pub(super) struct Unpersisted {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) truncate_from: Option<Index>,
    pub(super) entries: Vec<Entry>,
}

/// What a log does with a leader's entries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reconciled {
    /// The log now equals the leader's up to here.
    Matched(Index),
    /// The entry before those sent is missing or another. The hint is where both may be the same.
    Conflict(EntryId),
    /// The leader denies what is committed. No leader that was elected by the rules does; nothing is changed.
    DeniesCommitted,
}

impl Log {
    pub(super) fn restore(
        snapshot: Option<Snapshot>,
        entries: Vec<Entry>,
    ) -> Result<Self, RestoreError> {
        let last = snapshot
            .as_ref()
            .map_or_else(EntryId::default, |it| it.last);
        let mut log = Self {
            base: last,
            entries: Vec::new(),
            snapshot,
            snapshot_is_new: false,
            truncate_from: None,
            handed_out: last.index,
            durable: last.index,
        };
        if let Some(first) = entries.first() {
            log.restore_entries(first.id, entries)?;
        }
        Ok(log)
    }

    fn restore_entries(&mut self, first: EntryId, entries: Vec<Entry>) -> Result<(), RestoreError> {
        let snapshot = self.base;
        if first.index > snapshot.index.next() {
            return Err(RestoreError::Gap {
                first: first.index,
                snapshot: snapshot.index,
            });
        }
        // Nothing is known of the entry before the first one: the first becomes the base, unless it is entry 1.
        let before_first = if first.index == snapshot.index.next() {
            snapshot
        } else {
            EntryId {
                term: Term(0),
                index: first.index.previous(),
            }
        };
        if first.index == Index::ZERO || !follow_each_other(before_first, &entries) {
            return Err(RestoreError::NotContiguous);
        }
        self.base = before_first;
        self.entries = entries;
        if self.base != snapshot && first.index > Index(1) {
            self.base = self.entries.remove(0).id;
        }
        if self.id_at(snapshot.index) != Some(snapshot) {
            // The node stopped after it had installed the snapshot and before it had dropped this log.
            self.base = snapshot;
            self.entries.clear();
        }
        self.handed_out = self.last().index;
        self.durable = self.handed_out;
        Ok(())
    }

    /// The last entry; the base if there is none after it.
    pub(super) fn last(&self) -> EntryId {
        self.entries.last().map_or(self.base, |entry| entry.id)
    }

    /// The oldest place whose term is known.
    pub(super) fn base(&self) -> EntryId {
        self.base
    }

    pub(super) fn durable(&self) -> Index {
        self.durable
    }

    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The last entry that the snapshot stands for.
    pub(super) fn snapshot_last(&self) -> EntryId {
        self.snapshot
            .as_ref()
            .map_or_else(EntryId::default, |snapshot| snapshot.last)
    }

    /// Who stands at `index`: `None` past the end and before the base.
    pub(super) fn id_at(&self, index: Index) -> Option<EntryId> {
        if index == self.base.index {
            return Some(self.base);
        }
        let position = index.0.checked_sub(self.base.index.0 + 1)?;
        self.entries
            .get(usize::try_from(position).ok()?)
            .map(|entry| entry.id)
    }

    /// The entries after `after` up to and including `until`.
    pub(super) fn between(&self, after: Index, until: Index) -> &[Entry] {
        assert!(self.base.index <= after && after <= until && until <= self.last().index);
        &self.entries[self.position(after)..self.position(until)]
    }

    /// The entries from `first` on, as many as fit, at least one if there is one.
    pub(super) fn batch(&self, first: Index, max_entries: usize, max_bytes: usize) -> Vec<Entry> {
        let entries = self.between(first.previous(), self.last().index);
        let mut bytes = 0;
        entries
            .iter()
            .take(max_entries)
            .enumerate()
            .take_while(|(position, entry)| {
                bytes += entry.size_bytes();
                *position == 0 || bytes <= max_bytes
            })
            .map(|(_, entry)| entry.clone())
            .collect()
    }

    /// The last entry at or before `limit.index` whose term is not after `limit.term`.
    ///
    /// Terms never fall along a log, so everything after it that is at or before `limit.index` has a
    /// term too late to be in a log whose entry at `limit.index` is of `limit.term`. Follower and leader each take one such
    /// step, and so skip whole terms of disagreement at once (section 5.3, end).
    pub(super) fn last_at_most(&self, limit: EntryId) -> EntryId {
        let mut index = limit.index.min(self.last().index);
        while let Some(id) = self.id_at(index) {
            if id.term <= limit.term {
                return id;
            }
            index = index.previous();
            if index < self.base.index {
                break;
            }
        }
        self.base
    }

    pub(super) fn append(&mut self, entry: Entry) {
        let last = self.last();
        assert!(entry.id.index == last.index.next() && entry.id.term >= last.term);
        self.entries.push(entry);
    }

    /// Makes the log agree with a leader's entries, which follow on `previous`.
    ///
    /// Only what differs is cut: a message that was overtaken must not undo what later ones added.
    pub(super) fn reconcile(
        &mut self,
        previous: EntryId,
        entries: Vec<Entry>,
        commit: Index,
    ) -> Reconciled {
        if !self.agrees(previous) {
            if previous.index <= commit {
                return Reconciled::DeniesCommitted;
            }
            let hint = self.last_at_most(previous);
            let committed = self.id_at(commit).unwrap_or(self.base);
            return Reconciled::Conflict(hint.max(committed));
        }
        let matched = entries
            .last()
            .map_or(previous.index, |entry| entry.id.index);
        let mut news = entries
            .into_iter()
            .skip_while(|entry| entry.id.index <= self.last().index && self.agrees(entry.id))
            .peekable();
        let Some(first) = news.peek().map(|entry| entry.id.index) else {
            return Reconciled::Matched(matched);
        };
        let news: Vec<Entry> = news.collect();
        if first <= commit {
            return Reconciled::DeniesCommitted;
        }
        self.truncate_from(first);
        self.entries.extend(news);
        Reconciled::Matched(matched)
    }

    /// Whether the log holds this entry. What lies before the base was committed, and counts as held.
    fn agrees(&self, id: EntryId) -> bool {
        id.index < self.base.index || self.id_at(id.index) == Some(id)
    }

    fn truncate_from(&mut self, index: Index) {
        assert!(index > self.base.index, "cuts into what a snapshot covers");
        if index <= self.handed_out {
            let earlier = self.truncate_from.unwrap_or(index);
            self.truncate_from = Some(index.min(earlier));
        }
        let keep = index.previous();
        self.entries.truncate(self.position(keep));
        self.handed_out = self.handed_out.min(keep);
        self.durable = self.durable.min(keep);
    }

    /// Replaces everything by a snapshot.
    pub(super) fn install(&mut self, snapshot: Snapshot) {
        self.base = snapshot.last;
        self.entries.clear();
        self.truncate_from = None;
        self.handed_out = self.base.index;
        // True as soon as anything of it is handed out: a Ready's snapshot is durable before its messages go out.
        self.durable = self.base.index;
        self.snapshot = Some(snapshot);
        self.snapshot_is_new = true;
    }

    /// Lets a snapshot stand for the log up to `snapshot.last`, and drops entries up to `discard`.
    pub(super) fn compact(&mut self, snapshot: Snapshot, discard: Index) {
        assert!(
            discard <= snapshot.last.index,
            "discards what no snapshot covers"
        );
        assert_eq!(self.id_at(snapshot.last.index), Some(snapshot.last));
        self.snapshot = Some(snapshot);
        if let Some(base) = self.id_at(discard) {
            self.entries.drain(..self.position(discard));
            self.base = base;
        }
    }

    pub(super) fn take_unpersisted(&mut self) -> Unpersisted {
        let snapshot = if self.snapshot_is_new {
            self.snapshot.clone()
        } else {
            None
        };
        self.snapshot_is_new = false;
        // Entries that a snapshot of the driver's own covers have been handed out before.
        let from = self.handed_out.max(self.base.index);
        let entries = self.between(from, self.last().index).to_vec();
        self.handed_out = self.last().index;
        Unpersisted {
            snapshot,
            truncate_from: self.truncate_from.take(),
            entries,
        }
    }

    pub(super) fn persisted(&mut self) {
        self.durable = self.handed_out;
    }

    /// How many entries lie up to and including `index`.
    fn position(&self, index: Index) -> usize {
        usize::try_from(index.0 - self.base.index.0).expect("a log in memory is shorter than usize")
    }
}
