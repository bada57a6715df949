//! Which transaction came before which, as far as the lists show.
//!
//! - ww: who appended an element came before who appended the next one.
//! - wr: who appended the last element of a read came before the reader.
//! - rw: the reader came before who appended the element after the last one of the read.
//!
//! What no read showed was appended after all that was read: its ww come from the writer of the last
//! element read, its rw from all who read that far. Where several read so far and several appended what
//! nobody read, chains of relays say so: the one relay before an appender leads to all before it, the
//! one after it to all after it, so that a reader who also appended can come before all but itself.

use super::transactions::{Known, MicroOperation};
use super::versions::Versions;
use crate::isolation::graph::{Edge, Graph, Kinds};
use crate::isolation::orders::{self, Interval};

/// Which orders besides those of the lists are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orders {
    pub(super) has_sessions: bool,
    pub(super) has_realtime: bool,
}

/// The graph of the transactions, by their numbers. `divergent` are the reads that contradict the
/// longest of their list.
pub(super) fn graph(
    known: Known<'_>,
    versions: &Versions,
    divergent: &[u32],
    orders: Orders,
) -> Graph {
    let mut edges = Edges {
        versions,
        all: Vec::new(),
        nodes: versions.transactions_seen(),
        last_readers: vec![Vec::new(); known.transactions.key_count() as usize],
    };
    for key in 0..known.transactions.key_count() {
        edges.add_writes(key);
    }
    edges.add_reads(known, divergent);
    for key in 0..known.transactions.key_count() {
        edges.add_unobserved(key);
    }
    let Edges {
        mut all, mut nodes, ..
    } = edges;
    if orders.has_sessions || orders.has_realtime {
        let intervals = intervals(known, versions);
        if orders.has_sessions {
            orders::add_sessions(&intervals, &mut all);
        }
        if orders.has_realtime {
            nodes = orders::add_realtime(&intervals, nodes, &mut all);
        }
    }
    Graph::new(versions.transactions_seen(), nodes, &all)
}

/// When those that count took place.
fn intervals(known: Known<'_>, versions: &Versions) -> Vec<Interval> {
    let all = 0..versions.transactions_seen();
    let committed = all.filter(|&transaction| versions.is_committed(transaction));
    let interval = |transaction: u32| {
        let header = known.transactions.header(transaction);
        Interval {
            node: transaction,
            process: header.process,
            invoked: header.invoked,
            returned: known.is_ok(transaction).then_some(header.completed),
        }
    };
    committed.map(interval).collect()
}

struct Edges<'a> {
    versions: &'a Versions,
    all: Vec<Edge>,
    nodes: u32,
    /// Who read all that was ever read of each key, if something more was appended.
    last_readers: Vec<Vec<u32>>,
}

impl Edges<'_> {
    fn add(&mut self, from: u32, to: u32, kind: Kinds) {
        if from != to {
            self.all.push(Edge { from, to, kind });
        }
    }

    fn add_writes(&mut self, key: u32) {
        let versions = self.versions;
        let mut last = None;
        for writer in versions.agreed_writers(key) {
            if let Some(last) = last {
                self.add(last, writer, Kinds::WRITE_WRITE);
            }
            last = Some(writer);
        }
        let Some(last) = last else {
            return;
        };
        for &writer in versions.unobserved(key) {
            self.add(last, writer, Kinds::WRITE_WRITE);
        }
    }

    fn add_reads(&mut self, known: Known<'_>, divergent: &[u32]) {
        let transactions = known.transactions;
        let mut divergent = divergent.iter().copied().peekable();
        for reader in 0..known.begun() {
            if !known.is_ok(reader) {
                continue;
            }
            for operation in transactions.operations_of(reader) {
                if divergent.next_if_eq(&operation).is_some() {
                    continue;
                }
                if let MicroOperation::Read { key, list } = transactions.operation(operation) {
                    self.add_read(reader, key, list.len());
                }
            }
        }
    }

    fn add_read(&mut self, reader: u32, key: u32, length: usize) {
        let versions = self.versions;
        if let Some(writer) = versions.last_writer(key, length) {
            self.add(writer, reader, Kinds::WRITE_READ);
        }
        match versions.next_writer(key, length) {
            Some(writer) => self.add(reader, writer, Kinds::READ_WRITE),
            None if !versions.unobserved(key).is_empty() => {
                let readers = &mut self.last_readers[key as usize];
                if readers.last() != Some(&reader) {
                    readers.push(reader);
                }
            }
            None => {}
        }
    }

    /// From all who read the whole list to all who appended what nobody read.
    fn add_unobserved(&mut self, key: u32) {
        let versions = self.versions;
        let readers = std::mem::take(&mut self.last_readers[key as usize]);
        let writers = versions.unobserved(key);
        if readers.len().min(writers.len()) <= 1 {
            for &reader in &readers {
                for &writer in writers {
                    self.add(reader, writer, Kinds::READ_WRITE);
                }
            }
            return;
        }
        let up_to = self.chain(writers.iter());
        let from_on = self.chain(writers.iter().rev());
        for &reader in &readers {
            let (before, after) = match writers.binary_search(&reader) {
                Ok(place) => (place, writers.len() - 1 - place),
                Err(_) => (writers.len(), 0),
            };
            for (chain, count) in [(up_to, before), (from_on, after)] {
                if count > 0 {
                    self.add(reader, chain + count as u32 - 1, Kinds::READ_WRITE);
                }
            }
        }
    }

    /// Relays of which each leads to one of the writers and to the relay before it. Returns the first.
    fn chain<'w>(&mut self, writers: impl Iterator<Item = &'w u32>) -> u32 {
        let first = self.nodes;
        for &writer in writers {
            let relay = self.nodes;
            self.nodes += 1;
            self.add(relay, writer, Kinds::VIA);
            if relay > first {
                self.add(relay, relay - 1, Kinds::VIA);
            }
        }
        first
    }
}
