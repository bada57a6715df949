//! JSON lines: one event as a JSON object on each line.

use super::format::{Intake, ReadError, VALUE_DEPTH_MAX, excerpt, lines, unexpected};
use super::{Event, EventKind, EventRef, History, Value, map};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Reads events; empty lines and the nemesis's are skipped.
pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    for (at, line) in lines(text) {
        if let Some(event) = (Line { text, at, line }).event()? {
            into.push(at, EventRef::from(&event))?;
        }
    }
    Ok(())
}

/// Writes what [`History::read`] reads back: one event per line, with its index.
pub fn write_json_lines(history: &History) -> String {
    let mut text = String::new();
    for (index, event) in history.events().iter().enumerate() {
        let event = serde_json::to_string(&event).expect("an event has only string keys");
        let fields = &event[1..];
        writeln!(text, "{{\"index\":{index},{fields}").expect("writing to a string never fails");
    }
    text
}

struct Line<'a> {
    text: &'a str,
    /// Where it begins.
    at: usize,
    line: &'a str,
}

impl Line<'_> {
    fn event(&self) -> Result<Option<Event>, ReadError> {
        let fields = self.object()?;
        let Some(process) = self.process(&fields)? else {
            return Ok(None);
        };
        let key = self.value(&fields, "key")?;
        Ok(Some(Event {
            process,
            kind: self.kind(&fields)?,
            f: self.f(&fields)?,
            key: (key != Value::Nil).then_some(key),
            value: self.value(&fields, "value")?,
            time_ns: fields.get("time").map_or(0, time_ns),
            error: fields.get("error").and_then(error_text),
        }))
    }

    fn object(&self) -> Result<Map<String, Json>, ReadError> {
        match serde_json::from_str(self.line) {
            Ok(Json::Object(fields)) => Ok(fields),
            Ok(other) => Err(self.unexpected(0, "a JSON object", excerpt(&other.to_string()))),
            Err(error) => {
                let at = error.column().saturating_sub(1).min(self.line.len());
                let at = self.line.floor_char_boundary(at);
                let found = excerpt(&self.line[at..]);
                Err(self.unexpected(at, "one JSON object on the line", found))
            }
        }
    }

    /// `None` for the nemesis.
    fn process(&self, fields: &Map<String, Json>) -> Result<Option<u64>, ReadError> {
        match fields.get("process") {
            Some(Json::String(name)) if name.trim_start_matches(':') == "nemesis" => Ok(None),
            Some(Json::Number(number)) if number.as_i64() == Some(-1) => Ok(None),
            Some(Json::Number(number)) if number.is_u64() => Ok(number.as_u64()),
            other => Err(self.field("process", "a process number or \"nemesis\"", other)),
        }
    }

    fn kind(&self, fields: &Map<String, Json>) -> Result<EventKind, ReadError> {
        let word = fields.get("type").and_then(Json::as_str).unwrap_or("");
        EventKind::from_word(word.trim_start_matches(':')).ok_or_else(|| {
            self.field(
                "type",
                "\"invoke\", \"ok\", \"fail\" or \"info\"",
                fields.get("type"),
            )
        })
    }

    fn f(&self, fields: &Map<String, Json>) -> Result<String, ReadError> {
        match fields.get("f") {
            Some(Json::String(name)) => Ok(name.trim_start_matches(':').to_owned()),
            other => Err(self.field("f", "the operation's name, such as \"read\"", other)),
        }
    }

    fn value(&self, fields: &Map<String, Json>, name: &str) -> Result<Value, ReadError> {
        let Some(json) = fields.get(name) else {
            return Ok(Value::Nil);
        };
        value(json).map_err(|found| {
            let expected =
                "integers, strings, booleans, null and lists of them, nested at most 64 deep";
            self.field(name, expected, Some(found))
        })
    }

    fn field(&self, name: &str, expected: &str, found: Option<&Json>) -> ReadError {
        let at = self.line.find(&format!("\"{name}\"")).unwrap_or(0);
        let found = found.map_or_else(
            || "no such field".to_owned(),
            |json| excerpt(&json.to_string()),
        );
        self.unexpected(at, &format!("in \"{name}\" {expected}"), found)
    }

    fn unexpected(&self, at: usize, expected: &str, found: String) -> ReadError {
        unexpected(self.text, self.at + at, expected, found)
    }
}

/// `Err` holds the part that is no value: a number with a fraction, for one, since equality of such
/// numbers is nobody's specification. See [`map`] for the keys of objects.
pub(super) fn value(json: &Json) -> Result<Value, &Json> {
    value_at(json, 0)
}

