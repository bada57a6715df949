//! What was found to be impossible, and how a reader is told.

use super::decide::Question;
use super::digraph::{Edge, NONE, Reason};
use super::direct::{Direct, DirectKind};
use super::fragments::{Fragment, Fragments, LostUpdate};
use super::happened::Happened;
use super::level::{self, Level};
use super::sessions::Order;
use super::transactions::{INITIAL, NEVER, Transactions};
use super::weak::WeakLevel;
use crate::history::Outcome;
use crate::isolation::models::{self, ConsistencyModel};
use crate::isolation::phenomena::Phenomenon;
use crate::verdict::{Anomaly, Dependency, DependencyKind};
use std::collections::BTreeSet;

/// Something impossible.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) class: String,
    pub(super) rules_out: Vec<ConsistencyModel>,
    sentence: String,
    cycle: Vec<Dependency>,
    /// Numbers among all transactions.
    transactions: BTreeSet<u32>,
    explanation: Vec<String>,
    pub(super) first_bad_event: Option<usize>,
}

impl Finding {
    /// Whether no history with this has the model.
    pub(super) fn forbids(&self, model: ConsistencyModel) -> bool {
        self.rules_out.iter().any(|&broken| model.implies(broken))
    }

    /// Says how often this was found, if more than once.
    pub(super) fn count(&mut self, count: usize) {
        if count > 1 {
            let line = format!("In all {count} cases of {} were found.", self.class);
            self.explanation.push(line);
        }
    }

    /// The numbers of the transactions that it speaks of.
    pub(super) fn transactions(&self) -> &BTreeSet<u32> {
        &self.transactions
    }

    /// The event at which the last of its transactions had ended.
    pub(super) fn last_completion(&self, all: &Transactions) -> Option<usize> {
        last_completion(all, &self.transactions)
    }

    /// As it is told; the transactions that it speaks of are shown in full.
    pub(super) fn into_anomaly(self, all: &Transactions, checker: &str) -> Anomaly {
        let mut explanation = self.explanation;
        let shown = self.transactions.iter().take(SHOWN_AT_MOST);
        explanation.extend(shown.map(|&number| described(all, number)));
        let left_out = self.transactions.len().saturating_sub(SHOWN_AT_MOST);
        if left_out > 0 {
            explanation.push(format!("{left_out} further transactions take part."));
        }
        let operations = self.transactions.iter();
        let mut rules_out = self.rules_out;
        if all.are_single() {
            rules_out
                .iter_mut()
                .for_each(|model| *model = level::of_single(*model));
        }
        Anomaly {
            checker: checker.to_owned(),
            class: self.class,
            sentence: self.sentence,
            witness: operations
                .map(|&number| all.operations[number as usize] as usize)
                .collect(),
            first_bad_event: self.first_bad_event,
            rules_out: rules_out.iter().map(ToString::to_string).collect(),
            cycle: self.cycle,
            explanation,
            ..Anomaly::default()
        }
    }
}

const SHOWN_AT_MOST: usize = 24;
const CYCLES_SHOWN: usize = 4;

/// `T4`, by the id of the operation.
fn name(all: &Transactions, number: u32) -> String {
    format!("T{}", all.operations[number as usize])
}

/// `T4 (events 7 to 9): r x nil, w x 1`.
fn described(all: &Transactions, number: u32) -> String {
    let index = number as usize;
    let accesses = all.accesses(index).iter().map(|access| {
        let kind = if access.is_write() { "w" } else { "r" };
        let (key, value) = (all.key_name(access.key()), all.version_name(access.version));
        format!("{kind} {key} {value}")
    });
    let accesses: Vec<String> = accesses.collect();
    let invoked = all.invoked[index];
    let ended = match (all.outcomes[index], all.completed[index]) {
        (Outcome::Fail, _) => format!("failed, invoked at event {invoked}"),
        (_, NEVER) => format!("since event {invoked}, nobody knows how it ended"),
        (_, completed) => format!("events {invoked} to {completed}"),
    };
    format!("{} ({ended}): {}", name(all, number), accesses.join(", "))
}

