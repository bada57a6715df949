//! The part of a graph that lies on cycles: mostly nothing, and seldom much.

use super::components::Components;
use super::graph::{Edge, Graph};

pub(super) struct Subgraph {
    pub(super) graph: Graph,
    /// The number that each node has in the whole graph.
    pub(super) nodes: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

/// The nodes on cycles, and the edges that may be part of one.
pub(super) fn on_cycles(graph: &Graph, components: &Components) -> Subgraph {
    let nodes: Vec<u32> = (0..graph.nodes())
        .filter(|&node| components.is_on_cycle(node))
        .collect();
    let transactions = nodes.partition_point(|&node| node < graph.transactions()) as u32;
    let mut numbers = vec![
        ABSENT;
        if nodes.is_empty() {
            0
        } else {
            graph.nodes() as usize
        }
    ];
    for (number, &node) in nodes.iter().enumerate() {
        numbers[node as usize] = number as u32;
    }
    let mut edges = Vec::new();
    for &from in &nodes {
        for (to, kind) in graph.out(from) {
            if components.share_cycle(from, to) {
                edges.push(Edge {
                    from: numbers[from as usize],
                    to: numbers[to as usize],
                    kind,
                });
            }
        }
    }
    Subgraph {
        graph: Graph::new(transactions, nodes.len() as u32, &edges),
        nodes,
    }
}
