//! Recovery: when an outage or an overload is over, so are its effects.

use squall_checkers::named::recovery::{self, RecoveryOptions, Share};
use squall_checkers::{History, Verdict};
use squall_sim::fault::Fault;
use squall_sim::keyed::Key;

use super::{final_echo, machines, nodes, strikes, system};
use crate::generator::{self, Shape};
use crate::nemesis::{self, Machines};
use crate::plan::{Episode, Phases, Plan, Seed, Start, Targets};
use crate::record::Record;
use crate::scenario::Scenario;
use crate::scenarios::draft::{self, MS};

/// How long after the last fault the system may still suffer.
const BOUND_NS: u64 = 4_000 * MS;
const WINDOW_NS: u64 = 1_000 * MS;
/// How many times as much clients ask for in an overload.
const HURRY: u64 = 10;

/// Outages and overloads, and load that goes on after them.
pub const RECOVER: Scenario = Scenario {
    id: "proxy/recover",
    about: "proxy: goodput is back soon after an outage or an overload, and retries stay within budget",
    plan,
    system,
    initially: |_| Vec::new(),
    finally: |_| final_echo(),
    check,
};

fn plan(scenario: &Scenario, seed: Seed, mutant: Option<String>) -> Plan {
    let key = draft::key(seed);
    let draft = draft::plan(scenario, seed, mutant, nodes(key));
    let storm_end_ns = draft.phases.storm_end_ns;
    let phases = Phases {
        settle_end_ns: storm_end_ns + BOUND_NS + 4 * WINDOW_NS,
        end_ns: storm_end_ns + BOUND_NS + 12 * WINDOW_NS,
        ..draft.phases
    };
    let shape = shape(key.label("shape"), &phases);
    let machines = machines(&draft, shape.clients);
    Plan {
        knobs: draft::knobs(
            key.label("knobs"),
            &[
                ("service-ms", &[10, 20]),
                ("concurrency", &[1, 2]),
                ("probes-max", &[1, 2]),
                ("try-timeout-ms", &[500, 800]),
            ],
        ),
        clients: generator::unique(key.label("workload"), &shape, "echo"),
        faults: faults(key.label("faults"), machines, &phases),
        phases,
        ..draft
    }
}

/// Many clients, each with a request now and then until the end: a third of what one backend can do,
/// and far more than it can when they are in a hurry.
fn shape(key: Key, phases: &Phases) -> Shape {
    let wait_ns_mean = 1_600 * MS;
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    let settle_ns = phases.settle_end_ns - phases.storm_end_ns;
    Shape {
        clients: key.label("clients").between(6, 14),
        keys: 1,
        // Twice as many as are needed on average by one that hurries all through the storm.
        operations: (storm_ns * HURRY + settle_ns) / wait_ns_mean * 2,
        wait_ns_mean,
    }
}

fn faults(key: Key, machines: Machines, phases: &Phases) -> Vec<Episode> {
    if key.label("random").chance(1, 2) {
        let strikes = strikes(machines.servers - 1);
        return nemesis::random(key.label("random"), &strikes, machines, phases);
    }
    let episodes = outage(key.label("outage"), machines, phases);
    nemesis::with_certainty(episodes, || {
        nemesis::swarm::certain_delay(key.label("certain"), machines.clients, phases)
    })
}

/// All clients are in a hurry, and sooner or later all backends are gone at once, with what waits in
/// them: what makes failures metastable.
fn outage(key: Key, machines: Machines, phases: &Phases) -> Vec<Episode> {
    let storm_ns = phases.storm_end_ns - phases.warm_up_end_ns;
    let duration_ns = key.label("duration").between(storm_ns / 4, storm_ns / 2);
    let start_ns = phases.warm_up_end_ns + key.label("start").below(storm_ns / 2);
    let overload = Episode {
        fault: Fault::Overload {
            factor: HURRY as u32,
        },
        start: Start::At { ns: start_ns },
        duration_ns,
        targets: Targets::Clients((0..machines.clients).collect()),
    };
    let outage = Episode {
        fault: key
            .label("fault")
            .pick(&[Fault::Kill, Fault::Pause, Fault::PowerLoss])
            .clone(),
        start: Start::At {
            ns: start_ns + key.label("late").below(duration_ns / 2),
        },
        duration_ns,
        targets: Targets::Nodes((1..machines.servers).collect()),
    };
    vec![overload, outage]
}

fn check(plan: &Plan, _: &Record, history: &History) -> Verdict {
    recovery::check(
        history,
        &RecoveryOptions {
            healed_ns: plan.phases.storm_end_ns,
            bound_ns: BOUND_NS,
            window_ns: WINDOW_NS,
            share: Share {
                numerator: 9,
                denominator: 10,
            },
        },
    )
}
