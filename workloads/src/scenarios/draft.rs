//! What all scenarios draw alike: how long a run lasts, and what its calm world is like.

use std::collections::BTreeMap;

use squall_sim::engine::Schedule;
use squall_sim::engine::disk::CrashProfile;
use squall_sim::keyed::Key;

use crate::generator::Shape;
use crate::plan::{DiskPlan, NetworkPlan, PLAN_SCHEMA, Phases, Plan, Seed};
use crate::scenario::Scenario;

pub(super) const MS: u64 = 1_000_000;

/// The key of all that a seed's plan draws.
pub(super) fn key(seed: Seed) -> Key {
    Key::root(seed.0).label("plan")
}

/// A plan without clients, faults and knobs.
pub(super) fn plan(scenario: &Scenario, seed: Seed, mutant: Option<String>, nodes: u32) -> Plan {
    let key = key(seed);
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
            Schedule::Pct {
                depth: 3,
                steps_estimate: 20_000,
            },
        ]),
        network: NetworkPlan {
            latency_ns_min: MS / 5,
            latency_ns_max: *key.label("latency").pick(&[MS, 2 * MS, 10 * MS, 40 * MS]),
        },
        disk: DiskPlan {
            sync_ns_min: MS / 5,
            sync_ns_max: *key.label("sync").pick(&[2 * MS, 2 * MS, 10 * MS, 30 * MS]),
            profile: *key.label("profile").pick(&[
                CrashProfile::posix(),
                CrashProfile::posix(),
                CrashProfile::ext4_ordered(),
                CrashProfile::xfs(),
            ]),
        },
        knobs: BTreeMap::new(),
        phases: phases(key),
        clients: Vec::new(),
        faults: Vec::new(),
    }
}

fn phases(key: Key) -> Phases {
    let storm_ns = *key
        .label("storm")
        .pick(&[3_000 * MS, 6_000 * MS, 9_000 * MS]);
    let warm_up_end_ns = 1_000 * MS;
    let storm_end_ns = warm_up_end_ns + storm_ns;
    Phases {
        warm_up_end_ns,
        storm_end_ns,
        settle_end_ns: storm_end_ns + 3_000 * MS,
        end_ns: storm_end_ns + 11_000 * MS,
    }
}

/// Clients whose work fills the storm, with so many operations each as is drawn.
pub(super) fn shape(key: Key, plan: &Plan, operations: &[u64]) -> Shape {
    let operations = *key.label("operations").pick(operations);
    Shape {
        clients: key.label("clients").between(3, 7),
        keys: key.label("keys").between(1, 3),
        operations,
        wait_ns_mean: storm_ns(plan) / operations,
    }
}

/// How long the storm of a plan lasts.
pub(super) fn storm_ns(plan: &Plan) -> u64 {
    plan.phases.storm_end_ns - plan.phases.warm_up_end_ns
}

/// Knobs, each set to one of its values.
pub(super) fn knobs(key: Key, values: &[(&str, &[u64])]) -> BTreeMap<String, u64> {
    let knob =
        |(name, values): &(&str, &[u64])| ((*name).to_owned(), *key.label(name).pick(values));
    values.iter().map(knob).collect()
}

#[cfg(test)]
mod tests {
    use squall_sim::engine::disk::PROFILES;

    use super::*;
    use crate::scenario::SCENARIOS;

    #[test]
    fn seeds_draw_every_profile_of_disks_and_every_policy() {
        let plans = (0..100).map(|seed| plan(&SCENARIOS[0], Seed(seed), None, 3));
        let plans: Vec<Plan> = plans.collect();
        for (name, profile) in PROFILES {
            let is_drawn = plans.iter().any(|plan| plan.disk.profile == profile);
            assert!(is_drawn, "{name}");
        }
        let is_pct = |plan: &Plan| matches!(plan.schedule, Schedule::Pct { depth: 3, .. });
        assert!(plans.iter().any(is_pct));
        for schedule in [Schedule::Fifo, Schedule::Random] {
            assert!(plans.iter().any(|plan| plan.schedule == schedule));
        }
    }
}
