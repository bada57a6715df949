//! RESP2, the protocol of Redis: how requests and answers are written as bytes.
//!
//! The codec knows no sockets. A [`Decoder`] is given the pieces of a stream as they come and goes on
//! where it stopped, so that a frame that comes byte by byte costs no more than one that comes whole.
//! It believes no length that a peer announces before the bytes are there, and holds no more than
//! its [`Bounds`] say.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use thiserror::Error;

/// What travels: a request is an array of bulk strings, an answer any of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `+OK`. Neither this nor an error has line breaks.
    Simple(String),
    /// `-ERR what is wrong`
    Error(String),
    /// `:42`
    Integer(i64),
    /// `$3 abc`; `None` is `$-1`, which stands for nothing.
    Bulk(Option<Vec<u8>>),
    /// `*2 …`; `None` is `*-1`, which stands for nothing.
    Array(Option<Vec<Self>>),
}

impl Frame {
    /// `+OK`.
    pub fn ok() -> Self {
        Self::Simple("OK".to_owned())
    }

    /// An array of bulk strings: a request.
    pub fn request(arguments: &[&[u8]]) -> Self {
        let bulk = |argument: &&[u8]| Self::Bulk(Some(argument.to_vec()));
        Self::Array(Some(arguments.iter().map(bulk).collect()))
    }

    /// Appends the frame's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Simple(text) => line(out, b'+', text),
            Self::Error(text) => line(out, b'-', text),
            Self::Integer(number) => line(out, b':', &number.to_string()),
            Self::Bulk(None) => line(out, b'$', "-1"),
            Self::Bulk(Some(bytes)) => {
                line(out, b'$', &bytes.len().to_string());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Self::Array(None) => line(out, b'*', "-1"),
            Self::Array(Some(items)) => {
                line(out, b'*', &items.len().to_string());
                items.iter().for_each(|item| item.encode(out));
            }
        }
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let own = match self {
            Self::Simple(text) | Self::Error(text) => text.len(),
            Self::Bulk(Some(bytes)) => bytes.len(),
            Self::Array(Some(items)) => items.iter().map(Self::bytes).sum(),
            Self::Integer(_) | Self::Bulk(None) | Self::Array(None) => 0,
        };
        own + size_of::<Self>()
    }

    /// The frame's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

fn line(out: &mut Vec<u8>, kind: u8, text: &str) {
    out.push(kind);
    out.extend(text.bytes().map(|byte| {
        if matches!(byte, b'\r' | b'\n') {
            b' '
        } else {
            byte
        }
    }));
    out.extend_from_slice(b"\r\n");
}

/// What a decoder accepts at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// All bytes of a frame.
    pub frame_bytes_max: usize,
    /// All items of all arrays of a frame.
    pub items_max: usize,
    /// Arrays within arrays.
    pub depth_max: usize,
}

/// A line that is longer is no length, number or command that anybody types.
const LINE_BYTES_MAX: usize = 4096;

/// Why bytes are no frame. Where the next frame would begin nobody knows: the connection has to be closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    #[error("a line is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    #[error("a line does not end with CR LF")]
    BareCarriageReturn,
    #[error("expected a number, found other bytes")]
    NotANumber,
    #[error("a length is neither -1 nor one from 0 to {max}")]
    Length { max: usize },
    #[error("a string is not followed by CR LF")]
    UnterminatedBulk,
    #[error("arrays lie {max} deep at most")]
    TooDeep { max: usize },
    #[error("a frame has {max} bytes at most")]
    FrameTooLong { max: usize },
    #[error("a line is not UTF-8")]
    NotText,
}

/// An array whose items have not all come.
#[derive(Debug)]
struct Open {
    missing: usize,
    items: Vec<Frame>,
}

/// Finds the frames in a stream, whatever pieces it comes in.
///
/// Memory is bounded by one frame and one piece when [`Decoder::next`] is called until it has no more
/// after each [`Decoder::push`]. After an error it stays in error.
#[derive(Debug)]
pub struct Decoder {
    bounds: Bounds,
    buffer: Vec<u8>,
    /// How much of the buffer has been decoded.
    consumed: usize,
    /// The arrays that have begun, outermost first.
    open: Vec<Open>,
    /// The length of the string whose bytes come next.
    bulk: Option<usize>,
    /// What the frame under way has come to.
    frame_bytes: usize,
    frame_items: usize,
    failed: Option<ProtocolError>,
}

