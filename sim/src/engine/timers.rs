//! Timers: sleeping until a deadline.

use std::task::{Context, Poll};

use super::clock_faults::DeadlineBy;
use super::events::Event;
use super::slots::Id;
use super::waker::Waiter;
use super::world::World;

/// A deadline that somebody waits for.
#[derive(Debug)]
pub(super) struct Timer {
    waiter: Waiter,
    /// Whose clock it follows; `NO_CLOCK` if it follows none.
    clock_of: u32,
}

const NO_CLOCK: u32 = u32::MAX;

impl Timer {
    /// The task that waits.
    #[inline]
    pub(super) fn task(&self) -> Option<Id> {
        match self.waiter {
            Waiter::Task(id) => Some(id),
            Waiter::Foreign(_) => None,
        }
    }
}

impl World {
    /// Waits for a deadline; `slot` is the sleeper's memory between polls.
    #[inline]
    pub(crate) fn poll_timer(
        &mut self,
        deadline_ns: u64,
        by: DeadlineBy,
        slot: &mut Option<Id>,
        context: &Context<'_>,
    ) -> Poll<()> {
        let deadline_ns = self.true_deadline_ns(deadline_ns, by);
        if self.now_ns >= deadline_ns {
            self.cancel_timer(slot);
            return Poll::Ready(());
        }
        match slot.and_then(|id| self.timers.get_mut(id)) {
            Some(timer) => timer.waiter = Waiter::of(context),
            None => {
                let id = self.timers.insert(Timer {
                    waiter: Waiter::of(context),
                    clock_of: match by {
                        DeadlineBy::Machine => self.tasks.current_node,
                        DeadlineBy::TrueTime => NO_CLOCK,
                    },
                });
                *slot = Some(id);
                let identity = self.tasks.next_timer_identity(self.key);
                self.schedule(deadline_ns, identity, Event::Timer(id));
            }
        }
        Poll::Pending
    }

    /// Forgets a timer that nobody waits for any more.
    #[inline]
    pub(crate) fn cancel_timer(&mut self, slot: &mut Option<Id>) {
        if let Some(id) = slot.take()
            && self.timers.remove(id).is_some()
        {
            let timers = &self.timers;
            self.events.note_stale(|id| timers.get(id).is_some());
        }
    }

    /// A node's clock goes another way from now on: whoever sleeps by it looks at it again.
    pub(super) fn retime(&mut self, node: u32) {
        for id in self.timers.ids_where(|timer| timer.clock_of == node) {
            if let Some(timer) = self.timers.remove(id) {
                let timers = &self.timers;
                self.events.note_stale(|id| timers.get(id).is_some());
                self.wake(timer.waiter);
            }
        }
    }

    pub(super) fn timer_fires(&mut self, id: Id) {
        match self.timers.remove(id) {
            Some(timer) => self.wake(timer.waiter),
            None => self.events.note_stale_popped(),
        }
    }
}
