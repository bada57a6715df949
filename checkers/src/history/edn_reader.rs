//! EDN, the notation of Clojure's data: as much of it as histories use.
//!
//! The format is described at <https://github.com/edn-format/edn>. A datum is nested at most
//! [`DEPTH_MAX`] deep, so that no input can exhaust the stack.

use super::datum::Datum;
use super::format::{ReadError, unexpected_at};
use std::borrow::Cow;
use std::ops::Range;

/// How deep data may be nested.
const DEPTH_MAX: usize = 80;

/// Reads data one after another.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self::within(text, 0..text.len())
    }

    /// Reads a part of a text. Errors tell where in the whole.
    pub(super) fn within(text: &'a str, part: Range<usize>) -> Self {
        Self {
            text,
            at: part.start,
            end: part.end,
        }
    }

    /// The next datum, or `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Datum<'a>>, ReadError> {
        self.skip_blank(0)?;
        if self.rest().is_empty() {
            Ok(None)
        } else {
            self.datum(0).map(Some)
        }
    }

    /// Goes past blanks, comments and discarded data, and then past `mark` if it stands there.
    pub(super) fn skip_mark(&mut self, mark: char) -> Result<bool, ReadError> {
        self.skip_blank(0)?;
        let stands = self.rest().starts_with(mark);
        if stands {
            self.at += mark.len_utf8();
        }
        Ok(stands)
    }

    /// Goes past blanks, comments and discarded data.
    pub(super) fn skip(&mut self) -> Result<(), ReadError> {
        self.skip_blank(0)
    }

    /// The byte at which the next datum begins, once blanks are skipped.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..self.end]
    }

    /// The error of something else than expected at a position.
    pub(super) fn unexpected_at(&self, position: usize, expected: &str) -> ReadError {
        unexpected_at(&self.text[..self.end], position, expected)
    }

    fn skip_blank(&mut self, depth: usize) -> Result<(), ReadError> {
        loop {
            let bytes = &self.text.as_bytes()[self.at..self.end];
            let is_blank = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ' | b',');
            let blanks = bytes.iter().take_while(|&byte| is_blank(byte)).count();
            self.at += blanks;
            if matches!(bytes.get(blanks), Some(b'!'..=b'\x7f') if !matches!(bytes[blanks], b';' | b'#'))
            {
                return Ok(());
            }
            let rest = self.rest();
            if !rest.starts_with(|letter: char| letter.is_ascii()) {
                let others = rest.trim_start_matches(char::is_whitespace);
                self.at += rest.len() - others.len();
                if others.len() < rest.len() {
                    continue;
                }
            }
            if rest.starts_with(';') {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("#_") {
                self.at += 2;
                self.skip_blank(self.deeper(depth)?)?;
                self.datum(self.deeper(depth)?)?;
            } else {
                return Ok(());
            }
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, ReadError> {
        if depth < DEPTH_MAX {
            return Ok(depth + 1);
        }
        Err(self.unexpected_at(self.at, &format!("data nested at most {DEPTH_MAX} deep")))
    }

    fn datum(&mut self, depth: usize) -> Result<Datum<'a>, ReadError> {
        let rest = self.rest();
        match rest.bytes().next() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.sequence(1, b']', depth),
            Some(b'(') => self.sequence(1, b')', depth),
            Some(b'#') if rest.starts_with("#{") => self.sequence(2, b'}', depth),
            Some(b'#') => self.tagged(depth),
            Some(b'"') => self.string(),
            Some(b'\\') => self.character(),
            Some(b':') => self.keyword(),
            Some(byte) if !DELIMITERS[usize::from(byte)] => Ok(self.number_or_symbol()),
            Some(0x80..) if !rest.starts_with(is_delimiter) => Ok(self.number_or_symbol()),
            _ => Err(self.unexpected_at(self.at, "EDN data")),
        }
    }

    fn sequence(&mut self, opening: usize, end: u8, depth: usize) -> Result<Datum<'a>, ReadError> {
        let depth = self.deeper(depth)?;
        self.at += opening;
        let mut items = Vec::new();
        while !self.skip_end(end, depth)? {
            items.push(self.datum(depth)?);
        }
        Ok(Datum::Sequence(items))
    }

    fn map(&mut self, depth: usize) -> Result<Datum<'a>, ReadError> {
        let depth = self.deeper(depth)?;
        self.at += 1;
        let mut entries = Vec::new();
        while !self.skip_end(b'}', depth)? {
            let key = self.datum(depth)?;
            self.skip_blank(depth)?;
            entries.push((key, self.datum(depth)?));
        }
        Ok(Datum::Map(entries))
    }

    fn skip_end(&mut self, end: u8, depth: usize) -> Result<bool, ReadError> {
        self.skip_blank(depth)?;
        if self.at == self.end {
            return Err(self.unexpected_at(self.at, &format!("`{}`", char::from(end))));
        }
        let stands = self.text.as_bytes()[self.at] == end;
        self.at += usize::from(stands);
        Ok(stands)
    }

    /// The tag says how Clojure would hold the value; the value is all that counts here.
    fn tagged(&mut self, depth: usize) -> Result<Datum<'a>, ReadError> {
        let depth = self.deeper(depth)?;
        let start = self.at;
        self.at += 1;
        if self.token().is_empty() {
            return Err(self.unexpected_at(start, "a tag after `#`"));
        }
        self.skip_blank(depth)?;
        self.datum(depth)
    }

    fn string(&mut self) -> Result<Datum<'a>, ReadError> {
        let start = self.at;
        if let Some(length) = self.text[start + 1..self.end].find(['"', '\\'])
            && self.text.as_bytes()[start + 1 + length] == b'"'
        {
            self.at = start + length + 2;
            let plain = &self.text[start + 1..start + 1 + length];
            return Ok(Datum::Text(Cow::Borrowed(plain)));
        }
        let mut text = String::new();
        let mut letters = self.text[start + 1..self.end].char_indices();
        while let Some((offset, letter)) = letters.next() {
            let at = start + 1 + offset;
            match letter {
                '"' => {
                    self.at = at + 1;
                    return Ok(Datum::Text(Cow::Owned(text)));
                }
                '\\' => match letters.next().map(|(_, letter)| letter) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some('b') => text.push('\u{8}'),
                    Some('f') => text.push('\u{c}'),
                    Some(letter @ ('"' | '\\' | '/')) => text.push(letter),
                    Some('u') => {
                        let digits = self.text[..self.end].get(at + 2..at + 6);
                        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                        // Half of a surrogate pair is no letter, and nothing that a history needs.
                        text.push(code.and_then(char::from_u32).unwrap_or('\u{fffd}'));
                        let skipped = digits.map_or(0, |digits| digits.chars().count());
                        letters.by_ref().take(skipped).for_each(drop);
                    }
                    _ => return Err(self.unexpected_at(at, "an escape such as `\\n`")),
                },
                letter => text.push(letter),
            }
        }
        Err(self.unexpected_at(start, "a string that ends"))
    }

    fn character(&mut self) -> Result<Datum<'a>, ReadError> {
        let start = self.at;
        self.at += 1;
        let Some(first) = self.rest().chars().next() else {
            return Err(self.unexpected_at(start, "a character after `\\`"));
        };
        let mut name = self.token();
        if name.is_empty() {
            self.at += first.len_utf8();
            name = &self.text[start + 1..self.at];
        }
        Ok(Datum::Text(Cow::Borrowed(match name {
            "newline" => "\n",
            "space" => " ",
            "tab" => "\t",
            "return" => "\r",
            name => name,
        })))
    }

    fn keyword(&mut self) -> Result<Datum<'a>, ReadError> {
        let start = self.at;
        self.at += 1;
        match self.token() {
            "" => Err(self.unexpected_at(start, "a name after `:`")),
            name => Ok(Datum::Keyword(name)),
        }
    }

    fn number_or_symbol(&mut self) -> Datum<'a> {
        let token = self.token();
        match token {
            "nil" => return Datum::Nil,
            "true" => return Datum::Bool(true),
            "false" => return Datum::Bool(false),
            _ => {}
        }
        let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token);
        if !unsigned.starts_with(|letter: char| letter.is_ascii_digit()) {
            return Datum::Symbol(token);
        }
        let digits = token.strip_suffix('N').unwrap_or(token);
        digits
            .parse()
            .map_or_else(|_| Datum::Number(token), Datum::Int)
    }

    /// The letters up to the next delimiter.
    fn token(&mut self) -> &'a str {
        let rest = self.rest();
        let goes_on = |byte: &u8| !DELIMITERS[usize::from(*byte)];
        let ascii = rest.bytes().take_while(goes_on).count();
        let length = match rest.as_bytes().get(ascii) {
            Some(0x80..) => rest.find(is_delimiter).unwrap_or(rest.len()),
            _ => ascii,
        };
        self.at += length;
        &rest[..length]
    }
}

