//! Threads: refused while a simulation runs, for nothing could say when they run.

use std::sync::atomic::AtomicPtr;

use libc::{c_int, c_void};

use super::escapes::{self, EscapeKind};
use super::gate::{is_active, real};

type Start = extern "C" fn(*mut c_void) -> *mut c_void;
type Create = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    Start,
    *mut c_void,
) -> c_int;

/// Answers `EAGAIN`, as where a process has all the threads that it may have. std's `Builder::spawn`
/// returns that, and its `spawn` panics with it.
///
/// # Safety
/// As `pthread_create(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if is_active() {
        escapes::note(EscapeKind::Thread, b"");
        return libc::EAGAIN;
    }
    let real = real(c"pthread_create", &REAL);
    if real.is_null() {
        return libc::ENOSYS;
    }
    // SAFETY: libc's pthread_create has this signature, and the caller's promises are passed on.
    unsafe {
        let real: Create = std::mem::transmute(real);
        real(thread, attributes, start, argument)
    }
}
