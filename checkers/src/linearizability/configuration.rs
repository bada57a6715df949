//! Where a search stands, and which of two such places is at least as good as the other.

use super::problem::{ClassNumber, StateNumber};
use super::slots::Slots;

/// Everything before `step` is explained, and the state is `state`.
#[derive(Clone)]
pub(super) struct Configuration<const WORDS: usize> {
    /// The next return whose operation is not in order yet.
    pub(super) step: u32,
    pub(super) state: StateNumber,
    /// Open operations that have no place yet, overwrites aside.
    pub(super) pending: Slots<WORDS>,
    pub(super) writes: Writes<WORDS>,
}

/// What has become of the open overwrites and of the uncertain operations. Two configurations that
/// differ only here can be compared.
#[derive(Clone)]
pub(super) struct Writes<const WORDS: usize> {
    /// Open overwrites that have no place yet.
    pub(super) owed: Slots<WORDS>,
    /// Open overwrites that have a place right before a later overwrite, where nobody sees them, and
    /// may still take another one instead.
    pub(super) spare: Slots<WORDS>,
    pub(super) used: UsedCounts,
}

impl<const WORDS: usize> Writes<WORDS> {
    /// Whether all that can be done with `other` can be done with this too: it owes no more, has as
    /// much to spare and has used no more of the uncertain operations.
    pub(super) fn is_at_least(&self, other: &Self) -> bool {
        other.spare.is_subset_of(&self.spare)
            && self.owed.is_subset_of(&other.owed)
            && other.owed.is_subset_of(&self.owed.union(&self.spare))
            && self.used.is_at_most(&other.used)
    }
}

/// How many uncertain operations of each class have been used; within a class the first invoked goes
/// first. Ordered by class, without zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct UsedCounts(Box<[(ClassNumber, u32)]>);

impl UsedCounts {
    pub(super) fn of(&self, class: ClassNumber) -> u32 {
        self.0
            .binary_search_by_key(&class, |&(class, _)| class)
            .map_or(0, |at| self.0[at].1)
    }

    pub(super) fn with_one_more(&self, class: ClassNumber) -> Self {
        let mut counts = self.0.to_vec();
        match counts.binary_search_by_key(&class, |&(class, _)| class) {
            Ok(at) => counts[at].1 += 1,
            Err(at) => counts.insert(at, (class, 1)),
        }
        Self(counts.into())
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    fn is_at_most(&self, other: &Self) -> bool {
        self.0.len() <= other.0.len()
            && self
                .0
                .iter()
                .all(|&(class, count)| count <= other.of(class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(owed: &[u32], spare: &[u32], used: &[ClassNumber]) -> Writes<1> {
        let slots = |members: &[u32]| {
            let mut slots = Slots::EMPTY;
            members.iter().for_each(|&slot| slots.insert(slot));
            slots
        };
        let used = used.iter().fold(UsedCounts::default(), |used, &class| {
            used.with_one_more(class)
        });
        Writes {
            owed: slots(owed),
            spare: slots(spare),
            used,
        }
    }

    #[test]
    fn owing_less_is_better_if_the_difference_is_to_spare() {
        assert!(writes(&[1], &[2], &[]).is_at_least(&writes(&[1, 2], &[], &[])));
        assert!(!writes(&[1], &[], &[]).is_at_least(&writes(&[1, 2], &[], &[])));
        assert!(!writes(&[1, 2], &[], &[]).is_at_least(&writes(&[1], &[2], &[])));
        assert!(writes(&[1], &[2], &[]).is_at_least(&writes(&[1], &[], &[])));
    }

    #[test]
    fn using_fewer_uncertain_operations_is_better() {
        assert!(writes(&[], &[], &[7]).is_at_least(&writes(&[], &[], &[3, 7])));
        assert!(!writes(&[], &[], &[7, 7]).is_at_least(&writes(&[], &[], &[3, 7])));
        assert!(writes(&[], &[], &[7, 3]).is_at_least(&writes(&[], &[], &[3, 7])));
    }
}
