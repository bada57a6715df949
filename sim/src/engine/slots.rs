//! Tables whose entries are named by ids that do not outlive them.

use super::prefetch::prefetch;

/// The name of an entry: its place, and which of the place's successive tenants it is.
///
/// One word: were it written as two halves and read as a whole, the reader would wait for both writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(u64);

impl Id {
    #[inline]
    fn new(index: u32, generation: u32) -> Self {
        Self(u64::from(index) << 32 | u64::from(generation))
    }

    #[inline]
    fn index(self) -> usize {
        (self.0 >> 32) as usize
    }

    #[inline]
    fn generation(self) -> u32 {
        self.0 as u32
    }

    /// The id as one word, and back: what a waker carries.
    #[inline]
    pub(super) fn to_word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) fn from_word(word: u64) -> Self {
        Self(word)
    }
}

/// A table of `T`. Places are used again, last freed first; ids are not.
#[derive(Debug)]
pub(super) struct Slots<T> {
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    pub(super) fn insert(&mut self, value: T) -> Id {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[index as usize];
            entry.1 = Some(value);
            return Id::new(index, entry.0);
        }
        let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 live entries");
        self.entries.push((0, Some(value)));
        Id::new(index, 0)
    }

    #[inline]
    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let (generation, value) = self.entries.get(id.index())?;
        if *generation == id.generation() {
            value.as_ref()
        } else {
            None
        }
    }

    /// Asks for the memory of an entry's place.
    #[inline]
    pub(super) fn prefetch(&self, id: Id) {
        if let Some(entry) = self.entries.get(id.index()) {
            prefetch(entry);
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let (generation, value) = self.entries.get_mut(id.index())?;
        if *generation == id.generation() {
            value.as_mut()
        } else {
            None
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let (generation, value) = self.entries.get_mut(id.index())?;
        if *generation != id.generation() {
            return None;
        }
        let value = value.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(id.index() as u32);
        Some(value)
    }

    /// The live entries, in order of place.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|(_, value)| value.as_ref())
    }

    /// The ids of the live entries that `wanted` picks, in order of place.
    pub(super) fn ids_where(&self, wanted: impl Fn(&T) -> bool) -> Vec<Id> {
        let live = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(index, (generation, value))| {
                let id = Id::new(index as u32, *generation);
                value.as_ref().filter(|value| wanted(value)).map(|_| id)
            });
        live.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_does_not_outlive_its_entry() {
        let mut slots = Slots::default();
        let first = slots.insert("first");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!(second.index(), first.index());
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&"second"));
        assert_eq!(Id::from_word(second.to_word()), second);
    }
}
