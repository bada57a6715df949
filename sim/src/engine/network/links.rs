//! The directed links between all nodes: what a packet on them takes, and what becomes of it.

use super::effects::Observations;
use super::{Bandwidth, FaultTag, Latency, LinkEffect, NetworkConfig};
use crate::engine::{NodeId, world};
use crate::keyed::Key;

/// What a packet takes that stays on its machine.
const LOOPBACK_NS: u64 = 20_000;

pub(in crate::engine) struct Links {
    /// From, to.
    table: Vec<Vec<Link>>,
    key: Key,
    latency: Latency,
    pair_offset_ns_max: u64,
    lost_per_mille: u32,
    bandwidth: Option<Bandwidth>,
    /// How often each fault was felt.
    pub(super) observations: Observations,
}

struct Link {
    key: Key,
    /// How many packets have been sent on it.
    ordinal: u64,
    /// How many packets without payload have come to its end.
    control_arrivals: u64,
    /// What it is like where it is not as all are.
    nature: Option<Box<Nature>>,
    effects: Vec<(FaultTag, LinkEffect)>,
    /// When all that waits before a narrow link will have left.
    busy_until_ns: u64,
}

/// What a link is like in calm times.
#[derive(Clone, Copy)]
struct Nature {
    latency: Latency,
    offset_ns: u64,
    lost_per_mille: u32,
    bandwidth: Option<Bandwidth>,
}

/// Whence and whither a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Route {
    pub(in crate::engine) from: u32,
    pub(in crate::engine) to: u32,
    pub(in crate::engine) from_port: u16,
    pub(in crate::engine) to_port: u16,
}

/// A packet's lot, as it is drawn when the packet is sent.
pub(in crate::engine) struct Passage {
    pub(in crate::engine) latency_ns: u64,
    /// The packet's identity.
    pub(in crate::engine) key: Key,
    /// Whether it found the link's queue full.
    pub(in crate::engine) is_dropped: bool,
    /// A second one like it, if it is a datagram.
    pub(in crate::engine) twin: Option<Twin>,
}

/// What a packet's copy takes, and by which fault there is one.
pub(in crate::engine) struct Twin {
    pub(in crate::engine) latency_ns: u64,
    pub(in crate::engine) tag: FaultTag,
}

/// What has become of a packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Arrival {
    Whole,
    /// Bits of it have flipped, by this key.
    Damaged(Key),
    Lost,
}

impl Links {
    pub(super) fn new(key: Key, config: &NetworkConfig) -> Self {
        assert!(config.latency.is_sound(), "an empty range of latencies");
        assert!(config.lost_per_mille <= 1000, "more is lost than is sent");
        Self {
            table: Vec::new(),
            key,
            latency: config.latency,
            pair_offset_ns_max: config.pair_offset_ns_max,
            lost_per_mille: config.lost_per_mille,
            bandwidth: config.bandwidth,
            observations: Observations::default(),
        }
    }

    pub(in crate::engine) fn add_node(&mut self, count: usize) {
        let mut table = std::mem::take(&mut self.table);
        table.resize_with(count, Vec::new);
        for (from, links) in table.iter_mut().enumerate() {
            while links.len() < count {
                links.push(self.new_link(from as u64, links.len() as u64));
            }
        }
        self.table = table;
    }

    fn new_link(&self, from: u64, to: u64) -> Link {
        let nature = self.nature_between(from, to);
        let is_as_all_are =
            nature.offset_ns == 0 && nature.lost_per_mille == 0 && nature.bandwidth.is_none();
        Link {
            key: self.key.with(from).with(to),
            ordinal: 0,
            control_arrivals: 0,
            nature: (!is_as_all_are).then(|| Box::new(nature)),
            effects: Vec::new(),
            busy_until_ns: 0,
        }
    }

    /// What the link between two nodes is like unless it is told otherwise. The way back is as far
    /// as the way there.
    fn nature_between(&self, from: u64, to: u64) -> Nature {
        let pair = self
            .key
            .label("offset")
            .with(from.min(to))
            .with(from.max(to));
        Nature {
            latency: self.latency,
            offset_ns: pair.between(0, self.pair_offset_ns_max),
            lost_per_mille: self.lost_per_mille,
            bandwidth: self.bandwidth,
        }
    }

