//! Timers: sleeping until a deadline.

use std::task::{Context, Poll};

use super::events::Event;
use super::slots::Id;
use super::waker::Waiter;
use super::world::World;

/// A deadline that somebody waits for.
#[derive(Debug)]
pub(super) struct Timer(Waiter);

impl World {
    /// Waits for a deadline; `slot` is the sleeper's memory between polls.
    #[inline]
    pub(crate) fn poll_timer(
        &mut self,
        deadline_ns: u64,
        slot: &mut Option<Id>,
        context: &Context<'_>,
    ) -> Poll<()> {
        if self.now_ns >= deadline_ns {
            self.cancel_timer(slot);
            return Poll::Ready(());
        }
        match slot.and_then(|id| self.timers.get_mut(id)) {
            Some(timer) => timer.0 = Waiter::of(context),
            None => {
                let id = self.timers.insert(Timer(Waiter::of(context)));
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

    pub(super) fn timer_fires(&mut self, id: Id) {
        match self.timers.remove(id) {
            Some(timer) => self.wake(timer.0),
            None => self.events.note_stale_popped(),
        }
    }
}
