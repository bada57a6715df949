//! The first event with which a history of lists is impossible.
//!
//! Since when an anomaly is certain is asked of the part of the history that speaks of its keys. Mostly
//! that is small, and mostly the history before that event turns out to be possible. A judgement of a
//! prefix takes time in proportion to what had begun by then.

use super::judge::{self, Judgement};
use super::names::Names;
use super::projection::{keys_of, project};
use super::transactions::{Known, Transactions};
use super::versions::Appends;
use super::{ListAppendOptions, explain};
use crate::isolation::cycles::{self, CycleLimits};
use crate::isolation::first_bad::{self, Prefix};
use crate::verdict::Anomaly;

/// The index of the first event whose prefix the model forbids; `None` if that would take more work
/// than the options allow. The anomaly is of the whole history.
pub(super) fn first_bad_event(
    transactions: &Transactions,
    appends: &Appends,
    options: &ListAppendOptions,
    anomaly: &Anomaly,
) -> Option<usize> {
    let completions = completions(transactions);
    let mut search = Search {
        transactions,
        appends,
        options,
        work_left: options.prefix_work,
    };
    let since = search.certain_since(anomaly, *completions.last()?);
    let mut judge = |event| search.judge(event);
    first_bad::first_bad_event(&completions, since, &mut judge)
}

fn completions(transactions: &Transactions) -> Vec<u32> {
    let headers = (0..transactions.count()).map(|transaction| transactions.header(transaction));
    let completions = headers.map(|header| header.completed);
    let mut completions: Vec<u32> = completions.filter(|&event| event != u32::MAX).collect();
    completions.sort_unstable();
    completions
}

struct Search<'a> {
    transactions: &'a Transactions,
    appends: &'a Appends,
    options: &'a ListAppendOptions,
    work_left: u64,
}

impl Search<'_> {
    /// Judges the history up to an event.
    fn judge(&mut self, event: u32) -> Prefix {
        let known = Known::before(self.transactions, event + 1);
        if !self.spend(known) {
            return Prefix::Unknown;
        }
        let found = judge_prefix(known, self.appends, self.options);
        if judge::is_broken(&found, self.options.model) {
            let names = Names::default();
            let anomaly = explain::anomaly(self.transactions, &names, &found, self.options);
            let since = self.certain_since(&anomaly, event);
            return Prefix::Impossible { since };
        }
        if found.cycles.undecided.is_empty() {
            Prefix::Possible
        } else {
            Prefix::Unknown
        }
    }

    /// The event up to `last` since which what the anomaly's keys show by themselves is forbidden; `last`
    /// if they do not.
    fn certain_since(&mut self, anomaly: &Anomaly, last: u32) -> u32 {
        let of_cycle = anomaly.cycle.iter().map(|step| step.from);
        let witness = anomaly.witness.iter().copied();
        let ids: Vec<usize> = match anomaly.cycle.is_empty() {
            true => witness.collect(),
            false => of_cycle.collect(),
        };
        let ids = ids.into_iter().map(|id| id as u32);
        let part = project(self.transactions, &keys_of(self.transactions, ids));
        let Ok(appends) = Appends::new(&part) else {
            return last;
        };
        let mut completions = completions(&part);
        completions.retain(|&event| event <= last);
        let place = completions.partition_point(|&event| {
            let known = Known::before(&part, event + 1);
            let is_possible = || {
                let found = judge_prefix(known, &appends, self.options);
                !judge::is_broken(&found, self.options.model)
            };
            // Without work left nothing is found earlier than at the end.
            !self.spend(known) || is_possible()
        });
        completions.get(place).copied().unwrap_or(last)
    }

    fn spend(&mut self, known: Known<'_>) -> bool {
        let work = known.transactions.size_of(known.begun());
        let is_enough = work <= self.work_left;
        self.work_left = self.work_left.saturating_sub(work);
        is_enough
    }
}

/// Whether there is a cycle is asked, not how short it can be.
fn judge_prefix(known: Known<'_>, appends: &Appends, options: &ListAppendOptions) -> Judgement {
    let limits = CycleLimits {
        shorten_edges: 0,
        ..options.limits
    };
    judge::judge(known, appends, (options.model, &limits), cycles::find_any)
}
