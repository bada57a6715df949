//! Values as numbers, for who only asks which are equal.

use crate::history::{Value, ValueRef};
use crate::linearizability::hashing::QuickMap;

/// A number for each value, from 0 on in the order in which they were first met.
pub(crate) struct Numbers {
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
    pub(crate) fn new(expected: usize) -> Self {
        Self {
            small: Vec::new(),
            small_max: 4 * expected + 64,
            integers: QuickMap::default(),
            others: QuickMap::default(),
            count: 0,
        }
    }

    pub(crate) fn of(&mut self, value: ValueRef<'_>) -> u32 {
        let next = self.count;
        let slot = match value {
            ValueRef::Int(number) if (0..self.small_max as i64).contains(&number) => {
                let number = number as usize;
                if number >= self.small.len() {
                    self.small.resize(number + 1, Self::NONE);
                }
                &mut self.small[number]
            }
            ValueRef::Int(number) => self.integers.entry(number).or_insert(Self::NONE),
            _ => self.others.entry(value.to_value()).or_insert(Self::NONE),
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

    /// The numbers in the order of their values.
    pub(super) fn ascending(&self) -> Vec<u32> {
        let small = self.small.iter().enumerate();
        let small = small.filter(|&(_, &number)| number != Self::NONE);
        let small = small.map(|(value, &number)| (value as i64, number));
        let others = self
            .integers
            .iter()
            .map(|(&value, &number)| (value, number));
        let mut integers: Vec<(i64, u32)> = small.chain(others).collect();
        integers.sort_unstable();
        let mut others: Vec<(&Value, u32)> = self
            .others
            .iter()
            .map(|(value, &number)| (value, number))
            .collect();
        others.sort_unstable();
        let split = others.partition_point(|&(value, _)| *value < Value::Int(i64::MIN));
        let (before, after) = others.split_at(split);
        let before = before.iter().map(|&(_, number)| number);
        let after = after.iter().map(|&(_, number)| number);
        let integers = integers.into_iter().map(|(_, number)| number);
        before.chain(integers).chain(after).collect()
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

/// A number for each value of a key, from 0 on in the order in which they were first met there.
pub(crate) struct NumbersByKey {
    /// Over all keys.
    values: Numbers,
    /// By value: the key on which it was met last, and its number there. Most are met on one alone.
    last: Vec<(u32, u32)>,
    /// By key and value: the numbers of those that were met on other keys since.
    others: QuickMap<(u32, u32), u32>,
    /// By key.
    counts: Vec<u32>,
}

impl NumbersByKey {
    /// For about so many values.
    pub(crate) fn new(expected: usize) -> Self {
        Self {
            values: Numbers::new(expected),
            last: Vec::new(),
            others: QuickMap::default(),
            counts: Vec::new(),
        }
    }

    /// The number of a value of a key.
    pub(crate) fn of(&mut self, key: usize, value: ValueRef<'_>) -> u32 {
        if key >= self.counts.len() {
            self.counts.resize(key + 1, 0);
        }
        let value = self.values.of(value);
        match self.last.get(value as usize) {
            Some(&(last, number)) if last == key as u32 => number,
            Some(&last) => self.of_another(key as u32, value, last),
            None => {
                let number = self.next(key as u32);
                self.last.push((key as u32, number));
                number
            }
        }
    }

    fn of_another(&mut self, key: u32, value: u32, (last, its): (u32, u32)) -> u32 {
        self.others.insert((last, value), its);
        let known = self.others.get(&(key, value)).copied();
        let number = known.unwrap_or_else(|| self.next(key));
        self.last[value as usize] = (key, number);
        number
    }

    fn next(&mut self, key: u32) -> u32 {
        let count = &mut self.counts[key as usize];
        *count += 1;
        *count - 1
    }

    /// How many values of the key were met.
    pub(super) fn count(&self, key: usize) -> usize {
        self.counts[key] as usize
    }

    /// How the key's value with a number is written.
    pub(super) fn name(&self, key: usize, number: u32) -> String {
        let sought = (key as u32, number);
        let value = self.last.iter().position(|&found| found == sought);
        let value = value.map(|value| value as u32).or_else(|| {
            let mut others = self.others.iter();
            let found = others.find(|&(&(key, _), &number)| (key, number) == sought);
            found.map(|(&(_, value), _)| value)
        });
        value.map_or_else(String::new, |value| self.values.name(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_order_whatever_they_are() {
        let far = 1_000_000_000_000;
        let mut values: Vec<Value> = [5, far, -far, 0, -3].map(Value::Int).into();
        values.extend([
            Value::from("a"),
            Value::Nil,
            Value::Bool(true),
            Value::from("B"),
        ]);
        let mut numbers = Numbers::new(4);
        for value in &values {
            numbers.of(value.into());
        }
        assert_eq!(numbers.count(), values.len());
        let ascending = numbers.ascending();
        let ascending: Vec<&Value> = ascending
            .iter()
            .map(|&number| &values[number as usize])
            .collect();
        assert!(ascending.is_sorted(), "{ascending:?}");
        for (number, value) in (0..).zip(&values) {
            assert_eq!(
                (numbers.of(value.into()), numbers.name(number)),
                (number, value.to_string())
            );
        }
    }

    #[test]
    fn each_key_numbers_its_values_from_zero() {
        let mut numbers = NumbersByKey::new(4);
        let values = [7, 7, 1000, 7, 1000, 3, 7].map(Value::Int);
        let keys = [0, 1, 0, 0, 1, 1, 1];
        let met = keys.iter().zip(&values);
        let found: Vec<u32> = met
            .map(|(&key, value)| numbers.of(key, value.into()))
            .collect();
        assert_eq!(found, [0, 0, 1, 0, 1, 2, 0]);
        assert_eq!((numbers.count(0), numbers.count(1)), (2, 3));
        let names = |key, count| (0..count).map(|number| numbers.name(key, number)).collect();
        let names: [Vec<String>; 2] = [names(0, 2), names(1, 3)];
        assert_eq!(names, [vec!["7", "1000"], vec!["7", "1000", "3"]]);
    }
}
