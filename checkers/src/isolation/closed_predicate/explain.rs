//! What was found, told.

use super::dependencies::shown;
use super::direct::{Direct, What};
use super::judge::Judgement;
use super::predicate::State;
use super::reads::{self, Read, Sight};
use super::transactions::{Step, Transactions};
use super::universe::{Universe, Version};
use crate::isolation::cycles::Found;
use crate::isolation::graph::{Edge, Kinds};
use crate::isolation::models::{ConsistencyModel, rules_out};
use crate::isolation::phenomena::Phenomenon;
use crate::isolation::told;
use crate::sorting::sort_by_number;
use crate::verdict::{Anomaly, Dependency, DependencyKind};
use std::collections::BTreeSet;

const CHECKER: &str = "closed-predicate";

/// Tells what breaks the model first, and all else that was found after it, the worst first.
pub(super) fn anomaly(
    transactions: &Transactions<'_>,
    judgement: &Judgement<'_>,
    model: ConsistencyModel,
) -> Anomaly {
    let told = Told {
        transactions,
        universe: &judgement.universe,
    };
    let mut all: Vec<(Phenomenon, Anomaly)> = Vec::new();
    for direct in &judgement.direct {
        if all.iter().all(|&(known, _)| known != direct.phenomenon) {
            all.push((direct.phenomenon, told.direct(direct)));
        }
    }
    for found in &judgement.cycles.found {
        all.push((found.phenomenon, told.cycle(found)));
    }
    sort_by_number(&mut all, |&(phenomenon, _)| phenomenon as usize);
    let forbidden = all.iter().position(|&(found, _)| model.forbids(found));
    let (_, mut anomaly) = all.remove(forbidden.unwrap_or(0));
    let out = rules_out(&judgement.phenomena());
    anomaly.explanation.extend(told::overview(&out));
    anomaly.rules_out = told::names_of(&out.weakest);
    anomaly.also = all.into_iter().map(|(_, anomaly)| anomaly).collect();
    anomaly
}

/// The read in words, as the subject of a sentence.
fn read(transactions: &Transactions<'_>, read: &Read<'_>) -> String {
    let Read { reader, key, .. } = *read;
    let key = transactions.keys[key as usize];
    match read.sight {
        Sight::State(None) => {
            format!("transaction {reader}'s read of key {key}, which was not there,")
        }
        Sight::State(Some(value)) => format!("transaction {reader}'s read of key {key}, {value},"),
        Sight::Found(predicate, value) => {
            format!("transaction {reader}'s read by {predicate}, with key {key} = {value},")
        }
        Sight::Missing(predicate) => {
            format!("transaction {reader}'s read by {predicate}, without key {key},")
        }
    }
}

/// Why it is not known who came before whom.
pub(super) fn undetermined(transactions: &Transactions<'_>, read: &Read<'_>) -> String {
    let read = self::read(transactions, read);
    format!("{read} may have chosen versions of which nobody knows who came before whom")
}

struct Told<'a, 'h> {
    transactions: &'a Transactions<'h>,
    universe: &'a Universe<'h>,
}

