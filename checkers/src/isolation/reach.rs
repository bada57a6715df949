//! From which anti-dependencies the way back needs no other one: 64 of them at a time.
//!
//! Breadth-first search from many sources at once, as in Then et al., "The More the Merrier: Efficient
//! Multi-Source Graph Traversal", 2014: a word of 64 bits for each node says from which of 64 sources
//! it has been reached. Nodes are visited in an order in which dependencies lead onwards, so that where
//! they have no cycle each is visited once.

use super::components::Components;
use super::graph::{Edge, Graph, Kinds};
use super::walk::Budget;
use std::collections::BinaryHeap;

/// Whether the search ended.
pub(super) enum Reached {
    /// The first of the anti-dependencies, in the order given, that were found to close a cycle by
    /// edges of the kinds asked. Empty if none does.
    Closing(Vec<Edge>),
    /// The budget was used up before one was found.
    Unknown,
}

/// Looks for anti-dependencies whose target reaches their source.
pub(super) fn closing(
    graph: &Graph,
    kinds: Kinds,
    candidates: &[Edge],
    budget: &mut Budget,
) -> Reached {
    let order = Components::new(graph, kinds);
    let mut search = Search {
        graph,
        kinds,
        order: &order,
        words: vec![0; graph.nodes() as usize],
        touched: Vec::new(),
        open: BinaryHeap::new(),
    };
    for group in candidates.chunks(64) {
        if !search.spread(group, budget) {
            return Reached::Unknown;
        }
        let closing: Vec<Edge> = search.closing(group);
        if !closing.is_empty() {
            return Reached::Closing(closing);
        }
        search.clear();
    }
    Reached::Closing(Vec::new())
}

struct Search<'a> {
    graph: &'a Graph,
    kinds: Kinds,
    order: &'a Components,
    words: Vec<u64>,
    /// The nodes whose word is not 0.
    touched: Vec<u32>,
    /// Nodes whose word has grown since they were visited, those first that others are reached from.
    open: BinaryHeap<(u32, u32)>,
}

impl Search<'_> {
    /// `false` if the budget was used up.
    fn spread(&mut self, group: &[Edge], budget: &mut Budget) -> bool {
        for (index, edge) in group.iter().enumerate() {
            self.reach(edge.to, 1 << index);
        }
        while let Some((_, node)) = self.open.pop() {
            // Who stands there twice is visited at once.
            while self.open.peek().is_some_and(|&(_, next)| next == node) {
                self.open.pop();
            }
            let word = self.words[node as usize];
            let edges = self.graph.edges_of(node);
            if !budget.spend(1 + u64::from(edges.end - edges.start)) {
                return false;
            }
            for edge in edges {
                if self.graph.kind(edge).meets(self.kinds) {
                    self.reach(self.graph.target(edge), word);
                }
            }
        }
        true
    }

    fn reach(&mut self, node: u32, word: u64) {
        let own = &mut self.words[node as usize];
        if *own | word == *own {
            return;
        }
        if *own == 0 {
            self.touched.push(node);
        }
        *own |= word;
        self.open.push((self.order.of(node), node));
    }

    fn closing(&self, group: &[Edge]) -> Vec<Edge> {
        let group = group.iter().enumerate();
        let closing =
            group.filter(|(index, edge)| self.words[edge.from as usize] >> index & 1 == 1);
        closing.map(|(_, edge)| *edge).collect()
    }

    fn clear(&mut self) {
        for node in self.touched.drain(..) {
            self.words[node as usize] = 0;
        }
    }
}
