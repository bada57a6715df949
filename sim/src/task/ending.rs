//! A task's end, and the future that tells of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::JoinError;

/// Where a task's end is told, and waited for.
pub(super) struct End<T>(Mutex<EndState<T>>);

enum EndState<T> {
    Running(Option<Waker>),
    Ended(Result<T, JoinError>),
    Taken,
}

impl<T> Default for End<T> {
    fn default() -> Self {
        Self(Mutex::new(EndState::Running(None)))
    }
}

impl<T> End<T> {
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Result<T, JoinError>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, EndState::Taken) {
            EndState::Running(_) => {
                *state = EndState::Running(Some(context.waker().clone()));
                Poll::Pending
            }
            EndState::Ended(result) => Poll::Ready(result),
            EndState::Taken => panic!("a join handle was polled after it had answered"),
        }
    }

    pub(super) fn is_told(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(*state, EndState::Running(_))
    }

    /// Only the first end is one.
    fn tell(&self, result: Result<T, JoinError>) {
        let waker = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let EndState::Running(waker) = &mut *state else {
                return;
            };
            let waker = waker.take();
            *state = EndState::Ended(result);
            waker
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn tell_of_none(&self) {
        self.tell(Err(JoinError {
            is_panic: std::thread::panicking(),
        }));
    }
}

pin_project! {
    /// A task's future, which tells of its end however it comes. In an `async` block that awaits the
    /// task, there would be room for it twice: where it is captured, and where it is awaited.
    pub(super) struct Ending<F>
    where
        F: Future,
    {
        // Gone before the end is told of, as what is awaited is.
        #[pin]
        task: Option<F>,
        end: EndGuard<F::Output>,
    }
}

impl<F: Future> Ending<F> {
    pub(super) fn new(task: F, end: Arc<End<F::Output>>) -> Self {
        Self {
            task: Some(task),
            end: EndGuard(end),
        }
    }
}

impl<F: Future> Future for Ending<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut turn = Turn(self);
        let mut this = turn.0.as_mut().project();
        let task = this.task.as_mut().as_pin_mut();
        let polled = task.expect("nobody polls what has ended").poll(context);
        let is_over = polled.map(|output| {
            this.task.set(None);
            this.end.0.tell(Ok(output));
        });
        std::mem::forget(turn);
        is_over
    }
}

/// While a task has its turn: if that ends in a panic, the task has no output, and its handle learns so
/// as it unwinds.
struct Turn<'a, F: Future>(Pin<&'a mut Ending<F>>);

impl<F: Future> Drop for Turn<'_, F> {
    fn drop(&mut self) {
        let mut this = self.0.as_mut().project();
        this.task.set(None);
        this.end.0.tell_of_none();
    }
}

/// Tells the handle that the task is gone, however it went.
struct EndGuard<T>(Arc<End<T>>);

impl<T> Drop for EndGuard<T> {
    fn drop(&mut self) {
        self.0.tell_of_none();
    }
}
