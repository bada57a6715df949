//! Carrying out a plan's episodes, and noting what came of each.

use std::cell::RefCell;
use std::rc::Rc;

use squall_sim::engine::{self, DiskEffect, EndReport, FaultTag, LinkEffect, NodeId};
use squall_sim::fault::{Direction, Fault};
use squall_sim::keyed::Key;
use squall_sim::task::JoinHandle;
use squall_sim::time::{Instant, sleep_until};

use crate::clients::{ClientEffect, Moods};
use crate::cluster::Cluster;
use crate::plan::{Episode, Plan, Start, Targets};
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
    pub(crate) fn begin(plan: &Plan, cluster: &Cluster, moods: &Moods) -> Self {
        let episodes = &plan.faults;
        let unapplied = |episode: &Episode| FaultRecord {
            fault: episode.fault.clone(),
            targets: Vec::new(),
            start_ns: None,
            end_ns: None,
            observed: 0,
        };
        let records = Rc::new(RefCell::new(episodes.iter().map(unapplied).collect()));
        let tasks = episodes.iter().enumerate().map(|(number, episode)| {
            let act = Act {
                episode: episode.clone(),
                number,
                storm_end_ns: plan.phases.storm_end_ns,
                key: Key::root(plan.seed.0).label("storm").with(number as u64),
                cluster: cluster.clone(),
                moods: moods.clone(),
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
    key: Key,
    cluster: Cluster,
    moods: Moods,
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
        let machines = self.resolve();
        if start_ns >= self.storm_end_ns || machines.is_empty() {
            return;
        }
        let end_ns = (start_ns + self.episode.duration_ns).min(self.storm_end_ns);
        let applied = self.apply(&machines);
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

    /// The machines that the episode strikes, as things stand.
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
            Targets::Clients(clients) => clients
                .iter()
                .filter(|client| (**client as usize) < self.cluster.clients.len())
                .map(|client| self.cluster.machine_of_client(*client))
                .collect(),
        }
    }

    fn apply(&self, machines: &[u32]) -> Applied {
        match &self.episode.fault {
            Fault::Partition { direction } => {
                self.apply_to_links(machines, *direction, LinkEffect::Cut)
            }
            Fault::Bridge => self.apply_bridge(machines),
            Fault::SlowLinks { extra_ns_max } => {
                let effect = LinkEffect::Slow {
                    extra_ns_max: *extra_ns_max,
                };
                self.apply_to_links(machines, Direction::Both, effect)
            }
            Fault::LossyLinks { per_mille } => self.apply_to_links(
                machines,
                Direction::Both,
                LinkEffect::Lossy {
                    per_mille: *per_mille,
                },
            ),
            Fault::Kill => self.strike(machines, "killed", |node| {
                // The process itself felt it, whoever was connected to it.
                Some(node.kill().connections + 1)
            }),
            Fault::PowerLoss => self.strike(machines, "without power", |node| {
                let EndReport { connections, lost } = node.power_loss();
                Some(connections + lost + 1)
            }),
            Fault::Pause => self.strike(machines, "paused", |node| {
                let is_new = !node.is_paused();
                node.pause();
                // What it misses is counted when it goes on.
                is_new.then_some(0)
            }),
            Fault::SyncError { per_mille } => self.apply_sync_errors(machines, *per_mille),
            Fault::Corrupt { bits } => self.apply_rot(machines, *bits),
            Fault::Cancel {
                per_mille,
                after_ns_max,
            } => {
                let (per_mille, after_ns_max) = (*per_mille, *after_ns_max);
                self.apply_to_clients(
                    machines,
                    ClientEffect::Cancel {
                        per_mille,
                        after_ns_max,
                    },
                )
            }
            Fault::Overload { factor } => {
                self.apply_to_clients(machines, ClientEffect::Hurry { factor: *factor })
            }
        }
    }

    /// Makes syncs fail. A server that stops over it is in the right.
    fn apply_sync_errors(&self, machines: &[u32], per_mille: u32) -> Applied {
        let tag = engine::new_fault_tag();
        let applied = self.strike(machines, "syncs fail", |node| {
            engine::add_disk_effect(node, tag, DiskEffect::SyncError { per_mille });
            Some(0)
        });
        applied
            .struck
            .iter()
            .for_each(|server| self.cluster.begin_excuse(*server));
        Applied {
            tag: Some(tag),
            ..applied
        }
    }

    /// Kills servers and damages their disks, as far as the fault budget goes: they may refuse to work
    /// from then on.
    fn apply_rot(&self, machines: &[u32], bits: u32) -> Applied {
        self.strike(machines, "killed, bits of its disk flipped", |node| {
            let server = self.cluster.server_on(node)?;
            if !self.cluster.may_damage(server) {
                return None;
            }
            node.kill();
            let key = self.key.label("rot").with(u64::from(node.number()));
            let flipped = node.corrupt(key, bits);
            if flipped > 0 {
                self.cluster.excuse_for_good(server);
            }
            Some(flipped)
        })
    }

    fn apply_to_clients(&self, machines: &[u32], effect: ClientEffect) -> Applied {
        let tag = engine::new_fault_tag();
        let first = self.cluster.machine_of_client(0);
        let clients = machines.iter().filter(|machine| **machine >= first);
        let struck: Vec<u32> = clients.copied().collect();
        struck
            .iter()
            .for_each(|machine| self.moods.add(machine - first, tag, effect));
        Applied {
            struck,
            tag: Some(tag),
            observed: 0,
        }
    }

    /// Puts an effect on the links between the targets and the other servers; if the targets are all
    /// the servers there are, on the links among them. Clients still reach everybody, as in Jepsen,
    /// unless they are the targets: then it is on the links between them and all servers.
    fn apply_to_links(
        &self,
        machines: &[u32],
        direction: Direction,
        effect: LinkEffect,
    ) -> Applied {
        let tag = engine::new_fault_tag();
        let servers = 0..self.cluster.servers.len() as u32;
        let is_target = |machine: &u32| machines.contains(machine);
        let others: Vec<u32> = match servers.clone().all(|server| is_target(&server)) {
            true => servers.collect(),
            false => servers.filter(|server| !is_target(server)).collect(),
        };
        let (outgoing, incoming) = match direction {
            Direction::Both => (true, true),
            Direction::Outgoing => (true, false),
            Direction::Incoming => (false, true),
        };
        let mut links = std::collections::BTreeSet::new();
        for (target, other) in machines
            .iter()
            .flat_map(|target| others.iter().map(move |other| (*target, *other)))
            .filter(|(target, other)| target != other)
        {
            links.extend(outgoing.then_some((target, other)));
            links.extend(incoming.then_some((other, target)));
        }
        for (from, to) in links {
            let (from, to) = (self.cluster.machine(from), self.cluster.machine(to));
            engine::add_link_effect(from, to, tag, effect);
        }
        Applied {
            struck: machines.to_vec(),
            tag: Some(tag),
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
            tag: Some(tag),
            observed: 0,
        }
    }

    /// Does something to each of the machines that is up; the episode's end undoes it. `act` answers
    /// how often it was felt, or nothing where it had no effect.
    fn strike(&self, machines: &[u32], what: &str, act: impl Fn(NodeId) -> Option<u64>) -> Applied {
        let mut applied = Applied {
            struck: Vec::new(),
            tag: None,
            observed: 0,
        };
        // Clients can be paused: what a client that died has seen, nobody could tell.
        let strikes_clients = self.episode.fault == Fault::Pause;
        let first_client = self.cluster.machine_of_client(0);
        for machine in machines {
            let node = self.cluster.machine(*machine);
            if (*machine < first_client || strikes_clients)
                && node.is_up()
                && let Some(observed) = act(node)
            {
                applied.observed += observed;
                applied.struck.push(*machine);
                self.cluster
                    .report(*machine, self.episode.fault.kind(), what);
            }
        }
        applied
    }

    /// Ends the episode; answers how often it was felt.
    fn undo(&self, applied: &Applied) -> u64 {
        let mut observed = applied.observed;
        if let Some(tag) = applied.tag {
            engine::remove_link_effects(tag);
            engine::remove_disk_effects(tag);
            self.moods.remove(tag);
            observed += engine::fault_observed(tag);
        }
        for machine in &applied.struck {
            let node = self.cluster.machine(*machine);
            if matches!(self.episode.fault, Fault::SyncError { .. }) {
                self.cluster.end_excuse(*machine);
            }
            match self.episode.fault {
                Fault::Pause if node.is_paused() => {
                    observed += node.resume();
                    self.cluster.report(*machine, "resume", "goes on");
                }
                Fault::Kill
                | Fault::PowerLoss
                | Fault::SyncError { .. }
                | Fault::Corrupt { .. }
                    if !node.is_up() =>
                {
                    node.restart();
                    self.cluster.report(*machine, "start", "started again");
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
    /// Of what lasts until the episode's end.
    tag: Option<FaultTag>,
    observed: u64,
}
