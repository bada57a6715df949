//! Strongly connected components: the nodes that lie on cycles with each other.
//!
//! Tarjan, "Depth-first search and linear graph algorithms", 1972, with a stack of its own in place of
//! recursion. O(nodes + edges).

use super::graph::{Graph, Kinds};
use std::ops::Range;

/// A graph's nodes by component.
#[derive(Clone, Debug, Default)]
pub struct Components {
    /// The component of each node. Numbered so that every edge leads to a component of the same or a
    /// smaller number.
    of: Vec<u32>,
    sizes: Vec<u32>,
}

impl Components {
    /// The components when only edges of these kinds are there.
    pub fn new(graph: &Graph, kinds: Kinds) -> Self {
        let follow = |_, edge| graph.kind(edge).meets(kinds).then(|| graph.target(edge));
        search(graph.nodes(), |node| graph.edges_of(node), follow)
    }

    /// The component of a node.
    pub fn of(&self, node: u32) -> u32 {
        self.of[node as usize]
    }

    /// How many components there are.
    pub fn count(&self) -> u32 {
        self.sizes.len() as u32
    }

    /// How many nodes a component has.
    pub fn size(&self, component: u32) -> u32 {
        self.sizes[component as usize]
    }

    /// Whether the node lies on a cycle; in a graph where no edge leads from a node to itself.
    pub fn is_on_cycle(&self, node: u32) -> bool {
        self.size(self.of(node)) > 1
    }

    /// Whether some cycle goes through an edge from the one node to the other.
    pub fn share_cycle(&self, from: u32, to: u32) -> bool {
        self.of(from) == self.of(to)
    }
}

/// Not yet seen.
const NEW: u32 = 0;
/// Its component is known.
const DONE: u32 = u32::MAX;

struct Frame {
    node: u32,
    /// When it was discovered, counted from 1.
    number: u32,
    /// Those still to be followed.
    edges: Range<u32>,
}

/// The components of a graph in which `edges` gives the numbers of a node's edges, and `follow` where an
/// edge of a node leads to, if it counts.
pub(super) fn search(
    nodes: u32,
    edges: impl Fn(u32) -> Range<u32>,
    follow: impl Fn(u32, u32) -> Option<u32>,
) -> Components {
    let mut search = Search::new(nodes);
    for root in 0..nodes {
        if search.low[root as usize] == NEW {
            search.discover(root, &edges);
            search.explore(&edges, &follow);
        }
    }
    search.components
}

struct Search {
    /// For each node [`NEW`], [`DONE`], or the smallest number, counted from 1 in the order of
    /// discovery, of a node on the stack that is known to be reachable from it.
    low: Vec<u32>,
    discovered: u32,
    stack: Vec<u32>,
    frames: Vec<Frame>,
    components: Components,
}

impl Search {
    fn new(nodes: u32) -> Self {
        Self {
            low: vec![NEW; nodes as usize],
            discovered: 0,
            stack: Vec::new(),
            frames: Vec::new(),
            components: Components {
                of: vec![0; nodes as usize],
                sizes: Vec::new(),
            },
        }
    }

    fn discover(&mut self, node: u32, edges: &impl Fn(u32) -> Range<u32>) {
        self.discovered += 1;
        self.low[node as usize] = self.discovered;
        self.stack.push(node);
        self.frames.push(Frame {
            node,
            number: self.discovered,
            edges: edges(node),
        });
    }

    fn explore(
        &mut self,
        edges: &impl Fn(u32) -> Range<u32>,
        follow: &impl Fn(u32, u32) -> Option<u32>,
    ) {
        while let Some(frame) = self.frames.last_mut() {
            let node = frame.node;
            let Some(edge) = frame.edges.next() else {
                let number = frame.number;
                self.frames.pop();
                self.leave(node, number);
                continue;
            };
            let Some(target) = follow(node, edge) else {
                continue;
            };
            match self.low[target as usize] {
                DONE => {}
                NEW => self.discover(target, edges),
                low => self.lower(node, low),
            }
        }
    }

    fn lower(&mut self, node: u32, low: u32) {
        let own = &mut self.low[node as usize];
        *own = low.min(*own);
    }

    /// All that can be reached from `node` has been seen: it is the first of its component, or passes
    /// on what it reaches.
    fn leave(&mut self, node: u32, number: u32) {
        let low = self.low[node as usize];
        if low < number {
            let parent = self
                .frames
                .last()
                .expect("only the root has no parent")
                .node;
            self.lower(parent, low);
            return;
        }
        let component = self.components.count();
        let mut size = 0;
        loop {
            let member = self.stack.pop().expect("the node itself is there");
            self.low[member as usize] = DONE;
            self.components.of[member as usize] = component;
            size += 1;
            if member == node {
                break;
            }
        }
        self.components.sizes.push(size);
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::Edge;
    use super::*;

    fn graph(nodes: u32, edges: &[(u32, u32)]) -> Graph {
        let edge = |&(from, to): &(u32, u32)| Edge {
            from,
            to,
            kind: Kinds::WRITE_WRITE,
        };
        let edges: Vec<Edge> = edges.iter().map(edge).collect();
        Graph::new(nodes, nodes, &edges)
    }

    fn reaches(graph: &Graph, from: u32, to: u32) -> bool {
        let mut seen = vec![false; graph.nodes() as usize];
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut seen[node as usize], true) {
                open.extend(graph.out(node).map(|(target, _)| target));
            }
        }
        seen[to as usize]
    }

    /// Every graph of four nodes.
    #[test]
    fn components_are_those_that_reach_each_other() {
        let pairs: Vec<(u32, u32)> = (0..4)
            .flat_map(|from| (0..4).map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
            .collect();
        for chosen in 0..1_u32 << pairs.len() {
            let edges = (0..pairs.len()).filter(|index| chosen >> index & 1 == 1);
            let edges: Vec<(u32, u32)> = edges.map(|index| pairs[index]).collect();
            let graph = graph(4, &edges);
            let components = Components::new(&graph, Kinds::ALL);
            for &(from, to) in &pairs {
                let is_mutual = reaches(&graph, from, to) && reaches(&graph, to, from);
                assert_eq!(components.share_cycle(from, to), is_mutual, "{edges:?}");
            }
            for &(from, to) in &edges {
                assert!(components.of(to) <= components.of(from), "{edges:?}");
            }
        }
    }

    #[test]
    fn a_long_path_needs_no_deep_stack() {
        let edges: Vec<(u32, u32)> = (0..1_000_000).map(|node| (node, node + 1)).collect();
        let components = Components::new(&graph(1_000_001, &edges), Kinds::ALL);
        assert_eq!(components.count(), 1_000_001);
    }
}
