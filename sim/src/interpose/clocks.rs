//! The clocks: virtual while a simulation runs.

use std::cell::Cell;
use std::sync::atomic::AtomicPtr;

use libc::{c_int, c_long, c_void, clockid_t, time_t, timespec, timeval};

use super::gate::{is_active, missing, real};
use crate::engine::Ahead;

thread_local! {
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
    /// What the clocks of the running task's machine are ahead of that.
    static AHEAD: Cell<Ahead> = const { Cell::new(Ahead::NONE) };
    /// How often they have been read.
    static READS: Cell<u64> = const { Cell::new(0) };
}

/// When every simulation begins by its nodes' wall clocks: 2024-01-01T00:00:00Z.
const EPOCH_SECONDS: u64 = 1_704_067_200;
/// Virtual machines have been up for an hour: a monotonic clock at zero is a corner of its own, and
/// subtracting from it panics in programs that are right everywhere else.
const UPTIME_NS: u64 = 3_600_000_000_000;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// Tells the clocks what time it is.
#[inline]
pub(crate) fn set_now(now_ns: u64) {
    NOW_NS.set(now_ns);
}

/// What time it is, as nanoseconds since the run began.
pub(super) fn now_ns() -> u64 {
    NOW_NS.get()
}

/// Lets the clocks be ahead of the time from now on.
pub(crate) fn show(ahead: Ahead) {
    AHEAD.set(ahead);
}

/// How often clocks have been read since this was last asked.
pub(crate) fn take_reads() -> u64 {
    READS.take()
}

/// What a wall clock shows that is ahead by this, in nanoseconds since 1970; 1970 if that is earlier.
pub(crate) fn wall_ns_at(now_ns: u64, ahead_ns: i64) -> u64 {
    (EPOCH_SECONDS * NS_PER_SECOND + now_ns).saturating_add_signed(ahead_ns)
}

fn wall_ns() -> u64 {
    READS.set(READS.get() + 1);
    wall_ns_at(NOW_NS.get(), AHEAD.get().wall_ns)
}

/// A clock that began with the machine, and is ahead by this.
fn uptime_ns(ahead_ns: i64) -> u64 {
    READS.set(READS.get() + 1);
    (UPTIME_NS + NOW_NS.get()).saturating_add_signed(ahead_ns)
}

/// # Safety
/// As `clock_gettime(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn clock_gettime(clock: clockid_t, out: *mut timespec) -> c_int {
    static REAL: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    let ns = match clock {
        _ if !is_active() => None,
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => Some(wall_ns()),
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE => {
            Some(uptime_ns(AHEAD.get().monotonic_ns))
        }
        libc::CLOCK_BOOTTIME => Some(uptime_ns(AHEAD.get().boot_ns)),
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
        return missing();
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
        return missing();
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
