//! Planted bugs, to measure tests by.

use std::cell::Cell;

use crate::keyed::fnv1a;

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
        const HASH: u64 = $crate::keyed::fnv1a($id.as_bytes());
        $crate::mutant::is_active(HASH)
    }};
}

/// Switches one mutant on for this thread, or all off.
pub fn activate(id: Option<&str>) {
    ACTIVE.set(id.map_or(0, |id| fnv1a(id.as_bytes())));
}

/// Whether the mutant is switched on whose name has this hash, by [`fnv1a`]: asking compares one
/// number.
#[inline]
pub fn is_active(hash: u64) -> bool {
    ACTIVE.get() == hash
}
