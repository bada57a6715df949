//! Bound ports, and which socket takes in what is sent to one.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::engine::slots::Id;
use crate::engine::streams::Stream;
use crate::engine::world::World;

/// Where ephemeral ports begin, as IANA has it.
pub(in crate::engine) const FIRST_EPHEMERAL_PORT: u16 = 49_152;

/// A bound port.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Port {
    /// Unspecified: all of the machine's.
    ip: Ipv4Addr,
    number: u16,
    pub(in crate::engine) socket: Socket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Socket {
    Udp(Id),
    Listener(Id),
}

impl Socket {
    fn is_of_kind(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

impl World {
    /// Binds a port of the running task's node; port 0 asks for a free one.
    pub(in crate::engine) fn bind_port(
        &mut self,
        address: SocketAddr,
        socket: Socket,
    ) -> io::Result<SocketAddr> {
        let node = self.current_node();
        let (SocketAddr::V4(address), Some(owner)) = (address, self.node_of(node, address.ip()))
        else {
            return Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL));
        };
        if owner != node {
            return Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL));
        }
        let ip = *address.ip();
        let number = match address.port() {
            0 => self.ephemeral_port(node, socket, &BTreeSet::new()),
            _ if self.is_port_taken(node, address, socket) => None,
            number => Some(number),
        };
        let number = number.ok_or_else(|| io::Error::from_raw_os_error(libc::EADDRINUSE))?;
        let port = Port { ip, number, socket };
        self.nodes[node as usize].ports.push(port);
        Ok(SocketAddrV4::new(ip, number).into())
    }

    /// The socket of the same kind as `like` that takes in what is sent to an address of the node.
    #[inline]
    pub(in crate::engine) fn port_socket(
        &self,
        node: u32,
        to: SocketAddrV4,
        like: Socket,
    ) -> Option<Socket> {
        let takes_in = |port: &&Port| {
            port.number == to.port()
                && port.socket.is_of_kind(like)
                && (port.ip.is_unspecified() || port.ip == *to.ip())
        };
        let ports = &self.nodes[node as usize].ports;
        ports.iter().find(takes_in).map(|port| port.socket)
    }

    /// Whether a socket of the same kind as `like` has a port that one to bind would share: one that
    /// is bound, or a connection that was made from it. Connections that a listener accepted share
    /// its port with the next one (`SO_REUSEADDR`, which tokio sets on listeners alone).
    fn is_port_taken(&self, node: u32, address: SocketAddrV4, like: Socket) -> bool {
        let (ip, number) = (*address.ip(), address.port());
        let is_bound = self.nodes[node as usize].ports.iter().any(|port| {
            port.number == number
                && port.socket.is_of_kind(like)
                && (ip.is_unspecified() || port.ip.is_unspecified() || port.ip == ip)
        });
        is_bound || (number >= FIRST_EPHEMERAL_PORT && self.is_callers_port(node, address, like))
    }

    fn is_callers_port(&self, node: u32, address: SocketAddrV4, like: Socket) -> bool {
        let is_here =
            |stream: &Stream| stream.is_on_callers_port(node, *address.ip(), address.port());
        matches!(like, Socket::Listener(_)) && self.network.streams.iter().any(is_here)
    }

    pub(in crate::engine) fn free_port(&mut self, node: u32, socket: Socket) {
        self.nodes[node as usize]
            .ports
            .retain(|port| port.socket != socket);
    }

    /// A port to call from: none that a socket is bound to, or that another call to this address has.
    pub(in crate::engine) fn callers_port(&mut self, node: u32, to: SocketAddrV4) -> Option<u16> {
        let like = Socket::Listener(Id::from_word(0));
        if !self.network.ports_used_up.contains(&node) {
            return self.ephemeral_port(node, like, &BTreeSet::new());
        }
        let calls = self.network.streams.iter();
        let ports = calls.filter_map(|stream| stream.port_of_call(node, to));
        let taken: BTreeSet<u16> = ports.collect();
        self.ephemeral_port(node, like, &taken)
    }

    /// The next ephemeral port that no socket of this kind is bound to and that is not `taken`
    /// otherwise; none if there is none.
    fn ephemeral_port(&mut self, node: u32, like: Socket, taken: &BTreeSet<u16>) -> Option<u16> {
        for _ in FIRST_EPHEMERAL_PORT..=u16::MAX {
            let slot = &mut self.nodes[node as usize];
            let number = slot.next_ephemeral_port.max(FIRST_EPHEMERAL_PORT);
            let next = number.checked_add(1);
            slot.next_ephemeral_port = next.unwrap_or(FIRST_EPHEMERAL_PORT);
            if next.is_none() {
                self.network.ports_used_up.insert(node);
            }
            if !self.is_port_bound(node, number, like) && !taken.contains(&number) {
                return Some(number);
            }
        }
        None
    }

    fn is_port_bound(&self, node: u32, number: u16, like: Socket) -> bool {
        let ports = &self.nodes[node as usize].ports;
        ports
            .iter()
            .any(|port| port.number == number && port.socket.is_of_kind(like))
    }

    pub(super) fn drop_bound_sockets_of(&mut self, node: u32) {
        for port in std::mem::take(&mut self.nodes[node as usize].ports) {
            match port.socket {
                Socket::Udp(id) => drop(self.network.udp_sockets.remove(id)),
                Socket::Listener(id) => drop(self.network.listeners.remove(id)),
            }
        }
    }
}
