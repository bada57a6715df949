//! TCP: ordered bytes with handshake, window, half-close, FIN and RST, and retransmission.
//!
//! One [`Stream`] is one end of a connection. What an end sends waits in its *pipe* with the time of
//! its arrival; one event per pipe stands in the queue, for the pipe's head. If the head cannot
//! arrive (the link is cut or loses it, the machine is without power), all of the pipe waits and
//! the head is sent again, after a time-out that doubles (RFC 6298), until the sender gives up.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::task::{Context, Poll};

use super::events::Event;
use super::network::{Socket, destination, source};
use super::slots::Id;
use super::waker::Waiter;
use super::world::World;
use crate::keyed::Key;

/// Linux sends a SYN again after 1, 2, 4, … seconds, six times (`tcp_syn_retries`).
const SYN_RETRY_NS: u64 = 1_000_000_000;
const SYN_RETRIES_MAX: u32 = 6;
/// How many connections wait to be accepted; Linux's `somaxconn`.
const BACKLOG_MAX: usize = 4096;
/// What one segment carries at the most, as with segmentation offload.
const SEGMENT_BYTES_MAX: usize = 64 * 1024;

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
    /// How often the head has been sent again, or the SYN.
    attempts: u32,
    stalled_since_ns: Option<u64>,
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
    /// The machine lost power; what had left it still arrives, nothing else does.
    Nobody,
}

struct Segment {
    arrives_ns: u64,
    key: Key,
    payload: Payload,
}

enum Payload {
    Bytes(Vec<u8>),
    Finish,
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
            attempts: 0,
            stalled_since_ns: None,
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

    pub(super) fn is_orphan(&self) -> bool {
        self.owner != Owner::Program
    }
}

fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// Listening and connecting.
impl World {
    pub(crate) fn tcp_listen(&mut self, address: SocketAddr) -> io::Result<(Id, SocketAddr)> {
        let node = self.current_node();
        let listener = Listener {
            node,
            local: address,
            backlog: VecDeque::new(),
            acceptor: None,
        };
        let id = self.network.listeners.insert(listener);
        let bound = self.bind_port(address, Socket::Listener(id));
        match (bound, self.network.listeners.get_mut(id)) {
            (Ok(local), Some(listener)) => {
                listener.local = local;
                Ok((id, local))
            }
            (bound, _) => {
                self.network.listeners.remove(id);
                Err(bound.err().unwrap_or_else(|| errno(libc::EINVAL)))
            }
        }
    }

    pub(crate) fn tcp_poll_accept(
        &mut self,
        id: Id,
        context: &Context<'_>,
    ) -> Poll<io::Result<(Id, SocketAddr, SocketAddr)>> {
        let Some(listener) = self.network.listeners.get_mut(id) else {
            return Poll::Ready(Err(errno(libc::EBADF)));
        };
        while let Some(stream_id) = listener.backlog.pop_front() {
            if let Some(stream) = self.network.streams.get(stream_id) {
                return Poll::Ready(Ok((stream_id, stream.local.into(), stream.remote.into())));
            }
        }
        listener.acceptor = Some(Waiter::of(context));
        Poll::Pending
    }

    pub(crate) fn tcp_close_listener(&mut self, id: Id) {
        let Some(listener) = self.network.listeners.remove(id) else {
            return;
        };
        self.free_port(listener.node, Socket::Listener(id));
        listener
            .backlog
            .into_iter()
            .for_each(|stream| self.reset_stream(stream));
    }

    /// Begins to connect; [`Self::tcp_poll_connect`] says how it ended.
    pub(crate) fn tcp_connect(
        &mut self,
        remote: SocketAddr,
    ) -> io::Result<(Id, SocketAddr, SocketAddr)> {
        let node = self.current_node();
        let (SocketAddr::V4(remote), Some(remote_node)) = (remote, self.node_of(node, remote.ip()))
        else {
            return Err(errno(libc::EHOSTUNREACH));
        };
        let port = self.ephemeral_port(node, Socket::Listener(Id::from_word(0)));
        let remote = SocketAddrV4::new(destination(*remote.ip()), remote.port());
        let local = SocketAddrV4::new(source(node, *remote.ip()), port);
        let stream = Stream::new(node, local, (remote_node, remote), Phase::Connecting);
        let id = self.network.streams.insert(stream);
        self.send_control(node, remote_node, Event::Syn(id), 0);
        Ok((id, local.into(), remote.into()))
    }

