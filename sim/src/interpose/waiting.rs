//! Waiting on the thread: there is but one, so whoever sleeps on it stops the whole world.
//!
//! A sleep is over at once and named: while it lasted no virtual time would pass, and its program
//! could wait for nothing that a simulated machine does. A poll of real descriptors is named and real.

use std::sync::atomic::AtomicPtr;

use libc::{c_int, c_uint, c_void, clockid_t, nfds_t, pollfd, timespec};

use super::escapes::{self, EscapeKind};
use super::gate::{is_active, missing, real};
use super::syscall::real_syscall;

/// # Safety
/// As `nanosleep(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn nanosleep(duration: *const timespec, left: *mut timespec) -> c_int {
    if is_active() {
        escapes::note(EscapeKind::BlockingSleep, b"");
        return 0;
    }
    let arguments = [duration as i64, left as i64, 0, 0, 0, 0];
    // SAFETY: the caller's promises are passed on to the kernel.
    unsafe { real_syscall(libc::SYS_nanosleep, arguments.map(|word| word as _)) as c_int }
}

/// # Safety
/// As `clock_nanosleep(2)`, which answers the error instead of setting errno.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    until: *const timespec,
    left: *mut timespec,
) -> c_int {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if is_active() {
        escapes::note(EscapeKind::BlockingSleep, b"");
        return 0;
    }
    let real = real(c"clock_nanosleep", &REAL);
    if real.is_null() {
        return libc::ENOSYS;
    }
    // SAFETY: libc's clock_nanosleep has this signature, and the caller's promises are passed on.
    unsafe {
        let real: unsafe extern "C" fn(clockid_t, c_int, *const timespec, *mut timespec) -> c_int =
            std::mem::transmute(real);
        real(clock, flags, until, left)
    }
}

/// # Safety
/// As `usleep(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn usleep(microseconds: c_uint) -> c_int {
    let duration = timespec {
        tv_sec: (microseconds / 1_000_000).into(),
        tv_nsec: (microseconds % 1_000_000 * 1000).into(),
    };
    // SAFETY: a duration of our own, and no place for what is left.
    unsafe { nanosleep(&duration, std::ptr::null_mut()) }
}

/// # Safety
/// As `poll(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn poll(descriptors: *mut pollfd, count: nfds_t, milliseconds: c_int) -> c_int {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if milliseconds != 0 && is_active() {
        escapes::note(EscapeKind::BlockingPoll, b"");
    }
    let real = real(c"poll", &REAL);
    if real.is_null() {
        return missing();
    }
    // SAFETY: libc's poll has this signature, and the caller's promises are passed on.
    unsafe {
        let real: unsafe extern "C" fn(*mut pollfd, nfds_t, c_int) -> c_int =
            std::mem::transmute(real);
        real(descriptors, count, milliseconds)
    }
}
