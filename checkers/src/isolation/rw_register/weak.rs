//! Read committed, monotonic atomic view, read atomic and causal consistency, in polynomial time.
//!
//! Each level says when a transaction t3 that read x from t1 proves that t2, another writer of x, came
//! before t1: if t3 had read from t2 before (monotonic atomic view, which Biswas and Enea call read
//! committed), if t3 read from t2 at all or came next in its process (read atomic), or if t2 happened
//! before t3 through any number of such steps (causal). The history has the level if and only if all
//! that is so proved, with what was read and the order of processes, has no cycle: Biswas and Enea, "On
//! the Complexity of Checking Transactional Consistency", 2019. That fewer proofs do, in O(n^1.5),
//! O(n^1.5) and O(n·k) for k processes, is of Møldrup and Pavlogiannis, "AWDIT: An Optimal Weak Database
//! Isolation Tester", 2025.
//!
//! Adya's PL-2 allows what monotonic atomic view forbids: here read committed is a cycle of reads only.

use super::digraph::{Digraph, Edge, Reason};
use super::happened::{Happened, Lists, Read};
use super::key_order::add_versions;
use super::sessions::{Chains, Ends, Order, Orders, add_order};
use super::transactions::{INITIAL, Transactions};

/// The levels, each implied by the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WeakLevel {
    ReadCommitted,
    MonotonicAtomicView,
    ReadAtomic,
    Causal,
}

/// The edges that must have no cycle, among `nodes` nodes, of which the first are the transactions.
pub(super) struct Proved {
    pub(super) nodes: u32,
    pub(super) edges: Vec<Edge>,
}

const WHOLE: Ends = Ends { nodes_each: 1 };

/// What the level proves of the order of transactions. Causal consistency always minds processes.
pub(super) fn proved(
    all: &Transactions,
    happened: &Happened,
    level: WeakLevel,
    Orders { order, of_keys }: Orders,
) -> Proved {
    let order = match level {
        WeakLevel::Causal => order.max(Order::Process),
        _ => order,
    };
    let mut edges = read_edges(happened);
    let transactions = happened.len() as u32;
    let nodes = add_order(all, happened, order, WHOLE, transactions, &mut edges);
    match level {
        WeakLevel::ReadCommitted => {}
        WeakLevel::MonotonicAtomicView => monotonic_atomic_view(happened, &mut edges),
        WeakLevel::ReadAtomic => {
            Fractures::new(happened, &mut edges).read();
        }
        WeakLevel::Causal => causal(all, happened, nodes, &mut edges),
    }
    add_versions(all, happened, of_keys, WHOLE, &mut edges);
    Proved { nodes, edges }
}

/// From each writer to each of its readers.
fn read_edges(happened: &Happened) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::with_capacity(happened.reads.item_count() + happened.len());
    for (reader, read) in happened.all_reads() {
        let writer = happened.writer(read);
        let last = edges.last().map(|edge| (edge.from, edge.to));
        if writer != INITIAL && last != Some((writer, reader)) {
            let reason = Reason::WriteRead { key: read.key };
            edges.push(Edge::new(writer, reader, reason));
        }
    }
    edges
}

/// That `earlier` came before the writer that `reader` saw instead; if it saw the initial value, that
/// `earlier` came after the reader.
fn overwritten(earlier: u32, seen: u32, reader: u32, key: u32) -> Edge {
    match seen {
        INITIAL => Edge::new(reader, earlier, Reason::ReadWrite { key }),
        seen => Edge::new(earlier, seen, Reason::Overwritten { key, reader }),
    }
}

/// For each key the writers of the next read of it, and of the next read of it from another writer.
struct Ahead {
    reader: Vec<u32>,
    next: Vec<(u32, Option<u32>)>,
}

impl Ahead {
    fn new(keys: usize) -> Self {
        Self {
            reader: vec![INITIAL; keys],
            next: vec![(INITIAL, None); keys],
        }
    }

    fn note(&mut self, reader: u32, key: u32, writer: u32) {
        let (of, next) = (&mut self.reader[key as usize], &mut self.next[key as usize]);
        if *of != reader {
            *of = reader;
            *next = (writer, None);
        } else if next.0 != writer {
            *next = (writer, Some(next.0));
        }
    }

    /// The writer of the next read of the key that is not from `other`.
    fn after(&self, reader: u32, key: u32, other: u32) -> Option<u32> {
        if self.reader[key as usize] != reader {
            return None;
        }
        let (first, second) = self.next[key as usize];
        if first == other { second } else { Some(first) }
    }
}

