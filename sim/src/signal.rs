//! What the operating system asks of a process.

use std::io;

use crate::engine::{Signal, world};

/// Waits for the next SIGINT (Ctrl-C). In the engine,
/// [`NodeId::interrupt`](crate::engine::NodeId::interrupt) sends it.
///
/// As with tokio, a process that has once waited for it is not ended by it any more.
///
/// # Errors
/// If the operating system does not let the process wait for it; never in the engine.
pub async fn ctrl_c() -> io::Result<()> {
    if !world::is_running() {
        return tokio::signal::ctrl_c().await;
    }
    wait_in_engine(Signal::Interrupt).await;
    Ok(())
}

/// Waits for the next SIGTERM. In the engine,
/// [`NodeId::terminate`](crate::engine::NodeId::terminate) sends it.
///
/// # Errors
/// As [`ctrl_c`].
#[cfg(unix)]
pub async fn terminated() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    if !world::is_running() {
        signal(SignalKind::terminate())?.recv().await;
        return Ok(());
    }
    wait_in_engine(Signal::Terminate).await;
    Ok(())
}

async fn wait_in_engine(signal: Signal) {
    let seen = world::with(|world| world.begin_to_handle(signal));
    std::future::poll_fn(|context| world::with(|world| world.poll_signal(signal, seen, context)))
        .await;
}
