//! The operations that Jepsen logs: a line such as
//! `INFO  jepsen.util - 0 :invoke :write 4`, with blanks or tabs between the columns.
//!
//! What stands before the process number differs between versions of Jepsen and is not looked at.
//! Lines without an operation are skipped.

use super::EventKind;
use super::builder::WrittenEvent;
use super::datum::Datum;
use super::edn_reader::Reader;
use super::format::{Intake, ReadError, excerpt, unexpected};
use super::values::{Slot, ValueWriter};

pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    let mut at = 0;
    while let Some(beginning) = find_operation(text, at) {
        let columns = match plain_columns(text, beginning.end, &mut into.writer()) {
            Some(columns) => columns,
            None => any_columns(text, beginning.end, &mut into.writer())?,
        };
        let event = event(&beginning, &columns);
        into.push_written(|| line_start(text, beginning.end), event)?;
        at = columns.end;
    }
    Ok(())
}

/// The columns of an operation up to the kind.
struct Beginning {
    process: u64,
    kind: EventKind,
    end: usize,
}

/// The columns after the kind.
struct Columns<'t> {
    f: &'t str,
    value: Slot,
    /// The value, if it is a keyword.
    keyword: Option<&'t str>,
    /// What stands after the value.
    error: &'t str,
    /// Where the line ends.
    end: usize,
}

/// The first word from a byte on that is a kind of event, right after one that is a process number.
fn find_operation(text: &str, mut from: usize) -> Option<Beginning> {
    loop {
        let colon = find_byte(text, from, b':')?;
        from = colon + 1;
        if let Some((kind, end)) = kind(text, from)
            && let Some(process) = process(&text[..colon])
        {
            return Some(Beginning { process, kind, end });
        }
    }
}

/// Where a byte stands first, from another on. They are looked at by eights: taking one from a byte that
/// is zero borrows (Warren, "Hacker's Delight", section 6-1).
fn find_byte(text: &str, from: usize, byte: u8) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let bytes = &text.as_bytes()[from..];
    let (eights, others) = bytes.as_chunks();
    for (count, &eight) in eights.iter().enumerate() {
        let differences = u64::from_le_bytes(eight) ^ (ONES * u64::from(byte));
        let zeros = differences.wrapping_sub(ONES) & !differences & (ONES << 7);
        if zeros != 0 {
            return Some(from + 8 * count + zeros.trailing_zeros() as usize / 8);
        }
    }
    let other = others.iter().position(|&other| other == byte)?;
    Some(text.len() - others.len() + other)
}

/// The kind of event that is the word from a byte on, and where that ends.
fn kind(text: &str, start: usize) -> Option<(EventKind, usize)> {
    let bytes = &text.as_bytes()[start..];
    let begins = |kind: &&EventKind| bytes.starts_with(kind.word().as_bytes());
    let kind = EventKind::ALL.iter().find(begins)?;
    let end = start + kind.word().len();
    let ends = text[end..].chars().next().is_none_or(char::is_whitespace);
    ends.then_some((*kind, end))
}

/// The process number that is the last word of a line up to here, with blanks after it.
fn process(before: &str) -> Option<u64> {
    let bytes = before.as_bytes();
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() && *byte != b'\n';
    let end = bytes.iter().rposition(|byte| !is_blank(byte))? + 1;
    if end == bytes.len() {
        return None;
    }
    let start = bytes[..end].iter().rposition(u8::is_ascii_whitespace);
    let word = &before[start.map_or(0, |blank| blank + 1)..end];
    word.parse().or_else(|_| word.trim_start().parse()).ok()
}

/// The columns from a byte on as nearly every line has them: a name and a value, each after one blank.
fn plain_columns<'t>(
    text: &'t str,
    at: usize,
    writer: &mut ValueWriter<'_>,
) -> Option<Columns<'t>> {
    let bytes = text.as_bytes();
    let after_blank = |at: usize| {
        let is_blank = matches!(bytes.get(at), Some(b' ' | b'\t'));
        is_blank.then(|| Reader::within(text, at + 1..text.len()))
    };
    let mut reader = after_blank(at)?;
    let f = reader.keyword_name()?;
    let mut reader = after_blank(reader.position())?;
    let start = reader.position();
    let (b'-' | b'0'..=b'9' | b'a'..=b'z' | b':' | b'[') = *bytes.get(start)? else {
        return None;
    };
    let value = reader.value(writer, 0)?;
    let written = &text[start..reader.position()];
    // The reader knows nothing of lines, which a vector may go beyond.
    if written.starts_with('[') && written.contains('\n') {
        return None;
    }
    let (error, end) = up_to_line_end(text, reader.position());
    Some(Columns {
        f,
        value,
        keyword: written.strip_prefix(':'),
        error,
        end,
    })
}

/// What stands from a byte on in its line, and where that ends.
fn up_to_line_end(text: &str, at: usize) -> (&str, usize) {
    match text.as_bytes().get(at) {
        None | Some(b'\n') => ("", at),
        Some(_) => {
            let end = find_byte(text, at, b'\n').unwrap_or(text.len());
            (text[at..end].trim(), end)
        }
    }
}

/// The columns from a byte on, whatever they are.
#[cold]
fn any_columns<'t>(
    text: &'t str,
    at: usize,
    writer: &mut ValueWriter<'_>,
) -> Result<Columns<'t>, ReadError> {
    let end = find_byte(text, at, b'\n').unwrap_or(text.len());
    let mut reader = Reader::within(text, at..at + text[at..end].trim_end().len());
    let f = f(&mut reader)?;
    reader.skip()?;
    let position = reader.position();
    let datum = reader.next()?.unwrap_or(Datum::Nil);
    let value = datum.write(writer);
    Ok(Columns {
        f,
        value: value.map_err(|found| misfit(text, position, found))?,
        keyword: match datum {
            Datum::Keyword(name) => Some(name),
            _ => None,
        },
        error: reader.rest().trim_start(),
        end,
    })
}

