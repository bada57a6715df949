//! Capsules: the files of failures, written whole or not at all, and read with suspicion.

use std::fmt::Debug;

use squall_checkers::Verdict;
use squall_sim::fault::Fault;

use crate::judge::signature;
use crate::plan::{Episode, PLAN_SCHEMA, Plan, Start, Targets};
use crate::record::{CAPSULE_SCHEMA, Capsule, Record};
use crate::scenario::{self, Scenario, UnknownScenario};

/// Why a text is no capsule that can be replayed.
#[derive(Debug, thiserror::Error)]
pub enum CapsuleError {
    #[error("this is not a capsule: {0}")]
    Malformed(String),
    #[error(
        "the capsule is of schema {found}, expected {CAPSULE_SCHEMA}: replay it with the Squall that wrote it"
    )]
    Schema { found: u64 },
    #[error(
        "the capsule's plan is of schema {found}, expected {PLAN_SCHEMA}: replay it with the Squall that wrote it"
    )]
    PlanSchema { found: u64 },
    #[error(transparent)]
    Scenario(#[from] UnknownScenario),
    #[error("the capsule's plan cannot be run")]
    Plan(#[from] BadPlan),
}

impl From<serde_json::Error> for CapsuleError {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl Capsule {
    /// The capsule of a failed run; `None` if the run did not fail.
    pub fn of(
        scenario: &Scenario,
        plan: &Plan,
        record: &Record,
        verdict: &Verdict,
    ) -> Option<Self> {
        let Verdict::Invalid(anomaly) = verdict else {
            return None;
        };
        Some(Self {
            schema: CAPSULE_SCHEMA,
            squall: env!("CARGO_PKG_VERSION").to_owned(),
            signature: signature(scenario, anomaly),
            verdict: verdict.clone(),
            digest: record.digest.clone(),
            plan: plan.clone(),
        })
    }

    /// The capsule as a text that can be reviewed.
    ///
    /// # Panics
    /// Never: a capsule has nothing that JSON cannot hold.
    pub fn to_text(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("a capsule is made of plain values");
        text.push('\n');
        text
    }

    /// Reads a capsule.
    ///
    /// # Errors
    /// If it is damaged, of another version, or its plan makes no sense.
    pub fn parse(text: &str) -> Result<Self, CapsuleError> {
        // The versions first: a file of another version may differ in anything else.
        let value: serde_json::Value = serde_json::from_str(text)?;
        let schema_at = |pointer: &str| value.pointer(pointer).and_then(serde_json::Value::as_u64);
        if let Some(found) =
            schema_at("/schema").filter(|found| *found != u64::from(CAPSULE_SCHEMA))
        {
            return Err(CapsuleError::Schema { found });
        }
        if let Some(found) =
            schema_at("/plan/schema").filter(|found| *found != u64::from(PLAN_SCHEMA))
        {
            return Err(CapsuleError::PlanSchema { found });
        }
        // From the text again: its errors say in which line.
        let capsule: Self = serde_json::from_str(text)?;
        scenario::find(&capsule.plan.scenario)?;
        capsule.plan.validate()?;
        Ok(capsule)
    }
}

/// Why a plan cannot be run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadPlan {
    #[error("it has {0} nodes, expected 1 to 64")]
    Nodes(u32),
    #[error("it has {0} clients, expected 1 to 1024")]
    Clients(usize),
    #[error("its phases end at {0:?} ns, expected times that grow, up to a virtual day")]
    Phases([u64; 4]),
    #[error("its latency goes from {min} to {max} ns, expected a range that grows, up to a minute")]
    Latency { min: u64, max: u64 },
    #[error("its disk syncs in {min} to {max} ns, expected a range that grows, up to a minute")]
    Sync { min: u64, max: u64 },
    #[error(
        "its disk has a profile that cannot be: {0}; expected at most 1000 in 1000, of nothing and everything together"
    )]
    Profile(String),
    #[error("{what} {ns} ns, expected up to a virtual day")]
    Time { what: String, ns: u64 },
    #[error("episode {episode} strikes {role} {number}, but there are {count}")]
    Target {
        episode: usize,
        role: &'static str,
        number: u32,
        count: usize,
    },
    #[error("episode {episode} has a probability of {per_mille} in 1000")]
    Probability { episode: usize, per_mille: u32 },
    #[error("episode {episode} flips {bits} bits, expected up to 1000")]
    Bits { episode: usize, bits: u32 },
    #[error(
        "episode {episode} has an effect that cannot be: {effect}; expected at most 1000 in 1000, ranges that \
         grow, and times up to a virtual day"
    )]
    Effect { episode: usize, effect: String },
}

