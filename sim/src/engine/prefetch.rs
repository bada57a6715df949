//! Asking for memory ahead of its use.

/// How much a processor fetches at once.
const LINE_BYTES: usize = 64;
/// No more of one value than this.
const PREFETCHED_BYTES_MAX: usize = 256;

/// Asks for a value's memory, so that it is near when it is looked at. Changes nothing else.
#[inline]
pub(super) fn prefetch<T: ?Sized>(value: &T) {
    let place = std::ptr::from_ref(value).cast::<i8>();
    let size = size_of_val(value).min(PREFETCHED_BYTES_MAX);
    for offset in (0..size).step_by(LINE_BYTES) {
        prefetch_line(place.wrapping_add(offset));
    }
    // It may begin in the middle of a line, and end behind the last of these.
    prefetch_line(place.wrapping_add(size.saturating_sub(1)));
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch_line(place: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint. It reads nothing that the program could see, and does nothing
    // where there is no memory; all processors of this architecture have it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(place) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn prefetch_line(_: *const i8) {}
