//! A bank: transfers between accounts, and reads of all balances at once.
//!
//! Jepsen's `tests.bank`. However transfers are ordered, and whichever of those that crashed took
//! effect, money is neither made nor lost: every read sees all accounts, a balance in each, and the
//! same total.
//!
//! - `transfer` is invoked with `[from to amount]` or Jepsen's `{from 0, to 1, amount 5}`.
//! - `read` returns `{account balance, …}` or `[[account balance] …]`.
//!
//! Not judged: whether a snapshot is older than it may be, and whether each balance alone can be
//! explained. Both need an order of the transfers, as linearizability does. O(size of all reads × log),
//! and one more pass over the transfers to explain what was found.

use super::findings::{Findings, Told};
use super::{misfit, misfit_answer, objects, returned, whose, whose_first, whose_of};
use crate::history::{History, ListRef, Operation, Outcome, Value, ValueRef};
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is known of a bank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BankOptions {
    /// What all balances sum to; as in the first read that returns, if left out.
    pub total: Option<i64>,
    /// All accounts; those of the first read that returns, if left out.
    pub accounts: Option<BTreeSet<Value>>,
    /// Whether an account may be overdrawn.
    pub allow_negative: bool,
}

/// Judges each read on its own. `Vacuous` if none returned.
///
/// # Errors
/// If an operation is neither a `transfer` nor a `read` as above.
pub fn check(history: &History, options: &BankOptions) -> Result<Verdict, DecodeError> {
    let mut findings = Findings::new("bank");
    let mut statistics = BankStatistics::default();
    for object in objects(history) {
        let operations: Vec<Operation<'_>> = object.iter().collect();
        let bank = Bank::decode(&operations)?;
        bank.judge(options, &mut findings, &mut statistics);
    }
    let more = || statistics.sentences(history);
    Ok(findings.verdict(more, || match statistics.reads {
        0 => Verdict::Vacuous("no read of the balances returned".to_owned()),
        _ => Verdict::Valid { witness: None },
    }))
}

/// What reads showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BankStatistics {
    pub reads: usize,
    /// Totals other than the right one, by how far they were from it.
    pub wrong_totals: Option<Extremes>,
    /// Balances below zero where they may not be, by how far.
    pub negative_balances: Option<Extremes>,
}

/// Reads that were wrong in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extremes {
    pub count: usize,
    /// The ids of the first and last to return, and of the one that was wrong by most.
    pub first: usize,
    pub last: usize,
    pub worst: usize,
    /// What they showed: the least and the greatest.
    pub lowest: i128,
    pub highest: i128,
    worst_by: i128,
}

/// What reads showed.
///
/// # Errors
/// As [`check`].
pub fn statistics(history: &History, options: &BankOptions) -> Result<BankStatistics, DecodeError> {
    let mut statistics = BankStatistics::default();
    for object in objects(history) {
        let operations: Vec<Operation<'_>> = object.iter().collect();
        let mut findings = Findings::new("bank");
        Bank::decode(&operations)?.judge(options, &mut findings, &mut statistics);
    }
    Ok(statistics)
}

impl BankStatistics {
    fn sentences(&self, history: &History) -> Vec<String> {
        let kinds = [
            ("a wrong total", &self.wrong_totals),
            ("a negative balance", &self.negative_balances),
        ];
        let told = kinds.into_iter().filter_map(|(what, extremes)| {
            let extremes = extremes.as_ref()?;
            let Extremes {
                count,
                lowest,
                highest,
                ..
            } = extremes;
            Some(format!(
                "{count} of {} reads returned {what}, from {lowest} to {highest}: first {}, worst {}, last {}.",
                self.reads,
                whose_of(history, extremes.first),
                whose_of(history, extremes.worst),
                whose_of(history, extremes.last)
            ))
        });
        told.collect()
    }
}

