//! Random faults, of a random half of the kinds (Groce et al., *Swarm Testing*, ISSTA 2012).
//!
//! A run in which everything goes wrong a little hides what a few kinds alone would show, so each
//! seed switches kinds off and draws its intensities anew.

use squall_sim::fault::{Direction, Fault};
use squall_sim::keyed::Key;

use crate::plan::{Episode, Phases, Start, Targets};

const MS: u64 = 1_000_000;
/// Shorter than this a fault may pass unnoticed.
const DURATION_NS_MIN: u64 = 100 * MS;

/// Between two and ten episodes.
pub fn plan(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let kinds = kinds(key.label("kinds"));
    let count = key.label("count").between(2, 10);
    let mean_ns = *key.label("mean").pick(&[300 * MS, 1000 * MS, 2500 * MS]);
    let episodes = (0..count).map(|number| {
        let key = key.label("episode").with(number);
        let kind = key.label("kind").pick(&kinds);
        episode(key, kind, nodes, mean_ns, phases)
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

/// The kinds that are on: each with an even chance, one at the least.
fn kinds(key: Key) -> Vec<&'static str> {
    let on = |kind: &&str| key.label(kind).chance(1, 2);
    let kinds: Vec<_> = Fault::KINDS.into_iter().filter(on).collect();
    if kinds.is_empty() {
        vec![*key.pick(&Fault::KINDS)]
    } else {
        kinds
    }
}

fn episode(key: Key, kind: &str, nodes: u32, mean_ns: u64, phases: &Phases) -> Episode {
    let duration_ns = DURATION_NS_MIN + key.label("duration").exponential(mean_ns);
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    let duration_ns = duration_ns.min(storm_ns / 2);
    let latest_ns = phases.storm_end_ns - duration_ns;
    let start_ns = key.label("start").between(phases.warm_up_end_ns, latest_ns);
    Episode {
        fault: fault(key.label("fault"), kind),
        start: Start::At { ns: start_ns },
        duration_ns,
        targets: targets(key.label("targets"), nodes),
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
        "kill" => Fault::Kill,
        "power-loss" => Fault::PowerLoss,
        "pause" => Fault::Pause,
        "slow-links" => Fault::SlowLinks {
            extra_ns_max: *key.pick(&[20 * MS, 100 * MS, 400 * MS]),
        },
        "lossy-links" => Fault::LossyLinks {
            per_mille: *key.pick(&[50, 200, 500]),
        },
        other => unreachable!("{other} is not among Fault::KINDS"),
    }
}

/// One server most of the time, the leader often, several or all sometimes.
fn targets(key: Key, nodes: u32) -> Targets {
    match key.below(10) {
        0..4 => Targets::Nodes(vec![key.label("one").below(u64::from(nodes)) as u32]),
        4..7 => Targets::Leader,
        7 => Targets::LeaderAnd(1),
        8 => Targets::Nodes(some(key.label("some"), nodes)),
        _ => Targets::Nodes((0..nodes).collect()),
    }
}

/// Each server with an even chance, one at the least.
fn some(key: Key, nodes: u32) -> Vec<u32> {
    let some: Vec<u32> = (0..nodes)
        .filter(|node| key.with(u64::from(*node)).chance(1, 2))
        .collect();
    if some.is_empty() {
        vec![key.below(u64::from(nodes)) as u32]
    } else {
        some
    }
}
