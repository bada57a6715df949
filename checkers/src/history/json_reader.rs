//! JSON (RFC 8259), as data are nested at most [`VALUE_DEPTH_MAX`] deep.

use super::Value;
use super::datum::{Datum, VALUE_DEPTH_MAX};
use super::format::{ReadError, unexpected_at};
use super::record::Fields;
use std::borrow::Cow;
use std::ops::Range;

/// Reads one part of a text.
pub(super) struct JsonReader<'t> {
    text: &'t str,
    at: usize,
    end: usize,
}

impl<'t> JsonReader<'t> {
    pub(super) fn within(text: &'t str, part: Range<usize>) -> Self {
        Self {
            text,
            at: part.start,
            end: part.end,
        }
    }

    /// The fields of the one object that stands there.
    pub(super) fn fields(&mut self) -> Result<Fields<'t>, ReadError> {
        let mut fields = Fields::default();
        self.skip_blank();
        if self.peek() != Some(b'{') {
            return Err(self.unexpected("a JSON object"));
        }
        self.each(b'}', |reader| {
            let name = reader.name()?;
            fields.put(&name, reader.datum(0)?);
            Ok(())
        })?;
        self.finish("one JSON object on the line")?;
        Ok(fields)
    }

    /// The one datum that stands there, which is nested so deep in another.
    pub(super) fn only(&mut self, depth: usize) -> Result<Datum<'t>, ReadError> {
        let datum = self.datum(depth)?;
        self.finish("nothing more")?;
        Ok(datum)
    }

    fn finish(&mut self, expected: &str) -> Result<(), ReadError> {
        self.skip_blank();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected(expected)),
        }
    }

    fn datum(&mut self, depth: usize) -> Result<Datum<'t>, ReadError> {
        self.skip_blank();
        match self.peek() {
            Some(b'"') => self.string().map(Datum::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'[' | b'{') if depth == VALUE_DEPTH_MAX => {
                let expected = format!("data nested at most {VALUE_DEPTH_MAX} deep");
                Err(self.unexpected(&expected))
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.each(b']', |reader| {
                    items.push(reader.datum(depth + 1)?);
                    Ok(())
                })?;
                Ok(Datum::Sequence(items))
            }
            Some(b'{') => {
                let mut entries = Vec::new();
                self.each(b'}', |reader| {
                    let key = key(reader.name()?, depth + 1);
                    entries.push((key, reader.datum(depth + 1)?));
                    Ok(())
                })?;
                Ok(Datum::Map(entries))
            }
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Datum<'t>, ReadError> {
        for (word, datum) in [
            ("null", Datum::Nil),
            ("true", Datum::Bool(true)),
            ("false", Datum::Bool(false)),
        ] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(datum);
            }
        }
        Err(self.unexpected("a JSON value"))
    }

    /// What stands between brackets, with commas between.
    fn each(
        &mut self,
        end: u8,
        mut one: impl FnMut(&mut Self) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.at += 1;
        if self.skip(end) {
            return Ok(());
        }
        loop {
            one(self)?;
            if self.skip(end) {
                return Ok(());
            }
            if !self.skip(b',') {
                let expected = format!("`,` or `{}`", char::from(end));
                return Err(self.unexpected(&expected));
            }
        }
    }

    /// A field's name, and the colon.
    fn name(&mut self) -> Result<Cow<'t, str>, ReadError> {
        self.skip_blank();
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("the name of a field"));
        }
        let name = self.string()?;
        match self.skip(b':') {
            true => Ok(name),
            false => Err(self.unexpected("`:`")),
        }
    }

    fn number(&mut self) -> Result<Datum<'t>, ReadError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let is_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if is_zero && digits > 1 {
            self.at = start;
            return Err(self.unexpected("a number without zeros before it"));
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            is_integer = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let number = &self.text[start..self.at];
        let small = number.parse().ok().filter(|_| is_integer);
        Ok(small.map_or(Datum::Number(number), Datum::Int))
    }

    /// At least one; how many.
    fn digits(&mut self) -> Result<usize, ReadError> {
        let rest = &self.text.as_bytes()[self.at..self.end];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        match count {
            0 => Err(self.unexpected("a digit")),
            count => Ok(count),
        }
    }

    fn string(&mut self) -> Result<Cow<'t, str>, ReadError> {
        let start = self.at;
        self.at += 1;
        let plain = self.plain();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.unexpected("no control character in a string")),
                None => return Err(unexpected_at(self.text, start, "a string that ends")),
            }
            text.push_str(self.plain());
        }
        self.at += 1;
        Ok(Cow::Owned(text))
    }

    /// What stands there up to the next quote, escape or control character.
    fn plain(&mut self) -> &'t str {
        let rest = self.rest();
        let is_plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
        let length = rest.bytes().take_while(|byte| is_plain(byte)).count();
        self.at += length;
        &rest[..length]
    }

    fn escape(&mut self) -> Result<char, ReadError> {
        let start = self.at;
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        let inside = self.at + 2 <= self.end;
        self.at += 2;
        let letter = match letter.filter(|_| inside) {
            Some(letter @ (b'"' | b'\\' | b'/')) => Some(char::from(letter)),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            Some(b'u') => self.unicode(),
            _ => None,
        };
        letter.ok_or_else(|| unexpected_at(self.text, start, "an escape such as `\\n`"))
    }

    /// The letter of an escape, which may be half of it.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        let rest = self.rest();
        self.at += rest.strip_prefix("\\u").map(|_| 2)?;
        let second = self.four_digits()?.checked_sub(0xdc00)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + second).filter(|_| second < 0x400)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        self.at += 4;
        u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    }

    /// Goes past blanks, and then past a mark if it stands there.
    fn skip(&mut self, mark: u8) -> bool {
        self.skip_blank();
        let stands = self.peek() == Some(mark);
        self.at += usize::from(stands);
        stands
    }

    fn skip_blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes()[..self.end].get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..self.end]
    }

    fn unexpected(&self, expected: &str) -> ReadError {
        unexpected_at(&self.text[..self.end], self.at, expected)
    }
}

/// The key that a field's name stands for, in a map that is nested so deep: see [`super::map`].
fn key(name: Cow<'_, str>, depth: usize) -> Datum<'_> {
    match other_key(&name, depth) {
        Some(other) => Datum::Value(other),
        None => Datum::Text(name),
    }
}

/// The key that is written as a text, if it is another value than that text.
pub(super) fn other_key(name: &str, depth: usize) -> Option<Value> {
    let begins_other = |byte: u8| {
        matches!(
            byte,
            b'"' | b'-' | b'0'..=b'9' | b'[' | b'{' | b'f' | b'n' | b't'
        ) || byte.is_ascii_whitespace()
    };
    let mut reader = JsonReader::within(name, 0..name.len());
    reader.peek().filter(|&byte| begins_other(byte))?;
    reader.only(depth).ok()?.to_value()
}
