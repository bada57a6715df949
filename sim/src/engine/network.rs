//! The network: directed links between nodes, and what faults do to them.
//!
//! A packet's fate is keyed by its link and its ordinal on that link. A cut is decided when a packet
//! *arrives*: datagrams in flight are lost, streams retransmit until the link heals.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use super::NodeId;
use super::nodes::ip_of;
use super::slots::{Id, Slots};
use super::world::{self, World};
use crate::keyed::Key;

/// Where ephemeral ports begin, as IANA has it.
pub(super) const FIRST_EPHEMERAL_PORT: u16 = 49_152;
/// How many spent buffers are kept for new segments.
const SPARE_BUFFERS_MAX: usize = 256;
/// What a packet takes that stays on its machine.
const LOOPBACK_NS: u64 = 20_000;

/// The calm network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// What a packet takes at the least, in nanoseconds.
    pub latency_ns_min: u64,
    /// What a packet takes at the most.
    pub latency_ns_max: u64,
    /// How many bytes a stream takes in before its reader must read.
    pub window_bytes: usize,
    /// After how long the first retransmission follows; doubled each time, up to
    /// `retransmit_ns_max`.
    pub retransmit_ns_min: u64,
    pub retransmit_ns_max: u64,
    /// How long a stream retransmits before it gives up with a time-out.
    pub give_up_ns: u64,
    /// How many datagrams a socket takes in before its reader must read; more are lost.
    pub datagrams_max: usize,
}

impl Default for NetworkConfig {
    /// A local network of half a millisecond to two, with Linux's time-outs (`tcp_retries2`).
    fn default() -> Self {
        Self {
            latency_ns_min: 500_000,
            latency_ns_max: 2_000_000,
            window_bytes: 256 * 1024,
            retransmit_ns_min: 200_000_000,
            retransmit_ns_max: 120_000_000_000,
            give_up_ns: 924_000_000_000,
            datagrams_max: 1024,
        }
    }
}

/// The name of a fault's effects on the network, to count and to end them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FaultTag(pub(super) u32);

/// What a fault does to a directed link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEffect {
    /// Nothing arrives.
    Cut,
    /// A packet takes longer, by a keyed amount up to this.
    Slow { extra_ns_max: u64 },
    /// A packet is lost with this probability.
    Lossy { per_mille: u32 },
}

pub(super) struct Network {
    pub(super) links: Links,
    pub(super) buffers: Buffers,
    pub(super) udp_sockets: Slots<super::datagrams::UdpSocket>,
    pub(super) datagrams: super::datagrams::InFlight,
    pub(super) listeners: Slots<super::streams::Listener>,
    pub(super) streams: Slots<super::streams::Stream>,
}

/// The directed links between all nodes.
pub(super) struct Links {
    /// From, to.
    table: Vec<Vec<Link>>,
    key: Key,
    latency_ns: (u64, u64),
    /// How often each fault was felt.
    observed: Vec<u64>,
}

/// Spent buffers of segments, to be used again.
#[derive(Default)]
pub(super) struct Buffers(Vec<Vec<u8>>);

struct Link {
    key: Key,
    /// How many packets have been sent on it.
    ordinal: u64,
    /// How many packets without payload have come to its end.
    control_arrivals: u64,
    effects: Vec<(FaultTag, LinkEffect)>,
}

/// A packet's lot, as it is drawn when the packet is sent.
pub(super) struct Passage {
    pub(super) latency_ns: u64,
    /// The packet's identity.
    pub(super) key: Key,
}

/// A bound port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    /// Unspecified: all of the machine's.
    ip: Ipv4Addr,
    number: u16,
    pub(super) socket: Socket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    Udp(Id),
    Listener(Id),
}