    pub(crate) fn tcp_poll_connect(
        &mut self,
        id: Id,
        context: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return Poll::Ready(Err(errno(libc::EBADF)));
        };
        match stream.phase {
            Phase::Open => Poll::Ready(Ok(())),
            Phase::Broken => {
                let code = stream.error.take().unwrap_or(libc::ECONNABORTED);
                Poll::Ready(Err(errno(code)))
            }
            Phase::Connecting | Phase::Refused => {
                stream.writer = Some(Waiter::of(context));
                Poll::Pending
            }
        }
    }

    /// Sends a packet without payload; its arrival is the event.
    fn send_control(&mut self, from: u32, to: u32, event: Event, extra_ns: u64) {
        let passage = self.network.links.depart(from, to);
        let arrives_ns = self.now_ns + extra_ns + passage.latency_ns;
        self.schedule(arrives_ns, passage.key, event);
    }

    /// Whether a packet without payload gets through now.
    fn control_passes(&mut self, from: u32, to: u32, event: Event) -> bool {
        let key = self.network.links.arrival_key(from, to);
        let is_passing = self.network.links.passes(from, to, key);
        self.note(key.with(u64::from(is_passing)).bits() ^ event_word(event));
        is_passing
    }

    pub(super) fn syn_arrives(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get(id) else {
            return;
        };
        if stream.phase != Phase::Connecting {
            return;
        }
        let (from, to, local, remote) =
            (stream.node, stream.remote_node, stream.local, stream.remote);
        if self.hold_if_paused(to, Event::Syn(id)) {
            return;
        }
        if !self.control_passes(from, to, Event::Syn(id)) || !self.nodes[to as usize].powered {
            return self.retry_syn(id);
        }
        let like = Socket::Listener(Id::from_word(0));
        let Some(Socket::Listener(listener_id)) = self.port_socket(to, remote, like) else {
            if let Some(stream) = self.network.streams.get_mut(id) {
                stream.phase = Phase::Refused;
            }
            return self.send_control(to, from, Event::SynAck(id), 0);
        };
        let mut other_end = Stream::new(to, remote, (from, local), Phase::Open);
        other_end.peer = Some(id);
        let Some(listener) = self.network.listeners.get_mut(listener_id) else {
            return;
        };
        if listener.backlog.len() >= BACKLOG_MAX {
            return self.retry_syn(id);
        }
        let other_id = self.network.streams.insert(other_end);
        listener.backlog.push_back(other_id);
        if let Some(acceptor) = listener.acceptor.take() {
            self.wake(acceptor);
        }
        if let Some(stream) = self.network.streams.get_mut(id) {
            stream.peer = Some(other_id);
        }
        self.counters.connections += 1;
        self.send_control(to, from, Event::SynAck(id), 0);
    }

    fn retry_syn(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.attempts >= SYN_RETRIES_MAX {
            return self.break_stream(id, libc::ETIMEDOUT);
        }
        let wait_ns = SYN_RETRY_NS << stream.attempts;
        stream.attempts += 1;
        let (from, to) = (stream.node, stream.remote_node);
        self.send_control(from, to, Event::Syn(id), wait_ns);
    }

    pub(super) fn syn_ack_arrives(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get(id) else {
            return;
        };
        let (node, remote_node, phase) = (stream.node, stream.remote_node, stream.phase);
        if self.hold_if_paused(node, Event::SynAck(id)) {
            return;
        }
        if !self.control_passes(remote_node, node, Event::SynAck(id)) {
            return self.send_control(remote_node, node, Event::SynAck(id), SYN_RETRY_NS);
        }
        match phase {
            Phase::Connecting => self.open_stream(id),
            Phase::Refused => self.break_stream(id, libc::ECONNREFUSED),
            Phase::Open | Phase::Broken => {}
        }
    }

    fn open_stream(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        stream.phase = Phase::Open;
        stream.attempts = 0;
        if let Some(waker) = stream.writer.take() {
            self.wake(waker);
        }
    }
}

