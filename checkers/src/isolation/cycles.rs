//! Which phenomena the cycles of a graph of transactions are, with the shortest cycle of each.
//!
//! One pass finds the components of the whole graph; all that follows looks only at what lies on
//! cycles. Whether a phenomenon is there is decided in linear time, except for G-single: there each
//! anti-dependency asks for a way back of its own (see `reach`), and a budget bounds them.

use super::components::Components;
use super::graph::{Edge, Graph, Kinds};
use super::layers;
use super::phenomena::{Phenomenon, implied_by};
use super::reach::{self, Reached};
use super::subgraph::{self, Subgraph};
use super::walk::{Budget, Walker, Way};
use crate::sorting::sort_by_number;

/// What bounds a search for cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleLimits {
    /// How many edges may be looked at to decide about one form of G-single.
    pub decide_edges: u64,
    /// How many edges may be looked at to make one cycle that was found shorter.
    pub shorten_edges: u64,
}

impl Default for CycleLimits {
    fn default() -> Self {
        Self {
            decide_edges: 200_000_000,
            shorten_edges: 50_000_000,
        }
    }
}

/// A phenomenon and a cycle that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub phenomenon: Phenomenon,
    /// Each dependency leads to the next, the last one to the first. All are between transactions: no
    /// relays, and no edge of kind [`Kinds::VIA`].
    pub cycle: Vec<Edge>,
    /// Whether no cycle of this phenomenon is shorter; else the limits did not allow to find out.
    pub is_shortest: bool,
}

/// What a search for cycles found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycles {
    /// One of each phenomenon, the worst first. Those that follow from others found are left out.
    pub found: Vec<Found>,
    /// The phenomena that may or may not be there: the limits did not allow to decide.
    pub undecided: Vec<Phenomenon>,
    /// If nothing lies on a cycle: the transactions in an order in which every edge leads onwards.
    pub order: Option<Vec<u32>>,
}

/// What is wanted of a search for cycles.
pub type Wanted<'a> = &'a dyn Fn(Phenomenon) -> bool;

/// [`find`] or [`find_any`].
pub type Search = fn(&Graph, Wanted<'_>, &CycleLimits) -> Cycles;

/// Looks for the cycles that are phenomena of those `wanted`. Of the graph's edges those of session
/// order and real time are used only for phenomena that speak of them.
pub fn find(graph: &Graph, wanted: Wanted<'_>, limits: &CycleLimits) -> Cycles {
    let part = match on_cycles(graph) {
        Ok(part) => part,
        Err(none) => return none,
    };
    let mut cycles = Cycles::default();
    for level in LEVELS {
        for shape in SHAPES {
            let phenomenon = level.phenomenon(shape);
            if wanted(phenomenon) && !cycles.shows(phenomenon) {
                look(&part, level, shape, limits, &mut cycles);
            }
        }
    }
    sort_by_number(&mut cycles.found, |found| found.phenomenon as usize);
    cycles
}

/// As [`find`], but ends with the first cycle that is a phenomenon of those `wanted`, whichever it is.
pub fn find_any(graph: &Graph, wanted: Wanted<'_>, limits: &CycleLimits) -> Cycles {
    let part = match on_cycles(graph) {
        Ok(part) => part,
        Err(none) => return none,
    };
    let mut cycles = Cycles::default();
    let mut absent: Vec<Shape> = Vec::new();
    for level in LEVELS.into_iter().rev() {
        for shape in [
            Shape::G0,
            Shape::G1c,
            Shape::G2,
            Shape::Nonadjacent,
            Shape::Single,
        ] {
            // What is absent with more edges is absent with fewer.
            let is_absent = absent.iter().any(|&wider| shape.is_case_of(wider));
            if is_absent || !wanted(level.phenomenon(shape)) {
                continue;
            }
            look(&part, level, shape, limits, &mut cycles);
            if !cycles.found.is_empty() {
                return cycles;
            }
            if cycles.undecided.last() != Some(&level.phenomenon(shape)) {
                absent.push(shape);
            }
        }
    }
    cycles
}

/// The part of the graph that lies on cycles; if there is none, that is the answer.
fn on_cycles(graph: &Graph) -> Result<Subgraph, Cycles> {
    let whole = Components::new(graph, Kinds::ALL);
    let part = subgraph::on_cycles(graph, &whole);
    if part.nodes.is_empty() {
        return Err(Cycles {
            order: Some(in_order(graph, &whole)),
            ..Cycles::default()
        });
    }
    Ok(part)
}

impl Cycles {
    fn shows(&self, phenomenon: Phenomenon) -> bool {
        let found: Vec<Phenomenon> = self.found.iter().map(|found| found.phenomenon).collect();
        implied_by(&found).contains(&phenomenon)
    }
}

/// Tarjan's components come in the reverse of such an order.
fn in_order(graph: &Graph, components: &Components) -> Vec<u32> {
    let mut order: Vec<u32> = vec![0; components.count() as usize];
    for node in 0..graph.nodes() {
        order[components.of(node) as usize] = node;
    }
    order.reverse();
    order.retain(|&node| node < graph.transactions());
    order
}

/// What may close a cycle besides ww, wr and rw.
#[derive(Clone, Copy)]
enum Level {
    Plain,
    Process,
    Realtime,
}

const LEVELS: [Level; 3] = [Level::Plain, Level::Process, Level::Realtime];

/// Of what a cycle is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    G0,
    G1c,
    Single,
    Nonadjacent,
    G2,
}

