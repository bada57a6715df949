//! Raft and its key-value service, under registers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use squall_checkers::Model;
use squall_checkers::history::Value;
use squall_models::consensus::client::{self, Client, ClientError};
use squall_models::consensus::raft::{self, Role};
use squall_models::consensus::server::{self, ServerError};
use squall_models::consensus::service::{Answer, Limits, Operation};
use squall_models::consensus::truth::Truth;
use squall_sim::engine::{Emitted, NodeId, Schedule};
use squall_sim::keyed::Key;
use squall_sim::time::{Duration, Instant};

use crate::generator::{self, Shape};
use crate::invariants::{Application, ElectionSafety, OneVote, StateMachineSafety};
use crate::nemesis::{self, Machines};
use crate::plan::{
    ClientPlan, DiskPlan, NetworkPlan, PLAN_SCHEMA, Phases, Plan, PlannedOperation, Seed,
};
use crate::scenario::{Scenario, linearizable};
use crate::system::{Completion, Connection, Heard, LocalFuture, System};

const MS: u64 = 1_000_000;
const PORT: u16 = 7000;

/// Reads and writes of unique values.
pub const REGISTER: Scenario = Scenario {
    id: "consensus/register",
    about: "Raft: reads and writes of a few registers are linearizable",
    plan: |scenario, seed, mutant| plan(scenario, seed, mutant, generator::registers),
    system,
    finally: generator::final_reads,
    check: |_, _, history| linearizable(history, Model::Register),
};

/// Compare-and-swap over few values.
pub const CAS: Scenario = Scenario {
    id: "consensus/cas",
    about: "Raft: reads, writes and compare-and-swaps of a few registers are linearizable",
    plan: |scenario, seed, mutant| plan(scenario, seed, mutant, generator::cas_registers),
    system,
    finally: generator::final_reads,
    check: |_, _, history| linearizable(history, Model::CasRegister),
};

fn plan(
    scenario: &Scenario,
    seed: Seed,
    mutant: Option<String>,
    generate: fn(Key, &Shape) -> Vec<ClientPlan>,
) -> Plan {
    let key = Key::root(seed.0).label("plan");
    let storm_ns = *key
        .label("storm")
        .pick(&[3_000 * MS, 6_000 * MS, 9_000 * MS]);
    let warm_up_end_ns = 1_000 * MS;
    let storm_end_ns = warm_up_end_ns + storm_ns;
    let phases = Phases {
        warm_up_end_ns,
        storm_end_ns,
        settle_end_ns: storm_end_ns + 3_000 * MS,
        end_ns: storm_end_ns + 11_000 * MS,
    };
    let nodes = *key.label("nodes").pick(&[3, 3, 5]);
    let shape = shape(key.label("shape"), storm_ns);
    let machines = Machines {
        servers: nodes,
        clients: shape.clients as u32,
    };
    let latency_ns_max = *key.label("latency").pick(&[MS, 2 * MS, 10 * MS, 40 * MS]);
    Plan {
        schema: PLAN_SCHEMA,
        scenario: scenario.id.to_owned(),
        seed,
        mutant,
        nodes,
        schedule: *key.label("schedule").pick(&[
            Schedule::Fifo,
            Schedule::Random,
            Schedule::Random,
        ]),
        network: NetworkPlan {
            latency_ns_min: MS / 5,
            latency_ns_max,
        },
        disk: DiskPlan {
            sync_ns_min: MS / 5,
            sync_ns_max: *key.label("sync").pick(&[2 * MS, 2 * MS, 10 * MS, 30 * MS]),
        },
        knobs: knobs(key.label("knobs")),
        clients: generate(key.label("workload"), &shape),
        faults: nemesis::plan(key.label("faults"), machines, &phases),
        phases,
    }
}

