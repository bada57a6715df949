//! Names of hosts, and what faults do to those who ask for them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{FaultTag, Latency};
use crate::engine::nodes::ip_of;
use crate::engine::world::{self, World};
use crate::engine::{DAY_NS, NodeId};
use crate::keyed::Key;

/// How long a resolver asks a name server that does not answer: twice, five seconds each
/// (`resolv.conf(5)`: `attempts`, `timeout`).
const RESOLVER_PATIENCE_NS: u64 = 10_000_000_000;

/// What a fault does to a node that asks for another's address by name. Addresses in digits, and
/// `localhost`, need nobody's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum NameEffect {
    /// There is no such name: getaddrinfo(3)'s `EAI_NONAME`.
    Unknown,
    /// No name server answers: `EAI_AGAIN`, after ten seconds.
    Unanswered,
    /// The answer is an address that may have been right once: another node's, or nobody's.
    Stale { address: Ipv4Addr },
    /// The answer takes this long.
    Slow { by: Latency },
}

impl NameEffect {
    /// Whether its latency is sound, and of a day at the most.
    pub const fn is_sound(&self) -> bool {
        match self {
            Self::Slow { by } => by.is_sound() && by.longest_ns() <= DAY_NS,
            Self::Unknown | Self::Unanswered | Self::Stale { .. } => true,
        }
    }
}

/// The faults of names in force.
pub(super) struct Names {
    key: Key,
    /// Who asks, whom for, what befalls them.
    effects: Vec<(u32, u32, FaultTag, NameEffect)>,
    /// How often one has asked for another while there was a fault.
    lookups: BTreeMap<(u32, u32), u64>,
}

/// What becomes of a question for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) after_ns: u64,
    pub(crate) address: Result<IpAddr, Unresolved>,
}

/// Why a name has no address, as getaddrinfo(3) has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unresolved {
    #[error("failed to lookup address information: Name or service not known")]
    NoName,
    #[error("failed to lookup address information: Temporary failure in name resolution")]
    Again,
}

impl Names {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            effects: Vec::new(),
            lookups: BTreeMap::new(),
        }
    }

    pub(super) fn remove_effects(&mut self, tag: FaultTag) {
        self.effects.retain(|(_, _, of, _)| *of != tag);
    }

    /// What the faults make of an answer, and which of them had a part in it.
    fn harm(&mut self, asker: u32, asked: u32, answer: &mut Answer) -> Vec<FaultTag> {
        let lookups = self.lookups.entry((asker, asked)).or_default();
        *lookups += 1;
        let pair = self.key.with(u64::from(asker)).with(u64::from(asked));
        let key = pair.with(*lookups);
        let mut felt = Vec::new();
        for (by, of, tag, effect) in &self.effects {
            if (*by, *of) == (asker, asked) {
                effect.harm(key, answer);
                felt.push(*tag);
            }
        }
        felt
    }
}

impl NameEffect {
    fn harm(&self, key: Key, answer: &mut Answer) {
        let slow_ns = match self {
            Self::Unknown => {
                answer.address = Err(Unresolved::NoName);
                0
            }
            Self::Unanswered => {
                answer.address = Err(Unresolved::Again);
                RESOLVER_PATIENCE_NS
            }
            Self::Stale { address } => {
                answer.address = answer.address.map(|_| IpAddr::V4(*address));
                0
            }
            Self::Slow { by } => by.draw(key.label("slow")),
        };
        answer.after_ns = answer.after_ns.saturating_add(slow_ns);
    }
}

/// Puts an effect on what one node learns when it asks for another's name, until
/// [`remove_link_effects`](super::remove_link_effects) ends it. It is felt with each question.
///
/// # Panics
/// If its latency is not sound.
pub fn add_name_effect(asker: NodeId, asked: NodeId, tag: FaultTag, effect: NameEffect) {
    if let NameEffect::Slow { by } = effect {
        assert!(by.is_sound(), "an empty range of latencies");
    }
    world::with(|world| {
        let effects = &mut world.network.names.effects;
        effects.push((asker.0, asked.0, tag, effect));
    });
}

impl World {
    /// What the running task's node learns of a host: an address, `localhost`, or a node's name.
    pub(crate) fn look_up(&mut self, host: &str) -> Answer {
        let at_once = |address| Answer {
            after_ns: 0,
            address,
        };
        if let Ok(ip) = host.parse() {
            return at_once(Ok(ip));
        }
        if host == "localhost" {
            return at_once(Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        }
        let Some(asked) = self.nodes.iter().position(|node| node.name == host) else {
            return at_once(Err(Unresolved::NoName));
        };
        let mut answer = at_once(Ok(IpAddr::V4(ip_of(asked as u32))));
        if !self.network.names.effects.is_empty() {
            let asker = self.current_node();
            let felt = self.network.names.harm(asker, asked as u32, &mut answer);
            felt.into_iter()
                .for_each(|tag| self.network.links.count(tag));
        }
        answer
    }
}
