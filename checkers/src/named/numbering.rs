//! Small numbers for values, so that what is known of a value lies at its number in an array.

use crate::history::ValueRef;
use std::collections::HashMap;

/// Numbers values in the order in which they are met.
#[derive(Default)]
pub(super) struct Numbering<'h> {
    /// The numbers of small integers, which most histories have for values.
    small: Vec<u32>,
    others: HashMap<ValueRef<'h>, u32>,
    values: Vec<ValueRef<'h>>,
}

const NONE: u32 = u32::MAX;

impl<'h> Numbering<'h> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn value(&self, number: usize) -> ValueRef<'h> {
        self.values[number]
    }

    pub(super) fn find(&self, value: ValueRef<'h>) -> Option<usize> {
        let small = small(value).and_then(|place| self.small.get(place));
        let known = small.copied().filter(|&number| number != NONE);
        let known = known.or_else(|| self.others.get(&value).copied());
        known.map(|number| number as usize)
    }

    pub(super) fn number(&mut self, value: ValueRef<'h>) -> usize {
        if let Some(number) = self.find(value) {
            return number;
        }
        let number = self.values.len();
        self.values.push(value);
        // The array has room for integers that lie about as close as the values are many.
        let room = 1024 + 4 * number;
        match small(value).filter(|&place| place < room) {
            Some(place) => {
                if self.small.len() <= place {
                    self.small.resize(room, NONE);
                }
                self.small[place] = number as u32;
            }
            None => {
                self.others.insert(value, number as u32);
            }
        }
        number
    }
}

fn small(value: ValueRef<'_>) -> Option<usize> {
    value
        .as_int()
        .and_then(|number| usize::try_from(number).ok())
}
