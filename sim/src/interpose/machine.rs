//! Facts about the machine: a simulated one has a name and cores of its own.

use std::sync::atomic::AtomicPtr;

use libc::{c_char, c_int, c_long, c_void, pid_t, size_t};

use super::escapes::{self, EscapeKind};
use super::gate::{is_active, missing, real, set_errno};
use super::syscall::real_syscall;
use crate::engine::world;

/// How many cores every simulated machine has.
const CORES: usize = 4;

/// # Safety
/// As `sched_getaffinity(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sched_getaffinity(
    process: pid_t,
    size: size_t,
    set: *mut libc::cpu_set_t,
) -> c_int {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if is_active() && !set.is_null() && size > 0 {
        // SAFETY: the caller gives a set of this many bytes; the first has room for the cores.
        unsafe {
            set.cast::<u8>().write_bytes(0, size);
            set.cast::<u8>().write((1 << CORES) - 1);
        }
        return 0;
    }
    let real = real(c"sched_getaffinity", &REAL);
    if real.is_null() {
        return missing();
    }
    // SAFETY: libc's function has this signature, and the caller's promises are passed on.
    unsafe {
        let real: unsafe extern "C" fn(pid_t, size_t, *mut libc::cpu_set_t) -> c_int =
            std::mem::transmute(real);
        real(process, size, set)
    }
}

/// # Safety
/// As `sysconf(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sysconf(name: c_int) -> c_long {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    let is_about_cores = matches!(
        name,
        libc::_SC_NPROCESSORS_ONLN | libc::_SC_NPROCESSORS_CONF
    );
    if is_about_cores && is_active() {
        return CORES as c_long;
    }
    let real = real(c"sysconf", &REAL);
    if real.is_null() {
        return c_long::from(missing());
    }
    // SAFETY: libc's sysconf has this signature.
    unsafe {
        let real: unsafe extern "C" fn(c_int) -> c_long = std::mem::transmute(real);
        real(name)
    }
}

/// # Safety
/// As `gethostname(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn gethostname(out: *mut c_char, length: size_t) -> c_int {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if is_active() && !out.is_null() {
        let answer = world::try_with_idle(|world| {
            // SAFETY: the caller gives a buffer of this length, which is not null.
            unsafe { write_name(world.current_node_name().as_bytes(), out, length) }
        });
        if let Some(answer) = answer {
            return answer;
        }
    }
    let real = real(c"gethostname", &REAL);
    if real.is_null() {
        return missing();
    }
    // SAFETY: libc's gethostname has this signature, and the caller's promises are passed on.
    unsafe {
        let real: unsafe extern "C" fn(*mut c_char, size_t) -> c_int = std::mem::transmute(real);
        real(out, length)
    }
}

/// Writes a name and the zero behind it; as glibc does, what fits of a longer one.
///
/// # Safety
/// `out` has room for `length` bytes.
unsafe fn write_name(name: &[u8], out: *mut c_char, length: size_t) -> c_int {
    let fitting = name.len().min(length);
    // SAFETY: no more than the caller's buffer holds, from a slice that holds as much.
    unsafe {
        out.cast::<u8>()
            .copy_from_nonoverlapping(name.as_ptr(), fitting)
    };
    if fitting == length {
        set_errno(libc::ENAMETOOLONG);
        return -1;
    }
    // SAFETY: there is room behind the name.
    unsafe { out.add(fitting).write(0) };
    0
}

/// Real, and named: whoever is given another process's number might send that a signal.
#[unsafe(no_mangle)]
extern "C" fn getpid() -> pid_t {
    if is_active() {
        escapes::note(EscapeKind::ProcessId, b"");
    }
    // SAFETY: a system call without arguments.
    unsafe { real_syscall(libc::SYS_getpid, [0; 6]) as pid_t }
}

/// Real, and named: a simulated machine's sockets are those of `squall::net`.
#[unsafe(no_mangle)]
extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if is_active() {
        escapes::note(EscapeKind::RealSocket, b"");
    }
    let arguments = [domain, kind, protocol, 0, 0, 0].map(c_long::from);
    // SAFETY: a system call without pointers.
    unsafe { real_syscall(libc::SYS_socket, arguments) as c_int }
}
