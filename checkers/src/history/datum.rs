//! What readers of EDN and JSON find before anybody knows what it means.

use super::Value;
use super::values::{Slot, ValueWriter};
use std::borrow::Cow;

/// How deep values may be nested, so that nobody's stack is exhausted by one.
pub(super) const VALUE_DEPTH_MAX: usize = 64;

/// Texts without escapes are those of the file itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum<'t> {
    Nil,
    Bool(bool),
    Int(i64),
    /// A number with a fraction, an exponent, a ratio, or more digits than an [`i64`] holds, as written.
    Number(&'t str),
    Text(Cow<'t, str>),
    /// Without its colon.
    Keyword(&'t str),
    Symbol(&'t str),
    /// A vector, a list or a set.
    Sequence(Vec<Self>),
    /// In the order written.
    Map(Vec<(Self, Self)>),
    /// What is a value already.
    Value(Value),
    /// What lies among the values of the history already.
    Written(Slot),
}

impl Datum<'_> {
    /// The name that it is, however written.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Keyword(text) | Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is not negative, but may be larger than an [`i64`].
    pub(super) fn natural(&self) -> Option<u64> {
        match self {
            Self::Int(number) => u64::try_from(*number).ok(),
            Self::Number(digits) => digits.strip_suffix('N').unwrap_or(digits).parse().ok(),
            _ => None,
        }
    }

    /// Adds its value to those of a history. `Err` holds the part that is no value: a number with a
    /// fraction, for one, since equality of such numbers is nobody's specification, a map with a key
    /// twice, or what is nested too deep.
    pub(super) fn write(&self, writer: &mut ValueWriter<'_>) -> Result<Slot, &Self> {
        self.write_at(writer, 0)
    }

    pub(super) fn write_at(
        &self,
        writer: &mut ValueWriter<'_>,
        depth: usize,
    ) -> Result<Slot, &Self> {
        Ok(match self {
            Self::Nil => Slot::NIL,
            Self::Bool(value) => Slot::bool(*value),
            Self::Int(number) => writer.int(*number),
            Self::Text(text) => writer.text(text),
            Self::Keyword(text) | Self::Symbol(text) => writer.text(text),
            Self::Value(value) => writer.write(value.into()),
            Self::Written(slot) => *slot,
            Self::Number(_) => return Err(self),
            Self::Sequence(_) | Self::Map(_) if depth == VALUE_DEPTH_MAX => return Err(self),
            Self::Sequence(items) => {
                let list = writer.begin();
                for item in items {
                    let slot = item.write_at(writer, depth + 1)?;
                    writer.add(slot);
                }
                writer.end_list(list)
            }
            Self::Map(entries) => {
                let map = writer.begin();
                for part in entries.iter().flat_map(|(key, item)| [key, item]) {
                    let slot = part.write_at(writer, depth + 1)?;
                    writer.add(slot);
                }
                writer.end_map(map).map_err(|_| self)?
            }
        })
    }

    /// The value on its own, unless there is none, as [`Datum::write`] has it.
    pub(super) fn to_value(&self) -> Option<Value> {
        let (mut values, mut tables) = Default::default();
        let mut writer = ValueWriter {
            values: &mut values,
            tables: &mut tables,
        };
        let slot = self.write(&mut writer).ok()?;
        Some(values.get(slot).to_value())
    }
}
