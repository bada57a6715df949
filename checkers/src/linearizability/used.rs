//! How many uncertain operations of each class have been used: numbered, so that a configuration that
//! has used thousands is as small as any other.

use super::hashing::QuickMap;

/// A list of counts.
pub(super) type UsedNumber = u32;

/// Classes of uncertain operations by their index in the problem, modulo 64: a set that may hold more
/// than was meant, never less.
pub(super) type ClassSet = u64;

pub(super) fn set_of(index: u32) -> ClassSet {
    1 << (index % 64)
}

/// Counts by class index, ascending, without zeros.
type Counts = Box<[(u32, u32)]>;

pub(super) struct UsedTable {
    counts: Vec<Counts>,
    numbers: QuickMap<Counts, UsedNumber>,
    /// Room to make a list in.
    room: Vec<(u32, u32)>,
    bytes: u64,
}

impl UsedTable {
    /// The list in which nothing has been used.
    pub(super) const NONE: UsedNumber = 0;

    pub(super) fn new() -> Self {
        Self {
            counts: vec![Counts::default()],
            numbers: QuickMap::default(),
            room: Vec::new(),
            bytes: 0,
        }
    }

    #[inline]
    pub(super) fn of(&self, used: UsedNumber, index: u32) -> u32 {
        let counts = &self.counts[used as usize];
        let found = counts.binary_search_by_key(&index, |&(index, _)| index);
        found.map_or(0, |at| counts[at].1)
    }

    /// The list with these counts, by class index, in any order.
    pub(super) fn with(&mut self, counts: impl Iterator<Item = (u32, u32)>) -> UsedNumber {
        self.room.clear();
        self.room.extend(counts.filter(|&(_, count)| count > 0));
        self.room.sort_unstable();
        self.intern()
    }

    /// The counts by class index, ascending, without zeros.
    #[inline]
    pub(super) fn counts(&self, used: UsedNumber) -> &[(u32, u32)] {
        &self.counts[used as usize]
    }

    pub(super) fn with_one_more(&mut self, used: UsedNumber, index: u32) -> UsedNumber {
        self.room.clear();
        self.room.extend_from_slice(&self.counts[used as usize]);
        let found = self.room.binary_search_by_key(&index, |&(index, _)| index);
        match found {
            Ok(at) => self.room[at].1 += 1,
            Err(at) => self.room.insert(at, (index, 1)),
        }
        self.intern()
    }

    /// The counts of these classes only.
    pub(super) fn only(&mut self, used: UsedNumber, classes: ClassSet) -> UsedNumber {
        if self.classes(used) & !classes == 0 {
            return used;
        }
        let counts = self.counts[used as usize].iter().copied();
        let kept = counts.filter(|&(index, _)| set_of(index) & classes != 0);
        self.room.clear();
        self.room.extend(kept);
        self.intern()
    }

    /// The classes that have been used.
    #[inline]
    pub(super) fn classes(&self, used: UsedNumber) -> ClassSet {
        let counts = self.counts[used as usize].iter();
        counts.fold(0, |set, &(index, _)| set | set_of(index))
    }

    /// Whether no class has been used more often than in the other list.
    #[inline]
    pub(super) fn is_at_most(&self, used: UsedNumber, other: UsedNumber) -> bool {
        if used == other || used == Self::NONE {
            return true;
        }
        let mut others = self.counts[other as usize].iter();
        self.counts[used as usize].iter().all(|&(index, count)| {
            let found = others.by_ref().find(|&&(other, _)| other >= index);
            found.is_some_and(|&(other, most)| other == index && count <= most)
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of the list that was made in the room for that.
    fn intern(&mut self) -> UsedNumber {
        if self.room.is_empty() {
            return Self::NONE;
        }
        if let Some(&number) = self.numbers.get(&self.room[..]) {
            return number;
        }
        let counts: Counts = self.room[..].into();
        let number = self.counts.len() as UsedNumber;
        // The list twice, its two owners, and the table's slack.
        self.bytes += 2 * size_of_val(&*counts) as u64 + 4 * size_of::<Counts>() as u64;
        self.counts.push(counts.clone());
        self.numbers.insert(counts, number);
        number
    }
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
