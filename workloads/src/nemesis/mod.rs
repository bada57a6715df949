//! Nemeses: what is done to a cluster, and when.
//!
//! A nemesis makes a plan's episodes from keys ([`swarm`], [`scripts`]); [`storm`] carries them out: `harm`
//! knows what each fault does.

mod harm;
pub mod scripts;
pub mod storm;
pub mod swarm;

use squall_sim::fault::Fault;
use squall_sim::keyed::Key;

use crate::plan::{Episode, Phases, Start, Targets};

/// A kind of fault that a nemesis may bring about, and upon whom.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    /// [`Fault::kind`].
    pub kind: &'static str,
    pub group: Group,
}

/// Machines that are alike to a nemesis.
#[derive(Clone, Copy, Debug)]
pub enum Group {
    /// All servers, one of which leads.
    Cluster,
    /// Servers without a leader: so many from `first` on.
    Servers {
        first: u32,
        count: u32,
    },
    Clients,
}

/// How many machines a run has.
#[derive(Clone, Copy, Debug)]
pub struct Machines {
    pub servers: u32,
    pub clients: u32,
}

/// The one server of a system without copies.
const THE_SERVER: Group = Group::Servers { first: 0, count: 1 };

/// What a durable system of one server must survive, and its clients with it.
pub const LONE_SERVER: [Strike; 18] = [
    on(THE_SERVER, "kill"),
    on(THE_SERVER, "power-loss"),
    on(THE_SERVER, "pause"),
    on(THE_SERVER, "sync-error"),
    on(THE_SERVER, "read-error"),
    on(THE_SERVER, "write-error"),
    on(THE_SERVER, "no-space"),
    on(THE_SERVER, "short-io"),
    on(THE_SERVER, "slow-cpu"),
    on(THE_SERVER, "panic"),
    on(THE_SERVER, "stall"),
    on(THE_SERVER, "slow-disk"),
    on(Group::Clients, "pause"),
    on(Group::Clients, "partition"),
    on(Group::Clients, "slow-links"),
    on(Group::Clients, "lossy-links"),
    on(Group::Clients, "names"),
    on(Group::Clients, "cancel"),
];

/// What a replicated system with a leader must survive.
const CLUSTER: [Strike; 25] = [
    on(Group::Cluster, "partition"),
    on(Group::Cluster, "bridge"),
    on(Group::Cluster, "kill"),
    on(Group::Cluster, "power-loss"),
    on(Group::Cluster, "pause"),
    on(Group::Cluster, "slow-links"),
    on(Group::Cluster, "lossy-links"),
    on(Group::Cluster, "majorities-ring"),
    on(Group::Cluster, "clog"),
    on(Group::Cluster, "reorder"),
    on(Group::Cluster, "corrupt-packets"),
    on(Group::Cluster, "throttle"),
    on(Group::Cluster, "chop"),
    on(Group::Cluster, "clock"),
    on(Group::Cluster, "sync-error"),
    on(Group::Cluster, "read-error"),
    on(Group::Cluster, "write-error"),
    on(Group::Cluster, "no-space"),
    on(Group::Cluster, "short-io"),
    on(Group::Cluster, "names"),
    on(Group::Cluster, "slow-cpu"),
    on(Group::Cluster, "panic"),
    on(Group::Cluster, "stall"),
    on(Group::Cluster, "slow-disk"),
    on(Group::Cluster, "corrupt"),
];

/// A strike.
pub const fn on(group: Group, kind: &'static str) -> Strike {
    Strike { kind, group }
}

/// The episodes of a run of a system whose servers do not elect a leader: a storm of random faults
/// out of `strikes`.
pub fn random(key: Key, strikes: &[Strike], machines: Machines, phases: &Phases) -> Vec<Episode> {
    let episodes = swarm::plan(key.label("swarm"), strikes, machines, phases);
    with_certainty(episodes, || {
        swarm::certain_delay(key.label("certain"), machines.clients, phases)
    })
}

/// The episodes, and one more if none of them is sure to be felt: a run whose faults were none proves
/// nothing.
pub fn with_certainty(
    mut episodes: Vec<Episode>,
    certain: impl FnOnce() -> Episode,
) -> Vec<Episode> {
    if !episodes.iter().any(is_certain) {
        episodes.push(certain());
    }
    episodes
}

/// The episodes of a run of a replicated system: a storm of random faults, or a script of those that
/// belong together.
pub fn plan(key: Key, machines: Machines, phases: &Phases) -> Vec<Episode> {
    let nodes = machines.servers;
    let episodes = match key.label("nemesis").below(20) {
        0..5 => swarm::plan(key.label("swarm"), &CLUSTER, machines, phases),
        5 | 6 => scripts::power_cycles(key.label("power-cycles"), nodes, phases),
        7..9 => scripts::leader_churn(key.label("leader-churn"), nodes, phases),
        9..12 => scripts::figure_eight(key.label("figure-eight"), nodes, phases),
        12 => scripts::isolated_leaders(key.label("isolated-leaders"), phases),
        13 => scripts::stalled_leaders(key.label("stalled-leaders"), phases),
        14 => scripts::restarts_under_election(key.label("restarts"), nodes, phases),
        15 => scripts::lagging_voter(key.label("lagging-voter"), nodes, phases),
        16..19 => scripts::restarted_bridge(key.label("restarted-bridge"), nodes, phases),
        _ => scripts::part_kill(key.label("part-kill"), nodes, phases),
    };
    // An event may never come, and a cut between servers that do not speak is no fault.
    with_certainty(episodes, || {
        swarm::certain_partition(key.label("certain"), nodes, phases)
    })
}

/// Whether the system is sure to feel an episode. Of servers, that is: a client may be idle. A link is
/// idle too now and then, but not for a second.
fn is_certain(episode: &Episode) -> bool {
    let is_due = matches!(episode.start, Start::At { .. });
    let strikes_servers = !matches!(episode.targets, Targets::Clients(_));
    is_due
        && strikes_servers
        && match episode.fault {
            Fault::Kill | Fault::PowerLoss => true,
            Fault::SlowLinks { .. } => episode.duration_ns >= 1_000_000_000,
            _ => false,
        }
}
