//! The tally: what a campaign has found so far.

use std::collections::BTreeMap;

use squall_checkers::{Anomaly, Verdict};
use squall_sim::engine::{Escape, EscapeKind};
use squall_workloads::judge::Kind;
use squall_workloads::plan::Seed;

use super::{RunResult, Stats};
use crate::exit::Exit;

/// What a campaign has found so far.
#[derive(Debug, Default)]
pub struct Tally {
    pub scenarios: BTreeMap<String, ScenarioTally>,
    /// By signature.
    pub failures: BTreeMap<String, Failure>,
    /// Runs that differed when they were repeated.
    pub nondeterministic: Vec<(String, Seed)>,
    /// What programs did around the simulation, by its kind: in how many runs, and the first of them.
    pub escapes: BTreeMap<EscapeKind, (u64, Escape)>,
    /// Whys of runs that nobody could judge, or that proved nothing; a few of each.
    pub doubts: Vec<String>,
}

/// What a campaign has found in one scenario.
#[derive(Debug, Default)]
pub struct ScenarioTally {
    pub seeds: u64,
    pub valid: u64,
    pub invalid: u64,
    pub unknown: u64,
    pub vacuous: u64,
    /// Of the invalid: crashes.
    pub crashed: u64,
    pub stats: Stats,
}

/// Failures of one signature.
#[derive(Clone, Debug)]
pub struct Failure {
    pub scenario: String,
    pub anomaly: Anomaly,
    pub count: u64,
    /// The seed of the smallest number in the campaign.
    pub first: (usize, Seed),
    pub kind: Kind,
}

/// How many doubts are kept.
const DOUBTS_MAX: usize = 20;

impl Tally {
    /// Takes in a run; answers the signature if it is a failure of a kind not met before.
    pub fn add(
        &mut self,
        number: usize,
        scenario: &str,
        seed: Seed,
        result: &RunResult,
    ) -> Option<String> {
        let tally = self.scenarios.entry(scenario.to_owned()).or_default();
        tally.seeds += 1;
        tally.stats.add(&result.stats);
        for escape in &result.findings.escapes {
            let first = self.escapes.entry(escape.kind);
            first.or_insert_with(|| (0, escape.clone())).0 += 1;
        }
        let anomaly = match &result.verdict {
            Verdict::Valid { .. } => {
                tally.valid += 1;
                return None;
            }
            Verdict::Unknown(why) => {
                tally.unknown += 1;
                self.doubt(scenario, seed, "unknown", why);
                return None;
            }
            Verdict::Vacuous(why) => {
                tally.vacuous += 1;
                self.doubt(scenario, seed, "vacuous", why);
                return None;
            }
            Verdict::Invalid(anomaly) => anomaly,
        };
        let kind = Kind::of(anomaly);
        tally.invalid += 1;
        tally.crashed += u64::from(kind == Kind::Crash);
        let signature = format!("{scenario}:{}:{}", anomaly.checker, anomaly.class);
        if let Some(known) = self.failures.get_mut(&signature) {
            known.count += 1;
            if number < known.first.0 {
                known.first = (number, seed);
                known.anomaly = anomaly.clone();
            }
            return None;
        }
        let failure = Failure {
            scenario: scenario.to_owned(),
            anomaly: anomaly.clone(),
            count: 1,
            first: (number, seed),
            kind,
        };
        self.failures.insert(signature.clone(), failure);
        Some(signature)
    }

    fn doubt(&mut self, scenario: &str, seed: Seed, word: &str, why: &str) {
        if self.doubts.len() < DOUBTS_MAX {
            self.doubts
                .push(format!("{word}: {scenario} {seed}: {why}"));
        }
    }

    /// How many runs failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().map(|failure| failure.count).sum()
    }

    /// How many runs there were.
    pub fn seeds(&self) -> u64 {
        self.scenarios.values().map(|tally| tally.seeds).sum()
    }

    /// The numbers of all runs together.
    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        self.scenarios
            .values()
            .for_each(|tally| sum.add(&tally.stats));
        sum
    }

    /// How the campaign ends.
    pub fn exit(&self) -> Exit {
        let any = |is_any: bool, exit: Exit| is_any.then_some(exit);
        let count = |of: fn(&ScenarioTally) -> u64| self.scenarios.values().map(of).sum::<u64>();
        let failed = |kind| self.failures.values().any(|failure| failure.kind == kind);
        let exits = [
            any(!self.nondeterministic.is_empty(), Exit::Nondeterminism),
            any(failed(Kind::Safety), Exit::Violation),
            any(failed(Kind::Crash), Exit::Crash),
            any(failed(Kind::Liveness), Exit::Liveness),
            any(count(|tally| tally.unknown) > 0, Exit::Unknown),
            any(count(|tally| tally.vacuous) > 0, Exit::Vacuous),
        ];
        exits.into_iter().flatten().min().unwrap_or(Exit::Success)
    }
}
