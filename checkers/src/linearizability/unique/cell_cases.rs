//! Registers for tests: the object, and histories of it, true and false.

use super::brute_force::{Object, Tally, compare, visit_all};
use super::cell::{Cell, CellAction, CellOperation};
use super::decision::Decision;
use super::intervals::{NEVER, Span};
use crate::random::Random;

pub(super) struct Register;

impl Object for Register {
    type State = u32;
    type Operation = CellOperation;

    fn initial(&self) -> u32 {
        0
    }

    fn span(&self, operation: CellOperation) -> Span {
        operation.span
    }

    fn step(&self, &state: &u32, operation: CellOperation) -> Option<u32> {
        match operation.action {
            CellAction::Read(_) if operation.span.returned == NEVER => Some(state),
            CellAction::Read(value) => (value == state).then_some(state),
            CellAction::Write(value) => Some(value),
            CellAction::CompareAndSet { expected, new } => (expected == state).then_some(new),
            CellAction::FoundOther { expected, .. } => (expected != state).then_some(state),
        }
    }
}

/// How often, one in so many, what happens to an operation.
#[derive(Clone, Copy)]
pub(super) struct Odds {
    pub(super) uncertain: u32,
    pub(super) duplicate: u32,
    pub(super) found_other: u32,
    pub(super) lie: u32,
}

/// What a register really answers to random operations, but for a few lies.
pub(super) fn history(
    random: &mut Random,
    count: usize,
    open_max: usize,
    with_cas: bool,
    odds: Odds,
) -> Vec<CellOperation> {
    let spans = random.spans(count, open_max);
    let mut by_moment: Vec<usize> = (0..count).collect();
    by_moment.sort_by_key(|&index| (spans[index].1, index));
    let mut operations: Vec<Option<CellOperation>> = vec![None; count];
    let (mut state, mut fresh) = (0, 0);
    for index in by_moment {
        let (mut span, _) = spans[index];
        let uncertain = random.one_in(odds.uncertain);
        let happens = !uncertain || random.one_in(2);
        let lies = random.one_in(odds.lie);
        let is_duplicate = fresh > 0 && random.one_in(odds.duplicate);
        let kind = random.below(if with_cas { 4 } else { 2 });
        let new = fresh + 1;
        let action = match kind {
            0 if lies => CellAction::Read(random.below(fresh + 2)),
            0 => CellAction::Read(state),
            1 | 2 if kind == 1 && is_duplicate => CellAction::Write(random.below(fresh + 1)),
            1 => CellAction::Write(new),
            _ => {
                let expected = if lies { random.below(fresh + 1) } else { state };
                let other = random.below(new);
                if random.one_in(odds.found_other) && (lies || other != state) {
                    let expected = other;
                    CellAction::FoundOther { expected, new }
                } else {
                    CellAction::CompareAndSet { expected, new }
                }
            }
        };
        fresh += u32::from(kind != 0);
        if uncertain
            && matches!(
                action,
                CellAction::Write(_) | CellAction::CompareAndSet { .. }
            )
        {
            span.returned = NEVER;
        }
        match action {
            CellAction::Write(value) | CellAction::CompareAndSet { new: value, .. } if happens => {
                state = value;
            }
            _ => {}
        }
        operations[index] = Some(CellOperation { span, action });
    }
    operations.into_iter().flatten().collect()
}

/// As many values as the operations speak of.
pub(super) fn value_count(operations: &[CellOperation]) -> usize {
    let largest = operations.iter().map(|operation| match operation.action {
        CellAction::Read(value) | CellAction::Write(value) => value,
        CellAction::CompareAndSet { expected, new } | CellAction::FoundOther { expected, new } => {
            expected.max(new)
        }
    });
    largest.max().unwrap_or(0) as usize + 1
}

pub(super) fn decide_by(
    decide: fn(&Cell<'_>) -> Decision,
    operations: &[CellOperation],
) -> Decision {
    decide(&Cell {
        operations,
        value_count: value_count(operations),
        name: &|value| value.to_string(),
    })
}

/// As [`check`], for all small histories.
pub(super) fn check_all(decide: fn(&Cell<'_>) -> Decision, menu: &[CellAction], open_max: usize) {
    let mut tally = Tally::default();
    visit_all(menu, open_max, |begun| {
        let operations = begun.iter();
        let operations = operations.map(|&(span, action)| CellOperation { span, action });
        check(decide, &operations.collect::<Vec<_>>(), &mut tally);
    });
    tally.require_many();
}

/// Compares a decision with the search through every order, for the history and its prefixes.
pub(super) fn check(
    decide: fn(&Cell<'_>) -> Decision,
    operations: &[CellOperation],
    tally: &mut Tally,
) {
    let decision = decide_by(decide, operations);
    // That something failed stays known: it did nothing.
    let relaxed = |operation: CellOperation| CellOperation {
        span: Span {
            returned: NEVER,
            ..operation.span
        },
        action: match operation.action {
            CellAction::FoundOther { .. } => CellAction::Read(0),
            action => action,
        },
    };
    compare(&Register, operations, &decision, relaxed, tally);
}
