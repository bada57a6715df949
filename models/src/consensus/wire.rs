//! How nodes and clients speak over a stream of bytes.
//!
//! A frame is `[length: u32][checksum: u32][payload]`, numbers little-endian. The payload is in
//! postcard's format and `length` bytes long. The checksum is the CRC-32 (IEEE) of the four length bytes and the
//! payload, so that a damaged length is found too. After a damaged frame nobody knows where the next
//! one begins: the connection has to be closed.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::raft::{Message, NodeId, Status};
use super::service::{Execute, Response};

/// The longest payload between peers, in bytes: room for the largest append and the largest snapshot.
pub const MAX_PEER_PAYLOAD_BYTES: usize = 4 << 20;

/// The longest payload between clients and nodes, in bytes. It is less than peers may send: what a
/// client can ask for can always be replicated.
pub const MAX_CLIENT_PAYLOAD_BYTES: usize = 1 << 19;

/// What can travel in a frame.
pub trait Framed: Serialize + DeserializeOwned {
    /// The longest encoding that is sent or accepted.
    const MAX_BYTES: usize;
}

/// What one node sends another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerFrame {
    pub from: NodeId,
    pub message: Message,
}

impl Framed for PeerFrame {
    const MAX_BYTES: usize = MAX_PEER_PAYLOAD_BYTES;
}

/// What a client asks a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRequest {
    /// The client's number for this message; the response has the same.
    pub id: u64,
    pub body: RequestBody,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestBody {
    OpenSession,
    Execute(Execute),
    /// A linearizable read that needs neither a session nor a log entry.
    Read {
        key: String,
    },
    /// What the node thinks of itself; any node answers.
    Status,
}

impl Framed for ClientRequest {
    const MAX_BYTES: usize = MAX_CLIENT_PAYLOAD_BYTES;
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientResponse {
    /// That of the request.
    pub id: u64,
    pub body: ResponseBody,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseBody {
    /// The command has been applied, to this effect.
    Applied(Response),
    Value(Option<String>),
    Status(Status),
    /// Nothing was done: ask the leader, who may be `hint`.
    NotLeader {
        hint: Option<NodeId>,
    },
    /// The node cannot tell what becomes of the request: it may be carried out now, later or never.
    Unavailable,
}

impl Framed for ClientResponse {
    /// Values are no longer than the requests that wrote them; an answer may carry one, and a few bytes more.
    const MAX_BYTES: usize = MAX_CLIENT_PAYLOAD_BYTES + 64;
}

/// Why bytes are not a frame, or a value cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    #[error("a payload of {bytes} bytes is longer than the {max} that are allowed")]
    TooLong { bytes: usize, max: usize },
    #[error("the frame's checksum is {expected:08x}, its bytes have {found:08x}")]
    Checksum { expected: u32, found: u32 },
    #[error("the payload cannot be decoded: {0}")]
    Malformed(postcard::Error),
    #[error("{count} bytes follow the payload inside its frame")]
    TrailingBytes { count: usize },
}

/// The frame for a value.
pub fn encode<T: Framed>(value: &T) -> Result<Vec<u8>, WireError> {
    let mut frame = postcard::to_extend(value, vec![0; HEADER_BYTES])
        .expect("wire types have nothing that cannot be encoded");
    let payload_bytes = frame.len() - HEADER_BYTES;
    if payload_bytes > T::MAX_BYTES {
        return Err(WireError::TooLong {
            bytes: payload_bytes,
            max: T::MAX_BYTES,
        });
    }
    let length = u32::try_from(payload_bytes).expect("the maximum fits");
    let checksum = checksum(length, &frame[HEADER_BYTES..]);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(frame)
}

/// Finds the frames in a stream of bytes, whatever pieces it comes in.
///
/// Memory is bounded by one frame and one piece when [`Decoder::next`] is called until it has no
/// more after each [`Decoder::push`]. After an error it stays in error.
#[derive(Debug)]
pub struct Decoder<T> {
    buffer: Vec<u8>,
    /// How much of the buffer has been decoded.
    consumed: usize,
    failed: Option<WireError>,
    payload: PhantomData<T>,
}

impl<T> Default for Decoder<T> {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            consumed: 0,
            failed: None,
            payload: PhantomData,
        }
    }
}

