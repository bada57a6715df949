//! Moments at which a queue can have been empty.

use super::items::{Item, Window, tick};
use super::{Queue, QueueAction};
use crate::linearizability::unique::decision::Conflict;
use crate::sorting::sort_by_number;

/// Which moment is taken where a queue can have been empty at several.
#[derive(Clone, Copy)]
pub(super) enum Choice {
    Earliest,
    Latest,
}

/// When some value was certainly in the queue: disjoint intervals between ticks, in ascending order.
pub(super) struct Cover(Vec<(u32, u32)>);

impl Cover {
    pub(super) fn new<'a>(items: impl Iterator<Item = &'a Item>) -> Self {
        let mut present: Vec<(u32, u32)> = items.filter_map(Item::presence).collect();
        present.sort_unstable();
        let mut cover: Vec<(u32, u32)> = Vec::new();
        for (from, to) in present {
            match cover.last_mut() {
                Some((_, end)) if from < *end => *end = to.max(*end),
                _ => cover.push((from, to)),
            }
        }
        Self(cover)
    }

    /// The interval around a tick, if there is one.
    fn around(&self, tick: u32) -> Option<(u32, u32)> {
        let next = self.0.partition_point(|&(from, _)| from < tick);
        let before = next.checked_sub(1)?;
        Some(self.0[before]).filter(|&(_, to)| tick < to)
    }

    /// A tick in a window at which nothing was certainly in the queue. Windows begin and end between
    /// events.
    fn gap(&self, window: Window, choice: Choice) -> Option<u32> {
        let gap = match choice {
            Choice::Earliest => self
                .around(window.first)
                .map_or(window.first, |(_, to)| to.saturating_add(1)),
            Choice::Latest => self
                .around(window.last)
                .map_or(window.last, |(from, _)| from - 1),
        };
        (window.first <= gap && gap <= window.last).then_some(gap)
    }
}

impl Queue<'_> {
    /// An item for each empty answer, at a moment that the cover leaves free.
    ///
    /// # Errors
    /// The answer for which there is none.
    pub(super) fn empties(&self, cover: &Cover, choice: Choice) -> Result<Vec<Item>, u32> {
        let empty = |action| action == QueueAction::DequeueEmpty;
        let answers = self.numbered().filter(|(_, found)| empty(found.action));
        let item = |(number, _)| {
            let gap = cover.gap(self.moments(number), choice).ok_or(number)?;
            let moment = Window {
                first: gap,
                last: gap,
            };
            Ok(Item {
                enqueued: moment,
                dequeued: moment,
                enqueue: super::NONE,
                dequeue: number,
            })
        };
        answers.map(item).collect()
    }

    /// The ticks within an operation that returned.
    fn moments(&self, operation: u32) -> Window {
        let span = self.span(operation);
        Window {
            first: tick(span.invoked) + 1,
            last: tick(span.returned) - 1,
        }
    }

    /// That an answer found the queue empty although some of `items` were always in it.
    pub(super) fn never_empty<'a>(
        &self,
        answer: u32,
        items: impl Iterator<Item = &'a Item>,
    ) -> Conflict {
        let moments = self.moments(answer);
        let mut present: Vec<(u32, u32, &Item)> = items
            .filter_map(|item| item.presence().map(|(from, to)| (from, to, item)))
            .collect();
        sort_by_number(&mut present, |&(_, to, _)| to as usize);
        sort_by_number(&mut present, |&(from, ..)| from as usize);
        let mut present = present.into_iter().peekable();
        let mut links: Vec<&Item> = Vec::new();
        let mut longest: Option<(u32, &Item)> = None;
        let mut covered = moments.first;
        while covered <= moments.last {
            while let Some((_, to, item)) = present.next_if(|(from, ..)| *from < covered) {
                if longest.is_none_or(|(end, _)| end < to) {
                    longest = Some((to, item));
                }
            }
            let Some((end, item)) = longest.filter(|&(end, _)| end > covered) else {
                unreachable!("the answer's moments are covered");
            };
            links.push(item);
            covered = end.saturating_add(1);
        }
        self.told_never_empty(answer, &links)
    }

    fn told_never_empty(&self, answer: u32, links: &[&Item]) -> Conflict {
        let told: Vec<String> = links.iter().map(|item| self.stay(item)).collect();
        let sentence = format!(
            "The queue was never empty during {}: {}.",
            self.the(answer),
            told.join("; then ")
        );
        let mut operations = vec![answer];
        operations.extend(links.iter().flat_map(|item| [item.enqueue, item.dequeue]));
        operations.retain(|&operation| operation != super::NONE);
        let conflict = Conflict::new("impossible-empty", sentence, &operations);
        if links.iter().any(|item| item.dequeue == super::NONE) {
            let until = self.span(answer).returned;
            return conflict.with_suspects(self.dequeues_until(until));
        }
        conflict
    }

    /// `3 was in it from event 4 (its enqueue returned) to event 9 (its dequeue began)`.
    fn stay(&self, item: &Item) -> String {
        let (value, from) = (self.told(item.enqueue), self.span(item.enqueue).returned);
        if item.dequeue == super::NONE {
            return format!("{value} was in it from event {from} (its enqueue returned) on");
        }
        let to = self.span(item.dequeue).invoked;
        format!(
            "{value} was in it from event {from} (its enqueue returned) to event {to} (its dequeue began)"
        )
    }
}
