//! UDP: datagrams that arrive in any order, once or not at all.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

use super::events::Event;
use super::network::Socket;
use super::nodes::ip_of;
use super::slots::Id;
use super::waker::Waiter;
use super::world::World;
use crate::keyed::Key;

/// The largest payload of a UDP datagram over IPv4.
const PAYLOAD_BYTES_MAX: usize = 65_507;

pub(super) struct UdpSocket {
    node: u32,
    local: SocketAddr,
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
    from: u32,
    from_port: u16,
    to: u32,
    to_port: u16,
    key: Key,
    payload: Vec<u8>,
}

impl InFlight {
    fn insert(&mut self, from: (u32, u16), to: (u32, u16), key: Key, payload: &[u8]) -> u32 {
        let (from, from_port) = from;
        let (to, to_port) = to;
        let Some(index) = self.free.pop() else {
            self.packets.push(Packet {
                from,
                from_port,
                to,
                to_port,
                key,
                payload: payload.to_vec(),
            });
            return self.packets.len() as u32 - 1;
        };
        let packet = &mut self.packets[index as usize];
        (packet.from, packet.from_port) = (from, from_port);
        (packet.to, packet.to_port) = (to, to_port);
        packet.key = key;
        packet.payload.clear();
        packet.payload.extend_from_slice(payload);
        index
    }

    fn remove(&mut self, index: u32) {
        self.free.push(index);
    }
}

impl World {
    pub(crate) fn udp_bind(&mut self, address: SocketAddr) -> io::Result<(Id, SocketAddr)> {
        let socket = UdpSocket {
            node: self.current_node(),
            local: address,
            inbox: VecDeque::new(),
            reader: None,
        };
        let id = self.network.udp_sockets.insert(socket);
        match self.bind_port(address, Socket::Udp(id)) {
            Ok(local) => {
                if let Some(socket) = self.network.udp_sockets.get_mut(id) {
                    socket.local = local;
                }
                Ok((id, local))
            }
            Err(error) => {
                self.network.udp_sockets.remove(id);
                Err(error)
            }
        }
    }

    pub(crate) fn udp_send(&mut self, id: Id, payload: &[u8], to: SocketAddr) -> io::Result<usize> {
        let Some(socket) = self.network.udp_sockets.get(id) else {
            return Err(closed());
        };
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        let (from, from_port) = (socket.node, socket.local.port());
        // As on a real network, nobody says that there is no such host.
        let Some(node) = self.node_of(from, to.ip()) else {
            return Ok(payload.len());
        };
        let passage = self.network.links.depart(from, node);
        let index = self.network.datagrams.insert(
            (from, from_port),
            (node, to.port()),
            passage.key,
            payload,
        );
        self.schedule(
            self.now_ns + passage.latency_ns,
            passage.key,
            Event::Datagram(index),
        );
        Ok(payload.len())
    }

    /// Receives into a buffer, and writes down whom from, as recvfrom(2).
    pub(crate) fn udp_poll_receive(
        &mut self,
        id: Id,
        buffer: &mut [u8],
        from: &mut (Ipv4Addr, u16),
        context: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = self.network.udp_sockets.get_mut(id) else {
            return Poll::Ready(Err(closed()));
        };
        let Some(index) = socket.inbox.pop_front() else {
            socket.reader = Some(Waiter::of(context));
            return Poll::Pending;
        };
        let packet = &self.network.datagrams.packets[index as usize];
        // What does not fit is cut off, as recvfrom does.
        let length = packet.payload.len().min(buffer.len());
        buffer[..length].copy_from_slice(&packet.payload[..length]);
        *from = (ip_of(packet.from), packet.from_port);
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
        let (from, to, to_port, key) = (packet.from, packet.to, packet.to_port, packet.key);
        if self.nodes[to as usize].paused && self.hold_if_paused(to, Event::Datagram(index)) {
            return;
        }
        self.note(key.word() ^ self.now_ns);
        let is_delivered =
            self.network.links.passes(from, to, key) && self.deliver(index, to, to_port);
        if is_delivered {
            self.counters.packets_delivered += 1;
        } else {
            self.counters.packets_lost += 1;
            self.network.datagrams.remove(index);
        }
    }

    /// Puts a datagram into its socket's inbox. `false` if there is no such socket, or it is full.
    fn deliver(&mut self, index: u32, node: u32, port: u16) -> bool {
        let like = Socket::Udp(Id::from_word(0));
        let Some(Socket::Udp(id)) = self.port_socket(node, port, like) else {
            return false;
        };
        let Some(socket) = self.network.udp_sockets.get_mut(id) else {
            return false;
        };
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
