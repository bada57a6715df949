//! Isolation of transactions that read by predicates, over a closed universe of keys.
//!
//! A predicate read chooses a version of every key, also of those that it does not show: these have a
//! version that the predicate does not match. If all versions of a key are known, then so is mostly which
//! of them that can be, and with it who came before whom. Adya, "Weak Consistency: A Generalized Theory
//! and Optimistic Implementations for Distributed Transactions", 1999, chapter 3 (predicate-based
//! dependencies and conflicts); the idea of a closed universe is of Elle's closed predicates (Kingsbury).
//!
//! First `init`, an operation whose value is a map, makes the universe as it is when the first
//! transaction begins; without it, or for keys that it does not name, nothing is there. Then come
//! transactions, operations `txn` with a list of
//! - `["insert" key value]` and `["w" key value]`, which set a key;
//! - `["delete" key]`;
//! - `["r" key value]`, nil if the key is not there;
//! - `["rp" predicate {key value …}]`, all keys whose values the predicate matches. It is `true`,
//!   `["=" value]`, `["mod" modulus remainder]`, `["<" number]` or `[">" number]`, and matches no key that
//!   is not there.
//!
//! What was read stands in the completion. In JSON, whose maps have only texts for keys, the number 5 is
//! `"5"`.
//!
//! The version order of a key is known if one transaction writes it, or if each that writes it had read
//! it before. Of a transaction that nobody knows the end of, what it wrote counts if some read shows
//! that. Sound for every model; for serializability, with sessions or real time or without, also
//! complete where all version orders are known and none of a key's versions that a read may have chosen
//! lies between others: else the answer may be `Unknown`, never wrong.
//!
//! O(reads by predicate × versions of all keys), but for the cycles that are shown.

mod decode;
mod dependencies;
mod direct;
mod explain;
mod judge;
mod predicate;
mod reads;
mod replay;
mod transactions;
mod universe;

use super::cycles::CycleLimits;
use super::first_bad::{self, Prefix};
use super::models::ConsistencyModel;
use crate::history::{History, Outcome};
use crate::spec::DecodeError;
use crate::verdict::{Anomaly, Verdict};
use judge::Judgement;
use transactions::Transactions;

/// What is asked of a history, and how much work the answer may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedPredicateOptions {
    /// The model that the history should satisfy.
    pub model: ConsistencyModel,
    pub limits: CycleLimits,
    /// How many transactions may be judged once more, to find the first bad event and to say whether
    /// each transaction shown is needed.
    pub repeated_transactions: u64,
}

impl Default for ClosedPredicateOptions {
    fn default() -> Self {
        Self {
            model: ConsistencyModel::StrictSerializable,
            limits: CycleLimits::default(),
            repeated_transactions: 1_000_000,
        }
    }
}

/// Whether the history satisfies the model; `Vacuous` if nothing was read.
///
/// # Errors
/// If an operation is no such transaction, or the universe was not made before the first; the error
/// names it.
pub fn check(history: &History, options: &ClosedPredicateOptions) -> Result<Verdict, DecodeError> {
    let transactions = decode::decode(history)?;
    if !transactions.any_returned_read() {
        return Ok(Verdict::Vacuous(
            "no read returned, so nothing was seen".to_owned(),
        ));
    }
    let mut search = Search {
        transactions: &transactions,
        options,
        transactions_left: options.repeated_transactions,
    };
    let outcomes = transactions.outcomes();
    let judgement = judge::judge(&transactions, &outcomes, (options.model, &options.limits));
    if !judgement.is_broken(options.model) {
        return Ok(search.possible(&judgement, &outcomes));
    }
    let mut anomaly = explain::anomaly(&transactions, &judgement, options.model);
    anomaly.first_bad_event = search.first_bad_event();
    anomaly.explanation.push(match anomaly.first_bad_event {
        Some(event) => format!(
            "Whatever came later, {} was impossible from event {event} on.",
            options.model
        ),
        None => "Since which event cannot be told: before the end too little is known of the order of versions.".to_owned(),
    });
    anomaly.minimal = search.is_minimal(&anomaly);
    Ok(Verdict::Invalid(anomaly))
}

/// Judges the history again as if less were known of it.
struct Search<'a> {
    transactions: &'a Transactions<'a>,
    options: &'a ClosedPredicateOptions,
    transactions_left: u64,
}

impl Search<'_> {
    /// The verdict where nothing that the model forbids was found.
    fn possible(&self, judgement: &Judgement, outcomes: &[Outcome]) -> Verdict {
        let model = self.options.model;
        if let Some(undecided) = judgement.cycles.undecided.first() {
            return Verdict::Unknown(format!(
                "whether there is a {undecided}, which {model} forbids, was not decided after looking at {} edges",
                self.options.limits.decide_edges
            ));
        }
        let order = replay::witness(self.transactions, judgement, outcomes);
        if let Some(order) = order {
            let witness = order.into_iter().map(|transaction| transaction as usize);
            let witness = Some(witness.collect());
            return Verdict::Valid { witness };
        }
        let unknown = match (judgement.undetermined, judgement.universe.unordered()) {
            (Some(read), _) => explain::undetermined(self.transactions, &read),
            (None, Some(key)) => format!(
                "nobody knows in which order key {} was written: not all who wrote it had read it before",
                self.transactions.keys[key as usize]
            ),
            (None, None) => return Verdict::Valid { witness: None },
        };
        Verdict::Unknown(format!("{unknown}; nothing else was wrong"))
    }

    /// What is known with these outcomes; the events only say whether something is.
    fn judge(&mut self, outcomes: &[Outcome]) -> Prefix {
        let count = outcomes.len() as u64;
        if count > self.transactions_left {
            return Prefix::Unknown;
        }
        self.transactions_left -= count;
        let model = self.options.model;
        let limits = CycleLimits {
            shorten_edges: 0,
            ..self.options.limits
        };
        let judgement = judge::judge(self.transactions, outcomes, (model, &limits));
        if judgement.is_broken(model) {
            return Prefix::Impossible { since: u32::MAX };
        }
        match self.possible(&judgement, outcomes) {
            Verdict::Unknown(_) => Prefix::Unknown,
            _ => Prefix::Possible,
        }
    }

    fn first_bad_event(&mut self) -> Option<usize> {
        let completions = self.transactions.completions();
        let last = *completions.last()?;
        first_bad::first_bad_event(&completions, last, &mut |event| {
            let outcomes = self.transactions.outcomes_after(event);
            self.judge(&outcomes)
        })
    }

    /// Whether the transactions of the anomaly are forbidden by themselves, and not if nobody knew how
    /// one of them ended.
    fn is_minimal(&mut self, anomaly: &Anomaly) -> bool {
        let all = self.transactions.outcomes();
        let mut known = vec![Outcome::Info; all.len()];
        for &id in &anomaly.witness {
            known[id] = all[id];
        }
        let is_enough = matches!(self.judge(&known), Prefix::Impossible { .. });
        is_enough
            && anomaly.witness.iter().all(|&id| {
                let mut others = known.clone();
                others[id] = Outcome::Info;
                matches!(self.judge(&others), Prefix::Possible)
            })
    }
}
