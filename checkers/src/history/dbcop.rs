//! Dbcop's two notations of transactions.
//!
//! The text: `[x:=1 y==2 z==?]` writes x, reads 2 of y, and finds that z was never written;
//! transactions on a line or several, `!` behind one that was not committed, sessions between lines
//! of dashes, comments from `//` on. The JSON: a list of sessions, which are lists of `{"events":
//! [{"Write": {"variable": 0, "version": 1}}, …], "committed": true}`, or an object that has it as
//! `"data"`.

use super::format::{Intake, ReadError, lines, unexpected, unexpected_at};
use super::transactions::Transaction;
use super::{EventKind, Value};
use serde::Deserialize;

pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    let mut session = 0;
    for (at, line) in lines(text) {
        if line.starts_with('-') {
            if let Some(other) = line.find(|letter| letter != '-') {
                return Err(unexpected_at(text, at + other, "a line of dashes"));
            }
            session += 1;
            continue;
        }
        let line = line.split_once("//").map_or(line, |(before, _)| before);
        let mut reader = LineReader {
            text,
            at,
            end: at + line.trim_end().len(),
        };
        while reader.at < reader.end {
            let begun = reader.at;
            let (transaction, end) = reader.transaction()?;
            transaction.push(into, begun, session, end)?;
            reader.skip_blank();
        }
    }
    Ok(())
}

/// What is left of a line.
struct LineReader<'t> {
    text: &'t str,
    at: usize,
    end: usize,
}

impl<'t> LineReader<'t> {
    fn transaction(&mut self) -> Result<(Transaction, EventKind), ReadError> {
        let mut transaction = Transaction::default();
        self.expect("[")?;
        loop {
            self.skip_blank();
            if self.skip("]") {
                break;
            }
            self.event(&mut transaction)?;
        }
        let end = if self.skip("!") {
            EventKind::Fail
        } else {
            EventKind::Ok
        };
        Ok((transaction, end))
    }

    fn event(&mut self, transaction: &mut Transaction) -> Result<(), ReadError> {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let name = self.take_while(is_name);
        if !name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
            let expected = "a variable or `]`";
            return Err(unexpected_at(self.text, self.at - name.len(), expected));
        }
        let key = Value::from(name);
        if self.skip(":=") {
            let version = self.version()?;
            transaction.write(key, version);
        } else if self.skip("==?") {
            transaction.read(key, Value::Nil);
        } else {
            self.expect("==")?;
            let version = self.version()?;
            transaction.read(key, version);
        }
        Ok(())
    }

    fn version(&mut self) -> Result<Value, ReadError> {
        let start = self.at;
        let digits = self.take_while(|letter| letter.is_ascii_digit());
        let parsed = digits.parse().map(Value::Int);
        parsed.map_err(|_| unexpected_at(self.text, start, "a version, which is an integer"))
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..self.end]
    }

    fn take_while(&mut self, is_in: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|letter| !is_in(letter)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn skip_blank(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn skip(&mut self, mark: &str) -> bool {
        let stands = self.rest().starts_with(mark);
        self.at += if stands { mark.len() } else { 0 };
        stands
    }

    fn expect(&mut self, mark: &str) -> Result<(), ReadError> {
        match self.skip(mark) {
            true => Ok(()),
            false => Err(unexpected_at(self.text, self.at, &format!("`{mark}`"))),
        }
    }
}

/// What dbcop writes into a file, as far as it matters.
#[derive(Deserialize)]
struct Document {
    data: Vec<Vec<JsonTransaction>>,
}

#[derive(Deserialize)]
struct JsonTransaction {
    events: Vec<JsonEvent>,
    committed: bool,
}

#[derive(Deserialize)]
enum JsonEvent {
    Read { variable: i64, version: Option<i64> },
    Write { variable: i64, version: i64 },
}

pub(super) fn read_json(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    let read = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map(|document: Document| document.data),
        false => serde_json::from_str(text),
    };
    let sessions: Vec<Vec<JsonTransaction>> = read.map_err(|error| {
        let before = text
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1));
        let at = before.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let at = text.floor_char_boundary(at.min(text.len()));
        let expected = "a list of sessions of {\"events\": […], \"committed\": …}";
        let told = error.to_string();
        let what = told
            .rsplit_once(" at line")
            .map_or(&*told, |(what, _)| what);
        unexpected(text, at, expected, what.to_owned())
    })?;
    for (session, transactions) in (0..).zip(sessions) {
        for JsonTransaction { events, committed } in transactions {
            let mut transaction = Transaction::default();
            for event in events {
                match event {
                    JsonEvent::Read { variable, version } => {
                        let version = version.map_or(Value::Nil, Value::Int);
                        transaction.read(Value::Int(variable), version);
                    }
                    JsonEvent::Write { variable, version } => {
                        transaction.write(Value::Int(variable), Value::Int(version));
                    }
                }
            }
            let end = if committed {
                EventKind::Ok
            } else {
                EventKind::Fail
            };
            transaction.push(into, 0, session, end)?;
        }
    }
    Ok(())
}
