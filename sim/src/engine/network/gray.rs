//! Gray links: neither whole nor cut. Probes mostly get through, work mostly does not.

use super::{FaultTag, Latency, LinkEffect, add_link_effect};
use crate::engine::NodeId;

/// How gray a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrayLink {
    /// Of a thousand packets, how many are lost.
    pub lost_per_mille: u32,
    /// What a packet takes longer, at the most.
    pub extra_ns_max: u64,
    /// Of a thousand packets, how many take much longer: between `extra_ns_max` and `late_ns_max`.
    pub late_per_mille: u32,
    pub late_ns_max: u64,
}

impl GrayLink {
    /// The same as effects.
    pub const fn effects(self) -> [LinkEffect; 2] {
        [
            LinkEffect::Delay {
                by: Latency::Bimodal {
                    min_ns: 0,
                    max_ns: self.extra_ns_max,
                    tail_ns_max: self.late_ns_max,
                    tail_per_mille: self.late_per_mille,
                },
            },
            LinkEffect::Lossy {
                per_mille: self.lost_per_mille,
            },
        ]
    }
}

/// Makes the link from one node to another gray, until
/// [`remove_link_effects`](super::remove_link_effects) ends it.
///
/// # Panics
/// If a share is above 1000, or `late_ns_max` below `extra_ns_max`.
pub fn add_gray_link(from: NodeId, to: NodeId, tag: FaultTag, gray: GrayLink) {
    for effect in gray.effects() {
        add_link_effect(from, to, tag, effect);
    }
}
