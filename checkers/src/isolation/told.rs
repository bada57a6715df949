//! What was found, in words that need not know what was read or written.

use super::models::{ConsistencyModel, RuledOut};
use crate::verdict::Dependency;

/// A longer cycle is told in full only in the explanation.
const TOLD_EDGES: usize = 4;

pub(super) fn names_of(models: &[ConsistencyModel]) -> Vec<String> {
    models.iter().map(ToString::to_string).collect()
}

/// What else cannot hold, if there is more than the weakest.
pub(super) fn overview(out: &RuledOut) -> Option<String> {
    (!out.also.is_empty()).then(|| {
        format!(
            "What was found rules out {}, and with that {}.",
            names_of(&out.weakest).join(", "),
            names_of(&out.also).join(", ")
        )
    })
}

/// One sentence for a whole cycle.
pub(super) fn sentence(cycle: &[Dependency]) -> String {
    let ids: Vec<String> = cycle.iter().map(|edge| edge.from.to_string()).collect();
    let (last, others) = ids.split_last().expect("a cycle has edges");
    if cycle.len() > TOLD_EDGES {
        return format!(
            "Each of {} transactions must come before the next, and the last of them, {last}, before the first, {}: {}.",
            cycle.len(),
            ids[0],
            cycle[cycle.len() - 1].sentence
        );
    }
    let clauses: Vec<&str> = cycle.iter().map(|edge| edge.sentence.as_str()).collect();
    format!(
        "No order of the transactions {} and {last} is possible: {}.",
        others.join(", "),
        clauses.join("; ")
    )
}

/// The clauses of the proof, one an edge.
pub(super) fn order(cycle: &[Dependency]) -> impl Iterator<Item = String> + '_ {
    cycle.iter().enumerate().map(|(index, edge)| {
        let Dependency {
            from, to, sentence, ..
        } = edge;
        if index + 1 == cycle.len() {
            format!("However, {from} comes before {to}, because {sentence}: a contradiction.")
        } else {
            format!("{from} comes before {to}, because {sentence}.")
        }
    })
}
