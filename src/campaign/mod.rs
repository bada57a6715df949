//! Campaigns: many seeds, in worker processes, and what comes of them.
//!
//! A campaign is a list of [`Job`]s; a [`Pool`] of worker processes ([`worker`]) carries them out, each
//! in a child of its own; the results are summed up in a [`Tally`]. What comes out does not depend
//! on how many workers there are, nor on who did what.

mod addresses;
mod fork;
mod pool;
mod tally;
pub mod worker;

pub use self::addresses::Addresses;
pub use self::pool::{Flow, Pool, WorkerError};
pub use self::tally::{Failure, ScenarioTally, Tally};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_checkers::Verdict;
use squall_checkers::history::EventKind;
use squall_sim::engine::{Findings, Wanted};
use squall_workloads::plan::{Plan, Seed};
use squall_workloads::record::Record;

/// A run that a worker is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub what: What,
    /// Whether the record is wanted, with all detail.
    pub detail: bool,
    /// What else is wanted to be known.
    #[serde(default)]
    pub probing: Probing,
}

/// What is wanted to be known of a run besides its result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probing {
    pub wanted: Wanted,
    /// Whether the run is to find a process that has run the same before.
    pub is_warm: bool,
}

/// What decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The plan that a scenario makes of a seed.
    Seed {
        scenario: String,
        seed: Seed,
        mutant: Option<String>,
        /// Kinds of fault that are left out of the plan.
        without: Vec<String>,
    },
    /// A plan that is given.
    Plan(Box<Plan>),
}

/// What came of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    pub verdict: Verdict,
    pub digest: String,
    pub stats: Stats,
    /// The plan and the record, where the job asked for detail.
    pub detail: Option<Box<Detail>>,
    /// What programs did besides, and what the job's probe found.
    pub findings: Findings,
}

/// A run in full.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detail {
    pub plan: Plan,
    pub record: Record,
}

/// The numbers of a run, or of many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
    /// By the fault's kind.
    pub faults: BTreeMap<String, FaultStats>,
    pub virtual_ns: u64,
    pub wall_ns: u64,
}

/// How often faults of a kind were planned, applied and felt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultStats {
    pub planned: u64,
    pub applied: u64,
    /// Of those applied, how many were felt at all.
    pub observed: u64,
}

impl Stats {
    /// The numbers of a record.
    pub fn of(record: &Record) -> Self {
        let count = |kind| {
            record
                .history
                .iter()
                .filter(|event| event.kind == kind)
                .count() as u64
        };
        let mut faults = BTreeMap::<String, FaultStats>::new();
        for fault in &record.faults {
            let stats = faults.entry(fault.fault.kind().to_owned()).or_default();
            stats.planned += 1;
            stats.applied += u64::from(fault.start_ns.is_some());
            stats.observed += u64::from(fault.observed > 0);
        }
        Self {
            ok: count(EventKind::Ok),
            fail: count(EventKind::Fail),
            info: count(EventKind::Info),
            faults,
            virtual_ns: record.virtual_ns,
            wall_ns: 0,
        }
    }

    /// Operations that were begun.
    pub fn operations(&self) -> u64 {
        self.ok + self.fail + self.info
    }

    pub fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        self.fail += other.fail;
        self.info += other.info;
        self.virtual_ns += other.virtual_ns;
        self.wall_ns += other.wall_ns;
        for (kind, stats) in &other.faults {
            let sum = self.faults.entry(kind.clone()).or_default();
            sum.planned += stats.planned;
            sum.applied += stats.applied;
            sum.observed += stats.observed;
        }
    }
}
