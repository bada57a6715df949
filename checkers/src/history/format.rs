//! Which format a file is in, and what reading it can run into.

use super::builder::WrittenEvent;
use super::values::ValueWriter;
use super::{
    EventRef, History, HistoryBuilder, HistoryError, ProcessReuse, awdit, cobra, dbcop, edn,
    intervals, jepsen_log, json_lines, limo, plume,
};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A format that histories come in.
///
/// In those of others that only hold completed transactions, nothing tells which came first in time:
/// their transactions stand in the history one after another, session by session, and a judgement must
/// be by a model without real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    JsonLines,
    /// Maps one after another, or one vector or list of them: Jepsen's `history.edn`, and what
    /// Porcupine's tests have of key-value stores.
    Edn,
    /// The operations among the lines of a `jepsen.log`.
    JepsenLog,
    /// Reads and writes of transactions, one per line, as Plume and PolySI have them:
    /// `w(key,value,session,transaction)`. The value 0 is that before the first write.
    Plume,
    /// As AWDIT's tests write them: `w key value`, transactions between dashes, sessions between `=`.
    Awdit,
    /// Dbcop's text: `[x:=1 y==?]`, sessions between dashes.
    Dbcop,
    /// Dbcop's JSON: a list of sessions, with or without what it says about them.
    DbcopJson,
    /// The binary log of one session, as Cobra writes it. See [`super::read_cobra`] for several.
    Cobra,
    /// Operations with their times, as fastlin has them: below `# queue` lines such as `enq 1 3 7`.
    Fastlin,
    /// Calls and returns as LiMo has them: `[1] call enq(7)`, `[1] return`.
    Limo,
}

impl Format {
    pub const ALL: [Self; 10] = [
        Self::JsonLines,
        Self::Edn,
        Self::JepsenLog,
        Self::Plume,
        Self::Awdit,
        Self::Dbcop,
        Self::DbcopJson,
        Self::Cobra,
        Self::Fastlin,
        Self::Limo,
    ];

    /// The format that the content looks like. It never fails: a guess that was wrong shows as an
    /// error of that format's reader.
    pub fn detect(bytes: &[u8]) -> Self {
        if cobra::looks_so(bytes) {
            return Self::Cobra;
        }
        // What begins a file tells its format. (Half a letter at the end matters to nobody.)
        const BEGINNING: usize = 4096;
        let beginning = &bytes[..bytes.len().min(BEGINNING)];
        // As `from_utf8_lossy`, which takes four times as long where nothing is lost.
        let text = match std::str::from_utf8(beginning) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(beginning),
        };
        let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let dense: String = text.split_ascii_whitespace().take(8).collect();
        match text.bytes().next() {
            Some(b'{') if dense.starts_with("{\"params\"") => Self::DbcopJson,
            Some(b'{') if dense.starts_with("{\"") || dense.starts_with("{}") => Self::JsonLines,
            Some(b'[') if dense.starts_with("[[{\"") => Self::DbcopJson,
            _ if dense.starts_with("//") || is_dbcop_text(text) => Self::Dbcop,
            _ if limo::looks_so(text) => Self::Limo,
            _ if intervals::looks_so(text) => Self::Fastlin,
            _ if dense.starts_with("r(") || dense.starts_with("w(") => Self::Plume,
            _ if text.starts_with("r ") || text.starts_with("w ") => Self::Awdit,
            Some(b'{' | b'[' | b'(' | b';' | b'#' | b',') => Self::Edn,
            _ => Self::JepsenLog,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "json-lines",
            Self::Edn => "edn",
            Self::JepsenLog => "jepsen-log",
            Self::Plume => "plume",
            Self::Awdit => "awdit",
            Self::Dbcop => "dbcop",
            Self::DbcopJson => "dbcop-json",
            Self::Cobra => "cobra",
            Self::Fastlin => "fastlin",
            Self::Limo => "limo",
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

/// `[name:=` or `[name==`.
fn is_dbcop_text(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('[') else {
        return false;
    };
    let event = inside.trim_start();
    let name = event.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
    name.len() < event.len() && (name.starts_with(":=") || name.starts_with("=="))
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
#[error("expected a history format ({formats}), but found `{0}`", formats = Format::names())]
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
    /// In a format that has no lines.
    #[error("byte {byte}: expected {expected}, but found {found}")]
    UnexpectedByte {
        byte: usize,
        expected: &'static str,
        found: String,
    },
    /// `line` and `column` are those of the event that does not fit.
    #[error("line {line}, column {column}: {error}")]
    NoHistory {
        line: usize,
        column: usize,
        error: HistoryError,
    },
    #[error(
        "expected at least one operation of a client, but found none (read as {format}; formats are {formats})",
        formats = Format::names()
    )]
    NoOperation { format: Format },
}

