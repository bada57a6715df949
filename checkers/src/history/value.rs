//! Values of operations, on their own: for building, for literals, and as states of specifications.

use super::map;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A value of an operation, in the common ground of JSON and EDN.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Self>),
    /// In JSON an object, whose field `"0"` stands for the key 0 and `"x"` for the text.
    #[serde(with = "map")]
    Map(BTreeMap<Self, Self>),
}

impl Value {
    /// About how many bytes it holds beyond its own size: texts, elements, entries.
    pub fn heap_bytes(&self) -> usize {
        super::ValueRef::from(self).heap_bytes()
    }
}

impl fmt::Display for Value {
    /// As [`super::ValueRef`].
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::ValueRef::from(self).fmt(formatter)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
