//! TCP: ordered bytes with handshake, window, half-close, FIN and RST, and retransmission.
//!
//! One [`Stream`] is one end of a connection. What an end sends waits in its *pipe* with the time of
//! its arrival; one event per pipe stands in the queue, for the pipe's head. If the head cannot
//! arrive (the link is cut or loses it, the machine is without power), all of the pipe waits and
//! the head is sent again, after a time-out that doubles (RFC 6298), until the sender gives up.
//!
//! A file for each thing that happens: `handshake`, `transfer` (reading and writing), `arrival`,
//! `ending`.

mod arrival;
mod ending;
mod handshake;
mod transfer;

pub(crate) use self::handshake::NEIGHBOUR_PATIENCE_NS;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::events::Event;
use super::network::Route;
use super::slots::Id;
use super::waker::Waiter;
use crate::keyed::Key;

/// The headers of IPv4 and TCP.
const HEADER_BYTES: usize = 40;

pub(super) struct Listener {
    node: u32,
    local: SocketAddr,
    backlog: VecDeque<Id>,
    acceptor: Option<Waiter>,
}

/// One end of a connection.
pub(super) struct Stream {
    pub(super) node: u32,
    local: SocketAddrV4,
    remote: SocketAddrV4,
    remote_node: u32,
    /// The other end, if it exists; its id may be stale.
    peer: Option<Id>,
    phase: Phase,
    owner: Owner,
    /// What was sent and has not arrived.
    pipe: VecDeque<Segment>,
    is_scheduled: bool,
    last_arrival_ns: u64,
    /// Whether it was this end that connected.
    is_caller: bool,
    /// Whether letting go of it is a reset, whatever has been read.
    is_abortive: bool,
    /// How often the head has been sent again, or the SYN.
    attempts: u32,
    stalled_since_ns: Option<u64>,
    /// When it gives up waiting for an answer that a clog or a pause holds back.
    gives_up_ns: Option<u64>,
    /// How many reads and writes a fault may have cut short.
    chops: u64,
    /// Bytes that were sent and that the peer has not read.
    unread_bytes: usize,
    is_finished: bool,
    is_window_update_due: bool,
    inbox: VecDeque<Vec<u8>>,
    /// How much of the inbox's head has been read.
    inbox_offset: usize,
    inbox_bytes: usize,
    has_seen_finish: bool,
    /// Why it broke, until a program has been told: Linux says so once (`sk_err`).
    error: Option<i32>,
    reader: Option<Waiter>,
    writer: Option<Waiter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// The listener's machine has said no; the answer is on its way.
    Refused,
    Open,
    /// It has ended badly: there is nothing more to read, and writing is in vain.
    Broken,
}

/// Who holds an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Program,
    /// The program has let go; the kernel still delivers what is in the pipe, with a FIN behind.
    Kernel,
    /// The machine lost power, or the connection was reset; what had left still arrives, nothing else
    /// does.
    Nobody,
}

struct Segment {
    arrives_ns: u64,
    key: Key,
    payload: Payload,
    /// Whether it found the link's queue full: what arrives is the sender's time-out alone.
    is_dropped: bool,
}

enum Payload {
    Bytes(Vec<u8>),
    Finish,
    Reset,
}

impl Payload {
    /// What it and its headers take on a link.
    #[inline]
    fn wire_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => HEADER_BYTES + bytes.len(),
            Self::Finish | Self::Reset => HEADER_BYTES,
        }
    }
}

impl Stream {
    fn new(node: u32, local: SocketAddrV4, remote: (u32, SocketAddrV4), phase: Phase) -> Self {
        Self {
            node,
            local,
            remote: remote.1,
            remote_node: remote.0,
            peer: None,
            phase,
            owner: Owner::Program,
            pipe: VecDeque::new(),
            is_scheduled: false,
            last_arrival_ns: 0,
            is_caller: false,
            is_abortive: false,
            attempts: 0,
            stalled_since_ns: None,
            gives_up_ns: None,
            chops: 0,
            unread_bytes: 0,
            is_finished: false,
            is_window_update_due: false,
            inbox: VecDeque::new(),
            inbox_offset: 0,
            inbox_bytes: 0,
            has_seen_finish: false,
            error: None,
            reader: None,
            writer: None,
        }
    }

    /// The way of what it sends.
    #[inline]
    fn outgoing(&self) -> Route {
        Route {
            from: self.node,
            to: self.remote_node,
            from_port: self.local.port(),
            to_port: self.remote.port(),
        }
    }

    /// The way of what it is sent.
    fn incoming(&self) -> Route {
        self.outgoing().reversed()
    }

    /// The port that it calls this address from.
    pub(super) fn port_of_call(&self, node: u32, to: SocketAddrV4) -> Option<u16> {
        let is_call = self.is_caller && self.owner != Owner::Nobody;
        (is_call && self.node == node && self.remote == to).then(|| self.local.port())
    }

    /// Whether it holds a port that no socket was bound to before.
    pub(super) fn is_on_callers_port(&self, node: u32, ip: Ipv4Addr, port: u16) -> bool {
        self.is_caller
            && self.node == node
            && self.local.port() == port
            && (ip.is_unspecified() || ip == *self.local.ip())
            && self.owner != Owner::Nobody
    }

    pub(super) fn is_orphan(&self) -> bool {
        self.owner != Owner::Program
    }
}

fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

fn event_word(event: Event) -> u64 {
    match event {
        Event::Syn(_) => 1,
        Event::SynAck(_) => 2,
        Event::Reset(_) => 3,
        Event::Window(_) => 4,
        Event::Unreachable(_) => 5,
        Event::Timer(_)
        | Event::Datagram(_)
        | Event::Segment(_)
        | Event::GiveUp(_)
        | Event::Cpu(_) => 0,
    }
}
