//! Isolation of transactions that read and write registers, each write with a value of its own.
//!
//! The operations, in Jepsen's form, are `txn` with a list of `["r" key value]` and `["w" key value]`;
//! a read's value is nil in the invocation, and nil in the answer stands for the value before the first
//! write. A `read` or `write` on a key is taken for a transaction of one access; if all are, the history
//! can be asked for `sequential`, `causal` and `linearizable` too, which are the same questions.
//!
//! `direct` finds what one read shows to be wrong; what is left is judged by the [`Level`] asked for:
//! `weak` in polynomial time, and snapshot isolation and serializability by `constraints` on the
//! order of versions. Where every write follows a read of its key, as in a workload of
//! read-modify-write, those orders are known (`fragments`) and the answer takes linear time. Else
//! `decide` tries a guess, what follows (`saturation`) and a `solver`; the question is NP-complete
//! (Papadimitriou 1979), so that it may end in `Unknown`. `claimed_order` judges an order that a
//! system itself claims.

mod claimed_order;
mod constraints;
mod decide;
mod decode;
pub(crate) mod digraph;
pub(crate) mod direct;
mod finding;
mod fragments;
mod growing_order;
mod happened;
mod key_order;
mod level;
mod necessary;
mod prefix;
mod saturation;
mod schedule;
mod sessions;
mod solver;
pub(crate) mod transactions;
mod weak;

use crate::history::History;
use crate::isolation::models::ConsistencyModel;
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::{Anomaly, Verdict};
use decide::Decision;
use direct::{DirectKind, Seen};
use finding::{Finding, Teller};
use fragments::Fragments;
use happened::Happened;
use prefix::Found;
use std::collections::BTreeMap;

pub use claimed_order::{Claim, check_claim};
pub use constraints::StrongLevel;
pub use decode::transactions;
pub use level::Level;
pub use sessions::Order;
use sessions::Orders;
pub use transactions::{Invocation, Transactions};
pub use weak::WeakLevel;

/// What is asked, and what the answer may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RwRegisterOptions {
    /// The model that the history should satisfy.
    pub model: ConsistencyModel,
    /// What is known of each key on its own, however transactions are isolated: nothing, that whoever
    /// visits it sees no older version than his process had seen before (Elle's `sequential-keys`), or
    /// than anybody had seen who had returned before (`linearizable-keys`). That who read a version and
    /// then wrote the key came right after that version (`wfr-keys`) follows from snapshot isolation and
    /// all that is stronger.
    pub keys: Order,
    /// How many nodes and edges may be visited, beyond the work that is linear in the history. Past
    /// this the answer is `Unknown`.
    pub steps_max: u64,
    /// Whether the first event at which the history became impossible is searched for where that takes
    /// several checks.
    pub first_bad_event: FirstBadEvent,
    pub strategy: Strategy,
}

/// How orders of versions that are not known are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Strategy {
    /// A guess, then what follows, then the solver.
    #[default]
    Auto,
    /// What follows, then the solver: to compare with.
    WithoutGuess,
    /// The solver alone: to compare with.
    SolverOnly,
}

/// Whether to search for the first bad event. The search takes two checks at best, and dozens of checks
/// of parts of the history at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FirstBadEvent {
    /// As long as these parts have no more than five million transactions together.
    #[default]
    Affordable,
    Never,
}

impl Default for RwRegisterOptions {
    fn default() -> Self {
        Self {
            model: ConsistencyModel::StrictSerializable,
            keys: Order::None,
            steps_max: 2_000_000_000,
            first_bad_event: FirstBadEvent::default(),
            strategy: Strategy::default(),
        }
    }
}

const CHECKER: &str = "rw-register";

/// Judges the transactions of a history. `Vacuous` if none succeeded.
///
/// # Errors
/// If an operation is no transaction of reads and writes; the error names it.
pub fn check(history: &History, options: &RwRegisterOptions) -> Result<Verdict, DecodeError> {
    let transactions = transactions(history)?;
    Ok(check_transactions(&transactions, options))
}

