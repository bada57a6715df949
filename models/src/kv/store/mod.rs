//! The memtable: every key's versions, as a pure value.
//!
//! Each commit gets the next [`Version`]. A commit is first *staged*: it is in the memtable, later commits
//! build on it, and nobody can read it. When the log has it on disk it is *published*. This is the
//! store's **law of visibility**: *what can be read is durable*. Were it otherwise, a reader could act on
//! what a power loss then takes away.
//!
//! A snapshot is a version: reading at it sees each key's latest version up to it. What no open snapshot
//! can see any more is dropped when its key is next written, or by [`Store::sweep`].

mod draft;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use squall_sim::mutant;

pub use draft::Draft;

/// The name of a value.
pub type Key = Vec<u8>;

/// The number of a commit; 0 is the empty store.
pub type Version = u64;

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    Bytes(Vec<u8>),
    /// A set is one value: adding a member writes all of it again. Right for sets of hundreds; a store for
    /// larger ones would keep a key for each member.
    Set(BTreeSet<Vec<u8>>),
}

impl Value {
    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Set(members) => members.iter().map(Vec::len).sum(),
        }
    }
}

/// What a commit makes of keys; `None` deletes one.
pub type Writes = BTreeMap<Key, Option<Value>>;

/// A transaction that has been decided: what the log keeps of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub version: Version,
    pub writes: Writes,
}

impl Commit {
    /// About how many bytes it takes in the log.
    pub fn bytes(&self) -> usize {
        bytes_of(&self.writes)
    }
}

/// About how many bytes these take in the log.
pub fn bytes_of(writes: &Writes) -> usize {
    let write = |(key, value): (&Key, &Option<Value>)| {
        key.len() + value.as_ref().map_or(0, Value::bytes) + 16
    };
    writes.iter().map(write).sum()
}

/// Another transaction has written a key of the write set since the snapshot: first committer wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

/// All keys, with the versions that somebody may still read.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Of each key the versions in order, never none.
    keys: BTreeMap<Key, Vec<(Version, Option<Value>)>>,
    /// The last commit, durable or not.
    newest: Version,
    /// The last commit that can be read.
    visible: Version,
    /// Open snapshots, and how often each is open.
    snapshots: BTreeMap<Version, usize>,
    /// Reads before this version may miss what has been dropped.
    dropped_before: Version,
    snapshot_lag_max: u64,
}

impl Store {
    /// An empty store, whose snapshots may lag this many commits behind.
    pub fn new(snapshot_lag_max: u64) -> Self {
        Self {
            snapshot_lag_max,
            ..Self::default()
        }
    }

    /// A store as of a version, from what it held then.
    pub fn restore(
        snapshot_lag_max: u64,
        version: Version,
        entries: impl IntoIterator<Item = (Key, Value)>,
    ) -> Self {
        let versions = |(key, value)| (key, vec![(version, Some(value))]);
        Self {
            keys: entries.into_iter().map(versions).collect(),
            newest: version,
            visible: version,
            dropped_before: version,
            ..Self::new(snapshot_lag_max)
        }
    }

    /// The last commit, durable or not.
    pub fn newest(&self) -> Version {
        self.newest
    }

    /// The last commit that can be read.
    pub fn visible(&self) -> Version {
        self.visible
    }

    /// The value of a key as of a version.
    pub fn get(&self, key: &[u8], at: Version) -> Option<&Value> {
        let versions = self.keys.get(key)?;
        let count = versions.partition_point(|(version, _)| *version <= at);
        versions[..count].last()?.1.as_ref()
    }

    /// All keys that have a value as of a version, in order.
    pub fn iter(&self, at: Version) -> impl Iterator<Item = (&Key, &Value)> {
        self.keys
            .keys()
            .filter_map(move |key| Some((key, self.get(key, at)?)))
    }

    /// Whether a key has been written since a version, be it durably or not. Right only as long as the version
    /// [is readable](Self::is_readable).
    pub fn has_changed(&self, key: &[u8], since: Version) -> bool {
        let latest = self.keys.get(key).and_then(|versions| versions.last());
        latest.is_some_and(|(version, _)| *version > since)
    }

    /// Opens a snapshot of all that can be read.
    pub fn open_snapshot(&mut self) -> Version {
        *self.snapshots.entry(self.visible).or_default() += 1;
        self.visible
    }

    /// Closes a snapshot.
    ///
    /// # Panics
    /// If it is not open.
    pub fn close_snapshot(&mut self, at: Version) {
        let count = self.snapshots.get_mut(&at).expect("the snapshot is open");
        *count -= 1;
        if *count == 0 {
            self.snapshots.remove(&at);
        }
    }

    /// Whether a snapshot still sees all that it saw when it was opened.
    pub fn is_readable(&self, at: Version) -> bool {
        at >= self.dropped_before
    }

    /// Decides a transaction that has read at a snapshot.
    ///
    /// # Errors
    /// [`Conflict`] if a key that it writes has been written since.
    pub fn commit(&mut self, read_at: Version, writes: Writes) -> Result<Commit, Conflict> {
        let is_lost_update = writes.keys().any(|key| self.has_changed(key, read_at));
        let is_conflict = is_lost_update && !mutant!("kv.conflict-not-checked");
        if is_conflict || !self.is_readable(read_at) {
            return Err(Conflict);
        }
        Ok(self.stage(writes))
    }

    /// Makes a commit on top of the newest. It can be read when it is [published](Self::publish).
    pub fn stage(&mut self, writes: Writes) -> Commit {
        let version = self.newest + 1;
        let commit = Commit { version, writes };
        self.apply(&commit);
        commit
    }

    /// Replays a commit from the log, where it is durable.
    ///
    /// # Panics
    /// If it is not the next one.
    pub fn replay(&mut self, commit: &Commit) {
        self.apply(commit);
        self.publish(commit.version);
    }

    /// Lets commits up to this version be read: they are durable.
    ///
    /// # Panics
    /// If there is no such commit, or readers would go back.
    pub fn publish(&mut self, version: Version) {
        assert!(
            (self.visible..=self.newest).contains(&version),
            "what is published has been staged, in order"
        );
        self.visible = version;
    }

    /// Drops all that no open snapshot can see.
    pub fn sweep(&mut self) {
        let horizon = self.advance_horizon();
        self.keys.retain(|_, versions| {
            drop_unseen(versions, horizon);
            // A deletion that everybody sees is no different from nothing.
            !matches!(versions[..], [(version, None)] if version <= horizon)
        });
    }

    fn apply(&mut self, commit: &Commit) {
        assert_eq!(commit.version, self.newest + 1, "commits follow each other");
        let horizon = self.advance_horizon();
        self.newest = commit.version;
        for (key, value) in &commit.writes {
            let versions = self.keys.entry(key.clone()).or_default();
            versions.push((commit.version, value.clone()));
            drop_unseen(versions, horizon);
        }
    }

    /// The version before which nobody reads any more, from now on.
    fn advance_horizon(&mut self) -> Version {
        let oldest = self.snapshots.keys().next().copied();
        let oldest = oldest.unwrap_or(self.visible);
        let patience = self.visible.saturating_sub(self.snapshot_lag_max);
        self.dropped_before = self.dropped_before.max(oldest.max(patience));
        self.dropped_before
    }
}

/// Drops the versions that nobody who reads at the horizon or later can see.
fn drop_unseen(versions: &mut Vec<(Version, Option<Value>)>, horizon: Version) {
    let seen = versions.partition_point(|(version, _)| *version <= horizon);
    versions.drain(..seen.saturating_sub(1));
}