/// An anomaly that one read shows.
pub(super) fn direct(all: &Transactions, direct: &Direct) -> Finding {
    let reader = name(all, direct.reader);
    let (key, value) = (all.key_name(direct.key), all.version_name(direct.version));
    let writer = || name(all, direct.writer);
    let (phenomenon, sentence) = match direct.kind {
        DirectKind::ThinAir => (
            Phenomenon::ThinAirRead,
            format!("{reader} read {value} of key {key}, which nobody ever wrote."),
        ),
        DirectKind::Aborted => (
            Phenomenon::G1a,
            format!(
                "{reader} read {value} of key {key}, which {} wrote, but {} failed.",
                writer(),
                writer()
            ),
        ),
        DirectKind::Intermediate => (
            Phenomenon::G1b,
            format!(
                "{reader} read {value} of key {key}, which {} overwrote itself before it ended.",
                writer()
            ),
        ),
        DirectKind::Future => (
            Phenomenon::FutureRead,
            format!("{reader} read {value} of key {key} before it wrote that itself."),
        ),
        DirectKind::Internal => (
            Phenomenon::Internal,
            format!(
                "{reader} read {value} of key {key}, though by its own reads and writes until then it must have been {}.",
                all.version_name(direct.expected)
            ),
        ),
    };
    let writer =
        (direct.writer != INITIAL && direct.kind != DirectKind::ThinAir).then_some(direct.writer);
    let transactions: BTreeSet<u32> = [direct.reader].into_iter().chain(writer).collect();
    Finding {
        class: phenomenon.name().to_owned(),
        rules_out: models::rules_out(&[phenomenon]).weakest,
        sentence,
        cycle: Vec::new(),
        first_bad_event: last_completion(all, &transactions),
        transactions,
        explanation: Vec::new(),
    }
}

/// The event at which the last of some transactions had ended.
fn last_completion(all: &Transactions, transactions: &BTreeSet<u32>) -> Option<usize> {
    let completed = transactions.iter();
    let completed = completed.map(|&number| all.completed[number as usize]);
    let last = completed.filter(|&event| event != NEVER).max();
    last.map(|event| event as usize)
}

/// Two that overwrote one version.
pub(super) fn lost_update(all: &Transactions, happened: &Happened, lost: &LostUpdate) -> Finding {
    let (one, other) = (
        happened.transactions[lost.writers.0 as usize],
        happened.transactions[lost.writers.1 as usize],
    );
    let read = match lost.read {
        INITIAL => INITIAL,
        slot => happened.version[slot as usize],
    };
    let sentence = format!(
        "{} and {} both read {} of key {} and then overwrote it: one of the two updates was lost.",
        name(all, one),
        name(all, other),
        all.version_name(read),
        all.key_name(lost.key)
    );
    let transactions: BTreeSet<u32> = [one, other].into();
    Finding {
        class: Phenomenon::LostUpdate.name().to_owned(),
        rules_out: models::rules_out(&[Phenomenon::LostUpdate]).weakest,
        sentence,
        cycle: Vec::new(),
        first_bad_event: last_completion(all, &transactions),
        transactions,
        explanation: Vec::new(),
    }
}

/// That what a system claims of some transactions cannot be.
pub(super) fn claim(
    all: &Transactions,
    class: &str,
    numbers: &[u32],
    sentence: &str,
) -> Box<Finding> {
    let names: Vec<String> = numbers.iter().map(|&number| name(all, number)).collect();
    Box::new(Finding {
        class: class.to_owned(),
        rules_out: Vec::new(),
        sentence: format!("{} {sentence}.", names.join(" and ")),
        cycle: Vec::new(),
        transactions: numbers.iter().copied().collect(),
        explanation: Vec::new(),
        first_bad_event: None,
    })
}

/// That a transaction read one version, but by the order claimed there was the other.
pub(super) fn claim_read(
    all: &Transactions,
    number: u32,
    key: u32,
    (read, there): (u32, u32),
) -> Box<Finding> {
    let sentence = format!(
        "read {} of key {}, but by the order claimed it was {} then",
        all.version_name(read),
        all.key_name(key),
        all.version_name(there)
    );
    claim(all, "read-against-claim", &[number], &sentence)
}

/// All that is needed to put edges into words.
pub(super) struct Teller<'a> {
    pub(super) all: &'a Transactions,
    pub(super) happened: &'a Happened,
    /// The orders of versions, for the levels that need them.
    pub(super) versions: Option<(&'a Fragments, &'a Question)>,
}

/// That one transaction came before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    from: u32,
    to: u32,
    reason: Reason,
    /// The choice of fragments that it rests on.
    choice: Option<u32>,
    /// Whether it holds only where no update may be lost.
    needs_updates: bool,
}