fn event<'t>(beginning: &Beginning, columns: &Columns<'t>) -> WrittenEvent<'t> {
    // Jepsen writes `:info :write :timed-out`: the error took the value's column.
    let keyword = columns.keyword.filter(|_| beginning.kind != EventKind::Ok);
    WrittenEvent {
        process: beginning.process,
        kind: beginning.kind,
        f: columns.f,
        key: None,
        value: columns.value,
        time_ns: 0,
        error: match columns.error {
            "" => keyword,
            error => Some(error),
        },
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

/// Where the line of a byte begins.
fn line_start(text: &str, at: usize) -> usize {
    let line = text[..at].rfind('\n').map_or(0, |before| before + 1);
    at - text[line..at].trim_start().len()
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
    use super::*;
    use crate::history::format::lines;
    use crate::history::{Format, History, Outcome};
    use crate::random::{Random, cases};
    use expect_test::{Expect, expect};

    fn text_of(pieces: &[&str], count_max: usize, random: &mut Random) -> String {
        let count = random.below(count_max + 1);
        (0..count)
            .map(|_| pieces[random.below(pieces.len())])
            .collect()
    }

    fn operations(text: &str) -> Vec<(u64, EventKind)> {
        let mut operations = Vec::new();
        let mut at = 0;
        while let Some(found) = find_operation(text, at) {
            operations.push((found.process, found.kind));
            at = find_byte(text, found.end, b'\n').unwrap_or(text.len());
        }
        operations
    }

    fn operations_word_by_word(text: &str) -> Vec<(u64, EventKind)> {
        let operation = |line: &str| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            words.windows(2).find_map(|two| {
                let kind = EventKind::from_word(two[1].strip_prefix(':')?)?;
                Some((two[0].parse().ok()?, kind))
            })
        };
        lines(text)
            .filter_map(|(_, line)| operation(line))
            .collect()
    }

    #[test]
    fn operations_are_found_as_word_by_word() {
        const PIECES: [&str; 20] = [
            " ",
            " ",
            "\t",
            "\n",
            "\r\n",
            "0",
            "12",
            "+3",
            "é",
            "x",
            ":",
            ":ok",
            ":okay",
            ":invoke",
            ":info",
            "0 :ok",
            "1\t:invoke ",
            "2 :fail",
            "\n\u{a0}",
            "\u{a0}\n",
        ];
        let mut found = 0;
        for case in 0..cases(20_000) {
            let text = text_of(&PIECES, 20, &mut Random(case));
            let expected = operations_word_by_word(&text);
            found += expected.len();
            assert_eq!(operations(&text), expected, "{text:?}");
        }
        assert!(found > 1_000, "only {found} operations");
    }

    #[test]
    fn bytes_are_found_by_eights_as_one_by_one() {
        for case in 0..cases(20_000) {
            let text = text_of(&["9", ":", ";", "9;9;9;9;", "é"], 8, &mut Random(case));
            let bytes = text.as_bytes();
            for from in 0..=bytes.len() {
                let expected = bytes[from..].iter().position(|&byte| byte == b':');
                let found = find_byte(&text, from, b':');
                assert_eq!(found, expected.map(|at| from + at), "{text} from {from}");
            }
        }
    }

    /// All there is to know about the columns.
    fn told<'t>(read: impl FnOnce(&mut ValueWriter<'_>) -> Option<Columns<'t>>) -> Option<String> {
        let (mut values, mut tables) = Default::default();
        let columns = read(&mut ValueWriter {
            values: &mut values,
            tables: &mut tables,
        })?;
        let value = values.get(columns.value);
        let Columns {
            f,
            keyword,
            error,
            end,
            ..
        } = columns;
        Some(format!("{f} {value} {keyword:?} {error:?} {end}"))
    }

    #[test]
    fn plain_columns_are_as_any_columns() {
        const PIECES: [&str; 46] = [
            " ",
            " ",
            "\t",
            "\t",
            "\n",
            "\r\n",
            ",",
            "\u{b}",
            "\u{a0}",
            "\u{2028}",
            ":read",
            ":é",
            ":\u{a0}",
            ":",
            "::a",
            "nil",
            "nilé",
            "true",
            "x",
            "é",
            "0",
            "4",
            "-7",
            "-",
            "+1",
            "007",
            "7N",
            "4.5",
            "1/2",
            "123456789012345678",
            "9223372036854775807",
            "9223372036854775808",
            "[",
            "]",
            "[4 5]",
            "[:r 1 nil]",
            "(1)",
            "{1 2}",
            "#{1}",
            "#t ",
            "#_",
            ";",
            "\"a b\"",
            "\"",
            "\\",
            "\\a",
        ];
        let mut plain_count = 0;
        let count = cases(20_000);
        for case in 0..count {
            let mut random = Random(case);
            let name = ["\t:read\t", " :cas ", " :a\t", "\t:a"][random.below(4)];
            let rest = text_of(&PIECES, 6, &mut random);
            let text = match random.one_in(10) {
                true => rest,
                false => format!("{name}{rest}"),
            };
            let Some(plain) = told(|writer| plain_columns(&text, 0, writer)) else {
                continue;
            };
            let any = told(|writer| any_columns(&text, 0, writer).ok());
            assert_eq!(Some(plain), any, "{text:?}");
            plain_count += 1;
        }
        assert!(plain_count > count / 10, "only {plain_count} were plain");
    }

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
