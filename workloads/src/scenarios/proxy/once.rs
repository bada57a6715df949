//! Once: what is not idempotent is executed once at most.

use squall_checkers::history::{Outcome, Value};
use squall_checkers::{Anomaly, History, Verdict};

use super::{final_echo, machines, nodes, strikes, system};
use crate::generator;
use crate::nemesis;
use crate::plan::{Plan, Seed};
use crate::record::Record;
use crate::scenario::Scenario;
use crate::scenarios::draft;

/// Requests that must not be executed twice, counted where they are executed.
pub const ONCE: Scenario = Scenario {
    id: "proxy/once",
    about: "proxy: a request that is not idempotent is executed once at most",
    plan,
    system,
    initially: |_| Vec::new(),
    finally: |_| final_echo(),
    check,
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
        clients: generator::unique(key.label("workload"), &shape, "once"),
        faults: nemesis::random(key.label("faults"), &strikes, machines, &draft.phases),
        ..draft
    }
}

/// Each answer says how often the request has been executed there: once. That it was not executed
/// elsewhere as well, the backends themselves say.
fn check(_: &Plan, _: &Record, history: &History) -> Verdict {
    let twice = history.operations().iter().find(|operation| {
        operation.f == "once"
            && operation.outcome == Outcome::Ok
            && operation.output != Value::Int(1)
    });
    match twice {
        None => Verdict::Valid { witness: None },
        Some(operation) => Verdict::Invalid(Anomaly {
            checker: "at-most-once".to_owned(),
            class: "executed-twice".to_owned(),
            sentence: format!(
                "The answer to request {} says that it had been executed more than once.",
                operation.input
            ),
            witness: vec![operation.id],
            first_bad_event: operation.completed,
            explanation: Vec::new(),
        }),
    }
}
