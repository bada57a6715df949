//! What faults do to links, and how often it was felt.

use serde::{Deserialize, Serialize};

use super::{Bandwidth, Latency, Route};
use crate::engine::{DAY_NS, NodeId, world};
use crate::keyed::Key;

/// The name of a fault's effects on the network, to count and to end them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FaultTag(pub(in crate::engine) u32);

/// What a fault does to a directed link.
///
/// Of a stream, packets are segments with a checksum: one that was damaged is lost, one that came
/// twice is ignored, and one that is late holds up all behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum LinkEffect {
    /// Nothing arrives.
    Cut,
    /// Nothing arrives that is sent to this port.
    CutToPort { port: u16 },
    /// Nothing arrives that is sent from this port.
    CutFromPort { port: u16 },
    /// What arrives is held, and arrives in a burst when the effect ends: late, but in the order of
    /// the times when it was due.
    Clog,
    /// A packet takes longer, by a keyed amount up to this.
    Slow { extra_ns_max: u64 },
    /// A packet takes longer, by an amount of this distribution.
    Delay { by: Latency },
    /// A packet takes longer with this probability, by a keyed amount up to this: those behind it
    /// overtake it.
    Reorder { per_mille: u32, extra_ns_max: u64 },
    /// A packet is lost with this probability.
    Lossy { per_mille: u32 },
    /// A datagram arrives twice with this probability, each time when it will.
    Duplicate { per_mille: u32 },
    /// One to 32 bits of a packet's payload flip with this probability.
    Corrupt { per_mille: u32 },
    /// The link carries no more than this.
    Throttle { to: Bandwidth },
    /// A write to a stream takes in less than it could with this probability, and a read of it at the
    /// other end gives less than there is: a keyed length up to this, at least one byte.
    Chop { per_mille: u32, bytes_max: u32 },
}

impl LinkEffect {
    /// Whether its probabilities are ratios, its latency is sound, and no time is longer than a day.
    pub const fn is_sound(&self) -> bool {
        match self {
            Self::Reorder {
                per_mille,
                extra_ns_max,
            } => *per_mille <= 1000 && *extra_ns_max <= DAY_NS,
            Self::Lossy { per_mille }
            | Self::Duplicate { per_mille }
            | Self::Corrupt { per_mille }
            | Self::Chop { per_mille, .. } => *per_mille <= 1000,
            Self::Slow { extra_ns_max } => *extra_ns_max <= DAY_NS,
            Self::Delay { by } => by.is_sound() && by.longest_ns() <= DAY_NS,
            Self::Cut
            | Self::CutToPort { .. }
            | Self::CutFromPort { .. }
            | Self::Clog
            | Self::Throttle { .. } => true,
        }
    }

    /// Whether it makes this packet late.
    pub(super) fn slows(&self, packet: Key) -> bool {
        match self {
            Self::Slow { .. } | Self::Delay { .. } => true,
            Self::Reorder { per_mille, .. } => packet.label("reorder").chance(*per_mille, 1000),
            _ => false,
        }
    }

    /// By how much it makes this packet late.
    pub(super) fn delay_ns(&self, packet: Key) -> u64 {
        match self {
            Self::Slow { extra_ns_max } => packet.label("slow").between(0, *extra_ns_max),
            Self::Delay { by } => by.draw(packet.label("delay")),
            Self::Reorder { extra_ns_max, .. } if self.slows(packet) => {
                packet.label("overtaken").between(1, (*extra_ns_max).max(1))
            }
            _ => 0,
        }
    }

    pub(super) fn duplicates(&self, packet: Key) -> bool {
        match self {
            Self::Duplicate { per_mille } => packet.label("duplicate").chance(*per_mille, 1000),
            _ => false,
        }
    }

    /// Whether this packet does not arrive for it.
    pub(super) fn stops(&self, route: &Route, packet: Key) -> bool {
        match self {
            Self::Cut => true,
            Self::CutToPort { port } => route.to_port == *port,
            Self::CutFromPort { port } => route.from_port == *port,
            Self::Lossy { per_mille } => packet.label("loss").chance(*per_mille, 1000),
            _ => false,
        }
    }

    pub(super) fn damages(&self, packet: Key) -> bool {
        match self {
            Self::Corrupt { per_mille } => packet.label("corrupt").chance(*per_mille, 1000),
            _ => false,
        }
    }
}

