//! Faults that belong together: the nastiest of those published are combinations with timing.

use squall_sim::fault::{Direction, Fault};
use squall_sim::keyed::Key;

use crate::plan::{Episode, Phases, Start, Targets};

const MS: u64 = 1_000_000;

/// Leaders that die soon after they are elected and come back soon after that: the moves of figure 8
/// of the Raft paper, in which an entry of an old term is replicated and then overwritten.
pub fn leader_churn(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let count = key.label("count").between(4, 12) as u32;
    let patience_ns = *key.label("patience").pick(&[3 * MS, 12 * MS, 40 * MS]);
    let episodes = (2..2 + count).map(|nth| {
        let key = key.with(u64::from(nth));
        let delay_ns = key.label("delay").between(0, patience_ns);
        Episode {
            fault: key
                .label("fault")
                .pick(&[Fault::Kill, Fault::PowerLoss])
                .clone(),
            start: Start::Leader { nth, delay_ns },
            duration_ns: key.label("duration").between(20 * MS, 500 * MS),
            targets: Targets::Leader,
        }
    });
    let slow = Episode {
        fault: Fault::SlowLinks {
            extra_ns_max: *key.label("slow").pick(&[5 * MS, 20 * MS, 60 * MS]),
        },
        start: Start::At {
            ns: phases.warm_up_end_ns,
        },
        duration_ns: phases.storm_end_ns - phases.warm_up_end_ns,
        targets: Targets::Nodes((0..nodes).collect()),
    };
    let first = Episode {
        fault: Fault::Kill,
        start: Start::At {
            ns: phases.warm_up_end_ns + key.label("first").between(0, 2000 * MS),
        },
        duration_ns: 200 * MS,
        targets: Targets::Leader,
    };
    [slow, first].into_iter().chain(episodes).collect()
}

/// Leaders that lose their followers while clients still reach them.
pub fn isolated_leaders(key: Key, phases: &Phases) -> Vec<Episode> {
    let step_ns = (phases.storm_end_ns - phases.warm_up_end_ns) / 6;
    let episodes = (0..5).map(|number| {
        let key = key.with(number);
        let start_ns =
            phases.warm_up_end_ns + step_ns * number + key.label("start").below(step_ns / 2);
        let cut = Fault::Partition {
            direction: Direction::Both,
        };
        Episode {
            fault: key
                .label("fault")
                .pick(&[cut.clone(), cut, Fault::Pause])
                .clone(),
            start: Start::At { ns: start_ns },
            duration_ns: key.label("duration").between(200 * MS, step_ns),
            targets: Targets::Leader,
        }
    });
    episodes.collect()
}

/// Servers that die and are back within milliseconds, over and over, on slow links, while leaders
/// are cut off: what a server promised before it died is asked of it again.
pub fn restarts_under_election(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    let slow = Episode {
        fault: Fault::SlowLinks {
            extra_ns_max: *key.label("slow").pick(&[50 * MS, 150 * MS, 300 * MS]),
        },
        start: Start::At {
            ns: phases.warm_up_end_ns,
        },
        duration_ns: storm_ns,
        targets: Targets::Nodes((0..nodes).collect()),
    };
    let restarts = key.label("restarts").between(20, 60);
    let episodes = (0..restarts).map(|number| {
        let key = key.label("restart").with(number);
        Episode {
            fault: key
                .label("fault")
                .pick(&[Fault::Kill, Fault::PowerLoss])
                .clone(),
            start: Start::At {
                ns: phases.warm_up_end_ns + key.label("start").below(storm_ns - 100 * MS),
            },
            duration_ns: key.label("duration").between(MS, 40 * MS),
            targets: Targets::Nodes(vec![key.label("node").below(u64::from(nodes)) as u32]),
        }
    });
    std::iter::once(slow).chain(episodes).collect()
}

/// Jepsen's `part-kill` (its analysis of NATS 2.12.1): writes are acknowledged by a majority of
/// which one member then loses power, and must still remember them when it is the only one left who
/// could.
pub fn part_kill(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let quarter_ns = (phases.storm_end_ns - phases.warm_up_end_ns) / 4;
    let minority = (nodes - 1) / 2;
    let first = key.label("first").below(u64::from(nodes)) as u32;
    let server = |offset: u32| (first + offset) % nodes;
    let cut = |targets: Vec<u32>, part: u64| Episode {
        fault: Fault::Partition {
            direction: Direction::Both,
        },
        start: Start::At {
            ns: phases.warm_up_end_ns + part * quarter_ns,
        },
        duration_ns: quarter_ns,
        targets: Targets::Nodes(targets),
    };
    let victim = server(minority);
    let end_of_part_ns =
        phases.warm_up_end_ns + quarter_ns + key.label("jitter").below(quarter_ns / 2);
    let loss = Episode {
        fault: Fault::PowerLoss,
        start: Start::At { ns: end_of_part_ns },
        duration_ns: phases.warm_up_end_ns + 2 * quarter_ns + 50 * MS - end_of_part_ns,
        targets: Targets::Nodes(vec![victim]),
    };
    let others = (minority + 1..nodes).map(server).collect();
    vec![
        cut((0..minority).map(server).collect(), 1),
        loss,
        cut(others, 2),
    ]
}