/// Clients that work through most of the storm, in a hurry or at leisure.
fn shape(key: Key, storm_ns: u64) -> Shape {
    let wait_ns_mean = *key.label("wait").pick(&[10 * MS, 50 * MS, 150 * MS]);
    // An operation takes some ten milliseconds itself, and a second where it meets a fault.
    let operations = (storm_ns / (wait_ns_mean + 40 * MS)).clamp(10, 60);
    Shape {
        clients: key.label("clients").between(3, 7),
        keys: key.label("keys").between(1, 4),
        operations,
        wait_ns_mean,
    }
}

/// Small numbers, so that a short run makes snapshots, sends them, and writes records that span
/// sectors.
fn knobs(key: Key) -> BTreeMap<String, u64> {
    let knob = |name: &str, values: &[u64]| (name.to_owned(), *key.label(name).pick(values));
    BTreeMap::from([
        knob("snapshot-every", &[3, 20, 100]),
        knob("trailing-entries", &[0, 5, 50]),
        knob("padding-bytes", &[0, 300, 1200]),
        knob("attempt-timeout-ms", &[200, 500, 900]),
    ])
}

fn system(plan: &Plan) -> Rc<RefCell<dyn System>> {
    let servers = (0..plan.nodes)
        .map(|number| (raft::NodeId(number), format!("n{number}:{PORT}")))
        .collect();
    Rc::new(RefCell::new(Consensus {
        servers,
        snapshot_every: plan.knob("snapshot-every", 100),
        trailing_entries: plan.knob("trailing-entries", 50),
        padding_bytes: plan.knob("padding-bytes", 0) as usize,
        attempt_timeout: Duration::from_millis(plan.knob("attempt-timeout-ms", 500)),
        elections: ElectionSafety::default(),
        votes: OneVote::default(),
        machines: StateMachineSafety::default(),
    }))
}

struct Consensus {
    servers: BTreeMap<raft::NodeId, String>,
    snapshot_every: u64,
    trailing_entries: u64,
    /// What is put behind each value, so that records of the log span sectors.
    padding_bytes: usize,
    attempt_timeout: Duration,
    elections: ElectionSafety,
    votes: OneVote,
    machines: StateMachineSafety,
}

/// A server has stopped by itself.
struct Stopped(ServerError);

impl System for Consensus {
    fn start(&self, node: NodeId, number: u32) {
        let (id, servers) = (raft::NodeId(number), self.servers.clone());
        let (snapshot_every, trailing_entries) = (self.snapshot_every, self.trailing_entries);
        node.start(move || {
            // A server that restarts jitters its elections anew.
            let raft = raft::Config::new(
                id,
                servers.keys().copied().collect(),
                squall_sim::rand::bits(),
            );
            let config = server::Config {
                raft: raft::Config {
                    trailing_entries,
                    ..raft
                },
                directory: "/data".into(),
                listen: format!("0.0.0.0:{PORT}"),
                peers: servers.clone(),
                snapshot_every,
                limits: Limits::default(),
            };
            async move {
                if let Err(error) = server::serve(config).await {
                    squall_sim::emit(Stopped(error));
                }
            }
        });
    }

    fn connect(&self, client: u32) -> Box<dyn Connection> {
        let servers = self
            .servers
            .iter()
            .map(|(id, address)| (*id, address.clone()))
            .collect();
        let config = client::Config {
            attempt_timeout: self.attempt_timeout,
            ..client::Config::new(servers)
        };
        Box::new(RegisterClient {
            client: Client::new(config, client as usize),
            padding_bytes: self.padding_bytes,
        })
    }

