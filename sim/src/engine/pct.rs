//! Probabilistic concurrency testing: Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized
//! Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010.
//!
//! Each task has one priority for its life, and always the one of the highest that is ready has its
//! turn. Deliveries and timers have priorities too, and where one is due, it is ordered among the ready
//! tasks. At `depth - 1` steps out of an estimated number, whoever is having its turn falls behind all
//! others. A bug of depth d, which needs d orderings, is found with a probability of at least
//! `1 / (n k^(d - 1))` for n tasks and k steps, however rare it is under random orders.

use super::heap::Heap;
use super::slots::Id;
use super::world::World;
use crate::keyed::Key;

/// Priorities from here on are of those who have fallen behind. The smallest goes first.
const BEHIND: u64 = 1 << 63;
/// After so many turns in one instant, tasks take turns: one that waits in a loop for another would
/// keep it from ever running, and time from passing.
const PATIENCE: u64 = 10_000;
const OUT_OF_PATIENCE: u64 = BEHIND + (1 << 32);

/// When priorities change.
pub(super) struct ChangePoints {
    /// The steps, in any order.
    steps: Vec<u64>,
    /// How many steps there have been.
    done: u64,
}

/// How far somebody has fallen behind, by the number of the change point from 1; 0 is not at all.
pub(super) type Fallen = u8;

/// Ready tasks by their priorities.
#[derive(Default)]
pub(super) struct PctQueue {
    heap: Heap<u64, Id>,
    /// How many turns there have been since time last passed.
    turns: u64,
}

impl ChangePoints {
    pub(super) fn new(root: Key, depth: u8, steps_estimate: u64) -> Self {
        let key = root.label("pct");
        let step = |number: u8| key.with(u64::from(number)).below(steps_estimate.max(1));
        Self {
            steps: (1..depth).map(step).collect(),
            done: 0,
        }
    }

    /// Takes a step; answers how far its taker falls behind, if it does.
    fn step(&mut self) -> Option<Fallen> {
        let place = self.steps.iter().position(|step| *step == self.done);
        self.done += 1;
        place.map(|place| place as Fallen + 1)
    }
}

/// The priority of a task or an event.
pub(super) fn priority(identity: Key, fallen: Fallen) -> u64 {
    match fallen {
        0 => identity.bits() >> 1,
        // Whoever falls at a later point of the list stays before those of earlier ones.
        _ => BEHIND + u64::from(Fallen::MAX - fallen),
    }
}

impl PctQueue {
    pub(super) fn push(&mut self, id: Id, priority: u64) {
        let priority = match self.turns < PATIENCE {
            true => priority,
            false => OUT_OF_PATIENCE + self.turns,
        };
        self.heap.push(priority, id);
    }

    pub(super) fn pop(&mut self) -> Option<Id> {
        let (_, id) = self.heap.pop()?;
        self.turns += 1;
        Some(id)
    }

    pub(super) fn peek_priority(&self) -> Option<u64> {
        self.heap.peek_key()
    }

    pub(super) fn time_passes(&mut self) {
        self.turns = 0;
    }
}

impl World {
    /// Lets an event happen that is due, if it comes before all ready tasks.
    pub(super) fn event_precedes(&mut self) -> bool {
        let Some(ready) = self.tasks.peek_priority() else {
            return false;
        };
        let is_first = self
            .events
            .next_tie_at(self.now_ns)
            .is_some_and(|tie| tie < ready);
        is_first && self.urgent.is_empty()
    }

    /// As [`Self::step`], in an odd world.
    pub(super) fn step_oddly(&mut self) -> bool {
        let Some(points) = &mut self.change_points else {
            return self.step();
        };
        if let Some(fallen) = points.step() {
            let tie = priority(self.key, fallen);
            return self.events.put_next_behind(tie, self.config.end_ns);
        }
        let before_ns = self.now_ns;
        let has_happened = self.step();
        if self.now_ns != before_ns {
            self.tasks.time_passes();
        }
        has_happened
    }

    /// A task takes a step, and may fall behind by it.
    pub(super) fn step_of_task(&mut self, id: Id) {
        if let Some(fallen) = self.change_points.as_mut().and_then(ChangePoints::step) {
            self.tasks.fall_behind(id, fallen);
        }
    }
}
