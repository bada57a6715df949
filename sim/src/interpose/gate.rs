//! Whether calls of this thread are caught, and the way to the real ones.

use std::cell::Cell;
use std::ffi::CStr;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::{c_int, c_void};

thread_local! {
    /// Whether a simulation runs on this thread.
    static IS_ACTIVE: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn set_active(is_active: bool) {
    IS_ACTIVE.set(is_active);
}

#[inline]
pub(super) fn is_active() -> bool {
    // A thread that is ending has no thread-locals any more, and no simulation.
    IS_ACTIVE.try_with(Cell::get).unwrap_or(false)
}

/// The next definition of a symbol behind ours; looked up once.
pub(super) fn real(symbol: &'static CStr, cache: &AtomicPtr<c_void>) -> *mut c_void {
    let known = cache.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: the symbol is a valid C string, and RTLD_NEXT a valid pseudo-handle.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, symbol.as_ptr()) };
    cache.store(found, Ordering::Relaxed);
    found
}

pub(super) fn set_errno(code: c_int) {
    // SAFETY: libc's errno of this thread is always there to be written.
    unsafe { *libc::__errno_location() = code }
}

/// What a call answers that cannot be passed on: libc has no such function.
pub(super) fn missing() -> c_int {
    set_errno(libc::ENOSYS);
    -1
}
