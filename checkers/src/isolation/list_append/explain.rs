//! What was found, told.

use super::ListAppendOptions;
use super::direct::Direct;
use super::evidence::Evidence;
use super::judge::Judgement;
use super::names::Names;
use super::transactions::{MicroOperation, Transactions};
use crate::isolation::cycles::Found;
use crate::isolation::models::{RuledOut, rules_out};
use crate::isolation::phenomena::Phenomenon;
use crate::isolation::told;
use crate::sorting::sort_by_number;
use crate::verdict::{Anomaly, Dependency};
use std::collections::BTreeSet;

/// The checker's name in verdicts.
pub(super) const CHECKER: &str = "list-append";

/// Tells what breaks the model first, and all else that was found after it, the worst first.
pub(super) fn anomaly(
    transactions: &Transactions,
    names: &Names,
    judgement: &Judgement,
    options: &ListAppendOptions,
) -> Anomaly {
    let told = Told {
        transactions,
        names,
        evidence: Evidence {
            transactions,
            versions: &judgement.versions,
            names,
        },
    };
    let mut all: Vec<(Phenomenon, Anomaly)> = Vec::new();
    for (direct, count) in judgement.direct.all() {
        all.push((direct.phenomenon, told.direct(direct, count)));
    }
    for found in &judgement.cycles.found {
        all.push((found.phenomenon, told.cycle(found)));
    }
    sort_by_number(&mut all, |&(phenomenon, _)| phenomenon as usize);
    let is_forbidden = |(phenomenon, _): &(Phenomenon, Anomaly)| options.model.forbids(*phenomenon);
    let first = all.iter().position(is_forbidden).unwrap_or(0);
    let (_, mut anomaly) = all.remove(first);
    let out = rules_out(&judgement.phenomena());
    anomaly.explanation.extend(overview(judgement, &out));
    anomaly.rules_out = told::names_of(&out.weakest);
    anomaly.also = all.into_iter().map(|(_, anomaly)| anomaly).collect();
    anomaly
}

/// What the reader should know of the history as a whole.
fn overview(judgement: &Judgement, out: &RuledOut) -> Vec<String> {
    let mut lines: Vec<String> = told::overview(out).into_iter().collect();
    let unobserved = judgement.versions.unobserved_count();
    if unobserved > 0 {
        lines.push(format!(
            "Appends that no read shows: {unobserved}. Of their order it is known only that they came last."
        ));
    }
    for undecided in &judgement.cycles.undecided {
        lines.push(format!(
            "Whether there is a {undecided} was not decided: the limit of edges to look at was met."
        ));
    }
    lines
}

struct Told<'a> {
    transactions: &'a Transactions,
    names: &'a Names,
    evidence: Evidence<'a>,
}

impl Told<'_> {
    fn cycle(&self, found: &Found) -> Anomaly {
        let mut witness = BTreeSet::new();
        let mut cycle = Vec::new();
        for &edge in &found.cycle {
            let clause = self.evidence.clause(edge);
            witness.extend([edge.from as usize, edge.to as usize]);
            witness.extend(clause.shown_by.map(|reader| reader as usize));
            cycle.push(Dependency {
                from: edge.from as usize,
                to: edge.to as usize,
                kind: edge.kind.dependency().expect("no relays in what is found"),
                sentence: clause.sentence,
            });
        }
        let mut explanation = vec![format!(
            "{}: {}.",
            found.phenomenon,
            found.phenomenon.meaning()
        )];
        explanation.extend(witness.iter().map(|&id| self.transaction(id as u32)));
        explanation.extend(told::order(&cycle));
        if !found.is_shortest {
            explanation.push(
                "There may be a shorter such cycle: the limit of edges to look at was met."
                    .to_owned(),
            );
        }
        Anomaly {
            sentence: told::sentence(&cycle),
            witness: witness.into_iter().collect(),
            cycle,
            explanation,
            ..self.anomaly(found.phenomenon)
        }
    }

    fn anomaly(&self, phenomenon: Phenomenon) -> Anomaly {
        Anomaly {
            checker: CHECKER.to_owned(),
            class: phenomenon.name().to_owned(),
            rules_out: told::names_of(&rules_out(&[phenomenon]).weakest),
            ..Anomaly::default()
        }
    }

    fn transaction(&self, transaction: u32) -> String {
        let header = self.transactions.header(transaction);
        let since = if header.completed == u32::MAX {
            format!("since event {}", header.invoked)
        } else {
            format!("events {} to {}", header.invoked, header.completed)
        };
        format!(
            "transaction {transaction} (process {}, {since}): {}",
            header.process,
            self.names.transaction(self.transactions, transaction)
        )
    }

    fn direct(&self, direct: Direct, count: usize) -> Anomaly {
        let Direct {
            phenomenon,
            operation,
            other,
            ..
        } = direct;
        let operations = [Some(operation), other].into_iter().flatten();
        let transactions: BTreeSet<u32> = operations
            .map(|operation| self.transactions.transaction_of(operation))
            .collect();
        let mut explanation = vec![format!("{phenomenon}: {}.", phenomenon.meaning())];
        explanation.extend(transactions.iter().map(|&id| self.transaction(id)));
        if count > 1 {
            explanation.push(format!(
                "{phenomenon} was found {count} times; this is the first."
            ));
        }
        Anomaly {
            sentence: self.sentence(direct),
            witness: transactions.into_iter().map(|id| id as usize).collect(),
            explanation,
            ..self.anomaly(phenomenon)
        }
    }

    fn sentence(&self, direct: Direct) -> String {
        use Phenomenon::*;
        let Direct {
            phenomenon,
            operation,
            other,
            element,
        } = direct;
        let this = self.subject(operation);
        let other = other.map_or_else(String::new, |other| self.object(other));
        let element = element.map_or_else(String::new, |element| self.names.element(element));
        match phenomenon {
            DuplicateElements => format!("{this} shows {element} twice, which was appended once."),
            ThinAirRead => format!("{this} shows {element}, which nobody appended."),
            G1a => format!("{this} shows {element}, but {other} failed."),
            G1b => {
                format!("{this} ends with {other}, after which the same transaction appended more.")
            }
            DirtyUpdate => format!("{this} builds on {other}, which failed."),
            FutureRead => {
                format!("{this} shows {other}, which came after it in the same transaction.")
            }
            Internal => format!("{this} contradicts {other}, earlier in the same transaction."),
            LostUpdate => {
                format!(
                    "{this} and {other} saw the same version, and both transactions appended to it."
                )
            }
            _ => format!("{this} and {other} contradict each other: lists only grow at their end."),
        }
    }

    fn subject(&self, operation: u32) -> String {
        self.object(operation).replacen('t', "T", 1)
    }

    fn object(&self, operation: u32) -> String {
        let transaction = self.transactions.transaction_of(operation);
        let what = match self.transactions.operation(operation) {
            MicroOperation::Append { key, element } => format!(
                "append of {} to key {}",
                self.names.element(element),
                self.names.key(key)
            ),
            MicroOperation::Read { key, list } => format!(
                "read of key {}, {},",
                self.names.key(key),
                self.names.list(list)
            ),
            MicroOperation::UnknownRead { key } => format!("read of key {}", self.names.key(key)),
        };
        format!("transaction {transaction}'s {what}")
    }
}
