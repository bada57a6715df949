//! Serializability and snapshot isolation, decided: a cycle in what is known, a first guess, what
//! follows, and then the solver, the cheapest first.

use super::constraints::{Constraints, Group, Pair, StrongLevel};
use super::digraph::{Digraph, Edge, NONE, Reason};
use super::fragments::Fragments;
use super::growing_order::{Step, UNLABELLED};
use super::happened::Happened;
use super::saturation::{self, Saturated};
use super::schedule;
use super::sessions::Orders;
use super::solver::{self, Solved};
use super::transactions::{NEVER, Transactions};
use super::{RwRegisterOptions, Strategy};

/// The answer.
pub(super) enum Decision {
    /// An order of the transactions by their commits that explains everything.
    Possible(Vec<u32>),
    /// What is known, or follows, has this cycle.
    Cycle(Vec<Edge>),
    /// However the open pairs are chosen there is a cycle; these are some of them.
    Impossible(Vec<Vec<Edge>>),
    /// Why nobody can tell.
    Unknown(String),
}

/// The question with all that follows, to explain the answer by.
pub(super) struct Question {
    pub(super) constraints: Constraints,
    /// How many edges there were at the start of each round of what follows.
    pub(super) rounds: Vec<usize>,
}

/// Choices are held in memory, with a byte for each: past this many nothing but a guess is tried.
const CHOICES_MAX: u64 = 200_000_000;

/// Decides the level.
pub(super) fn decide(
    all: &Transactions,
    happened: &Happened,
    fragments: &Fragments,
    (level, orders): (StrongLevel, Orders),
    options: &RwRegisterOptions,
) -> (Decision, Question) {
    let constraints = Constraints::new(all, happened, fragments, level, orders);
    let mut question = Question {
        constraints,
        rounds: Vec::new(),
    };
    let decision = question.decide(all, happened, options);
    (decision, question)
}

impl Question {
    fn decide(
        &mut self,
        all: &Transactions,
        happened: &Happened,
        options: &RwRegisterOptions,
    ) -> Decision {
        let count = happened.len();
        let Some(order) = self.known_order() else {
            return self.cycle();
        };
        if self.constraints.choices == 0 {
            return Decision::Possible(self.commits(&order, count));
        }
        let may_guess = options.strategy == Strategy::Auto;
        let guess = |question: &Self| question.guess(all, happened);
        if let Some(order) = may_guess.then(|| guess(self)).flatten() {
            return Decision::Possible(self.commits(&order, count));
        }
        if self.constraints.choices > CHOICES_MAX {
            return Decision::Unknown(format!(
                "no order was guessed, and {} pairs of writers are more than the limit of {CHOICES_MAX}",
                self.constraints.choices
            ));
        }
        let work = options.steps_max;
        let mut left = work;
        let saturated = match options.strategy {
            Strategy::SolverOnly => Saturated::nothing(&self.constraints),
            _ => saturation::saturate(&mut self.constraints, &mut left),
        };
        self.rounds.clone_from(&saturated.rounds);
        let Some(order) = self.known_order() else {
            return self.cycle();
        };
        if !saturated.is_complete {
            return Decision::Unknown(format!(
                "the limit of {work} steps was reached with {} of {} pairs of writers undecided",
                saturated.open, self.constraints.choices
            ));
        }
        if let Some(order) = may_guess.then(|| guess(self)).flatten() {
            return Decision::Possible(self.commits(&order, count));
        }
        self.solve(&saturated, &order, count, (work, left))
    }

    fn known_order(&self) -> Option<Vec<u32>> {
        let Constraints { nodes, edges, .. } = &self.constraints;
        Digraph::new(*nodes as usize, edges).order()
    }

    fn cycle(&self) -> Decision {
        let Constraints { nodes, edges, .. } = &self.constraints;
        let cycle = Digraph::new(*nodes as usize, edges).cycle();
        Decision::Cycle(cycle.expect("a graph without an order has a cycle"))
    }

    fn guess(&self, all: &Transactions, happened: &Happened) -> Option<Vec<u32>> {
        let by_end = self.urgencies(deadlines(all, happened));
        let guess = schedule::guess(&self.constraints, &by_end);
        guess.or_else(|| {
            let numbers = happened.transactions.iter();
            let invoked = numbers.map(|&number| all.invoked[number as usize]);
            schedule::guess(&self.constraints, &self.urgencies(invoked.collect()))
        })
    }

    /// Nodes that belong to no transaction are taken at once.
    fn urgencies(&self, of_transactions: Vec<u32>) -> Vec<u32> {
        let mut urgencies = vec![0; self.constraints.nodes as usize];
        let each = self.constraints.ends.nodes_each as usize;
        for (transaction, urgency) in of_transactions.into_iter().enumerate() {
            urgencies[each * transaction..each * (transaction + 1)].fill(urgency);
        }
        urgencies
    }

