//! Serializability and snapshot isolation as one question: is there an order of some nodes that agrees
//! with every edge, and with one of two sets of edges for each pair of fragments of a key?
//!
//! For serializability a node is a transaction. For snapshot isolation each has two, its beginning and
//! its commit: what it reads was committed before it began, what overwrote what it read was committed
//! after it began, and of two that wrote one key the one was committed before the other began. That is
//! exact: Biswas and Enea 2019, and the BC-polygraphs of Zhang, Ji, Mu and Tan, "Viper: A Fast Snapshot
//! Isolation Checker", 2023; polygraphs are Papadimitriou's, 1979.

use super::digraph::{Edge, NONE, Reason};
use super::fragments::{Fragment, Fragments};
use super::happened::{Happened, Read};
use super::key_order::add_versions;
use super::sessions::{Ends, Orders, add_order};
use super::transactions::{INITIAL, Transactions};

/// The two questions that need version orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StrongLevel {
    SnapshotIsolation,
    Serializable,
}

impl StrongLevel {
    pub(super) fn ends(self) -> Ends {
        let nodes_each = match self {
            Self::SnapshotIsolation => 2,
            Self::Serializable => 1,
        };
        Ends { nodes_each }
    }
}

/// Where a fragment begins and ends. One fragment before another means an edge from each tail of the
/// first to the head in the same place of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) heads: [u32; 2],
    pub(super) tails: [u32; 2],
}

/// The fragments of one key whose order is not known: not those of the initial version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) key: u32,
    /// The group's first fragment among [`Constraints::spans`].
    pub(super) first: u32,
    pub(super) count: u32,
    /// The number of the first choice.
    pub(super) choices: u64,
}

impl Group {
    /// The choice between two fragments by their place in the group, `a` before `b`.
    pub(super) fn choice(&self, a: u32, b: u32) -> u64 {
        debug_assert!(a < b && b < self.count);
        let (a, b, count) = (u64::from(a), u64::from(b), u64::from(self.count));
        self.choices + a * (2 * count - a - 1) / 2 + (b - a - 1)
    }

    /// The two fragments of a choice, as in [`Group::choice`].
    pub(super) fn members(&self, choice: u64) -> (u32, u32) {
        let mut a = 0;
        while a + 2 < self.count && self.choice(a + 1, a + 2) <= choice {
            a += 1;
        }
        (a, a + 1 + (choice - self.choice(a, a + 1)) as u32)
    }
}

/// The question.
pub(super) struct Constraints {
    pub(super) ends: Ends,
    pub(super) nodes: u32,
    pub(super) edges: Vec<Edge>,
    pub(super) groups: Vec<Group>,
    pub(super) spans: Vec<Span>,
    /// The fragment that each span is.
    pub(super) fragments: Vec<u32>,
    pub(super) choices: u64,
}

impl Constraints {
    /// O(n).
    pub(super) fn new(
        all: &Transactions,
        happened: &Happened,
        fragments: &Fragments,
        level: StrongLevel,
        orders: Orders,
    ) -> Self {
        let ends = level.ends();
        let mut constraints = Self {
            ends,
            nodes: ends.nodes_each * happened.len() as u32,
            edges: Vec::with_capacity(2 * happened.reads.item_count() + 2 * happened.len()),
            groups: Vec::new(),
            spans: Vec::new(),
            fragments: Vec::new(),
            choices: 0,
        };
        constraints.add_transactions(happened.len() as u32);
        constraints.add_versions(happened, fragments);
        let edges = &mut constraints.edges;
        let nodes = add_order(all, happened, orders.order, ends, constraints.nodes, edges);
        add_versions(all, happened, orders.of_keys, ends, edges);
        constraints.nodes = nodes;
        for key in 0..happened.keys as u32 {
            constraints.add_key(happened, fragments, key);
        }
        constraints
    }

    fn add(&mut self, from: u32, to: u32, reason: Reason) {
        self.edges.push(Edge::new(from, to, reason));
    }

    fn add_transactions(&mut self, count: u32) {
        if self.ends.nodes_each == 2 {
            for transaction in 0..count {
                let (begin, commit) = (self.ends.begin(transaction), self.ends.commit(transaction));
                self.add(begin, commit, Reason::Inner);
            }
        }
    }

