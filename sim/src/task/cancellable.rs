//! Futures that may be dropped at their awaits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::engine::world;

/// Marks a future as one that may be dropped at any of its awaits: [`TaskEffect::Cancel`] does it, as a
/// `select!` or a `timeout` around it would. Elsewhere it just runs.
///
/// [`TaskEffect::Cancel`]: crate::engine::TaskEffect::Cancel
pub fn cancellable<F: Future>(name: &'static str, future: F) -> Cancellable<F> {
    Cancellable {
        name,
        polls: 0,
        future: Some(Box::pin(future)),
    }
}

/// The future of [`cancellable`].
pub struct Cancellable<F> {
    name: &'static str,
    polls: u64,
    future: Option<Pin<Box<F>>>,
}

/// A [`cancellable`] future was dropped at an await.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was cancelled at an await")]
pub struct Cancelled(());

impl<F: Future> Future for Cancellable<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (name, polls) = (self.name, self.polls);
        self.polls += 1;
        // Before its first poll it is at no await.
        if polls > 0 && world::try_with(|world| world.is_cancelled(name, polls)) == Some(true) {
            self.future = None;
            return Poll::Ready(Err(Cancelled(())));
        }
        let future = self
            .future
            .as_mut()
            .expect("it is not polled after its end");
        let output = std::task::ready!(future.as_mut().poll(context));
        self.future = None;
        Poll::Ready(Ok(output))
    }
}
