//! All that a history of appends shows, and whether a model allows it.

use super::dependencies::{self, Orders};
use super::direct::{self, Findings};
use super::prefixes;
use super::transactions::{Known, MicroOperation};
use super::versions::{Appends, Versions};
use crate::isolation::cycles::{self, CycleLimits, Cycles};
use crate::isolation::models::ConsistencyModel;
use crate::isolation::phenomena::Phenomenon;
use crate::sorting::sort_by_number;

/// What was found.
pub(super) struct Judgement {
    pub(super) versions: Versions,
    pub(super) direct: Findings,
    pub(super) cycles: Cycles,
}

impl Judgement {
    /// The phenomena that are there, the worst first.
    pub(super) fn phenomena(&self) -> Vec<Phenomenon> {
        let mut all = self.direct.phenomena();
        all.extend(self.cycles.found.iter().map(|found| found.phenomenon));
        sort_by_number(&mut all, |&phenomenon| phenomenon as usize);
        all
    }
}

/// Looks for the cycles that the model forbids, and for what a few transactions show by themselves whether
/// it forbids that or not.
pub(super) fn judge(
    known: Known<'_>,
    appends: &Appends,
    (model, limits): (ConsistencyModel, &CycleLimits),
    find: cycles::Search,
) -> Judgement {
    let mut versions = Versions::new(known, appends);
    let divergent = prefixes::divergent(known, &versions);
    for &read in &divergent {
        if let MicroOperation::Read { key, list } = known.transactions.operation(read) {
            versions.contradict(known, appends, key, list);
        }
    }
    versions.settle(known.transactions);
    let direct = direct::find(known, appends, &versions, &divergent);
    let orders = Orders {
        has_sessions: model.forbids(Phenomenon::G0Process),
        has_realtime: model.forbids(Phenomenon::G0Realtime),
    };
    let graph = dependencies::graph(known, &versions, &divergent, orders);
    let cycles = find(&graph, &|phenomenon| model.forbids(phenomenon), limits);
    Judgement {
        versions,
        direct,
        cycles,
    }
}

/// Whether the model forbids something that was found.
pub(super) fn is_broken(judgement: &Judgement, model: ConsistencyModel) -> bool {
    let found = judgement.phenomena();
    found
        .into_iter()
        .any(|phenomenon| model.forbids(phenomenon))
}