/// A shape is looked for after all those that it follows from.
const SHAPES: [Shape; 5] = [
    Shape::G0,
    Shape::G1c,
    Shape::Single,
    Shape::Nonadjacent,
    Shape::G2,
];

impl Shape {
    /// Whether a search for the other shape finds the cycles of this one.
    fn is_case_of(self, wider: Self) -> bool {
        self == wider
            || match wider {
                Self::G0 | Self::G1c | Self::Single => false,
                Self::Nonadjacent => self == Self::Single,
                Self::G2 => matches!(self, Self::Single | Self::Nonadjacent),
            }
    }
}

impl Level {
    fn order_kinds(self) -> Kinds {
        match self {
            Self::Plain => Kinds::VIA,
            Self::Process => Kinds::VIA | Kinds::PROCESS,
            Self::Realtime => Kinds::VIA | Kinds::PROCESS | Kinds::REALTIME,
        }
    }

    fn phenomenon(self, shape: Shape) -> Phenomenon {
        use Phenomenon::*;
        let forms = match shape {
            Shape::G0 => [G0, G0Process, G0Realtime],
            Shape::G1c => [G1c, G1cProcess, G1cRealtime],
            Shape::Single => [GSingleItem, GSingleItemProcess, GSingleItemRealtime],
            Shape::Nonadjacent => [
                GNonadjacentItem,
                GNonadjacentItemProcess,
                GNonadjacentItemRealtime,
            ],
            Shape::G2 => [G2Item, G2ItemProcess, G2ItemRealtime],
        };
        forms[self as usize]
    }
}

/// Where a cycle of a shape must start, and the edges that it may go on by.
struct Plan {
    /// Each is part of a cycle of the shape; those in small components come first.
    starts: Vec<Edge>,
    way: Way,
}

fn look(part: &Subgraph, level: Level, shape: Shape, limits: &CycleLimits, cycles: &mut Cycles) {
    let phenomenon = level.phenomenon(shape);
    let mut plan = plan(&part.graph, level, shape);
    if matches!(shape, Shape::Single) {
        let mut budget = Budget::new(limits.decide_edges);
        let kinds = dependencies(level);
        match reach::closing(&part.graph, kinds, &plan.starts, &mut budget) {
            Reached::Closing(starts) => plan.starts = starts,
            Reached::Unknown => {
                cycles.undecided.push(phenomenon);
                return;
            }
        }
    }
    let Some((cycle, is_shortest)) = shortest(&part.graph, &plan, limits) else {
        return;
    };
    let is_single = cycle.iter().filter(|edge| is_anti(edge)).count() == 1;
    let shape = match shape {
        Shape::Nonadjacent if is_single => Shape::Single,
        shape => shape,
    };
    let phenomenon = level.phenomenon(shape);
    cycles
        .undecided
        .retain(|&undecided| undecided != phenomenon);
    cycles.found.push(Found {
        phenomenon,
        cycle: between_transactions(part, &cycle),
        is_shortest,
    });
}

fn dependencies(level: Level) -> Kinds {
    Kinds::WRITE_WRITE | Kinds::WRITE_READ | level.order_kinds()
}

