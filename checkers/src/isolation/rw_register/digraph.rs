//! A graph with reasons on its edges: orders that agree with it, and cycles that nothing agrees with.

use std::collections::VecDeque;

/// No node, or no edge.
pub(crate) const NONE: u32 = u32::MAX;

/// Why one node comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The second read what the first had written to the key.
    WriteRead { key: u32 },
    /// The second overwrote what the first had written to the key.
    WriteWrite { key: u32 },
    /// The second overwrote what the first had read of the key.
    ReadWrite { key: u32 },
    /// `reader` knew the first and yet saw what the second had written to the key.
    Overwritten { key: u32, reader: u32 },
    /// The same process did the first, then the second.
    Process,
    /// The first had returned before the second was invoked.
    Realtime,
    /// `later` found the version of the key that the second made, after somebody had left that of the
    /// first; or the second found the initial one, after the first had left another.
    KeyOrder { key: u32, later: u32 },
    /// The nodes belong to one transaction, or one of them to none.
    Inner,
    /// The first is of a run of versions that were each made from the one before, from the initial one on:
    /// where no update may be lost, nothing comes between.
    Unbroken,
    /// The other way round, the pair of this number would close a cycle.
    Decided { choice: u32 },
    /// One of the two orders of the pair of this number, both of which were tried.
    Chosen { choice: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) reason: Reason,
}

impl Edge {
    pub(crate) fn new(from: u32, to: u32, reason: Reason) -> Self {
        Self { from, to, reason }
    }
}

/// Edges by the node that they leave.
pub(crate) struct Digraph<'e> {
    edges: &'e [Edge],
    starts: Vec<u32>,
    /// The node that each edge leads to, and its number.
    outgoing: Vec<(u32, u32)>,
}