/// No time in a plan is longer, so that no sum of a few overflows.
const DAY_NS: u64 = 86_400_000_000_000;

impl Plan {
    /// Whether the runner can run it: a plan may come from anywhere.
    ///
    /// # Errors
    /// With the first thing that makes no sense.
    pub fn validate(&self) -> Result<(), BadPlan> {
        const MINUTE_NS: u64 = 60_000_000_000;
        if !(1..=64).contains(&self.nodes) {
            return Err(BadPlan::Nodes(self.nodes));
        }
        if !(1..=1024).contains(&self.clients.len()) {
            return Err(BadPlan::Clients(self.clients.len()));
        }
        let phases = &self.phases;
        let ends = [
            phases.warm_up_end_ns,
            phases.storm_end_ns,
            phases.settle_end_ns,
            phases.end_ns,
        ];
        if !ends.is_sorted() || phases.end_ns > DAY_NS {
            return Err(BadPlan::Phases(ends));
        }
        let (min, max) = (self.network.latency_ns_min, self.network.latency_ns_max);
        if min > max || max > MINUTE_NS {
            return Err(BadPlan::Latency { min, max });
        }
        let (min, max) = (self.disk.sync_ns_min, self.disk.sync_ns_max);
        if min > max || max > MINUTE_NS {
            return Err(BadPlan::Sync { min, max });
        }
        if !self.disk.profile.is_sound() {
            return Err(BadPlan::Profile(format!("{:?}", self.disk.profile)));
        }
        for (number, client) in self.clients.iter().enumerate() {
            let waits = client.operations.iter().map(|operation| operation.wait_ns);
            within_a_day(waits.max().unwrap_or(0), || {
                format!("client {number} waits")
            })?;
        }
        self.faults
            .iter()
            .enumerate()
            .try_for_each(|(number, episode)| {
                episode.validate_fault(number)?;
                episode.validate(number, self.nodes as usize, self.clients.len())
            })
    }
}

fn effect_is_sound(episode: usize, is_sound: bool, effect: &impl Debug) -> Result<(), BadPlan> {
    match is_sound {
        true => Ok(()),
        false => Err(BadPlan::Effect {
            episode,
            effect: format!("{effect:?}"),
        }),
    }
}

impl Episode {
    fn validate_fault(&self, episode: usize) -> Result<(), BadPlan> {
        match self.fault {
            Fault::SlowLinks { extra_ns_max } => within_a_day(extra_ns_max, || {
                format!("episode {episode} slows packets by up to")
            }),
            Fault::Cancel { after_ns_max, .. } => within_a_day(after_ns_max, || {
                format!("episode {episode} cancels operations after up to")
            }),
            Fault::Corrupt { bits } if bits > 1000 => Err(BadPlan::Bits { episode, bits }),
            Fault::Links { effect } => effect_is_sound(episode, effect.is_sound(), &effect),
            Fault::Clock { effect } => effect_is_sound(episode, effect.is_sound(), &effect),
            Fault::Names { effect } => effect_is_sound(episode, effect.is_sound(), &effect),
            Fault::Tasks { effect } => effect_is_sound(episode, effect.is_sound(), &effect),
            Fault::Disk { effect } => effect_is_sound(episode, effect.is_sound(), &effect),
            _ => Ok(()),
        }?;
        match self.fault {
            Fault::LossyLinks { per_mille }
            | Fault::SyncError { per_mille }
            | Fault::Cancel { per_mille, .. }
                if per_mille > 1000 =>
            {
                Err(BadPlan::Probability { episode, per_mille })
            }
            _ => Ok(()),
        }
    }

    fn validate(&self, episode: usize, servers: usize, clients: usize) -> Result<(), BadPlan> {
        let start_ns = match self.start {
            Start::At { ns } => ns,
            Start::Leader { delay_ns, .. } => delay_ns,
        };
        within_a_day(start_ns, || format!("episode {episode} starts after"))?;
        within_a_day(self.duration_ns, || format!("episode {episode} lasts"))?;
        let (role, targets, count) = match &self.targets {
            Targets::Nodes(targets) => ("server", targets, servers),
            Targets::Clients(targets) => ("client", targets, clients),
            Targets::Leader | Targets::LeaderAnd(_) => return Ok(()),
        };
        match targets.iter().find(|target| **target as usize >= count) {
            Some(number) => Err(BadPlan::Target {
                episode,
                role,
                number: *number,
                count,
            }),
            None => Ok(()),
        }
    }
}