/// Cycles of a shape that follow from a worse one are not told apart from it: they are not looked for
/// once that is found.
fn plan(graph: &Graph, level: Level, shape: Shape) -> Plan {
    let kinds = dependencies(level);
    let (start, way) = match shape {
        Shape::G0 => {
            let kinds = Kinds::WRITE_WRITE | level.order_kinds();
            (Kinds::WRITE_WRITE, Way::Any(kinds))
        }
        Shape::G1c => (Kinds::WRITE_READ, Way::Any(kinds)),
        Shape::Single => (Kinds::READ_WRITE, Way::Any(kinds)),
        Shape::Nonadjacent => (Kinds::READ_WRITE, Way::Nonadjacent(kinds)),
        Shape::G2 => (Kinds::READ_WRITE, Way::Any(kinds | Kinds::READ_WRITE)),
    };
    let starts = match (shape, way) {
        (Shape::Single | Shape::Nonadjacent, _) => {
            let layers = layers::components(graph, kinds);
            starts(graph, start, |edge| {
                let size = layers.size(layers.of(layers::state(edge.from, layers::LOWER)));
                layers::closes(&layers, edge.from, edge.to).then_some(size)
            })
        }
        (_, Way::Any(kinds) | Way::Nonadjacent(kinds)) => {
            let components = Components::new(graph, kinds);
            starts(graph, start, |edge| {
                let size = components.size(components.of(edge.from));
                components.share_cycle(edge.from, edge.to).then_some(size)
            })
        }
    };
    Plan { starts, way }
}

/// The edges of a kind for which `size` gives the size of a component, the smallest first.
fn starts(graph: &Graph, kind: Kinds, size: impl Fn(&Edge) -> Option<u32>) -> Vec<Edge> {
    let edges = graph.edges().filter(|edge| edge.kind == kind);
    let mut sized: Vec<(u32, Edge)> = edges
        .filter_map(|edge| size(&edge).map(|size| (size, edge)))
        .collect();
    sort_by_number(&mut sized, |&(size, _)| size as usize);
    sized.into_iter().map(|(_, edge)| edge).collect()
}

/// No cycle is shorter than this.
const SHORTEST: usize = 2;

/// The shortest cycle, and whether that is certain.
fn shortest(graph: &Graph, plan: &Plan, limits: &CycleLimits) -> Option<(Vec<Edge>, bool)> {
    let mut budget = Budget::new(limits.shorten_edges);
    let mut walker = Walker::new(graph, plan.way);
    let mut best: Option<Vec<Edge>> = None;
    let mut bound = u32::MAX;
    for &start in &plan.starts {
        if let Some(found) = walker.cycle(start, bound, &mut budget) {
            bound = length(&found) as u32;
            best = Some(found);
        }
        if bound as usize <= SHORTEST || budget.is_spent() {
            break;
        }
    }
    let best = best?;
    let is_shortest = bound as usize <= SHORTEST || !budget.is_spent();
    let best = match plan.way {
        Way::Any(_) => best,
        Way::Nonadjacent(_) => once_each(best)?,
    };
    Some((best, is_shortest))
}

fn length(cycle: &[Edge]) -> usize {
    cycle.iter().filter(|edge| edge.kind != Kinds::VIA).count()
}

fn is_anti(edge: &Edge) -> bool {
    edge.kind == Kinds::READ_WRITE
}

/// A walk through two layers may pass a node twice, once on each. Of the two cycles that it then
/// consists of, the one without neighbouring anti-dependencies is kept; `None` if that has none at all.
fn once_each(mut cycle: Vec<Edge>) -> Option<Vec<Edge>> {
    while let Some((first, second)) = passed_twice(&cycle) {
        let inner: Vec<Edge> = cycle.drain(first..second).collect();
        if is_nonadjacent(&inner) {
            cycle = inner;
        }
    }
    is_nonadjacent(&cycle).then_some(cycle)
}

fn passed_twice(cycle: &[Edge]) -> Option<(usize, usize)> {
    (0..cycle.len()).find_map(|first| {
        let same = |edge: &Edge| edge.from == cycle[first].from;
        let second = cycle[first + 1..].iter().position(same)?;
        Some((first, first + 1 + second))
    })
}

/// Whether it has anti-dependencies, but no two neighbouring ones. An edge out of a relay goes on with
/// the dependency by which the relay was entered.
fn is_nonadjacent(cycle: &[Edge]) -> bool {
    let direct: Vec<&Edge> = cycle
        .iter()
        .filter(|edge| edge.kind != Kinds::VIA)
        .collect();
    let next = direct.iter().cycle().skip(1);
    let are_neighbours = direct
        .iter()
        .zip(next)
        .any(|(edge, next)| is_anti(edge) && is_anti(next));
    direct.iter().any(|edge| is_anti(edge)) && !are_neighbours
}

