//! Failure domains: which machines stand together, and fail together.

use super::nodes::Node;
use super::world;
use super::{HARNESS, NodeId, add_node};

/// Where a machine stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain {
    /// A data centre, or a part of one with power and network of its own.
    pub zone: u32,
    /// Within the zone.
    pub rack: u32,
}

/// A set of machines that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Zone(u32),
    Rack(Domain),
}

impl Place {
    fn holds(self, domain: Domain) -> bool {
        match self {
            Self::Zone(zone) => domain.zone == zone,
            Self::Rack(rack) => domain == rack,
        }
    }
}

/// As [`add_node`], for a machine that stands somewhere. Others stand in rack 0 of zone 0.
pub fn add_node_in(name: &str, domain: Domain) -> NodeId {
    let node = add_node(name);
    world::with(|world| world.nodes[node.0 as usize].domain = domain);
    node
}

/// The machines that stand in a place, in the order in which they were added; never the harness.
pub fn nodes_in(place: Place) -> Vec<NodeId> {
    let stands_there = |(_, node): &(usize, &Node)| place.holds(node.domain);
    world::with(|world| {
        let nodes = world.nodes.iter().enumerate();
        let there = nodes.skip(HARNESS as usize + 1).filter(stands_there);
        there.map(|(number, _)| NodeId(number as u32)).collect()
    })
}

impl NodeId {
    /// Where the machine stands.
    pub fn domain(self) -> Domain {
        world::with(|world| world.nodes[self.0 as usize].domain)
    }
}
