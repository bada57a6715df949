//! Histories of queues, stacks and priority queues, for tests: all small ones, and random ones of what these
//! answer, but for a few lies.

use super::brute_force::{Object, Tally, compare, visit_all};
use super::decision::Decision;
use super::intervals::{NEVER, Span};
use super::queue::{self, Queue, QueueAction, QueueOperation, Words};
use super::{priority_queue, stack};
use crate::random::{Random, cases};
use QueueAction::{Dequeue, DequeueEmpty, DequeueUnknown, Enqueue};
use std::cell::Cell;
use std::collections::VecDeque;

/// Which value comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Giving {
    First,
    Last,
    Smallest,
}

impl Giving {
    fn words(self) -> &'static Words {
        match self {
            Self::First => &queue::FIFO,
            Self::Last => &stack::STACK,
            Self::Smallest => &priority_queue::PRIORITY,
        }
    }

    fn decide(self, queue: &Queue<'_>) -> Decision {
        match self {
            Self::First => queue::decide(queue),
            Self::Last => stack::decide(queue),
            Self::Smallest => priority_queue::decide(queue),
        }
    }

    /// Adds a value, in the place from which it comes in its turn.
    fn put(self, state: &mut VecDeque<u32>, value: u32) {
        let place = match self {
            Self::First => state.len(),
            Self::Last => 0,
            Self::Smallest => state.partition_point(|&other| other < value),
        };
        state.insert(place, value);
    }
}

impl Object for Giving {
    type State = VecDeque<u32>;
    type Operation = QueueOperation;

    fn initial(&self) -> VecDeque<u32> {
        VecDeque::new()
    }

    fn span(&self, operation: QueueOperation) -> Span {
        operation.span
    }

    fn step(&self, state: &VecDeque<u32>, operation: QueueOperation) -> Option<VecDeque<u32>> {
        let mut state = state.clone();
        match operation.action {
            Enqueue(value) => self.put(&mut state, value),
            Dequeue(value) if state.pop_front() != Some(value) => return None,
            DequeueEmpty if !state.is_empty() => return None,
            DequeueUnknown => drop(state.pop_front()),
            Dequeue(_) | DequeueEmpty => {}
        }
        Some(state)
    }
}

impl Giving {
    fn check(self, operations: &[QueueOperation], tally: &mut Tally) {
        let value = |operation: &QueueOperation| match operation.action {
            Enqueue(value) | Dequeue(value) => value as usize,
            DequeueEmpty | DequeueUnknown => 0,
        };
        let named = Cell::new(0);
        let decision = self.decide(&Queue {
            words: self.words(),
            operations,
            value_count: operations.iter().map(value).max().unwrap_or(0) + 1,
            name: &|value| {
                named.set(named.get() + 1);
                value.to_string()
            },
        });
        // To name a value takes as long as there are values.
        let is_order = matches!(decision, Decision::Order(_));
        assert!(!is_order || named.get() == 0, "{operations:#?}");
        let relaxed = |operation: QueueOperation| QueueOperation {
            span: Span {
                returned: NEVER,
                ..operation.span
            },
            action: match operation.action {
                Enqueue(value) => Enqueue(value),
                _ => DequeueUnknown,
            },
        };
        compare(&self, operations, &decision, relaxed, tally);
        if matches!(decision, Decision::Undecided(_)) && is_any_put_twice(operations) {
            tally.undecided -= 1;
        }
    }

    fn check_all_small(self) -> Tally {
        let menu = [Enqueue(1), Enqueue(2), Dequeue(1), Dequeue(2), DequeueEmpty];
        let mut tally = Tally::default();
        visit_all(&menu, 3, |begun: &[(Span, QueueAction)]| {
            let operations: Vec<QueueOperation> = begun
                .iter()
                .map(|&(span, action)| operation(span, action))
                .collect();
            self.check(&operations, &mut tally);
        });
        tally.require_many();
        tally
    }

    fn check_random(self, seed: u64) -> Tally {
        let mut random = Random(seed);
        let mut tally = Tally::default();
        for _ in 0..cases(20_000) {
            let (count, open_max) = (3 + random.below(8) as usize, 2 + random.below(4) as usize);
            let operations = self.history(&mut random, count, open_max);
            self.check(&operations, &mut tally);
        }
        tally.require_many();
        tally
    }

    /// What it really answers, but for a few lies.
    fn history(self, random: &mut Random, count: usize, open_max: usize) -> Vec<QueueOperation> {
        let spans = random.spans(count, open_max);
        let (enqueues, uncertain) = (2 + random.below(3), 2 + random.below(8));
        let mut by_moment: Vec<usize> = (0..count).collect();
        by_moment.sort_by_key(|&index| (spans[index].1, index));
        let mut operations: Vec<Option<QueueOperation>> = vec![None; count];
        let (mut state, mut fresh) = (VecDeque::new(), 0);
        for index in by_moment {
            let (mut span, _) = spans[index];
            let lies = random.one_in(12);
            if random.one_in(uncertain) {
                span.returned = NEVER;
            }
            let happens = span.returned != NEVER || random.one_in(2);
            let action = if random.below(enqueues) == 0 {
                let value = if random.one_in(40) { fresh } else { fresh + 1 };
                fresh = value;
                if happens {
                    self.put(&mut state, value);
                }
                Enqueue(value)
            } else {
                let front = if happens && random.one_in(30) {
                    state.pop_back()
                } else if happens {
                    state.pop_front()
                } else {
                    None
                };
                match front {
                    _ if lies => Dequeue(random.below(fresh + 2)),
                    Some(_) if random.one_in(30) => DequeueEmpty,
                    Some(value) => Dequeue(value),
                    None => DequeueEmpty,
                }
            };
            operations[index] = Some(operation(span, action));
        }
        operations.into_iter().flatten().collect()
    }
}

/// What never returned is known not to have: a dequeue then has no value.
fn operation(span: Span, action: QueueAction) -> QueueOperation {
    let action = match action {
        Dequeue(_) | DequeueEmpty if span.returned == NEVER => DequeueUnknown,
        action => action,
    };
    QueueOperation { span, action }
}

#[test]
fn a_queue_agrees_with_every_order_on_all_small_histories() {
    Giving::First.check_all_small();
}

#[test]
fn a_queue_agrees_with_every_order_on_random_histories() {
    Giving::First.check_random(3);
}

fn is_any_put_twice(operations: &[QueueOperation]) -> bool {
    let mut seen = std::collections::HashSet::new();
    let mut puts = operations.iter().filter_map(|it| match it.action {
        Enqueue(value) => Some(value),
        _ => None,
    });
    !puts.all(|value| seen.insert(value))
}

/// Without takes that never returned all is decided.
fn assert_mostly_decided(tally: Tally) {
    assert!(
        tally.undecided * 100 < tally.possible + tally.impossible,
        "{tally:?}"
    );
}

#[test]
fn a_stack_agrees_with_every_order_on_all_small_histories() {
    assert_mostly_decided(Giving::Last.check_all_small());
}

#[test]
fn a_stack_agrees_with_every_order_on_random_histories() {
    assert_mostly_decided(Giving::Last.check_random(4));
}

#[test]
fn a_priority_queue_agrees_with_every_order_on_all_small_histories() {
    assert_mostly_decided(Giving::Smallest.check_all_small());
}

#[test]
fn a_priority_queue_agrees_with_every_order_on_random_histories() {
    assert_mostly_decided(Giving::Smallest.check_random(5));
}
