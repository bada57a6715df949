//! The NATS text protocol: operations, and how they travel over a stream of bytes.
//!
//! A control line ends in CRLF; `PUB`, `HPUB`, `MSG` and `HMSG` name the bytes of the payload that
//! follows it, with a CRLF behind. Nothing here does I/O: a [`Decoder`] takes pieces of the stream, in
//! whatever cut, and answers whole operations. Its memory is bounded by one operation and one piece. What
//! is no operation is refused as soon as that is certain; then the connection has to be closed.
//!
//! Reference: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use thiserror::Error;

/// A message as it is published, and as it is delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Message {
    pub subject: String,
    /// Where an answer is expected.
    pub reply: Option<String>,
    /// The block of [`headers`](super::headers); empty for a message without.
    pub headers: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Message {
    /// How much of a stream's bounds it takes.
    pub fn size_bytes(&self) -> u64 {
        (self.subject.len() + self.headers.len() + self.payload.len()) as u64
    }
}

/// What either side says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The server's JSON about itself.
    Info(String),
    /// The client's JSON about itself.
    Connect(String),
    Ping,
    Pong,
    /// `PUB` or `HPUB`.
    Publish(Message),
    Subscribe {
        filter: String,
        queue: Option<String>,
        sid: String,
    },
    Unsubscribe {
        sid: String,
        /// After so many messages in all; at once if absent.
        max: Option<u64>,
    },
    /// `MSG` or `HMSG`.
    Deliver {
        sid: String,
        message: Message,
    },
    /// `+OK`
    Okay,
    /// `-ERR`
    Error(String),
}

/// What is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest control line, without its CRLF.
    pub control_line_bytes: usize,
    /// The most that headers and payload of a message may have together.
    pub payload_bytes: usize,
}

impl Default for Limits {
    /// 4 KiB and 1 MiB, as NATS has them.
    fn default() -> Self {
        Self {
            control_line_bytes: 4 << 10,
            payload_bytes: 1 << 20,
        }
    }
}

/// Why bytes are no operation. The texts are those of NATS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    #[error("Unknown Protocol Operation")]
    UnknownOperation,
    #[error("Parser Error")]
    Malformed,
    #[error("Maximum Control Line Exceeded")]
    ControlLine,
    #[error("Maximum Payload Violation")]
    Payload,
}

/// The verbs, in the order in which they are looked for.
const VERBS: [&str; 13] = [
    "PUB", "MSG", "PING", "PONG", "HPUB", "HMSG", "SUB", "UNSUB", "+OK", "-ERR", "INFO", "CONNECT",
    "",
];

/// A message whose payload is still to come.
#[derive(Debug)]
struct Head {
    /// The subscription's id, for `MSG` and `HMSG`.
    sid: Option<String>,
    subject: String,
    reply: Option<String>,
    header_bytes: usize,
    total_bytes: usize,
}

enum Line {
    Whole(Operation),
    Head(Head),
}

/// Finds the operations in a stream of bytes.
///
/// Memory is bounded when [`Decoder::next`] is called until it has no more after each
/// [`Decoder::push`]. After an error it stays in error.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    buffer: Vec<u8>,
    /// How much of the buffer has been decoded.
    consumed: usize,
    /// Up to where the buffer has been searched for the end of a line.
    searched: usize,
    head: Option<Head>,
    failed: Option<ProtocolError>,
}

