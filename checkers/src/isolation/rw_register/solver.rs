//! The rest: one boolean for each pair of fragments that nothing decides, and a graph that must have no
//! cycle.
//!
//! Conflict-driven clause learning (Marques-Silva and Sakallah, "GRASP", 1999) with two watched literals
//! (Moskewicz et al., "Chaff", 2001), over the theory of acyclic graphs (Bayless et al., "SAT Modulo
//! Monotonic Theories", 2015): each literal adds edges, and the literals of a cycle are a clause.
//! Decisions prefer what took part in the latest conflict, and the order of the nodes as it is.

use super::constraints::{Constraints, Pair};
use super::digraph::Digraph;
use super::growing_order::{GrowingOrder, Step, UNLABELLED};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What the solver found.
pub(super) enum Solved {
    /// An order of the nodes that agrees with everything.
    Possible(Vec<u32>),
    /// Whatever is chosen closes a cycle; some of those that were met, as edges.
    Impossible(Vec<Vec<Step>>),
    /// The work allowed was done first; how many conflicts had been met.
    OutOfWork { conflicts: u64 },
}

/// A variable and its sign: `2 * variable` says that the first of the pair comes first.
type Literal = u32;

/// The pair that a label of an edge means, and whether its first comes first.
pub(super) fn meaning(pairs: &[Pair], label: u32) -> (Pair, bool) {
    (pairs[label as usize / 2], label.is_multiple_of(2))
}

const FREE: u8 = 2;
const NO_CLAUSE: u32 = u32::MAX;
const CYCLES_KEPT: usize = 64;

/// Decides the pairs. `order` agrees with the edges of `constraints`; every node visited and every
/// literal propagated costs one of `work`.
pub(super) fn solve(
    constraints: &Constraints,
    pairs: &[Pair],
    order: &[u32],
    work: &mut u64,
) -> Solved {
    let mut solver = Solver::new(constraints, pairs, order);
    loop {
        if solver.spent() >= *work {
            let conflicts = solver.conflicts;
            *work = 0;
            return Solved::OutOfWork { conflicts };
        }
        match solver.propagate() {
            Ok(()) if !solver.decide() => {
                *work -= solver.spent();
                return Solved::Possible(solver.order.nodes());
            }
            Ok(()) => {}
            Err(conflict) => {
                if !solver.learn(conflict) {
                    *work = work.saturating_sub(solver.spent());
                    return Solved::Impossible(solver.cycles);
                }
            }
        }
    }
}

struct Solver<'a> {
    constraints: &'a Constraints,
    pairs: &'a [Pair],
    order: GrowingOrder,
    /// Of each variable: 1 true, 0 false, [`FREE`].
    value: Vec<u8>,
    level: Vec<u32>,
    /// The clause that made it so, or [`NO_CLAUSE`].
    cause: Vec<u32>,
    /// The conflict in which the variable was last met.
    met: Vec<u64>,
    queue: BinaryHeap<(u64, Reverse<u32>)>,
    clauses: Vec<Vec<Literal>>,
    watched: Vec<Vec<u32>>,
    trail: Vec<Literal>,
    /// How much of the trail clauses know, and how much the graph.
    propagated: usize,
    drawn: usize,
    /// For each level how long the trail was, and how many edges there were.
    levels: Vec<(usize, usize)>,
    is_marked: Vec<bool>,
    conflicts: u64,
    steps: u64,
    cycles: Vec<Vec<Step>>,
}

