//! The few operations that together are impossible.
//!
//! Only by steps after which everything that was possible still is:
//!
//! - to leave out an operation that changes no state;
//! - to say of another that nobody knows whether it happened;
//! - to forget everything that ended before some event, and let the object be in any state there.
//!
//! What is impossible without those certainties is impossible with them. (To leave out a *write* is no
//! such step: it makes its readers impossible.) The steps are taken in chunks, as in Zeller and
//! Hildebrandt's "Simplifying and isolating failure-inducing input", 2002.

use super::judge::{Judgement, judge_from};
use super::limits::{Limits, Meter};
use super::problem::Entry;
use crate::spec::{Effect, Spec};
use std::collections::{BTreeSet, HashSet};

/// How often a smaller set is tried, and how hard. All bounds are counts, so that the result is the
/// same on every machine.
const TRIES_MAX: usize = 400;
const CONFIGURATIONS_PER_TRY_MAX: u64 = 20_000;
const CONFIGURATIONS_MAX: u64 = 500_000;
const MEMORY_BYTES_PER_TRY_MAX: u64 = 256 << 20;
/// How much work goes into finding the states that the object can be in.
const STATE_STEPS_MAX: usize = 1_000_000;

/// The ids of operations whose certainty alone makes `entries` impossible, in ascending order. `named`,
/// and those together with `suspects`, are guesses: where one is right, it saves the search, and
/// `named` are all in the result.
pub(super) fn minimise<S: Spec>(
    spec: &S,
    entries: &[Entry<S>],
    named: &[usize],
    suspects: &[usize],
) -> Vec<usize> {
    let states = reachable_states(spec, entries);
    let entries = entries.to_vec();
    let mut attempt = Attempt {
        spec,
        start: None,
        entries,
        tries: 0,
        configurations: 0,
    };
    if let Some(states) = &states
        && let Some(kept) = attempt.without_past(states, named)
    {
        return united(kept, named);
    }
    let guess = attempt.certain(|id| named.contains(&id) || suspects.contains(&id));
    if attempt.is_impossible(&guess) {
        return united(attempt.shrink(guess), named);
    }
    if let Some(states) = states {
        attempt.forget_the_past(states);
    }
    let certain = attempt.certain(|_| true);
    attempt.shrink(certain)
}

fn united(mut kept: Vec<usize>, named: &[usize]) -> Vec<usize> {
    kept.extend(named);
    kept.sort_unstable();
    kept.dedup();
    kept
}

struct Attempt<'a, S: Spec> {
    spec: &'a S,
    /// The states in which `entries` may begin; `None` for the initial one.
    start: Option<Vec<S::State>>,
    entries: Vec<Entry<S>>,
    tries: usize,
    configurations: u64,
}

