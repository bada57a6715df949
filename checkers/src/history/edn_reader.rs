//! EDN, the notation of Clojure's data: as much of it as histories use.
//!
//! The format is described at <https://github.com/edn-format/edn>. A datum is nested at most
//! [`DEPTH_MAX`] deep, so that no input can exhaust the stack.

use super::datum::{Datum, VALUE_DEPTH_MAX};
use super::format::{ReadError, unexpected_at};
use super::record::Fields;
use super::values::{Slot, ValueWriter};
use std::borrow::Cow;
use std::ops::Range;

/// How deep data may be nested.
const DEPTH_MAX: usize = 80;

/// How deep a value is in others: the datum, and what of it counts as values, which are not so deep.
#[derive(Clone, Copy)]
struct Depths {
    data: usize,
    values: usize,
}

/// Reads data one after another.
pub(super) struct Reader<'a> {
    /// Up to where it reads.
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self::within(text, 0..text.len())
    }

    /// Reads a part of a text. Errors tell where in the whole.
    #[inline]
    pub(super) fn within(text: &'a str, part: Range<usize>) -> Self {
        Self {
            text: &text[..part.end],
            at: part.start,
        }
    }

    /// The next datum, or `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Datum<'a>>, ReadError> {
        self.skip_blank(0)?;
        match self.peek() {
            None => Ok(None),
            Some(_) => self.datum(0).map(Some),
        }
    }

    /// The fields of the map that stands there, or `None` if it is something else. Only keywords and texts
    /// name fields. Its key and value are written at once; those of the nemesis, which are few, for nothing.
    pub(super) fn fields(
        &mut self,
        writer: &mut ValueWriter<'_>,
    ) -> Result<Option<Fields<'a>>, ReadError> {
        let mut depth = 0;
        while self.is_tagged() {
            depth = self.skip_tag(depth)?;
        }
        if self.peek() != Some(b'{') {
            return self.datum(depth).map(|_| None);
        }
        let depth = self.deeper(depth)?;
        let mut fields = Fields::default();
        self.entries(depth, |reader, key| {
            let name = match &key {
                Datum::Keyword(name) => name,
                Datum::Text(name) => name.as_ref(),
                _ => "",
            };
            let datum = match name {
                "value" | "key" => reader.value_or_datum(writer, depth)?,
                _ => reader.datum(depth)?,
            };
            fields.put(name, datum);
            Ok(())
        })?;
        Ok(Some(fields))
    }

    fn value_or_datum(
        &mut self,
        writer: &mut ValueWriter<'_>,
        depth: usize,
    ) -> Result<Datum<'a>, ReadError> {
        match self.value(writer, depth) {
            Some(slot) => Ok(Datum::Written(slot)),
            None => self.datum(depth),
        }
    }

    /// Writes the value that stands there, in data so deep, as [`Datum::write`] would. Where none stands
    /// there, or none that is whole, the reader stays, and what [`Reader::next`] finds tells why.
    #[inline]
    pub(super) fn value(&mut self, writer: &mut ValueWriter<'_>, depth: usize) -> Option<Slot> {
        let start = self.at;
        let depths = Depths {
            data: depth,
            values: 0,
        };
        let open = writer.begin();
        let value = self.value_within(writer, depths);
        if value.is_none() {
            writer.abandon(open);
            self.at = start;
        }
        value
    }

    // Inlined, values take a tenth less time.
    #[inline(always)]
    fn value_within(&mut self, writer: &mut ValueWriter<'_>, depths: Depths) -> Option<Slot> {
        match self.peek()? {
            b'-' | b'0'..=b'9' if let Some(number) = self.small_integer() => {
                Some(writer.int(number))
            }
            b'[' if depths.values < VALUE_DEPTH_MAX => self.list(writer, b']', depths),
            b'(' if depths.values < VALUE_DEPTH_MAX => self.list(writer, b')', depths),
            b':' => self.keyword_name().map(|name| writer.text(name)),
            b'a'..=b'z' => match self.number_or_symbol() {
                Datum::Nil => Some(Slot::NIL),
                other => other.write_at(writer, depths.values).ok(),
            },
            _ => {
                let datum = self.datum(depths.data).ok()?;
                datum.write_at(writer, depths.values).ok()
            }
        }
    }

    fn list(&mut self, writer: &mut ValueWriter<'_>, end: u8, depths: Depths) -> Option<Slot> {
        let inside = Depths {
            data: self.deeper(depths.data).ok()?,
            values: depths.values + 1,
        };
        self.at += 1;
        let list = writer.begin();
        while !self.skip_end(end, inside.data).ok()? {
            let slot = self.value_within(writer, inside)?;
            writer.add(slot);
        }
        Some(writer.end_list(list))
    }

    /// The name of the keyword that stands there.
    #[inline]
    pub(super) fn keyword_name(&mut self) -> Option<&'a str> {
        if self.peek() != Some(b':') {
            return None;
        }
        self.at += 1;
        let name = self.token();
        if name.is_empty() {
            self.at -= 1;
            return None;
        }
        Some(name)
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
    #[inline]
    pub(super) fn skip(&mut self) -> Result<(), ReadError> {
        self.skip_blank(0)
    }

    /// The byte at which the next datum begins, once blanks are skipped.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The error of something else than expected at a position.
    pub(super) fn unexpected_at(&self, position: usize, expected: &str) -> ReadError {
        unexpected_at(self.text, position, expected)
    }

    #[inline]
    fn skip_blank(&mut self, depth: usize) -> Result<(), ReadError> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at)
            && kind(byte) == Kind::Blank
        {
            self.at += 1;
        }
        match bytes.get(self.at) {
            Some(b';' | b'#' | 0x80..) => self.skip_more(depth),
            _ => Ok(()),
        }
    }

    /// As [`Reader::skip_blank`], where more than plain blanks may stand.
    #[cold]
    fn skip_more(&mut self, depth: usize) -> Result<(), ReadError> {
        let is_blank = |letter: char| letter.is_whitespace() || letter == ',';
        loop {
            let rest = self.rest().trim_start_matches(is_blank);
            self.at = self.text.len() - rest.len();
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
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.sequence(1, b']', depth),
            Some(b'(') => self.sequence(1, b')', depth),
            Some(b'#') if self.is_tagged() => {
                let depth = self.skip_tag(depth)?;
                self.datum(depth)
            }
            Some(b'#') => self.sequence(2, b'}', depth),
            Some(b'"') => self.string(),
            Some(b'\\') => self.character(),
            Some(b':') => self.keyword(),
            Some(b'-' | b'0'..=b'9') if let Some(number) = self.small_integer() => {
                Ok(Datum::Int(number))
            }
            Some(byte) if kind(byte) == Kind::Letter => Ok(self.number_or_symbol()),
            Some(0x80..) if !self.rest().starts_with(is_delimiter) => Ok(self.number_or_symbol()),
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
        let mut entries = Vec::new();
        self.entries(depth, |reader, key| {
            entries.push((key, reader.datum(depth)?));
            Ok(())
        })?;
        Ok(Datum::Map(entries))
    }

    /// Goes through the map that stands there: `entry` reads what stands after each key.
    fn entries(
        &mut self,
        depth: usize,
        mut entry: impl FnMut(&mut Self, Datum<'a>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.at += 1;
        while !self.skip_end(b'}', depth)? {
            let key = self.datum(depth)?;
            self.skip_blank(depth)?;
            entry(self, key)?;
        }
        Ok(())
    }

    #[inline]
    fn skip_end(&mut self, end: u8, depth: usize) -> Result<bool, ReadError> {
        self.skip_blank(depth)?;
        let Some(byte) = self.peek() else {
            return Err(self.unended(end));
        };
        self.at += usize::from(byte == end);
        Ok(byte == end)
    }

    #[cold]
    fn unended(&self, end: u8) -> ReadError {
        self.unexpected_at(self.at, &format!("`{}`", char::from(end)))
    }

    fn is_tagged(&self) -> bool {
        self.peek() == Some(b'#') && !self.rest().starts_with("#{")
    }

    /// The tag says how Clojure would hold the value; the value is all that counts here. Returns how deep
    /// that is.
    fn skip_tag(&mut self, depth: usize) -> Result<usize, ReadError> {
        let depth = self.deeper(depth)?;
        let start = self.at;
        self.at += 1;
        if self.token().is_empty() {
            return Err(self.unexpected_at(start, "a tag after `#`"));
        }
        self.skip_blank(depth)?;
        Ok(depth)
    }

    fn string(&mut self) -> Result<Datum<'a>, ReadError> {
        let start = self.at;
        if let Some(length) = self.text[start + 1..].find(['"', '\\'])
            && self.text.as_bytes()[start + 1 + length] == b'"'
        {
            self.at = start + length + 2;
            let plain = &self.text[start + 1..start + 1 + length];
            return Ok(Datum::Text(Cow::Borrowed(plain)));
        }
        let mut text = String::new();
        let mut letters = self.text[start + 1..].char_indices();
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
                        let digits = self.text.get(at + 2..at + 6);
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
        let name = self.keyword_name().map(Datum::Keyword);
        name.ok_or_else(|| self.unexpected_at(self.at, "a name after `:`"))
    }

    /// Goes past the integer that stands there, if it is written in few digits and nothing else.
    fn small_integer(&mut self) -> Option<i64> {
        const DIGITS_MAX: usize = 18;
        let bytes = self.text.as_bytes();
        let is_negative = self.peek() == Some(b'-');
        let start = self.at + usize::from(is_negative);
        let end_max = bytes.len().min(start + DIGITS_MAX);
        let (mut end, mut number) = (start, 0);
        while end < end_max && bytes[end].is_ascii_digit() {
            number = 10 * number + i64::from(bytes[end] - b'0');
            end += 1;
        }
        let ends = |byte: &u8| matches!(kind(*byte), Kind::Blank | Kind::Mark);
        if end == start || !bytes.get(end).is_none_or(ends) {
            return None;
        }
        self.at = end;
        Some(if is_negative { -number } else { number })
    }

    #[inline]
    fn number_or_symbol(&mut self) -> Datum<'a> {
        let token = self.token();
        match token.as_bytes() {
            [b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..] => {
                let digits = token.strip_suffix('N').unwrap_or(token);
                let number = digits.parse().map(Datum::Int);
                number.unwrap_or(Datum::Number(token))
            }
            b"nil" => Datum::Nil,
            b"true" => Datum::Bool(true),
            b"false" => Datum::Bool(false),
            _ => Datum::Symbol(token),
        }
    }

    /// The letters up to the next delimiter.
    // Inlined, data take a twentieth less time.
    #[inline(always)]
    fn token(&mut self) -> &'a str {
        let start = self.at;
        let ends = |byte: &u8| kind(*byte) != Kind::Letter;
        let bytes = self.text.as_bytes();
        let length = bytes[start..].iter().position(ends);
        self.at = length.map_or(bytes.len(), |length| start + length);
        if let Some(0x80..) = self.peek() {
            self.skip_letters();
        }
        &self.text[start..self.at]
    }

    /// Goes on to the next delimiter, past letters that are not ASCII.
    #[cold]
    fn skip_letters(&mut self) {
        let rest = self.rest();
        self.at += rest.find(is_delimiter).unwrap_or(rest.len());
    }
}

