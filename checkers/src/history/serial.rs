//! A history in serde's terms: the list of its events.

use super::{Event, History, HistoryBuilder, ProcessReuse, ValueRef, map};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.events())
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EventsVisitor)
    }
}

struct EventsVisitor;

impl<'de> Visitor<'de> for EventsVisitor {
    type Value = History;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<History, A::Error> {
        let mut builder = HistoryBuilder::new(ProcessReuse::AfterInfo);
        while let Some(event) = events.next_element::<Event>()? {
            builder.push(event).map_err(A::Error::custom)?;
        }
        Ok(builder.finish())
    }
}

impl Serialize for ValueRef<'_> {
    /// As [`super::Value`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(value),
            Self::Int(number) => serializer.serialize_i64(number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Map(entries) => map::serialize_ref(entries, serializer),
        }
    }
}
