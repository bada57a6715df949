//! Session guarantees of registers, each write with a value of its own. Terry et al., "Session
//! Guarantees for Weakly Consistent Replicated Data", 1994, in the terms of Viotti and Vukolić,
//! "Consistency in Non-Transactional Distributed Storage Systems", 2016: all replicas agree on one order
//! of all writes, and a read returns the last in that order of the writes that it sees. What a read
//! must see, and what the order must agree with, is what a guarantee says:
//!
//! - read your writes: a read sees the earlier writes of its process;
//! - monotonic reads: a read sees what the earlier reads of its process saw;
//! - monotonic writes: the order of writes agrees with that of each process;
//! - writes follow reads: a write comes after all that the earlier reads of its process saw.
//!
//! Seeing more only asks for more, so each read is taken to see the least that it must. Then the
//! guarantees hold if and only if what the order must agree with has no cycle. O(n).
//!
//! The operations are `read` and `write` on a key, or transactions, whose accesses count one by one.

use crate::history::{History, Outcome};
use crate::isolation::models::ConsistencyModel;
use crate::isolation::rw_register;
use crate::isolation::rw_register::digraph::{Digraph, Edge, Reason};
use crate::isolation::rw_register::direct::{DirectKind, Seen};
use crate::isolation::rw_register::transactions::{INITIAL, Transactions};
use crate::spec::DecodeError;
use crate::verdict::{Anomaly, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// A set of session guarantees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guarantees(u8);

impl Guarantees {
    pub const READ_YOUR_WRITES: Self = Self(1);
    pub const MONOTONIC_READS: Self = Self(1 << 1);
    pub const MONOTONIC_WRITES: Self = Self(1 << 2);
    pub const WRITES_FOLLOW_READS: Self = Self(1 << 3);
    /// All four.
    pub const ALL: Self = Self(0b1111);

    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The weakest model that a violation rules out. Causal consistency has all four.
    fn model(self) -> ConsistencyModel {
        match self {
            Self::READ_YOUR_WRITES => ConsistencyModel::ReadYourWrites,
            Self::MONOTONIC_READS => ConsistencyModel::MonotonicReads,
            Self::MONOTONIC_WRITES => ConsistencyModel::MonotonicWrites,
            Self::WRITES_FOLLOW_READS => ConsistencyModel::WritesFollowReads,
            _ => ConsistencyModel::Causal,
        }
    }

    fn singles() -> [Self; 4] {
        [
            Self::READ_YOUR_WRITES,
            Self::MONOTONIC_READS,
            Self::MONOTONIC_WRITES,
            Self::WRITES_FOLLOW_READS,
        ]
    }
}

const CHECKER: &str = "session-guarantees";

/// Judges the guarantees asked for, each alone and then together. `Vacuous` if nothing succeeded.
///
/// # Errors
/// If an operation neither reads nor writes; the error names it.
pub fn check(history: &History, asked: Guarantees) -> Result<Verdict, DecodeError> {
    let transactions = rw_register::transactions(history)?;
    Ok(check_transactions(&transactions, asked))
}

/// As [`check`], for transactions that were built rather than read.
pub fn check_transactions(all: &Transactions, asked: Guarantees) -> Verdict {
    if !all.outcomes.contains(&Outcome::Ok) {
        return Verdict::Vacuous("no operation succeeded, so nothing was seen".to_owned());
    }
    let seen = Seen::new(all);
    let told = Told { all, seen: &seen };
    let mut anomalies: Vec<Anomaly> = told.impossible_read().into_iter().collect();
    let singles = Guarantees::singles().into_iter();
    for single in singles.filter(|&single| asked.has(single)) {
        anomalies.extend(told.broken(single));
    }
    if anomalies.is_empty() {
        anomalies.extend(told.broken(asked));
    }
    if anomalies.is_empty() {
        let ambiguous_reads = seen.ambiguous_reads + reads_of(all, &written_twice(all));
        if ambiguous_reads > 0 {
            return Verdict::Unknown(format!(
                "{ambiguous_reads} reads saw values that were written several times; nothing else was wrong"
            ));
        }
        return Verdict::Valid { witness: None };
    }
    let mut anomalies = anomalies.into_iter();
    let mut first = anomalies.next().expect("one was found");
    first.also = anomalies.collect();
    Verdict::Invalid(first)
}

/// The history, as far as it tells anything.
struct Told<'a> {
    all: &'a Transactions,
    seen: &'a Seen,
}

