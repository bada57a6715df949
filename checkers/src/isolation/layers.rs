//! Cycles in which no two anti-dependencies are neighbours, in linear time.
//!
//! Snapshot isolation forbids just these: Cerone, Gotsman, "Analysing Snapshot Isolation", 2016,
//! theorem 9. In a graph of two layers the upper one says "the last step was an anti-dependency". From
//! there no further one leads on; every other edge leads back to the lower layer. A walk through both
//! that returns to its start is a cycle of the kind sought, and such walks are what the strongly
//! connected components of the two layers hold.

use super::components::{self, Components};
use super::graph::{Graph, Kinds};

/// A node on one of the layers.
pub(super) type State = u32;

pub(super) const LOWER: u32 = 0;
pub(super) const UPPER: u32 = 1;

pub(super) fn state(node: u32, layer: u32) -> State {
    node * 2 + layer
}

pub(super) fn node(state: State) -> u32 {
    state / 2
}

/// Where an edge leads from a state, if it may be followed there. `kinds` are those that lead back to
/// the lower layer.
pub(super) fn follow(graph: &Graph, kinds: Kinds, from: State, edge: u32) -> Option<State> {
    let (kind, target) = (graph.kind(edge), graph.target(edge));
    let layer = from % 2;
    if kind == Kinds::VIA {
        Some(state(target, layer))
    } else if kind == Kinds::READ_WRITE {
        (layer == LOWER).then(|| state(target, UPPER))
    } else {
        kind.meets(kinds).then(|| state(target, LOWER))
    }
}

/// The components of the two layers, by state.
pub(super) fn components(graph: &Graph, kinds: Kinds) -> Components {
    components::search(
        graph.nodes() * 2,
        |state| graph.edges_of(node(state)),
        |from, edge| follow(graph, kinds, from, edge),
    )
}

/// Whether an anti-dependency is part of a cycle of the kind sought.
pub(super) fn closes(layers: &Components, from: u32, to: u32) -> bool {
    layers.share_cycle(state(from, LOWER), state(to, UPPER))
}
