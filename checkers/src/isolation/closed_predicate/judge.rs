//! All that a history shows, and whether a model allows it.

use super::dependencies::Dependencies;
use super::direct::{self, Direct};
use super::reads::Read;
use super::transactions::Transactions;
use super::universe::Universe;
use crate::history::Outcome;
use crate::isolation::cycles::{self, CycleLimits, Cycles, Found};
use crate::isolation::graph::{Edge, Graph, Kinds};
use crate::isolation::models::ConsistencyModel;
use crate::isolation::orders;
use crate::isolation::phenomena::{Phenomenon, implied_by};

/// What was found.
pub(super) struct Judgement<'h> {
    pub(super) universe: Universe<'h>,
    pub(super) direct: Vec<Direct<'h>>,
    pub(super) cycles: Cycles,
    /// A read that may have chosen versions of which nobody knows who came before whom.
    pub(super) undetermined: Option<Read<'h>>,
}

impl Judgement<'_> {
    pub(super) fn phenomena(&self) -> Vec<Phenomenon> {
        let direct = self.direct.iter().map(|direct| direct.phenomenon);
        let cycles = self.cycles.found.iter().map(|found| found.phenomenon);
        direct.chain(cycles).collect()
    }

    /// Whether the model forbids something that was found.
    pub(super) fn is_broken(&self, model: ConsistencyModel) -> bool {
        let mut found = self.phenomena().into_iter();
        found.any(|phenomenon| model.forbids(phenomenon))
    }
}

/// Looks for the cycles that the model forbids, and for what single reads show whether it forbids that
/// or not. `outcomes` are what is believed of how each transaction ended.
pub(super) fn judge<'h>(
    transactions: &Transactions<'h>,
    outcomes: &[Outcome],
    (model, limits): (ConsistencyModel, &CycleLimits),
) -> Judgement<'h> {
    let universe = Universe::new(transactions, outcomes);
    let direct = direct::find(transactions, outcomes, &universe);
    let mut found = Dependencies::new(transactions, outcomes, &universe);
    let intervals = transactions.intervals(outcomes, &universe.happened);
    let count = transactions.headers.len() as u32;
    let mut nodes = count;
    if model.forbids(Phenomenon::G0Process) {
        orders::add_sessions(&intervals, &mut found.edges);
    }
    if model.forbids(Phenomenon::G0Realtime) {
        nodes = orders::add_realtime(&intervals, nodes, &mut found.edges);
    }
    let mut cycles = find((count, nodes), &found.edges, limits, &|phenomenon| {
        model.forbids(phenomenon)
    });
    if !found.by_predicate.is_empty() {
        let with_predicates = with_predicates((count, nodes), &mut found, (model, limits));
        cycles = merge(cycles, with_predicates);
    }
    Judgement {
        universe,
        direct,
        cycles,
        undetermined: found.undetermined,
    }
}

fn find(
    (count, nodes): (u32, u32),
    edges: &[Edge],
    limits: &CycleLimits,
    wanted: cycles::Wanted<'_>,
) -> Cycles {
    cycles::find(&Graph::new(count, nodes, edges), wanted, limits)
}

/// What there is once anti-dependencies by predicates count too.
fn with_predicates(
    size: (u32, u32),
    found: &mut Dependencies<'_>,
    (model, limits): (ConsistencyModel, &CycleLimits),
) -> Cycles {
    let of_items = found.edges.len();
    found.edges.extend_from_slice(&found.by_predicate);
    let wanted = |phenomenon: Phenomenon| model.forbids(phenomenon.by_predicate());
    let mut cycles = find(size, &found.edges, limits, &wanted);
    let of_items = found.edges[..of_items].iter();
    let of_items = of_items.filter(|edge| edge.kind == Kinds::READ_WRITE);
    let mut of_items: Vec<(u32, u32)> = of_items.map(|edge| (edge.from, edge.to)).collect();
    of_items.sort_unstable();
    for Found {
        phenomenon, cycle, ..
    } in &mut cycles.found
    {
        let is_by_predicate = |edge: &Edge| {
            let is_of_item = of_items.binary_search(&(edge.from, edge.to)).is_ok();
            edge.kind == Kinds::READ_WRITE && !is_of_item
        };
        if cycle.iter().any(is_by_predicate) {
            *phenomenon = phenomenon.by_predicate();
        }
    }
    for undecided in &mut cycles.undecided {
        *undecided = undecided.by_predicate();
    }
    cycles
}

/// What follows from what is found without predicates is left out.
fn merge(mut cycles: Cycles, with_predicates: Cycles) -> Cycles {
    for found in with_predicates.found {
        let known: Vec<Phenomenon> = cycles.found.iter().map(|found| found.phenomenon).collect();
        if !implied_by(&known).contains(&found.phenomenon) {
            cycles.found.push(found);
        }
    }
    cycles.undecided.extend(with_predicates.undecided);
    cycles.order = with_predicates.order;
    cycles
}