impl Told<'_> {
    /// A value that nobody wrote, or that somebody wrote who failed.
    fn impossible_read(&self) -> Option<Anomaly> {
        let mut wrong = self.seen.wrong.iter();
        let kinds = [DirectKind::ThinAir, DirectKind::Aborted];
        let wrong = wrong.find(|direct| kinds.contains(&direct.kind))?;
        let (key, value) = (
            self.all.key_name(wrong.key),
            self.all.version_name(wrong.version),
        );
        let (class, how) = match wrong.kind {
            DirectKind::ThinAir => ("thin-air-read", "which nobody ever wrote"),
            _ => ("aborted-read", "whose write failed"),
        };
        let operation = |number: u32| self.all.operations[number as usize] as usize;
        let reader = operation(wrong.reader);
        let writer = (wrong.writer != INITIAL).then(|| operation(wrong.writer));
        let mut witness: Vec<usize> = writer.into_iter().chain([reader]).collect();
        witness.sort_unstable();
        Some(Anomaly {
            checker: CHECKER.to_owned(),
            class: class.to_owned(),
            sentence: format!("Operation {reader} read {value} of key {key}, {how}."),
            witness,
            ..Anomaly::default()
        })
    }

    fn broken(&self, guarantees: Guarantees) -> Option<Anomaly> {
        let rules = Rules::of(self.all, self.seen, guarantees);
        let graph = Digraph::new(rules.nodes as usize, &rules.edges);
        if graph.order().is_some() {
            return None;
        }
        let cycle = graph.cycle()?;
        Some(self.anomaly(guarantees, &cycle, &rules))
    }

    fn anomaly(&self, guarantees: Guarantees, cycle: &[Edge], rules: &Rules) -> Anomaly {
        let model = guarantees.model();
        let mut witness = BTreeSet::new();
        let mut lines = Vec::new();
        for edge in cycle {
            let causes = [edge.from, edge.to].map(|node| rules.owners.get(&node).copied());
            witness.extend(causes.into_iter().flatten());
            let Reason::Overwritten { key, reader } = edge.reason else {
                continue;
            };
            let shown_by = self.all.operations[reader as usize];
            let known_by = self.known_by(guarantees, edge, reader as usize);
            witness.insert(shown_by as usize);
            witness.extend(known_by.map(|read| read as usize));
            lines.push(format!(
                "{} came before {} of key {}: {} it",
                self.node(edge.from, rules),
                self.node(edge.to, rules),
                self.all.key_name(key),
                match known_by {
                    Some(read) => format!("operations {read} and {shown_by} show"),
                    None => format!("operation {shown_by} shows"),
                }
            ));
        }
        let class = match model {
            ConsistencyModel::Causal => "session-guarantees".to_owned(),
            model => model.name().to_owned(),
        };
        Anomaly {
            checker: CHECKER.to_owned(),
            class: format!("no-{class}"),
            sentence: format!(
                "No order of the writes gives {}: each of some came before the next, in a circle: {}.",
                match model {
                    ConsistencyModel::Causal => "all session guarantees together",
                    model => model.name(),
                },
                lines.join("; ")
            ),
            witness: witness.into_iter().collect(),
            rules_out: vec![model.name().to_owned()],
            ..Anomaly::default()
        }
    }

    /// The read before, of the same process, without which the reader need not mind the first of the two
    /// writes.
    fn known_by(&self, guarantees: Guarantees, edge: &Edge, reader: usize) -> Option<u32> {
        let visits = |number: usize, version: u32, is_write: bool| {
            let mut accesses = self.all.accesses(number).iter();
            accesses.any(|access| access.version == version && access.is_write() == is_write)
        };
        let of_process = |&number: &usize| self.all.processes[number] == self.all.processes[reader];
        let mut before = (0..reader).rev().filter(of_process);
        let is_own = guarantees.has(Guarantees::READ_YOUR_WRITES)
            && before.clone().any(|number| visits(number, edge.from, true));
        if is_own || visits(reader, edge.from, false) || visits(reader, edge.to, true) {
            return None;
        }
        let read = before.find(|&number| visits(number, edge.from, false))?;
        Some(self.all.operations[read])
    }

    fn node(&self, node: u32, rules: &Rules) -> String {
        if (node as usize) < self.all.version_count() {
            return format!("the write of {}", self.all.version_name(node));
        }
        match node == rules.initial {
            true => "the initial value".to_owned(),
            false => "what the process had seen".to_owned(),
        }
    }
}

