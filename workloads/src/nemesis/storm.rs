//! Carrying out a plan's episodes, and noting what came of each.

use std::cell::RefCell;
use std::rc::Rc;

use squall_sim::engine::{self, EndReport, FaultTag, LinkEffect, NodeId};
use squall_sim::fault::{Direction, Fault};
use squall_sim::task::JoinHandle;
use squall_sim::time::{Instant, sleep_until};

use crate::cluster::Cluster;
use crate::plan::{Episode, Phases, Start, Targets};
use crate::record::FaultRecord;

/// The records of all episodes, in the plan's order.
type Records = Rc<RefCell<Vec<FaultRecord>>>;

/// Episodes that are under way.
pub struct Storm {
    records: Records,
    tasks: Vec<JoinHandle<()>>,
}

impl Storm {
    /// Sends off a plan's episodes; each begins when it is due, and ends by the end of the storm.
    pub fn begin(episodes: &[Episode], phases: &Phases, cluster: &Cluster) -> Self {
        let unapplied = |episode: &Episode| FaultRecord {
            fault: episode.fault.clone(),
            targets: Vec::new(),
            start_ns: None,
            end_ns: None,
            observed: 0,
        };
        let records = Rc::new(RefCell::new(episodes.iter().map(unapplied).collect()));
        let storm_end_ns = phases.storm_end_ns;
        let tasks = episodes.iter().enumerate().map(|(number, episode)| {
            let act = Act {
                episode: episode.clone(),
                number,
                storm_end_ns,
                cluster: cluster.clone(),
                records: Rc::clone(&records),
            };
            engine::spawn_local(act.play())
        });
        let tasks = tasks.collect();
        Self { records, tasks }
    }

    /// After the end of the storm: what became of each episode. Those that never began never will.
    pub fn end(self) -> Vec<FaultRecord> {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.records.borrow().clone()
    }
}

struct Act {
    episode: Episode,
    number: usize,
    storm_end_ns: u64,
    cluster: Cluster,
    records: Records,
}

impl Act {
    async fn play(self) {
        match self.episode.start {
            Start::At { ns } => sleep_until(Instant::from_nanos(ns)).await,
            Start::Leader { nth, delay_ns } => {
                self.cluster.wait_for_leader(nth).await;
                sleep_until(Instant::from_nanos(engine::now_ns() + delay_ns)).await;
            }
        }
        let start_ns = engine::now_ns();
        let servers = self.resolve();
        if start_ns >= self.storm_end_ns || servers.is_empty() {
            return;
        }
        let end_ns = (start_ns + self.episode.duration_ns).min(self.storm_end_ns);
        let applied = self.apply(&servers);
        self.note(|record| {
            record.targets = applied.struck.clone();
            record.start_ns = Some(start_ns).filter(|_| !applied.struck.is_empty());
        });
        sleep_until(Instant::from_nanos(end_ns)).await;
        let observed = self.undo(&applied);
        self.note(|record| {
            record.end_ns = record.start_ns.map(|_| end_ns);
            record.observed = observed;
        });
    }

    fn note(&self, change: impl FnOnce(&mut FaultRecord)) {
        change(&mut self.records.borrow_mut()[self.number]);
    }

    /// The servers that the episode strikes, as things stand.
    fn resolve(&self) -> Vec<u32> {
        let count = self.cluster.servers.len() as u32;
        match &self.episode.targets {
            Targets::Nodes(servers) => servers
                .iter()
                .copied()
                .filter(|server| *server < count)
                .collect(),
            Targets::Leader => self.cluster.leader().into_iter().collect(),
            Targets::LeaderAnd(others) => {
                let leader = self.cluster.leader();
                leader
                    .into_iter()
                    .flat_map(|leader| (0..=*others).map(move |at| (leader + at) % count))
                    .collect()
            }
        }
    }

