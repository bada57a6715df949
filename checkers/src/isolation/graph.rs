//! Directed graphs of transactions, in compressed rows: 5 bytes an edge and 4 a node.
//!
//! Besides transactions a graph may have *relays*: nodes that pass a dependency on, so that `n`
//! transactions before each of `m` others need `n + m` edges and not `n * m`. An edge into a relay says
//! of which kind the dependency is; the edges out of it, to further relays or to transactions, are of
//! kind [`Kinds::VIA`].

use crate::verdict::DependencyKind;
use std::ops::BitOr;

/// A set of kinds of edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    pub const WRITE_WRITE: Self = Self(1);
    pub const WRITE_READ: Self = Self(1 << 1);
    pub const READ_WRITE: Self = Self(1 << 2);
    pub const PROCESS: Self = Self(1 << 3);
    pub const REALTIME: Self = Self(1 << 4);
    /// Out of a relay: the dependency is of the kind by which the relay was entered.
    pub const VIA: Self = Self(1 << 5);
    pub const ALL: Self = Self((1 << 6) - 1);

    /// Whether the two sets share a kind.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What the kind, if it is just one and not [`Kinds::VIA`], is called in a verdict.
    pub fn dependency(self) -> Option<DependencyKind> {
        match self {
            Self::WRITE_WRITE => Some(DependencyKind::WriteWrite),
            Self::WRITE_READ => Some(DependencyKind::WriteRead),
            Self::READ_WRITE => Some(DependencyKind::ReadWrite),
            Self::PROCESS => Some(DependencyKind::Process),
            Self::REALTIME => Some(DependencyKind::Realtime),
            _ => None,
        }
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An edge, before the graph is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: u32,
    pub to: u32,
    pub kind: Kinds,
}

/// Nodes are numbered: the transactions from 0 up to [`Graph::transactions`], then the relays. There
/// may be several edges from one node to another; the edges of a node keep the order in which they
/// were given.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    transactions: u32,
    /// Where the edges of each node start, and at the end how many there are.
    starts: Vec<u32>,
    targets: Vec<u32>,
    kinds: Vec<Kinds>,
}

impl Graph {
    /// The graph of these edges.
    ///
    /// # Panics
    /// If an edge names a node that there is not, or there are 2^32 edges or more.
    pub fn new(transactions: u32, nodes: u32, edges: &[Edge]) -> Self {
        assert!(transactions <= nodes, "transactions are nodes");
        assert!(u32::try_from(edges.len()).is_ok(), "2^32 edges or more");
        let mut starts = vec![0_u32; nodes as usize + 2];
        for edge in edges {
            assert!(edge.to < nodes, "an edge to no node");
            starts[edge.from as usize + 2] += 1;
        }
        for node in 2..starts.len() {
            starts[node] += starts[node - 1];
        }
        let mut targets = vec![0; edges.len()];
        let mut kinds = vec![Kinds::VIA; edges.len()];
        for edge in edges {
            let place = &mut starts[edge.from as usize + 1];
            targets[*place as usize] = edge.to;
            kinds[*place as usize] = edge.kind;
            *place += 1;
        }
        starts.pop();
        Self {
            transactions,
            starts,
            targets,
            kinds,
        }
    }

    /// How many of the nodes are transactions.
    pub fn transactions(&self) -> u32 {
        self.transactions
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> u32 {
        self.starts.len().saturating_sub(1) as u32
    }

    /// The edges out of a node, by number.
    pub(super) fn edges_of(&self, node: u32) -> std::ops::Range<u32> {
        self.starts[node as usize]..self.starts[node as usize + 1]
    }

    pub(super) fn target(&self, edge: u32) -> u32 {
        self.targets[edge as usize]
    }

    pub(super) fn kind(&self, edge: u32) -> Kinds {
        self.kinds[edge as usize]
    }

    /// The edges out of a node: where to, and of which kind.
    pub fn out(&self, node: u32) -> impl Iterator<Item = (u32, Kinds)> + '_ {
        self.edges_of(node)
            .map(|edge| (self.target(edge), self.kind(edge)))
    }

    /// All edges, by the node that they come from.
    pub fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        (0..self.nodes()).flat_map(|from| {
            self.out(from)
                .map(move |(to, kind)| Edge { from, to, kind })
        })
    }
}