    /// The transactions of an order of nodes, each where its commit is.
    fn commits(&self, order: &[u32], count: usize) -> Vec<u32> {
        let each = self.constraints.ends.nodes_each;
        let commits = order
            .iter()
            .filter(|&&node| (node as usize) < count * each as usize && node % each == each - 1);
        commits.map(|&node| node / each).collect()
    }

    fn solve(
        &self,
        saturated: &Saturated,
        order: &[u32],
        count: usize,
        (work, mut left): (u64, u64),
    ) -> Decision {
        let pairs: Vec<Pair> = saturation::open_pairs(&self.constraints, saturated).collect();
        match solver::solve(&self.constraints, &pairs, order, &mut left) {
            Solved::Possible(order) => Decision::Possible(self.commits(&order, count)),
            Solved::Impossible(cycles) => Decision::Impossible(
                cycles
                    .into_iter()
                    .map(|steps| self.labelled(&pairs, &steps))
                    .collect(),
            ),
            Solved::OutOfWork { conflicts } => Decision::Unknown(format!(
                "the limit of {work} steps was reached with {} of {} pairs of writers undecided, after {conflicts} conflicts among them",
                pairs.len(),
                self.constraints.choices
            )),
        }
    }

    /// The steps of a cycle with their reasons: those without a label were there from the beginning.
    fn labelled(&self, pairs: &[Pair], steps: &[Step]) -> Vec<Edge> {
        let edges = &self.constraints.edges;
        let reason = |step: &Step| {
            if step.label != UNLABELLED {
                let (pair, _) = solver::meaning(pairs, step.label);
                let choice = pair.choice as u32;
                return Reason::Chosen { choice };
            }
            let found = edges
                .iter()
                .find(|edge| edge.from == step.from && edge.to == step.to);
            found.map_or(Reason::Inner, |edge| edge.reason)
        };
        let edge = |step: &Step| Edge::new(step.from, step.to, reason(step));
        steps.iter().map(edge).collect()
    }

    /// Why the fragments of a choice have their order: the earlier and the later one, and a path from
    /// the head of the earlier to the tail of the later that was known before.
    pub(super) fn why(&self, choice: u32) -> Option<((u32, u32), Vec<Edge>)> {
        let edges = &self.constraints.edges;
        let is_it = |edge: &Edge| edge.reason == Reason::Decided { choice };
        let place = edges.iter().position(is_it)?;
        let round = self.rounds.partition_point(|&start| start <= place);
        let known = &edges[..self.rounds[round.checked_sub(1)?]];
        let graph = Digraph::new(self.constraints.nodes as usize, known);
        let group = self.group_of(choice);
        let (a, b) = group.members(u64::from(choice));
        let spans = &self.constraints.spans;
        let span = |member: u32| (group.first + member, spans[(group.first + member) as usize]);
        let is_forward = self.constraints.between(span(a).0, span(b).0);
        let is_forward = is_forward
            .into_iter()
            .any(|ends| ends == (edges[place].from, edges[place].to));
        let (earlier, later) = if is_forward { (a, b) } else { (b, a) };
        let paths = span(earlier).1.heads.into_iter().zip(span(later).1.tails);
        let path = paths
            .filter(|&(head, tail)| head != NONE && tail != NONE)
            .find_map(|(head, tail)| graph.path(head, tail))?;
        let fragment = |member: u32| self.constraints.fragments[(group.first + member) as usize];
        Some(((fragment(earlier), fragment(later)), path))
    }

    fn group_of(&self, choice: u32) -> &Group {
        let groups = &self.constraints.groups;
        let after = groups.partition_point(|group| group.choices <= u64::from(choice));
        &groups[after - 1]
    }

    /// The transaction of a node, or [`NONE`].
    pub(super) fn transaction(&self, node: u32, count: usize) -> u32 {
        let transaction = node / self.constraints.ends.nodes_each;
        if (transaction as usize) < count {
            transaction
        } else {
            NONE
        }
    }
}

/// When each transaction must have taken effect: before it returned, and before its readers did.
fn deadlines(all: &Transactions, happened: &Happened) -> Vec<u32> {
    let completed = |index: u32| all.completed[happened.transactions[index as usize] as usize];
    let mut deadlines: Vec<u32> = (0..happened.len() as u32).map(completed).collect();
    for (reader, read) in happened.all_reads() {
        let writer = happened.writer(read);
        if writer != NEVER {
            let deadline = &mut deadlines[writer as usize];
            *deadline = (*deadline).min(completed(reader));
        }
    }
    deadlines
}
