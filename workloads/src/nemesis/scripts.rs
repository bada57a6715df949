//! Faults that belong together: the nastiest of those published are combinations with timing.

use squall_sim::fault::{Direction, Fault};
use squall_sim::keyed::Key;

use super::{Machines, Strike};
use crate::plan::{Episode, Phases, Start, Targets};

const MS: u64 = 1_000_000;

/// Leaders that die soon after they are elected and come back soon after that: the moves of figure 8
/// of the Raft paper. An entry that only its leader holds is replicated by that leader in a later
/// term, and overwritten by another that holds an entry of a term between.
///
/// Half of the leaders die before anybody hears of their first entry; the others live for a few
/// packets.
pub fn leader_churn(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    let extra_ns_max = *key.label("slow").pick(&[2 * MS, 10 * MS, 30 * MS]);
    let episodes = (2..26).map(|nth| {
        let key = key.with(u64::from(nth));
        let delay_ns = key.label("delay").below(5 * extra_ns_max);
        Episode {
            fault: key
                .label("fault")
                .pick(&[Fault::Kill, Fault::PowerLoss])
                .clone(),
            start: Start::Leader {
                nth,
                delay_ns: if key.label("at-once").chance(1, 2) {
                    0
                } else {
                    delay_ns
                },
            },
            duration_ns: key.label("duration").between(100 * MS, 900 * MS),
            targets: Targets::Leader,
        }
    });
    let slow = throughout(
        Fault::SlowLinks { extra_ns_max },
        (0..nodes).collect(),
        phases,
    );
    let first = Episode {
        fault: Fault::Kill,
        start: Start::At {
            ns: phases.warm_up_end_ns + key.label("first").below(storm_ns / 4),
        },
        duration_ns: 300 * MS,
        targets: Targets::Leader,
    };
    [slow, first].into_iter().chain(episodes).collect()
}

/// Figure 8 of the Raft paper, move by move, again and again. One leader and then another are cut off at
/// once, so that each alone holds its entries, and die. The first is back sooner, is elected again, and
/// dies as soon as its old entry may have reached others; then the second comes back, whose entry is of a
/// later term, and overwrites it.
pub fn figure_eight(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let extra_ns_max = *key.label("slow").pick(&[2 * MS, 10 * MS, 30 * MS]);
    let slow = throughout(
        Fault::SlowLinks { extra_ns_max },
        (0..nodes).collect(),
        phases,
    );
    let first = Episode {
        fault: Fault::Kill,
        start: Start::At {
            ns: phases.warm_up_end_ns,
        },
        duration_ns: 100 * MS,
        targets: Targets::Leader,
    };
    let rounds = (0..6).flat_map(|round| {
        let key = key.label("round").with(u64::from(round));
        let nth = 2 + 3 * round;
        let isolated = |nth, down_ns| {
            let key = key.label("isolated").with(u64::from(nth));
            let alone_ns = key.label("alone").between(20 * MS, 200 * MS);
            [
                at_leader(
                    nth,
                    0,
                    Fault::Partition {
                        direction: Direction::Both,
                    },
                    alone_ns + 10 * MS,
                ),
                at_leader(nth, alone_ns, Fault::Kill, down_ns),
            ]
        };
        let back_ns = key.label("back").between(300 * MS, 900 * MS);
        let last_ns = key.label("last").between(900 * MS, 1500 * MS);
        let delay_ns = key.label("delay").below(5 * extra_ns_max);
        let exposed = at_leader(nth + 2, delay_ns, Fault::Kill, 600 * MS);
        let isolations = [isolated(nth, back_ns), isolated(nth + 1, last_ns)];
        isolations.into_iter().flatten().chain([exposed])
    });
    [slow, first].into_iter().chain(rounds).collect()
}

/// Something that happens to whoever becomes leader for the `nth` time in all.
fn at_leader(nth: u32, delay_ns: u64, fault: Fault, duration_ns: u64) -> Episode {
    Episode {
        fault,
        start: Start::Leader { nth, delay_ns },
        duration_ns,
        targets: Targets::Leader,
    }
}

