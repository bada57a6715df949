//! The record: what happened in a run, as a value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_checkers::{history::Event, verdict::Verdict};
use squall_sim::fault::Fault;

use crate::plan::Plan;

/// What happened in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the clients saw.
    pub history: Vec<Event>,
    /// The faults in the order of the plan's episodes.
    pub faults: Vec<FaultRecord>,
    /// What the servers reported about themselves, in order of time.
    pub reports: Vec<NodeReport>,
    /// Names of the machines, by number: the servers, and behind them the clients if the plan has
    /// faults for them.
    pub nodes: Vec<String>,
    /// Invariants that the servers' own reports broke, and panics of servers.
    pub violations: Vec<squall_checkers::verdict::Anomaly>,
    /// Named counts: packets, bytes, fsyncs, ….
    pub counters: BTreeMap<String, u64>,
    /// Lines that servers logged; empty unless the run was asked for detail.
    pub log: Vec<LogLine>,
    pub virtual_ns: u64,
    /// A hash over every decision of the run, as sixteen hexadecimal digits.
    pub digest: String,
}

/// A fault as it was applied and observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    pub fault: Fault,
    /// The numbers of the machines that it struck; empty if it was never applied.
    pub targets: Vec<u32>,
    /// When it was applied, if it was.
    pub start_ns: Option<u64>,
    /// When it ended.
    pub end_ns: Option<u64>,
    /// How often the system under test felt it: packets stopped, processes ended, bytes lost, ….
    pub observed: u64,
}

/// Something that a server said about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    pub time_ns: u64,
    pub node: u32,
    /// For a lane of the report: `leader in term 3`, `started`, `killed`, ….
    pub what: String,
    /// The kind, for colours and filters: `leader`, `follower`, `start`, `kill`, `power-loss`, ….
    pub kind: String,
}

/// A line that a server logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    pub time_ns: u64,
    pub node: u32,
    pub text: String,
}

/// The file of a failure: all that is needed to see it again, and what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capsule {
    /// [`CAPSULE_SCHEMA`].
    pub schema: u32,
    /// The version of Squall that wrote it.
    pub squall: String,
    /// What the failure has in common with its duplicates: scenario, checker, anomaly class.
    pub signature: String,
    pub verdict: Verdict,
    pub digest: String,
    pub plan: Plan,
}

/// The version of the capsule's format.
pub const CAPSULE_SCHEMA: u32 = 1;
