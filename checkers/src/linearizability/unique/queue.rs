//! A first-in-first-out queue into which every value is put at most once: O(n log n).
//!
//! Bouajjani, Emmi, Enea and Hamza, "On reducing linearizability to state reachability", 2015: such a
//! queue is wrong in four ways only. A value comes from nowhere, or twice, or out of order, or the
//! queue says that it is empty while it cannot be. Values are put in order as in Lee and Mathur,
//! "Efficient decrease-and-conquer linearizability monitoring", 2025: take away one that nothing else
//! must precede, as often as there is one. That is an order of two kinds of intervals, of when values
//! entered and of when they left. Each kind alone is an interval order, in which of two pairs always
//! one's first precedes the other's second; so a circle of both kinds contains a circle of two values.
//!
//! The rules for operations that may or may not have happened are ours:
//!
//! - An uncertain enqueue of what nobody dequeued is left out.
//! - A value that was enqueued and not seen again stays in the queue, unless it must have left; see
//!   [`lost`] for who then took it.

mod empties;
mod items;
mod lost;

use super::decision::{Conflict, Decision};
use super::intervals::{NEVER, NONE, Span};
use super::minimal::minimal;
use items::{Item, STAYS, Window, tick};

/// What was done to a queue. Values have numbers from 0 on, equal ones the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum QueueAction {
    Enqueue(u32),
    Dequeue(u32),
    /// The queue had nothing to give.
    DequeueEmpty,
    /// A dequeue that never returned: what it may have taken is gone.
    DequeueUnknown,
}

/// One operation on a queue. Several may have one span: a drain is as many dequeues as it gave values,
/// and one that found the queue empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct QueueOperation {
    pub(crate) span: Span,
    pub(crate) action: QueueAction,
}

/// One object's operations, in the order of their invocations.
#[derive(Clone, Copy)]
pub(crate) struct Queue<'a> {
    pub(crate) operations: &'a [QueueOperation],
    /// One more than the largest number of a value.
    pub(crate) value_count: usize,
    /// How a value is written in sentences.
    pub(crate) name: &'a dyn Fn(u32) -> String,
}

/// Judges enqueues and dequeues.
pub(crate) fn decide(queue: &Queue<'_>) -> Decision {
    match judge(queue) {
        Ok(decision) => decision,
        Err(conflict) => {
            let judge = |certain: &[u32]| queue.judge_only(certain);
            Decision::Conflict(minimal(conflict, queue.operations.len(), judge))
        }
    }
}

fn judge(queue: &Queue<'_>) -> Result<Decision, Conflict> {
    let mut items = match queue.items()? {
        Ok(items) => items,
        Err(reason) => return Ok(Decision::Undecided(reason)),
    };
    if let Err(reason) = lost::settle(queue, &mut items)? {
        return Ok(Decision::Undecided(reason));
    }
    if let Some(order) = items::peel(&items) {
        return Ok(Decision::Order(items::operations(&items, &order)));
    }
    match items::out_of_order(&items) {
        Some((first, second)) => Err(queue.out_of_order(&items, first, second)),
        None => unreachable!("a circle of intervals of two kinds contains one of two values"),
    }
}

