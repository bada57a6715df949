//! Sets of integers as ranges that lie apart.

/// A set of multiples of a number. It has so many ranges at most; beyond that the narrowest gaps are filled, so that
/// it holds what it should and more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges {
    unit: i128,
    /// First and last of each in units, in order, with at least one integer between two.
    ranges: Vec<(i128, i128)>,
    is_coarse: bool,
}

impl Ranges {
    pub(super) const COUNT_MAX: usize = 1024;

    /// Nothing but zero, the sum of nothing, to which multiples of `unit` (not zero) can be added.
    pub(super) fn of_multiples(unit: u64) -> Self {
        Self {
            unit: unit.into(),
            ranges: vec![(0, 0)],
            is_coarse: false,
        }
    }

    /// Whether gaps were filled.
    pub(super) fn is_coarse(&self) -> bool {
        self.is_coarse
    }

    pub(super) fn contains(&self, number: i128) -> bool {
        if number % self.unit != 0 {
            return false;
        }
        let number = number / self.unit;
        let after = self.ranges.partition_point(|&(first, _)| first <= number);
        after > 0 && number <= self.ranges[after - 1].1
    }

    /// Takes in each integer of the set plus `delta`: the sums with and without it.
    pub(super) fn add(&mut self, delta: i128) {
        let delta = delta / self.unit;
        if let [(first, last)] = self.ranges.as_mut_slice()
            && delta.abs() <= *last - *first + 1
        {
            *first += delta.min(0);
            *last += delta.max(0);
            return;
        }
        let shifted = self
            .ranges
            .iter()
            .map(|&(first, last)| (first + delta, last + delta));
        let mut all: Vec<(i128, i128)> = self.ranges.iter().copied().chain(shifted).collect();
        all.sort_unstable();
        self.ranges.clear();
        for (first, last) in all {
            match self.ranges.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => self.ranges.push((first, last)),
            }
        }
        if self.ranges.len() > Self::COUNT_MAX {
            self.coarsen();
        }
    }

    /// Fills the narrower half of the gaps.
    fn coarsen(&mut self) {
        self.is_coarse = true;
        let gap = |pair: &[(i128, i128)]| pair[1].0 - pair[0].1;
        let mut gaps: Vec<i128> = self.ranges.windows(2).map(gap).collect();
        let middle = gaps.len() / 2;
        let (_, &mut median, _) = gaps.select_nth_unstable(middle);
        let ranges = std::mem::take(&mut self.ranges);
        for (first, last) in ranges {
            match self.ranges.last_mut() {
                Some(before) if first - before.1 <= median => before.1 = last,
                _ => self.ranges.push((first, last)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;

    #[test]
    fn sums_are_those_of_all_subsets() {
        let deltas = [7, -3, 7, 20, 1];
        let mut ranges = Ranges::of_multiples(1);
        deltas.iter().for_each(|&delta| ranges.add(delta));
        let sum = |subset: usize| {
            let chosen = (0..deltas.len()).filter(|place| subset >> place & 1 == 1);
            chosen.map(|place| deltas[place]).sum::<i128>()
        };
        let sums: Vec<i128> = (0..1 << deltas.len()).map(sum).collect();
        for number in -10..50 {
            assert_eq!(ranges.contains(number), sums.contains(&number), "{number}");
        }
    }

    #[test]
    fn there_are_never_too_many() {
        let mut ranges = Ranges::of_multiples(1);
        for power in (0..20).map(|exponent| 3_i128.pow(exponent)) {
            ranges.add(power);
            // The widest gaps stay: nothing lies between a power and all before it.
            assert!(power == 1 || !ranges.contains(power - 1), "{power}");
        }
        assert!(ranges.is_coarse() && ranges.ranges.len() <= Ranges::COUNT_MAX);
        assert!(ranges.contains(0) && ranges.contains(1 + 27 + 3_i128.pow(19)));
        assert!(!ranges.contains(3_i128.pow(11) - 1));
    }
}
