//! Views of values, wherever these are kept: in the columns of a history, or on their own.

use super::Value;
use super::values::{Slot, Values};
use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::hash::{Hash, Hasher};

/// A value as it lies in a history, or a borrowed [`Value`]. Copying it copies no data.
///
/// It compares with others and with [`Value`]s by what they are, not by where they are kept, and in
/// the order of [`Value`].
#[derive(Clone, Copy, Debug, Default)]
pub enum ValueRef<'h> {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Text(&'h str),
    List(ListRef<'h>),
    Map(MapRef<'h>),
}

impl<'h> ValueRef<'h> {
    pub fn is_nil(self) -> bool {
        matches!(self, Self::Nil)
    }

    pub fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            _ => None,
        }
    }

    pub fn as_text(self) -> Option<&'h str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_list(self) -> Option<ListRef<'h>> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    pub fn as_map(self) -> Option<MapRef<'h>> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value on its own.
    pub fn to_value(self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(number) => Value::Int(number),
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::List(list) => Value::List(list.iter().map(Self::to_value).collect()),
            Self::Map(map) => {
                let entries = map.iter();
                Value::Map(
                    entries
                        .map(|(key, value)| (key.to_value(), value.to_value()))
                        .collect(),
                )
            }
        }
    }

    /// About how many bytes it will hold beyond its own size once it is a [`Value`].
    pub(crate) fn heap_bytes(self) -> usize {
        match self {
            Self::Nil | Self::Bool(_) | Self::Int(_) => 0,
            Self::Text(text) => text.len(),
            Self::List(list) => list
                .iter()
                .map(|item| size_of::<Value>() + item.heap_bytes())
                .sum(),
            Self::Map(map) => {
                // The nodes of a tree may be half empty.
                let each = 4 * size_of::<Value>();
                let entries = map.iter();
                let entries =
                    entries.map(|(key, value)| each + key.heap_bytes() + value.heap_bytes());
                entries.sum()
            }
        }
    }

    /// The place of its variant in the order of values.
    fn rank(self) -> u8 {
        match self {
            Self::Nil => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Text(_) => 3,
            Self::List(_) => 4,
            Self::Map(_) => 5,
        }
    }
}

impl<'v> From<&'v Value> for ValueRef<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(number) => Self::Int(*number),
            Value::Text(text) => Self::Text(text),
            Value::List(items) => Self::List(ListRef(List::Owned(items))),
            Value::Map(entries) => Self::Map(MapRef(Map::Owned(entries))),
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        value.to_value()
    }
}

impl fmt::Display for ValueRef<'_> {
    /// As a reader would write it: `nil`, `3`, `"a"`, `[1 2]`, `{0 10, 1 90}`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => formatter.write_str("nil"),
            Self::Bool(value) => write!(formatter, "{value}"),
            Self::Int(value) => write!(formatter, "{value}"),
            Self::Text(value) => write!(formatter, "{value:?}"),
            Self::List(values) => {
                formatter.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    let gap = if index == 0 { "" } else { " " };
                    write!(formatter, "{gap}{value}")?;
                }
                formatter.write_str("]")
            }
            Self::Map(entries) => {
                formatter.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let gap = if index == 0 { "" } else { ", " };
                    write!(formatter, "{gap}{key} {value}")?;
                }
                formatter.write_str("}")
            }
        }
    }
}

impl Ord for ValueRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Int(one), Self::Int(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::List(one), Self::List(other)) => one.iter().cmp(other.iter()),
            (Self::Map(one), Self::Map(other)) => one.iter().cmp(other.iter()),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for ValueRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ValueRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            (Self::Map(one), Self::Map(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for ValueRef<'_> {}

impl Hash for ValueRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.rank());
        match self {
            Self::Nil => {}
            Self::Bool(value) => value.hash(state),
            Self::Int(number) => number.hash(state),
            Self::Text(text) => text.hash(state),
            Self::List(list) => list.hash(state),
            Self::Map(map) => map.hash(state),
        }
    }
}

impl PartialEq<Value> for ValueRef<'_> {
    fn eq(&self, other: &Value) -> bool {
        *self == ValueRef::from(other)
    }
}

