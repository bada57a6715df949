//! The run's loop: events happen until a task is ready, and then the task has its turn.
//!
//! The world is borrowed once between one turn and the next: putting a task back, letting time pass
//! and finding the next task are one look at it.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::{Context, Poll, Waker};

use super::slots::Id;
use super::task_faults::InjectedPanic;
use super::tasks::LocalFuture;
use super::trace::DecisionKind;
use super::world::{self, World};
use super::{HARNESS, NodeId, NodePanic, RunError, crash_points, waker};
use crate::keyed::Key;

/// Runs the world until `is_over` says that the harness has ended; asked after a task has.
pub(super) fn drive(is_over: &dyn Fn() -> bool, end_ns: u64) -> Result<(), RunError> {
    let mut task = Id::from_word(0);
    let mut next = advance(&mut task);
    loop {
        let Some(mut future) = next else {
            if !do_what_waits() {
                return Err(world::with(|world| world.why_nothing_happens(end_ns)));
            }
            next = advance(&mut task);
            continue;
        };
        // Not dropped: the waker is a number, and the call to let go of it does nothing.
        let waker = ManuallyDrop::new(waker::of_task(task));
        let mut context = Context::from_waker(&waker);
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => {
                next = put_back(&mut task, future);
                continue;
            }
            Ok(Poll::Ready(())) => finish(task, future),
            Err(panic) => fail(task, future, panic),
        }
        if is_over() {
            return Ok(());
        }
        next = advance(&mut task);
    }
}

/// Does what could not be done while the world was held; answers whether there was anything.
fn do_what_waits() -> bool {
    let doomed = world::with(|world| std::mem::take(&mut world.doomed));
    let is_any = !doomed.is_empty();
    for node in doomed {
        super::nodes::kill(node);
    }
    wake_foreign() || is_any
}

/// Wakes what could not be woken while the world was held; answers whether there was anything.
pub(super) fn wake_foreign() -> bool {
    let wakers = world::with(|world| std::mem::take(&mut world.foreign_wakes));
    let is_any = !wakers.is_empty();
    wakers.into_iter().for_each(Waker::wake);
    is_any
}

/// As [`World::advance`].
fn advance(task: &mut Id) -> Option<LocalFuture> {
    world::with(|world| world.advance(task))
}

/// Puts a task back that goes on waiting, and finds the next.
#[inline]
fn put_back(task: &mut Id, future: LocalFuture) -> Option<LocalFuture> {
    let mut aborted = None;
    let next = world::with(|world| {
        world.tasks.end_turn();
        aborted = world.tasks.give_back(*task, future);
        match aborted {
            None => world.advance(task),
            Some(_) => None,
        }
    });
    if aborted.is_none() {
        return next;
    }
    drop(aborted);
    advance(task)
}

#[cold]
fn finish(task: Id, future: LocalFuture) {
    // The future is dropped as the running task: what it holds may spawn or send.
    drop(future);
    let node = world::with(|world| world.remove_ended(task));
    super::nodes::end_if_root(node, task);
}

#[cold]
fn fail(task: Id, future: LocalFuture, panic: Box<dyn Any + Send>) {
    drop(future);
    if crash_points::is_end(panic.as_ref()) {
        world::with(|world| world.remove_ended(task));
        return;
    }
    let message = panic_message(panic.as_ref());
    let (node, is_stopped) = world::with(|world| {
        let node = world.remove_ended(task);
        let panics = match panic.is::<InjectedPanic>() {
            true => &mut world.injected_panics,
            false => &mut world.panics,
        };
        panics.push(NodePanic {
            time_ns: world.now_ns,
            node: NodeId(node),
            message,
        });
        (node, world.is_stopped)
    });
    if node == HARNESS || is_stopped {
        resume_unwind(panic);
    }
    super::nodes::kill(node);
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    if panic.is::<InjectedPanic>() {
        return "an injected panic".to_owned();
    }
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

impl World {
    /// Lets things happen until a task is ready, and takes its future out; nothing if there are
    /// combinators to wake first, or if nothing will happen any more.
    ///
    /// The id goes where `task` points and the future into registers: an answer that is written to
    /// memory in words and moved on in larger ones stalls the loop by a tenth.
    fn advance(&mut self, task: &mut Id) -> Option<LocalFuture> {
        if self.is_odd {
            return self.advance_oddly(task);
        }
        while self.foreign_wakes.is_empty() {
            if let Some(future) = self.take_turn(task) {
                return Some(future);
            }
            if !self.step() {
                break;
            }
        }
        None
    }

    #[inline]
    fn take_turn(&mut self, task: &mut Id) -> Option<LocalFuture> {
        let (id, identity, future) = self.tasks.begin_turn(&mut self.nodes)?;
        *task = id;
        self.note_turn(identity);
        Some(future)
    }

    /// A task has its turn.
    #[inline]
    pub(super) fn note_turn(&mut self, identity: Key) {
        self.counters.polls += 1;
        self.trace_context(DecisionKind::Turn);
        self.note(identity.word() ^ self.now_ns);
    }

    /// Takes the running task, which has ended, out of the world; answers its node.
    fn remove_ended(&mut self, task: Id) -> u32 {
        let node = self.current_node();
        self.remove_task(task);
        self.tasks.end_turn();
        node
    }

    fn why_nothing_happens(&self, end_ns: u64) -> RunError {
        match self.events.is_empty() {
            true => RunError::Deadlock {
                virtual_ns: self.now_ns,
            },
            false => RunError::OutOfTime { end_ns },
        }
    }
}
