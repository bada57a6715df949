//! The store on one disk: registers, a bank, and a set.

mod bank;
mod register;
mod set;

use std::cell::RefCell;
use std::rc::Rc;

pub use bank::BANK;
pub use register::REGISTER;
pub use set::SET;
use squall_models::kv::client::{self, Client};
use squall_models::kv::server;
use squall_models::kv::truth::Truth;
use squall_sim::engine::{Emitted, NodeId};
use squall_sim::keyed::Key;
use squall_sim::time::Duration;

use crate::clients::FinalOperation;
use crate::generator::{self, Shape};
use crate::invariants::Durability;
use crate::nemesis::{self, Machines, scripts};
use crate::plan::{ClientPlan, Episode, Phases, Plan, Seed};
use crate::scenario::Scenario;
use crate::scenarios::draft;
use crate::system::{Connection, Heard, System, start_server};

const PORT: u16 = 6379;
fn plan(
    scenario: &Scenario,
    seed: Seed,
    mutant: Option<String>,
    generate: fn(Key, &Shape, &Plan) -> Vec<ClientPlan>,
) -> Plan {
    let key = draft::key(seed);
    let draft = draft::plan(scenario, seed, mutant, 1);
    let shape = draft::shape(key.label("shape"), &draft, &[50, 100, 250]);
    let knobs = draft::knobs(
        key.label("knobs"),
        &[
            ("checkpoint-bytes", &[600, 4_000, 60_000]),
            ("padding-bytes", &[0, 100, 900]),
            ("attempt-timeout-ms", &[200, 500, 900]),
            ("seal-after-ms", &[1, 5, 100]),
            ("accounts", &[3, 5, 8]),
        ],
    );
    let draft = Plan {
        faults: faults(key.label("faults"), shape.clients as u32, &draft.phases),
        knobs,
        ..draft
    };
    Plan {
        clients: generate(key.label("workload"), &shape, &draft),
        ..draft
    }
}

fn faults(key: Key, clients: u32, phases: &Phases) -> Vec<Episode> {
    let machines = Machines {
        servers: 1,
        clients,
    };
    match key.label("nemesis").below(12) {
        0..3 => scripts::power_cycles(key.label("power-cycles"), 1, phases),
        3 | 4 => scripts::failed_syncs(key.label("failed-syncs"), phases),
        5 => scripts::late_rot(key.label("rot"), &nemesis::LONE_SERVER, machines, phases),
        _ => nemesis::random(key.label("random"), &nemesis::LONE_SERVER, machines, phases),
    }
}

/// A read of everything, by the first client.
fn final_read() -> FinalOperation {
    FinalOperation {
        client: 0,
        operation: generator::read_all(),
    }
}

fn system(
    plan: &Plan,
    connect: fn(Client, &Plan) -> Box<dyn Connection>,
) -> Rc<RefCell<dyn System>> {
    Rc::new(RefCell::new(Kv {
        plan: plan.clone(),
        connect,
        durability: Durability::default(),
    }))
}

struct Kv {
    plan: Plan,
    connect: fn(Client, &Plan) -> Box<dyn Connection>,
    durability: Durability,
}

impl System for Kv {
    fn start(&self, node: NodeId, _: u32) {
        let config = server::Config {
            checkpoint_bytes: self.plan.knob("checkpoint-bytes", 64 << 10),
            seal_after: Duration::from_millis(self.plan.knob("seal-after-ms", 5)),
            ..server::Config::new("/data", format!("0.0.0.0:{PORT}"))
        };
        start_server(node, move || server::serve(config.clone()));
    }

    fn connect(&self, _: u32) -> Box<dyn Connection> {
        let attempt_ms = self.plan.knob("attempt-timeout-ms", 300);
        let config = client::Config {
            attempt_timeout: Duration::from_millis(attempt_ms),
            ..client::Config::new(format!("{}:{PORT}", self.name(0)))
        };
        (self.connect)(Client::new(config), &self.plan)
    }

    fn hear(&mut self, server: u32, emitted: &Emitted<'_>) -> Vec<Heard> {
        match emitted.event.downcast_ref() {
            Some(
                Truth::Acknowledged { version }
                | Truth::ReadServed { version }
                | Truth::Synced { version },
            ) => {
                self.durability.promises(server, *version);
                Vec::new()
            }
            Some(Truth::Restored { version, .. }) => {
                let broken = self
                    .durability
                    .restores(server, &self.name(server), *version);
                let what = format!("restored version {version}");
                let report = Heard::Report {
                    kind: "restored",
                    what,
                };
                [report]
                    .into_iter()
                    .chain(broken.map(Heard::Broken))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}