impl Socket {
    fn is_of_kind(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

impl Network {
    pub(super) fn new(root: Key, config: &NetworkConfig) -> Self {
        assert!(
            config.latency_ns_min <= config.latency_ns_max,
            "an empty range of latencies"
        );
        Self {
            links: Links {
                table: Vec::new(),
                key: root.label("link"),
                latency_ns: (config.latency_ns_min, config.latency_ns_max),
                observed: Vec::new(),
            },
            buffers: Buffers::default(),
            udp_sockets: Slots::default(),
            datagrams: super::datagrams::InFlight::default(),
            listeners: Slots::default(),
            streams: Slots::default(),
        }
    }
}

impl Buffers {
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    pub(super) fn keep(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < SPARE_BUFFERS_MAX {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

impl Links {
    pub(super) fn add_node(&mut self, count: usize) {
        self.table.resize_with(count, Vec::new);
        for (from, links) in self.table.iter_mut().enumerate() {
            while links.len() < count {
                let key = self.key.with(from as u64).with(links.len() as u64);
                links.push(Link {
                    key,
                    ordinal: 0,
                    control_arrivals: 0,
                    effects: Vec::new(),
                });
            }
        }
    }

    /// Draws the lot of the next packet on a link.
    #[inline]
    pub(super) fn depart(&mut self, from: u32, to: u32) -> Passage {
        let link = &mut self.table[from as usize][to as usize];
        link.ordinal += 1;
        let key = link.key.with(link.ordinal);
        if from == to {
            return Passage {
                latency_ns: LOOPBACK_NS,
                key,
            };
        }
        let (min, max) = self.latency_ns;
        let mut latency_ns = key.between(min, max);
        for (tag, effect) in &link.effects {
            if let LinkEffect::Slow { extra_ns_max } = effect {
                latency_ns += key.label("slow").between(0, *extra_ns_max);
                self.observed[tag.0 as usize] += 1;
            }
        }
        Passage { latency_ns, key }
    }

    /// Counts that a fault was felt.
    pub(super) fn count(&mut self, tag: FaultTag) {
        self.observed[tag.0 as usize] += 1;
    }

    /// Counts that a fault was felt so many times.
    pub(super) fn count_times(&mut self, tag: FaultTag, times: u64) {
        self.observed[tag.0 as usize] += times;
    }

    /// The identity of a packet without payload, now that it arrives.
    pub(super) fn arrival_key(&mut self, from: u32, to: u32) -> Key {
        let link = &mut self.table[from as usize][to as usize];
        link.control_arrivals += 1;
        link.key.label("control").with(link.control_arrivals)
    }

    /// Whether a packet gets through, now that it arrives. Counts the fault that stops it.
    #[inline]
    pub(super) fn passes(&mut self, from: u32, to: u32, packet: Key) -> bool {
        let link = &self.table[from as usize][to as usize];
        let stops = |effect: &LinkEffect| match effect {
            LinkEffect::Cut => true,
            LinkEffect::Lossy { per_mille } => packet.label("loss").chance(*per_mille, 1000),
            LinkEffect::Slow { .. } => false,
        };
        match link.effects.iter().find(|(_, effect)| stops(effect)) {
            Some((tag, _)) => {
                self.observed[tag.0 as usize] += 1;
                false
            }
            None => true,
        }
    }
}

/// Where a packet goes that is sent to an address: to the sender itself if that is unspecified.
#[inline]
pub(super) fn destination(ip: Ipv4Addr) -> Ipv4Addr {
    match ip.is_unspecified() {
        true => Ipv4Addr::LOCALHOST,
        false => ip,
    }
}

/// The address by which a node sends to another.
#[inline]
pub(super) fn source(node: u32, destination: Ipv4Addr) -> Ipv4Addr {
    match destination.is_loopback() {
        true => Ipv4Addr::LOCALHOST,
        false => ip_of(node),
    }
}

/// A new name for the effects of one fault.
pub fn new_fault_tag() -> FaultTag {
    world::with(|world| {
        let observed = &mut world.network.links.observed;
        observed.push(0);
        FaultTag(observed.len() as u32 - 1)
    })
}

/// Puts an effect on the link from one node to another.
pub fn add_link_effect(from: NodeId, to: NodeId, tag: FaultTag, effect: LinkEffect) {
    world::with(|world| {
        world.network.links.table[from.0 as usize][to.0 as usize]
            .effects
            .push((tag, effect));
    });
}

/// Ends all that a fault does to the network.
pub fn remove_link_effects(tag: FaultTag) {
    world::with(|world| {
        for link in world.network.links.table.iter_mut().flatten() {
            link.effects.retain(|(of, _)| *of != tag);
        }
    });
}

/// How many packets a fault has stopped or slowed so far, or how many operations of a disk failed.
pub fn fault_observed(tag: FaultTag) -> u64 {
    world::with(|world| world.network.links.observed[tag.0 as usize])
}

/// Counts that a fault was felt: for faults that the harness itself brings about.
pub fn count_fault(tag: FaultTag) {
    world::with(|world| world.network.links.count(tag));
}

impl World {
    /// The node behind an address, as seen from `from`; `None` if there is none.
    #[inline]
    pub(super) fn node_of(&self, from: u32, ip: IpAddr) -> Option<u32> {
        let IpAddr::V4(ip) = ip else { return None };
        let [network, x, y, z] = ip.octets();
        if network == 10 {
            let node = u32::from_be_bytes([0, x, y, z]);
            return ((node as usize) < self.nodes.len()).then_some(node);
        }
        (ip.is_loopback() || ip.is_unspecified()).then_some(from)
    }

    /// The addresses that a host name stands for: a node's name, an address, or `localhost`.
    pub(crate) fn resolve(&self, host: &str) -> Option<IpAddr> {
        if let Ok(ip) = host.parse() {
            return Some(ip);
        }
        if host == "localhost" {
            return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let index = self.nodes.iter().position(|node| node.name == host)?;
        Some(IpAddr::V4(ip_of(index as u32)))
    }

    /// Binds a port of the running task's node; port 0 asks for a free one.
    pub(super) fn bind_port(
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
    pub(super) fn port_socket(&self, node: u32, to: SocketAddrV4, like: Socket) -> Option<Socket> {
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

    pub(super) fn free_port(&mut self, node: u32, socket: Socket) {
        self.nodes[node as usize]
            .ports
            .retain(|port| port.socket != socket);
    }

    /// The next ephemeral port that no socket of this kind is bound to.
    pub(super) fn ephemeral_port(&mut self, node: u32, like: Socket) -> u16 {
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

    /// Ends all sockets of a node whose process died; answers how many connections that ended.
    pub(super) fn close_sockets_of(&mut self, node: u32) -> u64 {
        let streams = self
            .network
            .streams
            .ids_where(|stream| stream.node == node && !stream.is_orphan());
        let count = streams.len() as u64;
        streams.into_iter().for_each(|id| self.close_stream(id));
        self.drop_bound_sockets_of(node);
        count
    }

    /// Ends all sockets of a node without power; answers how many connections fell silent.
    pub(super) fn silence_sockets_of(&mut self, node: u32) -> u64 {
        let streams = self.network.streams.ids_where(|stream| stream.node == node);
        let count = streams.len() as u64;
        streams.into_iter().for_each(|id| self.silence_stream(id));
        self.drop_bound_sockets_of(node);
        count
    }

    fn drop_bound_sockets_of(&mut self, node: u32) {
        for port in std::mem::take(&mut self.nodes[node as usize].ports) {
            match port.socket {
                Socket::Udp(id) => drop(self.network.udp_sockets.remove(id)),
                Socket::Listener(id) => drop(self.network.listeners.remove(id)),
            }
        }
    }
}