impl PartialEq<ValueRef<'_>> for Value {
    fn eq(&self, other: &ValueRef<'_>) -> bool {
        ValueRef::from(self) == *other
    }
}

impl PartialOrd<Value> for ValueRef<'_> {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(&ValueRef::from(other)))
    }
}

impl PartialOrd<ValueRef<'_>> for Value {
    fn partial_cmp(&self, other: &ValueRef<'_>) -> Option<Ordering> {
        Some(ValueRef::from(self).cmp(other))
    }
}

/// A list of values.
#[derive(Clone, Copy)]
pub struct ListRef<'h>(pub(super) List<'h>);

#[derive(Clone, Copy)]
pub(super) enum List<'h> {
    Stored(&'h Values, &'h [Slot]),
    Owned(&'h [Value]),
}

impl<'h> ListRef<'h> {
    pub fn len(self) -> usize {
        match self.0 {
            List::Stored(_, slots) => slots.len(),
            List::Owned(items) => items.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn get(self, index: usize) -> Option<ValueRef<'h>> {
        match self.0 {
            List::Stored(values, slots) => slots.get(index).map(|&slot| values.get(slot)),
            List::Owned(items) => items.get(index).map(ValueRef::from),
        }
    }

    pub fn first(self) -> Option<ValueRef<'h>> {
        self.get(0)
    }

    pub fn last(self) -> Option<ValueRef<'h>> {
        self.get(self.len().checked_sub(1)?)
    }

    /// All its values, if it has just so many: `let Some([expected, new]) = list.array()`.
    pub fn array<const LENGTH: usize>(self) -> Option<[ValueRef<'h>; LENGTH]> {
        if self.len() != LENGTH {
            return None;
        }
        let mut items = self.iter();
        Some(std::array::from_fn(|_| items.next().unwrap_or_default()))
    }

    pub fn iter(self) -> ListIter<'h> {
        ListIter {
            list: self,
            next: 0,
            end: self.len(),
        }
    }
}

impl fmt::Debug for ListRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for ListRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (List::Stored(_, one), List::Stored(_, other)) if std::ptr::eq(one, other) => true,
            _ => self.len() == other.len() && self.iter().eq(other.iter()),
        }
    }
}

impl Eq for ListRef<'_> {}

impl Hash for ListRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        self.iter().for_each(|item| item.hash(state));
    }
}

impl<'h> IntoIterator for ListRef<'h> {
    type Item = ValueRef<'h>;
    type IntoIter = ListIter<'h>;

    fn into_iter(self) -> ListIter<'h> {
        self.iter()
    }
}

/// The values of a list.
#[derive(Clone)]
pub struct ListIter<'h> {
    list: ListRef<'h>,
    next: usize,
    end: usize,
}

impl<'h> Iterator for ListIter<'h> {
    type Item = ValueRef<'h>;

    fn next(&mut self) -> Option<ValueRef<'h>> {
        if self.next == self.end {
            return None;
        }
        self.next += 1;
        self.list.get(self.next - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl DoubleEndedIterator for ListIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        self.end -= 1;
        self.list.get(self.end)
    }
}

impl ExactSizeIterator for ListIter<'_> {}

/// A map from values to values, in the order of its keys.
#[derive(Clone, Copy)]
pub struct MapRef<'h>(pub(super) Map<'h>);

#[derive(Clone, Copy)]
pub(super) enum Map<'h> {
    /// Keys and values by turns.
    Stored(&'h Values, &'h [Slot]),
    Owned(&'h BTreeMap<Value, Value>),
}

