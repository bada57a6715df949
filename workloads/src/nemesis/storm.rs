//! Carrying out a plan's episodes, and noting what came of each.

use std::cell::RefCell;
use std::rc::Rc;

use squall_sim::engine;
use squall_sim::keyed::Key;
use squall_sim::task::JoinHandle;
use squall_sim::time::{Instant, sleep_until};

use crate::clients::Moods;
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

pub(super) struct Act {
    pub(super) episode: Episode,
    number: usize,
    storm_end_ns: u64,
    pub(super) key: Key,
    pub(super) cluster: Cluster,
    pub(super) moods: Moods,
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
}