/// AWDIT, algorithm 1: each transaction's reads from the last to the first.
fn monotonic_atomic_view(happened: &Happened, edges: &mut Vec<Edge>) {
    let mut ahead = Ahead::new(happened.keys);
    let mut first_read = vec![(INITIAL, 0); happened.len()];
    for reader in 0..happened.len() as u32 {
        let reads = happened.reads.get(reader as usize);
        for (place, read) in reads.iter().enumerate().rev() {
            let writer = happened.writer(*read);
            if writer != INITIAL {
                first_read[writer as usize] = (reader, place);
            }
        }
        for (place, &read) in reads.iter().enumerate().rev() {
            let writer = happened.writer(read);
            if writer != INITIAL && first_read[writer as usize] == (reader, place) {
                let later = &reads[place + 1..];
                overtaken(happened, reader, writer, later, &ahead, edges);
            }
            ahead.note(reader, read.key, writer);
        }
    }
}

/// The edges from `known` to the writers that the reader saw later in keys that `known` wrote too.
fn overtaken(
    happened: &Happened,
    reader: u32,
    known: u32,
    later: &[Read],
    ahead: &Ahead,
    edges: &mut Vec<Edge>,
) {
    let mut prove = |key: u32| {
        if let Some(seen) = ahead.after(reader, key, known) {
            edges.push(overwritten(known, seen, reader, key));
        }
    };
    let written = happened.writes.get(known as usize);
    if written.len() <= later.len() {
        written.iter().for_each(|&key| prove(key));
        return;
    }
    for read in later {
        if happened.slot(known, read.key).is_some() {
            prove(read.key);
        }
    }
}

/// Transactions of which one that knew them saw only a part.
struct Fractures<'a> {
    happened: &'a Happened,
    edges: &'a mut Vec<Edge>,
    /// The last reader of each key, and whom it saw there.
    seen: Vec<(u32, u32)>,
    /// The last reader that was asked about a writer.
    asked: Vec<u32>,
}

impl<'a> Fractures<'a> {
    fn new(happened: &'a Happened, edges: &'a mut Vec<Edge>) -> Self {
        Self {
            seen: vec![(INITIAL, INITIAL); happened.keys],
            asked: vec![INITIAL; happened.len()],
            happened,
            edges,
        }
    }

    /// AWDIT, algorithm 2, without processes.
    fn read(&mut self) {
        for reader in 0..self.happened.len() as u32 {
            self.see(reader);
            let reads = self.happened.reads.get(reader as usize);
            for &read in reads {
                let writer = self.happened.writer(read);
                if writer != INITIAL && self.asked[writer as usize] != reader {
                    self.asked[writer as usize] = reader;
                    self.compare(reader, writer, reads);
                }
            }
        }
    }

    /// Notes whom the reader saw first in each key. Whom it saw there besides must have come after that one,
    /// and, as [`Fractures::compare`] finds, before it too.
    fn see(&mut self, reader: u32) {
        for &read in self.happened.reads.get(reader as usize) {
            let writer = self.happened.writer(read);
            let seen = &mut self.seen[read.key as usize];
            if seen.0 != reader {
                *seen = (reader, writer);
            } else if seen.1 != writer && seen.1 != INITIAL {
                self.edges
                    .push(overwritten(seen.1, writer, reader, read.key));
            }
        }
    }

    fn compare(&mut self, reader: u32, known: u32, reads: &[Read]) {
        let written = self.happened.writes.get(known as usize);
        if written.len() <= reads.len() {
            for &key in written {
                let (of, seen) = self.seen[key as usize];
                if of == reader && seen != known {
                    self.edges.push(overwritten(known, seen, reader, key));
                }
            }
            return;
        }
        for read in reads {
            let seen = self.happened.writer(*read);
            if seen != known && self.happened.slot(known, read.key).is_some() {
                self.edges.push(overwritten(known, seen, reader, read.key));
            }
        }
    }
}

/// The writers of one key in one chain, in its order.
struct WritersInChain {
    chain: u32,
    /// Where they are among all the writers.
    range: std::ops::Range<usize>,
}

/// AWDIT, algorithm 3: clocks say, of each chain, how far it is known.
struct Causality<'a> {
    happened: &'a Happened,
    chains: &'a Chains,
    /// The chains that wrote each key.
    chains_of_key: Lists<u32>,
    groups: Vec<WritersInChain>,
    /// By key, chain and place in the chain: the place, and the transaction.
    writers: Vec<(u32, u32)>,
    clocks: Vec<Option<Box<[u32]>>>,
    spare: Vec<Box<[u32]>>,
}

