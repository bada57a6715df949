//! Finds the number of a thing by its hash, wherever the things themselves are kept.

/// The numbers 0, 1, … of things that are all different: open addressing, at most three quarters full.
#[derive(Default)]
pub(super) struct Index {
    /// By number.
    hashes: Vec<u32>,
    table: Vec<u32>,
}

const NOBODY: u32 = u32::MAX;

impl Index {
    const SIZE_MIN: usize = 16;

    /// The number of the thing with this hash, if it has one.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        let hash = hash as u32;
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let number = self.table[at];
            if number == NOBODY {
                return None;
            }
            if self.hashes[number as usize] == hash && is_it(number) {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }

    /// Gives the next number to a thing with this hash, which has none.
    pub(super) fn push(&mut self, hash: u64) -> u32 {
        let number = self.hashes.len() as u32;
        if 4 * (self.hashes.len() + 1) > 3 * self.table.len() {
            let size = (2 * self.table.len()).max(Self::SIZE_MIN);
            self.hashes.reserve_exact(size / 4 * 3 - self.hashes.len());
            self.hashes.push(hash as u32);
            self.table = vec![NOBODY; size];
            (0..=number).for_each(|number| self.place(number));
        } else {
            self.hashes.push(hash as u32);
            self.place(number);
        }
        number
    }

    fn place(&mut self, number: u32) {
        let mask = self.table.len() - 1;
        let mut at = self.hashes[number as usize] as usize & mask;
        while self.table[at] != NOBODY {
            at = (at + 1) & mask;
        }
        self.table[at] = number;
    }

    /// How many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        (self.hashes.capacity() + self.table.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_of_equal_hash_are_kept_apart() {
        let things: Vec<u64> = (0..1000).map(|thing| thing % 7 + thing * 1024).collect();
        let mut index = Index::default();
        let find = |index: &Index, thing: u64| {
            index.find(thing % 7, |number| things[number as usize] == thing)
        };
        for (number, &thing) in (0..).zip(&things) {
            assert_eq!(find(&index, thing), None);
            assert_eq!(index.push(thing % 7), number);
        }
        for (number, &thing) in (0..).zip(&things) {
            assert_eq!(find(&index, thing), Some(number));
        }
    }
}
