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
//! explained. Both need an order of the transfers, as linearizability does. O(size of all reads),
//! and one more pass over the transfers to explain what was found.

use super::{
    Findings, findings::Told, misfit, misfit_answer, objects, returned, whose, whose_first,
};
use crate::history::{History, ListRef, Operation, Outcome, Value, ValueRef};
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};

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
    let mut reads = 0;
    for operations in objects(history) {
        let bank = Bank::decode(&operations)?;
        reads += bank.reads.len();
        bank.judge(options, &mut findings);
    }
    Ok(findings.verdict(Vec::new, || {
        if reads == 0 {
            return Verdict::Vacuous("no read of the balances returned".to_owned());
        }
        Verdict::Valid { witness: None }
    }))
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
        bank.reads.sort_by_key(|read| read.returned);
        Ok(bank)
    }

    fn judge(&self, options: &BankOptions, findings: &mut Findings) {
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
            self.judge_total(read, &promise, findings);
            if !options.allow_negative {
                judge_signs(read, findings);
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

    fn judge_total(&self, read: &Read<'_>, promise: &Promise<'_>, findings: &mut Findings) {
        let total = read.total();
        if total == promise.total || read.has_nil() {
            return;
        }
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

    /// The transfers one half of which would explain the difference.
    fn torn(&self, read: &Read<'_>, difference: i128) -> Vec<String> {
        const TOLD_MAX: usize = 4;
        let is_concurrent = |transfer: &&Transfer<'_>| {
            let begun = transfer.recorded.invoked < read.returned;
            let ended = returned(transfer.recorded);
            begun && ended.is_none_or(|ended| ended > read.recorded.invoked)
        };
        let explains = |transfer: &&Transfer<'_>| {
            i128::from(transfer.amount).abs() == difference.abs() && transfer.from != transfer.to
        };
        let concurrent = self.transfers.iter().filter(is_concurrent);
        let lines = concurrent.filter(explains).map(|transfer| {
            let Transfer {
                recorded,
                from,
                to,
                amount,
            } = transfer;
            let (seen, unseen) = if i128::from(*amount) == difference {
                (to, from)
            } else {
                (from, to)
            };
            format!(
                "It would, had the read seen what {} of {amount} from {from} to {to} did to {seen}, but not to {unseen}.",
                whose(*recorded)
            )
        });
        let lines: Vec<String> = lines.take(TOLD_MAX).collect();
        if lines.is_empty() {
            return vec![format!(
                "No single transfer that may have been under way explains the difference of {difference}."
            )];
        }
        lines
    }
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

fn judge_signs(read: &Read<'_>, findings: &mut Findings) {
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
