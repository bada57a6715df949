//! Listening and connecting.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::task::{Context, Poll};

use super::super::events::Event;
use super::super::network::{Route, Socket, destination, source};
use super::super::slots::Id;
use super::super::waker::Waiter;
use super::super::world::World;
use super::{HEADER_BYTES, Listener, Phase, Stream, errno, event_word};

/// Linux sends a SYN again after 1, 2, 4, … seconds, six times (`tcp_syn_retries`).
const SYN_RETRY_NS: u64 = 1_000_000_000;
const SYN_RETRIES_MAX: u32 = 6;
/// What std and tokio ask `listen(2)` for. Linux lets one connection more wait to be accepted.
const BACKLOG: usize = 128;
/// How often Linux asks, a second apart, who has an address on its own network (`mcast_solicit`).
pub(crate) const NEIGHBOUR_PATIENCE_NS: u64 = 3_000_000_000;

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
        let SocketAddr::V4(remote) = remote else {
            return Err(errno(libc::ENETUNREACH));
        };
        let Some(remote_node) = self.node_of(node, (*remote.ip()).into()) else {
            return Err(errno(unreachable(*remote.ip())));
        };
        let remote = SocketAddrV4::new(destination(*remote.ip()), remote.port());
        let port = self
            .callers_port(node, remote)
            .ok_or_else(|| errno(libc::EADDRNOTAVAIL))?;
        let local = SocketAddrV4::new(source(node, *remote.ip()), port);
        let mut stream = Stream::new(node, local, (remote_node, remote), Phase::Connecting);
        stream.is_caller = true;
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

    /// Sends a packet without payload; its arrival is the event. One that finds the link's queue full
    /// is sent again a little later.
    pub(super) fn send_control(&mut self, from: u32, to: u32, event: Event, extra_ns: u64) {
        let links = &mut self.network.links;
        let passage = links.depart(from, to, HEADER_BYTES, self.now_ns);
        let again_ns = match passage.is_dropped {
            true => self.config.network.retransmit_ns_min,
            false => 0,
        };
        let arrives_ns = self.now_ns + extra_ns + again_ns + passage.latency_ns;
        self.schedule(arrives_ns, passage.key, event);
    }

    /// Whether a packet without payload gets through now.
    pub(in crate::engine) fn control_passes(&mut self, route: &Route, event: Event) -> bool {
        let key = self.network.links.arrival_key(route.from, route.to);
        let is_passing = self.network.links.passes(route, key);
        self.note(key.with(u64::from(is_passing)).bits() ^ event_word(event));
        is_passing
    }

    pub(in crate::engine) fn syn_arrives(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get(id) else {
            return;
        };
        if stream.phase != Phase::Connecting {
            return;
        }
        let (route, attempts) = (stream.outgoing(), stream.attempts);
        let (local, remote) = (stream.local, stream.remote);
        let (from, to) = (route.from, route.to);
        if self.hold_if_late(&route, Event::Syn(id)) {
            let last = SYN_RETRY_NS << (SYN_RETRIES_MAX + 1);
            let patience_ns = last - (SYN_RETRY_NS << attempts);
            return self.limit_patience(id, patience_ns);
        }
        if !self.control_passes(&route, Event::Syn(id)) || !self.nodes[to as usize].powered {
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
        if listener.backlog.len() > BACKLOG {
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
        let wait_ns = SYN_RETRY_NS << stream.attempts;
        if stream.attempts >= SYN_RETRIES_MAX {
            return self.limit_patience(id, wait_ns);
        }
        stream.attempts += 1;
        let (from, to) = (stream.node, stream.remote_node);
        self.send_control(from, to, Event::Syn(id), wait_ns);
    }

    pub(in crate::engine) fn syn_ack_arrives(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get(id) else {
            return;
        };
        let (route, phase) = (stream.incoming(), stream.phase);
        if self.hold_if_late(&route, Event::SynAck(id)) {
            return;
        }
        if !self.control_passes(&route, Event::SynAck(id)) {
            return self.send_control(route.from, route.to, Event::SynAck(id), SYN_RETRY_NS);
        }
        match phase {
            Phase::Connecting => self.open_stream(id),
            Phase::Refused => self.break_stream(id, libc::ECONNREFUSED),
            Phase::Open | Phase::Broken => {}
        }
    }

    pub(super) fn open_stream(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        stream.phase = Phase::Open;
        (stream.attempts, stream.gives_up_ns) = (0, None);
        if let Some(waker) = stream.writer.take() {
            self.wake(waker);
        }
    }
}

/// Why nobody answers at an address that no node has: of the nodes' own network, none is there; to
/// other networks there is no way.
fn unreachable(ip: Ipv4Addr) -> i32 {
    match ip.octets()[0] {
        10 => libc::EHOSTUNREACH,
        _ => libc::ENETUNREACH,
    }
}
