//! A search through every order of a few operations: too slow to use, too simple to be wrong.

use super::decision::Decision;
use super::intervals::{NEVER, Span};
use crate::random::Random;
use std::collections::HashSet;
use std::hash::Hash;

/// An object that does one thing at a time, for tests.
pub(super) trait Object {
    type State: Clone + Eq + Hash;
    type Operation: Copy + std::fmt::Debug;

    fn initial(&self) -> Self::State;
    fn span(&self, operation: Self::Operation) -> Span;
    /// The state after it; `None` if it cannot happen there and answer as it did.
    fn step(&self, state: &Self::State, operation: Self::Operation) -> Option<Self::State>;
}

/// Whether some order explains the operations. At most 20.
pub(super) fn is_possible<O: Object>(object: &O, operations: &[O::Operation]) -> bool {
    let mut seen = HashSet::new();
    let mut todo = vec![(0_u32, object.initial())];
    let is_certain = |index: usize| object.span(operations[index]).returned != NEVER;
    while let Some((done, state)) = todo.pop() {
        let left: Vec<usize> = (0..operations.len())
            .filter(|index| done >> index & 1 == 0)
            .collect();
        if !left.iter().any(|&index| is_certain(index)) {
            return true;
        }
        for &index in &left {
            let invoked = object.span(operations[index]).invoked;
            let waits = left.iter().any(|&other| {
                is_certain(other) && object.span(operations[other]).returned < invoked
            });
            if waits {
                continue;
            }
            if let Some(after) = object.step(&state, operations[index])
                && seen.insert((done | 1 << index, after.clone()))
            {
                todo.push((done | 1 << index, after));
            }
        }
    }
    false
}

/// Asserts that the operations can have happened in this order.
pub(super) fn verify<O: Object>(object: &O, operations: &[O::Operation], order: &[u32]) {
    let mut state = object.initial();
    let mut is_placed = vec![false; operations.len()];
    let mut last_invoked = 0;
    for &index in order {
        let operation = operations[index as usize];
        assert!(!is_placed[index as usize], "{index} twice in {order:?}");
        is_placed[index as usize] = true;
        let span = object.span(operation);
        assert!(
            span.returned > last_invoked,
            "{index} too late in {order:?}"
        );
        last_invoked = last_invoked.max(span.invoked);
        state = object
            .step(&state, operation)
            .unwrap_or_else(|| panic!("{index} is impossible in {order:?}: {operations:#?}"));
    }
    for (index, &operation) in operations.iter().enumerate() {
        let is_certain = object.span(operation).returned != NEVER;
        assert!(
            !is_certain || is_placed[index],
            "{index} is not in {order:?}"
        );
    }
}

/// What came of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) possible: usize,
    pub(super) impossible: usize,
    /// How many conflicts say of themselves that each of their operations is needed.
    pub(super) minimal: usize,
    pub(super) undecided: usize,
}

impl Tally {
    /// Requires that enough was decided either way.
    pub(super) fn require_many(&self) {
        eprintln!("{self:?}");
        assert!(self.possible > 1000 && self.minimal > 1000, "{self:?}");
    }
}

/// Compares a decision with the search, and verifies its order or its conflict: `relaxed` makes
/// uncertain whatever is not in the conflict.
pub(super) fn compare<O: Object>(
    object: &O,
    operations: &[O::Operation],
    decision: &Decision,
    relaxed: impl Fn(O::Operation) -> O::Operation,
    tally: &mut Tally,
) {
    match decision {
        Decision::Order(order) => {
            tally.possible += 1;
            verify(object, operations, order);
        }
        Decision::Conflict(conflict) => {
            tally.impossible += 1;
            assert!(
                !is_possible(object, operations),
                "{conflict:?} in {operations:#?}"
            );
            let is_impossible = |certain: &[u32]| {
                let numbered = (0..).zip(operations);
                let alone = numbered.map(|(index, &operation)| match certain.contains(&index) {
                    true => operation,
                    false => relaxed(operation),
                });
                !is_possible(object, &alone.collect::<Vec<_>>())
            };
            let core = conflict.core();
            assert!(
                is_impossible(&core),
                "too few in {conflict:?}: {operations:#?}"
            );
            tally.minimal += usize::from(conflict.is_minimal);
            for &needed in core.iter().filter(|_| conflict.is_minimal) {
                let rest = core.iter().copied().filter(|&other| other != needed);
                let is_needed = !is_impossible(&rest.collect::<Vec<_>>());
                assert!(
                    is_needed,
                    "{needed} is too much in {conflict:?}: {operations:#?}"
                );
            }
        }
        Decision::Undecided(_) => tally.undecided += 1,
    }
}

impl Random {
    /// Spans of operations of which a few are open at once, in the order of their invocations, and
    /// a moment for each at which it may have happened.
    pub(super) fn spans(&mut self, count: usize, open_max: usize) -> Vec<(Span, u32)> {
        let mut spans: Vec<(Span, u32)> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut event = 0;
        while spans.len() < count || !open.is_empty() {
            let may_begin = spans.len() < count && open.len() < open_max;
            if may_begin && (open.is_empty() || self.below(2) == 0) {
                open.push(spans.len());
                let span = Span {
                    invoked: event,
                    returned: NEVER,
                };
                spans.push((span, 0));
            } else {
                let index = open.swap_remove(self.below(open.len() as u32) as usize);
                let (span, moment) = &mut spans[index];
                span.returned = event;
                *moment = span.invoked + 1 + self.below(event - span.invoked);
            }
            event += 1;
        }
        spans
    }
}

/// Visits every history of at most four operations with actions from a menu, of which at most so many are
/// open at once: with each operation's span and its choice. What is still open at the end never returns.
pub(super) fn visit_all<Action: Copy>(
    menu: &[Action],
    open_max: usize,
    mut visit: impl FnMut(&[(Span, Action)]),
) {
    for operations_max in 0..=4 {
        let mut exhaustive = Exhaustive {
            menu,
            operations_max,
            open_max,
            visit: &mut visit,
        };
        exhaustive.extend(&mut Vec::new(), &[], 0);
    }
}

struct Exhaustive<'a, Action, Visit> {
    menu: &'a [Action],
    operations_max: usize,
    open_max: usize,
    visit: Visit,
}

impl<Action: Copy, Visit: FnMut(&[(Span, Action)])> Exhaustive<'_, Action, Visit> {
    fn extend(&mut self, begun: &mut Vec<(Span, Action)>, open: &[usize], event: u32) {
        if begun.len() == self.operations_max {
            (self.visit)(begun);
        }
        if begun.len() < self.operations_max && open.len() < self.open_max {
            for choice in 0..self.menu.len() {
                let span = Span {
                    invoked: event,
                    returned: NEVER,
                };
                let number = begun.len();
                begun.push((span, self.menu[choice]));
                self.extend(begun, &[open, &[number]].concat(), event + 1);
                begun.pop();
            }
        }
        for &number in open {
            let rest: Vec<usize> = open
                .iter()
                .copied()
                .filter(|&other| other != number)
                .collect();
            begun[number].0.returned = event;
            self.extend(begun, &rest, event + 1);
            begun[number].0.returned = NEVER;
        }
    }
}
