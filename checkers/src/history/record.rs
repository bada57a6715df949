//! An event as a map, in EDN or JSON: fields in any order, of which some tell what happened.

use super::EventKind;
use super::builder::WrittenEvent;
use super::datum::{Datum, VALUE_DEPTH_MAX};
use super::format::{Intake, ReadError, excerpt, unexpected};
use super::values::Slot;
use std::borrow::Cow;

/// What stands in the fields of which the names are known; of two of one name, in the last.
#[derive(Default)]
pub(super) struct Fields<'t> {
    process: Option<Datum<'t>>,
    kind: Option<Datum<'t>>,
    f: Option<Datum<'t>>,
    key: Option<Datum<'t>>,
    value: Option<Datum<'t>>,
    error: Option<Datum<'t>>,
    time: Option<Datum<'t>>,
}

impl<'t> Fields<'t> {
    pub(super) fn put(&mut self, name: &str, datum: Datum<'t>) {
        let field = match name {
            "process" => &mut self.process,
            "type" => &mut self.kind,
            "f" => &mut self.f,
            "key" => &mut self.key,
            "value" => &mut self.value,
            "error" => &mut self.error,
            "time" => &mut self.time,
            _ => return,
        };
        *field = Some(datum);
    }
}

/// In which notation people expect to be told what is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    Edn,
    Json,
}

/// What is found where nothing is.
const NO_FIELD: &str = "no such field";

pub(super) struct Record<'t> {
    pub(super) text: &'t str,
    /// Where it begins.
    pub(super) at: usize,
    pub(super) notation: Notation,
    pub(super) fields: Fields<'t>,
}

impl Record<'_> {
    /// Adds the event to a history; the nemesis's are left out.
    pub(super) fn push(&self, into: &mut Intake<'_>) -> Result<(), ReadError> {
        let Some(process) = self.process()? else {
            return Ok(());
        };
        let (kind, f) = (self.kind()?, self.f()?);
        let Fields {
            key,
            value,
            error,
            time,
            ..
        } = &self.fields;
        let key = self.value("key", key.as_ref(), into)?;
        let value = self.value("value", value.as_ref(), into)?;
        let error = error.as_ref().and_then(error_text);
        into.push_written(
            || self.at,
            WrittenEvent {
                process,
                kind,
                f,
                key: Some(key).filter(|key| *key != Slot::NIL),
                value,
                time_ns: time.as_ref().map_or(0, time_ns),
                error: error.as_deref(),
            },
        )
    }

    /// Elle's examples have transactions of one process and leave out all but what they did.
    fn is_bare(&self) -> bool {
        let is_edn = self.notation == Notation::Edn;
        is_edn && self.fields.process.is_none() && self.fields.f.is_none()
    }

    /// `None` for the nemesis.
    fn process(&self) -> Result<Option<u64>, ReadError> {
        let datum = self.fields.process.as_ref();
        let name = datum
            .and_then(Datum::name)
            .map(|name| name.trim_start_matches(':'));
        match datum {
            Some(Datum::Int(-1)) => Ok(None),
            _ if name == Some("nemesis") => Ok(None),
            None if self.is_bare() => Ok(Some(0)),
            Some(number) if number.natural().is_some() => Ok(number.natural()),
            _ => Err(self.unexpected("process", "a process number or {nemesis}", datum)),
        }
    }

    fn kind(&self) -> Result<EventKind, ReadError> {
        let datum = self.fields.kind.as_ref();
        let word = datum.and_then(Datum::name).unwrap_or("");
        EventKind::from_word(word.trim_start_matches(':'))
            .ok_or_else(|| self.unexpected("type", "{invoke}, {ok}, {fail} or {info}", datum))
    }

    fn f(&self) -> Result<&str, ReadError> {
        let datum = self.fields.f.as_ref();
        match datum.and_then(Datum::name) {
            Some(name) => Ok(name),
            None if self.is_bare() => Ok("txn"),
            None => Err(self.unexpected("f", "the operation's name, such as {read}", datum)),
        }
    }

    fn value(
        &self,
        name: &str,
        datum: Option<&Datum<'_>>,
        into: &mut Intake<'_>,
    ) -> Result<Slot, ReadError> {
        let Some(datum) = datum else {
            return Ok(Slot::NIL);
        };
        datum.write(&mut into.writer()).map_err(|found| {
            let kinds = match self.notation {
                Notation::Edn => "integers, strings, keywords, booleans, nil and vectors of them",
                Notation::Json => "integers, strings, booleans, null and lists of them",
            };
            let expected = format!("{kinds}, nested at most {VALUE_DEPTH_MAX} deep");
            self.unexpected(name, &expected, Some(found))
        })
    }

    /// Names in braces are written as the notation has them.
    fn unexpected(&self, name: &str, expected: &str, found: Option<&Datum<'_>>) -> ReadError {
        let found = match found {
            None => NO_FIELD.to_owned(),
            Some(Datum::Text(text)) if self.notation == Notation::Json => {
                excerpt(&format!("{text:?}"))
            }
            Some(datum) => excerpt(&error_text(datum).unwrap_or(Cow::Borrowed("nil"))),
        };
        let written = |text: String| match self.notation {
            Notation::Edn => text.replace('{', ":").replace('}', ""),
            Notation::Json => text.replace(['{', '}'], "\""),
        };
        let name = written(format!("{{{name}}}"));
        let rest = &self.text[self.at..];
        let place = rest.find(&name).filter(|_| found != NO_FIELD);
        let expected = format!("in {name} {}", written(expected.to_owned()));
        unexpected(self.text, self.at + place.unwrap_or(0), &expected, found)
    }
}

/// Times are for display: one that is no time counts as none.
fn time_ns(datum: &Datum<'_>) -> u64 {
    let fraction = || match datum {
        Datum::Number(time) => time.parse::<f64>().ok(),
        _ => None,
    };
    datum
        .natural()
        .or_else(|| fraction().map(|time| time as u64))
        .unwrap_or(0)
}

/// An error as it was written, more or less.
fn error_text<'d>(datum: &'d Datum<'_>) -> Option<Cow<'d, str>> {
    match datum {
        Datum::Nil => None,
        Datum::Number(text) => Some(Cow::Borrowed(text)),
        other => Some(match (other.name(), other.to_value()) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, Some(value)) => Cow::Owned(value.to_string()),
            (None, None) => Cow::Owned(format!("{other:?}")),
        }),
    }
}
