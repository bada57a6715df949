//! The runner: from a plan to a record.
//!
//! A run has phases. In the *warm-up* servers start and nothing else happens. In the *storm* clients
//! do what the plan says while faults happen. Then all is healed, and the system may *settle* while
//! clients finish. At last each key is read: a system that does not answer by then is not live.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use squall_checkers::history::Value;
use squall_checkers::verdict::Anomaly;
use squall_sim::engine::{self, Counters, NetworkConfig, NodePanic, RunError};
use squall_sim::time::{Duration, Instant, sleep_until};

use crate::cluster::Cluster;
use crate::history::Recorder;
use crate::nemesis::storm::Storm;
use crate::plan::{Phases, Plan, PlannedOperation};
use crate::record::{LogLine, Record};
use crate::scenario::Scenario;
use crate::system::{Completion, Connection, System};

/// How long a client waits for an operation before it calls it in doubt.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Runs a plan. `detail` keeps what servers log.
///
/// # Errors
/// If the harness itself failed: a defect of Squall, not of the system under test.
///
/// # Panics
/// As the harness does.
pub fn run(scenario: &Scenario, plan: &Plan, detail: bool) -> Result<Record, RunError> {
    let mut config = engine::Config::new(plan.seed.0);
    config.schedule = plan.schedule;
    config.network = NetworkConfig {
        latency_ns_min: plan.network.latency_ns_min,
        latency_ns_max: plan.network.latency_ns_max,
        ..NetworkConfig::default()
    };
    config.disk_timing.sync_ns = (plan.disk.sync_ns_min, plan.disk.sync_ns_max);
    config.end_ns = plan.phases.end_ns + 60_000_000_000;
    config.mutant.clone_from(&plan.mutant);
    config.detail = detail;
    let make_system = scenario.system;
    let harness_plan = plan.clone();
    let outcome = engine::run(config, move || harness(make_system, harness_plan))?;
    let mut record = outcome.output;
    record.digest = format!("{:016x}", outcome.digest);
    record.virtual_ns = outcome.virtual_ns;
    record.counters = counters(&outcome.counters);
    let servers = u64::from(plan.nodes);
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

async fn harness(make_system: fn(&Plan) -> Rc<RefCell<dyn System>>, plan: Plan) -> Record {
    let Phases {
        warm_up_end_ns,
        storm_end_ns,
        settle_end_ns,
        end_ns,
    } = plan.phases;
    let system = make_system(&plan);
    let cluster = Cluster::start(Rc::clone(&system), plan.nodes);
    let clients = Clients::connect(&system, &plan);
    let storm = Storm::begin(&plan.faults, &plan.phases, &cluster);
    sleep_until(Instant::from_nanos(warm_up_end_ns)).await;
    let working = clients.work(settle_end_ns);
    sleep_until(Instant::from_nanos(storm_end_ns)).await;
    // Episodes that end with the storm end at this very instant: let them go first.
    sleep_until(Instant::from_nanos(storm_end_ns + 1)).await;
    let faults = storm.end();
    for handle in working {
        let _ = handle.await;
    }
    sleep_until(Instant::from_nanos(settle_end_ns)).await;
    let unanswered = clients.read_finally(&plan, end_ns).await;
    let mut heard = cluster.into_heard();
    heard
        .violations
        .extend(unanswered.map(|key| not_live(&key, end_ns - storm_end_ns)));
    Record {
        history: clients.into_events(),
        faults,
        reports: heard.reports,
        nodes: (0..plan.nodes).map(|number| format!("n{number}")).collect(),
        violations: heard.violations,
        ..Record::default()
    }
}

/// A client's connection while nobody uses it.
type Idle = Rc<RefCell<Option<Box<dyn Connection>>>>;

/// The clients of a run, each on a machine of its own.
struct Clients {
    connections: Vec<Idle>,
    operations: Vec<Rc<[PlannedOperation]>>,
    recorder: Rc<RefCell<Recorder>>,
}

impl Clients {
    fn connect(system: &Rc<RefCell<dyn System>>, plan: &Plan) -> Self {
        let connect = |number| Rc::new(RefCell::new(Some(system.borrow().connect(number))));
        Self {
            connections: (0..plan.clients.len() as u32).map(connect).collect(),
            operations: plan
                .clients
                .iter()
                .map(|client| client.operations.clone().into())
                .collect(),
            recorder: Rc::new(RefCell::new(Recorder::new(plan.clients.len()))),
        }
    }

    /// Sets the clients to work, each until it has done all or the time is over.
    fn work(&self, until_ns: u64) -> Vec<squall_sim::task::JoinHandle<()>> {
        let clients = self.connections.iter().zip(&self.operations).enumerate();
        let tasks = clients.map(|(number, (connection, operations))| {
            let (connection, operations) = (Rc::clone(connection), Rc::clone(operations));
            let recorder = Rc::clone(&self.recorder);
            engine::spawn_local(async move {
                let Some(mut borrowed) = connection.borrow_mut().take() else {
                    return;
                };
                for operation in operations.iter() {
                    let next_ns = engine::now_ns() + operation.wait_ns;
                    if next_ns >= until_ns {
                        break;
                    }
                    sleep_until(Instant::from_nanos(next_ns)).await;
                    perform(
                        &recorder,
                        number,
                        &mut *borrowed,
                        operation,
                        Instant::now() + PATIENCE,
                    )
                    .await;
                }
                *connection.borrow_mut() = Some(borrowed);
            })
        });
        tasks.collect()
    }

    /// Reads each key once, in turn, by the first client; answers the first key without an answer.
    async fn read_finally(&self, plan: &Plan, end_ns: u64) -> Option<Value> {
        let mut connection = self.connections.first()?.borrow_mut().take()?;
        for key in keys_of(plan) {
            let read = PlannedOperation {
                wait_ns: 0,
                f: "read".to_owned(),
                key: Some(key.clone()),
                value: Value::Nil,
            };
            let deadline = Instant::from_nanos(end_ns);
            let completion = perform(&self.recorder, 0, &mut *connection, &read, deadline).await;
            if !matches!(completion, Completion::Ok(_)) {
                return Some(key);
            }
        }
        None
    }

    fn into_events(self) -> Vec<squall_checkers::history::Event> {
        let recorder = self.recorder.replace(Recorder::new(0));
        recorder.into_events()
    }
}

async fn perform(
    recorder: &RefCell<Recorder>,
    client: usize,
    connection: &mut dyn Connection,
    operation: &PlannedOperation,
    deadline: Instant,
) -> Completion {
    recorder.borrow_mut().invoke(client, operation);
    let completion = connection.perform(operation, deadline).await;
    recorder
        .borrow_mut()
        .complete(client, operation, &completion);
    completion
}

fn keys_of(plan: &Plan) -> BTreeSet<Value> {
    let operations = plan.clients.iter().flat_map(|client| &client.operations);
    operations
        .filter_map(|operation| operation.key.clone())
        .collect()
}

fn crash(panic: &NodePanic) -> Anomaly {
    Anomaly {
        checker: "crash".to_owned(),
        class: normalise(&panic.message),
        sentence: format!("A server panicked: {}", panic.message),
        witness: Vec::new(),
        first_bad_event: None,
        explanation: vec![format!(
            "on node {} at {} ns",
            panic.node.number(),
            panic.time_ns
        )],
    }
}

/// A message as a class: without its numbers, so that duplicates of one bug look alike.
fn normalise(message: &str) -> String {
    let words = message
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .filter(|word| !word.is_empty());
    words.take(10).collect::<Vec<_>>().join("-").to_lowercase()
}

fn not_live(key: &Value, waited_ns: u64) -> Anomaly {
    let seconds = waited_ns / 1_000_000_000;
    Anomaly {
        checker: "liveness".to_owned(),
        class: "no-answer-after-heal".to_owned(),
        sentence: format!(
            "{seconds} s after the last fault had ended, with all servers up, nobody would answer a \
             read of {key}."
        ),
        witness: Vec::new(),
        first_bad_event: None,
        explanation: Vec::new(),
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