/// Reading and writing.
impl World {
    pub(crate) fn tcp_poll_write(
        &mut self,
        id: Id,
        bytes: &[u8],
        context: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let window_bytes = self.config.network.window_bytes;
        let Some(stream) = self.network.streams.get_mut(id) else {
            return Poll::Ready(Err(errno(libc::EPIPE)));
        };
        if stream.is_finished || stream.phase == Phase::Broken {
            let code = stream.error.take().unwrap_or(libc::EPIPE);
            return Poll::Ready(Err(errno(code)));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = window_bytes.saturating_sub(stream.unread_bytes);
        if room == 0 {
            stream.writer = Some(Waiter::of(context));
            return Poll::Pending;
        }
        let length = bytes.len().min(room).min(SEGMENT_BYTES_MAX);
        stream.unread_bytes += length;
        let mut buffer = self.network.buffers.take();
        buffer.extend_from_slice(&bytes[..length]);
        self.send_segment(id, Payload::Bytes(buffer));
        Poll::Ready(Ok(length))
    }

    pub(crate) fn tcp_poll_read(
        &mut self,
        id: Id,
        buffer: &mut [u8],
        context: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return Poll::Ready(Err(errno(libc::EBADF)));
        };
        if stream.inbox_bytes == 0 {
            if stream.has_seen_finish {
                return Poll::Ready(Ok(0));
            }
            if stream.phase == Phase::Broken {
                return Poll::Ready(stream.error.take().map_or(Ok(0), |code| Err(errno(code))));
            }
            stream.reader = Some(Waiter::of(context));
            return Poll::Pending;
        }
        Poll::Ready(Ok(self.read_inbox(id, buffer)))
    }

    fn read_inbox(&mut self, id: Id, buffer: &mut [u8]) -> usize {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return 0;
        };
        let mut read = 0;
        while read < buffer.len()
            && let Some(head) = stream.inbox.front()
        {
            let unread = &head[stream.inbox_offset..];
            let length = unread.len().min(buffer.len() - read);
            buffer[read..read + length].copy_from_slice(&unread[..length]);
            read += length;
            stream.inbox_offset += length;
            if stream.inbox_offset == head.len() {
                stream.inbox_offset = 0;
                if let Some(spent) = stream.inbox.pop_front() {
                    self.network.buffers.keep(spent);
                }
            }
        }
        stream.inbox_bytes -= read;
        let (node, remote_node, peer) = (stream.node, stream.remote_node, stream.peer);
        if let Some(peer_id) = peer
            && let Some(peer) = self.network.streams.get_mut(peer_id)
        {
            peer.unread_bytes -= read;
            if peer.writer.is_some() && !peer.is_window_update_due {
                peer.is_window_update_due = true;
                self.send_control(node, remote_node, Event::Window(peer_id), 0);
            }
        }
        read
    }

    pub(super) fn window_opens(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get(id) else {
            return;
        };
        let (node, remote_node) = (stream.node, stream.remote_node);
        if self.hold_if_paused(node, Event::Window(id)) {
            return;
        }
        if !self.control_passes(remote_node, node, Event::Window(id)) {
            let wait_ns = self.config.network.retransmit_ns_min;
            return self.send_control(remote_node, node, Event::Window(id), wait_ns);
        }
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        stream.is_window_update_due = false;
        if let Some(writer) = stream.writer.take() {
            self.wake(writer);
        }
    }

    /// Ends the sending half.
    pub(crate) fn tcp_finish(&mut self, id: Id) -> io::Result<()> {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return Err(errno(libc::ENOTCONN));
        };
        if !stream.is_finished && stream.phase != Phase::Broken {
            stream.is_finished = true;
            self.send_segment(id, Payload::Finish);
        }
        Ok(())
    }

    #[inline]
    fn send_segment(&mut self, id: Id, payload: Payload) {
        let now_ns = self.now_ns;
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        let passage = self.network.links.depart(stream.node, stream.remote_node);
        let arrives_ns = (now_ns + passage.latency_ns).max(stream.last_arrival_ns);
        stream.last_arrival_ns = arrives_ns;
        stream.pipe.push_back(Segment {
            arrives_ns,
            key: passage.key,
            payload,
        });
        if !stream.is_scheduled {
            stream.is_scheduled = true;
            self.schedule(arrives_ns, passage.key, Event::Segment(id));
        }
    }
}