/// The cycle in the numbers of the whole graph, with relays passed over.
fn between_transactions(part: &Subgraph, cycle: &[Edge]) -> Vec<Edge> {
    let mut between: Vec<Edge> = Vec::new();
    let first = cycle.iter().position(|edge| edge.kind != Kinds::VIA);
    let (end, start) = cycle.split_at(first.unwrap_or(0));
    for edge in start.iter().chain(end) {
        let to = part.nodes[edge.to as usize];
        match between.last_mut() {
            Some(last) if edge.kind == Kinds::VIA => last.to = to,
            _ => between.push(Edge {
                from: part.nodes[edge.from as usize],
                to,
                kind: edge.kind,
            }),
        }
    }
    between
}

#[cfg(test)]
mod tests {
    use super::super::models::{ConsistencyModel, rules_out};
    use super::*;
    use crate::random::Random;

    const KINDS: [Kinds; 5] = [
        Kinds::WRITE_WRITE,
        Kinds::WRITE_READ,
        Kinds::READ_WRITE,
        Kinds::PROCESS,
        Kinds::REALTIME,
    ];

    /// Session order and real time alone never go in a circle: their edges lead to higher numbers.
    fn random_edges(random: &mut Random, transactions: u64) -> Vec<Edge> {
        let count = 2 + random.below(9);
        let kinds = if random.below(3) == 0 { 3 } else { 5 };
        let edges = (0..count).map(|_| {
            let (one, other) = (random.below(transactions), random.below(transactions));
            let kind = KINDS[random.below(kinds) as usize];
            let is_order = kind.meets(Kinds::PROCESS | Kinds::REALTIME);
            let (from, to) = if is_order {
                (one.min(other), one.max(other))
            } else {
                (one, other)
            };
            Edge {
                from: from as u32,
                to: to as u32,
                kind,
            }
        });
        edges.filter(|edge| edge.from != edge.to).collect()
    }

    /// Puts a relay, or two, into some of the edges.
    fn relayed(random: &mut Random, transactions: u32, edges: &[Edge]) -> (u32, Vec<Edge>) {
        let mut nodes = transactions;
        let mut relayed = Vec::new();
        for &edge in edges {
            let relays = random.below(3) as u32;
            let mut last = edge;
            for relay in nodes..nodes + relays {
                relayed.push(Edge { to: relay, ..last });
                last = Edge {
                    from: relay,
                    to: edge.to,
                    kind: Kinds::VIA,
                };
            }
            relayed.push(last);
            nodes += relays;
        }
        (nodes, relayed)
    }

    fn classify(cycle: &[Edge]) -> Phenomenon {
        let has = |kind: Kinds| cycle.iter().any(|edge| edge.kind == kind);
        let level = if has(Kinds::REALTIME) {
            Level::Realtime
        } else if has(Kinds::PROCESS) {
            Level::Process
        } else {
            Level::Plain
        };
        let antis = cycle.iter().filter(|edge| is_anti(edge)).count();
        let shape = match antis {
            0 if has(Kinds::WRITE_READ) => Shape::G1c,
            0 => Shape::G0,
            1 => Shape::Single,
            _ if is_nonadjacent(cycle) => Shape::Nonadjacent,
            _ => Shape::G2,
        };
        level.phenomenon(shape)
    }

    /// Every cycle that passes no transaction twice, from its smallest transaction on.
    fn every_cycle(edges: &[Edge], path: &mut Vec<Edge>, seen: &mut impl FnMut(&[Edge])) {
        let (start, here) = (path[0].from, path[path.len() - 1].to);
        if here == start {
            seen(path);
            return;
        }
        let is_passed = path.iter().any(|edge| edge.from == here);
        if is_passed || here < start {
            return;
        }
        for &edge in edges.iter().filter(|edge| edge.from == here) {
            path.push(edge);
            every_cycle(edges, path, seen);
            path.pop();
        }
    }

    #[test]
    fn what_is_found_breaks_the_models_that_some_cycle_breaks() {
        let cases = std::env::var("SQUALL_CASES").map_or(4_000, |text| {
            text.parse().expect("SQUALL_CASES is a number")
        });
        let mut random = Random(1);
        for case in 0..cases {
            let transactions = 2 + random.below(4);
            let edges = random_edges(&mut random, transactions);
            let mut lengths = [usize::MAX; Phenomenon::ALL.len()];
            for &edge in &edges {
                every_cycle(&edges, &mut vec![edge], &mut |cycle| {
                    let length = &mut lengths[classify(cycle) as usize];
                    *length = cycle.len().min(*length);
                });
            }
            let (nodes, relayed) = relayed(&mut random, transactions as u32, &edges);
            let graph = Graph::new(transactions as u32, nodes, &relayed);
            let cycles = find(&graph, &|_| true, &CycleLimits::default());
            judge(case, &edges, &cycles, &lengths);
            judge_any(&graph, &lengths);
        }
    }

