//! The operations that Jepsen logs: a line such as
//! `INFO  jepsen.util - 0 :invoke :write 4`, with blanks or tabs between the columns.
//!
//! What stands before the process number differs between versions of Jepsen and is not looked at.
//! Lines without an operation are skipped.

use super::EventKind;
use super::builder::WrittenEvent;
use super::datum::Datum;
use super::edn_reader::Reader;
use super::format::{Intake, ReadError, excerpt, lines, unexpected};

pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    for (at, line) in lines(text) {
        if let Some(columns) = find_columns(line) {
            columns.read(text, at, at + line.len(), into)?;
        }
    }
    Ok(())
}

/// The columns of an operation that a line holds.
struct Columns {
    process: u64,
    kind: EventKind,
    /// Where in the line the columns after the kind begin.
    rest: usize,
}

/// The first word that is a kind of event, right after one that is a process number.
fn find_columns(line: &str) -> Option<Columns> {
    let bytes = line.as_bytes();
    let colons = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b':');
    colons.map(|(colon, _)| colon).find_map(|colon| {
        let is_blank = |byte: &u8| byte.is_ascii_whitespace();
        let rest = bytes[colon..].iter().position(is_blank);
        let rest = rest.map_or(bytes.len(), |length| colon + length);
        let kind = EventKind::from_word(&line[colon + 1..rest])?;
        let before = &line[..colon];
        let words = before.trim_ascii_end();
        let process = words.as_bytes().iter().rposition(is_blank);
        let process = &words[process.map_or(0, |blank| blank + 1)..];
        let process = process
            .parse()
            .ok()
            .filter(|_| words.len() < before.len())?;
        Some(Columns {
            process,
            kind,
            rest,
        })
    })
}

impl Columns {
    fn read(
        &self,
        text: &str,
        at: usize,
        end: usize,
        into: &mut Intake<'_>,
    ) -> Result<(), ReadError> {
        let mut reader = Reader::within(text, at + self.rest..end);
        let f = f(&mut reader)?;
        reader.skip()?;
        let position = reader.position();
        let datum = reader.next()?.unwrap_or(Datum::Nil);
        let value = datum.write(&mut into.writer());
        let value = value.map_err(|found| misfit(text, position, found))?;
        let error = reader.rest().trim();
        let keyword_error = match datum {
            // Jepsen writes `:info :write :timed-out`: the error took the value's column.
            Datum::Keyword(name) if self.kind != EventKind::Ok => Some(name),
            _ => None,
        };
        let error = Some(error).filter(|error| !error.is_empty());
        into.push_written(
            at,
            WrittenEvent {
                process: self.process,
                kind: self.kind,
                f,
                key: None,
                value,
                time_ns: 0,
                error: error.or(keyword_error),
            },
        )
    }
}

fn f<'t>(reader: &mut Reader<'t>) -> Result<&'t str, ReadError> {
    const EXPECTED: &str = "the operation's name, such as :read";
    reader.skip()?;
    let position = reader.position();
    match reader.next()? {
        Some(Datum::Keyword(name)) => Ok(name),
        _ => Err(reader.unexpected_at(position, EXPECTED)),
    }
}

fn misfit(text: &str, at: usize, found: &Datum<'_>) -> ReadError {
    const EXPECTED: &str = "integers, strings, keywords, booleans, nil and vectors of them";
    let found = match found {
        Datum::Number(text) => excerpt(text),
        other => excerpt(&format!("{other:?}")),
    };
    unexpected(text, at, EXPECTED, found)
}

#[cfg(test)]
mod tests {
    use crate::history::{Format, History, Outcome};
    use expect_test::{Expect, expect};

    fn check_error(text: &str, expected: Expect) {
        let error = History::read(text.as_bytes(), None).expect_err("no history");
        expected.assert_eq(&error.to_string());
    }

    #[test]
    fn every_way_in_which_jepsen_logs_operations() {
        let lines = [
            "INFO  jepsen.util - 0\t:invoke\t:write\t4",
            "INFO  jepsen.core - Worker 0 starting",
            "INFO [2019-04-02 11:50:12,123] jepsen worker 1 - jepsen.util 1 :invoke :cas [4 5]",
            "INFO  jepsen.util - :nemesis\t:info\t:start\t{:n1 1.5}",
            "2023-05-30 09:51:02,317{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:ok\t:write\t4",
            "1 :info :cas [4 5] :timed-out",
            "2\t:invoke\t:write\t6",
            "2\t:info\t:write\t:timed-out",
            "3 :invoke :read",
            "3 :ok :read nil",
        ];
        let history = History::read(lines.join("\n").as_bytes(), None).expect("a history");
        let summary: Vec<_> = history
            .operations()
            .iter()
            .map(|operation| {
                format!(
                    "{} {} {:?}",
                    operation.f, operation.input, operation.outcome
                )
            })
            .collect();
        assert_eq!(
            summary,
            [
                "write 4 Ok",
                "cas [4 5] Info",
                "write 6 Info",
                "read nil Ok"
            ]
        );
        let error = |id: usize| history.operation(id).error;
        assert_eq!(
            (error(1), error(2)),
            (Some(":timed-out"), Some("timed-out"))
        );
        assert_eq!(history.operation(1).outcome, Outcome::Info);
    }

    #[test]
    fn a_log_without_operations_is_an_error() {
        check_error(
            "INFO  jepsen.core - Worker 0 starting\n",
            expect![
                "expected at least one operation of a client, but found none (read as jepsen-log; formats are json-lines, edn, jepsen-log, plume, awdit, dbcop, dbcop-json, cobra, fastlin, limo)"
            ],
        );
        assert_eq!(Format::detect(b"INFO  jepsen.util"), Format::JepsenLog);
    }

    #[test]
    fn errors_say_where_and_what() {
        check_error(
            "\nINFO  jepsen.util - 0\t:invoke\t:write\t4.5",
            expect![
                "line 2, column 38: expected integers, strings, keywords, booleans, nil and vectors of them, but found `4.5`"
            ],
        );
        check_error(
            "0 :invoke write 4",
            expect![
                "line 1, column 11: expected the operation's name, such as :read, but found `write 4`"
            ],
        );
        check_error(
            "0 :invoke :write [4",
            expect!["line 1, column 20: expected `]`, but found the end of the text"],
        );
    }
}