/// Arriving, or not.
impl World {
    pub(super) fn segment_arrives(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        let (from, to, peer) = (stream.node, stream.remote_node, stream.peer);
        if self.nodes[to as usize].paused && self.hold_if_paused(to, Event::Segment(id)) {
            return;
        }
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        stream.is_scheduled = false;
        let Some(head) = stream.pipe.front() else {
            return;
        };
        let key = head.key.with(u64::from(stream.attempts));
        self.note(key.word() ^ self.now_ns);
        if !self.network.links.passes(from, to, key) || !self.nodes[to as usize].powered {
            return self.stall(id);
        }
        let reader = peer.and_then(|peer| self.network.streams.get(peer));
        if reader.is_none_or(Stream::is_orphan) {
            return self.meet_nobody(id);
        }
        self.deliver_due_segments(id);
    }

    fn deliver_due_segments(&mut self, id: Id) {
        let now_ns = self.now_ns;
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        (stream.attempts, stream.stalled_since_ns) = (0, None);
        let Some(peer_id) = stream.peer else { return };
        while let Some(segment) = self.network.pop_due(id, now_ns) {
            let Some(peer) = self.network.streams.get_mut(peer_id) else {
                break;
            };
            match segment.payload {
                Payload::Bytes(bytes) => {
                    peer.inbox_bytes += bytes.len();
                    peer.inbox.push_back(bytes);
                }
                Payload::Finish => peer.has_seen_finish = true,
            }
            self.counters.packets_delivered += 1;
        }
        let Some(peer) = self.network.streams.get_mut(peer_id) else {
            return;
        };
        let reader = peer.reader.take();
        // Data may overtake the SYN-ACK where that is sent again; it says as much.
        let is_early = peer.phase == Phase::Connecting;
        if let Some(reader) = reader {
            self.wake(reader);
        }
        if is_early {
            self.open_stream(peer_id);
        }
        self.schedule_head(id);
    }

    /// Schedules the arrival of the pipe's head; frees an end that has nothing left to send.
    fn schedule_head(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if let Some(head) = stream.pipe.front() {
            let (arrives_ns, key) = (head.arrives_ns, head.key);
            stream.is_scheduled = true;
            self.schedule(arrives_ns, key, Event::Segment(id));
        } else if stream.is_orphan() {
            self.network.streams.remove(id);
        }
    }

    /// The head was sent in vain: it is sent again after a time-out.
    fn stall(&mut self, id: Id) {
        let now_ns = self.now_ns;
        let (min_ns, max_ns) = (
            self.config.network.retransmit_ns_min,
            self.config.network.retransmit_ns_max,
        );
        let give_up_ns = self.config.network.give_up_ns;
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.owner == Owner::Nobody {
            self.network.streams.remove(id);
            return;
        }
        let since_ns = *stream.stalled_since_ns.get_or_insert(now_ns);
        if now_ns - since_ns >= give_up_ns {
            return self.break_stream(id, libc::ETIMEDOUT);
        }
        let wait_ns = (min_ns << stream.attempts.min(20)).min(max_ns);
        stream.attempts += 1;
        let arrives_ns = now_ns + wait_ns;
        stream.last_arrival_ns = stream.last_arrival_ns.max(arrives_ns);
        stream.is_scheduled = true;
        let key = stream
            .pipe
            .front()
            .map_or(self.key, |head| head.key)
            .with(u64::from(stream.attempts));
        self.counters.retransmissions += 1;
        self.schedule(arrives_ns, key, Event::Segment(id));
    }

