//! Opening real files: the random devices are keyed, what tells of the real machine is not there,
//! and all else is named, for a simulated machine's files are those of `squall::fs`.

use libc::{c_char, c_int, c_long, mode_t};

use super::escapes::{self, EscapeKind};
use super::gate::{is_active, set_errno};
use super::randomness::fill;
use super::syscall::real_syscall;

/// How many random bytes an opened random device holds, in blocks. Behind them is the file's end: a
/// real one has none, but nobody has been seen to read that much at once.
const BLOCKS: usize = 16;
const BLOCK_SIZE: usize = 4096;

/// # Safety
/// As `open(2)`. Variadic in C; see [`super::syscall`].
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promises are passed on.
    unsafe { openat(libc::AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As `open(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promises are passed on.
    unsafe { openat(libc::AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As `openat(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promises are passed on.
    unsafe { openat(at, path, flags, mode) }
}

/// # Safety
/// As `openat(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn openat(
    at: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    if is_active() && !path.is_null() {
        // SAFETY: the caller gives a C string, which is not null.
        let name = unsafe { std::ffi::CStr::from_ptr(path) }.to_bytes();
        match name {
            b"/dev/urandom" | b"/dev/random" => {
                escapes::note(EscapeKind::RandomDevice, name);
                return keyed_file();
            }
            // std takes the number of cores from what a container is allowed.
            b"/proc/self/cgroup" => {
                set_errno(libc::ENOENT);
                return -1;
            }
            _ => escapes::note(EscapeKind::RealFile, name),
        }
    }
    let arguments = [
        c_long::from(at),
        path as c_long,
        c_long::from(flags | libc::O_LARGEFILE),
        c_long::from(mode),
        0,
        0,
    ];
    // SAFETY: the caller's promises are passed on to the kernel.
    unsafe { real_syscall(libc::SYS_openat, arguments) as c_int }
}

/// A file in memory that is full of keyed bytes, open at its beginning.
fn keyed_file() -> c_int {
    // SAFETY: a C string, and a flag that the call knows.
    let file = unsafe { libc::memfd_create(c"random".as_ptr(), libc::MFD_CLOEXEC) };
    if file < 0 {
        return file;
    }
    let mut block = [0; BLOCK_SIZE];
    for number in 0..BLOCKS {
        fill(&mut block);
        let offset = (number * BLOCK_SIZE) as libc::off_t;
        // SAFETY: a buffer of our own of this length, and a descriptor that we have just opened.
        let written = unsafe { libc::pwrite(file, block.as_ptr().cast(), BLOCK_SIZE, offset) };
        if written != BLOCK_SIZE as isize {
            // SAFETY: a descriptor of our own that nobody else has seen.
            unsafe { libc::close(file) };
            set_errno(libc::EIO);
            return -1;
        }
    }
    file
}
