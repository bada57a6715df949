//! The shortest cycle through an edge.
//!
//! Breadth-first search in which an edge out of a relay costs nothing, so that what is counted is the
//! dependencies between transactions.

use super::graph::{Edge, Graph, Kinds};
use super::layers::{self, LOWER, State, UPPER};
use std::collections::VecDeque;

/// How many edges a search may still look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: u64,
}

impl Budget {
    pub(super) fn new(edges: u64) -> Self {
        Self { left: edges }
    }

    /// `false` if there is not that much left.
    pub(super) fn spend(&mut self, edges: u64) -> bool {
        let is_enough = edges <= self.left;
        self.left = self.left.saturating_sub(edges);
        is_enough
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }
}

/// Which edges a way may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Those of these kinds.
    Any(Kinds),
    /// Those of these kinds and anti-dependencies, of which no two may be neighbours: see [`layers`].
    Nonadjacent(Kinds),
}

impl Way {
    fn follow(self, graph: &Graph, from: State, edge: u32) -> Option<State> {
        match self {
            Self::Any(kinds) => graph
                .kind(edge)
                .meets(kinds)
                .then(|| layers::state(graph.target(edge), LOWER)),
            Self::Nonadjacent(kinds) => layers::follow(graph, kinds, from, edge),
        }
    }
}

/// Searches from many edges of one graph, one after another.
pub(super) struct Walker<'a> {
    graph: &'a Graph,
    way: Way,
    /// For each state the search that reached it last, in how many dependencies, from which state, and
    /// by which kind of edge.
    reached: Vec<Reached>,
    search: u32,
    open: VecDeque<State>,
}

#[derive(Clone, Copy)]
struct Reached {
    search: u32,
    distance: u32,
    parent: State,
    kind: Kinds,
}

impl<'a> Walker<'a> {
    pub(super) fn new(graph: &'a Graph, way: Way) -> Self {
        let nobody = Reached {
            search: 0,
            distance: 0,
            parent: 0,
            kind: Kinds::VIA,
        };
        Self {
            graph,
            way,
            reached: vec![nobody; graph.nodes() as usize * 2],
            search: 0,
            open: VecDeque::new(),
        }
    }

    /// The shortest cycle of less than `bound` edges that starts with `first`, an anti-dependency if no
    /// two may be neighbours: its edges, with those through relays. Spends of the budget, but ends the
    /// search that it has begun.
    pub(super) fn cycle(
        &mut self,
        first: Edge,
        bound: u32,
        budget: &mut Budget,
    ) -> Option<Vec<Edge>> {
        let layer = match self.way {
            Way::Any(_) => LOWER,
            Way::Nonadjacent(_) => UPPER,
        };
        let start = layers::state(first.to, layer);
        let goal = layers::state(first.from, LOWER);
        self.search += 1;
        self.open.clear();
        self.note(start, start, 1, Kinds::VIA);
        while let Some(from) = self.open.pop_front() {
            if from == goal {
                return Some(self.trace(first, start, goal));
            }
            self.step(from, bound, budget);
        }
        None
    }

    fn step(&mut self, from: State, bound: u32, budget: &mut Budget) {
        let distance = self.reached[from as usize].distance;
        let edges = self.graph.edges_of(layers::node(from));
        budget.spend(1 + u64::from(edges.end - edges.start));
        for edge in edges {
            let Some(to) = self.way.follow(self.graph, from, edge) else {
                continue;
            };
            let kind = self.graph.kind(edge);
            let distance = distance + u32::from(kind != Kinds::VIA);
            if distance < bound && self.is_news(to, distance) {
                self.note(to, from, distance, kind);
            }
        }
    }

    fn is_news(&self, state: State, distance: u32) -> bool {
        let reached = &self.reached[state as usize];
        reached.search != self.search || distance < reached.distance
    }

    fn note(&mut self, state: State, parent: State, distance: u32, kind: Kinds) {
        self.reached[state as usize] = Reached {
            search: self.search,
            distance,
            parent,
            kind,
        };
        if kind == Kinds::VIA {
            self.open.push_front(state);
        } else {
            self.open.push_back(state);
        }
    }

    fn trace(&self, first: Edge, start: State, goal: State) -> Vec<Edge> {
        let mut cycle = Vec::new();
        let mut state = goal;
        while state != start {
            let Reached { parent, kind, .. } = self.reached[state as usize];
            cycle.push(Edge {
                from: layers::node(parent),
                to: layers::node(state),
                kind,
            });
            state = parent;
        }
        cycle.push(first);
        cycle.reverse();
        cycle
    }
}