    /// Bytes reached a machine that knows no such connection: it answers with a reset.
    fn meet_nobody(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        let is_last_goodbye = stream.has_seen_finish
            && matches!(
                stream.pipe.front(),
                Some(Segment {
                    payload: Payload::Finish,
                    ..
                })
            );
        stream.pipe.clear();
        let (from, to) = (stream.node, stream.remote_node);
        match stream.owner {
            // The other end has said goodbye and gone; this one's goodbye offends nobody.
            Owner::Program if is_last_goodbye => {}
            Owner::Program => self.send_control(to, from, Event::Reset(id), 0),
            Owner::Kernel | Owner::Nobody => drop(self.network.streams.remove(id)),
        }
    }

    pub(super) fn reset_arrives(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get(id) else {
            return;
        };
        let (node, remote_node) = (stream.node, stream.remote_node);
        // To one that has heard the goodbye a reset says that nobody reads any more: tcp_reset().
        let code = match stream.has_seen_finish {
            true => libc::EPIPE,
            false => libc::ECONNRESET,
        };
        if self.hold_if_paused(node, Event::Reset(id)) {
            return;
        }
        if self.control_passes(remote_node, node, Event::Reset(id)) {
            self.break_stream(id, code);
        }
    }

    /// Ends a connection with an error, at this end.
    fn break_stream(&mut self, id: Id, code: i32) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.is_orphan() {
            self.network.streams.remove(id);
            return;
        }
        if stream.phase == Phase::Broken {
            return;
        }
        stream.phase = Phase::Broken;
        stream.error = Some(code);
        stream.pipe.clear();
        let wakers = [stream.reader.take(), stream.writer.take()];
        wakers
            .into_iter()
            .flatten()
            .for_each(|waker| self.wake(waker));
    }
}

/// Letting go.
impl World {
    /// The program lets go of its end, or dies. Unread data makes it a reset, as Linux does
    /// (RFC 2525 section 2.17); else what was written is still delivered, and a FIN behind it.
    pub(crate) fn close_stream(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.is_orphan() {
            return;
        }
        let is_clean = stream.phase == Phase::Open && stream.inbox_bytes == 0;
        if !is_clean {
            return self.reset_stream(id);
        }
        stream.owner = Owner::Kernel;
        (stream.reader, stream.writer) = (None, None);
        if !stream.is_finished {
            stream.is_finished = true;
            self.send_segment(id, Payload::Finish);
        } else if stream.pipe.is_empty() {
            self.network.streams.remove(id);
        }
    }

    /// Frees this end, and tells the other by a reset.
    fn reset_stream(&mut self, id: Id) {
        let Some(stream) = self.network.streams.remove(id) else {
            return;
        };
        let is_known_to_peer = stream.phase != Phase::Broken;
        if let Some(peer) = stream.peer.filter(|_| is_known_to_peer) {
            self.send_control(stream.node, stream.remote_node, Event::Reset(peer), 0);
        }
    }

    /// The machine loses power: what has left it arrives, nothing follows.
    pub(super) fn silence_stream(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.pipe.is_empty() || stream.stalled_since_ns.is_some() {
            self.network.streams.remove(id);
            return;
        }
        stream.owner = Owner::Nobody;
        (stream.reader, stream.writer) = (None, None);
        stream.inbox.clear();
        stream.inbox_bytes = 0;
    }
}

impl super::network::Network {
    fn pop_due(&mut self, id: Id, now_ns: u64) -> Option<Segment> {
        let stream = self.streams.get_mut(id)?;
        let is_due = stream
            .pipe
            .front()
            .is_some_and(|head| head.arrives_ns <= now_ns);
        if is_due {
            stream.pipe.pop_front()
        } else {
            None
        }
    }
}

fn event_word(event: Event) -> u64 {
    match event {
        Event::Syn(_) => 1,
        Event::SynAck(_) => 2,
        Event::Reset(_) => 3,
        Event::Window(_) => 4,
        Event::Timer(_) | Event::Datagram(_) | Event::Segment(_) => 0,
    }
}
