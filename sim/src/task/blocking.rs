//! Code that blocks its thread.

use super::{Handle, JoinHandle, spawn_in_engine};
use crate::engine::world;

/// Runs code that blocks its thread where it does not stop others.
///
/// In the engine there is but one thread. The code is a task of its own on this node, keyed and
/// scheduled as any other, and runs in one piece at one instant of virtual time, however long it
/// computes: nothing else happens meanwhile. So it must not wait for something that another task will
/// do: that would wait for ever. A sleep of the thread is over at once
/// ([`EscapeKind::BlockingSleep`](crate::engine::EscapeKind)). As in tokio it cannot be aborted once it
/// runs; in the engine it can before that.
pub fn spawn_blocking<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match world::is_running() {
        true => spawn_in_engine(async move { work() }),
        false => spawn_in_tokio(Box::new(work)),
    }
}

/// As [`super::spawn_in_tokio`].
fn spawn_in_tokio<T: Send + 'static>(work: Box<dyn FnOnce() -> T + Send>) -> JoinHandle<T> {
    JoinHandle(Handle::Tokio(tokio::task::spawn_blocking(work)))
}

/// Runs code that blocks its thread here and now. On a tokio runtime of one thread, and in the engine,
/// nothing else happens meanwhile.
pub fn block_in_place<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let has_threads = !world::is_running()
        && Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    match has_threads {
        true => tokio::task::block_in_place(work),
        false => work(),
    }
}
