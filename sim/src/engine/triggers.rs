//! Moments that a harness waits for, to do harm exactly then.
//!
//! The watches are kept beside the world, because a predicate is a harness's code, which is called
//! only while nobody holds the world.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::NodeId;
use super::waker::Waiter;
use super::world;

/// Says of an event that a program emits whether it is the one. It is called in the program's turn, and
/// must not ask for moments itself.
pub type Predicate = Box<dyn FnMut(&dyn Any) -> bool>;

/// What a harness waits for on a node, from now on.
pub enum Trigger {
    /// Its so-many-th sync of a file or directory has been done, well or not. The next is the first.
    Syncs(u64),
    /// Its so-many-th renaming has been done, well or not.
    Renames(u64),
    /// It has emitted something of which this is true: that it leads, say.
    Emitted(Predicate),
    /// Its process has ended, for whatever reason.
    Ended,
}

/// Something that happens on a node, and that a [`Trigger`] may be about.
#[derive(Clone, Copy)]
pub(crate) enum Moment<'a> {
    Sync,
    Rename,
    Emitted(&'a dyn Any),
    End,
}

struct Watch {
    number: u64,
    node: u32,
    trigger: Trigger,
    has_fired: bool,
    waiter: Option<Waiter>,
}

#[derive(Default)]
struct Watches {
    next_number: u64,
    list: Vec<Watch>,
}

thread_local! {
    static WATCHES: RefCell<Watches> = const {
        RefCell::new(Watches { next_number: 0, list: Vec::new() })
    };
}

/// Waits for a moment of a node, once.
///
/// When it comes, the task that waits has the very next turn, before any other task and any event. An
/// operation on a file gives way in its middle: its effect is there, and its program does not know
/// yet. What a program emits, it emits in its turn, which goes on until its next await.
///
/// A task that waits through a combinator with wakers of its own (`join_all`) is woken as others are.
pub fn when(node: NodeId, trigger: Trigger) -> When {
    world::with(|world| world.is_odd = true);
    WATCHES.with_borrow_mut(|watches| {
        watches.next_number += 1;
        watches.list.push(Watch {
            number: watches.next_number,
            node: node.0,
            trigger,
            has_fired: false,
            waiter: None,
        });
        When(watches.next_number)
    })
}

/// The future of [`when`].
#[must_use = "a moment passes if nobody waits for it"]
pub struct When(u64);

impl Future for When {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        WATCHES.with_borrow_mut(|watches| {
            let mut list = watches.list.iter_mut();
            let watch = list.find(|watch| watch.number == self.0);
            match watch {
                Some(watch) if !watch.has_fired => {
                    watch.waiter = Some(Waiter::of(context));
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        })
    }
}

impl Drop for When {
    fn drop(&mut self) {
        let watch = WATCHES.with_borrow_mut(|watches| {
            let at = watches.list.iter().position(|watch| watch.number == self.0);
            at.map(|at| watches.list.swap_remove(at))
        });
        // Not while the list is held: a predicate may hold anything.
        drop(watch);
    }
}

impl Watch {
    fn fires(&mut self, moment: Moment<'_>) -> bool {
        match (&mut self.trigger, moment) {
            (Trigger::Syncs(left), Moment::Sync) | (Trigger::Renames(left), Moment::Rename) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            (Trigger::Emitted(is_it), Moment::Emitted(event)) => is_it(event),
            (Trigger::Ended, Moment::End) => true,
            _ => false,
        }
    }
}

/// Forgets the watches of an earlier run of this thread.
pub(super) fn begin() {
    WATCHES.take();
}

/// Tells whoever waits for it that something has happened on a node; answers whether anybody did.
pub(super) fn tell(node: u32, moment: Moment<'_>) -> bool {
    let waiters = WATCHES.with_borrow_mut(|watches| {
        let mut waiters = Vec::new();
        for watch in &mut watches.list {
            if watch.node == node && !watch.has_fired && watch.fires(moment) {
                watch.has_fired = true;
                waiters.extend(watch.waiter.take());
            }
        }
        waiters
    });
    let is_any = !waiters.is_empty();
    if is_any {
        world::with(|world| {
            waiters
                .into_iter()
                .for_each(|waiter| world.wake_first(waiter))
        });
    }
    is_any
}

/// Tells that the running task has done something. Who awaits the answer lets whoever waited for that
/// go first.
pub(crate) fn happened(moment: Moment<'_>) -> impl Future<Output = ()> + Send + use<> {
    let watched = world::with(|world| world.is_odd.then(|| world.current_node()));
    let is_told = watched.is_some_and(|node| tell(node, moment));
    async move {
        if is_told {
            crate::task::yield_now().await;
        }
    }
}