/// What readers of texts read into.
pub(super) struct Intake<'t> {
    text: &'t str,
    builder: HistoryBuilder,
}

impl Intake<'_> {
    /// Adds the event that is written from a byte on.
    pub(super) fn push(&mut self, at: usize, event: EventRef<'_>) -> Result<(), ReadError> {
        let pushed = self.builder.push_ref(event);
        pushed.map_err(|source| self.no_history(at, source))
    }

    /// As [`Intake::push`], of an event whose values were written with [`Intake::writer`].
    pub(super) fn push_written(
        &mut self,
        at: impl FnOnce() -> usize,
        mut event: WrittenEvent<'_>,
    ) -> Result<(), ReadError> {
        // A keyword's colon is no part of a name, wherever it was written.
        while let Some(name) = event.f.strip_prefix(':') {
            event.f = name;
        }
        let pushed = self.builder.push_written(event);
        pushed.map_err(|source| self.no_history(at(), source))
    }

    pub(super) fn writer(&mut self) -> ValueWriter<'_> {
        self.builder.writer()
    }

    fn no_history(&self, at: usize, error: HistoryError) -> ReadError {
        let blank = |byte: &&u8| byte.is_ascii_whitespace() || **byte == b',';
        let at = at + self.text.as_bytes()[at..].iter().take_while(blank).count();
        let (line, column) = line_and_column(&self.text.as_bytes()[..at]);
        ReadError::NoHistory {
            line,
            column,
            error,
        }
    }
}

pub(super) fn read(bytes: &[u8], format: Option<Format>) -> Result<History, ReadError> {
    let format = format.unwrap_or_else(|| Format::detect(bytes));
    let history = match format {
        Format::Cobra => cobra::read([bytes])?,
        _ => read_text(text(bytes)?, format)?,
    };
    match history.operations().is_empty() {
        true => Err(ReadError::NoOperation { format }),
        false => Ok(history),
    }
}

fn read_text(text: &str, format: Format) -> Result<History, ReadError> {
    let mut into = Intake {
        text,
        builder: HistoryBuilder::new(ProcessReuse::AfterInfo),
    };
    /// Few formats have shorter ones.
    const EVENT_BYTES: usize = 32;
    into.builder.make_room(text.len() / EVENT_BYTES);
    match format {
        Format::JsonLines => json_lines::read(text, &mut into)?,
        Format::Edn => edn::read(text, &mut into)?,
        Format::JepsenLog => jepsen_log::read(text, &mut into)?,
        Format::Plume => plume::read(text, &mut into)?,
        Format::Awdit => awdit::read(text, &mut into)?,
        Format::Dbcop => dbcop::read(text, &mut into)?,
        Format::DbcopJson => dbcop::read_json(text, &mut into)?,
        Format::Fastlin => intervals::read(text, &mut into)?,
        Format::Limo => limo::read(text, &mut into)?,
        Format::Cobra => unreachable!("no text"),
    }
    Ok(into.builder.finish())
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

/// That something else than expected stands at a byte of a text.
pub(super) fn unexpected_at(text: &str, at: usize, expected: &str) -> ReadError {
    unexpected(text, at, expected, excerpt(&text[at..]))
}

pub(super) fn unexpected(text: &str, at: usize, expected: &str, found: String) -> ReadError {
    let (line, column) = line_and_column(&text.as_bytes()[..at]);
    ReadError::Unexpected {
        line,
        column,
        expected: expected.to_owned(),
        found,
    }
}

/// The lines of a text that are not blank, trimmed, and where they begin.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut end = 0;
    let lines = text.split_inclusive('\n').map(move |line| {
        end += line.len();
        let rest = line.trim_start();
        (end - rest.len(), rest.trim_end())
    });
    lines.filter(|(_, line)| !line.is_empty())
}

/// The words of a line that begins at a byte, and where they begin.
pub(super) fn words(at: usize, line: &str) -> impl Iterator<Item = (usize, &str)> {
    let start = line.as_ptr().addr();
    line.split_ascii_whitespace()
        .map(move |word| (at + (word.as_ptr().addr() - start), word))
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
