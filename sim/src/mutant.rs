//! Planted bugs, to measure tests by.

use std::cell::Cell;

thread_local! {
    /// The hash of the mutant that is switched on in this thread's run; 0 for none.
    static ACTIVE: Cell<u64> = const { Cell::new(0) };
}

/// `true` where the plan of this run asks for the named mutant, else `false`.
///
/// A mutant is one branch at the place of the bug: `if !mutant!("raft.vote-not-durable") { … }`.
#[macro_export]
macro_rules! mutant {
    ($id:literal) => {{
        const HASH: u64 = $crate::mutant::hash($id);
        $crate::mutant::is_active(HASH)
    }};
}

/// Switches one mutant on for this thread, or all off.
pub fn activate(id: Option<&str>) {
    ACTIVE.set(id.map_or(0, hash));
}

/// Whether the mutant of this [`hash`] is switched on.
pub fn is_active(hash: u64) -> bool {
    ACTIVE.get() == hash
}

/// FNV-1a, so that asking for a mutant compares one number.
pub const fn hash(id: &str) -> u64 {
    let bytes = id.as_bytes();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}
