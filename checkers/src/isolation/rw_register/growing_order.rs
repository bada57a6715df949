//! A topological order of a graph to which edges are added, and from which the last ones are taken
//! away again. Pearce and Kelly, "A Dynamic Topological Sort Algorithm for Directed Acyclic Graphs",
//! 2006: only the nodes between the two ends of a new edge move.

use super::digraph::{Digraph, Edge};

/// No label: the edge was there from the beginning.
pub(super) const UNLABELLED: u32 = u32::MAX;

/// An order of nodes that agrees with every edge.
pub(super) struct GrowingOrder {
    /// The place of each node.
    place: Vec<u32>,
    forward: Adjacent,
    backward: Adjacent,
    /// The edges added, in that order.
    added: Vec<(u32, u32)>,
    visited: Vec<u32>,
    round: u32,
    /// How a forward search came to a node: from which, by which label.
    through: Vec<(u32, u32)>,
    /// How many nodes were visited in all.
    pub(super) work: u64,
}

/// The nodes next to each node with the label of the edge: first those from the beginning.
struct Adjacent {
    starts: Vec<u32>,
    fixed: Vec<u32>,
    added: Vec<Vec<(u32, u32)>>,
}

impl Adjacent {
    fn new(nodes: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = vec![0u32; nodes + 1];
        for (from, _) in pairs.clone() {
            starts[from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut fixed = vec![0; starts[nodes] as usize];
        for (from, to) in pairs {
            fixed[next[from as usize] as usize] = to;
            next[from as usize] += 1;
        }
        Self {
            starts,
            fixed,
            added: vec![Vec::new(); nodes],
        }
    }

    fn of(&self, node: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let node = node as usize;
        let fixed = &self.fixed[self.starts[node] as usize..self.starts[node + 1] as usize];
        let fixed = fixed.iter().map(|&to| (to, UNLABELLED));
        fixed.chain(self.added[node].iter().copied())
    }
}

impl GrowingOrder {
    /// Starts with a graph without a cycle and an order that agrees with it.
    pub(super) fn new(graph: &Digraph<'_>, edges: &[Edge], order: &[u32]) -> Self {
        let nodes = graph.len();
        assert_eq!(order.len(), nodes, "the order holds every node");
        let mut place = vec![0; nodes];
        for (&node, index) in order.iter().zip(0u32..) {
            place[node as usize] = index;
        }
        Self {
            place,
            forward: Adjacent::new(nodes, edges.iter().map(|edge| (edge.from, edge.to))),
            backward: Adjacent::new(nodes, edges.iter().map(|edge| (edge.to, edge.from))),
            added: Vec::new(),
            visited: vec![0; nodes],
            round: 0,
            through: vec![(0, UNLABELLED); nodes],
            work: 0,
        }
    }

    pub(super) fn edges_added(&self) -> usize {
        self.added.len()
    }

    pub(super) fn is_before(&self, one: u32, other: u32) -> bool {
        self.place[one as usize] < self.place[other as usize]
    }

    /// The nodes in order.
    pub(super) fn nodes(&self) -> Vec<u32> {
        let mut nodes: Vec<u32> = (0..self.place.len() as u32).collect();
        self.sort(&mut nodes);
        nodes
    }

    fn sort(&self, nodes: &mut [u32]) {
        nodes.sort_unstable_by_key(|&node| self.place[node as usize]);
    }

    /// Adds an edge.
    ///
    /// # Errors
    /// The edges of a cycle that it closes, as nodes and labels. The edge is there nevertheless: it
    /// must be taken away before anything else is added.
    pub(super) fn add(&mut self, from: u32, to: u32, label: u32) -> Result<(), Vec<Step>> {
        self.forward.added[from as usize].push((to, label));
        self.backward.added[to as usize].push((from, label));
        self.added.push((from, to));
        if self.is_before(from, to) {
            return Ok(());
        }
        let Some(after) = self.search_forward(to, from) else {
            return Err(self.cycle(from, to, label));
        };
        let before = self.search_backward(from, to);
        self.reorder(before, after);
        Ok(())
    }

    /// Takes away the edges added last, until `count` are left.
    pub(super) fn shrink(&mut self, count: usize) {
        while self.added.len() > count {
            if let Some((from, to)) = self.added.pop() {
                self.forward.added[from as usize].pop();
                self.backward.added[to as usize].pop();
            }
        }
    }

    /// All that `start` reaches up to the place of `end`; `None` if it reaches `end` itself.
    fn search_forward(&mut self, start: u32, end: u32) -> Option<Vec<u32>> {
        if start == end {
            return None;
        }
        self.round += 1;
        self.visited[start as usize] = self.round;
        let mut found = vec![start];
        let mut next = 0;
        while let Some(&node) = found.get(next) {
            next += 1;
            self.work += 1;
            for (to, label) in self.forward.of(node) {
                let is_far = self.place[to as usize] > self.place[end as usize];
                if is_far || self.visited[to as usize] == self.round {
                    continue;
                }
                self.visited[to as usize] = self.round;
                self.through[to as usize] = (node, label);
                if to == end {
                    return None;
                }
                found.push(to);
            }
        }
        Some(found)
    }

    fn search_backward(&mut self, start: u32, end: u32) -> Vec<u32> {
        self.round += 1;
        self.visited[start as usize] = self.round;
        let mut found = vec![start];
        let mut next = 0;
        while let Some(&node) = found.get(next) {
            next += 1;
            self.work += 1;
            for (from, _) in self.backward.of(node) {
                let is_far = self.place[from as usize] < self.place[end as usize];
                if !is_far && self.visited[from as usize] != self.round {
                    self.visited[from as usize] = self.round;
                    found.push(from);
                }
            }
        }
        found
    }

    /// Those before take the first of all their places, those after the others, each in their order.
    fn reorder(&mut self, mut before: Vec<u32>, mut after: Vec<u32>) {
        self.sort(&mut before);
        self.sort(&mut after);
        before.extend(after);
        let mut places: Vec<u32> = before
            .iter()
            .map(|&node| self.place[node as usize])
            .collect();
        places.sort_unstable();
        for (node, place) in before.into_iter().zip(places) {
            self.place[node as usize] = place;
        }
    }

    /// The new edge, and the way back that the last search found.
    fn cycle(&self, from: u32, to: u32, label: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut node = from;
        while node != to {
            let (before, label) = self.through[node as usize];
            steps.push(Step {
                from: before,
                to: node,
                label,
            });
            node = before;
        }
        steps.push(Step { from, to, label });
        steps.reverse();
        steps
    }
}

/// An edge of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) label: u32,
}