impl Extremes {
    /// Adds what a read showed, and by how much that was wrong.
    fn add(extremes: &mut Option<Self>, read: usize, shown: i128, by: i128) {
        let extremes = extremes.get_or_insert(Self {
            count: 0,
            first: read,
            last: read,
            worst: read,
            lowest: shown,
            highest: shown,
            worst_by: by,
        });
        extremes.count += 1;
        extremes.last = read;
        extremes.lowest = extremes.lowest.min(shown);
        extremes.highest = extremes.highest.max(shown);
        if extremes.worst_by < by {
            (extremes.worst, extremes.worst_by) = (read, by);
        }
    }
}

#[derive(Default)]
struct Bank<'a> {
    /// Those that may have happened.
    transfers: Vec<Transfer<'a>>,
    /// In the order in which they returned.
    reads: Vec<Read<'a>>,
}

struct Transfer<'a> {
    recorded: Operation<'a>,
    from: ValueRef<'a>,
    to: ValueRef<'a>,
    amount: i64,
}

struct Read<'a> {
    recorded: Operation<'a>,
    returned: usize,
    /// `None` for nil.
    balances: BTreeMap<ValueRef<'a>, Option<i64>>,
}

impl<'a> Bank<'a> {
    fn decode(operations: &[Operation<'a>]) -> Result<Self, DecodeError> {
        let mut bank = Self::default();
        for &recorded in operations {
            match recorded.f {
                "transfer" => {
                    let transfer = transfer(recorded)?;
                    if recorded.outcome != Outcome::Fail {
                        bank.transfers.push(transfer);
                    }
                }
                "read" => bank.reads.extend(read(recorded)?),
                f => {
                    let expected = "`transfer` or `read` of a bank";
                    return Err(misfit(recorded, expected, format!("`{f}`")));
                }
            }
        }
        sort_by_number(&mut bank.reads, |read| read.returned);
        Ok(bank)
    }

    fn judge(
        &self,
        options: &BankOptions,
        findings: &mut Findings,
        statistics: &mut BankStatistics,
    ) {
        statistics.reads += self.reads.len();
        let Some(first) = self.reads.first() else {
            return;
        };
        let promise = Promise {
            accounts: match &options.accounts {
                Some(accounts) => accounts.iter().map(ValueRef::from).collect(),
                None => first.balances.keys().copied().collect(),
            },
            total: options.total.map_or_else(|| first.total(), i128::from),
            first: first.recorded.id,
            is_total_inferred: options.total.is_none(),
            are_accounts_inferred: options.accounts.is_none(),
        };
        for read in &self.reads {
            self.judge_accounts(read, &promise, findings);
            self.judge_total(read, &promise, findings, statistics);
            if !options.allow_negative {
                judge_signs(read, findings, statistics);
            }
        }
    }

    fn judge_accounts(&self, read: &Read<'_>, promise: &Promise<'_>, findings: &mut Findings) {
        let told = |what: String| {
            let sentence = format!("{} {what}.", whose_first(read.recorded));
            let mut told = Told::new(sentence, [read.recorded.id]);
            if promise.are_accounts_inferred {
                told.witness.insert(promise.first);
                told.explanation.push(format!(
                    "The accounts are taken to be those of the first read that returned (operation {}).",
                    promise.first
                ));
            }
            told
        };
        let mut balances = read.balances.keys();
        if let Some(account) = balances.find(|account| !promise.accounts.contains(account)) {
            findings.note(read.returned, "unexpected-account", || {
                told(format!("returned account {account}, which there is not"))
            });
        }
        let mut accounts = promise.accounts.iter();
        if let Some(account) = accounts.find(|account| !read.balances.contains_key(account)) {
            findings.note(read.returned, "missing-account", || {
                told(format!("returned no balance of account {account}"))
            });
        }
        let mut balances = read.balances.iter();
        if let Some((account, _)) = balances.find(|(_, balance)| balance.is_none()) {
            findings.note(read.returned, "nil-balance", || {
                let sentence = format!(
                    "{} returned nil as the balance of account {account}.",
                    whose_first(read.recorded)
                );
                Told::new(sentence, [read.recorded.id])
            });
        }
    }

    fn judge_total(
        &self,
        read: &Read<'_>,
        promise: &Promise<'_>,
        findings: &mut Findings,
        statistics: &mut BankStatistics,
    ) {
        let total = read.total();
        if total == promise.total || read.has_nil() {
            return;
        }
        let by = (total - promise.total).abs();
        Extremes::add(&mut statistics.wrong_totals, read.recorded.id, total, by);
        findings.note(read.returned, "wrong-total", || {
            let expected = promise.total;
            let sentence = format!(
                "{} returned balances that sum to {total}, but all money there is sums to {expected}.",
                whose_first(read.recorded)
            );
            let mut told = Told::new(sentence, [read.recorded.id]);
            if promise.is_total_inferred {
                told.witness.insert(promise.first);
                told.explanation.push(format!(
                    "The total is taken from the first read that returned (operation {}).",
                    promise.first
                ));
            }
            let torn = self.torn(read, total - expected);
            told.explanation.extend(torn);
            told
        });
    }

    /// The transfers of which the read may have seen one half and not the other, which would explain the
    /// difference: single ones, or else pairs.
    fn torn(&self, read: &Read<'_>, difference: i128) -> Vec<String> {
        const TOLD_MAX: usize = 4;
        let halves = self.halves(read);
        let single = halves.iter().filter(|half| half.by == difference);
        let mut lines: Vec<String> = single
            .take(TOLD_MAX)
            .map(|half| format!("It would, had the read seen {half}."))
            .collect();
        if lines.is_empty() {
            let pairs = pairs(&halves, difference).take(TOLD_MAX);
            lines = pairs
                .map(|(one, other)| format!("It would, had the read seen {one}, and {other}."))
                .collect();
        }
        if lines.is_empty() {
            lines.push(format!(
                "No one or two transfers that may have been under way explain the difference of {difference}."
            ));
        }
        lines
    }

    /// Both halves of each transfer that may have been under way.
    fn halves(&self, read: &Read<'_>) -> Vec<Half<'_>> {
        let is_concurrent = |transfer: &&Transfer<'_>| {
            let begun = transfer.recorded.invoked < read.returned;
            let ended = returned(transfer.recorded);
            begun && ended.is_none_or(|ended| ended > read.recorded.invoked)
        };
        let concurrent = self.transfers.iter().filter(is_concurrent);
        let concurrent = concurrent.filter(|transfer| transfer.from != transfer.to);
        let halves = concurrent.flat_map(|transfer| {
            let amount = i128::from(transfer.amount);
            [amount, -amount].map(|by| Half { transfer, by })
        });
        halves.collect()
    }
}

/// What a read sees if it sees one half of a transfer and not the other.
#[derive(Clone, Copy)]
struct Half<'a> {
    transfer: &'a Transfer<'a>,
    /// What that adds to the total.
    by: i128,
}