/// What the order of all writes must agree with. The nodes are the versions, the initial one, and sets
/// of writes that stand before others.
struct Rules {
    guarantees: Guarantees,
    initial: u32,
    nodes: u32,
    edges: Vec<Edge>,
    /// The operation that wrote each version.
    owners: BTreeMap<u32, usize>,
}

/// What a process knows of one key.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Of the writes that it must see, the last that a read of it showed to be the last.
    top: Option<u32>,
    /// Those since then.
    since: Vec<u32>,
    /// A node after all of them, and how many of `since` it knows.
    all: Option<(u32, usize)>,
}

/// What a process knows.
#[derive(Clone, Debug, Default)]
struct Session {
    keys: BTreeMap<u32, Known>,
    /// Its own writes that no read has seen since.
    written: Vec<u32>,
    last_write: Option<u32>,
    /// A node after all that its reads saw.
    read: Option<u32>,
    /// Its own writes, where it must see them.
    own: BTreeSet<u32>,
}

impl Rules {
    fn of(all: &Transactions, seen: &Seen, guarantees: Guarantees) -> Self {
        let initial = all.version_count() as u32;
        let mut rules = Self {
            guarantees,
            initial,
            nodes: initial + 1,
            edges: Vec::new(),
            owners: BTreeMap::new(),
        };
        let excluded = unknown_versions(all, seen);
        let mut sessions: BTreeMap<u32, Session> = BTreeMap::new();
        for number in 0..all.len() {
            let session = sessions.entry(all.processes[number]).or_default();
            rules.add(all, seen, &excluded, number, session);
        }
        rules
    }

    fn add(
        &mut self,
        all: &Transactions,
        seen: &Seen,
        excluded: &[bool],
        number: usize,
        session: &mut Session,
    ) {
        if !seen.happened(all, number) {
            return;
        }
        for access in all.accesses(number) {
            let version = match access.version {
                INITIAL => self.initial,
                version if excluded[version as usize] => continue,
                version => version,
            };
            if !access.is_write() {
                self.read(session, number as u32, access.key(), version);
                continue;
            }
            self.owners.insert(version, all.operations[number] as usize);
            let reason = Reason::Overwritten {
                key: access.key(),
                reader: number as u32,
            };
            self.edges.push(Edge::new(self.initial, version, reason));
            if all.outcomes[number] == Outcome::Ok {
                self.write(session, reason, access.key(), version);
            } else {
                self.follow(session, reason, version);
            }
        }
    }

    /// A write comes after what its process wrote and saw.
    fn follow(&mut self, session: &Session, reason: Reason, version: u32) {
        if self.guarantees.has(Guarantees::MONOTONIC_WRITES) {
            let last = session.last_write;
            self.edges
                .extend(last.map(|last| Edge::new(last, version, reason)));
        }
        if self.guarantees.has(Guarantees::WRITES_FOLLOW_READS) {
            let read = session.read;
            self.edges
                .extend(read.map(|read| Edge::new(read, version, reason)));
        }
    }

