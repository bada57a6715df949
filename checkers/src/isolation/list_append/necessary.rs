//! Whether each transaction of an anomaly is needed for it.
//!
//! A history of nothing but these transactions is judged, with all that appended what they read, which
//! may have taken place or not. Then each of them in turn is forgotten in the same way: its appends may
//! have taken place, and nobody knows what it read. That is relaxation, which creates no anomaly.

use super::ListAppendOptions;
use super::judge;
use super::projection::keys_of;
use super::transactions::{Header, Known, MicroOperation, Transactions};
use super::versions::Appends;
use crate::history::Outcome;
use crate::isolation::cycles;
use crate::verdict::Anomaly;
use std::collections::BTreeSet;

/// Leaves out of an anomaly's witness what only shows orders that others show too, and says whether
/// each of the rest is needed: they are forbidden by themselves, and no longer if any of them is relaxed.
/// Where the limits do not allow to tell nothing is left out.
pub(super) fn reduce(
    transactions: &Transactions,
    appends: &Appends,
    anomaly: &mut Anomaly,
    options: &ListAppendOptions,
) {
    let witness: BTreeSet<u32> = anomaly.witness.iter().map(|&id| id as u32).collect();
    let part = Part::new(transactions, appends, &witness);
    let is_too_much = part.size() * (witness.len() as u64 + 1) > options.limits.shorten_edges;
    if is_too_much || part.is_broken(&witness, options) != Some(true) {
        return;
    }
    let is_told = |id: u32| {
        let mut steps = anomaly.cycle.iter();
        anomaly.cycle.is_empty() || steps.any(|step| step.from == id as usize)
    };
    let mut rest = witness.clone();
    for id in witness.into_iter().filter(|&id| !is_told(id)) {
        rest.remove(&id);
        if part.is_broken(&rest, options) != Some(true) {
            rest.insert(id);
        }
    }
    let is_needed = |&id: &u32| {
        let mut others = rest.clone();
        others.remove(&id);
        part.is_broken(&others, options) == Some(false)
    };
    anomaly.minimal = rest.iter().all(is_needed);
    anomaly.witness = rest.into_iter().map(|id| id as usize).collect();
}

/// Some transactions, and all that appended what they read.
struct Part<'a> {
    all: &'a Transactions,
    involved: BTreeSet<u32>,
    /// The keys of theirs, ascending.
    keys: Vec<u32>,
}

impl<'a> Part<'a> {
    fn new(all: &'a Transactions, appends: &Appends, of: &BTreeSet<u32>) -> Self {
        let mut involved = of.clone();
        for &transaction in of {
            for operation in all.operations_of(transaction) {
                if let MicroOperation::Read { key, list } = all.operation(operation) {
                    let elements = list.iter();
                    let writers = elements.filter_map(|&element| appends.operation(key, element));
                    involved.extend(writers.map(|writer| all.transaction_of(writer)));
                }
            }
        }
        Self {
            all,
            keys: keys_of(all, involved.iter().copied()),
            involved,
        }
    }

    fn size(&self) -> u64 {
        let sizes = self.involved.iter().map(|&id| self.all.size_of_one(id));
        sizes.sum()
    }

    /// Whether what the transactions `believed` say is forbidden, if the limits allow to tell.
    fn is_broken(&self, believed: &BTreeSet<u32>, options: &ListAppendOptions) -> Option<bool> {
        let mut part = Transactions::default();
        for &transaction in &self.involved {
            self.copy(transaction, believed.contains(&transaction), &mut part);
        }
        let appends = Appends::new(&part).ok()?;
        let asked = (options.model, &options.limits);
        let found = judge::judge(Known::all(&part), &appends, asked, cycles::find_any);
        let is_broken = judge::is_broken(&found, options.model);
        (is_broken || found.cycles.undecided.is_empty()).then_some(is_broken)
    }

    /// Adds a transaction, as it was if it is believed.
    fn copy(&self, transaction: u32, is_believed: bool, to: &mut Transactions) {
        let header = *self.all.header(transaction);
        let outcome = if is_believed {
            header.outcome
        } else {
            Outcome::Info
        };
        to.begin(Header { outcome, ..header });
        for operation in self.all.operations_of(transaction) {
            let operation = self.all.operation(operation);
            let key = self.keys.partition_point(|&key| key < operation.key()) as u32;
            match operation {
                MicroOperation::Append { element, .. } => to.append(key, element),
                MicroOperation::Read { list, .. } if outcome == Outcome::Ok => to.read(key, list),
                MicroOperation::Read { .. } | MicroOperation::UnknownRead { .. } => {
                    to.unknown_read(key);
                }
            }
        }
    }
}