impl LinkEffect {
    /// What it leaves of a read or write of this length, if that is less.
    pub(super) fn chops(&self, length: usize, key: Key) -> Option<usize> {
        let Self::Chop {
            per_mille,
            bytes_max,
        } = self
        else {
            return None;
        };
        let longest = (u64::from(*bytes_max).max(1)).min(length as u64);
        let is_chopped = length > 1 && key.label("is").chance(*per_mille, 1000);
        let left = is_chopped.then(|| key.label("length").between(1, longest) as usize);
        left.filter(|left| *left < length)
    }
}

/// How often each fault was felt.
#[derive(Default)]
pub(super) struct Observations(Vec<u64>);

impl Observations {
    pub(super) fn count(&mut self, tag: FaultTag) {
        self.count_times(tag, 1);
    }

    pub(super) fn count_times(&mut self, tag: FaultTag, times: u64) {
        self.0[tag.0 as usize] += times;
    }
}

/// Flips one to 32 bits of a payload that is not empty: one bit in half of the cases, two in a
/// quarter, and so on. The first of them stays flipped, so the payload is never what it was.
pub(in crate::engine) fn flip_bits(payload: &mut [u8], key: Key) {
    let bit_count = payload.len() as u64 * 8;
    let first = key.label("first").below(bit_count);
    flip(payload, first);
    let more = u64::from(key.label("more").bits().trailing_zeros().min(31));
    for number in 0..more {
        let bit = key.label("next").with(number).below(bit_count);
        if bit != first {
            flip(payload, bit);
        }
    }
}

fn flip(payload: &mut [u8], bit: u64) {
    payload[(bit / 8) as usize] ^= 1 << (bit % 8);
}

/// A new name for the effects of one fault.
pub fn new_fault_tag() -> FaultTag {
    world::with(|world| {
        let observed = &mut world.network.links.observations.0;
        observed.push(0);
        FaultTag(observed.len() as u32 - 1)
    })
}

/// Puts an effect on the link from one node to another. It is felt when it stops, delays, doubles,
/// damages or holds a packet.
///
/// # Panics
/// If the effect is not sound.
pub fn add_link_effect(from: NodeId, to: NodeId, tag: FaultTag, effect: LinkEffect) {
    assert!(
        effect.is_sound(),
        "{effect:?}: a probability above one, or an empty range"
    );
    world::with(|world| world.network.links.add_effect(from.0, to.0, tag, effect));
}

/// Ends all that a fault does to the network. What it has held arrives now.
pub fn remove_link_effects(tag: FaultTag) {
    world::with(|world| {
        world.network.links.remove_effects(tag);
        world.network.names.remove_effects(tag);
        world.release_unclogged();
    });
}

/// How often a fault was felt so far: by packets, operations of a disk, reads of a clock, or turns of a
/// task.
pub fn fault_observed(tag: FaultTag) -> u64 {
    world::with(|world| world.network.links.observations.0[tag.0 as usize])
}

/// Counts that a fault was felt: for faults that the harness itself brings about.
pub fn count_fault(tag: FaultTag) {
    world::with(|world| world.network.links.count(tag));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flipped_bits_never_leave_a_payload_as_it_was() {
        let mut flipped = [0_u32; 33];
        for number in 0..4096 {
            let mut payload = [0_u8; 16];
            flip_bits(&mut payload, Key::root(number));
            flipped[payload.iter().map(|byte| byte.count_ones()).sum::<u32>() as usize] += 1;
            let mut byte = [0b1010_1010];
            flip_bits(&mut byte, Key::root(number));
            assert_ne!(byte, [0b1010_1010]);
        }
        assert_eq!(flipped[0], 0);
        assert!(flipped[1].abs_diff(2048) < 300, "{flipped:?}");
        assert!(flipped[3..].iter().sum::<u32>() > 500, "{flipped:?}");
    }

    #[test]
    fn a_probability_above_one_is_not_sound() {
        assert!(LinkEffect::Lossy { per_mille: 1000 }.is_sound());
        assert!(!LinkEffect::Lossy { per_mille: 1001 }.is_sound());
        assert!(!LinkEffect::Duplicate { per_mille: 1001 }.is_sound());
    }
}