impl<T: Framed> Decoder<T> {
    pub fn new() -> Self {
        Self::default()
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
    #[expect(
        clippy::should_implement_trait,
        reason = "the next frame is not the end of a sequence"
    )]
    pub fn next(&mut self) -> Result<Option<T>, WireError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.decode();
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.buffer = Vec::new();
            self.consumed = 0;
        }
        result
    }

    /// Whether the stream may end here: no frame has begun.
    pub fn is_between_frames(&self) -> bool {
        self.failed.is_none() && self.consumed == self.buffer.len()
    }

    fn decode(&mut self) -> Result<Option<T>, WireError> {
        let bytes = &self.buffer[self.consumed..];
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let [l0, l1, l2, l3, c0, c1, c2, c3] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let expected = u32::from_le_bytes([c0, c1, c2, c3]);
        let payload_bytes = length as usize;
        if payload_bytes > T::MAX_BYTES {
            return Err(WireError::TooLong {
                bytes: payload_bytes,
                max: T::MAX_BYTES,
            });
        }
        let Some(payload) = rest.get(..payload_bytes) else {
            return Ok(None);
        };
        let found = checksum(length, payload);
        if found != expected {
            return Err(WireError::Checksum { expected, found });
        }
        let (value, rest) = postcard::take_from_bytes(payload).map_err(WireError::Malformed)?;
        if !rest.is_empty() {
            return Err(WireError::TrailingBytes { count: rest.len() });
        }
        self.consumed += HEADER_BYTES + payload_bytes;
        Ok(Some(value))
    }
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