impl Queue<'_> {
    /// The decision when of all operations only some, ascending, are certain.
    fn judge_only(&self, certain: &[u32]) -> Decision {
        let mut operations = self.operations.to_vec();
        let mut certain = certain.iter().peekable();
        for (number, operation) in (0..).zip(&mut operations) {
            if certain.next_if(|&&next| next == number).is_some() {
                continue;
            }
            operation.span.returned = NEVER;
            if !matches!(operation.action, QueueAction::Enqueue(_)) {
                operation.action = QueueAction::DequeueUnknown;
            }
        }
        let queue = Queue {
            operations: &operations,
            ..*self
        };
        judge(&queue).unwrap_or_else(Decision::Conflict)
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, &QueueOperation)> + Clone {
        (0..).zip(self.operations)
    }

    fn span(&self, operation: u32) -> Span {
        self.operations[operation as usize].span
    }

    /// The values that were in the queue, by when they entered and left.
    ///
    /// # Errors
    /// What is wrong with one value alone. In the `Ok` case, why these values are none to decide by.
    fn items(&self) -> Result<Result<Vec<Item>, String>, Conflict> {
        let mut enqueue = vec![NONE; self.value_count];
        let mut dequeue = vec![NONE; self.value_count];
        for (number, operation) in self.numbered() {
            match operation.action {
                QueueAction::Enqueue(value) if enqueue[value as usize] != NONE => {
                    let told = (self.name)(value);
                    return Ok(Err(format!("value {told} was enqueued more than once")));
                }
                QueueAction::Enqueue(value) => enqueue[value as usize] = number,
                _ => {}
            }
        }
        for (number, operation) in self.numbered() {
            if let QueueAction::Dequeue(value) = operation.action {
                self.require_one(
                    value,
                    enqueue[value as usize],
                    dequeue[value as usize],
                    number,
                )?;
                dequeue[value as usize] = number;
            }
        }
        let pairs = enqueue.into_iter().zip(dequeue);
        Ok(Ok(pairs
            .filter_map(|(enqueue, dequeue)| self.item(enqueue, dequeue))
            .collect()))
    }

    /// Requires that a dequeued value came from an enqueue, and was not dequeued before.
    fn require_one(
        &self,
        value: u32,
        enqueue: u32,
        earlier: u32,
        dequeue: u32,
    ) -> Result<(), Conflict> {
        if enqueue == NONE || self.span(dequeue).returned < self.span(enqueue).invoked {
            return Err(self.out_of_nowhere(value, dequeue));
        }
        match earlier {
            NONE => Ok(()),
            _ => Err(self.dequeued_twice(value, earlier, dequeue)),
        }
    }

    fn out_of_nowhere(&self, value: u32, dequeue: u32) -> Conflict {
        let (told, the) = ((self.name)(value), self.the(dequeue));
        let sentence = format!("Nobody had begun to enqueue {told}, but {the} returned it.");
        Conflict::new("dequeue-from-nowhere", sentence, &[dequeue])
    }

    fn dequeued_twice(&self, value: u32, earlier: u32, dequeue: u32) -> Conflict {
        let sentence = format!(
            "Value {} was enqueued once, but both {} and {} returned it.",
            (self.name)(value),
            self.the(earlier),
            self.the(dequeue),
        );
        Conflict::new("duplicate-dequeue", sentence, &[earlier, dequeue])
    }

    /// What is known of a value, if it was certainly in the queue. One that nobody dequeued stays.
    fn item(&self, enqueue: u32, dequeue: u32) -> Option<Item> {
        if enqueue == NONE {
            return None;
        }
        let Span { invoked, returned } = self.span(enqueue);
        let entered = tick(invoked);
        if dequeue == NONE {
            let window = Window {
                first: entered,
                last: tick(Some(returned).filter(|&event| event != NEVER)?),
            };
            return Some(Item {
                enqueued: window,
                dequeued: Window {
                    first: STAYS,
                    last: STAYS,
                },
                enqueue,
                dequeue,
            });
        }
        let left = self.span(dequeue);
        Some(Item {
            enqueued: Window {
                first: entered,
                last: tick(returned.min(left.returned)),
            },
            dequeued: Window {
                first: entered.max(tick(left.invoked)),
                last: tick(left.returned),
            },
            enqueue,
            dequeue,
        })
    }

    /// `the dequeue of 3 (events 4 to 7)`.
    fn the(&self, operation: u32) -> String {
        let QueueOperation { span, action } = self.operations[operation as usize];
        let deed = match action {
            QueueAction::Enqueue(value) => format!("enqueue of {}", (self.name)(value)),
            QueueAction::Dequeue(value) => format!("dequeue of {}", (self.name)(value)),
            QueueAction::DequeueEmpty => "dequeue that found nothing".to_owned(),
            QueueAction::DequeueUnknown => "dequeue".to_owned(),
        };
        format!("the {deed} {}", span.told())
    }

    /// The value that was enqueued.
    fn told(&self, enqueue: u32) -> String {
        match self.operations[enqueue as usize].action {
            QueueAction::Enqueue(value) | QueueAction::Dequeue(value) => (self.name)(value),
            QueueAction::DequeueEmpty | QueueAction::DequeueUnknown => "nothing".to_owned(),
        }
    }

    /// The first item was enqueued before the second, which left before the first did, if it ever did.
    fn out_of_order(&self, items: &[Item], first: u32, second: u32) -> Conflict {
        let [first, second] = [first, second].map(|item| &items[item as usize]);
        let entered = format!(
            "{} was enqueued (by event {}) before the enqueue of {} began (at event {})",
            self.told(first.enqueue),
            self.span(first.enqueue).returned,
            self.told(second.enqueue),
            self.span(second.enqueue).invoked,
        );
        let until = self.span(second.dequeue).returned;
        let mut operations = vec![first.enqueue, second.enqueue, second.dequeue];
        if first.dequeue == NONE {
            let sentence = format!(
                "{entered}, and {} returned; but nobody ever got {}.",
                self.the(second.dequeue),
                self.told(first.enqueue)
            );
            operations.retain(|&operation| operation != NONE);
            let suspects = self.dequeues_until(until);
            return Conflict::new("lost-value", sentence, &operations).with_suspects(suspects);
        }
        operations.push(first.dequeue);
        let sentence = format!(
            "{entered}, but was dequeued later: {} had returned before {} began.",
            self.the(second.dequeue),
            self.the(first.dequeue),
        );
        Conflict::new("dequeue-out-of-order", sentence, &operations)
    }

    /// The certain dequeues that began before an event: had one not returned, it might have taken
    /// anything.
    fn dequeues_until(&self, event: u32) -> Vec<u32> {
        let begun = self.numbered().filter(|(_, operation)| {
            operation.span.invoked < event && !matches!(operation.action, QueueAction::Enqueue(_))
        });
        begun.map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::brute_force::{Exhaustive, Object, Random, Tally, cases, compare};
    use super::*;
    use QueueAction::{Dequeue, DequeueEmpty, DequeueUnknown, Enqueue};
    use std::cell::Cell;
    use std::collections::VecDeque;

    struct Fifo;

    impl Object for Fifo {
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
                Enqueue(value) => state.push_back(value),
                Dequeue(value) if state.pop_front() != Some(value) => return None,
                DequeueEmpty if !state.is_empty() => return None,
                DequeueUnknown => drop(state.pop_front()),
                Dequeue(_) | DequeueEmpty => {}
            }
            Some(state)
        }
    }

    fn check(operations: &[QueueOperation], tally: &mut Tally) {
        let value = |operation: &QueueOperation| match operation.action {
            Enqueue(value) | Dequeue(value) => value as usize,
            DequeueEmpty | DequeueUnknown => 0,
        };
        let named = Cell::new(0);
        let decision = decide(&Queue {
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
        compare(&Fifo, operations, &decision, relaxed, tally);
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
    fn agrees_with_every_order_on_all_small_histories() {
        let menu = [Enqueue(1), Enqueue(2), Dequeue(1), Dequeue(2), DequeueEmpty];
        let mut tally = Tally::default();
        for operations_max in 0..=4 {
            let visit = |begun: &[(Span, QueueAction)]| {
                let operations: Vec<QueueOperation> = begun
                    .iter()
                    .map(|&(span, action)| operation(span, action))
                    .collect();
                check(&operations, &mut tally);
            };
            let open_max = 3;
            Exhaustive {
                menu: &menu,
                operations_max,
                open_max,
                visit,
            }
            .run();
        }
        eprintln!("{tally:?}");
        assert!(tally.possible > 1000 && tally.minimal > 1000, "{tally:?}");
    }

    /// What a queue really answers, but for a few lies.
    fn history(random: &mut Random, count: usize, open_max: usize) -> Vec<QueueOperation> {
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
                    state.push_back(value);
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

    #[test]
    fn agrees_with_every_order_on_random_histories() {
        let mut random = Random(3);
        let mut tally = Tally::default();
        for _ in 0..cases(20_000) {
            let (count, open_max) = (3 + random.below(8) as usize, 2 + random.below(4) as usize);
            let operations = history(&mut random, count, open_max);
            check(&operations, &mut tally);
        }
        eprintln!("{tally:?}");
        assert!(tally.possible > 1000 && tally.minimal > 1000, "{tally:?}");
    }
}