fn within_a_day(ns: u64, what: impl FnOnce() -> String) -> Result<(), BadPlan> {
    if ns > DAY_NS {
        Err(BadPlan::Time { what: what(), ns })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Seed;

    fn capsule_text() -> String {
        let scenario = &scenario::SCENARIOS[0];
        let plan = scenario.plan(Seed(7), None);
        let anomaly = squall_checkers::Anomaly {
            checker: "linearizability".to_owned(),
            class: "stale-read".to_owned(),
            sentence: "A stale read.".to_owned(),
            witness: vec![1, 2],
            first_bad_event: Some(5),
            ..squall_checkers::Anomaly::default()
        };
        let verdict = Verdict::Invalid(anomaly);
        let capsule = Capsule::of(scenario, &plan, &Record::default(), &verdict);
        capsule.map(|capsule| capsule.to_text()).unwrap_or_default()
    }

    fn error_of(text: &str) -> String {
        Capsule::parse(text)
            .err()
            .map_or_else(|| "none".to_owned(), |error| error.to_string())
    }

    #[test]
    fn a_capsule_comes_back_as_it_was_written() {
        let text = capsule_text();
        let capsule = Capsule::parse(&text).unwrap();
        assert_eq!(
            capsule.signature,
            "consensus/register:linearizability:stale-read"
        );
        assert_eq!(capsule.to_text(), text);
    }

    #[test]
    fn what_is_wrong_with_a_capsule_is_named() {
        let text = capsule_text();
        assert!(error_of(&text[..text.len() / 2]).contains("EOF while parsing"));
        assert!(error_of("{}").contains("missing field `schema`"));
        let other = text.replacen("\"schema\": 1", "\"schema\": 9", 1);
        assert!(error_of(&other).contains("capsule is of schema 9, expected 1"));
        let at = text.rfind("\"schema\": 1").unwrap();
        let other = format!("{}{}", &text[..at], text[at..].replacen('1', "2", 1));
        assert!(error_of(&other).contains("plan is of schema 2, expected 1"));
        let other = text.replace("consensus/register\"", "no/such\"");
        assert!(
            error_of(&other)
                .contains("there is no scenario `no/such`: expected one of consensus/register")
        );
        let other = text
            .replace("\"nodes\": 3", "\"nodes\": 0")
            .replace("\"nodes\": 5", "\"nodes\": 0");
        assert!(matches!(
            Capsule::parse(&other),
            Err(CapsuleError::Plan(BadPlan::Nodes(0)))
        ));
        let other = text.replacen("0x0000000000000007", "0xzz", 1);
        assert!(error_of(&other).contains("`0xzz` is not a seed"));
    }

    #[test]
    fn a_disk_that_cannot_be_is_refused() {
        let mut plan = scenario::SCENARIOS[0].plan(Seed(7), None);
        plan.disk.profile.nothing_per_mille = 501;
        plan.disk.profile.everything_per_mille = 500;
        assert!(matches!(plan.validate(), Err(BadPlan::Profile(_))));
        plan.disk.profile.everything_per_mille = 499;
        assert_eq!(plan.validate(), Ok(()));
        plan.disk.profile.garbage_per_mille = 1001;
        assert!(matches!(plan.validate(), Err(BadPlan::Profile(_))));
    }

    #[test]
    fn effects_that_cannot_be_are_refused() {
        let bad = [
            r#"{"kind": "links", "effect": {"kind": "corrupt", "per_mille": 1001}}"#,
            r#"{"kind": "links", "effect": {"kind": "slow", "extra_ns_max": 18446744073709551615}}"#,
            r#"{"kind": "clock", "effect": {"kind": "strobe", "wall_ns": 1, "period_ns": 0}}"#,
            r#"{"kind": "clock", "effect": {"kind": "step", "wall_ns": -9223372036854775808}}"#,
            r#"{"kind": "clock", "effect": {"kind": "drift", "ppm": -2147483648}}"#,
            r#"{"kind": "tasks", "effect": {"kind": "panic", "per_million": 1000001}}"#,
            r#"{"kind": "disk", "effect": {"kind": "read-error", "per_mille": 1001}}"#,
            r#"{"kind": "disk", "effect": {"kind": "stall", "for_ns": 18446744073709551615}}"#,
        ];
        let good = Capsule::parse(&capsule_text()).unwrap();
        for fault in bad {
            let mut capsule = good.clone();
            capsule.plan.faults[0].fault = serde_json::from_str(fault).unwrap();
            let refused = Capsule::parse(&capsule.to_text());
            assert!(
                matches!(
                    refused,
                    Err(CapsuleError::Plan(BadPlan::Effect { episode: 0, .. }))
                ),
                "{fault}"
            );
        }
    }

    #[test]
    fn every_prefix_is_refused_without_a_panic() {
        let text = capsule_text();
        for length in 0..text.len() - 2 {
            if text.is_char_boundary(length) {
                assert!(Capsule::parse(&text[..length]).is_err());
            }
        }
    }
}