/// As [`check`], for transactions that were built rather than read. The witness of a valid history is
/// an order of operations by their commits.
pub fn check_transactions(all: &Transactions, options: &RwRegisterOptions) -> Verdict {
    if !all.outcomes.contains(&crate::history::Outcome::Ok) {
        return Verdict::Vacuous("no transaction succeeded, so nothing was seen".to_owned());
    }
    let mut options = options.clone();
    if all.are_single() {
        options.model = level::of_transactions(options.model);
    }
    let model = options.model;
    let judge = Judge::new(all, &options);
    let direct = judge.direct();
    if direct.iter().any(|finding| finding.forbids(model)) {
        return judge.invalid(direct);
    }
    match Level::of(model) {
        Some(level) => judge.verdict(level, direct),
        None => judge.by_neighbours(direct),
    }
}

/// The answer for one level.
enum Answer {
    Possible(Option<Vec<u32>>),
    Impossible(Box<Finding>),
    Unknown(String),
}

struct Judge<'a> {
    all: &'a Transactions,
    seen: Seen,
    happened: Happened,
    options: &'a RwRegisterOptions,
}

impl<'a> Judge<'a> {
    fn new(all: &'a Transactions, options: &'a RwRegisterOptions) -> Self {
        let seen = Seen::new(all);
        let happened = Happened::new(all, &seen);
        Self {
            all,
            seen,
            happened,
            options,
        }
    }

    /// One finding for each kind of direct anomaly, the worst kind first.
    fn direct(&self) -> Vec<Finding> {
        let mut first: BTreeMap<DirectKind, (usize, &direct::Direct)> = BTreeMap::new();
        for direct in &self.seen.wrong {
            first.entry(direct.kind).or_insert((0, direct)).0 += 1;
        }
        let findings = first.into_values();
        findings
            .map(|(count, direct)| {
                let mut finding = finding::direct(self.all, direct);
                finding.count(count);
                finding
            })
            .collect()
    }

    fn verdict(&self, level: Level, direct: Vec<Finding>) -> Verdict {
        match self.answer(level) {
            Answer::Unknown(why) => Verdict::Unknown(why),
            Answer::Possible(_) if self.seen.ambiguous_reads > 0 => {
                Verdict::Unknown(self.ambiguity())
            }
            Answer::Possible(witness) => Verdict::Valid {
                witness: witness.map(|order| self.operations(&order)),
            },
            Answer::Impossible(finding) => {
                let mut findings = self.weakest_first(level, *finding);
                findings.extend(direct);
                if let Some(finding) = findings.first_mut() {
                    let since = finding.last_completion(self.all);
                    finding.first_bad_event = self.first_bad_event(level, since);
                }
                self.invalid(findings)
            }
        }
    }

    /// A model without an algorithm of its own: one that implies it may hold, and what breaks one that
    /// it implies breaks it.
    fn by_neighbours(&self, direct: Vec<Finding>) -> Verdict {
        let model = self.options.model;
        let mut also = direct;
        for stronger in ConsistencyModel::ALL {
            let Some(level) = Level::of(stronger).filter(|_| stronger.implies(model)) else {
                continue;
            };
            match self.answer(level) {
                Answer::Possible(_) if self.seen.ambiguous_reads == 0 => {
                    return Verdict::Valid { witness: None };
                }
                Answer::Possible(_) | Answer::Unknown(_) => {}
                Answer::Impossible(finding) => {
                    let mut findings = self.weakest_first(level, *finding);
                    findings.append(&mut also);
                    if findings.iter().any(|finding| finding.forbids(model)) {
                        sort_by_number(&mut findings, |finding| {
                            usize::from(!finding.forbids(model))
                        });
                        return self.invalid(findings);
                    }
                    also = findings;
                }
            }
        }
        Verdict::Unknown(format!(
            "the orders of versions that reads and writes of registers show do not decide {model}"
        ))
    }

    fn ambiguity(&self) -> String {
        let version = self.seen.ambiguous[0];
        let (key, value) = self.all.name_of_version(version);
        format!(
            "several transactions wrote {value} to key {key}, so that nobody knows whose write {} reads saw (it is one of {} such values); nothing else was wrong",
            self.seen.ambiguous_reads,
            self.seen.ambiguous.len()
        )
    }

    fn operations(&self, order: &[u32]) -> Vec<usize> {
        let number = |&index: &u32| self.happened.transactions[index as usize] as usize;
        let operations = order.iter().map(number);
        operations
            .map(|number| self.all.operations[number] as usize)
            .collect()
    }