    /// Whatever is wanted, one that is there is found, or none.
    fn judge_any(graph: &Graph, lengths: &[usize]) {
        for model in ConsistencyModel::ALL {
            let forbids = |phenomenon| model.forbids(phenomenon);
            let found = find_any(graph, &forbids, &CycleLimits::default()).found;
            let mut there = Phenomenon::ALL.into_iter();
            let is_there = there.any(|one| lengths[one as usize] < usize::MAX && forbids(one));
            assert_eq!(found.len(), usize::from(is_there), "{model}: {found:?}");
            let one = found.first();
            assert!(one.is_none_or(|one| forbids(one.phenomenon) && !one.cycle.is_empty()));
        }
    }

    fn judge(case: u64, edges: &[Edge], cycles: &Cycles, lengths: &[usize]) {
        let context = format!("case {case}: {edges:?}\n{cycles:?}");
        let there = |phenomenon: &Phenomenon| lengths[*phenomenon as usize] < usize::MAX;
        let expected: Vec<Phenomenon> = Phenomenon::ALL.into_iter().filter(there).collect();
        let found: Vec<Phenomenon> = cycles.found.iter().map(|found| found.phenomenon).collect();
        assert_eq!(rules_out(&found), rules_out(&expected), "{context}");
        assert_eq!(cycles.order.is_some(), expected.is_empty(), "{context}");
        assert!(cycles.undecided.is_empty(), "{context}");
        for Found {
            phenomenon, cycle, ..
        } in &cycles.found
        {
            assert_eq!(classify(cycle), *phenomenon, "{context}");
            assert!(cycle.iter().all(|edge| edges.contains(edge)), "{context}");
            let next = cycle.iter().cycle().skip(1);
            assert!(
                cycle
                    .iter()
                    .zip(next)
                    .all(|(edge, next)| edge.to == next.from)
            );
            let has_worse = found.contains(&Phenomenon::G1c) || found.len() > 1;
            assert!(
                has_worse || cycle.len() == lengths[*phenomenon as usize],
                "{context}"
            );
        }
        if let Some(order) = &cycles.order {
            let place = |node: u32| order.iter().position(|&other| other == node);
            assert!(edges.iter().all(|edge| place(edge.from) < place(edge.to)));
        }
    }

    /// A long fork: whether one of its anti-dependencies would do takes a search.
    #[test]
    fn a_spent_budget_leaves_what_is_decided_in_linear_time() {
        let kinds = [Kinds::WRITE_READ, Kinds::READ_WRITE];
        let edges: Vec<Edge> = (0..4)
            .map(|node| Edge {
                from: node,
                to: (node + 1) % 4,
                kind: kinds[node as usize % 2],
            })
            .collect();
        let graph = Graph::new(4, 4, &edges);
        let limits = CycleLimits {
            decide_edges: 0,
            shorten_edges: 0,
        };
        let cycles = find(&graph, &|_| true, &limits);
        let found: Vec<Phenomenon> = cycles.found.iter().map(|found| found.phenomenon).collect();
        assert_eq!(found, [Phenomenon::GNonadjacentItem]);
        assert!(!cycles.found[0].is_shortest);
        assert_eq!(cycles.undecided.first(), Some(&Phenomenon::GSingleItem));
    }

    /// The walk from 0 passes 1 twice, and what lies between is the only such cycle: of the rest, the
    /// anti-dependencies are neighbours.
    #[test]
    fn a_walk_that_passes_a_transaction_twice_is_cut_where_it_does() {
        let kinds = [Kinds::READ_WRITE, Kinds::WRITE_WRITE];
        let walk = [0, 1, 2, 3, 4, 5, 1, 6, 0];
        let edges: Vec<Edge> = (0..)
            .zip(walk.windows(2))
            .map(|(place, pair)| Edge {
                from: pair[0],
                to: pair[1],
                kind: kinds[place % 2],
            })
            .collect();
        let graph = Graph::new(7, 7, &edges);
        for shorten_edges in [0, 1000] {
            let limits = CycleLimits {
                shorten_edges,
                ..CycleLimits::default()
            };
            let cycles = find(&graph, &|_| true, &limits);
            let found: Vec<Phenomenon> =
                cycles.found.iter().map(|found| found.phenomenon).collect();
            assert_eq!(found, [Phenomenon::GNonadjacentItem]);
            let mut nodes: Vec<u32> = cycles.found[0].cycle.iter().map(|edge| edge.from).collect();
            nodes.sort_unstable();
            assert_eq!(nodes, [1, 2, 3, 4, 5]);
        }
    }
}
