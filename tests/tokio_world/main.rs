//! The systems outside of any simulation: processes on this machine's own clock, loopback network and disk.
//! Processes are killed as `kill -9` does; what a client was told must stay true.
//!
//! Nothing here waits for a fixed time: a client asks until it is answered, and gives up long after
//! any machine would have answered. What needs a program that is not there says that it was skipped.

mod broker;
mod consensus;
mod errors;
mod kv;
#[path = "../program/mod.rs"]
#[allow(dead_code, reason = "these tests have directories of their own")]
mod program;
mod proxy;
mod server;

use std::time::Duration;

/// How long a client asks before the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts")
        .block_on(test);
}

/// Whether a program is there; says so if not.
fn is_installed(program: &str) -> bool {
    let version = std::process::Command::new(program)
        .arg("--version")
        .output();
    let is_there = version.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("skipped: there is no `{program}` on the PATH");
    }
    is_there
}