impl<'a> Solver<'a> {
    fn new(constraints: &'a Constraints, pairs: &'a [Pair], order: &[u32]) -> Self {
        let graph = Digraph::new(constraints.nodes as usize, &constraints.edges);
        let count = pairs.len();
        Self {
            constraints,
            pairs,
            order: GrowingOrder::new(&graph, &constraints.edges, order),
            value: vec![FREE; count],
            level: vec![0; count],
            cause: vec![NO_CLAUSE; count],
            met: vec![0; count],
            queue: (0..count as u32)
                .map(|variable| (0, Reverse(variable)))
                .collect(),
            clauses: Vec::new(),
            watched: vec![Vec::new(); 2 * count],
            trail: Vec::new(),
            propagated: 0,
            drawn: 0,
            levels: Vec::new(),
            is_marked: vec![false; count],
            conflicts: 0,
            steps: 0,
            cycles: Vec::new(),
        }
    }

    fn spent(&self) -> u64 {
        self.steps + self.order.work
    }

    fn is_true(&self, literal: Literal) -> bool {
        self.value[literal as usize / 2] == u8::from(literal.is_multiple_of(2))
    }

    fn is_false(&self, literal: Literal) -> bool {
        self.is_true(literal ^ 1)
    }

    fn assign(&mut self, literal: Literal, cause: u32) {
        let variable = literal as usize / 2;
        debug_assert_eq!(self.value[variable], FREE);
        self.value[variable] = u8::from(literal.is_multiple_of(2));
        self.level[variable] = self.levels.len() as u32;
        self.cause[variable] = cause;
        self.trail.push(literal);
    }

    /// Until nothing follows.
    ///
    /// # Errors
    /// Literals that are all false, though one must be true.
    fn propagate(&mut self) -> Result<(), Vec<Literal>> {
        loop {
            while let Some(&literal) = self.trail.get(self.propagated) {
                self.propagated += 1;
                self.visit_watchers(literal ^ 1)?;
            }
            let Some(&literal) = self.trail.get(self.drawn) else {
                return Ok(());
            };
            self.drawn += 1;
            self.draw(literal)?;
        }
    }

    /// Adds the edges that a literal means.
    fn draw(&mut self, literal: Literal) -> Result<(), Vec<Literal>> {
        let (pair, is_forward) = meaning(self.pairs, literal);
        let (earlier, later) = if is_forward {
            (pair.a, pair.b)
        } else {
            (pair.b, pair.a)
        };
        for (from, to) in self.constraints.between(earlier, later) {
            self.steps += 1;
            if let Err(cycle) = self.order.add(from, to, literal) {
                let labels = cycle.iter().map(|step| step.label);
                let mut clause: Vec<Literal> = labels
                    .filter(|&label| label != UNLABELLED)
                    .map(|label| label ^ 1)
                    .collect();
                clause.sort_unstable();
                clause.dedup();
                if self.cycles.len() < CYCLES_KEPT {
                    self.cycles.push(cycle);
                }
                return Err(clause);
            }
        }
        Ok(())
    }

    /// Finds other watches for the clauses that watch a literal that became false.
    fn visit_watchers(&mut self, false_literal: Literal) -> Result<(), Vec<Literal>> {
        let mut watchers = std::mem::take(&mut self.watched[false_literal as usize]);
        let mut kept = 0;
        let mut conflict = None;
        for index in 0..watchers.len() {
            let number = watchers[index];
            self.steps += 1;
            if conflict.is_none() && self.move_watch(number, false_literal) {
                continue;
            }
            watchers[kept] = number;
            kept += 1;
            let first = self.clauses[number as usize][0];
            if conflict.is_some() || self.is_true(first) {
                continue;
            }
            if self.is_false(first) {
                conflict = Some(self.clauses[number as usize].clone());
            } else {
                self.assign(first, number);
            }
        }
        watchers.truncate(kept);
        self.watched[false_literal as usize] = watchers;
        conflict.map_or(Ok(()), Err)
    }

    /// Whether the clause now watches another literal.
    fn move_watch(&mut self, number: u32, false_literal: Literal) -> bool {
        let mut clause = std::mem::take(&mut self.clauses[number as usize]);
        if clause[0] == false_literal {
            clause.swap(0, 1);
        }
        let other = match self.is_true(clause[0]) {
            true => None,
            false => (2..clause.len()).find(|&place| !self.is_false(clause[place])),
        };
        if let Some(place) = other {
            clause.swap(1, place);
            self.watched[clause[1] as usize].push(number);
        }
        self.clauses[number as usize] = clause;
        other.is_some()
    }

