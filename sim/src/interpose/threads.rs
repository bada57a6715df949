//! Threads and processes: refused while a simulation runs, for nothing could say when they run.

use std::sync::atomic::AtomicPtr;

use libc::{c_char, c_int, c_void, pid_t};

use super::escapes::{self, EscapeKind};
use super::gate::{is_active, missing, real, set_errno};

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

type Spawn = unsafe extern "C" fn(
    *mut pid_t,
    *const c_char,
    *const libc::posix_spawn_file_actions_t,
    *const libc::posix_spawnattr_t,
    *const *mut c_char,
    *const *mut c_char,
) -> c_int;

/// Answers `EAGAIN`, as where a user has all the processes that it may have.
///
/// # Safety
/// As `posix_spawn(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_spawnp(
    process: *mut pid_t,
    file: *const c_char,
    actions: *const libc::posix_spawn_file_actions_t,
    attributes: *const libc::posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if is_active() {
        escapes::note(EscapeKind::Thread, b"a process");
        return libc::EAGAIN;
    }
    let real = real(c"posix_spawnp", &REAL);
    if real.is_null() {
        return libc::ENOSYS;
    }
    // SAFETY: libc's posix_spawnp has this signature, and the caller's promises are passed on.
    unsafe {
        let real: Spawn = std::mem::transmute(real);
        real(process, file, actions, attributes, arguments, environment)
    }
}

/// As [`posix_spawnp`].
#[unsafe(no_mangle)]
extern "C" fn fork() -> pid_t {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if is_active() {
        escapes::note(EscapeKind::Thread, b"a process");
        set_errno(libc::EAGAIN);
        return -1;
    }
    let real = real(c"fork", &REAL);
    if real.is_null() {
        return missing();
    }
    // SAFETY: libc's fork has this signature.
    unsafe {
        let real: extern "C" fn() -> pid_t = std::mem::transmute(real);
        real()
    }
}
