//! What a checker has found so far: the first of each class is told, the rest counted.

use crate::sorting::sort_by_number;
use crate::verdict::{Anomaly, Dependency, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Something impossible, told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) sentence: String,
    /// The operations that together are impossible.
    pub(super) witness: BTreeSet<usize>,
    /// Whether without any one of them the others are possible.
    pub(super) minimal: bool,
    pub(super) explanation: Vec<String>,
    /// See [`Anomaly::rules_out`].
    pub(super) rules_out: Vec<String>,
    /// See [`Anomaly::cycle`].
    pub(super) cycle: Vec<Dependency>,
}

impl Told {
    pub(super) fn new(sentence: String, witness: impl IntoIterator<Item = usize>) -> Self {
        Self {
            sentence,
            witness: witness.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Of a law that speaks of just these operations, so that none can be left out.
    pub(super) fn minimal(sentence: String, witness: impl IntoIterator<Item = usize>) -> Self {
        Self {
            minimal: true,
            ..Self::new(sentence, witness)
        }
    }
}

/// What was found of one class.
struct Class {
    count: usize,
    /// Since when the earliest is certain.
    first: usize,
    /// The place of the earliest in the order of finding.
    place: usize,
    told: Told,
}

pub(super) struct Findings {
    checker: &'static str,
    classes: BTreeMap<&'static str, Class>,
    found: usize,
}

impl Findings {
    pub(super) fn new(checker: &'static str) -> Self {
        Self {
            checker,
            classes: BTreeMap::new(),
            found: 0,
        }
    }

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Whether an anomaly of this class that is certain since `event` would be told, and not only
    /// counted: where it costs something to say since when it is certain, a lower bound is asked first.
    pub(super) fn would_tell(&self, event: usize, class: &str) -> bool {
        let class = self.classes.get(class);
        class.is_none_or(|class| event < class.first)
    }

    /// Notes an anomaly that is certain since an event. Of each class only the earliest is told; of
    /// several at one event, the one that is noted first.
    pub(super) fn note(&mut self, event: usize, class: &'static str, tell: impl FnOnce() -> Told) {
        let place = self.found;
        self.found += 1;
        let told_again = self.would_tell(event, class);
        match self.classes.get_mut(class) {
            Some(known) => {
                known.count += 1;
                if told_again {
                    (known.first, known.place, known.told) = (event, place, tell());
                }
            }
            None => {
                let told = tell();
                let first = Class {
                    count: 1,
                    first: event,
                    place,
                    told,
                };
                self.classes.insert(class, first);
            }
        }
    }

    /// The verdict: `otherwise` if nothing was found, and else the first finding, with `more` to
    /// explain it, and the first of each other class.
    pub(super) fn verdict(
        self,
        more: impl FnOnce() -> Vec<String>,
        otherwise: impl FnOnce() -> Verdict,
    ) -> Verdict {
        if self.is_empty() {
            return otherwise();
        }
        let counts = self.classes.iter();
        let counts: Vec<String> = counts
            .map(|(class, found)| format!("{class} {}", found.count))
            .collect();
        let checker = self.checker;
        let mut classes: Vec<(&'static str, Class)> = self.classes.into_iter().collect();
        sort_by_number(&mut classes, |(_, found)| found.place);
        sort_by_number(&mut classes, |(_, found)| found.first);
        let mut anomalies = classes
            .into_iter()
            .map(|(class, found)| anomaly(checker, class, found));
        let mut anomaly = anomalies.next().expect("something was found");
        anomaly.also = anomalies.collect();
        anomaly.explanation.extend(more());
        let counts = counts.join(", ");
        anomaly.explanation.push(format!("Found in all: {counts}."));
        Verdict::Invalid(anomaly)
    }
}

fn anomaly(checker: &str, class: &str, found: Class) -> Anomaly {
    let Told {
        sentence,
        witness,
        minimal,
        explanation,
        rules_out,
        cycle,
    } = found.told;
    Anomaly {
        checker: checker.to_owned(),
        class: class.to_owned(),
        sentence,
        witness: witness.into_iter().collect(),
        minimal,
        first_bad_event: Some(found.first),
        rules_out,
        cycle,
        explanation,
        also: Vec::new(),
    }
}
