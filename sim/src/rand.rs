//! Random numbers: keyed by the running task in the engine, the operating system's elsewhere.

use crate::engine::world;
use crate::interpose::random_word;

/// 64 random bits.
pub fn bits() -> u64 {
    if world::is_running() {
        return random_word();
    }
    crate::interpose::os_random_word()
}

/// A number in `0..n`.
///
/// # Panics
/// If `n` is zero.
pub fn below(n: u64) -> u64 {
    assert!(n > 0, "a number below zero does not exist");
    ((u128::from(bits()) * u128::from(n)) >> 64) as u64
}
