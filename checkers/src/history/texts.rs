//! Texts, each kept once and known by a number.

use super::numbers::{Numbers, Place};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// One text after another.
#[derive(Clone, Default)]
pub(super) struct Texts {
    letters: String,
    /// Where each text ends.
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn get(&self, number: u32) -> &str {
        &self.letters[self.range(number)]
    }

    /// Whether it is the text of a number. (Letters need not be told from one another for that.)
    pub(super) fn is(&self, number: u32, text: &str) -> bool {
        self.letters.as_bytes()[self.range(number)] == *text.as_bytes()
    }

    fn range(&self, number: u32) -> Range<usize> {
        let number = number as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[number]
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.letters.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.letters.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// Finds the number of a text, or gives it one.
#[derive(Clone, Default)]
pub(super) struct TextNumbers {
    numbers: Numbers,
    hasher: RandomState,
    /// The text that was asked for last, which often comes again.
    last: Option<u32>,
}

impl TextNumbers {
    pub(super) fn number(&mut self, texts: &mut Texts, text: &str) -> u32 {
        if let Some(last) = self.last.filter(|&last| texts.is(last, text)) {
            return last;
        }
        let hash = |number| self.hasher.hash_one(texts.get(number));
        let is_it = |number| texts.is(number, text);
        let number = match self.numbers.find(self.hasher.hash_one(text), hash, is_it) {
            Place::Taken(number) => number,
            Place::Free(place) => {
                let number = texts.len() as u32;
                texts.letters.push_str(text);
                texts.ends.push(texts.letters.len());
                self.numbers.put(place, number);
                number
            }
        };
        self.last = Some(number);
        number
    }
}