impl Decoder {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            consumed: 0,
            searched: 0,
            head: None,
            failed: None,
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.drain(..self.consumed);
            self.searched -= self.consumed;
            self.consumed = 0;
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next operation; `None` until more of it has come.
    ///
    /// # Errors
    /// If the stream has something else.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator would end at None"
    )]
    pub fn next(&mut self) -> Result<Option<Operation>, ProtocolError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let next = self.decode();
        if let Err(error) = next {
            self.failed = Some(error);
            self.buffer = Vec::new();
            (self.consumed, self.searched) = (0, 0);
        }
        next
    }

    fn decode(&mut self) -> Result<Option<Operation>, ProtocolError> {
        if self.head.is_none() {
            let Some(line) = self.next_line()? else {
                return Ok(None);
            };
            match parse_line(&line, self.limits.payload_bytes)? {
                Line::Whole(operation) => return Ok(Some(operation)),
                Line::Head(head) => self.head = Some(head),
            }
        }
        self.take_payload()
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>, ProtocolError> {
        let waiting = &self.buffer[self.consumed..];
        let searched = self.searched - self.consumed;
        let end = waiting[searched..].iter().position(|byte| *byte == b'\n');
        let length = end.map_or(waiting.len(), |end| searched + end);
        check_verb(&waiting[..length], end.is_some())?;
        if length > self.limits.control_line_bytes + 1 {
            return Err(ProtocolError::ControlLine);
        }
        if end.is_none() {
            self.searched = self.buffer.len();
            return Ok(None);
        }
        let line = &waiting[..length];
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.consumed += length + 1;
        self.searched = self.consumed;
        Ok(Some(line))
    }

    fn take_payload(&mut self) -> Result<Option<Operation>, ProtocolError> {
        let Some(head) = self.head.take() else {
            return Ok(None);
        };
        let waiting = &self.buffer[self.consumed..];
        if waiting.len() < head.total_bytes + 2 {
            self.head = Some(head);
            return Ok(None);
        }
        if &waiting[head.total_bytes..head.total_bytes + 2] != b"\r\n" {
            return Err(ProtocolError::Malformed);
        }
        let message = Message {
            subject: head.subject,
            reply: head.reply,
            headers: waiting[..head.header_bytes].to_vec(),
            payload: waiting[head.header_bytes..head.total_bytes].to_vec(),
        };
        self.consumed += head.total_bytes + 2;
        self.searched = self.consumed;
        Ok(Some(match head.sid {
            Some(sid) => Operation::Deliver { sid, message },
            None => Operation::Publish(message),
        }))
    }
}

/// What does not begin like an operation never becomes one, however long it is waited for.
fn check_verb(line: &[u8], is_whole: bool) -> Result<(), ProtocolError> {
    let end = line.iter().position(|byte| b" \t\r".contains(byte));
    let verb = &line[..end.unwrap_or(line.len())];
    let is_known = VERBS.iter().any(|known| {
        let known = known.as_bytes();
        match end.is_some() || is_whole {
            true => known.eq_ignore_ascii_case(verb),
            false => known.len() >= verb.len() && known[..verb.len()].eq_ignore_ascii_case(verb),
        }
    });
    match is_known {
        true => Ok(()),
        false => Err(ProtocolError::UnknownOperation),
    }
}

fn parse_line(line: &[u8], payload_bytes_max: usize) -> Result<Line, ProtocolError> {
    let line = std::str::from_utf8(line).map_err(|_| ProtocolError::Malformed)?;
    let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let words: Vec<&str> = rest
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    let head = |has_sid, has_headers| parse_head(&words, has_sid, has_headers, payload_bytes_max);
    Ok(Line::Whole(match verb.to_ascii_uppercase().as_str() {
        "PUB" => return head(false, false).map(Line::Head),
        "HPUB" => return head(false, true).map(Line::Head),
        "MSG" => return head(true, false).map(Line::Head),
        "HMSG" => return head(true, true).map(Line::Head),
        "PING" => Operation::Ping,
        "PONG" => Operation::Pong,
        "+OK" => Operation::Okay,
        "-ERR" => Operation::Error(rest.trim().trim_matches('\'').to_owned()),
        "INFO" => Operation::Info(rest.trim().to_owned()),
        "CONNECT" => Operation::Connect(rest.trim().to_owned()),
        "SUB" => parse_subscribe(&words)?,
        "UNSUB" => parse_unsubscribe(&words)?,
        _ => return Err(ProtocolError::UnknownOperation),
    }))
}

fn parse_subscribe(words: &[&str]) -> Result<Operation, ProtocolError> {
    let (filter, queue, sid) = match *words {
        [filter, sid] => (filter, None, sid),
        [filter, queue, sid] => (filter, Some(queue.to_owned()), sid),
        _ => return Err(ProtocolError::Malformed),
    };
    Ok(Operation::Subscribe {
        filter: filter.to_owned(),
        queue,
        sid: sid.to_owned(),
    })
}

fn parse_unsubscribe(words: &[&str]) -> Result<Operation, ProtocolError> {
    let (sid, max) = match *words {
        [sid] => (sid, None),
        // NATS takes a zero for none.
        [sid, max] => (sid, Some(parse_number(max)?).filter(|max| *max > 0)),
        _ => return Err(ProtocolError::Malformed),
    };
    Ok(Operation::Unsubscribe {
        sid: sid.to_owned(),
        max,
    })
}

