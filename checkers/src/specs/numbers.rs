//! Values as numbers, for algorithms that only ask which are equal.

use crate::history::Value;
use crate::linearizability::hashing::QuickMap;

/// A number for each value, from 0 on in the order in which they were first met.
pub(super) struct Numbers {
    /// By integer, if it is small; [`Numbers::NONE`] for one not met.
    small: Vec<u32>,
    small_max: usize,
    integers: QuickMap<i64, u32>,
    others: QuickMap<Value, u32>,
    count: u32,
}

impl Numbers {
    const NONE: u32 = u32::MAX;

    /// For about so many values.
    pub(super) fn new(expected: usize) -> Self {
        Self {
            small: Vec::new(),
            small_max: 4 * expected + 64,
            integers: QuickMap::default(),
            others: QuickMap::default(),
            count: 0,
        }
    }

    pub(super) fn of(&mut self, value: &Value) -> u32 {
        let next = self.count;
        let slot = match *value {
            Value::Int(number) if (0..self.small_max as i64).contains(&number) => {
                let number = number as usize;
                if number >= self.small.len() {
                    self.small.resize(number + 1, Self::NONE);
                }
                &mut self.small[number]
            }
            Value::Int(number) => self.integers.entry(number).or_insert(Self::NONE),
            _ => match self.others.get(value) {
                Some(&number) => return number,
                None => self.others.entry(value.clone()).or_insert(Self::NONE),
            },
        };
        if *slot == Self::NONE {
            *slot = next;
            self.count += 1;
        }
        *slot
    }

    /// How many values were met.
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// How the value with a number is written.
    pub(super) fn name(&self, number: u32) -> String {
        let is_it = |found: u32| found == number;
        let small = self.small.iter().position(|&found| is_it(found));
        if let Some(small) = small {
            return small.to_string();
        }
        let integer = self.integers.iter().find(|&(_, &found)| is_it(found));
        if let Some((integer, _)) = integer {
            return integer.to_string();
        }
        let other = self.others.iter().find(|&(_, &found)| is_it(found));
        other.map_or_else(String::new, |(value, _)| value.to_string())
    }
}
