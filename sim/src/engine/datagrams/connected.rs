//! Sockets that are connected to a peer: whom they hear, and that they are told if nobody listens.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use super::super::events::Event;
use super::super::network::{Route, Socket, destination, source};
use super::super::slots::Id;
use super::super::world::World;
use super::closed;

/// The headers of IPv4 and ICMP, and those of the datagram that it is about.
const ICMP_BYTES: usize = 56;

impl World {
    /// Connects a socket to a peer, and to the address that its node has towards it.
    pub(crate) fn udp_connect(&mut self, id: Id, to: SocketAddr) -> io::Result<()> {
        let Some(socket) = self.network.udp_sockets.get_mut(id) else {
            return Err(closed());
        };
        let SocketAddr::V4(to) = to else {
            return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
        };
        let ip = destination(*to.ip());
        socket.peer = Some(SocketAddrV4::new(ip, to.port()));
        if socket.local.ip().is_unspecified() {
            let ours = source(socket.node, ip);
            socket.local.set_ip(ours.into());
        }
        Ok(())
    }

    /// The address that a socket is bound to now.
    pub(crate) fn udp_local(&self, id: Id) -> io::Result<SocketAddr> {
        let socket = self.network.udp_sockets.get(id).ok_or_else(closed)?;
        Ok(socket.local)
    }

    /// The peer that a socket is connected to.
    pub(crate) fn udp_peer(&self, id: Id) -> io::Result<Option<SocketAddr>> {
        let socket = self.network.udp_sockets.get(id).ok_or_else(closed)?;
        Ok(socket.peer.map(SocketAddr::V4))
    }

    /// Nobody takes a datagram in: its sender is told, if it is connected to where it went. Linux tells
    /// no others.
    #[cold]
    pub(super) fn refuse(&mut self, index: u32) {
        let packet = &self.network.datagrams.packets[index as usize];
        let (route, from, to) = (packet.route().reversed(), packet.from, packet.to);
        let like = Socket::Udp(Id::from_word(0));
        let Some(Socket::Udp(sender)) = self.port_socket(route.to, from, like) else {
            return;
        };
        let socket = self.network.udp_sockets.get(sender);
        let is_connected = socket.is_some_and(|socket| socket.peer == Some(to));
        if is_connected && self.nodes[route.from as usize].powered {
            self.send_refusal(sender, &route);
        }
    }

    fn send_refusal(&mut self, sender: Id, route: &Route) {
        let links = &mut self.network.links;
        let passage = links.depart(route.from, route.to, ICMP_BYTES, self.now_ns);
        if !passage.is_dropped {
            let arrives_ns = self.now_ns.saturating_add(passage.latency_ns);
            self.schedule(arrives_ns, passage.key, Event::Unreachable(sender));
        }
    }

    /// A socket is told that nobody listens where it is connected to.
    pub(in crate::engine) fn refusal_arrives(&mut self, id: Id) {
        let Some(socket) = self.network.udp_sockets.get(id) else {
            return;
        };
        let Some(peer) = socket.peer else { return };
        let (node, port) = (socket.node, socket.local.port());
        let from = self.node_of(node, IpAddr::V4(*peer.ip()));
        let route = Route {
            from: from.unwrap_or(node),
            to: node,
            from_port: peer.port(),
            to_port: port,
        };
        if self.hold_if_late(&route, Event::Unreachable(id))
            || !self.control_passes(&route, Event::Unreachable(id))
        {
            return;
        }
        let Some(socket) = self.network.udp_sockets.get_mut(id) else {
            return;
        };
        socket.error = Some(libc::ECONNREFUSED);
        if let Some(reader) = socket.reader.take() {
            self.wake(reader);
        }
    }
}
