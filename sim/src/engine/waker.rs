//! Wakers that are a number.
//!
//! A task's waker is its id, packed into the data pointer: cloning and dropping it cost nothing,
//! and waking looks the id up in this thread's world. No memory is shared, so a waker that outlives
//! its task, its run or its thread is harmless: it names nothing.

use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use super::slots::Id;
use super::world;

const _: () = assert!(
    usize::BITS == 64,
    "a task's id is packed into a pointer of 64 bits"
);

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, ignore);

/// The waker of a task.
#[inline]
pub(super) fn of_task(id: Id) -> Waker {
    let data = std::ptr::without_provenance(id.to_word() as usize);
    // SAFETY: the data pointer is never dereferenced: every function of the vtable takes it as a
    // number. They are thread-safe: `wake` touches only the calling thread's own world.
    unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
}

/// Who waits for something in the world: a task by its id, or a combinator's own waker.
#[derive(Debug)]
pub(super) enum Waiter {
    Task(Id),
    Foreign(Waker),
}

impl Waiter {
    #[inline]
    pub(super) fn of(context: &Context<'_>) -> Self {
        let waker = context.waker();
        if std::ptr::eq(waker.vtable(), &VTABLE) {
            Self::Task(Id::from_word(waker.data().addr() as u64))
        } else {
            Self::Foreign(waker.clone())
        }
    }

    /// Whether waking it wakes whoever polls with this.
    pub(super) fn is_of(&self, context: &Context<'_>) -> bool {
        match (self, Self::of(context)) {
            (Self::Task(id), Self::Task(of)) => *id == of,
            (Self::Foreign(waker), Self::Foreign(of)) => waker.will_wake(&of),
            _ => false,
        }
    }
}

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    let id = Id::from_word(data.addr() as u64);
    world::try_with(|world| world.make_ready(id));
}

fn ignore(_: *const ()) {}