/// The value of a part that is nested so deep in the whole.
pub(super) fn value_at(json: &Json, depth: usize) -> Result<Value, &Json> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Int(number.as_i64().ok_or(json)?),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(_) | Json::Object(_) if depth == VALUE_DEPTH_MAX => return Err(json),
        Json::Array(items) => {
            let items = items.iter().map(|item| value_at(item, depth + 1));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        Json::Object(fields) => {
            let mut entries = BTreeMap::new();
            for (name, item) in fields {
                let key = map::key_at(name, depth + 1);
                if entries.insert(key, value_at(item, depth + 1)?).is_some() {
                    return Err(json);
                }
            }
            Value::Map(entries)
        }
    })
}

/// Times are for display: one that is no time counts as none.
fn time_ns(json: &Json) -> u64 {
    json.as_u64()
        .or_else(|| json.as_f64().map(|time| time as u64))
        .unwrap_or(0)
}

fn error_text(json: &Json) -> Option<String> {
    match json {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Format, ValueRef};
    use expect_test::{Expect, expect};

    fn check_error(text: &str, expected: Expect) {
        let error =
            History::read(text.as_bytes(), Some(Format::JsonLines)).expect_err("no history");
        expected.assert_eq(&error.to_string());
    }

    #[test]
    fn fields_come_in_any_order_and_the_nemesis_is_skipped() {
        let text = r#"
            {"type":"invoke","f":"cas","value":[0,"three"],"process":3,"key":"x","time":35000}
            {"process":"nemesis","type":"info","f":"start","value":{"n1":1.5}}
            {"process":":nemesis","type":"info","f":"start"}
            {"index":1,"process":3,"type":"ok","f":"cas","value":[0,"three"],"error":null}"#;
        let history = History::read(text.as_bytes(), None).expect("a history");
        assert_eq!(history.events().len(), 2);
        let operation = history.operation(0);
        assert_eq!(
            operation.input,
            Value::List(vec![Value::Int(0), Value::Text("three".into())])
        );
        assert_eq!(operation.key, Some(ValueRef::Text("x")));
        assert_eq!(
            (operation.invoked_ns, operation.completed_ns),
            (35000, Some(0))
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = r#"{"process":3,"type":"invoke","f":"cas","value":[0,[true,null,"a\"b"]],"time":9}
            {"process":3,"type":"info","f":"cas","value":null,"error":"timed out"}
            {"process":4,"type":"invoke","f":"read","key":[1,"x"]}"#;
        let history = History::read(text.as_bytes(), None).expect("a history");
        let again = History::read(write_json_lines(&history).as_bytes(), None).expect("a history");
        assert_eq!(again, history);
    }

    #[test]
    fn errors_say_where_and_what() {
        check_error(
            "{\"process\":1,\"type\":\"invoke\",\"f\":\"read\"}\n{\"process\":1,",
            expect!["line 2, column 13: expected one JSON object on the line, but found `,`"],
        );
        check_error(
            "[1]",
            expect!["line 1, column 1: expected a JSON object, but found `[1]`"],
        );
        check_error(
            r#"{"type":"invoke","process":"one","f":"read"}"#,
            expect![[
                r#"line 1, column 18: expected in "process" a process number or "nemesis", but found `"one"`"#
            ]],
        );
        check_error(
            r#"{"process":1,"type":"began","f":"read"}"#,
            expect![[
                r#"line 1, column 14: expected in "type" "invoke", "ok", "fail" or "info", but found `"began"`"#
            ]],
        );
        check_error(
            r#"{"process":1,"type":"invoke"}"#,
            expect![[
                r#"line 1, column 1: expected in "f" the operation's name, such as "read", but found no such field"#
            ]],
        );
        check_error(
            r#"{"process":1,"type":"invoke","f":"write","value":[1,2.5]}"#,
            expect![[
                r#"line 1, column 42: expected in "value" integers, strings, booleans, null and lists of them, nested at most 64 deep, but found `2.5`"#
            ]],
        );
        check_error(
            "\n\n{\"process\":1,\"type\":\"ok\",\"f\":\"read\"}",
            expect![
                "line 3, column 1: event 0: expected an `invoke` of process 1 before its `ok` of `read`, but the process has nothing open"
            ],
        );
        check_error(
            "{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"start\"}",
            expect![
                "expected at least one operation of a client, but found none (read as json-lines; formats are json-lines, edn, jepsen-log, plume, awdit, dbcop, dbcop-json, cobra, fastlin, limo)"
            ],
        );
    }
}
