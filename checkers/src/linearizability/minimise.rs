//! The few operations that together are impossible.
//!
//! Only by steps after which everything that was possible still is: to leave out an operation that
//! changes no state, and to say of another that nobody knows whether it happened. What is impossible
//! without those certainties is impossible with them. (To leave out a *write* is no such step: it
//! makes its readers impossible.) The steps are taken in chunks, as in Zeller and Hildebrandt's
//! "Simplifying and isolating failure-inducing input", 2002.

use super::judge::{Judgement, judge};
use super::limits::{Limits, Meter};
use super::problem::Entry;
use crate::spec::{Effect, Spec};
use std::collections::BTreeSet;

/// How often a smaller set is tried, and how hard. Both bounds are counts, so that the result is the
/// same on every machine.
const TRIES_MAX: usize = 400;
const CONFIGURATIONS_PER_TRY_MAX: u64 = 20_000;
const CONFIGURATIONS_MAX: u64 = 2_000_000;
const MEMORY_BYTES_PER_TRY_MAX: u64 = 256 << 20;

/// The ids of operations whose certainty alone makes `entries` impossible. `suspects` is a guess: where
/// it is right, it saves the search.
pub(super) fn minimise<S: Spec>(spec: &S, entries: &[Entry<S>], suspects: &[usize]) -> Vec<usize> {
    let certain: Vec<usize> = entries
        .iter()
        .filter(|entry| entry.completed.is_some())
        .map(|entry| entry.id)
        .collect();
    let mut attempt = Attempt {
        spec,
        entries,
        tries: 0,
        configurations: 0,
    };
    let guess: Vec<usize> = certain
        .iter()
        .copied()
        .filter(|id| suspects.contains(id))
        .collect();
    if attempt.is_impossible(&guess) {
        return attempt.shrink(guess);
    }
    attempt.shrink(certain)
}

struct Attempt<'a, S: Spec> {
    spec: &'a S,
    entries: &'a [Entry<S>],
    tries: usize,
    configurations: u64,
}

impl<S: Spec> Attempt<'_, S> {
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
        if self.tries >= TRIES_MAX || self.configurations >= CONFIGURATIONS_MAX {
            return false;
        }
        self.tries += 1;
        let mut meter = Meter::new(Limits {
            configurations_max: CONFIGURATIONS_PER_TRY_MAX,
            memory_bytes_max: MEMORY_BYTES_PER_TRY_MAX,
            time_max: None,
        });
        let judgement = judge(self.spec, &self.relaxed(certain), &mut meter);
        self.configurations += meter.configurations;
        matches!(judgement, Judgement::Impossible { .. })
    }

    fn relaxed(&self, certain: &[usize]) -> Vec<Entry<S>> {
        let certain: BTreeSet<usize> = certain.iter().copied().collect();
        let mut relaxed = Vec::new();
        for entry in self.entries {
            if certain.contains(&entry.id) {
                relaxed.push(entry.clone());
            } else if entry.effect(self.spec) != Effect::ReadOnly {
                relaxed.push(entry.relaxed());
            }
        }
        relaxed
    }
}
