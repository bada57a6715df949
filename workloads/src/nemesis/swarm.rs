//! Random faults, of a random half of the kinds (Groce et al., *Swarm Testing*, ISSTA 2012).
//!
//! A run in which everything goes wrong a little hides what a few kinds alone would show, so each
//! seed switches kinds off and draws its intensities anew.

use std::net::Ipv4Addr;

use squall_sim::engine::{
    Bandwidth, ClockEffect, DiskEffect, Latency, LinkEffect, NameEffect, TaskEffect,
};
use squall_sim::fault::{Direction, Fault};
use squall_sim::keyed::Key;

use super::{Group, Machines, Strike};
use crate::plan::{Episode, Phases, Start, Targets};

const MS: u64 = 1_000_000;
/// Shorter than this a fault may pass unnoticed.
const DURATION_NS_MIN: u64 = 100 * MS;

/// An address that no machine has.
const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

/// Between two and ten episodes.
pub fn plan(key: Key, strikes: &[Strike], machines: Machines, phases: &Phases) -> Vec<Episode> {
    let strikes = switched_on(key.label("kinds"), strikes);
    let count = key.label("count").between(2, 10);
    let mean_ns = *key.label("mean").pick(&[300 * MS, 1000 * MS, 2500 * MS]);
    let episodes = (0..count).map(|number| {
        let key = key.label("episode").with(number);
        let strike = key.label("kind").pick(&strikes);
        episode(key, strike, machines, mean_ns, phases)
    });
    episodes.collect()
}

/// A long cut around one server, which every run with traffic feels.
pub fn certain_partition(key: Key, nodes: u32, phases: &Phases) -> Episode {
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    Episode {
        fault: Fault::Partition {
            direction: Direction::Both,
        },
        start: Start::At {
            ns: phases.warm_up_end_ns + key.label("start").below(storm_ns / 2),
        },
        duration_ns: storm_ns / 2,
        targets: Targets::Nodes(vec![key.label("one").below(u64::from(nodes)) as u32]),
    }
}

/// Slow links of all clients, which every run with traffic feels.
pub fn certain_delay(key: Key, clients: u32, phases: &Phases) -> Episode {
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    Episode {
        fault: Fault::SlowLinks {
            extra_ns_max: *key.label("extra").pick(&[5 * MS, 20 * MS]),
        },
        start: Start::At {
            ns: phases.warm_up_end_ns,
        },
        duration_ns: storm_ns / 2,
        targets: Targets::Clients((0..clients).collect()),
    }
}

/// The strikes whose kinds are on: each kind with an even chance, one strike at the least.
fn switched_on(key: Key, strikes: &[Strike]) -> Vec<Strike> {
    let is_on = |strike: &&Strike| key.label(strike.kind).chance(1, 2);
    let on: Vec<_> = strikes.iter().filter(is_on).copied().collect();
    if on.is_empty() {
        vec![*key.pick(strikes)]
    } else {
        on
    }
}

fn episode(
    key: Key,
    strike: &Strike,
    machines: Machines,
    mean_ns: u64,
    phases: &Phases,
) -> Episode {
    let duration_ns = DURATION_NS_MIN + key.label("duration").exponential(mean_ns);
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    let duration_ns = duration_ns.min(storm_ns / 2);
    let latest_ns = phases.storm_end_ns - duration_ns;
    let start_ns = key.label("start").between(phases.warm_up_end_ns, latest_ns);
    Episode {
        fault: fault(key.label("fault"), strike.kind),
        start: Start::At { ns: start_ns },
        duration_ns,
        targets: targets(key.label("targets"), strike.group, machines),
    }
}

fn fault(key: Key, kind: &str) -> Fault {
    match kind {
        "partition" => Fault::Partition {
            direction: *key.pick(&[
                Direction::Both,
                Direction::Both,
                Direction::Outgoing,
                Direction::Incoming,
            ]),
        },
        "bridge" => Fault::Bridge,
        "majorities-ring" => Fault::MajoritiesRing,
        "kill" => Fault::Kill,
        "power-loss" => Fault::PowerLoss,
        "pause" => Fault::Pause,
        "slow-links" => Fault::SlowLinks {
            extra_ns_max: *key.pick(&[20 * MS, 100 * MS, 400 * MS]),
        },
        "lossy-links" => Fault::LossyLinks {
            per_mille: *key.pick(&[50, 200, 500]),
        },
        "clog" | "reorder" | "duplicate" | "corrupt-packets" | "throttle" | "chop" => {
            Fault::Links {
                effect: link_effect(key, kind),
            }
        }
        "names" => Fault::Names {
            effect: *key.pick(&[
                NameEffect::Unknown,
                NameEffect::Unanswered,
                NameEffect::Stale { address: NOBODY },
                NameEffect::Slow {
                    by: Latency::Constant { ns: 400 * MS },
                },
            ]),
        },
        "slow-cpu" => Fault::Tasks {
            effect: TaskEffect::SlowCpu {
                turn_ns_min: 10_000,
                turn_ns_max: *key.pick(&[100_000, MS, 5 * MS]),
            },
        },
        "panic" => Fault::Tasks {
            effect: TaskEffect::Panic {
                per_million: *key.pick(&[100, 1_000, 10_000]),
            },
        },
        "clock" => Fault::Clock {
            effect: ClockEffect::Drift {
                ppm: *key.pick(&[-300_000, -50_000, -5_000, 5_000, 50_000, 300_000]),
            },
        },
        "sync-error" => Fault::SyncError {
            per_mille: *key.pick(&[100, 500, 1000]),
        },
        "read-error" | "write-error" | "no-space" | "short-io" | "stall" | "slow-disk" => {
            Fault::Disk {
                effect: disk_effect(key, kind),
            }
        }
        "corrupt" => Fault::Corrupt {
            bits: *key.pick(&[1, 3]),
        },
        "cancel" => Fault::Cancel {
            per_mille: *key.label("probability").pick(&[200, 500, 900]),
            after_ns_max: *key.label("after").pick(&[5 * MS, 30 * MS, 200 * MS]),
        },
        "overload" => Fault::Overload {
            factor: *key.pick(&[3, 10, 100]),
        },
        other => unreachable!("{other} is not among Fault::KINDS"),
    }
}

