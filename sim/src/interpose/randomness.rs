//! Random numbers: keyed while a simulation runs.

use std::cell::Cell;

use libc::{c_int, c_long, c_uint, c_void, size_t, ssize_t};

use super::gate::{is_active, set_errno};
use super::syscall::real_syscall;
use crate::engine::world;
use crate::keyed::Key;

thread_local! {
    /// Keys what is drawn where no task runs, and how much has been.
    static LOOSE_DRAWS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

pub(super) fn begin(seed: u64) {
    LOOSE_DRAWS.set((seed, 0));
}

/// A keyed random word, for the running task or for the run itself.
pub(crate) fn random_word() -> u64 {
    if let Some(Some(key)) = world::try_with_idle(world::World::next_draw) {
        return key.bits();
    }
    let (seed, count) = LOOSE_DRAWS.get();
    LOOSE_DRAWS.set((seed, count + 1));
    Key::root(seed).label("loose-draw").with(count).bits()
}

/// A random word of the operating system's.
pub(crate) fn os_random_word() -> u64 {
    let mut bytes = [0; 8];
    // SAFETY: a buffer of our own of this length. Up to 256 bytes come whole or not at all.
    let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    assert_eq!(
        filled, 8,
        "the operating system gives random numbers from its start on"
    );
    u64::from_le_bytes(bytes)
}

pub(super) fn fill(buffer: &mut [u8]) {
    for chunk in buffer.chunks_mut(8) {
        chunk.copy_from_slice(&random_word().to_le_bytes()[..chunk.len()]);
    }
}

/// # Safety
/// As `getrandom(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn getrandom(
    buffer: *mut c_void,
    length: size_t,
    flags: c_uint,
) -> ssize_t {
    if is_active() && !buffer.is_null() {
        // SAFETY: the caller gives a buffer of this length, which is not null.
        fill(unsafe { std::slice::from_raw_parts_mut(buffer.cast(), length) });
        return length as ssize_t;
    }
    let arguments = [
        buffer as c_long,
        length as c_long,
        c_long::from(flags),
        0,
        0,
        0,
    ];
    // SAFETY: the caller's promises are passed on to the kernel.
    unsafe { real_syscall(libc::SYS_getrandom, arguments) as ssize_t }
}

/// # Safety
/// As `getentropy(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(buffer: *mut c_void, length: size_t) -> c_int {
    if length > 256 {
        set_errno(libc::EIO);
        return -1;
    }
    // SAFETY: the caller's promises are passed on.
    match unsafe { getrandom(buffer, length, 0) } {
        filled if filled == length as ssize_t => 0,
        _ => -1,
    }
}
