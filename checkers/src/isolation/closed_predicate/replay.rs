//! One order of the transactions, tried.

use super::judge::Judgement;
use super::predicate::State;
use super::transactions::{Step, Transactions};
use crate::history::Outcome;

/// The order that was found, of those that happened, if each read then shows what was there.
pub(super) fn witness(
    transactions: &Transactions<'_>,
    judgement: &Judgement<'_>,
    outcomes: &[Outcome],
) -> Option<Vec<u32>> {
    let order = judgement.cycles.order.as_ref()?.iter().copied();
    let order = order.filter(|&transaction| judgement.universe.happened[transaction as usize]);
    let order: Vec<u32> = order.collect();
    let mut now = transactions.initial.clone();
    let mut does = |&transaction: &u32| {
        let is_ok = outcomes[transaction as usize] == Outcome::Ok;
        let mut steps = transactions.steps[transaction as usize].iter();
        steps.all(|step| take(step, is_ok, &mut now))
    };
    order.iter().all(&mut does).then_some(order)
}

/// Whether the step is possible now, and what is there after it.
fn take<'h>(step: &Step<'h>, is_ok: bool, now: &mut [State<'h>]) -> bool {
    match *step {
        Step::Write { key, state } => {
            now[key as usize] = state;
            true
        }
        _ if !is_ok => true,
        Step::Read { key, state } => now[key as usize] == state,
        Step::ReadWhere {
            predicate,
            ref found,
        } => {
            let there = (0..).zip(&*now);
            let matching = there.filter_map(|(key, state)| {
                let is_match = predicate.matches(*state);
                state.filter(|_| is_match).map(|value| (key, value))
            });
            matching.eq(found.iter().copied())
        }
    }
}
