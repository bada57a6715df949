//! `squall serve`: a server of a system in the tokio world, on this machine's own clock, network and disk.
//!
//! A file for each system makes its configuration of what the user has typed. `until_told_to_stop` is what
//! they have in common: SIGINT or SIGTERM ends a server as a success, since whatever it has acknowledged
//! is on the disk already, and there is nothing to be said to anybody. A second one kills.

mod broker;
mod consensus;
mod data;
mod kv;
mod proxy;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Outcome};
use crate::cli::{ServeArgs, ServedSystem};
use crate::exit::Exit;

/// Serves until the process is told to stop.
///
/// # Errors
/// If the call makes no sense, or the server cannot start or go on.
pub fn run(args: &ServeArgs) -> Outcome {
    match &args.system {
        ServedSystem::Consensus(args) => consensus::run(args),
        ServedSystem::Kv(args) => kv::run(args),
        ServedSystem::Broker(args) => broker::run(args),
        ServedSystem::Proxy(args) => proxy::run(args),
        ServedSystem::Backend(args) => proxy::run_backend(args),
    }
}

/// Runs a server on this thread until it fails, or SIGINT or SIGTERM comes.
fn until_told_to_stop<E>(server: impl Future<Output = Result<(), E>>) -> Outcome
where
    E: Into<Failure>,
{
    let has_come = Arc::new(AtomicBool::new(false));
    for number in [SIGINT, SIGTERM] {
        // In this order: the first sets the flag, and the second finds it set.
        signal_hook::flag::register_conditional_default(number, Arc::clone(&has_come))?;
        signal_hook::flag::register(number, Arc::clone(&has_come))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            biased;
            ended = server => ended.map_err(Into::into)?,
            _ = interrupt.recv() => eprintln!("stopped by SIGINT"),
            _ = terminate.recv() => eprintln!("stopped by SIGTERM"),
        }
        Ok(Exit::Success)
    })
}
