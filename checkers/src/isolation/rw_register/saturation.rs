//! What follows: a pair of fragments of which one order would close a cycle has the other order, which
//! may decide further pairs, until nothing more follows. Papadimitriou 1979; Tan, Zhao, Mu and Walfish,
//! "Cobra: Making Transactional Key-Value Stores Verifiably Serializable", 2020, call it pruning.
//!
//! Which heads of fragments reach which tails is found for 512 heads at a time, one bit each, in one
//! pass over the nodes in a topological order.

use super::constraints::{Constraints, Pair};
use super::digraph::{Digraph, Edge, NONE, Reason};

/// What is known of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Open,
    /// The first of the pair comes first.
    Forward,
    Backward,
}

/// What followed.
pub(super) struct Saturated {
    /// By number of the choice.
    pub(super) choices: Vec<Choice>,
    /// How many edges there were at the start of each round: what a round decides follows from those.
    pub(super) rounds: Vec<usize>,
    pub(super) open: u64,
    /// Whether nothing more follows; else the work allowed was done before.
    pub(super) is_complete: bool,
}

impl Saturated {
    /// Nothing followed.
    pub(super) fn nothing(constraints: &Constraints) -> Self {
        Self {
            choices: vec![Choice::Open; constraints.choices as usize],
            rounds: Vec::new(),
            open: constraints.choices,
            is_complete: true,
        }
    }
}

const WORDS: usize = 8;
const SOURCES: usize = 64 * WORDS;

/// Adds the edges of all choices that follow. Stops with a cycle in the edges if there must be one.
/// O(n·h/512) a round for h heads of undecided fragments; every step costs one of `work`.
pub(super) fn saturate(constraints: &mut Constraints, work: &mut u64) -> Saturated {
    let mut saturated = Saturated {
        is_complete: false,
        ..Saturated::nothing(constraints)
    };
    loop {
        let edges = constraints.edges.len();
        saturated.rounds.push(edges);
        let decided = round(constraints, &mut saturated, work);
        for edge in decided {
            constraints.edges.push(edge);
        }
        if *work == 0 {
            return saturated;
        }
        if constraints.edges.len() == edges || saturated.open == 0 {
            saturated.is_complete = true;
            return saturated;
        }
    }
}

/// One head of an undecided fragment: its span, which of its heads, and the group.
#[derive(Clone, Copy)]
struct Source {
    span: u32,
    place: usize,
    group: u32,
}

fn round(constraints: &Constraints, saturated: &mut Saturated, work: &mut u64) -> Vec<Edge> {
    let graph = Digraph::new(constraints.nodes as usize, &constraints.edges);
    let Some(order) = graph.order() else {
        return Vec::new();
    };
    let sources = sources(constraints, saturated);
    let mut reached = vec![[0u64; WORDS]; constraints.nodes as usize];
    let mut decided = Vec::new();
    for block in sources.chunks(SOURCES) {
        let cost = (constraints.edges.len() + constraints.nodes as usize) as u64;
        *work = work.saturating_sub(cost);
        if *work == 0 {
            break;
        }
        reached.fill([0; WORDS]);
        for (bit, source) in block.iter().enumerate() {
            let head = constraints.spans[source.span as usize].heads[source.place];
            reached[head as usize][bit / 64] |= 1 << (bit % 64);
        }
        spread(&graph, &order, &mut reached);
        for (bit, &source) in block.iter().enumerate() {
            decide(constraints, saturated, source, bit, &reached, &mut decided);
        }
    }
    decided
}

fn sources(constraints: &Constraints, saturated: &Saturated) -> Vec<Source> {
    let mut sources = Vec::new();
    for (group, number) in constraints.groups.iter().zip(0u32..) {
        for member in 0..group.count {
            let is_open = (0..group.count).any(|other| {
                other != member
                    && saturated.choices[pair_choice(group, member, other)] == Choice::Open
            });
            let span = group.first + member;
            for place in 0..2 {
                if is_open && constraints.spans[span as usize].heads[place] != NONE {
                    sources.push(Source {
                        span,
                        place,
                        group: number,
                    });
                }
            }
        }
    }
    sources
}

fn pair_choice(group: &super::constraints::Group, one: u32, other: u32) -> usize {
    group.choice(one.min(other), one.max(other)) as usize
}

fn spread(graph: &Digraph<'_>, order: &[u32], reached: &mut [[u64; WORDS]]) {
    for &node in order {
        let bits = reached[node as usize];
        if bits == [0; WORDS] {
            continue;
        }
        for &(to, _) in graph.successors(node) {
            for (own, other) in reached[to as usize].iter_mut().zip(bits) {
                *own |= other;
            }
        }
    }
}

/// Whatever tail the source reaches belongs to a fragment that cannot come first.
fn decide(
    constraints: &Constraints,
    saturated: &mut Saturated,
    source: Source,
    bit: usize,
    reached: &[[u64; WORDS]],
    decided: &mut Vec<Edge>,
) {
    let group = &constraints.groups[source.group as usize];
    let own = source.span - group.first;
    for other in (0..group.count).filter(|&other| other != own) {
        let choice = pair_choice(group, own, other);
        let tail = constraints.spans[(group.first + other) as usize].tails[source.place];
        if saturated.choices[choice] != Choice::Open || tail == NONE {
            continue;
        }
        if reached[tail as usize][bit / 64] >> (bit % 64) & 1 == 0 {
            continue;
        }
        saturated.choices[choice] = if own < other {
            Choice::Forward
        } else {
            Choice::Backward
        };
        saturated.open -= 1;
        let number = choice as u32;
        let reason = Reason::Decided { choice: number };
        let edges = constraints.between(source.span, group.first + other);
        decided.extend(edges.map(|(from, to)| Edge::new(from, to, reason)));
    }
}

/// The pairs that nothing decides.
pub(super) fn open_pairs<'a>(
    constraints: &'a Constraints,
    saturated: &'a Saturated,
) -> impl Iterator<Item = Pair> + 'a {
    let is_open = |pair: &Pair| saturated.choices[pair.choice as usize] == Choice::Open;
    constraints.pairs().filter(is_open)
}
