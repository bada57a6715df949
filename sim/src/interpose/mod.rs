//! libc, caught while a simulation runs on the calling thread.
//!
//! std's `Instant`, `SystemTime` and the keys of its hash maps, and third-party crates that go
//! through libc, reach time and randomness by these symbols. They are defined here, so that the
//! linker prefers them; a thread outside of a simulation falls through to the real ones. Nothing
//! here allocates, locks or panics: allocators and loggers call these from anywhere.
//!
//! - [`clocks`] and [`randomness`] answer virtual time and keyed words; [`machine`] a machine's name
//!   and cores; [`files`] keyed bytes from the random devices.
//! - [`threads`] refuses threads; [`waiting`] has sleeps be over at once.
//! - [`syscall`] sends those who ask the kernel by number to the same places.
//! - What is refused or cannot be caught is named in [`escapes`], with who did it ([`stack`]).
//!
//! What goes around libc (a raw vDSO clock, inline assembly) is not caught. The doctor sets traps for
//! it (`traps`), and has [`statics`] watched.

pub(crate) mod clocks;
mod escapes;
mod files;
mod gate;
mod machine;
mod program;
mod randomness;
mod stack;
mod statics;
mod syscall;
mod threads;
#[cfg(target_arch = "x86_64")]
mod traps;
mod waiting;

pub(crate) use self::clocks::set_now;
pub use self::escapes::{Escape, EscapeKind};
pub use self::program::Memory;
pub(crate) use self::randomness::{os_random_word, random_word};
pub(crate) use self::stack::Stack;
pub use self::statics::ChangedWord;
pub(crate) use self::statics::note_restart;

pub(crate) fn begin(seed: u64) {
    set_now(0);
    clocks::show(crate::engine::Ahead::NONE);
    clocks::take_reads();
    randomness::begin(seed);
    escapes::begin();
    gate::set_active(true);
}

/// Answers what went around the simulation; `name_of` gives the name of the machine of a number.
pub(crate) fn end(name_of: &dyn Fn(u32) -> String) -> Vec<Escape> {
    gate::set_active(false);
    escapes::take(name_of)
}

/// Sets traps, and watches statics; answers what of it the machine does not have.
pub(crate) fn watch() -> Vec<String> {
    statics::begin();
    #[cfg(target_arch = "x86_64")]
    return traps::set();
    #[cfg(not(target_arch = "x86_64"))]
    vec!["what goes around libc".to_owned()]
}

/// What has changed in memory since the watch began.
pub(crate) fn end_watch(name_of: &dyn Fn(u32) -> String) -> Vec<ChangedWord> {
    statics::end(name_of)
}
