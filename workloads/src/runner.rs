//! The runner: from a plan to a record.
//!
//! A run has phases. In the *warm-up* servers start and nothing else happens. In the *storm* clients
//! do what the plan says while faults happen. Then all is healed, and the system may *settle* while
//! clients finish. At last clients ask what is left to ask, such as a read of each key: a system that
//! does not answer by then is not live.

use squall_checkers::verdict::Anomaly;
use squall_sim::engine::{self, Counters, Latency, NetworkConfig, NodePanic, RunError};
use squall_sim::time::{Instant, sleep_until};

use crate::clients::{Clients, Moods};
use crate::cluster::Cluster;
use crate::nemesis::storm::Storm;
use crate::plan::{Episode, Plan, PlannedOperation, Targets};
use crate::record::{LogLine, Record};
use crate::scenario::Scenario;

/// Runs a plan. `detail` keeps what servers log.
///
/// # Errors
/// If the harness itself failed: a defect of Squall, not of the system under test.
///
/// # Panics
/// As the harness does.
pub fn run(scenario: &'static Scenario, plan: &Plan, detail: bool) -> Result<Record, RunError> {
    let mut config = engine::Config::new(plan.seed.0);
    config.schedule = plan.schedule;
    config.network = NetworkConfig {
        latency: Latency::Uniform {
            min_ns: plan.network.latency_ns_min,
            max_ns: plan.network.latency_ns_max,
        },
        ..NetworkConfig::default()
    };
    config.disk_profile = plan.disk.profile;
    config.disk_timing.sync_ns = (plan.disk.sync_ns_min, plan.disk.sync_ns_max);
    config.end_ns = plan.phases.end_ns + 60_000_000_000;
    config.mutant.clone_from(&plan.mutant);
    config.detail = detail;
    let harness_plan = plan.clone();
    let outcome = engine::run(config, move || harness(scenario, harness_plan))?;
    let mut record = outcome.output;
    record.digest = format!("{:016x}", outcome.digest);
    record.virtual_ns = outcome.virtual_ns;
    record.counters = counters(&outcome.counters);
    let servers = u64::from(plan.nodes);
    let is_server = |panic: &&NodePanic| (1..=servers).contains(&u64::from(panic.node.number()));
    if let Some(panic) = outcome.panics.iter().find(|panic| !is_server(panic)) {
        panic!("a client of the workload panicked: {}", panic.message);
    }
    record.violations.extend(outcome.panics.iter().map(crash));
    record.log = outcome
        .log
        .into_iter()
        .filter_map(|line| {
            let node = line
                .node
                .number()
                .checked_sub(1)
                .filter(|server| u64::from(*server) < servers)?;
            Some(LogLine {
                time_ns: line.time_ns,
                node,
                text: line.text,
            })
        })
        .collect();
    Ok(record)
}

async fn harness(scenario: &'static Scenario, plan: Plan) -> Record {
    let system = (scenario.system)(&plan);
    let cluster = Cluster::start(&system, plan.nodes, plan.clients.len() as u32);
    let moods = Moods::default();
    let (initially, finally) = ((scenario.initially)(&plan), (scenario.finally)(&plan));
    let clients = Clients::start(&system, &plan, (&initially, &finally), &cluster, &moods);
    let storm = Storm::begin(&plan, &cluster, &moods);
    // Episodes that end with the storm end at this very instant: let them go first.
    sleep_until(Instant::from_nanos(plan.phases.storm_end_ns + 1)).await;
    let faults = storm.end();
    clients.wait().await;
    let mut violations = system.borrow_mut().conclude();
    if !cluster.is_crippled() {
        let waited_ns = plan.phases.end_ns - plan.phases.storm_end_ns;
        let unanswered = clients.unanswered();
        violations.extend(unanswered.map(|last| not_live(&last, waited_ns)));
    }
    let nodes = machine_names(&plan, &cluster);
    let heard = cluster.into_heard();
    Record {
        history: clients.into_events(),
        faults,
        reports: heard.reports,
        nodes,
        violations: heard.violations.into_iter().chain(violations).collect(),
        ..Record::default()
    }
}

/// The servers' names, and the clients' behind them where the plan strikes clients.
fn machine_names(plan: &Plan, cluster: &Cluster) -> Vec<String> {
    let strikes_clients = |episode: &Episode| matches!(episode.targets, Targets::Clients(_));
    let clients = match plan.faults.iter().any(strikes_clients) {
        true => &cluster.clients[..],
        false => &[],
    };
    let machines = cluster.servers.iter().chain(clients);
    machines.map(|node| node.name()).collect()
}

fn crash(panic: &NodePanic) -> Anomaly {
    Anomaly {
        checker: "crash".to_owned(),
        class: normalise(&panic.message),
        sentence: format!("A server panicked: {}", panic.message),
        explanation: vec![format!(
            "on node {} at {} ns",
            panic.node.number(),
            panic.time_ns
        )],
        ..Anomaly::default()
    }
}

/// A message as a class: without its numbers, so that duplicates of one bug look alike.
fn normalise(message: &str) -> String {
    let words = message
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .filter(|word| !word.is_empty());
    words.take(10).collect::<Vec<_>>().join("-").to_lowercase()
}

fn not_live(unanswered: &PlannedOperation, waited_ns: u64) -> Anomaly {
    let seconds = waited_ns / 1_000_000_000;
    let f = &unanswered.f;
    let of = unanswered
        .key
        .as_ref()
        .map_or_else(String::new, |key| format!(" of {key}"));
    Anomaly {
        checker: "liveness".to_owned(),
        class: "no-answer-after-heal".to_owned(),
        sentence: format!(
            "{seconds} s after the last fault had ended, with all servers up that can be, nobody would answer a \
             {f}{of}."
        ),
        ..Anomaly::default()
    }
}

fn counters(counters: &Counters) -> std::collections::BTreeMap<String, u64> {
    let Counters {
        events,
        polls,
        packets_delivered,
        packets_lost,
        retransmissions,
        connections,
        file_syncs,
        bytes_written,
    } = *counters;
    let named = [
        ("events", events),
        ("polls", polls),
        ("packets-delivered", packets_delivered),
        ("packets-lost", packets_lost),
        ("retransmissions", retransmissions),
        ("connections", connections),
        ("file-syncs", file_syncs),
        ("bytes-written", bytes_written),
    ];
    named
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}
