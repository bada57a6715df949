//! What a transaction has read and written so far.

use super::{Key, Store, Value, Version, Writes};

/// A transaction under way: it reads at one version, and its own writes.
#[derive(Clone, Debug)]
pub struct Draft {
    at: Version,
    writes: Writes,
}

impl Draft {
    /// One that reads at a version.
    pub fn new(at: Version) -> Self {
        Self {
            at,
            writes: Writes::new(),
        }
    }

    /// The version that it reads at.
    pub fn at(&self) -> Version {
        self.at
    }

    /// The value of a key: its own, else the store's.
    pub fn get<'a>(&'a self, store: &'a Store, key: &[u8]) -> Option<&'a Value> {
        match self.writes.get(key) {
            Some(value) => value.as_ref(),
            None => store.get(key, self.at),
        }
    }

    /// How many keys have a value.
    pub fn count(&self, store: &Store) -> usize {
        let is_new = |key: &Key| store.get(key, self.at).is_none();
        let (mut added, mut removed) = (0, 0);
        for (key, value) in &self.writes {
            added += usize::from(value.is_some() && is_new(key));
            removed += usize::from(value.is_none() && !is_new(key));
        }
        store.iter(self.at).count() + added - removed
    }

    /// Sets a key.
    pub fn put(&mut self, key: Key, value: Value) {
        self.writes.insert(key, Some(value));
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: Key) {
        self.writes.insert(key, None);
    }

    /// About how many bytes its writes take.
    pub fn bytes(&self) -> usize {
        super::bytes_of(&self.writes)
    }

    /// What it has written.
    pub fn into_writes(self) -> Writes {
        self.writes
    }
}