    fn hear(&mut self, server: u32, emitted: &Emitted<'_>) -> Vec<Heard> {
        if let Some(Stopped(error)) = emitted.event.downcast_ref() {
            return vec![Heard::Stopped {
                why: error.to_string(),
            }];
        }
        let Some(truth) = emitted.event.downcast_ref::<Truth>() else {
            return Vec::new();
        };
        match truth {
            Truth::RoleChanged { role, term } => self.hear_role(server, *role, term.0),
            Truth::Voted {
                term,
                voted_for: Some(candidate),
            } => self
                .votes
                .votes(server, term.0, candidate.0)
                .map(Heard::Broken)
                .into_iter()
                .collect(),
            Truth::Applied {
                index,
                term,
                command,
                state,
            } => {
                let application = Application {
                    term: term.0,
                    command: *command,
                    state: *state,
                };
                let broken = self.machines.applies(server, index.0, application);
                broken.map(Heard::Broken).into_iter().collect()
            }
            Truth::SnapshotInstalled { last } => {
                let what = format!("took the leader's snapshot up to {}", last.index.0);
                vec![Heard::Report {
                    kind: "snapshot",
                    what,
                }]
            }
            _ => Vec::new(),
        }
    }
}

impl Consensus {
    fn hear_role(&mut self, server: u32, role: Role, term: u64) -> Vec<Heard> {
        let kind = match role {
            Role::Leader => "leader",
            Role::Candidate => "candidate",
            Role::Follower => "follower",
            // Asking costs nobody anything, and is no news.
            Role::PreCandidate => return Vec::new(),
        };
        let report = Heard::Report {
            kind,
            what: format!("{kind} in term {term}"),
        };
        if role != Role::Leader {
            return vec![report];
        }
        let broken = self.elections.leads(server, term).map(Heard::Broken);
        [Heard::Leads, report].into_iter().chain(broken).collect()
    }
}

struct RegisterClient {
    client: Client,
    padding_bytes: usize,
}

impl Connection for RegisterClient {
    fn perform<'a>(
        &'a mut self,
        operation: &'a PlannedOperation,
        deadline: Instant,
    ) -> LocalFuture<'a, Completion> {
        Box::pin(self.perform_register(operation, deadline))
    }
}

impl RegisterClient {
    async fn perform_register(
        &mut self,
        operation: &PlannedOperation,
        deadline: Instant,
    ) -> Completion {
        let Some(Value::Text(key)) = operation.key.clone() else {
            return Completion::Fail("the plan names no key".to_owned());
        };
        if operation.f == "read" {
            return match self.client.read(&key, deadline).await {
                Ok(value) => Completion::Ok(value_of(value)),
                Err(error) => Completion::Fail(error.to_string()),
            };
        }
        let service_operation = match (operation.f.as_str(), &operation.value) {
            ("write", value) => Operation::Put {
                key,
                value: self.text_of(value),
            },
            ("cas", Value::List(values)) if values.len() == 2 => Operation::CompareAndSwap {
                key,
                expected: Some(self.text_of(&values[0])),
                new: Some(self.text_of(&values[1])),
            },
            (f, value) => {
                return Completion::Fail(format!("the plan has no such operation: {f} {value}"));
            }
        };
        match self.client.execute(service_operation, deadline).await {
            Ok(Answer::NotSwapped { found }) => {
                Completion::Fail(format!("found {}", value_of(found)))
            }
            Ok(_) => Completion::Ok(operation.value.clone()),
            // A failed compare-and-swap says that the values differed; one that was not done does not.
            Err(ClientError::NotDone(why)) if operation.f == "cas" => {
                Completion::Info(why.to_owned())
            }
            Err(ClientError::NotDone(why)) => Completion::Fail(why.to_owned()),
            Err(ClientError::Indeterminate(why)) => Completion::Info(why.to_owned()),
        }
    }

    /// A value as the service stores it: text, padded.
    fn text_of(&self, value: &Value) -> String {
        format!("{value}{}", ".".repeat(self.padding_bytes))
    }
}

/// A value as registers hold it: a number.
fn value_of(text: Option<String>) -> Value {
    let Some(text) = text else { return Value::Nil };
    let unpadded = text.trim_end_matches('.');
    unpadded
        .parse()
        .map_or_else(|_| Value::Text(unpadded.to_owned()), Value::Int)
}
