//! Tasks.

mod blocking;
mod cancellable;
mod ending;
mod join_set;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub use self::blocking::{block_in_place, spawn_blocking};
pub use self::cancellable::{Cancellable, Cancelled, cancellable};
use self::ending::{End, Ending};
pub use self::join_set::JoinSet;
use crate::engine::{Id, world};

/// Starts a task on this node. It goes on if the handle is dropped.
///
/// In the engine, a panic of a task ends its node's process, as `panic = "abort"` does: what a
/// half-dead server does next is nobody's intention.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match world::is_running() {
        true => spawn_in_engine(future),
        false => spawn_in_tokio(Box::pin(future)),
    }
}

/// For each kind of future, tokio has some fifty functions to compile: it knows but one for each output.
fn spawn_in_tokio<T: Send + 'static>(
    future: Pin<Box<dyn Future<Output = T> + Send>>,
) -> JoinHandle<T> {
    JoinHandle(Handle::Tokio(tokio::spawn(future)))
}

/// As [`spawn`], for futures that stay on their thread. In the engine all do.
///
/// # Panics
/// In the tokio world, outside of a `LocalSet`.
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match world::is_running() {
        true => spawn_in_engine(future),
        false => spawn_local_in_tokio(Box::pin(future)),
    }
}

fn spawn_local_in_tokio<T: 'static>(future: Pin<Box<dyn Future<Output = T>>>) -> JoinHandle<T> {
    JoinHandle(Handle::Tokio(tokio::task::spawn_local(future)))
}

/// As [`spawn_local`], in the engine alone.
pub(crate) fn spawn_in_engine<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let end = Arc::new(End::default());
    let task = Box::pin(Ending::new(future, Arc::clone(&end)));
    // A task of a node that is down never runs: it is cancelled as it is dropped.
    let name = std::any::type_name::<F>();
    let id = world::with(|world| world.spawn(task, name))
        .map_err(drop)
        .ok();
    JoinHandle(Handle::Engine { id, end })
}

/// Lets other tasks that are ready go first.
pub async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A task's end, to be waited for.
pub struct JoinHandle<T>(Handle<T>);

enum Handle<T> {
    Engine { id: Option<Id>, end: Arc<End<T>> },
    Tokio(tokio::task::JoinHandle<T>),
}

/// Why a task has no output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task {}", if *is_panic { "panicked" } else { "was cancelled" })]
pub struct JoinError {
    is_panic: bool,
}

impl JoinError {
    /// Whether the task panicked; else it was aborted, or its node ended.
    pub fn is_panic(self) -> bool {
        self.is_panic
    }
}

/// Ends a task that somebody else waits for.
#[derive(Clone, Debug)]
pub struct AbortHandle(Abort);

#[derive(Clone, Debug)]
enum Abort {
    Engine(Option<Id>),
    Tokio(tokio::task::AbortHandle),
}

impl AbortHandle {
    /// Ends the task at its next await, or before it starts.
    pub fn abort(&self) {
        match &self.0 {
            Abort::Engine(id) => abort_in_engine(*id),
            Abort::Tokio(handle) => handle.abort(),
        }
    }
}

fn abort_in_engine(id: Option<Id>) {
    let future = id.and_then(|id| world::try_with(|world| world.remove_task(id)).flatten());
    // Nobody holds the world any more: what it holds may look at it as it goes.
    drop(future);
}

impl<T> JoinHandle<T> {
    /// Ends the task at its next await, or before it starts.
    pub fn abort(&self) {
        match &self.0 {
            Handle::Engine { id, .. } => abort_in_engine(*id),
            Handle::Tokio(handle) => handle.abort(),
        }
    }

    /// Something to end the task by, for somebody else.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(match &self.0 {
            Handle::Engine { id, .. } => Abort::Engine(*id),
            Handle::Tokio(handle) => Abort::Tokio(handle.abort_handle()),
        })
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Handle::Engine { end, .. } => end.is_told(),
            Handle::Tokio(handle) => handle.is_finished(),
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Handle::Engine { end, .. } => end.poll(context),
            Handle::Tokio(handle) => {
                let joined = Pin::new(handle).poll(context);
                joined.map_err(|error| JoinError {
                    is_panic: error.is_panic(),
                })
            }
        }
    }
}