impl fmt::Display for Half<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Transfer {
            recorded,
            from,
            to,
            amount,
        } = self.transfer;
        let (seen, unseen) = if i128::from(*amount) == self.by {
            (to, from)
        } else {
            (from, to)
        };
        let who = whose(*recorded);
        write!(
            formatter,
            "what {who} of {amount} from {from} to {to} did to {seen}, but not to {unseen}"
        )
    }
}

/// Halves of two transfers that make up the difference.
fn pairs<'a>(
    halves: &'a [Half<'a>],
    difference: i128,
) -> impl Iterator<Item = (&'a Half<'a>, &'a Half<'a>)> {
    let mut by: BTreeMap<i128, Vec<&Half<'_>>> = BTreeMap::new();
    for half in halves {
        by.entry(half.by).or_default().push(half);
    }
    halves.iter().filter_map(move |one| {
        let others = by.get(&(difference - one.by))?;
        let id = |half: &Half<'_>| half.transfer.recorded.id;
        let mut later = others.iter().filter(|other| id(other) > id(one));
        Some((one, *later.next()?))
    })
}

/// What every read must show, and where that is known from.
struct Promise<'a> {
    accounts: BTreeSet<ValueRef<'a>>,
    total: i128,
    /// The first read that returned.
    first: usize,
    is_total_inferred: bool,
    are_accounts_inferred: bool,
}