fn link_effect(key: Key, kind: &str) -> LinkEffect {
    let probability = key.label("probability");
    match kind {
        "clog" => LinkEffect::Clog,
        "reorder" => LinkEffect::Reorder {
            per_mille: *probability.pick(&[50, 200, 500]),
            extra_ns_max: *key.label("extra").pick(&[20 * MS, 100 * MS, 400 * MS]),
        },
        "duplicate" => LinkEffect::Duplicate {
            per_mille: *probability.pick(&[50, 200, 500]),
        },
        "corrupt-packets" => LinkEffect::Corrupt {
            per_mille: *probability.pick(&[10, 50, 200]),
        },
        "throttle" => LinkEffect::Throttle {
            to: Bandwidth {
                bytes_per_second: *key.label("bandwidth").pick(&[4_000, 20_000, 100_000]),
                queue_bytes_max: *key.label("queue").pick(&[4_000, 64_000]),
            },
        },
        "chop" => LinkEffect::Chop {
            per_mille: *probability.pick(&[200, 500, 1000]),
            bytes_max: *key.label("bytes").pick(&[1, 7, 100]),
        },
        other => unreachable!("{other} is no kind of effect on links"),
    }
}

fn disk_effect(key: Key, kind: &str) -> DiskEffect {
    let per_mille = *key.label("probability").pick(&[100, 500, 1000]);
    match kind {
        "read-error" => DiskEffect::ReadError { per_mille },
        "write-error" => DiskEffect::WriteError { per_mille },
        "no-space" => DiskEffect::NoSpace {
            free_bytes: *key.label("free").pick(&[0, 4096, 16 << 10]),
        },
        "short-io" if key.label("reads").chance(1, 2) => DiskEffect::ShortReads { per_mille },
        "short-io" => DiskEffect::ShortWrites { per_mille },
        "stall" => DiskEffect::Stall { for_ns: None },
        "slow-disk" => DiskEffect::Slow {
            factor: *key.label("factor").pick(&[2, 10]),
            operations_per_second: *key.label("operations").pick(&[0, 50]),
            bytes_per_second: *key.label("bytes").pick(&[0, 100_000]),
        },
        other => unreachable!("{other} is no kind of effect on disks"),
    }
}

fn targets(key: Key, group: Group, machines: Machines) -> Targets {
    match group {
        Group::Cluster => cluster_targets(key, machines.servers),
        Group::Servers { first, count } => {
            let servers = one_or_some(key, count).into_iter();
            Targets::Nodes(servers.map(|server| first + server).collect())
        }
        Group::Clients => Targets::Clients(one_or_some(key, machines.clients)),
    }
}

/// One server most of the time, the leader often, several or all sometimes.
fn cluster_targets(key: Key, servers: u32) -> Targets {
    match key.below(10) {
        0..4 => Targets::Nodes(vec![key.label("one").below(u64::from(servers)) as u32]),
        4..7 => Targets::Leader,
        7 => Targets::LeaderAnd(1),
        8 => Targets::Nodes(some(key.label("some"), servers)),
        _ => Targets::Nodes((0..servers).collect()),
    }
}

/// One of so many most of the time, several or all sometimes.
fn one_or_some(key: Key, count: u32) -> Vec<u32> {
    match key.below(10) {
        0..6 => vec![key.label("one").below(u64::from(count)) as u32],
        6..8 => some(key.label("some"), count),
        _ => (0..count).collect(),
    }
}

/// Each of so many with an even chance, one at the least.
fn some(key: Key, count: u32) -> Vec<u32> {
    let some: Vec<u32> = (0..count)
        .filter(|number| key.with(u64::from(*number)).chance(1, 2))
        .collect();
    if some.is_empty() {
        vec![key.below(u64::from(count)) as u32]
    } else {
        some
    }
}
