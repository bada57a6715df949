//! Echoes: each response belongs to its request.

use squall_checkers::named::nonce_echo;

use super::{final_echo, machines, nodes, strikes, system};
use crate::generator;
use crate::nemesis;
use crate::plan::{Plan, Seed};
use crate::scenario::Scenario;
use crate::scenarios::draft;

/// Requests with a nonce, from clients that sometimes give up half-way.
pub const ECHO: Scenario = Scenario {
    id: "proxy/echo",
    about: "proxy: each response belongs to its request, whoever gives up when",
    plan,
    system,
    initially: |_| Vec::new(),
    finally: |_| final_echo(),
    check: |_, _, history| nonce_echo::check(history),
};

fn plan(scenario: &Scenario, seed: Seed, mutant: Option<String>) -> Plan {
    let key = draft::key(seed);
    let draft = draft::plan(scenario, seed, mutant, nodes(key));
    let shape = draft::shape(key.label("shape"), &draft, &[50, 100]);
    let machines = machines(&draft, shape.clients);
    let strikes = strikes(draft.nodes - 1);
    Plan {
        knobs: draft::knobs(
            key.label("knobs"),
            &[
                ("service-ms", &[1, 10, 40]),
                ("concurrency", &[1, 4]),
                ("probes-max", &[1, 2]),
                ("try-timeout-ms", &[250, 500]),
            ],
        ),
        clients: generator::unique(key.label("workload"), &shape, "echo"),
        faults: nemesis::random(key.label("faults"), &strikes, machines, &draft.phases),
        ..draft
    }
}
