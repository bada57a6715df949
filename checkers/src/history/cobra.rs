//! Cobra's binary logs, one of each session: records of a letter and big-endian integers of 8 bytes.
//!
//! `S` transaction; then `W` write key value-hash and `R` transaction write key value-hash; then `C` or
//! `A` transaction, commit and abort. A write's number is taken for the value: it is unique. Two
//! numbers stand for a read that found nothing.

use super::format::ReadError;
use super::transactions::Transaction;
use super::{EventKind, EventRef, History, HistoryBuilder, ProcessReuse, Value};

/// What a read of a key says that was never written, or is deleted.
const NOTHING: [i64; 2] = [0xdead_beef, 0xbebe_ebee];

/// Whether it begins as a log does, and is no text.
pub(super) fn looks_so(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'S')
        && bytes.get(9).is_some_and(|letter| b"WRCA".contains(letter))
        && bytes[1..9].iter().any(|byte| *byte < b'\t' || *byte > b'~')
}

/// Reads the logs of several sessions into one history, a process for each.
///
/// # Errors
/// Names the byte, what was expected there and what was found.
pub fn read<'b>(sessions: impl IntoIterator<Item = &'b [u8]>) -> Result<History, ReadError> {
    let mut builder = HistoryBuilder::new(ProcessReuse::AfterInfo);
    for (process, bytes) in (0..).zip(sessions) {
        let mut log = Log { bytes, at: 0 };
        while log.at < bytes.len() {
            let (transaction, end) = log.transaction()?;
            for event in &transaction.events(process, end) {
                let pushed = builder.push_ref(EventRef::from(event));
                pushed.map_err(|error| ReadError::NoHistory {
                    line: 1,
                    column: 1 + log.at,
                    error,
                })?;
            }
        }
    }
    Ok(builder.finish())
}

struct Log<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Log<'_> {
    fn transaction(&mut self) -> Result<(Transaction, EventKind), ReadError> {
        let mut transaction = Transaction::default();
        if self.letter() != Some(b'S') {
            return Err(self.unexpected_before("`S`, which begins a transaction"));
        }
        let id = self.number()?;
        loop {
            match self.letter() {
                Some(b'W') => {
                    let [write, key, _value] = [self.number()?, self.number()?, self.number()?];
                    transaction.write(Value::Int(key), Value::Int(write));
                }
                Some(b'R') => {
                    let [_from, write, key] = [self.number()?, self.number()?, self.number()?];
                    let _value = self.number()?;
                    let is_nothing = NOTHING.contains(&write);
                    let value = Some(Value::Int(write)).filter(|_| !is_nothing);
                    transaction.read(Value::Int(key), value.unwrap_or_default());
                }
                Some(letter @ (b'C' | b'A')) => {
                    let at = self.at;
                    if self.number()? != id {
                        let (byte, expected) = (at, "the number of the transaction that began");
                        let found = "that of another".to_owned();
                        return Err(ReadError::UnexpectedByte {
                            byte,
                            expected,
                            found,
                        });
                    }
                    let is_committed = letter == b'C';
                    let end = [EventKind::Fail, EventKind::Ok][usize::from(is_committed)];
                    return Ok((transaction, end));
                }
                // The client may have crashed.
                None => return Ok((transaction, EventKind::Info)),
                Some(_) => return Err(self.unexpected_before("`W`, `R`, `C` or `A`")),
            }
        }
    }

    fn letter(&mut self) -> Option<u8> {
        let letter = self.bytes.get(self.at).copied();
        self.at += usize::from(letter.is_some());
        letter
    }

    fn number(&mut self) -> Result<i64, ReadError> {
        match self.bytes[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(i64::from_be_bytes(*bytes))
            }
            None => Err(ReadError::UnexpectedByte {
                byte: self.at,
                expected: "an integer of 8 bytes",
                found: format!("{} bytes", self.bytes.len() - self.at),
            }),
        }
    }

    /// The letter that was just read is none of those.
    fn unexpected_before(&self, expected: &'static str) -> ReadError {
        let byte = self.at.saturating_sub(1);
        ReadError::UnexpectedByte {
            byte,
            expected,
            found: format!("0x{:02x}", self.bytes[byte]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::looks_so;

    #[test]
    fn what_can_be_read_is_no_log() {
        for text in ["SELECT of W", "S\t~\t~\t~\t~W", "S", ""] {
            assert!(!looks_so(text.as_bytes()), "{text:?}");
        }
        for log in ["S\x08~~~~~~~W", "S~~~~~~~\x7fA", "S\0\0\0\0\0\0\0\0R"] {
            assert!(looks_so(log.as_bytes()), "{log:?}");
            assert!(!looks_so(log.replace('S', "s").as_bytes()), "{log:?}");
            assert!(!looks_so(&log.as_bytes()[..9]), "{log:?}");
        }
    }
}
