//! Shapes of cuts: who does not hear whom, as sets of directed links (from, to).
//!
//! The shapes are Jepsen's (`jepsen.nemesis`: `partition-halves`, `bridge`, `majorities-ring`). They
//! take the nodes in the order in which they are given; [`shuffled`] gives a keyed one.

use std::collections::BTreeSet;

use super::{FaultTag, LinkEffect, add_link_effect};
use crate::engine::NodeId;
use crate::keyed::Key;

/// Directed links: what the first sends to the second.
pub type Links = BTreeSet<(NodeId, NodeId)>;

/// All links between one side and the other, both ways.
pub fn between(left: &[NodeId], right: &[NodeId]) -> Links {
    let mut links = one_way(left, right);
    links.extend(one_way(right, left));
    links
}

/// What the nodes of one side send to those of the other. What these answer still arrives.
pub fn one_way(from: &[NodeId], to: &[NodeId]) -> Links {
    where_link(from, to, |_, _| true)
}

/// One node apart from all others: all of its links, for a clog as well.
pub fn one_node(node: NodeId, nodes: &[NodeId]) -> Links {
    between(&[node], nodes)
}

/// Two halves apart; of an odd number, the second is the greater.
pub fn halves(nodes: &[NodeId]) -> Links {
    let (left, right) = nodes.split_at(nodes.len() / 2);
    between(left, right)
}

/// Two halves apart but for one node, the middle one, which hears and is heard by both.
pub fn bridge(nodes: &[NodeId]) -> Links {
    let (left, right) = nodes.split_at(nodes.len() / 2);
    between(left, right.get(1..).unwrap_or_default())
}

/// Every node hears a majority, itself included, and no two nodes hear the same one: each hears
/// those around it in a ring. Where a majority is an even number (of 3, 6, 7, … nodes), it hears some
/// that do not hear it.
pub fn majorities_ring(nodes: &[NodeId]) -> Links {
    let count = nodes.len();
    let majority = count / 2 + 1;
    let mut links = Links::new();
    for at in 0..count {
        // The majority that begins here is what its middle node hears.
        let hearer = nodes[(at + majority / 2) % count];
        let unheard = (majority..count).map(|ahead| nodes[(at + ahead) % count]);
        links.extend(unheard.map(|from| (from, hearer)));
    }
    links
}

/// The links among these nodes that a predicate picks, as (from, to).
pub fn where_link(
    from: &[NodeId],
    to: &[NodeId],
    is_picked: impl Fn(NodeId, NodeId) -> bool,
) -> Links {
    let all = from
        .iter()
        .flat_map(|from| to.iter().map(|to| (*from, *to)));
    all.filter(|(from, to)| from != to && is_picked(*from, *to))
        .collect()
}

/// The links between those of a role and all others, both ways: a leader and its followers, say.
pub fn by_role(nodes: &[NodeId], has_role: impl Fn(NodeId) -> bool) -> Links {
    where_link(nodes, nodes, |from, to| has_role(from) != has_role(to))
}

/// The nodes in a keyed order.
pub fn shuffled(key: Key, nodes: &[NodeId]) -> Vec<NodeId> {
    let mut nodes = nodes.to_vec();
    nodes.sort_by_key(|node| (key.with(u64::from(node.0)).bits(), *node));
    nodes
}

/// Puts an effect on each of the links: a cut, a clog, or what else.
pub fn add_effect(links: &Links, tag: FaultTag, effect: LinkEffect) {
    for (from, to) in links {
        add_link_effect(*from, *to, tag, effect);
    }
}

/// Cuts clients from one port of a server, both ways; they reach its other ports.
pub fn add_port_cut(client: NodeId, server: NodeId, port: u16, tag: FaultTag) {
    add_link_effect(client, server, tag, LinkEffect::CutToPort { port });
    add_link_effect(server, client, tag, LinkEffect::CutFromPort { port });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: u32) -> Vec<NodeId> {
        (1..=count).map(NodeId).collect()
    }

    fn hears(links: &Links, from: u32, to: u32) -> bool {
        from == to || !links.contains(&(NodeId(from), NodeId(to)))
    }

    /// Whom each node hears, as numbers.
    fn heard(links: &Links, count: u32) -> Vec<Vec<u32>> {
        let by = |to| (1..=count).filter(|from| hears(links, *from, to)).collect();
        (1..=count).map(by).collect()
    }

    #[test]
    fn simple_shapes() {
        let five = nodes(5);
        let alone = heard(&one_node(five[1], &five), 5);
        assert_eq!(alone[1], [2]);
        assert_eq!(alone[0], [1, 3, 4, 5]);
        let halved = heard(&halves(&five), 5);
        assert_eq!(halved[0], [1, 2]);
        assert_eq!(halved[4], [3, 4, 5]);
        let deaf = heard(&one_way(&five[..2], &five[2..]), 5);
        assert_eq!(deaf[2], [3, 4, 5]);
        assert_eq!(deaf[0], [1, 2, 3, 4, 5]);
        let bridged = heard(&bridge(&five), 5);
        assert_eq!(bridged[2], [1, 2, 3, 4, 5]);
        assert_eq!(bridged[0], [1, 2, 3]);
        assert_eq!(bridged[4], [3, 4, 5]);
        let leader = heard(&by_role(&five, |node| node == five[4]), 5);
        assert_eq!(leader[4], [5]);
    }

    #[test]
    fn small_clusters_have_shapes_too() {
        for count in 0..3 {
            let few = nodes(count);
            halves(&few);
            bridge(&few);
            majorities_ring(&few);
        }
        assert!(bridge(&nodes(2)).is_empty());
        assert!(majorities_ring(&nodes(2)).is_empty());
    }

    #[test]
    fn a_ring_gives_each_its_own_majority() {
        for count in 3..=9 {
            let majorities = heard(&majorities_ring(&nodes(count)), count);
            for (at, majority) in majorities.iter().enumerate() {
                assert_eq!(majority.len() as u32, count / 2 + 1);
                assert!(majority.contains(&(at as u32 + 1)));
                assert!(
                    !majorities[..at].contains(majority),
                    "{count}: {majority:?} twice"
                );
            }
        }
        let ring = majorities_ring(&nodes(5));
        assert!(ring.iter().all(|(from, to)| ring.contains(&(*to, *from))));
    }

    #[test]
    fn a_keyed_order_has_every_node_once() {
        let orders: BTreeSet<_> = (0..50)
            .map(|seed| shuffled(Key::root(seed), &nodes(5)))
            .collect();
        assert!(orders.len() > 20);
        for mut order in orders {
            order.sort_unstable();
            assert_eq!(order, nodes(5));
        }
    }
}