impl Teller<'_> {
    /// A cycle that the level does not allow.
    pub(super) fn cycle(&self, level: Level, edges: &[Edge]) -> Finding {
        let steps = self.steps(edges);
        let is_of_level = |step: &Step| step.choice.is_some() || step.needs_updates;
        let is_of_level = steps.iter().any(is_of_level);
        let (class, rules_out) = match level {
            Level::Weak(weak, _) => weak_class(weak, level, &steps),
            Level::Strong(..) if is_of_level => (no_order(level), vec![level.model()]),
            Level::Strong(..) => {
                let phenomenon = phenomenon(&steps);
                let rules_out = models::rules_out(&[phenomenon]).weakest;
                (phenomenon.name().to_owned(), rules_out)
            }
        };
        let cycle: Vec<Dependency> = steps.iter().map(|step| self.dependency(step)).collect();
        let names: Vec<String> = steps
            .iter()
            .chain(steps.first())
            .map(|step| self.name(step.from))
            .collect();
        let clauses: Vec<&str> = cycle.iter().map(|step| step.sentence.as_str()).collect();
        let sentence = format!(
            "{} each came before the next, in a circle: {}.",
            names.join(", "),
            clauses.join("; ")
        );
        let mut transactions: BTreeSet<u32> = BTreeSet::new();
        for step in &steps {
            transactions.insert(self.number(step.from));
            if let Reason::Overwritten { reader, .. } = step.reason {
                transactions.insert(self.number(reader));
            }
            if let Reason::KeyOrder { key, later } = step.reason {
                let earlier = self.left_before(step.from, key, later);
                transactions.extend([earlier, later].map(|each| self.number(each)));
            }
        }
        let explanation = self.consequences(&steps, &mut transactions);
        Finding {
            class,
            rules_out,
            sentence,
            cycle,
            transactions,
            explanation,
            first_bad_event: None,
        }
    }

    /// That every choice closes a cycle; these are some.
    pub(super) fn impossible(&self, level: Level, cycles: &[Vec<Edge>]) -> Finding {
        let mut transactions = BTreeSet::new();
        let mut explanation = Vec::new();
        for (index, cycle) in cycles.iter().enumerate() {
            let steps = self.steps(cycle);
            transactions.extend(steps.iter().map(|step| self.number(step.from)));
            if index < CYCLES_SHOWN {
                let clauses = steps.iter().map(|step| self.dependency(step).sentence);
                let clauses: Vec<String> = clauses.collect();
                explanation.push(format!("A circle of some choices: {}.", clauses.join("; ")));
            }
        }
        Finding {
            class: no_order(level),
            rules_out: vec![level.model()],
            sentence: format!(
                "In whatever order the writes of each key took place, some transactions each came before the next in a circle: the history is not {}.",
                level.model()
            ),
            cycle: Vec::new(),
            transactions,
            explanation,
            first_bad_event: None,
        }
    }

    fn number(&self, transaction: u32) -> u32 {
        self.happened.transactions[transaction as usize]
    }

    fn name(&self, transaction: u32) -> String {
        name(self.all, self.number(transaction))
    }

    fn transaction(&self, node: u32) -> u32 {
        let count = self.happened.len();
        match self.versions {
            Some((_, question)) => question.transaction(node, count),
            None if (node as usize) < count => node,
            None => NONE,
        }
    }

    /// From transaction to transaction: the nodes that are none, and those of one, are passed over.
    fn steps(&self, edges: &[Edge]) -> Vec<Step> {
        let start = edges
            .iter()
            .position(|edge| self.transaction(edge.from) != NONE);
        let start = start.expect("every cycle passes through a transaction");
        let mut steps: Vec<Step> = Vec::new();
        let mut open: Option<Step> = None;
        for edge in edges[start..].iter().chain(&edges[..start]) {
            let from = self.transaction(edge.from);
            let mut step = open.take().unwrap_or(Step {
                from,
                to: NONE,
                reason: edge.reason,
                choice: None,
                needs_updates: false,
            });
            step.needs_updates |= edge.reason == Reason::Unbroken;
            if let Reason::Decided { choice } | Reason::Chosen { choice } = edge.reason {
                step.choice = Some(choice);
            }
            step.to = self.transaction(edge.to);
            if step.to == NONE {
                open = Some(step);
            } else if step.from != step.to {
                steps.push(step);
            }
        }
        steps
    }

    /// The value that a transaction left in a key, or that it read there.
    fn written(&self, transaction: u32, key: u32) -> String {
        let slot = self.happened.slot(transaction, key);
        slot.map_or_else(|| "nil".to_owned(), |slot| self.version_name(slot))
    }

    fn version_name(&self, slot: u32) -> String {
        let version = match slot {
            INITIAL => INITIAL,
            slot => self.happened.version[slot as usize],
        };
        self.all.version_name(version).to_string()
    }

    fn seen(&self, transaction: u32, key: u32) -> String {
        let mut reads = self.happened.reads.get(transaction as usize).iter();
        let read = reads.find(|read| read.key == key);
        read.map_or_else(|| "nil".to_owned(), |read| self.version_name(read.slot))
    }

    fn dependency(&self, step: &Step) -> Dependency {
        let (from, to) = (self.name(step.from), self.name(step.to));
        let (kind, sentence) = match step.reason {
            Reason::WriteRead { key } => (
                DependencyKind::WriteRead,
                format!(
                    "{to} read {} of key {}, which {from} wrote",
                    self.written(step.from, key),
                    self.all.key_name(key)
                ),
            ),
            Reason::ReadWrite { key } => (
                DependencyKind::ReadWrite,
                format!(
                    "{from} read {} of key {}, before {to} made it {}",
                    self.seen(step.from, key),
                    self.all.key_name(key),
                    self.written(step.to, key)
                ),
            ),
            Reason::Overwritten { key, reader } => (
                DependencyKind::WriteWrite,
                format!(
                    "{} knew {from}, which had made key {} {}, and yet read {}, so that {to} wrote this later",
                    self.name(reader),
                    self.all.key_name(key),
                    self.written(step.from, key),
                    self.written(step.to, key)
                ),
            ),
            Reason::WriteWrite { key } => (
                DependencyKind::WriteWrite,
                format!(
                    "{from} made key {} {}, before {to} made it {}",
                    self.all.key_name(key),
                    self.written(step.from, key),
                    self.written(step.to, key)
                ),
            ),
            Reason::KeyOrder { key, later } => (
                DependencyKind::WriteWrite,
                self.key_order(step.from, key, later),
            ),
            Reason::Process => (
                DependencyKind::Process,
                format!("the process of {from} did {to} later"),
            ),
            Reason::Realtime => (DependencyKind::Realtime, self.realtime(step)),
            Reason::Inner | Reason::Unbroken | Reason::Decided { .. } | Reason::Chosen { .. } => (
                DependencyKind::WriteWrite,
                format!("{from} came before {to}"),
            ),
        };
        let operation = |transaction| self.all.operations[self.number(transaction) as usize];
        Dependency {
            from: operation(step.from) as usize,
            to: operation(step.to) as usize,
            kind,
            sentence,
        }
    }

    fn key_order(&self, writer: u32, key: u32, later: u32) -> String {
        let earlier = self.left_before(writer, key, later);
        format!(
            "{} left key {} at {}, before {} was invoked and found it {}",
            self.name(earlier),
            self.all.key_name(key),
            self.left(earlier, key),
            self.name(later),
            self.found(later, key)
        )
    }

    /// What a transaction read of a key or, if it did not, wrote there.
    fn found(&self, transaction: u32, key: u32) -> String {
        let mut reads = self.happened.reads.get(transaction as usize).iter();
        match reads.find(|read| read.key == key) {
            Some(read) => self.version_name(read.slot),
            None => self.written(transaction, key),
        }
    }

    /// What a transaction wrote to a key or, if it did not, read there.
    fn left(&self, transaction: u32, key: u32) -> String {
        match self.happened.slot(transaction, key) {
            Some(slot) => self.version_name(slot),
            None => self.seen(transaction, key),
        }
    }

    /// Who left a key as `writer` had made it, before `later` was invoked: that one itself, or a reader.
    fn left_before(&self, writer: u32, key: u32, later: u32) -> u32 {
        let invoked = self.all.invoked[self.number(later) as usize];
        let has_returned = |transaction: &u32| {
            let number = self.number(*transaction) as usize;
            self.all.outcomes[number] == Outcome::Ok && self.all.completed[number] < invoked
        };
        let has_read = |transaction: &u32| {
            let mut reads = self.happened.reads.get(*transaction as usize).iter();
            reads.any(|&read| read.key == key && self.happened.writer(read) == writer)
        };
        let mut readers = (0..later).filter(has_read).filter(has_returned);
        Some(writer)
            .filter(has_returned)
            .or_else(|| readers.next())
            .unwrap_or(writer)
    }

    fn realtime(&self, step: &Step) -> String {
        let returned = self.all.completed[self.number(step.from) as usize];
        let invoked = self.all.invoked[self.number(step.to) as usize];
        format!(
            "{} returned at event {returned}, before {} was invoked at event {invoked}",
            self.name(step.from),
            self.name(step.to)
        )
    }

    /// Why the fragments that some steps rest on have the order that they have: the circles that the
    /// other order would close, and why those hold.
    fn consequences(&self, steps: &[Step], transactions: &mut BTreeSet<u32>) -> Vec<String> {
        let Some((fragments, question)) = self.versions else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        let mut told: BTreeSet<u32> = BTreeSet::new();
        let mut open: Vec<u32> = steps.iter().filter_map(|step| step.choice).collect();
        while let Some(choice) = open.pop() {
            if !told.insert(choice) || lines.len() >= SHOWN_AT_MOST {
                continue;
            }
            let Some((pair, path)) = question.why(choice) else {
                continue;
            };
            let path = self.steps_of_path(&path);
            transactions.extend(path.iter().map(|step| self.number(step.from)));
            transactions.extend(path.iter().map(|step| self.number(step.to)));
            open.extend(path.iter().filter_map(|step| step.choice));
            let clauses: Vec<String> = path
                .iter()
                .map(|step| self.dependency(step).sentence)
                .collect();
            let (earlier, later) = (
                &fragments.all[pair.0 as usize],
                &fragments.all[pair.1 as usize],
            );
            lines.push(format!(
                "Key {} was {} before it was {}, since the other way round closes a circle: {}.",
                self.all.key_name(earlier.key),
                self.span_name(earlier),
                self.span_name(later),
                clauses.join("; ")
            ));
        }
        lines
    }

    fn span_name(&self, fragment: &Fragment) -> String {
        self.version_name(fragment.first)
    }

    fn steps_of_path(&self, edges: &[Edge]) -> Vec<Step> {
        let known = |node: u32| self.transaction(node) != NONE;
        let first = edges.iter().position(|edge| known(edge.from));
        let last = edges.iter().rposition(|edge| known(edge.to));
        match (first, last) {
            (Some(first), Some(last)) if first <= last => self.steps(&edges[first..=last]),
            _ => Vec::new(),
        }
    }
}

