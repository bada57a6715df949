//! What each fault does, and how it is undone.

use squall_sim::engine::{
    self, ClockEffect, DiskEffect, EndReport, FaultTag, LinkEffect, NameEffect, NodeId, TaskEffect,
    cuts,
};
use squall_sim::fault::{Direction, Fault};

use super::storm::Act;
use crate::clients::ClientEffect;

impl Act {
    pub(super) fn apply(&self, machines: &[u32]) -> Applied {
        match &self.episode.fault {
            Fault::Partition { direction } => {
                self.apply_to_links(machines, *direction, LinkEffect::Cut)
            }
            Fault::Bridge => self.apply_bridge(machines),
            Fault::MajoritiesRing => {
                let links = cuts::majorities_ring(&self.cluster.servers);
                self.apply_effect(machines, &links, LinkEffect::Cut)
            }
            Fault::Names { effect } => self.apply_to_names(machines, *effect),
            Fault::Tasks { effect } => self.apply_to_tasks(machines, *effect),
            Fault::Clock { effect } => self.apply_to_clocks(machines, *effect),
            Fault::Links { effect } => self.apply_to_links(machines, Direction::Both, *effect),
            Fault::SlowLinks { extra_ns_max } => {
                let extra_ns_max = *extra_ns_max;
                let effect = LinkEffect::Slow { extra_ns_max };
                self.apply_to_links(machines, Direction::Both, effect)
            }
            Fault::LossyLinks { per_mille } => {
                let per_mille = *per_mille;
                let effect = LinkEffect::Lossy { per_mille };
                self.apply_to_links(machines, Direction::Both, effect)
            }
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
            Fault::SyncError { per_mille } => {
                let per_mille = *per_mille;
                self.apply_to_disks(machines, DiskEffect::SyncError { per_mille })
            }
            Fault::Disk { effect } => self.apply_to_disks(machines, *effect),
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

    /// Strikes disks. A server that stops over an error is in the right; one whose disk lies is damaged for
    /// good, and so only as far as the fault budget goes.
    fn apply_to_disks(&self, machines: &[u32], effect: DiskEffect) -> Applied {
        let tag = engine::new_fault_tag();
        let what = self.episode.fault.kind();
        let applied = self.strike(machines, what, |node| {
            let server = self.cluster.server_on(node)?;
            match excuse_for(&effect) {
                DiskExcuse::None => {}
                DiskExcuse::WhileItLasts => self.cluster.begin_excuse(server),
                DiskExcuse::ForGood if self.cluster.may_damage(server) => {
                    self.cluster.excuse_for_good(server);
                }
                DiskExcuse::ForGood => return None,
            }
            engine::add_disk_effect(node, tag, effect);
            Some(0)
        });
        Applied {
            tag: Some(tag),
            ..applied
        }
    }

    /// Kills servers and damages their disks, as far as the fault budget goes: they may refuse to work
    /// from then on. Where there is nothing to damage, nothing happens.
    fn apply_rot(&self, machines: &[u32], bits: u32) -> Applied {
        self.strike(machines, "killed, bits of its disk flipped", |node| {
            let server = self.cluster.server_on(node)?;
            if !self.cluster.may_damage(server) {
                return None;
            }
            let key = self.key.label("rot").with(u64::from(node.number()));
            let flipped = node.corrupt(key, bits);
            if flipped == 0 {
                return None;
            }
            node.kill();
            self.cluster.excuse_for_good(server);
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
        Applied::lasting(&struck, tag)
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
        let cluster = &self.cluster;
        let targets: Vec<NodeId> = machines
            .iter()
            .map(|number| cluster.machine(*number))
            .collect();
        let mut others = cluster.servers.to_vec();
        others.retain(|server| !targets.contains(server));
        if others.is_empty() {
            others = cluster.servers.to_vec();
        }
        let links = match direction {
            Direction::Both => cuts::between(&targets, &others),
            Direction::Outgoing => cuts::one_way(&targets, &others),
            Direction::Incoming => cuts::one_way(&others, &targets),
        };
        self.apply_effect(machines, &links, effect)
    }

    /// Cuts the links among the servers that are not targets.
    fn apply_bridge(&self, bridges: &[u32]) -> Applied {
        let servers = self.cluster.servers.iter().zip(0..);
        let apart: Vec<NodeId> = servers
            .filter(|(_, number)| !bridges.contains(number))
            .map(|(server, _)| *server)
            .collect();
        self.apply_effect(bridges, &cuts::between(&apart, &apart), LinkEffect::Cut)
    }

    fn apply_effect(&self, machines: &[u32], links: &cuts::Links, effect: LinkEffect) -> Applied {
        let tag = engine::new_fault_tag();
        cuts::add_effect(links, tag, effect);
        Applied::lasting(machines, tag)
    }

    fn apply_to_names(&self, machines: &[u32], effect: NameEffect) -> Applied {
        let tag = engine::new_fault_tag();
        for machine in machines {
            let asker = self.cluster.machine(*machine);
            for server in self
                .cluster
                .servers
                .iter()
                .filter(|server| **server != asker)
            {
                engine::add_name_effect(asker, *server, tag, effect);
            }
        }
        Applied::lasting(machines, tag)
    }

    fn apply_to_tasks(&self, machines: &[u32], effect: TaskEffect) -> Applied {
        let tag = engine::new_fault_tag();
        let applied = self.strike(machines, self.episode.fault.kind(), |node| {
            engine::add_task_effect(node, tag, effect);
            Some(0)
        });
        Applied {
            tag: Some(tag),
            ..applied
        }
    }

    fn apply_to_clocks(&self, machines: &[u32], effect: ClockEffect) -> Applied {
        let tag = engine::new_fault_tag();
        for machine in machines {
            engine::add_clock_effect(self.cluster.machine(*machine), tag, effect);
        }
        Applied::lasting(machines, tag)
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
    pub(super) fn undo(&self, applied: &Applied) -> u64 {
        let mut observed = applied.observed;
        if let Some(tag) = applied.tag {
            engine::remove_link_effects(tag);
            engine::remove_disk_effects(tag);
            engine::remove_clock_effects(tag);
            engine::remove_task_effects(tag);
            self.moods.remove(tag);
            observed += engine::fault_observed(tag);
        }
        for machine in &applied.struck {
            let node = self.cluster.machine(*machine);
            if self.excuses_while_it_lasts() {
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
                | Fault::Disk { .. }
                | Fault::Tasks { .. }
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

    fn excuses_while_it_lasts(&self) -> bool {
        match &self.episode.fault {
            Fault::SyncError { .. } => true,
            Fault::Disk { effect } => excuse_for(effect) == DiskExcuse::WhileItLasts,
            _ => false,
        }
    }
}

/// For how long a server may stop over what its disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DiskExcuse {
    None,
    WhileItLasts,
    ForGood,
}

fn excuse_for(effect: &DiskEffect) -> DiskExcuse {
    match effect {
        DiskEffect::SyncError { .. }
        | DiskEffect::ReadError { .. }
        | DiskEffect::WriteError { .. }
        | DiskEffect::NoSpace { .. } => DiskExcuse::WhileItLasts,
        DiskEffect::ShortReads { .. }
        | DiskEffect::ShortWrites { .. }
        | DiskEffect::Stall { .. }
        | DiskEffect::Slow { .. } => DiskExcuse::None,
        DiskEffect::PhantomWrites { .. } | DiskEffect::MisdirectedWrites { .. } => {
            DiskExcuse::ForGood
        }
    }
}

/// What an episode has done.
pub(super) struct Applied {
    pub(super) struck: Vec<u32>,
    /// Of what lasts until the episode's end.
    tag: Option<FaultTag>,
    observed: u64,
}

impl Applied {
    /// What is felt under a tag until the episode's end.
    fn lasting(struck: &[u32], tag: FaultTag) -> Self {
        Self {
            struck: struck.to_vec(),
            tag: Some(tag),
            observed: 0,
        }
    }
}