    /// From writers to readers, and what follows within fragments.
    fn add_versions(&mut self, happened: &Happened, fragments: &Fragments) {
        for (reader, read) in happened.all_reads() {
            let Read { key, slot } = read;
            if slot != INITIAL {
                let writer = happened.owner[slot as usize];
                let (from, to) = (self.ends.commit(writer), self.ends.begin(reader));
                self.add(from, to, Reason::WriteRead { key });
            }
            let next = fragments.after(key, slot);
            if next != INITIAL && happened.owner[next as usize] != reader {
                let overwriter = happened.owner[next as usize];
                let (from, to) = (self.ends.begin(reader), self.ends.commit(overwriter));
                self.add(from, to, Reason::ReadWrite { key });
            }
        }
    }

    /// The fragments of a key: that of the initial version comes first, the others in any order.
    fn add_key(&mut self, happened: &Happened, fragments: &Fragments, key: u32) {
        let of_key = fragments.of_key.get(key as usize);
        if of_key.len() < 2 {
            return;
        }
        let first = self.spans.len() as u32;
        let spans: Vec<Span> = of_key
            .iter()
            .map(|&fragment| {
                let fragment = &fragments.all[fragment as usize];
                self.span(happened, fragments, fragment)
            })
            .collect();
        let reason = match fragments.all[of_key[0] as usize].last {
            INITIAL => Reason::Inner,
            _ => Reason::Unbroken,
        };
        for later in &spans[1..] {
            self.precede(&spans[0], later, reason);
        }
        let count = of_key.len() as u32 - 1;
        if count > 1 {
            self.spans.extend(&spans[1..]);
            self.fragments.extend(&of_key[1..]);
            let choices = self.choices;
            self.groups.push(Group {
                key,
                first,
                count,
                choices,
            });
            self.choices += u64::from(count) * u64::from(count - 1) / 2;
        }
    }

    fn precede(&mut self, earlier: &Span, later: &Span, reason: Reason) {
        for (&tail, &head) in earlier.tails.iter().zip(&later.heads) {
            if tail != NONE && head != NONE {
                self.add(tail, head, reason);
            }
        }
    }

    /// For serializability one node after the last version and its readers. For snapshot isolation the
    /// last commit, which comes before the next beginning, and a node after the beginnings of its
    /// readers, which come before the next commit.
    fn span(&mut self, happened: &Happened, fragments: &Fragments, fragment: &Fragment) -> Span {
        let key = fragment.key;
        let readers = fragments.readers(key, fragment.last);
        let node_of = |slot: u32, end: fn(Ends, u32) -> u32| match slot {
            INITIAL => NONE,
            slot => end(self.ends, happened.owner[slot as usize]),
        };
        let (begin, commit) = (
            node_of(fragment.first, Ends::begin),
            node_of(fragment.first, Ends::commit),
        );
        let last = node_of(fragment.last, Ends::commit);
        if self.ends.nodes_each == 2 {
            let written = self.tail([last], Reason::WriteWrite { key });
            let begins = readers.iter().map(|&reader| self.ends.begin(reader));
            let begins: Vec<u32> = begins.collect();
            return Span {
                heads: [begin, commit],
                tails: [written, self.tail(begins, Reason::ReadWrite { key })],
            };
        }
        let mut tail = self.tail([last], Reason::WriteWrite { key });
        for &reader in readers {
            if tail == NONE {
                tail = self.nodes;
                self.nodes += 1;
            }
            self.add(self.ends.begin(reader), tail, Reason::ReadWrite { key });
        }
        Span {
            heads: [begin, NONE],
            tails: [tail, NONE],
        }
    }

    /// A node after those, unless there are none.
    fn tail(&mut self, after: impl IntoIterator<Item = u32>, reason: Reason) -> u32 {
        let tail = self.nodes;
        for node in after {
            if node != NONE {
                self.nodes = tail + 1;
                self.add(node, tail, reason);
            }
        }
        if self.nodes == tail { NONE } else { tail }
    }

    /// The place of every fragment of a group, and what comes before what.
    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair> + '_ {
        self.groups.iter().flat_map(|group| {
            (0..group.count).flat_map(move |a| {
                (a + 1..group.count).map(move |b| Pair {
                    choice: group.choice(a, b),
                    a: group.first + a,
                    b: group.first + b,
                })
            })
        })
    }

    /// The edges that say that one span comes before another.
    pub(super) fn between(&self, earlier: u32, later: u32) -> impl Iterator<Item = (u32, u32)> {
        let (earlier, later) = (self.spans[earlier as usize], self.spans[later as usize]);
        let pairs = earlier.tails.into_iter().zip(later.heads);
        pairs.filter(|&(tail, head)| tail != NONE && head != NONE)
    }
}

/// A choice: the one span before the other, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) choice: u64,
    pub(super) a: u32,
    pub(super) b: u32,
}
