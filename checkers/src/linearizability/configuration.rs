//! Where a search stands.

use super::catalogue::StateNumber;
use super::slots::Slots;
use super::used::UsedNumber;

/// Everything before `step` is explained, and the state is `state`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Configuration<const WORDS: usize> {
    /// The next return whose operation is not in order yet.
    pub(super) step: u32,
    pub(super) state: StateNumber,
    /// Open operations that have no place yet, overwrites aside.
    pub(super) pending: Slots<WORDS>,
    /// Open overwrites that have no place yet.
    pub(super) owed: Slots<WORDS>,
    /// Open overwrites that have a place right before a later overwrite, where nobody sees them, and
    /// may still take another one instead.
    pub(super) spare: Slots<WORDS>,
    /// The uncertain operations that have been used; within a class the first invoked goes first.
    pub(super) used: UsedNumber,
}

impl<const WORDS: usize> Configuration<WORDS> {
    /// Before the first step.
    #[inline]
    pub(super) fn start(state: StateNumber, used: UsedNumber) -> Self {
        Self {
            step: 0,
            state,
            pending: Slots::EMPTY,
            owed: Slots::EMPTY,
            spare: Slots::EMPTY,
            used,
        }
    }

    /// Whether the two can be compared.
    #[inline]
    pub(super) fn is_at_same_place(&self, other: &Self) -> bool {
        (self.step, self.state, self.pending) == (other.step, other.state, other.pending)
    }

    /// Whether the open overwrites allow all that they allow in `other`: as many to spare, and no more
    /// owed.
    #[inline]
    pub(super) fn owes_no_more(&self, other: &Self) -> bool {
        other.spare.is_subset_of(&self.spare)
            && self.owed.is_subset_of(&other.owed)
            && other.owed.is_subset_of(&self.owed.union(&self.spare))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linearizability::used::UsedTable;

    fn configuration(owed: &[u32], spare: &[u32]) -> Configuration<1> {
        let mut configuration = Configuration::start(0, UsedTable::NONE);
        owed.iter()
            .for_each(|&slot| configuration.owed.insert(slot));
        spare
            .iter()
            .for_each(|&slot| configuration.spare.insert(slot));
        configuration
    }

    #[test]
    fn owing_less_is_better_if_the_difference_is_to_spare() {
        assert!(configuration(&[1], &[2]).owes_no_more(&configuration(&[1, 2], &[])));
        assert!(!configuration(&[1], &[]).owes_no_more(&configuration(&[1, 2], &[])));
        assert!(!configuration(&[1, 2], &[]).owes_no_more(&configuration(&[1], &[2])));
        assert!(configuration(&[1], &[2]).owes_no_more(&configuration(&[1], &[])));
    }
}
