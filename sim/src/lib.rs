//! A deterministic world of clocks, networks and disks that misbehave on a seed.
//!
//! Programs are written against [`time`], [`net`], [`fs`], [`task`], [`signal`] and [`rand`], which have
//! the shape of tokio's. The same binary runs in any world, chosen when it starts: inside
//! [`engine::run`] these are the simulated world's, elsewhere a tokio runtime's.
//!
//! This crate knows no system under test, no workload and no checker.

pub mod fs;
pub mod net;
pub mod rand;
pub mod signal;
pub mod task;
pub mod time;

pub mod engine;
pub mod fault;
pub mod keyed;
pub mod memory;
pub mod mutant;

mod interpose;

/// Says what the program does as it does it, to whom the harness has appointed to hear it
/// ([`engine::observe`]). Costs nothing where nobody listens.
pub fn emit<E: 'static>(event: E) {
    if engine::world::is_running() {
        engine::emit(&event);
    }
}

/// Whether anybody may hear what is emitted: asked first where an event costs something to make.
pub fn is_observed() -> bool {
    engine::world::is_running()
}

/// Whether [`log!`] keeps its line: asked first, so that a line that nobody keeps is not formatted.
pub fn is_logging() -> bool {
    engine::is_logging()
}

/// Keeps a line for the report, with the node and the virtual time. Use [`log!`].
pub fn log(line: std::fmt::Arguments<'_>) {
    engine::log(line);
}

/// Logs a line, formatted only where a run was asked for detail.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => {
        if $crate::is_logging() {
            $crate::log(format_args!($($argument)*));
        }
    };
}
