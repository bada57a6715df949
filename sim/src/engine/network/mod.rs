//! The network: directed links between nodes, and what faults do to them.
//!
//! A packet's fate is keyed by its link and its ordinal on that link. How long it takes is drawn
//! when it *departs* (`latency`, `bandwidth`, `links`); whether it gets through is decided when it
//! *arrives* (`effects`): datagrams in flight are lost by a cut, streams retransmit until the link
//! heals. What meets a clog waits for its end (`clog`).
//!
//! `ports` and `names` are how a packet finds its socket; `presets`, `gray`, `cuts` and `swizzle`
//! are harms of many parts under one name.

mod bandwidth;
mod buffers;
mod clog;
pub mod cuts;
mod effects;
mod gray;
mod latency;
mod links;
mod names;
mod ports;
mod presets;
mod swizzle;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

pub use self::bandwidth::Bandwidth;
use self::buffers::Buffers;
pub(super) use self::effects::flip_bits;
pub use self::effects::{
    FaultTag, LinkEffect, add_link_effect, count_fault, fault_observed, new_fault_tag,
    remove_link_effects,
};
pub use self::gray::{GrayLink, add_gray_link};
pub use self::latency::Latency;
pub(super) use self::links::{Arrival, Links, Route};
pub use self::links::{set_link_bandwidth, set_link_latency};
pub(crate) use self::names::Answer;
pub use self::names::{NameEffect, add_name_effect};
pub(super) use self::ports::{FIRST_EPHEMERAL_PORT, Port, Socket};
pub use self::presets::{PRESETS, Preset, preset};
pub use self::swizzle::{Swizzle, SwizzleStep, swizzle};
use super::nodes::ip_of;
use super::slots::Slots;
use super::world::World;
use crate::keyed::Key;

/// The calm network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// What a packet takes.
    pub latency: Latency,
    /// What a packet takes besides, always the same between two machines: at the most this, drawn
    /// once for each pair. Machines that are far from each other stay so, which finds what works
    /// only as long as every quorum is equally fast.
    #[serde(default)]
    pub pair_offset_ns_max: u64,
    /// Of a thousand packets, how many every link loses.
    #[serde(default)]
    pub lost_per_mille: u32,
    /// What every link carries at the most; nothing is too much if there is none.
    #[serde(default)]
    pub bandwidth: Option<Bandwidth>,
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
            latency: Latency::Uniform {
                min_ns: 500_000,
                max_ns: 2_000_000,
            },
            pair_offset_ns_max: 0,
            lost_per_mille: 0,
            bandwidth: None,
            window_bytes: 256 * 1024,
            retransmit_ns_min: 200_000_000,
            retransmit_ns_max: 120_000_000_000,
            give_up_ns: 924_000_000_000,
            datagrams_max: 1024,
        }
    }
}

pub(super) struct Network {
    pub(super) links: Links,
    pub(super) buffers: Buffers,
    pub(super) udp_sockets: Slots<super::datagrams::UdpSocket>,
    pub(super) datagrams: super::datagrams::InFlight,
    pub(super) listeners: Slots<super::streams::Listener>,
    pub(super) streams: Slots<super::streams::Stream>,
    clogged: clog::Clogged,
    /// Nodes that have used every ephemeral port once.
    ports_used_up: BTreeSet<u32>,
    names: names::Names,
}

impl Network {
    pub(super) fn new(root: Key, config: &NetworkConfig) -> Self {
        Self {
            links: Links::new(root.label("link"), config),
            buffers: Buffers::default(),
            udp_sockets: Slots::default(),
            datagrams: super::datagrams::InFlight::default(),
            listeners: Slots::default(),
            streams: Slots::default(),
            clogged: clog::Clogged::default(),
            ports_used_up: BTreeSet::new(),
            names: names::Names::new(root.label("name")),
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

    /// Ends all sockets of a node whose process died; answers how many connections that ended.
    pub(super) fn close_sockets_of(&mut self, node: u32) -> u64 {
        let streams = self
            .network
            .streams
            .ids_where(|stream| stream.node == node && !stream.is_orphan());
        let count = streams.len() as u64;
        self.reset_unaccepted(node);
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
}