    fn apply(&self, servers: &[u32]) -> Applied {
        match &self.episode.fault {
            Fault::Partition { direction } => {
                self.apply_to_links(servers, *direction, LinkEffect::Cut)
            }
            Fault::Bridge => self.apply_bridge(servers),
            Fault::SlowLinks { extra_ns_max } => {
                let effect = LinkEffect::Slow {
                    extra_ns_max: *extra_ns_max,
                };
                self.apply_to_links(servers, Direction::Both, effect)
            }
            Fault::LossyLinks { per_mille } => self.apply_to_links(
                servers,
                Direction::Both,
                LinkEffect::Lossy {
                    per_mille: *per_mille,
                },
            ),
            Fault::Kill => self.strike(servers, "killed", |node| {
                // The process itself felt it, whoever was connected to it.
                Some(node.kill().connections + 1)
            }),
            Fault::PowerLoss => self.strike(servers, "without power", |node| {
                let EndReport { connections, lost } = node.power_loss();
                Some(connections + lost)
            }),
            Fault::Pause => self.strike(servers, "paused", |node| {
                let is_new = !node.is_paused();
                node.pause();
                // What it misses is counted when it goes on.
                is_new.then_some(0)
            }),
        }
    }

    /// Puts an effect on the links between the targets and the other servers; if the targets are all
    /// the servers there are, on the links among them. Clients still reach everybody, as in Jepsen.
    fn apply_to_links(&self, servers: &[u32], direction: Direction, effect: LinkEffect) -> Applied {
        let tag = engine::new_fault_tag();
        let all = &self.cluster.servers;
        let is_target = |server: usize| servers.contains(&(server as u32));
        let everybody = (0..all.len()).all(is_target);
        for (from, to) in (0..all.len()).flat_map(|from| (0..all.len()).map(move |to| (from, to))) {
            let is_crossing = match direction {
                Direction::Both => is_target(from) != is_target(to) || everybody && from != to,
                Direction::Outgoing => {
                    is_target(from) && (!is_target(to) || everybody && from != to)
                }
                Direction::Incoming => {
                    is_target(to) && (!is_target(from) || everybody && from != to)
                }
            };
            if is_crossing {
                engine::add_link_effect(all[from], all[to], tag, effect);
            }
        }
        Applied {
            struck: servers.to_vec(),
            links: Some(tag),
            observed: 0,
        }
    }

    /// Cuts the links among the servers that are not targets.
    fn apply_bridge(&self, bridges: &[u32]) -> Applied {
        let tag = engine::new_fault_tag();
        let all = &self.cluster.servers;
        let apart: Vec<NodeId> = (0..all.len())
            .filter(|server| !bridges.contains(&(*server as u32)))
            .map(|server| all[server])
            .collect();
        for (from, to) in apart
            .iter()
            .flat_map(|from| apart.iter().map(move |to| (*from, *to)))
        {
            if from != to {
                engine::add_link_effect(from, to, tag, LinkEffect::Cut);
            }
        }
        Applied {
            struck: bridges.to_vec(),
            links: Some(tag),
            observed: 0,
        }
    }

    /// Does something to each of the servers that is up; the episode's end undoes it. `act` answers
    /// how often it was felt, or nothing where it had no effect.
    fn strike(&self, servers: &[u32], what: &str, act: impl Fn(NodeId) -> Option<u64>) -> Applied {
        let mut applied = Applied {
            struck: Vec::new(),
            links: None,
            observed: 0,
        };
        for server in servers {
            let node = self.cluster.servers[*server as usize];
            if node.is_up()
                && let Some(observed) = act(node)
            {
                applied.observed += observed;
                applied.struck.push(*server);
                self.cluster
                    .report(*server, self.episode.fault.kind(), what);
            }
        }
        applied
    }

    /// Ends the episode; answers how often it was felt.
    fn undo(&self, applied: &Applied) -> u64 {
        if let Some(tag) = applied.links {
            engine::remove_link_effects(tag);
            return engine::fault_observed(tag);
        }
        let mut observed = applied.observed;
        for server in &applied.struck {
            let node = self.cluster.servers[*server as usize];
            match self.episode.fault {
                Fault::Pause if node.is_paused() => {
                    observed += node.resume();
                    self.cluster.report(*server, "resume", "goes on");
                }
                Fault::Kill | Fault::PowerLoss if !node.is_up() => {
                    node.restart();
                    self.cluster.report(*server, "start", "started again");
                }
                _ => {}
            }
        }
        observed
    }
}

/// What an episode has done.
struct Applied {
    struck: Vec<u32>,
    links: Option<FaultTag>,
    observed: u64,
}
