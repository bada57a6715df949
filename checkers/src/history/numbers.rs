//! A hash table of numbers of things that are kept elsewhere.

/// No number.
const FREE: u32 = u32::MAX;

/// Open addressing with linear probing, at most half full.
#[derive(Clone, Default)]
pub(super) struct Numbers {
    places: Vec<u32>,
    count: usize,
}

pub(super) enum Place {
    /// The number of the thing that was looked for.
    Taken(u32),
    /// Where its number may be put.
    Free(usize),
}

impl Numbers {
    /// Looks for a thing by its hash. `hash_of` is the hash of the thing of a number, `is_it` tells
    /// whether that is the one.
    pub(super) fn find(
        &mut self,
        hash: u64,
        hash_of: impl Fn(u32) -> u64,
        is_it: impl Fn(u32) -> bool,
    ) -> Place {
        if 2 * (self.count + 1) > self.places.len() {
            self.grow(hash_of);
        }
        let mut place = self.first_place(hash);
        loop {
            match self.places[place] {
                FREE => return Place::Free(place),
                number if is_it(number) => return Place::Taken(number),
                _ => place = (place + 1) & (self.places.len() - 1),
            }
        }
    }

    /// Puts a number where [`Self::find`] found room for it.
    pub(super) fn put(&mut self, place: usize, number: u32) {
        assert!(number != FREE && self.places[place] == FREE);
        self.places[place] = number;
        self.count += 1;
    }

    fn grow(&mut self, hash_of: impl Fn(u32) -> u64) {
        let larger = vec![FREE; (2 * self.places.len()).max(16)];
        let numbers = std::mem::replace(&mut self.places, larger);
        for number in numbers.into_iter().filter(|&number| number != FREE) {
            let mut place = self.first_place(hash_of(number));
            while self.places[place] != FREE {
                place = (place + 1) & (self.places.len() - 1);
            }
            self.places[place] = number;
        }
    }

    fn first_place(&self, hash: u64) -> usize {
        hash as usize & (self.places.len() - 1)
    }
}