/// `subject [sid] [reply] [header bytes] total bytes`
fn parse_head(
    words: &[&str],
    has_sid: bool,
    has_headers: bool,
    payload_bytes_max: usize,
) -> Result<Head, ProtocolError> {
    let (subject, words) = words.split_first().ok_or(ProtocolError::Malformed)?;
    let (sid, words) = match (has_sid, words.split_first()) {
        (true, Some((sid, words))) => (Some((*sid).to_owned()), words),
        (true, None) => return Err(ProtocolError::Malformed),
        (false, _) => (None, words),
    };
    let sizes = 1 + usize::from(has_headers);
    let (reply, sizes) = match words.len().checked_sub(sizes) {
        Some(0) => (None, words),
        Some(1) => (Some(words[0].to_owned()), &words[1..]),
        _ => return Err(ProtocolError::Malformed),
    };
    let size =
        |word: &str| parse_number(word).map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    let total_bytes = size(sizes[sizes.len() - 1])?;
    let header_bytes = if has_headers { size(sizes[0])? } else { 0 };
    if total_bytes > payload_bytes_max {
        return Err(ProtocolError::Payload);
    }
    if header_bytes > total_bytes {
        return Err(ProtocolError::Malformed);
    }
    Ok(Head {
        sid,
        subject: (*subject).to_owned(),
        reply,
        header_bytes,
        total_bytes,
    })
}

fn parse_number(word: &str) -> Result<u64, ProtocolError> {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    match is_number.then(|| word.parse().ok()).flatten() {
        Some(number) => Ok(number),
        None => Err(ProtocolError::Malformed),
    }
}

impl Operation {
    /// Appends the operation as it travels.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let line = match self {
            Self::Info(json) => format!("INFO {json}\r\n"),
            Self::Connect(json) => format!("CONNECT {json}\r\n"),
            Self::Ping => "PING\r\n".to_owned(),
            Self::Pong => "PONG\r\n".to_owned(),
            Self::Okay => "+OK\r\n".to_owned(),
            Self::Error(text) => format!("-ERR '{text}'\r\n"),
            Self::Subscribe { filter, queue, sid } => match queue {
                Some(queue) => format!("SUB {filter} {queue} {sid}\r\n"),
                None => format!("SUB {filter} {sid}\r\n"),
            },
            Self::Unsubscribe { sid, max } => match max {
                Some(max) => format!("UNSUB {sid} {max}\r\n"),
                None => format!("UNSUB {sid}\r\n"),
            },
            Self::Publish(message) => return encode_message(None, message, bytes),
            Self::Deliver { sid, message } => return encode_message(Some(sid), message, bytes),
        };
        bytes.extend_from_slice(line.as_bytes());
    }
}