/// Leaders that stand still for about as long as it takes to elect another, and then go on with what
/// their clients have asked them meanwhile.
pub fn stalled_leaders(key: Key, phases: &Phases) -> Vec<Episode> {
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    let stalls = storm_ns / (900 * MS);
    let episodes = (0..stalls).flat_map(|number| {
        let key = key.with(number);
        let start_ns =
            phases.warm_up_end_ns + number * 900 * MS + key.label("start").below(200 * MS);
        let duration_ns = key.label("duration").between(250 * MS, 700 * MS);
        let stall = Episode {
            fault: Fault::Pause,
            start: Start::At { ns: start_ns },
            duration_ns,
            targets: Targets::Leader,
        };
        // Nobody tells it, when it wakes, that it has been replaced.
        let cut = Episode {
            fault: Fault::Partition {
                direction: Direction::Both,
            },
            duration_ns: duration_ns + 150 * MS,
            ..stall.clone()
        };
        [cut, stall]
    });
    episodes.collect()
}

/// Leaders that die at the moment when a server comes back that has missed what was committed
/// meanwhile: the next leader needs that server's vote, and cannot know yet what is committed.
pub fn lagging_voter(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let round_ns = 1_200 * MS;
    let rounds = (phases.storm_end_ns - phases.warm_up_end_ns) / round_ns;
    let episodes = (0..rounds).flat_map(|number| {
        let key = key.with(number);
        let start_ns = phases.warm_up_end_ns + number * round_ns;
        let duration_ns = key.label("duration").between(300 * MS, 600 * MS);
        let cut = Episode {
            fault: Fault::Partition {
                direction: Direction::Both,
            },
            start: Start::At { ns: start_ns },
            duration_ns,
            targets: Targets::Nodes(vec![key.label("voter").below(u64::from(nodes)) as u32]),
        };
        let kill = Episode {
            fault: Fault::Kill,
            start: Start::At {
                ns: start_ns + duration_ns - key.label("early").below(30 * MS),
            },
            duration_ns: 500 * MS,
            targets: Targets::Leader,
        };
        [cut, kill]
    });
    episodes.collect()
}