    fn write(&mut self, session: &mut Session, reason: Reason, key: u32, version: u32) {
        self.follow(session, reason, version);
        session.last_write = Some(version);
        if self.guarantees.has(Guarantees::READ_YOUR_WRITES) {
            session.keys.entry(key).or_default().since.push(version);
            session.written.push(version);
            session.own.insert(version);
        }
    }

    fn read(&mut self, session: &mut Session, reader: u32, key: u32, version: u32) {
        let reason = Reason::Overwritten { key, reader };
        let known = session.keys.entry(key).or_default();
        if session.own.contains(&version) || self.guarantees.has(Guarantees::MONOTONIC_READS) {
            for &other in known.top.iter().chain(&known.since) {
                if other != version {
                    self.edges.push(Edge::new(other, version, reason));
                }
            }
            *known = Known {
                top: Some(version),
                ..Known::default()
            };
        } else {
            self.after_all(known, reason);
            let all = known.all;
            self.edges
                .extend(all.map(|(all, _)| Edge::new(all, version, reason)));
        }
        if self.guarantees.has(Guarantees::WRITES_FOLLOW_READS) {
            let written = std::mem::take(&mut session.written);
            let before = written.into_iter().chain([version]).chain(session.read);
            let node = self.nodes;
            self.nodes += 1;
            self.edges
                .extend(before.map(|before| Edge::new(before, node, reason)));
            session.read = Some(node);
        }
    }

    /// Brings the node after all that is known up to date.
    fn after_all(&mut self, known: &mut Known, reason: Reason) {
        let (before, count) = match known.all {
            Some((node, count)) => (Some(node), count),
            None => (known.top, 0),
        };
        let is_fresh = known.all.is_some() && count == known.since.len();
        if is_fresh || before.is_none() && known.since.is_empty() {
            return;
        }
        let node = self.nodes;
        self.nodes += 1;
        let fresh = known.since[count..].iter().copied();
        let edges = before.into_iter().chain(fresh);
        self.edges
            .extend(edges.map(|before| Edge::new(before, node, reason)));
        known.all = Some((node, known.since.len()));
    }
}

/// Versions that one transaction wrote more than once: other writes may stand between.
fn written_twice(all: &Transactions) -> BTreeSet<u32> {
    let mut twice = BTreeSet::new();
    let mut writers = vec![INITIAL; all.version_count()];
    let happened = (0..all.len()).filter(|&number| all.outcomes[number] != Outcome::Fail);
    for (number, accesses) in happened.map(|number| (number as u32, all.accesses(number))) {
        for write in accesses.iter().filter(|access| access.is_write()) {
            let before = std::mem::replace(&mut writers[write.version as usize], number);
            if before == number {
                twice.insert(write.version);
            }
        }
    }
    twice
}

/// How many reads that returned saw some versions.
fn reads_of(all: &Transactions, versions: &BTreeSet<u32>) -> usize {
    let returned = (0..all.len()).filter(|&number| all.outcomes[number] == Outcome::Ok);
    let accesses = returned.flat_map(|number| all.accesses(number));
    accesses
        .filter(|access| !access.is_write() && versions.contains(&access.version))
        .count()
}

/// Versions of which reads tell nothing: nobody wrote them, or nobody knows who or when.
fn unknown_versions(all: &Transactions, seen: &Seen) -> Vec<bool> {
    let mut excluded = vec![true; all.version_count()];
    for number in 0..all.len() {
        if all.outcomes[number] != Outcome::Fail {
            for access in all
                .accesses(number)
                .iter()
                .filter(|access| access.is_write())
            {
                excluded[access.version as usize] = false;
            }
        }
    }
    for &version in seen.ambiguous.iter().chain(&written_twice(all)) {
        excluded[version as usize] = true;
    }
    excluded
}
