//! Whether each operation ever worked, and how often.
//!
//! Jepsen's `stats`, whose question is of the run and not of the system: of an operation that never
//! succeeded nothing is known, so the run proved nothing of it, and is `Vacuous`. With
//! [`StatsOptions::min_success`] too few successes are held against the system.
//!
//! Any operations will do; keys do not matter. O(n log n).

use super::findings::{Findings, Told};
use super::latencies::Latencies;
use super::recovery::Share;
use super::span::{Span, moments};
use crate::history::{History, Outcome};
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};

/// What is asked of the operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsOptions {
    /// Which share of the operations of each name must succeed, if any.
    pub min_success: Option<Share>,
    /// The names of operations that need not succeed, such as `crash`.
    pub may_fail: BTreeSet<String>,
}

/// Judges the operations of each name. `Vacuous` if there are none, or none of a name succeeded.
///
/// # Panics
/// If the share is more than the whole, or of nothing.
pub fn check(history: &History, options: &StatsOptions) -> Verdict {
    let statistics = statistics(history);
    let is_judged = |name: &&String| !options.may_fail.contains(*name);
    let by_f = statistics.by_f.iter().filter(|(name, _)| is_judged(name));
    let mut findings = Findings::new("stats");
    let last_event = history.events().len().saturating_sub(1);
    for (name, outcomes) in by_f.clone() {
        if let Some(share) = options.min_success
            && !share.is_met(outcomes.ok as u64, outcomes.count() as u64)
        {
            findings.note(last_event, "too-few-successes", || {
                let sentence = format!(
                    "Of {} operations `{name}` only {} succeeded, but {} of {} must.",
                    outcomes.count(),
                    outcomes.ok,
                    share.numerator,
                    share.denominator
                );
                Told::new(sentence, [])
            });
        }
    }
    let never: Vec<String> = by_f
        .filter(|(_, outcomes)| outcomes.ok == 0)
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    findings.verdict(
        || statistics.sentences(),
        || match never.as_slice() {
            _ if statistics.by_f.is_empty() => Verdict::Vacuous("nothing was done".to_owned()),
            [] => Verdict::Valid { witness: None },
            never => Verdict::Vacuous(format!("no operation {} succeeded", never.join(" or "))),
        },
    )
}

/// How operations went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub by_f: BTreeMap<String, Outcomes>,
    /// How many operations began while so many others were open.
    pub concurrency: BTreeMap<usize, usize>,
}

/// How the operations of one name went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub ok: usize,
    pub fail: usize,
    pub info: usize,
    /// Of those that succeeded.
    pub latency: Latencies,
}

impl Outcomes {
    pub fn count(&self) -> usize {
        self.ok + self.fail + self.info
    }
}

/// How operations went.
pub fn statistics(history: &History) -> Statistics {
    let mut statistics = Statistics::default();
    let mut by_f: BTreeMap<&str, Outcomes> = BTreeMap::new();
    for operation in history.operations() {
        let outcomes = by_f.entry(operation.f).or_default();
        match operation.outcome {
            Outcome::Fail => outcomes.fail += 1,
            Outcome::Info => outcomes.info += 1,
            Outcome::Ok => {
                outcomes.ok += 1;
                let ended_ns = operation.completed_ns.unwrap_or(operation.invoked_ns);
                outcomes
                    .latency
                    .add(ended_ns.saturating_sub(operation.invoked_ns));
            }
        }
    }
    let mut open = 0;
    for moment in moments(history.operations().iter().map(Span::from)) {
        if moment.is_end {
            open -= 1;
        } else {
            *statistics.concurrency.entry(open).or_default() += 1;
            open += 1;
        }
    }
    let by_f = by_f
        .into_iter()
        .map(|(name, outcomes)| (name.to_owned(), outcomes));
    statistics.by_f = by_f.collect();
    statistics
}

impl Statistics {
    fn sentences(&self) -> Vec<String> {
        let by_f = self.by_f.iter().map(|(name, outcomes)| {
            let Outcomes {
                ok,
                fail,
                info,
                latency,
            } = outcomes;
            format!(
                "`{name}`: {ok} ok, {fail} failed, {info} unknown; latency {}.",
                latency.sentence()
            )
        });
        by_f.collect()
    }
}