impl Decoder {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            buffer: Vec::new(),
            consumed: 0,
            open: Vec::new(),
            bulk: None,
            frame_bytes: 0,
            frame_items: 0,
            failed: None,
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.drain(..self.consumed);
            self.consumed = 0;
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole frame; `None` until more bytes have come.
    ///
    /// # Errors
    /// If the bytes are no frame, or one beyond the bounds.
    #[expect(
        clippy::should_implement_trait,
        reason = "the next frame is not the end of a sequence"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.decode();
        if let Err(error) = &result {
            *self = Self::new(self.bounds);
            self.failed = Some(error.clone());
        }
        result
    }

    /// Whether the stream may end here: no frame has begun.
    pub fn is_between_frames(&self) -> bool {
        let is_idle = self.open.is_empty() && self.bulk.is_none();
        self.failed.is_none() && is_idle && self.consumed == self.buffer.len()
    }

    /// How many bytes wait to be decoded.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.consumed
    }

    fn decode(&mut self) -> Result<Option<Frame>, ProtocolError> {
        while let Some(frame) = self.decode_item()? {
            if let Some(whole) = self.close_arrays(frame) {
                (self.frame_bytes, self.frame_items) = (0, 0);
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// Puts a frame where it belongs; answers the outermost one if that is whole now.
    fn close_arrays(&mut self, mut frame: Frame) -> Option<Frame> {
        while let Some(mut array) = self.open.pop() {
            array.items.push(frame);
            array.missing -= 1;
            if array.missing > 0 {
                self.open.push(array);
                return None;
            }
            frame = Frame::Array(Some(array.items));
        }
        Some(frame)
    }

    /// The next frame that is no array with items.
    fn decode_item(&mut self) -> Result<Option<Frame>, ProtocolError> {
        loop {
            if let Some(length) = self.bulk {
                return self.decode_bulk(length);
            }
            let Some(line) = self.take_line()? else {
                return Ok(None);
            };
            let (kind, rest) = line.split_first().map_or((b' ', &[][..]), |(k, r)| (*k, r));
            match kind {
                b'+' => return Ok(Some(Frame::Simple(text(rest)?))),
                b'-' => return Ok(Some(Frame::Error(text(rest)?))),
                b':' => return Ok(Some(Frame::Integer(number(rest)?))),
                b'$' => match length(rest, self.bounds.frame_bytes_max)? {
                    None => return Ok(Some(Frame::Bulk(None))),
                    Some(length) => self.bulk = Some(length),
                },
                b'*' => match length(rest, self.bounds.items_max)? {
                    None => return Ok(Some(Frame::Array(None))),
                    Some(0) => return Ok(Some(Frame::Array(Some(Vec::new())))),
                    Some(missing) => self.open_array(missing)?,
                },
                // As a person types it: words on a line.
                _ if self.open.is_empty() => return Ok(Some(inline(&line))),
                _ => return Err(ProtocolError::NotANumber),
            }
        }
    }

    fn open_array(&mut self, missing: usize) -> Result<(), ProtocolError> {
        let max = self.bounds.depth_max;
        if self.open.len() >= max {
            return Err(ProtocolError::TooDeep { max });
        }
        self.frame_items += missing;
        if self.frame_items > self.bounds.items_max {
            let max = self.bounds.items_max;
            return Err(ProtocolError::Length { max });
        }
        let items = Vec::new();
        self.open.push(Open { missing, items });
        Ok(())
    }

    fn decode_bulk(&mut self, length: usize) -> Result<Option<Frame>, ProtocolError> {
        let max = self.bounds.frame_bytes_max;
        if self.frame_bytes + length > max {
            return Err(ProtocolError::FrameTooLong { max });
        }
        let rest = &self.buffer[self.consumed..];
        let Some(bytes) = rest.get(..length + 2) else {
            return Ok(None);
        };
        let Some(bytes) = bytes.strip_suffix(b"\r\n") else {
            return Err(ProtocolError::UnterminatedBulk);
        };
        let bytes = bytes.to_vec();
        self.bulk = None;
        self.consume(length + 2)?;
        Ok(Some(Frame::Bulk(Some(bytes))))
    }

    /// The next line, without its end.
    fn take_line(&mut self) -> Result<Option<Vec<u8>>, ProtocolError> {
        let rest = &self.buffer[self.consumed..];
        let window = &rest[..rest.len().min(LINE_BYTES_MAX)];
        let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
            return match rest.len() >= LINE_BYTES_MAX {
                true => Err(ProtocolError::LineTooLong),
                false => Ok(None),
            };
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if line.contains(&b'\r') {
            return Err(ProtocolError::BareCarriageReturn);
        }
        let line = line.to_vec();
        self.consume(end + 1)?;
        Ok(Some(line))
    }

    fn consume(&mut self, bytes: usize) -> Result<(), ProtocolError> {
        self.consumed += bytes;
        self.frame_bytes += bytes;
        let max = self.bounds.frame_bytes_max;
        match self.frame_bytes > max + LINE_BYTES_MAX {
            true => Err(ProtocolError::FrameTooLong { max }),
            false => Ok(()),
        }
    }
}

/// A line of words, as an array of strings.
fn inline(line: &[u8]) -> Frame {
    let words = line.split(u8::is_ascii_whitespace);
    let words = words.filter(|word| !word.is_empty());
    Frame::Array(Some(
        words.map(|word| Frame::Bulk(Some(word.to_vec()))).collect(),
    ))
}

fn text(bytes: &[u8]) -> Result<String, ProtocolError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ProtocolError::NotText)
}

