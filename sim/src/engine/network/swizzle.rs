//! Swizzle-clogging: nodes are clogged one after the other, and unclogged in another order.
//!
//! FoundationDB's (`RandomClogging.actor.cpp`): each node takes part with probability one half, begins
//! at an even time in the first half of the storm, and ends at one in the second.

use crate::engine::NodeId;
use crate::keyed::Key;

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Swizzle {
    Clog,
    Unclog,
}

/// One step of a swizzle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SwizzleStep {
    /// Since the beginning of the swizzle.
    pub at_ns: u64,
    pub node: NodeId,
    pub does: Swizzle,
}

/// The steps of a swizzle that lasts `length_ns` at the most, in their order. Every node that takes
/// part is clogged before any is unclogged; if there are nodes, at least one takes part.
pub fn swizzle(key: Key, nodes: &[NodeId], length_ns: u64) -> Vec<SwizzleStep> {
    let half_ns = length_ns / 2;
    let key_of = |node: NodeId| key.with(u64::from(node.number()));
    let must = (!nodes.is_empty()).then(|| *key.label("must").pick(nodes));
    let takes_part = |node: NodeId| must == Some(node) || key_of(node).label("part").chance(1, 2);
    let mut steps = Vec::new();
    for node in nodes.iter().copied().filter(|node| takes_part(*node)) {
        let key = key_of(node);
        steps.push(SwizzleStep {
            at_ns: key.label("start").between(0, half_ns),
            node,
            does: Swizzle::Clog,
        });
        steps.push(SwizzleStep {
            at_ns: key.label("end").between(half_ns, length_ns),
            node,
            does: Swizzle::Unclog,
        });
    }
    steps.sort_unstable_by_key(|step| (step.at_ns, step.does, step.node));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_clogged_in_one_order_and_unclogged_in_another() {
        let nodes: Vec<NodeId> = (1..=5).map(NodeId).collect();
        let mut are_orders_unlike = false;
        for seed in 0..100 {
            let steps = swizzle(Key::root(seed), &nodes, 1_000_000);
            assert!(steps.is_sorted_by_key(|step| step.at_ns));
            assert!(steps.iter().all(|step| step.at_ns <= 1_000_000));
            let order = |does| {
                let those = steps.iter().filter(|step| step.does == does);
                those.map(|step| step.node).collect::<Vec<_>>()
            };
            let (clogged, unclogged) = (order(Swizzle::Clog), order(Swizzle::Unclog));
            assert!(!clogged.is_empty());
            assert!(
                steps[..clogged.len()]
                    .iter()
                    .all(|step| step.does == Swizzle::Clog)
            );
            are_orders_unlike |= clogged != unclogged;
            let set =
                |order: Vec<NodeId>| order.into_iter().collect::<std::collections::BTreeSet<_>>();
            assert_eq!(set(clogged), set(unclogged));
        }
        assert!(are_orders_unlike);
        assert!(swizzle(Key::root(1), &[], 9).is_empty());
    }
}
