//! The event queue: what happens when, in a total order.

use super::slots::Id;
use super::time_queue::TimeQueue;

/// Something that happens at an instant. Only ids: the data stays in the world's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A sleeping task's deadline.
    Timer(Id),
    /// A datagram reaches its node.
    Datagram(u32),
    /// The head of a stream's outgoing pipe reaches the other end.
    Segment(Id),
    /// A connection request reaches the listener's node.
    Syn(Id),
    /// The answer to a connection request reaches the client.
    SynAck(Id),
    /// A reset reaches this end of a stream.
    Reset(Id),
    /// This sender learns that its peer has read.
    Window(Id),
    /// A socket for datagrams is told that nobody listens.
    Unreachable(Id),
    /// This end of a stream gives up, unless it has been answered.
    GiveUp(Id),
    /// A slow processor has done its work.
    Cpu(u32),
}

/// Events by time; those of one instant by their tie-breaker.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    queue: TimeQueue<Event>,
    /// Timers in the queue that nobody waits for any more.
    stale: usize,
}

impl EventQueue {
    #[inline]
    pub(super) fn push(&mut self, time_ns: u64, tie: u64, event: Event) {
        self.queue.push(time_ns, tie, event);
    }

    /// The next event, if it happens no later than `until_ns`.
    #[inline]
    pub(super) fn pop_until(&mut self, until_ns: u64) -> Option<(u64, Event)> {
        self.queue.pop_until(until_ns)
    }

    /// The event so many places behind the next, where there are many.
    #[inline]
    pub(super) fn ahead(&self, places: usize) -> Option<Event> {
        self.queue.ahead(places)
    }

    /// The tie-breaker of the next event, if that happens at this time.
    pub(super) fn next_tie_at(&mut self, time_ns: u64) -> Option<u64> {
        let (next_ns, tie) = self.queue.peek()?;
        (next_ns == time_ns).then_some(tie)
    }

    /// Gives the next event another tie-breaker, if it happens no later than `until_ns`; whether it does.
    pub(super) fn put_next_behind(&mut self, tie: u64, until_ns: u64) -> bool {
        let Some((time_ns, event)) = self.pop_until(until_ns) else {
            return false;
        };
        self.push(time_ns, tie, event);
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.len() == 0
    }

    /// Notes that one timer in the queue has become stale; sweeps them out when they are most of
    /// it, so that a program which cancels far time-outs for ever stays small.
    pub(super) fn note_stale(&mut self, is_live: impl Fn(Id) -> bool) {
        self.stale += 1;
        if self.stale < 1024 || self.stale * 2 < self.queue.len() {
            return;
        }
        self.queue.retain(|event| match event {
            Event::Timer(id) => is_live(id),
            _ => true,
        });
        self.stale = 0;
    }

    /// Notes that a stale timer has left the queue by itself.
    pub(super) fn note_stale_popped(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }
}
