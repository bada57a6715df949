//! UDP: datagrams that arrive in any order, once or not at all.
//!
//! `connected` has what is different on a socket that is connected to a peer.

mod connected;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::task::{Context, Poll};

use super::events::Event;
use super::network::{Arrival, Route, Socket, destination, flip_bits, source};
use super::slots::Id;
use super::waker::Waiter;
use super::world::World;
use crate::keyed::Key;

/// The largest payload of a UDP datagram over IPv4.
const PAYLOAD_BYTES_MAX: usize = 65_507;
/// The headers of IPv4 and UDP.
const HEADER_BYTES: usize = 28;

pub(super) struct UdpSocket {
    node: u32,
    local: SocketAddr,
    /// Whom it is connected to: nobody else is heard.
    peer: Option<SocketAddrV4>,
    /// What the peer's machine has said of an earlier datagram, until a program has been told.
    error: Option<i32>,
    inbox: VecDeque<u32>,
    reader: Option<Waiter>,
}

/// Datagrams on their way or unread. Places and buffers are used again, so that a message in
/// flight costs no allocation.
#[derive(Default)]
pub(super) struct InFlight {
    packets: Vec<Packet>,
    free: Vec<u32>,
}

struct Packet {
    from_node: u32,
    from: SocketAddrV4,
    to_node: u32,
    to: SocketAddrV4,
    key: Key,
    payload: Vec<u8>,
}

impl Packet {
    #[inline]
    fn route(&self) -> Route {
        Route {
            from: self.from_node,
            to: self.to_node,
            from_port: self.from.port(),
            to_port: self.to.port(),
        }
    }

    /// The same once more, without its payload, as another packet.
    fn twin(&self) -> Self {
        Self {
            key: self.key.label("copy"),
            payload: Vec::new(),
            ..*self
        }
    }
}

impl InFlight {
    /// Puts a packet on its way, with a payload in the buffer of an earlier one.
    fn insert(&mut self, mut packet: Packet, payload: &[u8]) -> u32 {
        let Some(index) = self.free.pop() else {
            packet.payload.extend_from_slice(payload);
            self.packets.push(packet);
            return self.packets.len() as u32 - 1;
        };
        let place = &mut self.packets[index as usize];
        packet.payload = std::mem::take(&mut place.payload);
        packet.payload.clear();
        packet.payload.extend_from_slice(payload);
        *place = packet;
        index
    }

    fn remove(&mut self, index: u32) {
        self.free.push(index);
    }

    /// Flips bits of a payload. `false` if there is none: then it is the header that is damaged, and
    /// nobody can read the packet.
    fn damage(&mut self, index: u32, key: Key) -> bool {
        let payload = &mut self.packets[index as usize].payload;
        if payload.is_empty() {
            return false;
        }
        flip_bits(payload, key);
        true
    }
}

impl World {
    pub(crate) fn udp_bind(&mut self, address: SocketAddr) -> io::Result<Id> {
        let socket = UdpSocket {
            node: self.current_node(),
            local: address,
            peer: None,
            error: None,
            inbox: VecDeque::new(),
            reader: None,
        };
        let id = self.network.udp_sockets.insert(socket);
        match self.bind_port(address, Socket::Udp(id)) {
            Ok(local) => {
                if let Some(socket) = self.network.udp_sockets.get_mut(id) {
                    socket.local = local;
                }
                Ok(id)
            }
            Err(error) => {
                self.network.udp_sockets.remove(id);
                Err(error)
            }
        }
    }

