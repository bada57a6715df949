//! Bound ports, and which socket takes in what is sent to one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::engine::slots::Id;
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
            0 => self.ephemeral_port(node, socket),
            _ if self.is_port_taken(node, address, socket) => {
                return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
            }
            number => number,
        };
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

    /// Whether a socket of the same kind as `like` has a port that one to bind would share.
    fn is_port_taken(&self, node: u32, address: SocketAddrV4, like: Socket) -> bool {
        let ip = *address.ip();
        self.nodes[node as usize].ports.iter().any(|port| {
            port.number == address.port()
                && port.socket.is_of_kind(like)
                && (ip.is_unspecified() || port.ip.is_unspecified() || port.ip == ip)
        })
    }

    pub(in crate::engine) fn free_port(&mut self, node: u32, socket: Socket) {
        self.nodes[node as usize]
            .ports
            .retain(|port| port.socket != socket);
    }

    /// The next ephemeral port that no socket of this kind is bound to.
    pub(in crate::engine) fn ephemeral_port(&mut self, node: u32, like: Socket) -> u16 {
        loop {
            let slot = &mut self.nodes[node as usize];
            let number = slot.next_ephemeral_port.max(FIRST_EPHEMERAL_PORT);
            slot.next_ephemeral_port = number.checked_add(1).unwrap_or(FIRST_EPHEMERAL_PORT);
            let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, number);
            if !self.is_port_taken(node, any, like) {
                return number;
            }
        }
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
