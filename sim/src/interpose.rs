//! libc's clocks and random numbers, caught while a simulation runs on the calling thread.
//!
//! std's `Instant`, `SystemTime` and the keys of its hash maps, and third-party crates that go
//! through libc, reach time and randomness by these symbols. They are defined here, so that the
//! linker prefers them; a thread outside of a simulation falls through to the real ones. Nothing
//! here allocates, locks or panics: allocators and loggers call these from anywhere.
//!
//! What goes around libc (`/dev/urandom`, a raw vDSO clock, inline assembly) is not caught.

use std::cell::Cell;

use crate::engine::world;
use crate::keyed::Key;

thread_local! {
    /// Whether a simulation runs on this thread.
    static IS_ACTIVE: Cell<bool> = const { Cell::new(false) };
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
    /// Keys what is drawn where no task runs, and how much has been.
    static LOOSE_DRAWS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// When every simulation begins by its nodes' wall clocks: 2024-01-01T00:00:00Z.
pub(crate) const EPOCH_SECONDS: u64 = 1_704_067_200;
/// Virtual machines have been up for an hour: a monotonic clock at zero is a corner of its own, and
/// subtracting from it panics in programs that are right everywhere else.
const UPTIME_NS: u64 = 3_600_000_000_000;

pub(crate) fn begin(seed: u64) {
    NOW_NS.set(0);
    LOOSE_DRAWS.set((seed, 0));
    IS_ACTIVE.set(true);
}

pub(crate) fn end() {
    IS_ACTIVE.set(false);
}

/// Tells the clocks what time it is.
#[inline]
pub(crate) fn set_now(now_ns: u64) {
    NOW_NS.set(now_ns);
}

fn is_active() -> bool {
    // A thread that is ending has no thread-locals any more, and no simulation.
    IS_ACTIVE.try_with(Cell::get).unwrap_or(false)
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

fn fill(buffer: &mut [u8]) {
    for chunk in buffer.chunks_mut(8) {
        chunk.copy_from_slice(&random_word().to_le_bytes()[..chunk.len()]);
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::atomic::{AtomicPtr, Ordering};

    use libc::{
        c_int, c_long, c_uint, c_void, clockid_t, size_t, ssize_t, time_t, timespec, timeval,
    };

    use super::{EPOCH_SECONDS, NOW_NS, UPTIME_NS, fill, is_active};

    const NS_PER_SECOND: u64 = 1_000_000_000;

    fn wall_ns() -> u64 {
        EPOCH_SECONDS * NS_PER_SECOND + NOW_NS.get()
    }

    /// The next definition of a symbol behind ours; looked up once.
    fn real(symbol: &'static std::ffi::CStr, cache: &AtomicPtr<c_void>) -> *mut c_void {
        let known = cache.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the symbol is a valid C string, and RTLD_NEXT a valid pseudo-handle.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, symbol.as_ptr()) };
        cache.store(found, Ordering::Relaxed);
        found
    }

    fn set_errno(code: c_int) {
        // SAFETY: libc's errno of this thread is always there to be written.
        unsafe { *libc::__errno_location() = code }
    }

    /// # Safety
    /// As `clock_gettime(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn clock_gettime(clock: clockid_t, out: *mut timespec) -> c_int {
        static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
        let ns = match clock {
            _ if !is_active() => None,
            libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => Some(wall_ns()),
            libc::CLOCK_MONOTONIC
            | libc::CLOCK_MONOTONIC_RAW
            | libc::CLOCK_MONOTONIC_COARSE
            | libc::CLOCK_BOOTTIME => Some(UPTIME_NS + NOW_NS.get()),
            // What a process has computed is the real machine's business.
            _ => None,
        };
        if let (Some(ns), false) = (ns, out.is_null()) {
            let time = timespec {
                tv_sec: (ns / NS_PER_SECOND) as time_t,
                tv_nsec: (ns % NS_PER_SECOND) as c_long,
            };
            // SAFETY: the caller gives a place for a timespec, which is not null.
            unsafe { out.write(time) };
            return 0;
        }
        let real = real(c"clock_gettime", &REAL);
        if real.is_null() {
            set_errno(libc::ENOSYS);
            return -1;
        }
        // SAFETY: libc's clock_gettime has this signature, and the caller's promises are passed on.
        unsafe {
            let real: unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int =
                std::mem::transmute(real);
            real(clock, out)
        }
    }

    /// # Safety
    /// As `gettimeofday(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn gettimeofday(out: *mut timeval, zone: *mut c_void) -> c_int {
        static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
        if is_active() && !out.is_null() {
            let ns = wall_ns();
            let time = timeval {
                tv_sec: (ns / NS_PER_SECOND) as time_t,
                tv_usec: (ns % NS_PER_SECOND / 1000) as libc::suseconds_t,
            };
            // SAFETY: the caller gives a place for a timeval, which is not null.
            unsafe { out.write(time) };
            return 0;
        }
        let real = real(c"gettimeofday", &REAL);
        if real.is_null() {
            set_errno(libc::ENOSYS);
            return -1;
        }
        // SAFETY: libc's gettimeofday has this signature, and the caller's promises are passed on.
        unsafe {
            let real: unsafe extern "C" fn(*mut timeval, *mut c_void) -> c_int =
                std::mem::transmute(real);
            real(out, zone)
        }
    }

    /// # Safety
    /// As `time(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn time(out: *mut time_t) -> time_t {
        let mut now = timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: a place for a timespec of our own; caught above or passed on.
        unsafe { clock_gettime(libc::CLOCK_REALTIME, &mut now) };
        if !out.is_null() {
            // SAFETY: the caller gives a place for a time_t, which is not null.
            unsafe { out.write(now.tv_sec) };
        }
        now.tv_sec
    }

    /// # Safety
    /// As `getrandom(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
        // SAFETY: the caller's promises are passed on.
        unsafe { getrandom_or_real(buffer, length, flags) }
    }

    /// # Safety
    /// As `getrandom(2)`.
    unsafe fn getrandom_or_real(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
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
        match unsafe { getrandom_or_real(buffer, length, 0) } {
            filled if filled == length as ssize_t => 0,
            _ => -1,
        }
    }

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
        if is_active() {
            if number == libc::SYS_getrandom {
                // SAFETY: the caller promises arguments that fit the call's number.
                let filled =
                    unsafe { getrandom_or_real(a as *mut c_void, b as size_t, c as c_uint) };
                return filled as c_long;
            }
            if number == libc::SYS_clock_gettime {
                // SAFETY: the caller promises arguments that fit the call's number.
                let result = unsafe { clock_gettime(a as clockid_t, b as *mut timespec) };
                return c_long::from(result);
            }
        }
        // SAFETY: the caller's promises are passed on to the kernel.
        unsafe { real_syscall(number, [a, b, c, d, e, f]) }
    }

    /// Asks the kernel itself, and sets errno as libc does.
    ///
    /// # Safety
    /// The arguments must fit the call's number.
    unsafe fn real_syscall(number: c_long, arguments: [c_long; 6]) -> c_long {
        // SAFETY: passed on from the caller.
        let result = unsafe { raw_syscall(number, arguments) };
        if (-4095..0).contains(&result) {
            set_errno(-result as c_int);
            return -1;
        }
        result
    }

    #[cfg(target_arch = "x86_64")]
    unsafe fn raw_syscall(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
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

    #[cfg(target_arch = "aarch64")]
    unsafe fn raw_syscall(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
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
    unsafe fn raw_syscall(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
        // SAFETY: libc's own syscall, which is not overridden on this machine.
        unsafe { libc::syscall(number, a, b, c, d, e, f) }
    }
}