/// What a byte is where no string is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Stands between data.
    Blank,
    /// Begins or ends something, so it ends a token.
    Mark,
    /// Part of a token.
    Letter,
    /// Part of a letter that is not ASCII, which may be any of these.
    Wide,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Letter; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'\t'..=b'\r' | b' ' | b',' => Kind::Blank,
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b';' => Kind::Mark,
            0x80.. => Kind::Wide,
            _ => Kind::Letter,
        };
        byte += 1;
    }
    kinds
};

fn kind(byte: u8) -> Kind {
    KINDS[usize::from(byte)]
}

fn is_delimiter(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, ',' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::values::Open;
    use crate::random::{Random, cases};
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
    fn integers_of_few_digits_and_many() {
        check(
            "-0 007 123456789012345678 -1234567890123456789 9223372036854775808 7é 7\u{a0}8[9",
            expect![[r#"
                Int(0)
                Int(7)
                Int(123456789012345678)
                Int(-1234567890123456789)
                Number("9223372036854775808")
                Number("7é")
                Int(7)
                Int(8)
                line 1, column 76: expected `]`, but found the end of the text
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

    /// The value that is read by either way, and where the reader then stands.
    fn read_value<'a>(
        text: &'a str,
        read: impl FnOnce(&mut Reader<'a>, &mut ValueWriter<'_>) -> Option<Slot>,
    ) -> (Option<String>, usize) {
        let (mut values, mut tables) = Default::default();
        let mut writer = ValueWriter {
            values: &mut values,
            tables: &mut tables,
        };
        let mut reader = Reader::new(text);
        let slot = read(&mut reader, &mut writer);
        (slot.map(|slot| values.get(slot).to_string()), reader.at)
    }

    /// Whether it is a value.
    fn check_value(text: &str, depth: usize) -> bool {
        let (value, at) = read_value(text, |reader, writer| {
            let value = reader.value(writer, depth);
            assert_eq!(writer.begin(), Open(0), "{text:?} leaves nothing open");
            value
        });
        let (expected, expected_at) = read_value(text, |reader, writer| {
            reader.datum(depth).ok()?.write(writer).ok()
        });
        assert_eq!(value, expected, "{text:?} at depth {depth}");
        let is_value = value.is_some();
        assert_eq!(at, if is_value { expected_at } else { 0 }, "{text:?}");
        is_value
    }

    #[test]
    fn values_are_written_as_their_data_would_be() {
        const PIECES: [&str; 48] = [
            " ",
            " ",
            " ",
            ",",
            "\n",
            "\u{b}",
            "\u{a0}",
            "[",
            "[",
            "[",
            "]",
            "]",
            "]",
            "(",
            ")",
            "{",
            "}",
            "#{",
            ":k ",
            ":é",
            ":",
            "nil ",
            "nil",
            "true",
            "false",
            "sym",
            "é",
            "1",
            "1 ",
            "-2 ",
            "-",
            "+3",
            "007",
            "7N",
            "1.5",
            "123456789012345678",
            "-1234567890123456789",
            "9223372036854775808",
            "\"s\"",
            "\"",
            "\\a",
            "\\newline",
            "\\",
            "#t",
            "#t ",
            "#_",
            ";c\n",
            "#",
        ];
        let count = cases(20_000);
        let mut value_count = 0;
        for case in 0..count {
            let mut random = Random(case);
            let length = random.below(10);
            let mut text = ["[", "[", "[[", ""][random.below(4)].to_owned();
            text.extend((0..length).map(|_| PIECES[random.below(PIECES.len())]));
            text += ["]", "] ]", "]x", ""][random.below(4)];
            value_count += u64::from(check_value(&text, [0, 1, 78, 80][random.below(4)]));
        }
        assert!(value_count > count / 10, "only {value_count} were values");
    }

    #[test]
    fn values_are_nested_as_deep_as_their_data_may_be() {
        let mut deepest = 0;
        for (nested, depth) in (30..85).flat_map(|nested| [(nested, 0), (nested, 20)]) {
            for (begin, end) in [("[", "]"), ("(", ")"), ("[#t ", "]"), ("#{[", "]}")] {
                let text = format!("{}1{}", begin.repeat(nested), end.repeat(nested));
                if check_value(&text, depth) {
                    deepest = deepest.max(nested * end.len());
                }
            }
        }
        assert_eq!(deepest, VALUE_DEPTH_MAX);
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