impl Read<'_> {
    fn total(&self) -> i128 {
        self.balances
            .values()
            .flatten()
            .copied()
            .map(i128::from)
            .sum()
    }

    fn has_nil(&self) -> bool {
        self.balances.values().any(Option::is_none)
    }
}

fn judge_signs(read: &Read<'_>, findings: &mut Findings, statistics: &mut BankStatistics) {
    let lowest = read.balances.values().flatten().min();
    if let Some(lowest) = lowest
        .map(|&lowest| i128::from(lowest))
        .filter(|&lowest| lowest < 0)
    {
        let negative = &mut statistics.negative_balances;
        Extremes::add(negative, read.recorded.id, lowest, -lowest);
    }
    let mut balances = read.balances.iter();
    let negative = balances.find_map(|(account, balance)| {
        balance
            .filter(|&balance| balance < 0)
            .map(|balance| (account, balance))
    });
    if let Some((account, balance)) = negative {
        findings.note(read.returned, "negative-balance", || {
            let sentence = format!(
                "{} returned {balance} as the balance of account {account}, which may not be overdrawn.",
                whose_first(read.recorded)
            );
            Told::new(sentence, [read.recorded.id])
        });
    }
}

fn transfer(recorded: Operation<'_>) -> Result<Transfer<'_>, DecodeError> {
    let parts = match recorded.input {
        ValueRef::List(parts) => match parts.array() {
            Some([from, to, ValueRef::Int(amount)]) => Some((from, to, amount)),
            _ => None,
        },
        ValueRef::Map(fields) => {
            let field = |name: &str| fields.get(ValueRef::Text(name));
            match (field("from"), field("to"), field("amount")) {
                (Some(from), Some(to), Some(ValueRef::Int(amount))) => Some((from, to, amount)),
                _ => None,
            }
        }
        _ => None,
    };
    let expected = "`transfer` to be invoked with [from to amount] or {from …, to …, amount …}";
    let (from, to, amount) = parts.ok_or_else(|| misfit(recorded, expected, recorded.input))?;
    Ok(Transfer {
        recorded,
        from,
        to,
        amount,
    })
}

/// `None` if it did not return.
fn read(recorded: Operation<'_>) -> Result<Option<Read<'_>>, DecodeError> {
    let Some(returned) = returned(recorded) else {
        return Ok(None);
    };
    let expected = "`read` to return {account balance, …} or [[account balance] …], each account once and balances integers or nil";
    let misfit = || misfit_answer(recorded, expected, recorded.output);
    let pairs: Vec<(ValueRef<'_>, ValueRef<'_>)> = match recorded.output {
        ValueRef::Map(balances) => balances.iter().collect(),
        ValueRef::List(pairs) => pairs
            .iter()
            .map(|pair| {
                let pair = pair.as_list().and_then(ListRef::array);
                pair.map(|[account, balance]| (account, balance))
                    .ok_or_else(misfit)
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(misfit()),
    };
    let mut balances = BTreeMap::new();
    for (account, balance) in pairs {
        let balance = match balance {
            ValueRef::Int(balance) => Some(balance),
            ValueRef::Nil => None,
            _ => return Err(misfit()),
        };
        if balances.insert(account, balance).is_some() {
            return Err(misfit());
        }
    }
    Ok(Some(Read {
        recorded,
        returned,
        balances,
    }))
}