    fn link_mut(&mut self, from: u32, to: u32) -> &mut Link {
        &mut self.table[from as usize][to as usize]
    }

    fn change_nature(&mut self, from: u32, to: u32, change: impl FnOnce(&mut Nature)) {
        let calm = self.nature_between(u64::from(from), u64::from(to));
        let nature = &mut self.link_mut(from, to).nature;
        change(nature.get_or_insert_with(|| Box::new(calm)));
    }

    /// Draws the lot of the next packet on a link.
    #[inline]
    pub(in crate::engine) fn depart(
        &mut self,
        from: u32,
        to: u32,
        bytes: usize,
        now_ns: u64,
    ) -> Passage {
        let link = &mut self.table[from as usize][to as usize];
        link.ordinal += 1;
        let key = link.key.with(link.ordinal);
        if from == to {
            return Passage::calm(LOOPBACK_NS, key);
        }
        if link.nature.is_none() && link.effects.is_empty() {
            return Passage::calm(self.latency.draw(key), key);
        }
        self.depart_oddly(from, to, key, bytes as u64, now_ns)
    }

    /// As [`Self::depart`], on a link that is not as all are.
    fn depart_oddly(&mut self, from: u32, to: u32, key: Key, bytes: u64, now_ns: u64) -> Passage {
        let calm_latency = self.latency;
        let link = &mut self.table[from as usize][to as usize];
        let lot_ns = |key: Key| {
            let calm_ns = link.nature.as_deref().map_or_else(
                || calm_latency.draw(key),
                |nature| nature.latency.draw(key).saturating_add(nature.offset_ns),
            );
            let extra_ns = link.effects.iter().map(|(_, effect)| effect.delay_ns(key));
            extra_ns.fold(calm_ns, u64::saturating_add)
        };
        let mut passage = Passage::calm(lot_ns(key), key);
        for (tag, effect) in &link.effects {
            if effect.duplicates(key) {
                passage.twin = Some(Twin {
                    latency_ns: lot_ns(key.label("copy")),
                    tag: *tag,
                });
            } else if effect.slows(key) {
                self.observations.count(*tag);
            }
        }
        if let Some((bandwidth, tag)) = link.bandwidth() {
            let admitted = bandwidth.admit(&mut link.busy_until_ns, now_ns, bytes);
            passage.is_dropped = admitted.is_none();
            passage.latency_ns = passage.latency_ns.saturating_add(admitted.unwrap_or(0));
            tag.into_iter().for_each(|tag| self.observations.count(tag));
        }
        passage
    }

    /// Counts that a fault was felt.
    pub(in crate::engine) fn count(&mut self, tag: FaultTag) {
        self.observations.count(tag);
    }

    /// Counts that a fault was felt so many times.
    pub(in crate::engine) fn count_times(&mut self, tag: FaultTag, times: u64) {
        self.observations.count_times(tag, times);
    }

    /// The identity of a packet without payload, now that it arrives.
    pub(in crate::engine) fn arrival_key(&mut self, from: u32, to: u32) -> Key {
        let link = self.link_mut(from, to);
        link.control_arrivals += 1;
        link.key.label("control").with(link.control_arrivals)
    }

    /// Whether anything at all is the matter with a link.
    #[inline]
    pub(in crate::engine) fn is_harmed(&self, route: &Route) -> bool {
        !self.table[route.from as usize][route.to as usize]
            .effects
            .is_empty()
    }

    /// What has become of a packet, now that it arrives. Counts the fault that stops or harms it.
    #[inline]
    pub(in crate::engine) fn arrive(&mut self, route: &Route, packet: Key) -> Arrival {
        let link = &self.table[route.from as usize][route.to as usize];
        if link.effects.is_empty() && link.nature.is_none() {
            return Arrival::Whole;
        }
        self.arrive_oddly(route, packet)
    }

    /// Whether a packet gets through whose checksum is looked at.
    #[inline]
    pub(in crate::engine) fn passes(&mut self, route: &Route, packet: Key) -> bool {
        self.arrive(route, packet) == Arrival::Whole
    }

