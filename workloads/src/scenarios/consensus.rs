//! Raft and its key-value service, under registers.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use squall_checkers::Model;
use squall_checkers::history::Value;
use squall_models::consensus::client::{self, Client, ClientError};
use squall_models::consensus::raft::{self, Role};
use squall_models::consensus::server;
use squall_models::consensus::service::{Answer, Limits, Operation};
use squall_models::consensus::truth::Truth;
use squall_sim::engine::{Emitted, NodeId};
use squall_sim::keyed::Key;
use squall_sim::time::{Duration, Instant};

use crate::generator::{self, Shape, padded, unpadded};
use crate::invariants::{Application, ElectionSafety, OneVote, StateMachineSafety};
use crate::nemesis::{self, Machines};
use crate::plan::{ClientPlan, Plan, PlannedOperation, Seed};
use crate::scenario::{Scenario, linearizable};
use crate::scenarios::draft::{self, MS};
use crate::system::{Completion, Connection, Heard, LocalFuture, System, start_server};

const PORT: u16 = 7000;

/// Reads and writes of unique values.
pub const REGISTER: Scenario = Scenario {
    id: "consensus/register",
    about: "Raft: reads and writes of a few registers are linearizable",
    plan: |scenario, seed, mutant| plan(scenario, seed, mutant, generator::registers),
    system,
    initially: |_| Vec::new(),
    finally: generator::final_reads,
    check: |_, _, history| linearizable(history, Model::Register),
};

/// Compare-and-swap over few values.
pub const CAS: Scenario = Scenario {
    id: "consensus/cas",
    about: "Raft: reads, writes and compare-and-swaps of a few registers are linearizable",
    plan: |scenario, seed, mutant| plan(scenario, seed, mutant, generator::cas_registers),
    system,
    initially: |_| Vec::new(),
    finally: generator::final_reads,
    check: |_, _, history| linearizable(history, Model::CasRegister),
};

fn plan(
    scenario: &Scenario,
    seed: Seed,
    mutant: Option<String>,
    generate: fn(Key, &Shape) -> Vec<ClientPlan>,
) -> Plan {
    let key = draft::key(seed);
    let nodes = *key.label("nodes").pick(&[3, 3, 5]);
    let draft = draft::plan(scenario, seed, mutant, nodes);
    let shape = shape(key.label("shape"), draft::storm_ns(&draft));
    let machines = Machines {
        servers: nodes,
        clients: shape.clients as u32,
    };
    Plan {
        knobs: knobs(key.label("knobs")),
        clients: generate(key.label("workload"), &shape),
        faults: nemesis::plan(key.label("faults"), machines, &draft.phases),
        ..draft
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
    draft::knobs(
        key,
        &[
            ("snapshot-every", &[3, 20, 100]),
            ("trailing-entries", &[0, 5, 50]),
            ("padding-bytes", &[0, 300, 1200]),
            ("attempt-timeout-ms", &[200, 500, 900]),
        ],
    )
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

impl System for Consensus {
    fn start(&self, node: NodeId, number: u32) {
        let (id, servers) = (raft::NodeId(number), self.servers.clone());
        let (snapshot_every, trailing_entries) = (self.snapshot_every, self.trailing_entries);
        start_server(node, move || {
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
            server::serve(config)
        });
    }

    fn survives(&self, damaged: &BTreeSet<u32>) -> bool {
        damaged.len() <= (self.servers.len() - 1) / 2
    }

    fn must_answer_without(&self, refusing: &BTreeSet<u32>) -> bool {
        self.survives(refusing)
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
                Ok(value) => Completion::Ok(unpadded(value.as_deref())),
                Err(error) => Completion::Fail(error.to_string()),
            };
        }
        let service_operation = match (operation.f.as_str(), &operation.value) {
            ("write", value) => Operation::Put {
                key,
                value: padded(value, self.padding_bytes),
            },
            ("cas", Value::List(values)) if values.len() == 2 => Operation::CompareAndSwap {
                key,
                expected: Some(padded(&values[0], self.padding_bytes)),
                new: Some(padded(&values[1], self.padding_bytes)),
            },
            _ => return operation.unknown(),
        };
        match self.client.execute(service_operation, deadline).await {
            Ok(Answer::NotSwapped { found }) => {
                Completion::Fail(format!("found {}", unpadded(found.as_deref())))
            }
            Ok(_) => Completion::Ok(operation.value.clone()),
            // A failed compare-and-swap says that the values differed; one that was not done does not.
            Err(ClientError::NotDone(why)) if operation.f == "cas" => Completion::Info(why),
            Err(error) => error.into(),
        }
    }
}
