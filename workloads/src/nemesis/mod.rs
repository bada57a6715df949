//! Nemeses: what is done to a cluster, and when.
//!
//! A nemesis makes a plan's episodes from keys ([`swarm`], [`scripts`]); [`storm`] carries them out.

pub mod scripts;
pub mod storm;
pub mod swarm;

use squall_sim::fault::Fault;
use squall_sim::keyed::Key;

use crate::plan::{Episode, Phases, Start};

/// The episodes of a run: a storm of random faults, or a script of those that belong together.
pub fn plan(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let mut episodes = match key.label("nemesis").below(20) {
        0..6 => swarm::plan(key.label("swarm"), nodes, phases),
        6 | 7 => scripts::power_cycles(key.label("power-cycles"), nodes, phases),
        8..12 => scripts::leader_churn(key.label("leader-churn"), nodes, phases),
        12..14 => scripts::isolated_leaders(key.label("isolated-leaders"), phases),
        14 | 15 => scripts::stalled_leaders(key.label("stalled-leaders"), phases),
        16 => match key.label("voter").below(2) {
            0 => scripts::restarts_under_election(
                key.label("restarts-under-election"),
                nodes,
                phases,
            ),
            _ => scripts::lagging_voter(key.label("lagging-voter"), nodes, phases),
        },
        17 | 18 => scripts::restarted_bridge(key.label("restarted-bridge"), nodes, phases),
        _ => scripts::part_kill(key.label("part-kill"), nodes, phases),
    };
    // An event may never come, and a cut between servers that do not speak is no fault: a run whose
    // only faults are such would prove nothing.
    if !episodes.iter().any(is_certain) {
        episodes.push(swarm::certain_partition(
            key.label("certain"),
            nodes,
            phases,
        ));
    }
    episodes
}

/// Whether the system is sure to feel an episode.
fn is_certain(episode: &Episode) -> bool {
    let is_due = matches!(episode.start, Start::At { .. });
    is_due
        && matches!(
            episode.fault,
            Fault::Kill | Fault::PowerLoss | Fault::SlowLinks { .. }
        )
}