/// The number that these bytes are, in decimal.
pub(super) fn number(bytes: &[u8]) -> Result<i64, ProtocolError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ProtocolError::NotANumber)?;
    if text.starts_with('+') {
        return Err(ProtocolError::NotANumber);
    }
    text.parse().map_err(|_| ProtocolError::NotANumber)
}

/// A length; -1 stands for nothing.
fn length(bytes: &[u8], max: usize) -> Result<Option<usize>, ProtocolError> {
    match number(bytes)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) if length <= max => Ok(Some(length)),
            _ => Err(ProtocolError::Length { max }),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        frame_bytes_max: 2000,
        items_max: 64,
        depth_max: 3,
    };

    fn frames() -> impl Strategy<Value = Frame> {
        let leaf = prop_oneof![
            "[ -~]{0,20}".prop_map(Frame::Simple),
            "[ -~]{0,20}".prop_map(Frame::Error),
            any::<i64>().prop_map(Frame::Integer),
            Just(Frame::Bulk(None)),
            Just(Frame::Array(None)),
            vec(any::<u8>(), 0..40).prop_map(|bytes| Frame::Bulk(Some(bytes))),
        ];
        leaf.prop_recursive(3, 16, 4, |item| {
            vec(item, 0..4).prop_map(|items| Frame::Array(Some(items)))
        })
    }

    fn decode(pieces: &[&[u8]]) -> (Vec<Frame>, Option<ProtocolError>, usize) {
        let mut decoder = Decoder::new(BOUNDS);
        let (mut frames, mut held_max) = (Vec::new(), 0);
        for piece in pieces {
            decoder.push(piece);
            loop {
                match decoder.next() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error), held_max),
                }
            }
            held_max = held_max.max(decoder.buffered());
        }
        (frames, None, held_max)
    }

    fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, others) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = others;
        }
        pieces
    }

    proptest! {
        #[test]
        fn any_pieces_make_the_same_frames(
            sent in vec(frames(), 0..6),
            sizes in vec(1..30_usize, 1..8),
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(Frame::to_bytes).collect();
            let (got, error, _) = decode(&cut(&bytes, &sizes));
            prop_assert_eq!(error, None);
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn garbage_is_an_error_or_frames_and_is_not_hoarded(
            bytes in vec(
                prop_oneof![any::<u8>(), Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), b'0'..=b'9'],
                0..12_000,
            ),
            sizes in vec(1..700_usize, 1..8),
        ) {
            let (got, error, held_max) = decode(&cut(&bytes, &sizes));
            prop_assert!(held_max <= LINE_BYTES_MAX + BOUNDS.frame_bytes_max + 2);
            let whole = decode(&[&bytes]);
            prop_assert_eq!((got, error), (whole.0, whole.1));
        }
    }

    #[track_caller]
    fn refuses(bytes: &[u8], expected: &ProtocolError) {
        assert_eq!(decode(&[bytes]).1.as_ref(), Some(expected));
        let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&bytewise).1.as_ref(), Some(expected));
    }

    #[test]
    fn bounds_hold_before_the_bytes_come() {
        refuses(b"$2001\r\n", &ProtocolError::Length { max: 2000 });
        refuses(b"*65\r\n", &ProtocolError::Length { max: 64 });
        refuses(b"*2\r\n*60\r\n*60\r\n", &ProtocolError::Length { max: 64 });
        refuses(
            b"*1\r\n*1\r\n*1\r\n*1\r\n",
            &ProtocolError::TooDeep { max: 3 },
        );
        refuses(b"$-2\r\n", &ProtocolError::Length { max: 2000 });
        refuses(b"$99999999999999999999\r\n", &ProtocolError::NotANumber);
        refuses(b"*1\r\nPING\r\n", &ProtocolError::NotANumber);
        refuses(b"$3\r\nabcd\r\n", &ProtocolError::UnterminatedBulk);
        refuses(&[b'x'; 5000], &ProtocolError::LineTooLong);
        let three = [
            b"*3\r\n".to_vec(),
            [&b"$900\r\n"[..], &[b'x'; 900], b"\r\n"].concat().repeat(3),
        ];
        refuses(&three.concat(), &ProtocolError::FrameTooLong { max: 2000 });
    }

    #[test]
    fn words_on_a_line_are_a_request() {
        let (frames, error, _) = decode(&[b"PING  hello\r\n\r\n"]);
        assert_eq!(error, None);
        assert_eq!(
            frames,
            [Frame::request(&[b"PING", b"hello"]), Frame::request(&[])]
        );
    }

    #[test]
    fn a_text_cannot_forge_a_frame() {
        let frame = Frame::Error("ERR a\r\n+OK".to_owned());
        assert_eq!(frame.to_bytes(), b"-ERR a  +OK\r\n");
    }
}
