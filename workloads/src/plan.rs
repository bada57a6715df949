//! The plan: all that decides a run, as a value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_checkers::history::Value;
use squall_sim::engine::disk::CrashProfile;
use squall_sim::fault::Fault;

/// The version of the plan's format. A plan of another version is refused.
pub const PLAN_SCHEMA: u32 = 1;

/// All that decides a run. A run is a function of its plan and the code, of nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_SCHEMA`].
    pub schema: u32,
    /// The scenario's id, such as `consensus/register`.
    pub scenario: String,
    /// Keys every choice that the plan does not spell out.
    pub seed: Seed,
    /// The planted bug that is switched on, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// How many servers the system has.
    pub nodes: u32,
    /// The order of ready tasks and of events of one instant.
    pub schedule: squall_sim::engine::Schedule,
    pub network: NetworkPlan,
    pub disk: DiskPlan,
    /// Numbers that the scenario draws for its system, by name.
    pub knobs: BTreeMap<String, u64>,
    pub phases: Phases,
    /// One list per client: what it does, in order.
    pub clients: Vec<ClientPlan>,
    pub faults: Vec<Episode>,
}

/// A seed, written as sixteen hexadecimal digits after `0x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed(pub u64);

/// The calm network: what a packet takes when no fault touches it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    pub latency_ns_min: u64,
    pub latency_ns_max: u64,
}

/// The disks: what making something durable takes, and what a power loss leaves of the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskPlan {
    pub sync_ns_min: u64,
    pub sync_ns_max: u64,
    #[serde(default)]
    pub profile: CrashProfile,
}

/// When each phase ends, in nanoseconds of virtual time since the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phases {
    /// The system must be ready by now; clients start. No faults before.
    pub warm_up_end_ns: u64,
    /// Faults happen until here.
    pub storm_end_ns: u64,
    /// Everything is healed, and the system has settled: after this it must answer.
    pub settle_end_ns: u64,
    /// Final reads are over. The run ends.
    pub end_ns: u64,
}

/// What one client does, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPlan {
    pub operations: Vec<PlannedOperation>,
}

/// One operation of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedOperation {
    /// How long the client waits after its previous operation.
    pub wait_ns: u64,
    pub f: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    #[serde(default)]
    pub value: Value,
}

impl PlannedOperation {
    /// How an operation ends that no client of the system knows.
    pub fn unknown(&self) -> crate::system::Completion {
        let (f, value) = (&self.f, &self.value);
        crate::system::Completion::Fail(format!("the plan has no such operation: {f} {value}"))
    }
}

/// A fault with a start, an end and targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    pub fault: Fault,
    pub start: Start,
    /// How long it lasts.
    pub duration_ns: u64,
    pub targets: Targets,
}

/// When an episode starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At this virtual time.
    At { ns: u64 },
    /// This long after the `nth` time (from 1) that any node became leader.
    Leader { nth: u32, delay_ns: u64 },
}

/// Whom an episode strikes. Roles are resolved when the episode starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// Servers by number, from 0.
    Nodes(Vec<u32>),
    /// Whoever led last.
    Leader,
    /// Whoever led last and this many others, the next in number.
    LeaderAnd(u32),
    /// Clients by number, from 0. Faults of links are then between them and all servers.
    Clients(Vec<u32>),
}

impl Plan {
    /// A knob; `default` where the plan does not turn it.
    pub fn knob(&self, name: &str, default: u64) -> u64 {
        self.knobs.get(name).copied().unwrap_or(default)
    }
}

impl Seed {
    /// Reads `0x` and hexadecimal digits, or a decimal number.
    pub fn parse(text: &str) -> Result<Self, BadSeed> {
        let parsed = match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => text.parse(),
        };
        parsed.map(Self).map_err(|_| BadSeed {
            text: text.to_owned(),
        })
    }
}

/// A text that is no seed.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{text}` is not a seed: expected 0x and up to 16 hexadecimal digits, or a decimal number below 2^64"
)]
pub struct BadSeed {
    text: String,
}

impl std::fmt::Display for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{:016x}", self.0)
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        seed.to_string()
    }
}

impl TryFrom<String> for Seed {
    type Error = BadSeed;
    fn try_from(text: String) -> Result<Self, BadSeed> {
        Self::parse(&text)
    }
}
