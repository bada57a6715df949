//! The text in which Plume and PolySI have histories of transactions: `r(key,value,session,transaction)`
//! or `w(…)` on each line, and no blank anywhere.
//!
//! A key's value before any write is 0, which nobody writes; it becomes nil here, unless the key is
//! written 0 all the same. A write of the transaction -1 was rolled back. The lines of a transaction
//! need not stand together.

use super::format::{Intake, ReadError, lines, unexpected_at};
use super::transactions::Transaction;
use super::{EventKind, Value};
use std::collections::{HashMap, HashSet};

pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    let operations: Vec<Line> = lines(text)
        .map(|(at, line)| Line::parse(text, at, line))
        .collect::<Result<_, _>>()?;
    let zeros = operations.iter().filter(|it| it.is_write && it.value == 0);
    let zeros: HashSet<i64> = zeros.map(|it| it.key).collect();
    let mut places: HashMap<(u64, i64), usize> = HashMap::new();
    let mut transactions: Vec<(usize, u64, EventKind, Transaction)> = Vec::new();
    for line in &operations {
        if line.transaction == ROLLED_BACK && !line.is_write {
            continue;
        }
        let next = transactions.len();
        let place = match line.transaction {
            ROLLED_BACK => next,
            number => *places.entry((line.session, number)).or_insert(next),
        };
        if place == next {
            let end = match line.transaction {
                ROLLED_BACK => EventKind::Fail,
                _ => EventKind::Ok,
            };
            transactions.push((line.at, line.session, end, Transaction::default()));
        }
        let (key, transaction) = (Value::Int(line.key), &mut transactions[place].3);
        match line.value {
            value if line.is_write => transaction.write(key, Value::Int(value)),
            0 if !zeros.contains(&line.key) => transaction.read(key, Value::Nil),
            value => transaction.read(key, Value::Int(value)),
        }
    }
    for (at, session, end, transaction) in transactions {
        transaction.push(into, at, session, end)?;
    }
    Ok(())
}

const ROLLED_BACK: i64 = -1;

struct Line {
    at: usize,
    is_write: bool,
    key: i64,
    value: i64,
    session: u64,
    transaction: i64,
}

impl Line {
    fn parse(text: &str, at: usize, line: &str) -> Result<Self, ReadError> {
        let expected = "`r(key,value,session,transaction)` or `w(…)`";
        let whole = || unexpected_at(text, at, expected);
        let is_write = line.starts_with("w(");
        if !is_write && !line.starts_with("r(") {
            return Err(whole());
        }
        let inside = line[2..].strip_suffix(')').ok_or_else(whole)?;
        let mut column = at + 2;
        let mut number = |what: &str, parts: &mut std::str::Split<'_, char>| {
            let part = parts.next().ok_or_else(whole)?;
            let start = column;
            column += part.len() + 1;
            let parsed: Result<i64, _> = part.trim().parse();
            parsed.map_err(|_| unexpected_at(text, start, what))
        };
        let mut parts = inside.split(',');
        let key = number("a key, which is an integer", &mut parts)?;
        let value = number("a value, which is an integer", &mut parts)?;
        let session = number("a session's number", &mut parts)?;
        let transaction = number("a transaction's number, or -1", &mut parts)?;
        if parts.next().is_some() {
            return Err(whole());
        }
        let session = u64::try_from(session)
            .map_err(|_| unexpected_at(text, at, "a session's number that is not negative"))?;
        Ok(Self {
            at,
            is_write,
            key,
            value,
            session,
            transaction,
        })
    }
}
