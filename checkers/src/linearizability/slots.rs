//! Sets of open operations. An operation holds a slot from its invocation to its return, and slots are
//! used again: a set is as wide as the history is concurrent, however long it is.

/// A set of slots below `64 * WORDS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slots<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Slots<WORDS> {
    pub(super) const EMPTY: Self = Self([0; WORDS]);

    #[inline]
    pub(super) fn contains(&self, slot: u32) -> bool {
        self.0[slot as usize / 64] & Self::bit(slot) != 0
    }

    #[inline]
    pub(super) fn insert(&mut self, slot: u32) {
        self.0[slot as usize / 64] |= Self::bit(slot);
    }

    #[inline]
    pub(super) fn remove(&mut self, slot: u32) {
        self.0[slot as usize / 64] &= !Self::bit(slot);
    }

    #[inline]
    pub(super) fn union(mut self, other: &Self) -> Self {
        for index in 0..WORDS {
            self.0[index] |= other.0[index];
        }
        self
    }

    #[inline]
    pub(super) fn is_subset_of(&self, other: &Self) -> bool {
        (0..WORDS).all(|index| self.0[index] & !other.0[index] == 0)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The slots in ascending order.
    #[inline]
    pub(super) fn iter(self) -> impl Iterator<Item = u32> {
        (0..WORDS).flat_map(move |index| {
            let mut word = self.0[index];
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(64 * index as u32 + bit)
            })
        })
    }

    /// The lowest slot that is not in the set, if there is one.
    #[inline]
    pub(super) fn first_free(&self) -> Option<u32> {
        let index = self.0.iter().position(|&word| word != u64::MAX)?;
        Some(64 * index as u32 + self.0[index].trailing_ones())
    }

    #[inline]
    pub(super) fn words(&self) -> &[u64; WORDS] {
        &self.0
    }

    #[inline]
    fn bit(slot: u32) -> u64 {
        1 << (slot % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_every_word_are_kept_apart() {
        let mut slots = Slots::<2>::EMPTY;
        slots.insert(3);
        slots.insert(67);
        assert!(slots.contains(3) && slots.contains(67) && !slots.contains(4));
        assert_eq!(slots.iter().collect::<Vec<u32>>(), [3, 67]);
        let mut fewer = slots;
        fewer.remove(67);
        assert!(fewer.is_subset_of(&slots) && !slots.is_subset_of(&fewer));
        assert_eq!(Slots::EMPTY.union(&slots), slots);
        fewer.remove(3);
        assert!(fewer.is_empty() && !slots.is_empty());
    }

    #[test]
    fn the_first_free_slot_may_be_in_any_word() {
        let mut slots = Slots::<2>::EMPTY;
        for slot in 0..128 {
            assert_eq!(slots.first_free(), Some(slot));
            slots.insert(slot);
        }
        assert_eq!(slots.first_free(), None);
    }
}