impl<'h> MapRef<'h> {
    /// How many keys it has.
    pub fn len(self) -> usize {
        match self.0 {
            Map::Stored(_, slots) => slots.len() / 2,
            Map::Owned(entries) => entries.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value under a key, in the logarithm of its size.
    pub fn get(self, key: ValueRef<'_>) -> Option<ValueRef<'h>> {
        match self.0 {
            Map::Stored(values, slots) => {
                let entries = slots.as_chunks::<2>().0;
                let found = entries.binary_search_by(|entry| values.get(entry[0]).cmp(&key));
                found.ok().map(|index| values.get(entries[index][1]))
            }
            Map::Owned(entries) => entries.get(&key.to_value()).map(ValueRef::from),
        }
    }

    pub fn iter(self) -> MapIter<'h> {
        MapIter(match self.0 {
            Map::Stored(values, slots) => MapIterSource::Stored(values, slots),
            Map::Owned(entries) => MapIterSource::Owned(entries.iter()),
        })
    }
}

impl fmt::Debug for MapRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for MapRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for MapRef<'_> {}

impl Hash for MapRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl<'h> IntoIterator for MapRef<'h> {
    type Item = (ValueRef<'h>, ValueRef<'h>);
    type IntoIter = MapIter<'h>;

    fn into_iter(self) -> MapIter<'h> {
        self.iter()
    }
}

/// The entries of a map, in the order of the keys.
#[derive(Clone)]
pub struct MapIter<'h>(MapIterSource<'h>);

#[derive(Clone)]
enum MapIterSource<'h> {
    Stored(&'h Values, &'h [Slot]),
    Owned(btree_map::Iter<'h, Value, Value>),
}

impl<'h> Iterator for MapIter<'h> {
    type Item = (ValueRef<'h>, ValueRef<'h>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            MapIterSource::Stored(values, slots) => {
                let (entry, rest) = slots.split_first_chunk::<2>()?;
                *slots = rest;
                Some((values.get(entry[0]), values.get(entry[1])))
            }
            MapIterSource::Owned(entries) => {
                let (key, value) = entries.next()?;
                Some((key.into(), value.into()))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let length = match &self.0 {
            MapIterSource::Stored(_, slots) => slots.len() / 2,
            MapIterSource::Owned(entries) => entries.len(),
        };
        (length, Some(length))
    }
}

impl ExactSizeIterator for MapIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::DefaultHasher;

    /// One of each kind and more, in their order.
    fn ascending() -> Vec<Value> {
        let list = |items: &[i64]| Value::List(items.iter().copied().map(Value::Int).collect());
        let map = |value: i64| Value::Map([(Value::Int(1), Value::Int(value))].into());
        let mut values = vec![
            Value::Nil,
            Value::Bool(false),
            Value::Bool(true),
            Value::Int(-1),
            Value::Int(1),
            Value::from("a"),
            Value::from("b"),
        ];
        values.extend([
            list(&[]),
            list(&[1]),
            list(&[1, 0]),
            list(&[2]),
            map(1),
            map(2),
        ]);
        values
    }

    #[test]
    fn references_are_ordered_and_hashed_as_values() {
        let hash = |value: ValueRef<'_>| {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            hasher.finish()
        };
        let values = ascending();
        for (place, one) in values.iter().enumerate() {
            for (other_place, other) in values.iter().enumerate() {
                let expected = place.cmp(&other_place);
                let (known, sought) = (ValueRef::from(one), ValueRef::from(other));
                assert_eq!(one.cmp(other), expected, "{one} {other}");
                assert_eq!(known.cmp(&sought), expected, "{one} {other}");
                assert_eq!(known.partial_cmp(other), Some(expected));
                assert_eq!(one.partial_cmp(&sought), Some(expected));
                assert_eq!(hash(known) == hash(sought), expected.is_eq());
            }
        }
    }

    #[test]
    fn lists_and_maps_tell_what_they_hold() {
        let values = ascending();
        let lists: Vec<ListRef<'_>> = values
            .iter()
            .filter_map(|value| ValueRef::from(value).as_list())
            .collect();
        let (none, two) = (lists[0], lists[2]);
        assert!(none.is_empty() && !two.is_empty() && none.last().is_none());
        assert_eq!(two.last(), Some(ValueRef::Int(0)));
        assert!(two.iter().rev().eq([0, 1].map(ValueRef::Int)));
        let empty = Value::Map(BTreeMap::new());
        let maps =
            [&empty, &values[12]].map(|value| ValueRef::from(value).as_map().expect("a map"));
        assert_eq!(
            maps.map(|map| (map.len(), map.is_empty())),
            [(0, true), (1, false)]
        );
        assert_eq!(ValueRef::Nil.as_map().map(MapRef::len), None);
        let text = "x".repeat(100);
        let long = Value::Map([(text.as_str().into(), text.as_str().into())].into());
        assert!(ValueRef::from(&long).heap_bytes() >= 200);
    }
}
