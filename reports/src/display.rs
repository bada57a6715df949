//! Values, times and counts as a reader wants them.

use std::{borrow::Cow, fmt::Write};

use squall_checkers::history::{Operation, Outcome, ValueRef};

/// Longer values are cut, and say so.
const VALUE_CHARACTERS_MAX: usize = 400;

/// An operation on one line: `write x 3`, `read x → 2`, `cas [1 2]`.
///
/// The answer stands alone where it repeats the question, as a transaction's does.
pub(crate) fn operation(operation: &Operation<'_>) -> String {
    let mut text = visible(operation.f).into_owned();
    if let Some(key) = operation.key {
        let _ = write!(text, " {}", value(key));
    }
    let answered = operation.outcome == Outcome::Ok
        && operation.output != ValueRef::Nil
        && operation.output != operation.input;
    let answer_repeats_question = answered
        && matches!(operation.input, ValueRef::List(_))
        && matches!(operation.output, ValueRef::List(_));
    if operation.input != ValueRef::Nil && !answer_repeats_question {
        let _ = write!(text, " {}", value(operation.input));
    }
    let read_nil = operation.outcome == Outcome::Ok && operation.input == ValueRef::Nil;
    if answered || read_nil {
        let _ = write!(text, " → {}", value(operation.output));
    }
    text
}

/// A value in the notation of EDN: `nil`, `3`, `[append x 3]`. Texts are quoted only where they
/// could be taken for something else.
pub(crate) fn value(value: ValueRef<'_>) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    abbreviated(text)
}

fn write_value(value: ValueRef<'_>, text: &mut String) {
    match value {
        ValueRef::Nil => text.push_str("nil"),
        ValueRef::Bool(bool) => {
            let _ = write!(text, "{bool}");
        }
        ValueRef::Int(int) => {
            let _ = write!(text, "{int}");
        }
        ValueRef::Text(word) if is_plain_word(word) => text.push_str(word),
        ValueRef::Text(other) => {
            let head: String = other.chars().take(VALUE_CHARACTERS_MAX + 1).collect();
            let _ = write!(text, "\"{}\"", visible(&head));
        }
        ValueRef::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                // What is cut in the end need not be written in full.
                if text.len() > 4 * VALUE_CHARACTERS_MAX {
                    break;
                }
                write_value(item, text);
            }
            text.push(']');
        }
        ValueRef::Map(entries) => {
            text.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                if text.len() > 4 * VALUE_CHARACTERS_MAX {
                    break;
                }
                write_value(key, text);
                text.push(' ');
                write_value(item, text);
            }
            text.push('}');
        }
    }
}

fn is_plain_word(text: &str) -> bool {
    text.len() <= VALUE_CHARACTERS_MAX
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == ':')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c))
        && !["nil", "true", "false"].contains(&text)
}

fn abbreviated(text: String) -> String {
    match text.char_indices().nth(VALUE_CHARACTERS_MAX) {
        None => text,
        Some((end, _)) => format!("{}… (cut)", &text[..end]),
    }
}

/// The text with control characters and those that turn the direction of writing spelled out: a
/// value must not be able to disguise itself.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::with_capacity(text.len());
    for character in text.chars() {
        if hidden(character) {
            let _ = write!(spelled, "{}", character.escape_unicode());
        } else {
            spelled.push(character);
        }
    }
    Cow::Owned(spelled)
}

/// A point in time: `12.482310 s`.
pub(crate) fn instant(ns: u64) -> String {
    format!("{}.{:06} s", ns / 1_000_000_000, ns % 1_000_000_000 / 1000)
}

/// A length of time with three significant digits, or two units: `850 ns`, `3.21 ms`, `5 h 12 min`.
pub(crate) fn duration(ns: u64) -> String {
    const MINUTE: u64 = 60_000_000_000;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match ns {
        0 => "0 s".to_owned(),
        1..1000 => format!("{ns} ns"),
        1000..1_000_000 => three_digits(ns, 1000, "µs"),
        1_000_000..1_000_000_000 => three_digits(ns, 1_000_000, "ms"),
        1_000_000_000..MINUTE => three_digits(ns, 1_000_000_000, "s"),
        MINUTE..HOUR => format!("{} min {} s", ns / MINUTE, ns % MINUTE / 1_000_000_000),
        HOUR..DAY => format!("{} h {} min", ns / HOUR, ns % HOUR / MINUTE),
        _ => format!("{} d {} h", ns / DAY, ns % DAY / HOUR),
    }
}

fn three_digits(ns: u64, unit_ns: u64, unit: &str) -> String {
    let decimals: usize = match ns / unit_ns {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let scale = 10_u64.pow(u32::try_from(decimals).expect("at most 2"));
    let scaled = ns / (unit_ns / scale);
    let fraction = format!("{:0decimals$}", scaled % scale);
    match fraction.trim_end_matches('0') {
        "" => format!("{} {unit}", scaled / scale),
        fraction => format!("{}.{fraction} {unit}", scaled / scale),
    }
}

/// A count with its thousands apart: `12 480` (by a narrow space that does not break).
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 run`, `3 runs`.
pub(crate) fn counted(number: u64, singular: &str, plural: &str) -> String {
    format!(
        "{} {}",
        count(number),
        if number == 1 { singular } else { plural }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_checkers::history::Value;

    #[test]
    fn values_read_like_edn() {
        let word = |text: &str| Value::Text(text.to_owned());
        let list = Value::List(vec![word("append"), word("x"), Value::Int(-3), Value::Nil]);
        assert_eq!(value(ValueRef::from(&list)), "[append x -3 nil]");
        assert_eq!(value(ValueRef::Text("3")), "\"3\"");
        assert_eq!(value(ValueRef::Text("nil")), "\"nil\"");
        assert_eq!(value(ValueRef::Text("two words")), "\"two words\"");
    }

    #[test]
    fn long_values_are_cut_and_say_so() {
        let long = Value::List((0..1_000_000).map(Value::Int).collect());
        let text = value(ValueRef::from(&long));
        assert!(text.starts_with("[0 1 2 "));
        assert!(text.ends_with("… (cut)"));
        assert!(text.chars().count() < 420);
    }

    #[test]
    fn durations_have_three_digits_or_two_units() {
        let cases = [
            (0, "0 s"),
            (999, "999 ns"),
            (1000, "1 µs"),
            (1234, "1.23 µs"),
            (45_600_000, "45.6 ms"),
            (45_000_000, "45 ms"),
            (100_000_000, "100 ms"),
            (2_050_000_000, "2.05 s"),
            (60_000_000_000, "1 min 0 s"),
            (18_720_000_000_000, "5 h 12 min"),
            (u64::MAX, "213503 d 23 h"),
        ];
        for (ns, expected) in cases {
            assert_eq!(duration(ns), expected);
        }
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1000), "1\u{202f}000");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn instants_have_microseconds() {
        assert_eq!(instant(12_482_310_999), "12.482310 s");
    }
}
