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
use super::minimal::{minimal, only_certain};
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

/// One operation on a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct QueueOperation {
    pub(crate) span: Span,
    pub(crate) action: QueueAction,
}

/// What the operations are called, and what is wrong with one value alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    pub(crate) put: &'static str,
    pub(crate) was_put: &'static str,
    pub(crate) take: &'static str,
    pub(crate) from_nowhere: &'static str,
    pub(crate) duplicate: &'static str,
}

/// Of a queue that gives first what came first.
pub(crate) const FIFO: Words = Words {
    put: "enqueue",
    was_put: "enqueued",
    take: "dequeue",
    from_nowhere: "dequeue-from-nowhere",
    duplicate: "duplicate-dequeue",
};

/// One object's operations, in the order of their invocations.
#[derive(Clone, Copy)]
pub(crate) struct Queue<'a> {
    pub(crate) words: &'a Words,
    pub(crate) operations: &'a [QueueOperation],
    /// One more than the largest number of a value.
    pub(crate) value_count: usize,
    /// How a value is written in sentences.
    pub(crate) name: &'a dyn Fn(u32) -> String,
}

/// Judges enqueues and dequeues.
pub(crate) fn decide(queue: &Queue<'_>) -> Decision {
    queue.decide_by(judge)
}

/// An algorithm for such operations.
pub(super) type Judge = fn(&Queue<'_>) -> Result<Decision, Conflict>;

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
    /// What `judge` decides, and of a conflict only what is needed.
    pub(super) fn decide_by(&self, judge: Judge) -> Decision {
        judge(self).unwrap_or_else(|conflict| {
            let judge = |certain: &[u32]| self.judge_only(certain, judge);
            Decision::Conflict(minimal(conflict, self.operations.len(), judge))
        })
    }

    /// What `judge` decides when of all operations only some, ascending, are certain.
    fn judge_only(&self, certain: &[u32], judge: Judge) -> Decision {
        let operations = only_certain(self.operations, certain, |operation| {
            operation.span.returned = NEVER;
            if !matches!(operation.action, QueueAction::Enqueue(_)) {
                operation.action = QueueAction::DequeueUnknown;
            }
        });
        let queue = Queue {
            operations: &operations,
            ..*self
        };
        judge(&queue).unwrap_or_else(Decision::Conflict)
    }

    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &QueueOperation)> + Clone {
        (0..).zip(self.operations)
    }

    pub(super) fn span(&self, operation: u32) -> Span {
        self.operations[operation as usize].span
    }

    /// The values that were in the queue, by when they entered and left.
    ///
    /// # Errors
    /// What is wrong with one value alone. In the `Ok` case, why these values are none to decide by.
    fn items(&self) -> Result<Result<Vec<Item>, String>, Conflict> {
        let pairs = self.pairs()?.map(|pairs| {
            let items = pairs.into_iter();
            let items = items.filter_map(|(enqueue, dequeue)| self.item(enqueue, dequeue));
            items.collect()
        });
        Ok(pairs)
    }

    /// Who put and who took each value, [`NONE`] where nobody did.
    ///
    /// # Errors
    /// As [`Queue::items`].
    pub(super) fn pairs(&self) -> Result<Result<Vec<(u32, u32)>, String>, Conflict> {
        let mut enqueue = vec![NONE; self.value_count];
        let mut dequeue = vec![NONE; self.value_count];
        for (number, operation) in self.numbered() {
            match operation.action {
                QueueAction::Enqueue(value) if enqueue[value as usize] != NONE => {
                    let (told, was_put) = ((self.name)(value), self.words.was_put);
                    return Ok(Err(format!("value {told} was {was_put} more than once")));
                }
                QueueAction::Enqueue(value) => enqueue[value as usize] = number,
                _ => {}
            }
        }
        for (number, operation) in self.numbered() {
            if let QueueAction::Dequeue(value) = operation.action {
                let known = (enqueue[value as usize], dequeue[value as usize]);
                self.require_one(value, known, number)?;
                dequeue[value as usize] = number;
            }
        }
        Ok(Ok(enqueue.into_iter().zip(dequeue).collect()))
    }

    /// Requires that a dequeued value came from an enqueue, and was not dequeued before.
    fn require_one(
        &self,
        value: u32,
        (enqueue, earlier): (u32, u32),
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
        let put = self.words.put;
        let sentence = format!("Nobody had begun to {put} {told}, but {the} returned it.");
        Conflict::new(self.words.from_nowhere, sentence, &[dequeue])
    }

    fn dequeued_twice(&self, value: u32, earlier: u32, dequeue: u32) -> Conflict {
        let sentence = format!(
            "Value {} was {} once, but both {} and {} returned it.",
            (self.name)(value),
            self.words.was_put,
            self.the(earlier),
            self.the(dequeue),
        );
        Conflict::new(self.words.duplicate, sentence, &[earlier, dequeue])
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
    pub(super) fn the(&self, operation: u32) -> String {
        let QueueOperation { span, action } = self.operations[operation as usize];
        let Words { put, take, .. } = self.words;
        let deed = match action {
            QueueAction::Enqueue(value) => format!("{put} of {}", (self.name)(value)),
            QueueAction::Dequeue(value) => format!("{take} of {}", (self.name)(value)),
            QueueAction::DequeueEmpty => format!("{take} that found nothing"),
            QueueAction::DequeueUnknown => (*take).to_owned(),
        };
        format!("the {deed} {}", span.told())
    }

    /// The value that was enqueued.
    pub(super) fn told(&self, enqueue: u32) -> String {
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
    pub(super) fn dequeues_until(&self, event: u32) -> Vec<u32> {
        let begun = self.numbered().filter(|(_, operation)| {
            operation.span.invoked < event && !matches!(operation.action, QueueAction::Enqueue(_))
        });
        begun.map(|(number, _)| number).collect()
    }
}