/// Appends a `PUB` or `HPUB`, or with a subscription's id a `MSG` or `HMSG`.
pub fn encode_message(sid: Option<&str>, message: &Message, bytes: &mut Vec<u8>) {
    let has_headers = !message.headers.is_empty();
    let verb = match (sid.is_some(), has_headers) {
        (false, false) => "PUB",
        (false, true) => "HPUB",
        (true, false) => "MSG",
        (true, true) => "HMSG",
    };
    let mut words = vec![verb, &message.subject];
    words.extend(sid);
    words.extend(message.reply.as_deref());
    let mut line = words.join(" ");
    if has_headers {
        line += &format!(" {}", message.headers.len());
    }
    line += &format!(" {}\r\n", message.headers.len() + message.payload.len());
    bytes.extend_from_slice(line.as_bytes());
    bytes.extend_from_slice(&message.headers);
    bytes.extend_from_slice(&message.payload);
    bytes.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn operations() -> impl Strategy<Value = Operation> {
        let word = || "[a-z.*>$_A-Z0-9]{1,12}";
        let message = || {
            (
                word(),
                proptest::option::of(word()),
                vec(any::<u8>(), 0..20),
                vec(any::<u8>(), 0..60),
            )
                .prop_map(|(subject, reply, headers, payload)| Message {
                    subject,
                    reply,
                    headers,
                    payload,
                })
        };
        prop_oneof![
            "\\{[a-z\":, ]{0,20}\\}".prop_map(Operation::Info),
            "\\{[a-z\":, ]{0,20}\\}".prop_map(Operation::Connect),
            Just(Operation::Ping),
            Just(Operation::Pong),
            Just(Operation::Okay),
            "[A-Z][a-z ]{0,20}[a-z]".prop_map(Operation::Error),
            message().prop_map(Operation::Publish),
            (word(), message()).prop_map(|(sid, message)| Operation::Deliver { sid, message }),
            (word(), proptest::option::of(word()), word())
                .prop_map(|(filter, queue, sid)| Operation::Subscribe { filter, queue, sid }),
            (word(), proptest::option::of(1..1_000_u64))
                .prop_map(|(sid, max)| Operation::Unsubscribe { sid, max }),
        ]
    }

    fn limits() -> Limits {
        Limits {
            control_line_bytes: 128,
            payload_bytes: 100,
        }
    }

    /// All operations of a stream that comes in pieces of these sizes, and how it ended.
    fn decode(bytes: &[u8], sizes: &[usize]) -> (Vec<Operation>, Option<ProtocolError>) {
        let mut decoder = Decoder::new(limits());
        let mut operations = Vec::new();
        let mut rest = bytes;
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes
                .next()
                .map_or(rest.len(), |size| (*size).min(rest.len()));
            decoder.push(&rest[..size]);
            rest = &rest[size..];
            loop {
                match decoder.next() {
                    Ok(Some(operation)) => operations.push(operation),
                    Ok(None) => break,
                    Err(error) => return (operations, Some(error)),
                }
            }
            let bound = limits().control_line_bytes + limits().payload_bytes + size + 8;
            assert!(
                decoder.buffer.len() <= bound,
                "{} bytes",
                decoder.buffer.len()
            );
        }
        (operations, None)
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_operations(
            operations in vec(operations(), 0..12),
            sizes in vec(1..40_usize, 1..8),
        ) {
            let mut bytes = Vec::new();
            operations.iter().for_each(|operation| operation.encode(&mut bytes));
            prop_assert_eq!(decode(&bytes, &sizes), (operations, None));
        }

        #[test]
        fn garbage_does_not_panic_and_does_not_depend_on_the_cut(
            bytes in vec(prop_oneof![
                any::<u8>(),
                proptest::sample::select(b"PUBMSGHINGOSUBUNSUB+OK-ERR 0123\r\n".to_vec()),
            ], 0..400),
            sizes in vec(1..40_usize, 1..8),
        ) {
            let (one, failed) = decode(&bytes, &sizes);
            let (other, failed_at_once) = decode(&bytes, &[]);
            prop_assert_eq!(one, other);
            prop_assert_eq!(failed.is_some(), failed_at_once.is_some());
        }
    }

    #[test]
    fn what_is_refused() {
        use ProtocolError::{ControlLine, Malformed, Payload, UnknownOperation};
        let long_line = format!("SUB {} 1", "a".repeat(200));
        for (bytes, expected) in [
            ("GET / HTTP/1.1\r\n", UnknownOperation),
            ("G", UnknownOperation),
            ("PUBX a 1\r\n", UnknownOperation),
            ("PUB a 101\r\n", Payload),
            ("PUB a 99999999999999999999\r\n", Malformed),
            ("PUB a -1\r\n", Malformed),
            ("PUB a\r\n", Malformed),
            ("PUB a b c 1\r\n", Malformed),
            ("HPUB a 5 3\r\nabc\r\n", Malformed),
            ("PUB a 3\r\nabcd\r\n", Malformed),
            ("SUB a\r\n", Malformed),
            ("UNSUB\r\n", Malformed),
            (long_line.as_str(), ControlLine),
        ] {
            let (_, failed) = decode(bytes.as_bytes(), &[]);
            assert_eq!(failed, Some(expected), "{bytes}");
        }
    }

    #[test]
    fn verbs_may_be_in_lower_case_and_lines_may_lack_the_carriage_return() {
        let (operations, failed) = decode(b"ping\npub a.b 2\nhi\r\n", &[1]);
        assert_eq!(failed, None);
        assert_eq!(operations[0], Operation::Ping);
        assert!(matches!(&operations[1], Operation::Publish(message) if message.payload == b"hi"));
    }
}
