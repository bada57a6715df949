//! The event queue: what happens when, in a total order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slots::Id;

/// Something that happens at an instant. Only ids: the data stays in the world's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
}

/// Events by time; those of one instant by their tie-breaker.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    heap: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// Timers in the heap that nobody waits for any more.
    stale: usize,
}

impl EventQueue {
    pub(super) fn push(&mut self, time_ns: u64, tie: u64, event: Event) {
        self.heap.push(Reverse((time_ns, tie, event)));
    }

    /// The next event, if it happens no later than `until_ns`.
    pub(super) fn pop_until(&mut self, until_ns: u64) -> Option<(u64, Event)> {
        let Reverse((time_ns, _, _)) = self.heap.peek()?;
        if *time_ns > until_ns {
            return None;
        }
        self.heap
            .pop()
            .map(|Reverse((time_ns, _, event))| (time_ns, event))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Notes that one timer in the queue has become stale; sweeps them out when they are most of
    /// it, so that a program which cancels far time-outs for ever stays small.
    pub(super) fn note_stale(&mut self, is_live: impl Fn(Id) -> bool) {
        self.stale += 1;
        if self.stale < 1024 || self.stale * 2 < self.heap.len() {
            return;
        }
        self.heap.retain(|Reverse((_, _, event))| match event {
            Event::Timer(id) => is_live(*id),
            _ => true,
        });
        self.stale = 0;
    }

    /// Notes that a stale timer has left the queue by itself.
    pub(super) fn note_stale_popped(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }
}
