//! Names of hosts.

use std::net::{IpAddr, Ipv4Addr};

use crate::engine::nodes::ip_of;
use crate::engine::world::World;

impl World {
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
}
