//! JSON lines: one event as a JSON object on each line.

use super::History;
use super::format::{Intake, ReadError, lines};
use super::json_reader::JsonReader;
use super::record::{Notation, Record};
use std::fmt::Write;

/// Reads events; empty lines and the nemesis's are skipped.
pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    for (at, line) in lines(text) {
        let record = Record {
            text,
            at,
            notation: Notation::Json,
            fields: JsonReader::within(text, at..at + line.len()).fields()?,
        };
        record.push(into)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Format, Value, ValueRef};
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
            expect![
                "line 2, column 14: expected the name of a field, but found the end of the text"
            ],
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