fn no_order(level: Level) -> String {
    format!("no-{}-order", level.model())
}

/// What Adya and Elle call a cycle.
fn phenomenon(steps: &[Step]) -> Phenomenon {
    let is_anti = |step: &Step| matches!(step.reason, Reason::ReadWrite { .. });
    let anti = steps.iter().filter(|step| is_anti(step)).count();
    let mut neighbours = steps.iter().zip(steps.iter().cycle().skip(1));
    let adjacent = neighbours.any(|(one, other)| is_anti(one) && is_anti(other));
    let is_read = |step: &Step| matches!(step.reason, Reason::WriteRead { .. });
    let dirty = !steps.iter().any(is_read);
    let order = needed_order(steps);
    use Phenomenon::*;
    let forms = match (anti, adjacent) {
        (0, _) if dirty => [G0, G0Process, G0Realtime],
        (0, _) => [G1c, G1cProcess, G1cRealtime],
        (1, _) => [GSingleItem, GSingleItemProcess, GSingleItemRealtime],
        (_, false) => [
            GNonadjacentItem,
            GNonadjacentItemProcess,
            GNonadjacentItemRealtime,
        ],
        (_, true) => [G2Item, G2ItemProcess, G2ItemRealtime],
    };
    forms[order as usize]
}

/// What a cycle needs to order transactions beyond what they read and wrote.
fn needed_order(steps: &[Step]) -> Order {
    let needed = steps.iter().map(|step| match step.reason {
        Reason::Realtime => Order::Realtime,
        Reason::Process => Order::Process,
        _ => Order::None,
    });
    needed.max().unwrap_or(Order::None)
}

fn weak_class(weak: WeakLevel, level: Level, steps: &[Step]) -> (String, Vec<ConsistencyModel>) {
    let proves = |step: &Step| {
        matches!(
            step.reason,
            Reason::Overwritten { .. } | Reason::ReadWrite { .. }
        )
    };
    if !steps.iter().any(proves) {
        let phenomenon = phenomenon(steps);
        let rules_out = models::rules_out(&[phenomenon]).weakest;
        return (phenomenon.name().to_owned(), rules_out);
    }
    let class = match weak {
        WeakLevel::ReadCommitted | WeakLevel::MonotonicAtomicView => {
            "observed-transaction-vanishes"
        }
        WeakLevel::ReadAtomic => "fractured-read",
        WeakLevel::Causal => "causality-violation",
    };
    let model = if needed_order(steps) == Order::None {
        level.model()
    } else {
        ConsistencyModel::TransactionalCausal
    };
    (class.to_owned(), vec![model])
}
