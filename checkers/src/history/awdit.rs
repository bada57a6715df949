//! The text in which AWDIT's tests have histories of transactions: `r key value` or `w key value` on
//! each line, transactions between lines of dashes, sessions between lines of equals signs.

use super::format::{Intake, ReadError, lines, unexpected_at, words};
use super::transactions::Transaction;
use super::{EventKind, Value};

pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    let (mut session, mut begun) = (0, 0);
    let mut transaction = Transaction::default();
    for (at, line) in lines(text) {
        let mark = line.as_bytes()[0];
        if matches!(mark, b'-' | b'=') {
            if let Some(other) = line.find(|letter| letter != char::from(mark)) {
                let expected = "a line of dashes or of equals signs";
                return Err(unexpected_at(text, at + other, expected));
            }
            let whole = std::mem::take(&mut transaction);
            if !whole.is_empty() {
                whole.push(into, begun, session, EventKind::Ok)?;
            }
            session += u64::from(mark == b'=');
            continue;
        }
        if transaction.is_empty() {
            begun = at;
        }
        add(text, at, line, &mut transaction)?;
    }
    if !transaction.is_empty() {
        transaction.push(into, begun, session, EventKind::Ok)?;
    }
    Ok(())
}

fn add(text: &str, at: usize, line: &str, transaction: &mut Transaction) -> Result<(), ReadError> {
    let end = at + line.len();
    let mut words = words(at, line);
    let mut word = |expected: &str| {
        words
            .next()
            .ok_or_else(|| unexpected_at(text, end, expected))
    };
    let (f_at, f) = word("`r` or `w`")?;
    let mut number = |expected: &str| {
        let (at, word) = word(expected)?;
        let parsed = word.parse().map(Value::Int);
        parsed.map_err(|_| unexpected_at(text, at, expected))
    };
    let key = number("a key, which is an integer")?;
    let value = number("a value, which is an integer")?;
    match f {
        "r" => transaction.read(key, value),
        "w" => transaction.write(key, value),
        _ => return Err(unexpected_at(text, f_at, "`r` or `w`")),
    }
    match words.next() {
        Some((at, _)) => Err(unexpected_at(text, at, "the end of the line")),
        None => Ok(()),
    }
}
