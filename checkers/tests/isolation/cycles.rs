//! Which cycles are found in a graph, by whatever checker it was made.

use squall_checkers::isolation::cycles::{CycleLimits, Cycles, Search, find, find_any};
use squall_checkers::isolation::graph::{Edge, Graph, Kinds};
use squall_checkers::isolation::phenomena::Phenomenon;

const WR: Kinds = Kinds::WRITE_READ;
const RW: Kinds = Kinds::READ_WRITE;

fn edge(from: u32, to: u32, kind: Kinds) -> Edge {
    Edge { from, to, kind }
}

/// Each leads to the next, the last to the first, by these kinds in turn.
fn ring(count: u32, kinds: &[Kinds]) -> Vec<Edge> {
    let to = |from: u32| (from + 1) % count;
    let turn = kinds.iter().cycle();
    let edges = (0..count).zip(turn);
    edges
        .map(|(from, &kind)| edge(from, to(from), kind))
        .collect()
}

/// What a search finds of G-single in a graph of transactions.
fn single(find: Search, edges: &[Edge], limits: &CycleLimits) -> Cycles {
    let ends = edges.iter().flat_map(|edge| [edge.from, edge.to]);
    let count = ends.max().map_or(0, |last| last + 1);
    let graph = Graph::new(count, count, edges);
    let wanted = |phenomenon: Phenomenon| phenomenon.name().starts_with("G-single");
    find(&graph, &wanted, limits)
}

#[test]
fn what_is_shortest_is_known_where_nothing_can_be_shorter_or_the_limit_was_not_met() {
    let is_shortest = |count: u32, shorten_edges: u64| {
        let limits = CycleLimits {
            shorten_edges,
            ..CycleLimits::default()
        };
        let kinds = [&[RW][..], &vec![WR; count as usize - 1]].concat();
        single(find, &ring(count, &kinds), &limits).found[0].is_shortest
    };
    assert!(is_shortest(2, 0));
    assert!(!is_shortest(3, 0));
    assert!(is_shortest(3, 100));
}

/// The way back from 129 anti-dependencies in a circle needs others of them, but that from the last does
/// not. They are looked at in groups of 64, and the way from the target of the first to the source of
/// the 65th says nothing of the 65th.
#[test]
fn what_was_reached_from_some_anti_dependencies_is_forgotten_before_the_next_are_looked_at() {
    let count = 2 * 130;
    let mut edges = ring(count, &[WR, RW]);
    edges.push(edge(2, 2 * 64 + 1, WR));
    let absent = single(find, &edges, &CycleLimits::default());
    assert_eq!((absent.found, absent.undecided), (vec![], vec![]));
    edges.push(edge(0, count - 1, WR));
    let present = single(find, &edges, &CycleLimits::default());
    assert_eq!(present.found[0].phenomenon, Phenomenon::GSingleItem);
}

/// With session order a long way has to be gone, without it the limit suffices.
#[test]
fn what_more_edges_leave_undecided_fewer_may_decide() {
    let mut edges = vec![edge(0, 1, RW), edge(1, 0, WR)];
    edges.extend((1..50).map(|from| edge(from, from + 1, Kinds::PROCESS)));
    edges.push(edge(50, 0, WR));
    let limits = CycleLimits {
        decide_edges: 10,
        ..CycleLimits::default()
    };
    let found = single(find_any, &edges, &limits).found;
    assert_eq!(found[0].phenomenon, Phenomenon::GSingleItem);
}
