//! Where a history keeps its values: each is a [`Slot`] of four bytes.
//!
//! A slot holds small integers, booleans and nil themselves, and the number of a text. Others lie on a
//! tape of slots: a list as its length and its elements, a map as its size and its sorted entries, a
//! large integer as two halves. So a list of small integers costs four bytes an element.
//!
//! A list that begins like a list before it shares its elements with that: both are beginnings of one
//! *family*, which is as long as the longest of them. Reads of a list to which is only appended, as
//! histories for Elle have by the million, so take up the longest of them alone.

use super::texts::{TextNumbers, Texts};
use super::value_ref::{List, ListRef, Map, MapRef, ValueRef};
use std::collections::HashMap;

/// A value in the columns of a history.
///
/// The highest bits tell what it is: `0` a small integer, `10` a place on the tape, `110` a text's
/// number, `111` nil or a boolean.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Slot(u32);

const TAPE: u32 = 0b10 << 30;
const TEXT: u32 = 0b110 << 29;
const CONSTANT: u32 = 0b111 << 29;

/// Integers from minus this number on, and below it, are held in the slot.
const SMALL_MAX: i64 = 1 << 30;

impl Slot {
    pub(super) const NIL: Self = Self(CONSTANT);
    pub(super) const FALSE: Self = Self(CONSTANT + 1);
    pub(super) const TRUE: Self = Self(CONSTANT + 2);

    pub(super) fn bool(value: bool) -> Self {
        if value { Self::TRUE } else { Self::FALSE }
    }

    fn small(number: i64) -> Option<Self> {
        let is_small = (-SMALL_MAX..SMALL_MAX).contains(&number);
        is_small.then(|| Self((number + SMALL_MAX) as u32))
    }

    /// Whether equal values have equal slots.
    pub(super) fn is_identity(self) -> bool {
        self.0 & (0b11 << 30) != TAPE
    }
}

/// What stands on the tape before the slots of a value: two bits that tell what they are, and how many.
#[derive(Clone, Copy)]
struct Header(u32);

/// So many slots follow.
const LIST: u32 = 0;
/// So many slots follow, which are keys and values by turns.
const MAP: u32 = 1;
/// Two words follow, the lower half of the integer first.
const LARGE: u32 = 2;
/// The number of the family follows, of which the list is the beginning.
const FAMILY: u32 = 3;

/// How many words the tape can have, and a list or map on it.
pub(super) const TAPE_MAX: usize = (1 << 30) - 1;
/// How many texts there can be.
const TEXTS_MAX: usize = (1 << 29) - 1;

impl Header {
    fn slot(kind: u32, length: usize) -> Slot {
        Slot(kind << 30 | length as u32)
    }

    fn kind(self) -> u32 {
        self.0 >> 30
    }

    fn length(self) -> usize {
        (self.0 & TAPE_MAX as u32) as usize
    }
}

/// The values of a history.
#[derive(Clone, Default)]
pub(super) struct Values {
    pub(super) texts: Texts,
    tape: Vec<Slot>,
    families: Vec<Vec<Slot>>,
}

impl Values {
    #[inline]
    pub(super) fn get(&self, slot: Slot) -> ValueRef<'_> {
        if i64::from(slot.0) < 2 * SMALL_MAX {
            return ValueRef::Int(i64::from(slot.0) - SMALL_MAX);
        }
        match slot {
            Slot::NIL => ValueRef::Nil,
            Slot::FALSE => ValueRef::Bool(false),
            Slot::TRUE => ValueRef::Bool(true),
            Slot(bits) if bits >= TEXT => ValueRef::Text(self.texts.get(bits - TEXT)),
            Slot(bits) => self.on_tape((bits - TAPE) as usize),
        }
    }

    fn on_tape(&self, at: usize) -> ValueRef<'_> {
        let header = Header(self.tape[at].0);
        let (length, rest) = (header.length(), &self.tape[at + 1..]);
        match header.kind() {
            LIST => ValueRef::List(ListRef(List::Stored(self, &rest[..length]))),
            MAP => ValueRef::Map(MapRef(Map::Stored(self, &rest[..length]))),
            LARGE => {
                let bits = u64::from(rest[1].0) << 32 | u64::from(rest[0].0);
                ValueRef::Int(bits.cast_signed())
            }
            _ => {
                let family = &self.families[rest[0].0 as usize];
                ValueRef::List(ListRef(List::Stored(self, &family[..length])))
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let elements: usize = self.families.iter().map(Vec::capacity).sum();
        let families = self.families.capacity() * size_of::<Vec<Slot>>();
        self.texts.bytes() + (self.tape.capacity() + elements) * size_of::<Slot>() + families
    }

    /// Makes room for so many values that are no longer than a pair.
    pub(super) fn make_room(&mut self, count: usize) {
        const PAIR: usize = 3;
        self.tape.reserve(count * PAIR);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.texts.shrink_to_fit();
        self.tape.shrink_to_fit();
        self.families.iter_mut().for_each(Vec::shrink_to_fit);
        self.families.shrink_to_fit();
    }
}

