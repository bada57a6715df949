//! What the transactions of one process, and the clock of the history, say of their order.

use super::digraph::{Edge, Reason};
use super::happened::{Happened, Lists};
use super::transactions::{INITIAL, NEVER, Transactions};
use crate::history::Outcome;

/// What orders transactions, beyond what they read and wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Nothing.
    None,
    /// The transactions of one process take effect in its order.
    Process,
    /// A transaction takes effect before all that are invoked after it returned.
    Realtime,
}

/// What orders transactions, and what the versions of each key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orders {
    pub(super) order: Order,
    pub(super) of_keys: Order,
}

/// Transactions in chains: each comes after the one before it in its chain. A process is one chain,
/// which a crashed transaction ends.
#[derive(Clone, Debug)]
pub(super) struct Chains {
    /// The chain of each transaction.
    pub(super) chain: Vec<u32>,
    /// Its place in the chain, from 1.
    pub(super) place: Vec<u32>,
    pub(super) members: Lists<u32>,
}

impl Chains {
    /// O(n).
    pub(super) fn new(all: &Transactions, happened: &Happened) -> Self {
        let mut open: Vec<u32> = Vec::new();
        let mut lengths: Vec<u32> = Vec::new();
        let mut chain = Vec::with_capacity(happened.len());
        let mut place = Vec::with_capacity(happened.len());
        for &number in &happened.transactions {
            let process = all.processes[number as usize] as usize;
            if open.len() <= process {
                open.resize(process + 1, INITIAL);
            }
            if open[process] == INITIAL {
                open[process] = lengths.len() as u32;
                lengths.push(0);
            }
            let of = open[process];
            lengths[of as usize] += 1;
            chain.push(of);
            place.push(lengths[of as usize]);
            if all.outcomes[number as usize] != Outcome::Ok {
                open[process] = INITIAL;
            }
        }
        let pairs = chain.iter().zip(0u32..).map(|(&of, index)| (of, index));
        let members = Lists::group(lengths.len(), pairs);
        Self {
            chain,
            place,
            members,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.members.len()
    }
}

/// Where the edges of one transaction begin and end: at the transaction itself, or at its commit and
/// at its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) nodes_each: u32,
}

impl Ends {
    /// The node after which a transaction's writes are there.
    pub(super) fn commit(self, transaction: u32) -> u32 {
        self.nodes_each * transaction + self.nodes_each - 1
    }

    /// The node before which what a transaction read must be there.
    pub(super) fn begin(self, transaction: u32) -> u32 {
        self.nodes_each * transaction
    }
}

/// Adds the edges of `order`. Realtime needs nodes of its own, which are numbered from `nodes`;
/// returns how many nodes there are then. O(n).
pub(super) fn add_order(
    all: &Transactions,
    happened: &Happened,
    order: Order,
    ends: Ends,
    nodes: u32,
    edges: &mut Vec<Edge>,
) -> u32 {
    match order {
        Order::None => nodes,
        Order::Process => {
            for (index, &previous) in (0u32..).zip(&happened.previous) {
                if previous != INITIAL {
                    let (from, to) = (ends.commit(previous), ends.begin(index));
                    edges.push(Edge::new(from, to, Reason::Process));
                }
            }
            nodes
        }
        Order::Realtime => add_realtime(all, happened, ends, nodes, edges),
    }
}

/// One node for each run of completions without an invocation among them, in a chain: after all that
/// returned until then, and before all that are invoked later.
fn add_realtime(
    all: &Transactions,
    happened: &Happened,
    ends: Ends,
    first_node: u32,
    edges: &mut Vec<Edge>,
) -> u32 {
    let raw = |index: u32| happened.transactions[index as usize] as usize;
    let mut completions: Vec<(u32, u32)> = (0..happened.len() as u32)
        .map(|index| (all.completed[raw(index)], index))
        .filter(|&(event, _)| event != NEVER)
        .collect();
    completions.sort_unstable();
    let mut completions = completions.into_iter().peekable();
    let mut nodes = first_node;
    for index in 0..happened.len() as u32 {
        let invoked = all.invoked[raw(index)];
        let mut is_fresh = false;
        while let Some((_, returned)) = completions.next_if(|&(event, _)| event < invoked) {
            if !is_fresh {
                nodes += 1;
                is_fresh = true;
                if nodes - 1 > first_node {
                    edges.push(Edge::new(nodes - 2, nodes - 1, Reason::Inner));
                }
            }
            let from = ends.commit(returned);
            edges.push(Edge::new(from, nodes - 1, Reason::Realtime));
        }
        if nodes > first_node {
            edges.push(Edge::new(nodes - 1, ends.begin(index), Reason::Inner));
        }
    }
    nodes
}
