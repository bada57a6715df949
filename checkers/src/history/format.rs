//! Which format a file is in, and what reading it can run into.

use super::{
    Event, History, HistoryBuilder, HistoryError, ProcessReuse, edn, jepsen_log, json_lines,
};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A format that histories come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    JsonLines,
    /// Jepsen's `history.edn`: maps one after another, or one vector or list of them.
    Edn,
    /// The operations among the lines of a `jepsen.log`.
    JepsenLog,
}

impl Format {
    const ALL: [Self; 3] = [Self::JsonLines, Self::Edn, Self::JepsenLog];

    /// The format that the content looks like. It never fails: a guess that was wrong shows as an
    /// error of that format's reader.
    pub fn detect(bytes: &[u8]) -> Self {
        let mut rest = bytes.trim_ascii_start();
        if rest.first() == Some(&b'{') {
            rest = rest[1..].trim_ascii_start();
            return if matches!(rest.first(), Some(b'"' | b'}')) {
                Self::JsonLines
            } else {
                Self::Edn
            };
        }
        match rest.first() {
            Some(b'[' | b'(' | b';' | b'#' | b',') => Self::Edn,
            _ => Self::JepsenLog,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "json-lines",
            Self::Edn => "edn",
            Self::JepsenLog => "jepsen-log",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// A format that nobody here reads.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a history format (json-lines, edn or jepsen-log), but found `{0}`")]
pub struct UnknownFormat(String);

/// Why a file is not a history. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error("line {line}, column {column}: expected {expected}, but found {found}")]
    Unexpected {
        line: usize,
        column: usize,
        expected: String,
        found: String,
    },
    #[error("line {line}: {source}")]
    NoHistory { line: usize, source: HistoryError },
    #[error(
        "expected at least one operation of a client, but found none (read as {format}; formats are json-lines, edn and jepsen-log)"
    )]
    NoOperation { format: Format },
}

/// What readers read into.
pub(super) struct Intake(HistoryBuilder);

impl Intake {
    /// Adds the event that began on a line.
    pub(super) fn push(&mut self, line: usize, event: Event) -> Result<(), ReadError> {
        let pushed = self.0.push(event);
        pushed.map_err(|source| ReadError::NoHistory { line, source })
    }
}

pub(super) fn read(bytes: &[u8], format: Option<Format>) -> Result<History, ReadError> {
    let text = text(bytes)?;
    let format = format.unwrap_or_else(|| Format::detect(text.as_bytes()));
    let mut into = Intake(HistoryBuilder::new(ProcessReuse::AfterInfo));
    match format {
        Format::JsonLines => json_lines::read(text, &mut into)?,
        Format::Edn => edn::read(text, &mut into)?,
        Format::JepsenLog => jepsen_log::read(text, &mut into)?,
    }
    if into.0.is_empty() {
        return Err(ReadError::NoOperation { format });
    }
    Ok(into.0.finish())
}

fn text(bytes: &[u8]) -> Result<&str, ReadError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let (line, column) = line_and_column(&bytes[..at]);
        let found = format!("the byte 0x{:02x}", bytes[at]);
        ReadError::Unexpected {
            line,
            column,
            expected: "UTF-8 text".to_owned(),
            found,
        }
    })?;
    // A byte order mark is no part of the text.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Where the text goes on after `before`; columns count characters.
pub(super) fn line_and_column(before: &[u8]) -> (usize, usize) {
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let line_start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let column = 1 + String::from_utf8_lossy(&before[line_start..])
        .chars()
        .count();
    (line, column)
}

/// At most so many characters of what was found, so that an error stays a line.
pub(super) fn excerpt(text: &str) -> String {
    const LENGTH_MAX: usize = 40;
    let line = text.lines().next().unwrap_or("").trim_end();
    match line.char_indices().nth(LENGTH_MAX) {
        _ if line.is_empty() => "the end of the text".to_owned(),
        None => format!("`{line}`"),
        Some((end, _)) => format!("`{}…`", &line[..end]),
    }
}