/// The bytes that end a token, or may be part of a letter that does.
const DELIMITERS: [bool; 256] = {
    let mut delimiters = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        delimiters[byte] = byte >= 0x80
            || matches!(
                byte as u8,
                b'\t'..=b'\r' | b' ' | b',' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b';'
            );
        byte += 1;
    }
    delimiters
};

fn is_delimiter(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, ',' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';')
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let mut reader = Reader::new(text);
        let mut lines = String::new();
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(datum)) => lines += &format!("{datum:?}\n"),
                Err(error) => {
                    lines += &format!("{error}\n");
                    break;
                }
            }
        }
        expected.assert_eq(&lines);
    }

    #[test]
    fn atoms() {
        check(
            r#"nil true -3 7N 99999999999999999999 1.5 1/2 :a/b sym "a\"\u0041\n" \newline \( - +"#,
            expect![[r#"
                Nil
                Bool(true)
                Int(-3)
                Int(7)
                Number("99999999999999999999")
                Number("1.5")
                Number("1/2")
                Keyword("a/b")
                Symbol("sym")
                Text("a\"A\n")
                Text("\n")
                Text("(")
                Symbol("-")
                Symbol("+")
            "#]],
        );
    }

    #[test]
    fn collections_comments_tags_and_discards() {
        check(
            "; a comment\n{:a [1, (2) #{3}] #_ {:b 1} :c #tag/x {:d #inst \"2020\"}} #_1 #_ #_ 2 3",
            expect![[r#"
                Map([(Keyword("a"), Sequence([Int(1), Sequence([Int(2)]), Sequence([Int(3)])])), (Keyword("c"), Map([(Keyword("d"), Text("2020"))]))])
            "#]],
        );
    }

    #[test]
    fn what_is_no_edn() {
        check(
            "{:a 1",
            expect![[r#"
            line 1, column 6: expected `}`, but found the end of the text
        "#]],
        );
        check(
            "[1\n )]",
            expect![[r#"
            line 2, column 2: expected EDN data, but found `)]`
        "#]],
        );
        check(
            "{:a}",
            expect![[r#"
            line 1, column 4: expected EDN data, but found `}`
        "#]],
        );
        check(
            "\"abc",
            expect![[r#"
            line 1, column 1: expected a string that ends, but found `"abc`
        "#]],
        );
        check(
            ": 1",
            expect![[r#"
            line 1, column 1: expected a name after `:`, but found `: 1`
        "#]],
        );
        check(
            &"[".repeat(100_000),
            expect![[r#"
                line 1, column 81: expected data nested at most 80 deep, but found `[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…`
            "#]],
        );
        check(
            &"#_".repeat(100_000),
            expect![[r#"
                line 1, column 163: expected data nested at most 80 deep, but found `#_#_#_#_#_#_#_#_#_#_#_#_#_#_#_#_#_#_#_#_…`
            "#]],
        );
    }
}
