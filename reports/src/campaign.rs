//! The index of a campaign: what ran, what bit, what failed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_workloads::plan::Seed;

/// A campaign as its index shows it. Plain data, so that it can be written as JSON beside the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignPage {
    pub title: String,
    /// The seed that the runs' seeds are drawn from.
    pub base_seed: Seed,
    /// When the campaign started, as the caller wants it shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    pub scenarios: Vec<ScenarioRow>,
    /// One row per signature.
    pub failures: Vec<FailureRow>,
    /// Why the campaign is not whole, if it is not: shards missing, stopped by a signal, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// The sums over one scenario's runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioRow {
    pub scenario: String,
    /// How many runs there were, one per seed.
    pub seeds: u64,
    pub operations: u64,
    /// How many operations ended in `ok`, `fail` and `info`.
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
    /// By the kind of the fault.
    pub faults: BTreeMap<String, FaultCount>,
    pub virtual_ns: u64,
    /// The sum over the runs, not the time from the first to the last.
    pub wall_ns: u64,
    /// How many runs had each verdict.
    pub valid: u64,
    pub invalid: u64,
    pub unknown: u64,
    pub vacuous: u64,
    /// Runs without a verdict: the process died or hung.
    pub crashed: u64,
}

/// How many faults of a kind were planned, how many of them were applied, and how many of those
/// the system felt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCount {
    pub planned: u64,
    pub applied: u64,
    pub observed: u64,
}

/// The failures that share a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRow {
    pub signature: String,
    /// What is impossible, of the failure that the page shows.
    pub sentence: String,
    /// How many runs failed so.
    pub count: u64,
    pub first_seed: Seed,
    /// The failure's page, relative to the index.
    pub report_file: String,
    /// The command line that shows it again.
    pub reproduce: String,
}

/// The index of a campaign, as one HTML document.
pub fn campaign_index(page: &CampaignPage) -> String {
    page.title.clone()
}