impl<'e> Digraph<'e> {
    /// The graph of `nodes` nodes. O(n).
    pub(crate) fn new(nodes: usize, edges: &'e [Edge]) -> Self {
        let mut starts = vec![0u32; nodes + 1];
        for edge in edges {
            starts[edge.from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut outgoing = vec![(NONE, NONE); edges.len()];
        for (number, edge) in edges.iter().enumerate() {
            let place = &mut next[edge.from as usize];
            outgoing[*place as usize] = (edge.to, number as u32);
            *place += 1;
        }
        Self {
            edges,
            starts,
            outgoing,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The nodes that a node comes right before, each with the number of the edge.
    pub(crate) fn successors(&self, node: u32) -> &[(u32, u32)] {
        let node = node as usize;
        &self.outgoing[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    pub(crate) fn incoming_counts(&self) -> Vec<u32> {
        let mut counts = vec![0u32; self.len()];
        for edge in self.edges {
            counts[edge.to as usize] += 1;
        }
        counts
    }

    /// The nodes in an order that agrees with every edge, if there is one.
    pub(crate) fn order(&self) -> Option<Vec<u32>> {
        let mut missing = self.incoming_counts();
        let mut order: Vec<u32> = (0..self.len() as u32)
            .filter(|&node| missing[node as usize] == 0)
            .collect();
        let mut next = 0;
        while next < order.len() {
            let node = order[next];
            next += 1;
            for &(to, _) in self.successors(node) {
                missing[to as usize] -= 1;
                if missing[to as usize] == 0 {
                    order.push(to);
                }
            }
        }
        (order.len() == self.len()).then_some(order)
    }

    /// A short cycle, if there is any: its edges, each ending where the next begins.
    pub(crate) fn cycle(&self) -> Option<Vec<Edge>> {
        let component = self.components();
        let mut sizes = vec![0u32; self.len()];
        for &of in &component {
            sizes[of as usize] += 1;
        }
        let smallest = *sizes.iter().filter(|&&size| size > 1).min()?;
        let chosen = sizes.iter().position(|&size| size == smallest)? as u32;
        let members = (0..self.len() as u32).filter(|&node| component[node as usize] == chosen);
        let mut search = Search::new(self.len());
        let cycles = members
            .take(SOURCES_AT_MOST)
            .filter_map(|node| self.cycle_through(node, &component, &mut search));
        cycles.min_by_key(Vec::len)
    }

    /// A shortest path from one node to another.
    pub(crate) fn path(&self, from: u32, to: u32) -> Option<Vec<Edge>> {
        let mut search = Search::new(self.len());
        search.start(from);
        while let Some(node) = search.queue.pop_front() {
            for &(next, edge) in self.successors(node) {
                if next == to {
                    return Some(self.way_back(from, edge, &search));
                }
                search.reach(next, edge);
            }
        }
        None
    }

    fn cycle_through(
        &self,
        source: u32,
        component: &[u32],
        search: &mut Search,
    ) -> Option<Vec<Edge>> {
        search.start(source);
        while let Some(node) = search.queue.pop_front() {
            for &(to, edge) in self.successors(node) {
                if to == source {
                    return Some(self.way_back(source, edge, search));
                }
                if component[to as usize] == component[source as usize] {
                    search.reach(to, edge);
                }
            }
        }
        None
    }

    fn way_back(&self, source: u32, last: u32, search: &Search) -> Vec<Edge> {
        let mut cycle = vec![self.edges[last as usize]];
        while cycle[cycle.len() - 1].from != source {
            let from = cycle[cycle.len() - 1].from;
            let edge = search.through[from as usize].1;
            cycle.push(self.edges[edge as usize]);
        }
        cycle.reverse();
        cycle
    }

    /// The strongly connected component of each node, by number. Tarjan 1972, without recursion.
    fn components(&self) -> Vec<u32> {
        let mut tarjan = Tarjan::new(self.len());
        for root in 0..self.len() as u32 {
            if tarjan.index[root as usize] == NONE {
                tarjan.visit_from(root, self);
            }
        }
        tarjan.component
    }
}

/// From how many nodes of a component a cycle is searched: the shortest of these is told.
const SOURCES_AT_MOST: usize = 128;

/// A search in breadth whose memory is used again.
struct Search {
    round: u32,
    /// The round in which a node was reached, and the edge.
    through: Vec<(u32, u32)>,
    queue: VecDeque<u32>,
}

impl Search {
    fn new(nodes: usize) -> Self {
        Self {
            round: 0,
            through: vec![(0, NONE); nodes],
            queue: VecDeque::new(),
        }
    }

    fn start(&mut self, source: u32) {
        self.round += 1;
        self.queue.clear();
        self.reach(source, NONE);
    }

    fn reach(&mut self, node: u32, edge: u32) {
        let through = &mut self.through[node as usize];
        if through.0 != self.round {
            *through = (self.round, edge);
            self.queue.push_back(node);
        }
    }
}

struct Tarjan {
    next: u32,
    index: Vec<u32>,
    low: Vec<u32>,
    component: Vec<u32>,
    components: u32,
    stack: Vec<u32>,
    /// The nodes being visited, each with how many of its edges were followed.
    visits: Vec<(u32, u32)>,
}

impl Tarjan {
    fn new(nodes: usize) -> Self {
        Self {
            next: 0,
            index: vec![NONE; nodes],
            low: vec![NONE; nodes],
            component: vec![NONE; nodes],
            components: 0,
            stack: Vec::new(),
            visits: Vec::new(),
        }
    }

    fn visit_from(&mut self, root: u32, graph: &Digraph<'_>) {
        self.enter(root);
        while let Some(&mut (node, ref mut followed)) = self.visits.last_mut() {
            let next = graph.successors(node).get(*followed as usize);
            *followed += 1;
            match next {
                Some(&(to, _)) if self.index[to as usize] == NONE => self.enter(to),
                Some(&(to, _)) if self.component[to as usize] == NONE => {
                    self.lower(node, self.index[to as usize]);
                }
                Some(_) => {}
                None => self.leave(node),
            }
        }
    }

    fn enter(&mut self, node: u32) {
        self.index[node as usize] = self.next;
        self.low[node as usize] = self.next;
        self.next += 1;
        self.stack.push(node);
        self.visits.push((node, 0));
    }

    fn lower(&mut self, node: u32, to: u32) {
        let low = &mut self.low[node as usize];
        *low = (*low).min(to);
    }

    fn leave(&mut self, node: u32) {
        self.visits.pop();
        let low = self.low[node as usize];
        if let Some(&(parent, _)) = self.visits.last() {
            self.lower(parent, low);
        }
        if low != self.index[node as usize] {
            return;
        }
        while let Some(member) = self.stack.pop() {
            self.component[member as usize] = self.components;
            if member == node {
                break;
            }
        }
        self.components += 1;
    }
}
