//! What a read asks of values.

use crate::history::{ListRef, ValueRef};
use std::fmt;

/// The value of a key; `None` if it is not there.
pub(super) type State<'h> = Option<ValueRef<'h>>;

#[derive(Clone, Copy, Debug)]
pub(super) enum Predicate<'h> {
    /// Matches all keys that are there.
    True,
    Equals(ValueRef<'h>),
    Below(i64),
    Above(i64),
    /// The modulus is positive.
    Modulo {
        modulus: i64,
        remainder: i64,
    },
}

impl<'h> Predicate<'h> {
    /// As a history has it; `None` if it is no predicate.
    pub(super) fn decode(value: ValueRef<'h>) -> Option<Self> {
        if value == ValueRef::Bool(true) || value == ValueRef::Text("true") {
            return Some(Self::True);
        }
        let parts = value.as_list()?;
        let name = parts.first()?.as_text()?;
        if name == "mod" {
            let [_, modulus, remainder] = parts.array()?;
            let modulus = modulus.as_int().filter(|&modulus| modulus > 0)?;
            let remainder = remainder.as_int()?;
            return Some(Self::Modulo { modulus, remainder });
        }
        let [_, value]: [ValueRef<'h>; 2] = ListRef::array(parts)?;
        match name {
            "=" => Some(Self::Equals(value)),
            "<" => value.as_int().map(Self::Below),
            ">" => value.as_int().map(Self::Above),
            _ => None,
        }
    }

    pub(super) fn matches(self, state: State<'_>) -> bool {
        let Some(value) = state else {
            return false;
        };
        match self {
            Self::True => true,
            Self::Equals(wanted) => value == wanted,
            Self::Below(end) => value.as_int().is_some_and(|value| value < end),
            Self::Above(start) => value.as_int().is_some_and(|value| value > start),
            Self::Modulo { modulus, remainder } => value
                .as_int()
                .is_some_and(|value| value.rem_euclid(modulus) == remainder),
        }
    }
}

impl fmt::Display for Predicate<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::True => formatter.write_str("true"),
            Self::Equals(value) => write!(formatter, "[= {value}]"),
            Self::Below(end) => write!(formatter, "[< {end}]"),
            Self::Above(start) => write!(formatter, "[> {start}]"),
            Self::Modulo { modulus, remainder } => write!(formatter, "[mod {modulus} {remainder}]"),
        }
    }
}
