//! Isolation from histories in which transactions append to lists and read them.
//!
//! Kingsbury, Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", 2020. Each
//! element is appended to its list once, so that a read tells whose appends it saw, and in which order
//! they took place. That gives nearly all dependencies between transactions, and their cycles are the
//! phenomena that consistency models forbid.
//!
//! A transaction is an operation `txn` whose value is `[["append" key element] ["r" key nil] …]`, with
//! the lists that were read in its completion; Jepsen's keywords `:append` and `:r` will do. Failed
//! transactions did not take place. Of a transaction that nobody knows the end of, the appends count if
//! some read shows one of them; what it read is never used.
//!
//! Sound for every model: what is forbidden is there. For serializability, with sessions or real time
//! or without, also complete: what is called valid has an order, which is the witness. For snapshot
//! isolation that holds as far as appends were read; [`Statistics`] tells how many were not.
//!
//! Linear in the size of all reads but for the cycles that are shown, which [`CycleLimits`] bound, and
//! for the first bad event, which takes a few runs more.
//!
//! Where this differs from Elle: two appends of one element that may both have taken place are
//! `Unknown` and not an error; a relation of versions that some read contradicts is not used at all;
//! and what is found does not depend on how long the search takes.

mod decode;
mod dependencies;
mod direct;
mod evidence;
mod explain;
mod first_bad;
mod judge;
mod names;
mod necessary;
mod prefixes;
mod projection;
mod transactions;
mod versions;

use super::cycles::{self, CycleLimits};
use super::models::ConsistencyModel;
use crate::history::{History, Outcome};
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use judge::Judgement;
use transactions::Known;
use versions::{Ambiguous, Appends};

pub use names::{FIRST_NAMED_ELEMENT, Names};
pub use transactions::{Header, MicroOperation, Transactions};

/// What is asked of a history, and how much work the answer may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListAppendOptions {
    /// The model that the history should satisfy.
    pub model: ConsistencyModel,
    pub limits: CycleLimits,
    /// How many elements and micro-operations may be looked at to find the first bad event.
    pub prefix_work: u64,
}

impl Default for ListAppendOptions {
    fn default() -> Self {
        Self {
            model: ConsistencyModel::StrictSerializable,
            limits: CycleLimits::default(),
            prefix_work: 1_000_000_000,
        }
    }
}

/// How much a history told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Transactions that took place.
    pub committed: usize,
    /// Appends of all transactions.
    pub appends: usize,
    /// Appends of transactions that took place which no read showed: little is known of their order.
    pub unobserved_appends: usize,
}

/// A verdict, and how much it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub verdict: Verdict,
    pub statistics: Statistics,
}

/// Whether the history satisfies the model; `Vacuous` if nothing was read.
///
/// # Errors
/// If an operation is no such transaction; the error names it.
pub fn check(history: &History, options: &ListAppendOptions) -> Result<Verdict, DecodeError> {
    report(history, options).map(|report| report.verdict)
}

/// As [`check`], and tells how much of the history the verdict rests on.
///
/// # Errors
/// If an operation is no such transaction; the error names it.
pub fn report(history: &History, options: &ListAppendOptions) -> Result<Report, DecodeError> {
    let (transactions, names) = decode::decode(history)?;
    Ok(report_transactions(&transactions, &names, options))
}

/// As [`report`], of transactions that are decoded already: ids in the verdict are their numbers.
pub fn report_transactions(
    transactions: &Transactions,
    names: &Names,
    options: &ListAppendOptions,
) -> Report {
    let appends = match Appends::new(transactions) {
        Ok(appends) => appends,
        Err(ambiguous) => return not_told_apart(transactions, names, ambiguous),
    };
    let known = Known::all(transactions);
    let asked = (options.model, &options.limits);
    let judgement = judge::judge(known, &appends, asked, cycles::find);
    let committed = (0..transactions.count())
        .filter(|&transaction| judgement.versions.is_committed(transaction));
    let statistics = Statistics {
        committed: committed.count(),
        appends: appends.count(),
        unobserved_appends: judgement.versions.unobserved_count(),
    };
    let verdict = verdict(transactions, names, &appends, &judgement, options);
    Report {
        verdict,
        statistics,
    }
}

fn verdict(
    transactions: &Transactions,
    names: &Names,
    appends: &Appends,
    judgement: &Judgement,
    options: &ListAppendOptions,
) -> Verdict {
    if judge::is_broken(judgement, options.model) {
        let mut anomaly = explain::anomaly(transactions, names, judgement, options);
        let first = first_bad::first_bad_event(transactions, appends, options, &anomaly);
        anomaly.explanation.push(match first {
            Some(event) => format!(
                "Whatever came later, {} was impossible from event {event} on.",
                options.model
            ),
            None => "Since which event was not looked for: that would take too long.".to_owned(),
        });
        anomaly.first_bad_event = first;
        necessary::reduce(transactions, appends, &mut anomaly, options);
        for also in &mut anomaly.also {
            necessary::reduce(transactions, appends, also, options);
        }
        return Verdict::Invalid(anomaly);
    }
    if let Some(undecided) = judgement.cycles.undecided.first() {
        return Verdict::Unknown(format!(
            "whether there is a {undecided}, which {} forbids, was not decided after looking at {} edges",
            options.model, options.limits.decide_edges
        ));
    }
    if !has_reads(transactions) {
        return Verdict::Vacuous("no read returned, so nothing was seen".to_owned());
    }
    let order = judgement.cycles.order.as_ref();
    let order = order.filter(|_| judgement.phenomena().is_empty());
    let committed = order.map(|order| {
        let counts = |&transaction: &u32| judgement.versions.is_committed(transaction);
        let committed = order.iter().copied().filter(counts);
        committed.map(|transaction| transaction as usize).collect()
    });
    Verdict::Valid { witness: committed }
}

fn has_reads(transactions: &Transactions) -> bool {
    let mut all = 0..transactions.count();
    all.any(|transaction| {
        let is_read = |operation| {
            let operation = transactions.operation(operation);
            matches!(operation, MicroOperation::Read { .. })
        };
        transactions.header(transaction).outcome == Outcome::Ok
            && transactions.operations_of(transaction).any(is_read)
    })
}

fn not_told_apart(transactions: &Transactions, names: &Names, ambiguous: Ambiguous) -> Report {
    let [one, other] = ambiguous.operations;
    let what = match transactions.operation(one) {
        MicroOperation::Append { key, element } => {
            format!("{} to key {}", names.element(element), names.key(key))
        }
        _ => String::new(),
    };
    Report {
        verdict: Verdict::Unknown(format!(
            "expected each element to be appended to a key once, but the transactions {} and {} both appended {what}",
            transactions.transaction_of(one),
            transactions.transaction_of(other),
        )),
        statistics: Statistics::default(),
    }
}