    fn answer(&self, level: Level) -> Answer {
        match level {
            Level::Weak(weak, order) => self.weak(level, weak, order),
            Level::Strong(strong, order) => self.strong(level, strong, order),
        }
    }

    fn weak(&self, level: Level, weak: WeakLevel, order: Order) -> Answer {
        let proved = weak::proved(self.all, &self.happened, weak, self.orders(order));
        let graph = digraph::Digraph::new(proved.nodes as usize, &proved.edges);
        if graph.order().is_some() {
            return Answer::Possible(None);
        }
        let cycle = graph.cycle().expect("a graph without an order has a cycle");
        let teller = Teller {
            all: self.all,
            happened: &self.happened,
            versions: None,
        };
        Answer::Impossible(Box::new(teller.cycle(level, &cycle)))
    }

    fn strong(&self, level: Level, strong: StrongLevel, order: Order) -> Answer {
        let (all, happened) = (self.all, &self.happened);
        let fragments = Fragments::new(happened);
        if let Some(lost) = fragments.lost_updates.first() {
            let mut finding = finding::lost_update(all, happened, lost);
            finding.count(fragments.lost_updates.len());
            return Answer::Impossible(Box::new(finding));
        }
        let asked = (strong, self.orders(order));
        let (decision, question) = decide::decide(all, happened, &fragments, asked, self.options);
        let teller = Teller {
            all,
            happened,
            versions: Some((&fragments, &question)),
        };
        match decision {
            Decision::Possible(witness) => Answer::Possible(Some(witness)),
            Decision::Cycle(cycle) => Answer::Impossible(Box::new(teller.cycle(level, &cycle))),
            Decision::Impossible(cycles) => {
                Answer::Impossible(Box::new(teller.impossible(level, &cycles)))
            }
            Decision::Unknown(why) => Answer::Unknown(why),
        }
    }

    fn orders(&self, order: Order) -> Orders {
        Orders {
            order,
            of_keys: self.options.keys,
        }
    }

    /// What breaks the weakest of the levels that `level` implies, and then what broke `level`.
    fn weakest_first(&self, level: Level, finding: Finding) -> Vec<Finding> {
        for weaker in level.with_weaker().filter(|&weaker| weaker != level) {
            if let Answer::Impossible(weakest) = self.answer(weaker) {
                if weakest.class == finding.class {
                    return vec![*weakest];
                }
                return vec![*weakest, finding];
            }
        }
        vec![finding]
    }

    fn first_bad_event(&self, level: Level, since: Option<usize>) -> Option<usize> {
        if self.options.first_bad_event == FirstBadEvent::Never {
            return None;
        }
        prefix::first_bad_event(self.all, since, |prefix| {
            match Judge::new(prefix, self.options).answer(level) {
                Answer::Possible(_) => Found::Nothing,
                Answer::Impossible(finding) => {
                    let since = finding.last_completion(prefix);
                    Found::Impossible { since }
                }
                Answer::Unknown(_) => Found::Unknown,
            }
        })
    }

    /// Whether the model forbids the history, if it has an algorithm of its own and that can tell.
    fn is_forbidden(&self, model: ConsistencyModel) -> Option<bool> {
        if self.direct().iter().any(|finding| finding.forbids(model)) {
            return Some(true);
        }
        match self.answer(Level::of(model)?) {
            Answer::Possible(_) => (self.seen.ambiguous_reads == 0).then_some(false),
            Answer::Impossible(_) => Some(true),
            Answer::Unknown(_) => None,
        }
    }

    fn invalid(&self, findings: Vec<Finding>) -> Verdict {
        let anomalies = findings.into_iter();
        let is_forbidden =
            |part: &Transactions| Judge::new(part, self.options).is_forbidden(self.options.model);
        let mut anomalies = anomalies.map(|finding| {
            let minimal = necessary::are_necessary(self.all, finding.transactions(), is_forbidden);
            Anomaly {
                minimal,
                ..finding.into_anomaly(self.all, CHECKER)
            }
        });
        let mut first = anomalies.next().expect("something was found");
        first.also = anomalies.collect();
        Verdict::Invalid(first)
    }
}
