//! `syscall(2)`: whoever asks the kernel by number is sent where the function of that name is caught.

use libc::{c_char, c_int, c_long, c_uint, c_void, clockid_t, mode_t, size_t, timespec};

use super::gate::{is_active, set_errno};
use super::{clocks, files, randomness, waiting};

/// `syscall(2)` is variadic in C. Its arguments are integers or pointers, and on these machines
/// variadic integers travel in the same registers as declared ones, so six declared arguments
/// take them all.
///
/// # Safety
/// As `syscall(2)`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    // SAFETY: the caller promises arguments that fit the call's number.
    let caught = unsafe { caught(number, [a, b, c, d]) };
    match caught {
        Some(result) => result,
        // SAFETY: the caller's promises are passed on to the kernel.
        None => unsafe { real_syscall(number, [a, b, c, d, e, f]) },
    }
}

/// # Safety
/// The arguments must fit the call's number.
unsafe fn caught(number: c_long, [a, b, c, d]: [c_long; 4]) -> Option<c_long> {
    if !is_active() {
        return None;
    }
    // SAFETY: the caller's promise, for each of these.
    unsafe {
        match number {
            libc::SYS_getrandom => {
                let filled = randomness::getrandom(a as *mut c_void, b as size_t, c as c_uint);
                Some(filled as c_long)
            }
            libc::SYS_clock_gettime => {
                let result = clocks::clock_gettime(a as clockid_t, b as *mut timespec);
                Some(c_long::from(result))
            }
            libc::SYS_openat => {
                let (path, flags) = (b as *const c_char, c as c_int);
                let opened = files::openat(a as c_int, path, flags, d as mode_t);
                Some(c_long::from(opened))
            }
            libc::SYS_nanosleep => {
                let slept = waiting::nanosleep(a as *const timespec, b as *mut timespec);
                Some(c_long::from(slept))
            }
            _ => None,
        }
    }
}

/// What the kernel is asked for.
pub(super) struct KernelCall {
    pub(super) number: c_long,
    pub(super) arguments: [c_long; 6],
}

/// Asks the kernel itself, and sets errno as libc does.
///
/// # Safety
/// The arguments must fit the call's number.
pub(super) unsafe fn real_syscall(number: c_long, arguments: [c_long; 6]) -> c_long {
    // SAFETY: passed on from the caller.
    let result = unsafe { raw_syscall(KernelCall { number, arguments }) };
    if (-4095..0).contains(&result) {
        set_errno(-result as c_int);
        return -1;
    }
    result
}

/// Asks the kernel itself; answers what it does, an error as a negative number. The only place of this
/// crate's that does so: traps know it by its address.
///
/// # Safety
/// The arguments must fit the call's number.
#[inline(never)]
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn raw_syscall(call: KernelCall) -> c_long {
    let (number, [a, b, c, d, e, f]) = (call.number, call.arguments);
    let result;
    // SAFETY: the kernel's calling convention for x86-64; it clobbers rcx and r11.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// As on x86-64.
///
/// # Safety
/// The arguments must fit the call's number.
#[cfg(target_arch = "aarch64")]
unsafe fn raw_syscall(call: KernelCall) -> c_long {
    let (number, [a, b, c, d, e, f]) = (call.number, call.arguments);
    let result;
    // SAFETY: the kernel's calling convention for arm64.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn raw_syscall(call: KernelCall) -> c_long {
    let (number, [a, b, c, d, e, f]) = (call.number, call.arguments);
    // SAFETY: libc's own syscall, which is not overridden on this machine.
    unsafe { libc::syscall(number, a, b, c, d, e, f) }
}
