//! How many uncertain operations of each class have been used: numbered, so that a configuration that
//! has used thousands is as small as any other.

use super::hashing::QuickHasher;
use super::index::Index;
use std::hash::Hasher;
use std::ops::Range;

/// A list of counts.
pub(super) type UsedNumber = u32;

/// Classes of uncertain operations by their index in the problem, modulo 64: a set that may hold more
/// than was meant, never less.
pub(super) type ClassSet = u64;

pub(super) fn set_of(index: u32) -> ClassSet {
    1 << (index % 64)
}

/// A class index, and how many of the class.
type Count = (u32, u32);

pub(super) struct UsedTable {
    /// One list after another, each by class index, ascending, without zeros.
    counts: Vec<Count>,
    /// Where each list begins and ends; the empty one has no place here.
    places: Vec<(usize, usize)>,
    index: Index,
    longest: usize,
}

impl UsedTable {
    /// The list in which nothing has been used.
    pub(super) const NONE: UsedNumber = 0;

    pub(super) fn new() -> Self {
        Self {
            counts: Vec::new(),
            places: Vec::new(),
            index: Index::default(),
            longest: 0,
        }
    }

    #[inline]
    pub(super) fn of(&self, used: UsedNumber, index: u32) -> u32 {
        if used == Self::NONE {
            return 0;
        }
        let counts = self.counts(used);
        let found = counts.binary_search_by_key(&index, |&(index, _)| index);
        found.map_or(0, |at| counts[at].1)
    }

    /// The list with these counts, by class index, in any order.
    pub(super) fn with(&mut self, counts: impl Iterator<Item = Count>) -> UsedNumber {
        let start = self.counts.len();
        self.counts.extend(counts.filter(|&(_, count)| count > 0));
        self.counts[start..].sort_unstable();
        self.intern(start)
    }

    /// The counts by class index, ascending, without zeros.
    #[inline]
    pub(super) fn counts(&self, used: UsedNumber) -> &[Count] {
        &self.counts[self.range(used)]
    }

    #[inline]
    fn range(&self, used: UsedNumber) -> Range<usize> {
        match used {
            Self::NONE => 0..0,
            number => {
                let (start, end) = self.places[number as usize - 1];
                start..end
            }
        }
    }

    pub(super) fn with_one_more(&mut self, used: UsedNumber, index: u32) -> UsedNumber {
        /// More than most searches use.
        const ROOM: usize = 32;
        let start = self.counts.len();
        if start == 0 {
            self.counts.reserve(ROOM);
            self.places.reserve(ROOM / 2);
        }
        self.counts.reserve(self.range(used).len() + 1);
        self.counts.extend_from_within(self.range(used));
        let list = &mut self.counts[start..];
        match list.binary_search_by_key(&index, |&(index, _)| index) {
            Ok(at) => list[at].1 += 1,
            Err(at) => self.counts.insert(start + at, (index, 1)),
        }
        self.intern(start)
    }

    /// The counts of these classes only.
    pub(super) fn only(&mut self, used: UsedNumber, classes: ClassSet) -> UsedNumber {
        if self.classes(used) & !classes == 0 {
            return used;
        }
        let start = self.counts.len();
        for at in self.range(used) {
            let count = self.counts[at];
            if set_of(count.0) & classes != 0 {
                self.counts.push(count);
            }
        }
        self.intern(start)
    }

    /// The classes that have been used.
    #[inline]
    pub(super) fn classes(&self, used: UsedNumber) -> ClassSet {
        let counts = self.counts(used).iter();
        counts.fold(0, |set, &(index, _)| set | set_of(index))
    }

    /// Whether no class has been used more often than in the other list.
    #[inline]
    pub(super) fn is_at_most(&self, used: UsedNumber, other: UsedNumber) -> bool {
        if used == other || used == Self::NONE {
            return true;
        }
        let mut others = self.counts(other).iter();
        self.counts(used).iter().all(|&(index, count)| {
            let found = others.by_ref().find(|&&(other, _)| other >= index);
            found.is_some_and(|&(other, most)| other == index && count <= most)
        })
    }

    /// How many bytes it holds at most until the next list, copies on growing included.
    pub(super) fn bytes(&self) -> u64 {
        let counts = self.counts.capacity() * size_of::<Count>();
        let is_full = self.counts.capacity() - self.counts.len() <= self.longest;
        let counts = if is_full { 3 * counts } else { counts };
        let lists = self.places.capacity() * size_of::<(usize, usize)>() + self.index.bytes();
        (counts + 3 * lists) as u64
    }

    /// The number of the list from here to the end of all.
    fn intern(&mut self, start: usize) -> UsedNumber {
        let list = &self.counts[start..];
        if list.is_empty() {
            return Self::NONE;
        }
        let hash = hash(list);
        let is_it = |number: u32| self.counts(number + 1) == list;
        if let Some(number) = self.index.find(hash, is_it) {
            self.counts.truncate(start);
            return number + 1;
        }
        self.longest = self.longest.max(list.len());
        self.places.push((start, self.counts.len()));
        self.index.push(hash) + 1
    }
}

fn hash(list: &[Count]) -> u64 {
    let mut hasher = QuickHasher::default();
    for &(index, count) in list {
        hasher.write_u64(u64::from(index) << 32 | u64::from(count));
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(table: &mut UsedTable, classes: &[u32]) -> UsedNumber {
        classes.iter().fold(UsedTable::NONE, |used, &class| {
            table.with_one_more(used, class)
        })
    }

    #[test]
    fn using_fewer_is_less() {
        let mut table = UsedTable::new();
        let [few, more, twice] =
            [&[7][..], &[3, 7], &[7, 7]].map(|classes| used(&mut table, classes));
        assert!(table.is_at_most(few, more) && !table.is_at_most(more, few));
        assert!(table.is_at_most(few, twice) && !table.is_at_most(twice, more));
        assert!(table.is_at_most(UsedTable::NONE, few) && !table.is_at_most(few, UsedTable::NONE));
        assert_eq!(table.of(twice, 7), 2);
        assert_eq!(used(&mut table, &[7, 3]), more);
    }

    #[test]
    fn a_part_of_a_list_has_the_counts_of_some_classes() {
        let mut table = UsedTable::new();
        let all = used(&mut table, &[3, 7, 7]);
        let some = used(&mut table, &[7, 7]);
        assert_eq!(table.only(all, set_of(7)), some);
        assert_eq!(table.only(all, 0), UsedTable::NONE);
        assert_eq!(table.only(all, set_of(3) | set_of(7)), all);
        assert_eq!(table.classes(all), set_of(3) | set_of(7));
    }
}