/// Servers that only meet in as many bridges as make a majority with one of them. Whenever one has been
/// elected by the bridges, it is cut off, and the bridges die and are back within milliseconds: what they
/// promised to the one, another now asks of them for the same term.
pub fn restarted_bridge(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let first = key.label("bridge").below(u64::from(nodes)) as u32;
    let bridges: Vec<u32> = (0..nodes / 2).map(|next| (first + next) % nodes).collect();
    let apart = throughout(Fault::Bridge, bridges.clone(), phases);
    let first = Episode {
        fault: Fault::Kill,
        start: Start::At {
            ns: phases.warm_up_end_ns + key.label("first").below(500 * MS),
        },
        duration_ns: 20 * MS,
        targets: Targets::Leader,
    };
    let elections = (2..14).flat_map(|nth| {
        let key = key.with(u64::from(nth));
        // At once most of the time: the bridges must not hear of the leader's first entry.
        let late_ns = key.label("late").below(10 * MS);
        let delay_ns = *key.label("delay").pick(&[0, 0, late_ns]);
        let cut = Episode {
            fault: Fault::Partition {
                direction: Direction::Both,
            },
            start: Start::Leader { nth, delay_ns },
            duration_ns: key.label("duration").between(200 * MS, 500 * MS),
            targets: Targets::Leader,
        };
        let restart = Episode {
            fault: key
                .label("fault")
                .pick(&[Fault::Kill, Fault::PowerLoss])
                .clone(),
            start: Start::Leader {
                nth,
                delay_ns: delay_ns + key.label("later").below(10 * MS),
            },
            duration_ns: key.label("down").between(MS, 10 * MS),
            targets: Targets::Nodes(bridges.clone()),
        };
        [cut, restart]
    });
    [apart, first].into_iter().chain(elections).collect()
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
    let extra_ns_max = *key.label("slow").pick(&[50 * MS, 150 * MS, 300 * MS]);
    let slow = throughout(
        Fault::SlowLinks { extra_ns_max },
        (0..nodes).collect(),
        phases,
    );
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

/// Servers that lose power in the middle of their work, one after the other, all the time: what a
/// disk was about to write is there in part.
pub fn power_cycles(key: Key, nodes: u32, phases: &Phases) -> Vec<Episode> {
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    let every_ns = *key.label("every").pick(&[200 * MS, 400 * MS]);
    let episodes = (0..storm_ns / every_ns).map(|number| {
        let key = key.with(number);
        Episode {
            fault: Fault::PowerLoss,
            start: Start::At {
                ns: phases.warm_up_end_ns + number * every_ns + key.label("start").below(every_ns),
            },
            duration_ns: key.label("duration").between(10 * MS, every_ns),
            targets: Targets::Nodes(vec![key.label("node").below(u64::from(nodes)) as u32]),
        }
    });
    episodes.collect()
}

/// Syncs of the only server that fail now and then, and soon after that the power goes: whoever takes a
/// failed sync for done, or tries it again, has promised what is nowhere.
pub fn failed_syncs(key: Key, phases: &Phases) -> Vec<Episode> {
    let step_ns = (phases.storm_end_ns - phases.warm_up_end_ns) / 6;
    let pairs = (0..6).flat_map(|number| {
        let key = key.with(number);
        let start_ns =
            phases.warm_up_end_ns + step_ns * number + key.label("start").below(step_ns / 4);
        let failing_ns = key.label("failing").between(20 * MS, step_ns / 4);
        let failing = Episode {
            fault: Fault::SyncError {
                per_mille: *key.label("probability").pick(&[100, 500, 1000]),
            },
            start: Start::At { ns: start_ns },
            duration_ns: failing_ns,
            targets: Targets::Nodes(vec![0]),
        };
        let loss = Episode {
            fault: Fault::PowerLoss,
            start: Start::At {
                ns: start_ns + failing_ns + key.label("loss").below(step_ns / 4),
            },
            duration_ns: key.label("duration").between(10 * MS, step_ns / 4),
            targets: Targets::Nodes(vec![0]),
        };
        [failing, loss]
    });
    pairs.collect()
}

/// Bits of the only server's disk flip at the end of the storm: from then on it may refuse to work, but
/// not tell anything that is wrong. Random faults have the first half of the storm. In the calm between,
/// clients see what the disk must still know.
pub fn late_rot(key: Key, strikes: &[Strike], machines: Machines, phases: &Phases) -> Vec<Episode> {
    let eighth_ns = (phases.storm_end_ns - phases.warm_up_end_ns) / 8;
    let first_half = Phases {
        storm_end_ns: phases.warm_up_end_ns + 4 * eighth_ns,
        ..*phases
    };
    let rot = Episode {
        fault: Fault::Corrupt {
            bits: *key.label("bits").pick(&[1, 3]),
        },
        start: Start::At {
            ns: phases.storm_end_ns - eighth_ns + key.label("start").below(eighth_ns / 2),
        },
        duration_ns: key.label("duration").between(10 * MS, eighth_ns / 2),
        targets: Targets::Nodes(vec![0]),
    };
    let mut episodes = super::random(key.label("random"), strikes, machines, &first_half);
    episodes.push(rot);
    episodes
}

/// Jepsen's `part-kill` (its analysis of NATS 2.12.1): writes are acknowledged by a majority of
/// which one member then loses power, and must still remember them when it is the only one left who
/// could. Where its disk rots instead, it must say that it does not.
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
        fault: key
            .label("fault")
            .pick(&[Fault::PowerLoss, Fault::Corrupt { bits: 1 }])
            .clone(),
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

/// A fault that lasts for the whole storm.
fn throughout(fault: Fault, servers: Vec<u32>, phases: &Phases) -> Episode {
    Episode {
        fault,
        start: Start::At {
            ns: phases.warm_up_end_ns,
        },
        duration_ns: phases.storm_end_ns - phases.warm_up_end_ns,
        targets: Targets::Nodes(servers),
    }
}