    pub(crate) fn udp_send(&mut self, id: Id, payload: &[u8], to: SocketAddr) -> io::Result<usize> {
        let Some(socket) = self.network.udp_sockets.get_mut(id) else {
            return Err(closed());
        };
        if let Some(code) = socket.error.take() {
            return Err(io::Error::from_raw_os_error(code));
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        let (from_node, local) = (socket.node, socket.local);
        let SocketAddr::V4(to) = to else {
            return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
        };
        let Some(to_node) = self.addressee(from_node, local.ip(), to)? else {
            // As on a real network, nobody says that there is no such host.
            return Ok(payload.len());
        };
        let to = SocketAddrV4::new(destination(*to.ip()), to.port());
        let bytes = payload.len() + HEADER_BYTES;
        let links = &mut self.network.links;
        let passage = links.depart(from_node, to_node, bytes, self.now_ns);
        if passage.is_dropped {
            self.counters.packets_lost += 1;
            return Ok(payload.len());
        }
        let packet = Packet {
            from_node,
            from: SocketAddrV4::new(source(from_node, *to.ip()), local.port()),
            to_node,
            to,
            key: passage.key,
            payload: Vec::new(),
        };
        self.trace_bytes(payload);
        if let Some(twin) = passage.twin {
            self.network.links.count(twin.tag);
            self.post(packet.twin(), payload, twin.latency_ns);
        }
        self.post(packet, payload, passage.latency_ns);
        Ok(payload.len())
    }

    /// The node that a datagram goes to, if there is one.
    #[inline]
    fn addressee(&self, sender: u32, from: IpAddr, to: SocketAddrV4) -> io::Result<Option<u32>> {
        let node = self.node_of(sender, IpAddr::V4(*to.ip()));
        let code = if to.port() == 0 {
            libc::EINVAL
        } else if node == Some(sender) {
            return Ok(node);
        } else if to.ip().is_broadcast() {
            libc::EACCES
        } else if from.is_loopback() {
            libc::EINVAL
        } else {
            return Ok(node);
        };
        Err(io::Error::from_raw_os_error(code))
    }

    #[inline]
    fn post(&mut self, packet: Packet, payload: &[u8], latency_ns: u64) {
        let key = packet.key;
        let index = self.network.datagrams.insert(packet, payload);
        let arrives_ns = self.now_ns.saturating_add(latency_ns);
        self.schedule(arrives_ns, key, Event::Datagram(index));
    }

    /// Receives into a buffer, and writes down whom from, as recvfrom(2).
    pub(crate) fn udp_poll_receive(
        &mut self,
        id: Id,
        buffer: &mut [u8],
        from: &mut SocketAddrV4,
        context: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = self.network.udp_sockets.get_mut(id) else {
            return Poll::Ready(Err(closed()));
        };
        if let Some(code) = socket.error.take() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        let Some(index) = socket.inbox.pop_front() else {
            socket.reader = Some(Waiter::of(context));
            return Poll::Pending;
        };
        let packet = &self.network.datagrams.packets[index as usize];
        // What does not fit is cut off, as recvfrom does.
        let length = packet.payload.len().min(buffer.len());
        buffer[..length].copy_from_slice(&packet.payload[..length]);
        *from = packet.from;
        self.network.datagrams.remove(index);
        Poll::Ready(Ok(length))
    }

    pub(crate) fn udp_close(&mut self, id: Id) {
        let Some(socket) = self.network.udp_sockets.remove(id) else {
            return;
        };
        socket
            .inbox
            .iter()
            .for_each(|index| self.network.datagrams.remove(*index));
        self.free_port(socket.node, Socket::Udp(id));
    }

    pub(super) fn datagram_arrives(&mut self, index: u32) {
        let packet = &self.network.datagrams.packets[index as usize];
        let (route, to, key) = (packet.route(), packet.to, packet.key);
        if self.hold_if_late(&route, Event::Datagram(index)) {
            return;
        }
        self.note(key.word() ^ self.now_ns);
        let is_readable = match self.network.links.arrive(&route, key) {
            Arrival::Whole => true,
            Arrival::Damaged(key) => self.network.datagrams.damage(index, key),
            Arrival::Lost => false,
        };
        if is_readable && self.deliver(index, route.to, to) {
            self.counters.packets_delivered += 1;
        } else {
            self.counters.packets_lost += 1;
            self.network.datagrams.remove(index);
        }
    }

    /// Puts a datagram into its socket's inbox. `false` if there is no such socket, or it is full.
    fn deliver(&mut self, index: u32, node: u32, to: SocketAddrV4) -> bool {
        let like = Socket::Udp(Id::from_word(0));
        let Some(Socket::Udp(id)) = self.port_socket(node, to, like) else {
            self.refuse(index);
            return false;
        };
        let from = self.network.datagrams.packets[index as usize].from;
        let Some(socket) = self.network.udp_sockets.get_mut(id) else {
            return false;
        };
        if socket.peer.is_some_and(|peer| peer != from) {
            self.refuse(index);
            return false;
        }
        if socket.inbox.len() >= self.config.network.datagrams_max {
            return false;
        }
        socket.inbox.push_back(index);
        if let Some(reader) = socket.reader.take() {
            self.wake(reader);
        }
        true
    }
}

fn closed() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}