fn causal(all: &Transactions, happened: &Happened, nodes: u32, edges: &mut Vec<Edge>) {
    let graph = Digraph::new(nodes as usize, edges);
    let Some(sorted) = graph.order() else {
        return;
    };
    let chains = Chains::new(all, happened);
    let mut causality = Causality::new(happened, &chains, nodes as usize);
    let mut proved = Vec::new();
    let incoming = Incoming::new(nodes as usize, edges);
    let mut waiting: Vec<u32> = (0..nodes)
        .map(|node| graph.successors(node).len() as u32)
        .collect();
    for node in sorted {
        causality.advance(node, incoming.of(node));
        if (node as usize) < happened.len() {
            causality.prove(node, &mut proved);
        }
        causality.forget(node, incoming.of(node), &mut waiting);
    }
    edges.extend(proved);
}

/// The nodes right before each node.
struct Incoming(Lists<u32>);

impl Incoming {
    fn new(nodes: usize, edges: &[Edge]) -> Self {
        Self(Lists::group(
            nodes,
            edges.iter().map(|edge| (edge.to, edge.from)),
        ))
    }

    fn of(&self, node: u32) -> &[u32] {
        self.0.get(node as usize)
    }
}

impl<'a> Causality<'a> {
    fn new(happened: &'a Happened, chains: &'a Chains, nodes: usize) -> Self {
        let in_chains = (0..chains.count()).flat_map(|chain| chains.members.get(chain).iter());
        let by_key = in_chains.flat_map(|&transaction| {
            let keys = happened.writes.get(transaction as usize).iter();
            keys.map(move |&key| (key, transaction))
        });
        let by_key = Lists::group(happened.keys, by_key);
        let mut groups: Vec<WritersInChain> = Vec::new();
        let mut groups_of_key = Vec::new();
        let mut writers = Vec::with_capacity(by_key.item_count());
        for key in 0..happened.keys {
            for &transaction in by_key.get(key) {
                let chain = chains.chain[transaction as usize];
                let place = writers.len();
                writers.push((chains.place[transaction as usize], transaction));
                match groups.last_mut() {
                    Some(group)
                        if group.chain == chain && group.range.start >= by_key.range(key).start =>
                    {
                        group.range.end = place + 1;
                    }
                    _ => {
                        groups_of_key.push((key as u32, groups.len() as u32));
                        let range = place..place + 1;
                        groups.push(WritersInChain { chain, range });
                    }
                }
            }
        }
        Self {
            happened,
            chains,
            chains_of_key: Lists::group(happened.keys, groups_of_key.iter().copied()),
            groups,
            writers,
            clocks: (0..nodes).map(|_| None).collect(),
            spare: Vec::new(),
        }
    }

    /// Knows all that the nodes right before it know, and itself.
    fn advance(&mut self, node: u32, before: &[u32]) {
        let mut clock = self
            .spare
            .pop()
            .unwrap_or_else(|| vec![0; self.chains.count()].into_boxed_slice());
        clock.fill(0);
        for &known in before {
            let known = self.clocks[known as usize].as_deref();
            let known = known.expect("a clock is kept until all that come next were visited");
            for (own, other) in clock.iter_mut().zip(known) {
                *own = (*own).max(*other);
            }
        }
        if let Some(&chain) = self.chains.chain.get(node as usize) {
            clock[chain as usize] = self.chains.place[node as usize];
        }
        self.clocks[node as usize] = Some(clock);
    }

    /// The last in each chain that the reader knew came before whom it saw.
    fn prove(&self, reader: u32, proved: &mut Vec<Edge>) {
        let clock = self.clocks[reader as usize].as_deref().unwrap_or_default();
        let own = (
            self.chains.chain[reader as usize],
            self.chains.place[reader as usize],
        );
        for &read in self.happened.reads.get(reader as usize) {
            let seen = self.happened.writer(read);
            let seen_clock = match seen {
                INITIAL => None,
                seen => self.clocks[seen as usize].as_deref(),
            };
            for &group in self.chains_of_key.get(read.key as usize) {
                let group = &self.groups[group as usize];
                let chain = group.chain as usize;
                let known = clock[chain] - u32::from(own.0 == group.chain && own.1 == clock[chain]);
                let from = seen_clock.map_or(0, |clock| clock[chain]);
                if known <= from {
                    continue;
                }
                let writers = &self.writers[group.range.clone()];
                let count = writers.partition_point(|&(place, _)| place <= known);
                let Some(&(place, earlier)) = count.checked_sub(1).map(|last| &writers[last])
                else {
                    continue;
                };
                if place > from && earlier != seen {
                    proved.push(overwritten(earlier, seen, reader, read.key));
                }
            }
        }
    }

    /// Gives back the clocks that no node still to come needs.
    fn forget(&mut self, node: u32, before: &[u32], waiting: &mut [u32]) {
        for &known in before {
            waiting[known as usize] -= 1;
            if waiting[known as usize] == 0 {
                self.spare.extend(self.clocks[known as usize].take());
            }
        }
        if waiting[node as usize] == 0 {
            self.spare.extend(self.clocks[node as usize].take());
        }
    }
}
