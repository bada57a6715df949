//! Signals: what the operating system asks of a process.

use std::task::{Context, Poll};

use super::NodeId;
use super::nodes::kill;
use super::waker::Waiter;
use super::world::{self, World};

/// A signal that a process may handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
}

/// What a process does about a signal.
#[derive(Debug, Default)]
pub(super) struct Handler {
    /// Whether it has ever waited for it: it is not ended by it any more.
    is_installed: bool,
    /// How often it has come since.
    count: u64,
    waiters: Vec<Waiter>,
}

impl NodeId {
    /// Sends the process SIGINT. Answers whether it handles that (as
    /// [`signal::ctrl_c`](crate::signal::ctrl_c) does); one that does not is ended as by a kill.
    /// Nothing happens to a node that is down.
    pub fn interrupt(self) -> bool {
        send(self.0, Signal::Interrupt)
    }

    /// As [`Self::interrupt`], with SIGTERM and
    /// [`signal::terminated`](crate::signal::terminated).
    pub fn terminate(self) -> bool {
        send(self.0, Signal::Terminate)
    }
}

fn send(node: u32, signal: Signal) -> bool {
    let is_handled = world::with(|world| {
        let handler = world.handler(node, signal);
        handler.count += 1;
        let waiters = std::mem::take(&mut handler.waiters);
        let is_installed = handler.is_installed;
        waiters.into_iter().for_each(|waiter| world.wake(waiter));
        is_installed
    });
    if !is_handled {
        kill(node);
    }
    is_handled
}

impl World {
    fn handler(&mut self, node: u32, signal: Signal) -> &mut Handler {
        &mut self.nodes[node as usize].handlers[signal as usize]
    }

    /// From now on the running task's process handles a signal; answers how often it has come.
    pub(crate) fn begin_to_handle(&mut self, signal: Signal) -> u64 {
        let handler = self.handler(self.current_node(), signal);
        handler.is_installed = true;
        handler.count
    }

    /// Waits until a signal has come more often than this.
    pub(crate) fn poll_signal(
        &mut self,
        signal: Signal,
        seen: u64,
        context: &Context<'_>,
    ) -> Poll<()> {
        let handler = self.handler(self.current_node(), signal);
        if handler.count > seen {
            return Poll::Ready(());
        }
        if !handler.waiters.iter().any(|waiter| waiter.is_of(context)) {
            handler.waiters.push(Waiter::of(context));
        }
        Poll::Pending
    }
}
