//! Maps in JSON, whose keys are texts only.
//!
//! A key that is no text is written as the text of its JSON: the map `{0 10, 1 90}` is the object
//! `{"0":10,"1":90}`. A text which could be taken for such a key is written with its quotes, so what
//! is written is read back. Others' objects are read by the same rule: `"0"` is the number 0,
//! `"alice"` the text.

use super::json_reader;
use super::{MapRef, Value, ValueRef};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// The key that a field's name stands for.
pub(super) fn key(name: &str) -> Value {
    json_reader::other_key(name, 0).unwrap_or_else(|| Value::Text(name.to_owned()))
}

/// The name of the field that stands for a key.
fn name(map_key: ValueRef<'_>) -> Result<String, serde_json::Error> {
    match map_key {
        ValueRef::Text(text) if key(text) == map_key => Ok(text.to_owned()),
        other => serde_json::to_string(&other),
    }
}

pub(super) fn serialize<S: Serializer>(
    map: &BTreeMap<Value, Value>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let entries = map.iter();
    let fields = entries.map(|(key, value)| Ok((name(key.into())?, value.into())));
    serialize_fields(fields.collect(), serializer)
}

pub(super) fn serialize_ref<S: Serializer>(
    map: MapRef<'_>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let fields = map.iter().map(|(key, value)| Ok((name(key)?, value)));
    serialize_fields(fields.collect(), serializer)
}

fn serialize_fields<S: Serializer>(
    fields: Result<BTreeMap<String, ValueRef<'_>>, serde_json::Error>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    fields
        .map_err(serde::ser::Error::custom)?
        .serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Value, Value>, D::Error> {
    let fields = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let count = fields.len();
    let map: BTreeMap<_, _> = fields
        .into_iter()
        .map(|(name, value)| (key(&name), value))
        .collect();
    if map.len() < count {
        return Err(D::Error::custom("two fields stand for the same key"));
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_no_texts_are_told_from_those_that_are() {
        let keys = [
            Value::Int(0),
            Value::from("0"),
            Value::from("\"0\""),
            Value::from("alice"),
            Value::from("2.5"),
            Value::Nil,
            Value::from("null"),
            Value::List(vec![Value::Int(1), Value::from("x")]),
        ];
        let map = Value::Map(keys.into_iter().map(|key| (key, Value::Int(1))).collect());
        let text = serde_json::to_string(&map).expect("JSON");
        assert_eq!(
            text,
            r#"{"\"0\"":1,"\"\\\"0\\\"\"":1,"\"null\"":1,"0":1,"2.5":1,"[1,\"x\"]":1,"alice":1,"null":1}"#
        );
        assert_eq!(serde_json::from_str::<Value>(&text).expect("a map"), map);
    }

    #[test]
    fn a_key_stands_there_once() {
        assert!(serde_json::from_str::<Value>(r#"{"0":1," 0":2}"#).is_err());
    }
}
