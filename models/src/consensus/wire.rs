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