impl<'h> Told<'_, 'h> {
    fn anomaly(&self, phenomenon: Phenomenon, witness: &BTreeSet<usize>) -> Anomaly {
        let mut explanation = vec![format!("{phenomenon}: {}.", phenomenon.meaning())];
        explanation.extend(witness.iter().map(|&id| self.transaction(id)));
        Anomaly {
            checker: CHECKER.to_owned(),
            class: phenomenon.name().to_owned(),
            rules_out: told::names_of(&rules_out(&[phenomenon]).weakest),
            witness: witness.iter().copied().collect(),
            explanation,
            ..Anomaly::default()
        }
    }

    fn cycle(&self, found: &Found) -> Anomaly {
        let cycle: Vec<Dependency> = found
            .cycle
            .iter()
            .map(|&edge| self.dependency(edge))
            .collect();
        let witness = cycle.iter().map(|step| step.from).collect();
        let mut anomaly = self.anomaly(found.phenomenon, &witness);
        anomaly.explanation.extend(told::order(&cycle));
        let is_by_predicate = |step: &Dependency| step.kind == DependencyKind::PredicateReadWrite;
        if cycle.iter().any(is_by_predicate) {
            anomaly.explanation.push(phantom(&cycle).to_owned());
        }
        Anomaly {
            sentence: told::sentence(&cycle),
            cycle,
            ..anomaly
        }
    }

    fn dependency(&self, edge: Edge) -> Dependency {
        let Edge { from, to, kind } = edge;
        let (kind, sentence) = match kind {
            Kinds::WRITE_READ => (DependencyKind::WriteRead, self.write_read(from, to)),
            Kinds::READ_WRITE => self.read_write(from, to),
            Kinds::PROCESS => (DependencyKind::Process, self.process(from, to)),
            _ => (DependencyKind::Realtime, self.realtime(from, to)),
        };
        let (from, to) = (from as usize, to as usize);
        Dependency {
            from,
            to,
            kind,
            sentence,
        }
    }

    fn write_read(&self, from: u32, to: u32) -> String {
        let mut found = None;
        reads::each_of(self.transactions, to, &mut |read| {
            let after = shown(self.universe, &read).after;
            let after = after.filter(|version| version.writer == from && read.own.is_none());
            if let Some(version) = after.filter(|_| found.is_none()) {
                found = Some((read, version));
            }
        });
        let (read, version) = found.expect("an edge is there for a reason");
        let written = self.written(&read, &version);
        format!(
            "{} shows that {written} before",
            self::read(self.transactions, &read)
        )
    }

    /// If there are reads of items and by predicates that say so, the one of an item.
    fn read_write(&self, from: u32, to: u32) -> (DependencyKind, String) {
        let mut found: Option<(Read<'h>, Version<'h>)> = None;
        reads::each_of(self.transactions, from, &mut |read| {
            let is_better = match found {
                Some((known, _)) => known.sight.is_by_predicate() && !read.sight.is_by_predicate(),
                None => true,
            };
            if is_better && read.own.is_none() {
                let mut before = shown(self.universe, &read).before.into_iter();
                let version = before.find(|version| version.writer == to);
                found = version.map(|version| (read, version)).or(found);
            }
        });
        let (read, version) = found.expect("an edge is there for a reason");
        let kind = match read.sight.is_by_predicate() {
            true => DependencyKind::PredicateReadWrite,
            false => DependencyKind::ReadWrite,
        };
        let written = self.written(&read, &version);
        (
            kind,
            format!(
                "{} shows that {written} only after",
                self::read(self.transactions, &read)
            ),
        )
    }

    /// What the writer of a version did.
    fn written(&self, read: &Read<'h>, version: &Version<'h>) -> String {
        let Version { state, writer, .. } = *version;
        match state {
            Some(value) => format!("transaction {writer} set it to {value}"),
            None => {
                let key = self.transactions.keys[read.key as usize];
                format!("transaction {writer} deleted key {key}")
            }
        }
    }

    fn process(&self, from: u32, to: u32) -> String {
        let process = self.transactions.headers[from as usize].process;
        format!("process {process} did transaction {from} before it began transaction {to}")
    }

    fn realtime(&self, from: u32, to: u32) -> String {
        let returned = self.transactions.headers[from as usize].completed;
        let invoked = self.transactions.headers[to as usize].invoked;
        format!(
            "transaction {from} returned at event {returned} before transaction {to} was invoked at event {invoked}"
        )
    }

    fn direct(&self, direct: &Direct<'h>) -> Anomaly {
        let (witness, sentence) = match direct.what {
            What::LostUpdate(key, [one, other]) => (
                [one, other].map(|id| id as usize).into(),
                format!(
                    "Transactions {one} and {other} read the same version of key {}, and both overwrote it.",
                    self.transactions.keys[key as usize]
                ),
            ),
            What::Read(read, other) => (
                [Some(read.reader), other]
                    .into_iter()
                    .flatten()
                    .map(|id| id as usize)
                    .collect(),
                self.wrong(direct.phenomenon, &read, other),
            ),
        };
        Anomaly {
            sentence,
            ..self.anomaly(direct.phenomenon, &witness)
        }
    }

    fn wrong(&self, phenomenon: Phenomenon, read: &Read<'h>, other: Option<u32>) -> String {
        let subject = self::read(self.transactions, read).replacen('t', "T", 1);
        let other = other.map_or_else(String::new, |other| other.to_string());
        let shows = match phenomenon {
            Phenomenon::G1a => format!("shows what transaction {other} wrote, which failed"),
            Phenomenon::G1b => format!(
                "shows what transaction {other} wrote, which wrote something else there afterwards"
            ),
            Phenomenon::FutureRead => "shows what the same transaction wrote only later".to_owned(),
            Phenomenon::Internal => format!(
                "contradicts what the same transaction wrote before: {}",
                value(read.own.flatten())
            ),
            Phenomenon::ThinAirRead => "shows what nobody wrote".to_owned(),
            Phenomenon::GSingleItem => {
                "shows the key as if the universe had begun without it: nobody deleted it"
                    .to_owned()
            }
            _ => match read.sight {
                Sight::Missing(_) => {
                    "misses it: the predicate matches all that it ever was".to_owned()
                }
                _ => "shows what the predicate does not match".to_owned(),
            },
        };
        format!("{subject} {shows}.")
    }

    fn transaction(&self, id: usize) -> String {
        let header = self.transactions.headers[id];
        let since = match header.completed {
            u32::MAX => format!("since event {}", header.invoked),
            completed => format!("events {} to {completed}", header.invoked),
        };
        let steps = self.transactions.steps[id].iter();
        let steps: Vec<String> = steps.map(|step| self.step(step)).collect();
        format!(
            "transaction {id} (process {}, {since}): {}",
            header.process,
            steps.join(" ")
        )
    }

    fn step(&self, step: &Step<'h>) -> String {
        let key = |key: u32| self.transactions.keys[key as usize];
        match step {
            Step::Write { key: of, state } => match state {
                Some(value) => format!("[w {} {value}]", key(*of)),
                None => format!("[delete {}]", key(*of)),
            },
            Step::Read { key: of, state } => format!("[r {} {}]", key(*of), value(*state)),
            Step::ReadWhere { predicate, found } => {
                let found = found
                    .iter()
                    .map(|&(of, value)| format!("{} {value}", key(of)));
                let found: Vec<String> = found.collect();
                format!("[rp {predicate} {{{}}}]", found.join(", "))
            }
        }
    }
}

fn value(state: State<'_>) -> String {
    state.map_or_else(|| "nil".to_owned(), |value| value.to_string())
}

/// What Bailis et al., "Highly Available Transactions: Virtues and Limitations", 2013, call it if a
/// transaction sees another one in part.
fn phantom(cycle: &[Dependency]) -> &'static str {
    match cycle {
        [_, _]
            if cycle
                .iter()
                .any(|step| step.kind == DependencyKind::WriteRead) =>
        {
            "That is predicate-many-preceders: what one transaction saw by predicates is from before and after the other."
        }
        _ => "What a predicate matches was changed after it was asked: a phantom.",
    }
}