    /// Chooses for a free variable what the order of the nodes already says; false if none is free.
    fn decide(&mut self) -> bool {
        while let Some((met, Reverse(variable))) = self.queue.pop() {
            let index = variable as usize;
            if self.value[index] != FREE || met != self.met[index] {
                continue;
            }
            let pair = self.pairs[index];
            let spans = &self.constraints.spans;
            let (a, b) = (spans[pair.a as usize], spans[pair.b as usize]);
            let is_forward = self.order.is_before(a.heads[0], b.heads[0]);
            self.levels
                .push((self.trail.len(), self.order.edges_added()));
            self.assign(2 * variable + u32::from(!is_forward), NO_CLAUSE);
            return true;
        }
        false
    }

    /// Learns why the conflict came about and goes back to where it would have been avoided; false if
    /// it cannot be.
    fn learn(&mut self, conflict: Vec<Literal>) -> bool {
        self.conflicts += 1;
        let deepest = conflict.iter().map(|&literal| self.level_of(literal)).max();
        let Some(deepest) = deepest.filter(|&deepest| deepest > 0) else {
            return false;
        };
        debug_assert_eq!(deepest as usize, self.levels.len());
        let mut clause = self.first_unique_point(conflict);
        let second = (1..clause.len()).max_by_key(|&place| self.level_of(clause[place]));
        let back = second.map_or(0, |place| self.level_of(clause[place]));
        self.go_back(back as usize);
        let asserting = clause[0];
        let mut number = NO_CLAUSE;
        if let Some(second) = second {
            clause.swap(1, second);
            number = self.clauses.len() as u32;
            self.watched[clause[0] as usize].push(number);
            self.watched[clause[1] as usize].push(number);
            self.clauses.push(clause);
        }
        self.assign(asserting, number);
        true
    }

    fn level_of(&self, literal: Literal) -> u32 {
        self.level[literal as usize / 2]
    }

    /// The clause that holds one literal of the present level, which comes first.
    fn first_unique_point(&mut self, mut clause: Vec<Literal>) -> Vec<Literal> {
        let present = self.levels.len() as u32;
        let mut learned = vec![0];
        let mut marked = Vec::new();
        let mut open = 0;
        let mut place = self.trail.len();
        loop {
            for &literal in &clause {
                let variable = literal as usize / 2;
                if self.is_marked[variable] || self.level[variable] == 0 {
                    continue;
                }
                self.is_marked[variable] = true;
                marked.push(variable as u32);
                self.steps += 1;
                if self.level[variable] == present {
                    open += 1;
                } else {
                    learned.push(literal);
                }
            }
            place -= 1;
            while !self.is_marked[self.trail[place] as usize / 2] {
                place -= 1;
            }
            let literal = self.trail[place];
            open -= 1;
            if open == 0 {
                learned[0] = literal ^ 1;
                break;
            }
            let cause = self.cause[literal as usize / 2];
            let others = self.clauses[cause as usize].iter().copied();
            clause = others.filter(|&other| other != literal).collect();
        }
        for variable in marked {
            self.is_marked[variable as usize] = false;
            self.met[variable as usize] = self.conflicts;
        }
        learned
    }

    fn go_back(&mut self, level: usize) {
        let (trail, edges) = self.levels[level];
        for literal in self.trail.drain(trail..) {
            let variable = literal as usize / 2;
            self.value[variable] = FREE;
            self.queue
                .push((self.met[variable], Reverse(variable as u32)));
        }
        self.order.shrink(edges);
        self.levels.truncate(level);
        self.propagated = trail;
        self.drawn = trail;
    }
}