    fn arrive_oddly(&mut self, route: &Route, packet: Key) -> Arrival {
        let link = &self.table[route.from as usize][route.to as usize];
        let lost_per_mille = link.nature.as_deref().map_or(0, |it| it.lost_per_mille);
        if route.from != route.to && packet.label("calm-loss").chance(lost_per_mille, 1000) {
            return Arrival::Lost;
        }
        let stops = |(_, effect): &&(FaultTag, LinkEffect)| effect.stops(route, packet);
        let damages = |(_, effect): &&(FaultTag, LinkEffect)| effect.damages(packet);
        let (tag, arrival) = if let Some((tag, _)) = link.effects.iter().find(stops) {
            (*tag, Arrival::Lost)
        } else if let Some((tag, _)) = link.effects.iter().find(damages) {
            (*tag, Arrival::Damaged(packet.label("damage")))
        } else {
            return Arrival::Whole;
        };
        self.observations.count(tag);
        arrival
    }

    /// What is left of a read or write of this length. `key_of` makes its identity of the link's.
    pub(in crate::engine) fn chop(
        &mut self,
        route: &Route,
        length: usize,
        key_of: impl Fn(Key) -> Key,
    ) -> usize {
        let link = &self.table[route.from as usize][route.to as usize];
        let key = key_of(link.key);
        let chopped = |(tag, effect): &(FaultTag, LinkEffect)| {
            let left = effect.chops(length, key)?;
            Some((*tag, left))
        };
        let Some((tag, left)) = link.effects.iter().find_map(chopped) else {
            return length;
        };
        self.observations.count(tag);
        left
    }

    /// The fault that clogs a link.
    pub(super) fn clog(&self, route: &Route) -> Option<FaultTag> {
        let effects = &self.table[route.from as usize][route.to as usize].effects;
        let clog = effects
            .iter()
            .find(|(_, effect)| *effect == LinkEffect::Clog);
        clog.map(|(tag, _)| *tag)
    }

    pub(super) fn add_effect(&mut self, from: u32, to: u32, tag: FaultTag, effect: LinkEffect) {
        self.link_mut(from, to).effects.push((tag, effect));
    }

    pub(super) fn remove_effects(&mut self, tag: FaultTag) {
        for link in self.table.iter_mut().flatten() {
            link.effects.retain(|(of, _)| *of != tag);
        }
    }
}

impl Link {
    /// The narrowest that its nature and its faults leave of it, and a fault that has a part in it.
    fn bandwidth(&self) -> Option<(Bandwidth, Option<FaultTag>)> {
        let calm = self.nature.as_deref().and_then(|nature| nature.bandwidth);
        let calm = calm.map(|bandwidth| (bandwidth, None));
        let throttles = self
            .effects
            .iter()
            .filter_map(|(tag, effect)| match effect {
                LinkEffect::Throttle { to } => Some((*to, Some(*tag))),
                _ => None,
            });
        calm.into_iter()
            .chain(throttles)
            .reduce(|(left, tag), (right, other)| (left.narrower(right), tag.or(other)))
    }
}

impl Passage {
    #[inline]
    fn calm(latency_ns: u64, key: Key) -> Self {
        Self {
            latency_ns,
            key,
            is_dropped: false,
            twin: None,
        }
    }
}

impl Route {
    /// The way back.
    pub(in crate::engine) fn reversed(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            from_port: self.to_port,
            to_port: self.from_port,
        }
    }
}

/// Says what packets take from one node to another from now on, instead of what the network's
/// configuration says. The pair's lasting offset is added to it.
///
/// # Panics
/// If the latency is not sound.
pub fn set_link_latency(from: NodeId, to: NodeId, latency: Latency) {
    assert!(latency.is_sound(), "an empty range of latencies");
    world::with(|world| {
        let links = &mut world.network.links;
        links.change_nature(from.0, to.0, |nature| nature.latency = latency);
    });
}

/// Says what the link from one node to another carries from now on, instead of what the network's
/// configuration says; everything, if it is `None`.
pub fn set_link_bandwidth(from: NodeId, to: NodeId, bandwidth: Option<Bandwidth>) {
    world::with(|world| {
        let links = &mut world.network.links;
        links.change_nature(from.0, to.0, |nature| nature.bandwidth = bandwidth);
    });
}
