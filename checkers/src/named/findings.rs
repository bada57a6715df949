//! What a checker has found so far: the first thing is told, the rest counted.

use crate::verdict::{Anomaly, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Something impossible, told.
pub(super) struct Told {
    pub(super) sentence: String,
    /// The operations that together are impossible.
    pub(super) witness: BTreeSet<usize>,
    pub(super) explanation: Vec<String>,
}

impl Told {
    pub(super) fn new(sentence: String, witness: impl IntoIterator<Item = usize>) -> Self {
        Self {
            sentence,
            witness: witness.into_iter().collect(),
            explanation: Vec::new(),
        }
    }
}

struct First {
    event: usize,
    class: &'static str,
    told: Told,
}

pub(super) struct Findings {
    checker: &'static str,
    first: Option<First>,
    counts: BTreeMap<&'static str, usize>,
}

impl Findings {
    pub(super) fn new(checker: &'static str) -> Self {
        Self {
            checker,
            first: None,
            counts: BTreeMap::new(),
        }
    }

    /// Notes an anomaly that is certain since an event. Only the earliest is told; of several at one
    /// event, the one that is noted first.
    pub(super) fn note(&mut self, event: usize, class: &'static str, tell: impl FnOnce() -> Told) {
        *self.counts.entry(class).or_default() += 1;
        if self.first.as_ref().is_none_or(|first| event < first.event) {
            let told = tell();
            self.first = Some(First { event, class, told });
        }
    }

    /// The verdict: `otherwise` if nothing was found, and else the first finding, with `more` to
    /// explain it.
    pub(super) fn verdict(
        self,
        more: impl FnOnce() -> Vec<String>,
        otherwise: impl FnOnce() -> Verdict,
    ) -> Verdict {
        let Some(First { event, class, told }) = self.first else {
            return otherwise();
        };
        let mut explanation = told.explanation;
        explanation.extend(more());
        let counts = self.counts.iter();
        let counts: Vec<String> = counts
            .map(|(class, count)| format!("{class} {count}"))
            .collect();
        explanation.push(format!("Found in all: {}.", counts.join(", ")));
        Verdict::Invalid(Anomaly {
            checker: self.checker.to_owned(),
            class: class.to_owned(),
            sentence: told.sentence,
            witness: told.witness.into_iter().collect(),
            first_bad_event: Some(event),
            explanation,
            ..Anomaly::default()
        })
    }
}
