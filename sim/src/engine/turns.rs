//! The run's loop: events happen until a task is ready, and then the task has its turn.
//!
//! The world is borrowed once between one turn and the next: putting a task back, letting time pass
//! and finding the next task are one look at it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::{Context, Poll, Waker};

use super::slots::Id;
use super::tasks::LocalFuture;
use super::world::{self, World};
use super::{HARNESS, NodeId, NodePanic, RunError, waker};

/// What there is to do while nobody holds the world.
enum Next {
    Poll(Turn),
    /// Combinators to wake.
    Wake(Vec<Waker>),
    /// Nothing will happen any more, or not before the end of virtual time.
    Nothing,
}

/// A task that is being polled.
struct Turn {
    id: Id,
    node: u32,
    future: LocalFuture,
}

/// Runs the world until `is_over` says that the harness has ended; asked after a task has.
pub(super) fn drive(is_over: &dyn Fn() -> bool, end_ns: u64) -> Result<(), RunError> {
    let mut next = world::with(World::advance);
    loop {
        next = match next {
            Next::Poll(turn) => match poll(turn) {
                Some(next) => next,
                None if is_over() => return Ok(()),
                None => world::with(World::advance),
            },
            Next::Wake(wakers) => {
                wakers.into_iter().for_each(Waker::wake);
                world::with(World::advance)
            }
            Next::Nothing => return Err(world::with(|world| world.why_nothing_happens(end_ns))),
        };
    }
}

/// Wakes what could not be woken while the world was held.
pub(super) fn wake_foreign() {
    let wakers = world::with(|world| std::mem::take(&mut world.foreign_wakes));
    wakers.into_iter().for_each(Waker::wake);
}

/// Gives a task its turn; answers what comes next, or nothing if the task has ended.
#[inline]
fn poll(mut turn: Turn) -> Option<Next> {
    let waker = waker::of_task(turn.id);
    let mut context = Context::from_waker(&waker);
    match catch_unwind(AssertUnwindSafe(|| turn.future.as_mut().poll(&mut context))) {
        Ok(Poll::Pending) => Some(put_back(turn)),
        Ok(Poll::Ready(())) => {
            finish(turn);
            None
        }
        Err(panic) => {
            fail(turn, panic);
            None
        }
    }
}

/// Puts a task back that goes on waiting, and finds what comes next.
#[inline]
fn put_back(turn: Turn) -> Next {
    let next = world::with(|world| {
        world.end_turn();
        world.tasks.give_back(turn.id, turn.future)?;
        Ok::<_, LocalFuture>(world.advance())
    });
    next.unwrap_or_else(|aborted| {
        drop(aborted);
        world::with(World::advance)
    })
}

#[cold]
fn finish(turn: Turn) {
    // The future is dropped as the running task: what it holds may spawn or send.
    drop(turn.future);
    world::with(|world| {
        world.remove_task(turn.id);
        world.end_turn();
    });
    super::nodes::end_if_root(turn.node, turn.id);
}

#[cold]
fn fail(turn: Turn, panic: Box<dyn Any + Send>) {
    drop(turn.future);
    let message = panic_message(panic.as_ref());
    world::with(|world| {
        world.remove_task(turn.id);
        world.end_turn();
        world.panics.push(NodePanic {
            time_ns: world.now_ns,
            node: NodeId(turn.node),
            message,
        });
    });
    if turn.node == HARNESS {
        resume_unwind(panic);
    }
    super::nodes::kill(turn.node);
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

impl World {
    /// Lets things happen until there is something to do outside of the world.
    fn advance(&mut self) -> Next {
        loop {
            if !self.foreign_wakes.is_empty() {
                return Next::Wake(std::mem::take(&mut self.foreign_wakes));
            }
            if let Some(turn) = self.take_turn() {
                return Next::Poll(turn);
            }
            if !self.step() {
                return Next::Nothing;
            }
        }
    }

    #[inline]
    fn take_turn(&mut self) -> Option<Turn> {
        loop {
            let id = self.tasks.next()?;
            let Some((node, identity)) = self.tasks.whose(id) else {
                continue;
            };
            if self.nodes[node as usize].paused {
                self.nodes[node as usize].parked.push(id);
                continue;
            }
            let Some(future) = self.tasks.begin_turn(id, node) else {
                continue;
            };
            self.counters.polls += 1;
            self.note(identity.word() ^ self.now_ns);
            return Some(Turn { id, node, future });
        }
    }

    #[inline]
    fn end_turn(&mut self) {
        self.tasks.end_turn();
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