impl<S: Spec> Attempt<'_, S> {
    /// The ids of the certain operations among those that are wanted.
    fn certain(&self, is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let certain = self
            .entries
            .iter()
            .filter(|entry| entry.completed.is_some());
        certain
            .map(|entry| entry.id)
            .filter(|&id| is_wanted(id))
            .collect()
    }

    /// What stays of some operations, if they are impossible whatever was before the first of them.
    fn without_past(&mut self, states: &[S::State], ids: &[usize]) -> Option<Vec<usize>> {
        let ids = self.certain(|id| ids.contains(&id));
        let first = self.entries.iter().find(|entry| ids.contains(&entry.id))?;
        let entries = self.after(first.invoked);
        let (tries, configurations) = (self.tries, self.configurations);
        let start = Some(states.to_vec());
        let mut rest = Attempt {
            spec: self.spec,
            start,
            entries,
            tries,
            configurations,
        };
        rest.is_impossible(&ids).then(|| rest.shrink(ids))
    }

    /// Finds the last event after which the operations are impossible whatever was before it.
    fn forget_the_past(&mut self, states: Vec<S::State>) {
        let cuts: Vec<usize> = self.entries.iter().map(|entry| entry.invoked).collect();
        let (mut impossible, mut possible) = (None, cuts.len());
        let mut low = 0;
        while low < possible {
            let middle = low + (possible - low) / 2;
            let after = self.after(cuts[middle]);
            if self.is_judged_impossible(Some(&states), &after) {
                impossible = Some(after);
                low = middle + 1;
            } else {
                possible = middle;
            }
        }
        if let Some(after) = impossible {
            self.entries = after;
            self.start = Some(states);
        }
    }

    /// What may still happen after an event. What was open there may have happened before.
    fn after(&self, event: usize) -> Vec<Entry<S>> {
        let mut after = Vec::new();
        for entry in &self.entries {
            if entry.invoked >= event {
                after.push(entry.clone());
            } else if entry.completed.is_none_or(|completed| completed >= event) {
                after.push(entry.relaxed());
            }
        }
        after
    }

    /// Takes away chunks, ever smaller ones, as long as what stays is impossible.
    fn shrink(&mut self, mut kept: Vec<usize>) -> Vec<usize> {
        let mut size = kept.len().div_ceil(2);
        while size > 0 && !kept.is_empty() {
            let mut start = 0;
            let mut shrunk = false;
            while start < kept.len() {
                let end = (start + size).min(kept.len());
                let rest = [&kept[..start], &kept[end..]].concat();
                if self.is_impossible(&rest) {
                    kept = rest;
                    shrunk = true;
                } else {
                    start = end;
                }
            }
            if size > 1 {
                size = size.div_ceil(2);
            } else if !shrunk {
                break;
            }
        }
        kept
    }

    fn is_impossible(&mut self, certain: &[usize]) -> bool {
        let relaxed = self.relaxed(certain);
        let start = self.start.take();
        let is_impossible = self.is_judged_impossible(start.as_deref(), &relaxed);
        self.start = start;
        is_impossible
    }

    fn is_judged_impossible(&mut self, states: Option<&[S::State]>, entries: &[Entry<S>]) -> bool {
        if self.tries >= TRIES_MAX || self.configurations >= CONFIGURATIONS_MAX {
            return false;
        }
        self.tries += 1;
        let mut meter = Meter::new(Limits {
            configurations_max: CONFIGURATIONS_PER_TRY_MAX,
            memory_bytes_max: MEMORY_BYTES_PER_TRY_MAX,
            time_max: None,
        });
        let judgement = judge_from(self.spec, states, entries, &mut meter);
        self.configurations += meter.configurations;
        matches!(judgement, Judgement::Impossible { .. })
    }

    fn relaxed(&self, certain: &[usize]) -> Vec<Entry<S>> {
        let certain: BTreeSet<usize> = certain.iter().copied().collect();
        let mut relaxed = Vec::new();
        for entry in &self.entries {
            if certain.contains(&entry.id) {
                relaxed.push(entry.clone());
            } else if entry.effect(self.spec) != Effect::ReadOnly {
                relaxed.push(entry.relaxed());
            }
        }
        relaxed
    }
}

/// Every state that the operations can lead to in any order, and maybe more; `None` if they are too
/// many to tell.
fn reachable_states<S: Spec>(spec: &S, entries: &[Entry<S>]) -> Option<Vec<S::State>> {
    let mut known = HashSet::new();
    let mut kinds = Vec::new();
    for entry in entries {
        for kind in [
            (&entry.operation, entry.returned.as_ref()),
            (&entry.operation, None),
        ] {
            if known.insert(kind) {
                kinds.push(kind);
            }
        }
    }
    let initial = spec.initial();
    let mut seen = HashSet::from([initial.clone()]);
    let mut states = vec![initial];
    let mut next = 0;
    while next < states.len() {
        let state = states[next].clone();
        next += 1;
        if next * kinds.len() > STATE_STEPS_MAX {
            return None;
        }
        for (operation, returned) in &kinds {
            if let Ok(after) = spec.step(&state, operation, *returned)
                && seen.insert(after.clone())
            {
                states.push(after);
            }
        }
    }
    Some(states)
}
