//! Jepsen's `history.edn`: events as maps, one after another or in one vector or list.

use super::edn_reader::Reader;
use super::format::{Intake, ReadError, unexpected_at};
use super::record::{Notation, Record};
use super::{EventRef, History, Value, ValueRef};
use std::fmt::Write;

/// Reads events; the nemesis's are skipped.
pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    let mut reader = Reader::new(text);
    let end = if reader.skip_mark('[')? {
        Some(']')
    } else if reader.skip_mark('(')? {
        Some(')')
    } else {
        None
    };
    reader.skip()?;
    while !(end.is_some_and(|end| reader.rest().starts_with(end))) {
        let at = reader.position();
        if reader.rest().is_empty() {
            return end.map_or(Ok(()), |end| {
                Err(unexpected_at(text, at, &format!("`{end}`")))
            });
        }
        let Some(fields) = reader.fields(&mut into.writer())? else {
            return Err(unexpected_at(text, at, "an operation as a map"));
        };
        let record = Record {
            text,
            at,
            notation: Notation::Edn,
            fields,
        };
        record.push(into)?;
        reader.skip()?;
    }
    reader.skip_mark(end.unwrap_or_default())?;
    reader.skip()?;
    let at = reader.position();
    match reader.next()? {
        None => Ok(()),
        Some(_) => Err(unexpected_at(text, at, "nothing after the operations")),
    }
}

/// The value that a text holds in EDN, such as `{x 1, y [2 3]}`. Keywords and symbols are texts.
///
/// # Errors
/// If it is no value, or more than one.
pub fn parse_edn(text: &str) -> Result<Value, ReadError> {
    let mut reader = Reader::new(text);
    let value = reader.next()?.and_then(|datum| datum.to_value());
    let value = value.ok_or_else(|| unexpected_at(text, 0, "a value"))?;
    reader.skip()?;
    match reader.rest() {
        "" => Ok(value),
        _ => Err(unexpected_at(
            text,
            reader.position(),
            "nothing after the value",
        )),
    }
}

/// Writes what [`History::read`] reads back: one map per line.
pub fn write_edn(history: &History) -> String {
    let mut text = String::new();
    for (index, event) in history.events().iter().enumerate() {
        write_event(&mut text, index, event).expect("writing to a string never fails");
    }
    text
}

fn write_event(text: &mut String, index: usize, event: EventRef<'_>) -> std::fmt::Result {
    write!(
        text,
        "{{:index {index}, :time {}, :process {}",
        event.time_ns, event.process
    )?;
    write!(text, ", :type :{}, :f ", event.kind.word())?;
    if is_plain_name(event.f) {
        write!(text, ":{}", event.f)?;
    } else {
        write_string(text, event.f)?;
    }
    if let Some(key) = event.key {
        text.push_str(", :key ");
        write_value(text, key)?;
    }
    text.push_str(", :value ");
    write_value(text, event.value)?;
    if let Some(error) = event.error {
        text.push_str(", :error ");
        write_string(text, error)?;
    }
    text.push_str("}\n");
    Ok(())
}

fn is_plain_name(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_?!*.".contains(letter);
    name.starts_with(|letter: char| letter.is_ascii_alphabetic()) && name.chars().all(is_plain)
}

fn write_value(text: &mut String, value: ValueRef<'_>) -> std::fmt::Result {
    match value {
        ValueRef::Text(value) => write_string(text, value),
        ValueRef::List(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { " " });
                write_value(text, value)?;
            }
            text.push(']');
            Ok(())
        }
        ValueRef::Map(entries) => {
            text.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_value(text, key)?;
                text.push(' ');
                write_value(text, value)?;
            }
            text.push('}');
            Ok(())
        }
        ValueRef::Nil | ValueRef::Bool(_) | ValueRef::Int(_) => write!(text, "{value}"),
    }
}