/// What one must know beyond the values to add more of them.
#[derive(Clone, Default)]
pub(super) struct ValueTables {
    texts: TextNumbers,
    /// Where large integers lie.
    large: HashMap<i64, Slot>,
    /// The family of lists that begin with a slot.
    families: HashMap<Slot, u32>,
    /// The elements of the lists and maps that are not complete yet.
    open: Vec<Slot>,
    /// Whether something did not find room.
    pub(super) is_full: bool,
}

/// Lists shorter than this have no family: what they would share is less than what that costs.
const FAMILY_LENGTH_MIN: usize = 8;

/// A list or map that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open(pub(super) usize);

/// That a map has two entries with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SameKey;

/// Adds values to those of a history. What does not find room is noted in [`ValueTables::is_full`].
pub(super) struct ValueWriter<'a> {
    pub(super) values: &'a mut Values,
    pub(super) tables: &'a mut ValueTables,
}

impl ValueWriter<'_> {
    /// A copy of any value. The recursion is as deep as the value is nested.
    pub(super) fn write(&mut self, value: ValueRef<'_>) -> Slot {
        match value {
            ValueRef::Nil => Slot::NIL,
            ValueRef::Bool(value) => Slot::bool(value),
            ValueRef::Int(number) => self.int(number),
            ValueRef::Text(text) => self.text(text),
            ValueRef::List(list) => {
                let open = self.begin();
                for item in list {
                    let slot = self.write(item);
                    self.add(slot);
                }
                self.end_list(open)
            }
            ValueRef::Map(map) => {
                let open = self.begin();
                for (key, value) in map {
                    let (key, value) = (self.write(key), self.write(value));
                    self.add(key);
                    self.add(value);
                }
                self.end_map(open).expect("a map has no key twice")
            }
        }
    }

    #[inline]
    pub(super) fn int(&mut self, number: i64) -> Slot {
        Slot::small(number).unwrap_or_else(|| self.large(number))
    }

    fn large(&mut self, number: i64) -> Slot {
        if let Some(&slot) = self.tables.large.get(&number) {
            return slot;
        }
        let bits = number.cast_unsigned();
        let halves = [Slot(bits as u32), Slot((bits >> 32) as u32)];
        let slot = self.put(Header::slot(LARGE, 0), &halves);
        self.tables.large.insert(number, slot);
        slot
    }

    pub(super) fn text(&mut self, text: &str) -> Slot {
        Slot(TEXT + self.text_number(text))
    }

    /// The number of a text among [`Values::texts`].
    pub(super) fn text_number(&mut self, text: &str) -> u32 {
        if self.values.texts.len() >= TEXTS_MAX {
            self.tables.is_full = true;
            return 0;
        }
        self.tables.texts.number(&mut self.values.texts, text)
    }

    /// Begins a list or a map, whose parts are then added.
    pub(super) fn begin(&mut self) -> Open {
        Open(self.tables.open.len())
    }

    /// Adds to the list or map that was begun last and has not ended.
    pub(super) fn add(&mut self, slot: Slot) {
        self.tables.open.push(slot);
    }

    /// Forgets the lists and maps that were begun since, and have not ended.
    pub(super) fn abandon(&mut self, open: Open) {
        self.tables.open.truncate(open.0);
    }

    pub(super) fn end_list(&mut self, open: Open) -> Slot {
        let mut elements = std::mem::take(&mut self.tables.open);
        let slot = self.list(&elements[open.0..]);
        elements.truncate(open.0);
        self.tables.open = elements;
        slot
    }

    /// Ends a map, to which keys and values were added by turns, in any order.
    pub(super) fn end_map(&mut self, open: Open) -> Result<Slot, SameKey> {
        let mut elements = std::mem::take(&mut self.tables.open);
        let entries = elements[open.0..].as_chunks_mut::<2>().0;
        let key = |entry: &[Slot; 2]| self.values.get(entry[0]);
        entries.sort_by(|one, other| key(one).cmp(&key(other)));
        let is_twice = entries.windows(2).any(|two| key(&two[0]) == key(&two[1]));
        let slot = match is_twice {
            true => Err(SameKey),
            false => {
                let slots = &elements[open.0..];
                Ok(self.put(Header::slot(MAP, slots.len().min(TAPE_MAX)), slots))
            }
        };
        elements.truncate(open.0);
        self.tables.open = elements;
        slot
    }

    fn list(&mut self, slots: &[Slot]) -> Slot {
        if slots.len() >= FAMILY_LENGTH_MIN
            && let Some(family) = self.family(slots)
        {
            return self.put(Header::slot(FAMILY, slots.len()), &[Slot(family)]);
        }
        self.put(Header::slot(LIST, slots.len().min(TAPE_MAX)), slots)
    }

    /// The family of which the list is the beginning, made longer if need be.
    fn family(&mut self, slots: &[Slot]) -> Option<u32> {
        let first = slots.first().filter(|first| first.is_identity())?;
        let families = &mut self.values.families;
        let number = *self.tables.families.entry(*first).or_insert_with(|| {
            families.push(Vec::new());
            families.len() as u32 - 1
        });
        let family = &mut families[number as usize];
        let shared = family.len().min(slots.len());
        if family[..shared] != slots[..shared] || slots.len() > TAPE_MAX {
            return None;
        }
        family.extend_from_slice(&slots[shared..]);
        Some(number)
    }

    fn put(&mut self, header: Slot, slots: &[Slot]) -> Slot {
        let at = self.values.tape.len();
        if at + 1 + slots.len() > TAPE_MAX {
            self.tables.is_full = true;
            return Slot::NIL;
        }
        self.values.tape.push(header);
        self.values.tape.extend_from_slice(slots);
        Slot(TAPE + at as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Value;

    fn list(numbers: impl IntoIterator<Item = i64>) -> Value {
        Value::List(numbers.into_iter().map(Value::Int).collect())
    }

    /// Writes the values and reads them back; returns how many words lie on the tape.
    fn check(expected: &[Value]) -> usize {
        let (mut values, mut tables) = (Values::default(), ValueTables::default());
        let mut writer = ValueWriter {
            values: &mut values,
            tables: &mut tables,
        };
        let slots: Vec<Slot> = expected
            .iter()
            .map(|value| writer.write(value.into()))
            .collect();
        let read: Vec<Value> = slots
            .iter()
            .map(|&slot| values.get(slot).to_value())
            .collect();
        assert_eq!(read, expected);
        assert!(tables.open.is_empty() && !tables.is_full);
        values.tape.len()
    }

    #[test]
    fn every_integer_is_held() {
        let bounds = [
            0,
            SMALL_MAX,
            -SMALL_MAX,
            i64::from(u32::MAX),
            i64::MAX,
            i64::MIN,
        ];
        let around = bounds
            .iter()
            .flat_map(|&bound| [bound.saturating_sub(1), bound, bound.saturating_add(1)]);
        let integers: Vec<Value> = around.map(Value::Int).collect();
        check(&integers);
        // A large one lies there once: three at the edges of the small ones, and seven beyond.
        assert_eq!(check(&[integers.clone(), integers].concat()), 3 * (3 + 7));
    }

    #[test]
    fn lists_maps_and_texts_are_held() {
        let text = |text: &str| Value::from(text);
        let map = [
            (text("b"), list([1])),
            (Value::Nil, text("")),
            (list([]), Value::Bool(true)),
        ];
        let map = Value::Map(map.into_iter().collect());
        let nested = Value::List(vec![
            map.clone(),
            list(0..9),
            Value::List(vec![map.clone()]),
        ]);
        check(&[
            map,
            nested,
            text("a"),
            text(""),
            text("a"),
            Value::Bool(false),
            Value::Nil,
        ]);
    }

    #[test]
    fn lists_that_begin_alike_share_what_they_have_in_common() {
        let whole = list(0..1000);
        let others = [
            list(0..8),
            list((0..8).chain([77])),
            list(0..500),
            list(0..2000),
        ];
        // Two words for each that is shared, and one that goes on otherwise.
        assert_eq!(check(&[&[whole], &others[..]].concat()), 2 * 4 + 1 + 9);
    }

    #[test]
    fn a_map_that_is_written_by_entries_is_sorted_and_has_no_key_twice() {
        let (mut values, mut tables) = (Values::default(), ValueTables::default());
        let mut writer = ValueWriter {
            values: &mut values,
            tables: &mut tables,
        };
        let open = writer.begin();
        for number in [3, 30, 1, 10, 2, 20] {
            let slot = writer.int(number);
            writer.add(slot);
        }
        let map = writer.end_map(open).expect("each key once");
        let open = writer.begin();
        for number in [3, 30, 3, 10] {
            let slot = writer.int(number);
            writer.add(slot);
        }
        assert_eq!(writer.end_map(open), Err(SameKey));
        assert_eq!(values.get(map).to_string(), "{1 10, 2 20, 3 30}");
    }
}