const HEADER_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::raft::{
        AppendOutcome, Ballot, Entry, EntryId, Index, Payload, Snapshot, Term,
    };
    use super::super::service::{Operation, SessionId};
    use super::*;

    fn entry_ids() -> impl Strategy<Value = EntryId> {
        any::<(u64, u64)>().prop_map(|(term, index)| EntryId {
            term: Term(term),
            index: Index(index),
        })
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let command = vec(any::<u8>(), 0..40).prop_map(Payload::Command);
        let payload = prop_oneof![Just(Payload::Noop), command];
        (entry_ids(), payload).prop_map(|(id, payload)| Entry { id, payload })
    }

    fn messages() -> impl Strategy<Value = Message> {
        let ballot = || prop_oneof![Just(Ballot::Pre), Just(Ballot::Real)];
        let term = || any::<u64>().prop_map(Term);
        let outcome = prop_oneof![
            Just(AppendOutcome::StaleTerm),
            any::<u64>().prop_map(|index| AppendOutcome::Appended {
                matched: Index(index)
            }),
            (any::<u64>(), entry_ids()).prop_map(|(previous, hint)| AppendOutcome::Conflict {
                previous: Index(previous),
                hint
            }),
        ];
        prop_oneof![
            (ballot(), term(), entry_ids()).prop_map(|(ballot, term, last)| Message::RequestVote {
                ballot,
                term,
                last
            }),
            (ballot(), term(), any::<bool>()).prop_map(|(ballot, term, granted)| Message::Vote {
                ballot,
                term,
                granted
            }),
            (
                term(),
                entry_ids(),
                vec(entries(), 0..5),
                any::<(u64, u64)>()
            )
                .prop_map(|(term, previous, entries, (commit, round))| {
                    Message::Append {
                        term,
                        previous,
                        entries,
                        commit: Index(commit),
                        round,
                    }
                }),
            (term(), entry_ids(), vec(any::<u8>(), 0..100), any::<u64>()).prop_map(
                |(term, last, data, round)| Message::InstallSnapshot {
                    term,
                    snapshot: Snapshot { last, data },
                    round
                }
            ),
            (term(), any::<u64>(), outcome).prop_map(|(term, round, outcome)| {
                Message::AppendReply {
                    term,
                    round,
                    outcome,
                }
            }),
        ]
    }

    fn peer_frames() -> impl Strategy<Value = PeerFrame> {
        (any::<u32>(), messages()).prop_map(|(from, message)| PeerFrame {
            from: NodeId(from),
            message,
        })
    }

    fn requests() -> impl Strategy<Value = ClientRequest> {
        let execute = (any::<(u64, u64, u64)>(), ".{0,9}", ".{0,9}").prop_map(
            |((session, sequence, lowest_unacknowledged), key, value)| {
                RequestBody::Execute(Execute {
                    session: SessionId(session),
                    sequence,
                    lowest_unacknowledged,
                    operation: Operation::Put { key, value },
                })
            },
        );
        let body = prop_oneof![
            Just(RequestBody::OpenSession),
            Just(RequestBody::Status),
            ".{0,9}".prop_map(|key| RequestBody::Read { key }),
            execute,
        ];
        (any::<u64>(), body).prop_map(|(id, body)| ClientRequest { id, body })
    }

    /// Decodes pieces as a connection would.
    fn decode<T: Framed>(pieces: &[&[u8]]) -> Result<Vec<T>, WireError> {
        let mut decoder = Decoder::new();
        let mut values = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Some(value) = decoder.next()? {
                values.push(value);
            }
        }
        Ok(values)
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(frames in vec(peer_frames(), 1..4), cut in any::<prop::sample::Index>()) {
            let bytes: Vec<u8> = frames.iter().flat_map(|frame| encode(frame).unwrap()).collect();
            let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(decode(&[left, right]), Ok(frames.clone()));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(decode(&single), Ok(frames));
        }

        #[test]
        fn requests_survive_the_journey(request in requests()) {
            prop_assert_eq!(decode(&[&encode(&request).unwrap()]), Ok(vec![request]));
        }

        #[test]
        fn a_damaged_byte_is_found(frame in peer_frames(), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
            let mut bytes = encode(&frame).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            // A length that grew makes the decoder wait for more: nothing wrong comes out either way.
            let decoded = decode::<PeerFrame>(&[&bytes]);
            prop_assert!(decoded.is_err() || decoded == Ok(vec![]), "{:?}", decoded);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = decode::<PeerFrame>(&[&bytes]);
            let _ = decode::<ClientResponse>(&[&bytes]);
            // As a payload, too, behind a header that is right.
            let _ = decode::<PeerFrame>(&[&framed(&bytes)]);
            let _ = decode::<ClientRequest>(&[&framed(&bytes)]);
            let _ = decode::<ClientResponse>(&[&framed(&bytes)]);
        }
    }

    fn framed(payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap();
        let checksum = checksum(length, payload);
        [&length.to_le_bytes(), &checksum.to_le_bytes(), payload].concat()
    }

    fn status_request() -> ClientRequest {
        ClientRequest {
            id: 1,
            body: RequestBody::Status,
        }
    }

    #[test]
    fn the_format_is_as_documented() {
        let frame = encode(&status_request()).unwrap();
        assert_eq!(frame[..4], [2, 0, 0, 0]);
        assert_eq!(frame[8..], [1, 3]);
        assert_eq!(
            crc32fast::hash(&[2, 0, 0, 0, 1, 3]).to_le_bytes(),
            frame[4..8]
        );
    }

    #[test]
    fn a_long_frame_is_refused_before_it_is_read() {
        let length = u32::try_from(MAX_CLIENT_PAYLOAD_BYTES + 1).unwrap();
        let header = [length.to_le_bytes(), [0; 4]].concat();
        let error = WireError::TooLong {
            bytes: MAX_CLIENT_PAYLOAD_BYTES + 1,
            max: MAX_CLIENT_PAYLOAD_BYTES,
        };
        assert_eq!(decode::<ClientRequest>(&[&header]), Err(error));
        let key = "k".repeat(MAX_CLIENT_PAYLOAD_BYTES);
        let body = RequestBody::Read { key };
        assert!(matches!(
            encode(&ClientRequest { id: 1, body }),
            Err(WireError::TooLong { .. })
        ));
    }

    #[test]
    fn the_largest_snapshot_and_the_largest_append_fit() {
        use super::super::raft::{MAX_COMMAND_BYTES, MAX_SNAPSHOT_BYTES};
        let last = EntryId {
            term: Term(u64::MAX),
            index: Index(u64::MAX),
        };
        let snapshot = Snapshot {
            last,
            data: vec![255; MAX_SNAPSHOT_BYTES],
        };
        let term = Term(u64::MAX);
        let round = u64::MAX;
        let entry = Entry {
            id: last,
            payload: Payload::Command(vec![255; MAX_COMMAND_BYTES]),
        };
        let messages = [
            Message::InstallSnapshot {
                term,
                snapshot,
                round,
            },
            Message::Append {
                term,
                previous: last,
                entries: vec![entry.clone(), entry],
                commit: last.index,
                round,
            },
        ];
        for message in messages {
            let from = NodeId(u32::MAX);
            assert!(encode(&PeerFrame { from, message }).is_ok());
        }
    }

    #[test]
    fn after_an_error_there_is_no_next_frame() {
        let good = encode(&status_request()).unwrap();
        let mut bad = good.clone();
        bad[8] ^= 1;
        let mut decoder = Decoder::<ClientRequest>::new();
        decoder.push(&good);
        decoder.push(&bad);
        decoder.push(&good);
        assert_eq!(decoder.next(), Ok(Some(status_request())));
        assert!(decoder.next().is_err());
        decoder.push(&good);
        assert!(matches!(decoder.next(), Err(WireError::Checksum { .. })));
        assert!(!decoder.is_between_frames());
    }

    #[test]
    fn bytes_behind_the_payload_are_refused() {
        let error = WireError::TrailingBytes { count: 1 };
        assert_eq!(decode::<ClientRequest>(&[&framed(&[1, 3, 0])]), Err(error));
    }
}