fn write_string(text: &mut String, string: &str) -> std::fmt::Result {
    text.push('"');
    for letter in string.chars() {
        match letter {
            '"' | '\\' => write!(text, "\\{letter}")?,
            '\n' => text.push_str("\\n"),
            letter if letter.is_control() => write!(text, "\\u{:04x}", u32::from(letter))?,
            letter => text.push(letter),
        }
    }
    text.push('"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Format;
    use expect_test::{Expect, expect};

    fn check_error(text: &str, expected: Expect) {
        let error = History::read(text.as_bytes(), Some(Format::Edn)).expect_err("no history");
        expected.assert_eq(&error.to_string());
    }

    const EVENTS: &str = r#"
        #jepsen.history.Op{:f :cas, :value [0 "three"], :type :invoke, :process 3, :key :x, :time 35000}
        ; the nemesis is no client
        {:process :nemesis, :type :info, :f :start, :value {:n1 1.5}}
        {:type :ok, :process 3
         :f :cas, #_#_:value 7 :value [0 "three"]}"#;

    #[test]
    fn streams_vectors_and_lists_read_the_same() {
        let stream = History::read(EVENTS.as_bytes(), None).expect("a history");
        assert_eq!(stream.operations().len(), 1);
        assert_eq!(stream.operation(0).key, Some(ValueRef::Text("x")));
        for bracketed in [format!("[{EVENTS}]"), format!("; first\n({EVENTS}\n)\n")] {
            assert_eq!(
                History::read(bracketed.as_bytes(), None),
                Ok(stream.clone())
            );
        }
    }

    #[test]
    fn of_two_fields_of_one_name_the_last_counts() {
        let text = r#"{:process 1 :value [1.5 ()] :type :invoke "f" :read :value [2] :f :write}"#;
        let history = History::read(text.as_bytes(), None).expect("a history");
        let operation = history.operation(0);
        assert_eq!(operation.f, "write");
        assert_eq!(operation.input, Value::List(vec![2.into()]));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = r#"{"process":3,"type":"invoke","f":"cas it","value":[0,[true,null,"a\"b\\\u0007é\n"]],"time":9}
            {"process":3,"type":"info","f":"cas it","value":null,"error":"timed\tout"}
            {"process":4,"type":"invoke","f":"read","key":[1,"x"]}"#;
        let history = History::read(text.as_bytes(), None).expect("a history");
        let written = write_edn(&history);
        assert_eq!(
            History::read(written.as_bytes(), None),
            Ok(history),
            "{written}"
        );
    }

    #[test]
    fn one_value_is_read() {
        assert_eq!(
            parse_edn(" [x 1] "),
            Ok(Value::List(vec!["x".into(), 1.into()]))
        );
        for text in ["", "1 2", "[1", "1.5"] {
            assert!(parse_edn(text).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_say_where_and_what() {
        check_error(
            "[{:process 1 :type :invoke :f :read}\n 7]",
            expect!["line 2, column 2: expected an operation as a map, but found `7]`"],
        );
        check_error(
            "[\n 7]",
            expect!["line 2, column 2: expected an operation as a map, but found `7]`"],
        );
        check_error(
            "[{:process 1 :type :invoke :f :read}",
            expect!["line 1, column 37: expected `]`, but found the end of the text"],
        );
        check_error(
            "[{:process 1 :type :invoke :f :read}] 1",
            expect!["line 1, column 39: expected nothing after the operations, but found `1`"],
        );
        check_error(
            "{:type :invoke :f :read}",
            expect![
                "line 1, column 1: expected in :process a process number or :nemesis, but found no such field"
            ],
        );
        check_error(
            "\n\n {:process 1 :type :began :f :read}",
            expect![
                "line 3, column 14: expected in :type :invoke, :ok, :fail or :info, but found `began`"
            ],
        );
        check_error(
            "{:process 1 :type :invoke :f :write :value [1 2.5]}",
            expect![
                "line 1, column 37: expected in :value integers, strings, keywords, booleans, nil and vectors of them, nested at most 64 deep, but found `2.5`"
            ],
        );
        check_error(
            "{:process 1 :type :invoke :f :read}\n{:process 1 :type :ok :f :write}",
            expect![
                "line 2, column 1: event 1: expected process 1 to complete its `read`, but it completes `write`"
            ],
        );
        check_error(
            "; nothing",
            expect![
                "expected at least one operation of a client, but found none (read as edn; formats are json-lines, edn, jepsen-log, plume, awdit, dbcop, dbcop-json, cobra, fastlin, limo)"
            ],
        );
    }

    #[test]
    fn values_are_nested_and_numbers_large_within_bounds() {
        let events = |process: u64, depth: usize| {
            let value = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
            format!("{{:process {process} :type :invoke :f :write :value {value}}}")
        };
        let history = History::read(events(u64::MAX, 64).as_bytes(), None);
        let history = history.expect("it is within bounds");
        assert_eq!(history.processes(), [u64::MAX]);
        let error = History::read(events(1, 65).as_bytes(), None).expect_err("it is too deep");
        assert!(
            error.to_string().contains("nested at most 64 deep"),
            "{error}"
        );
    }
}
