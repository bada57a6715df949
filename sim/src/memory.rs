//! Counting what the processes of a simulation hold of memory.
//!
//! All processes share one heap. [`CountingAllocator`] writes before each piece who has asked for it,
//! so that whoever gives it back, it is taken off the right account. A binary that wants budgets
//! ([`engine::set_memory_budget`](crate::engine::set_memory_budget)) installs it:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: squall_sim::memory::CountingAllocator = squall_sim::memory::CountingAllocator;
//! ```
//!
//! What the simulator itself allocates is on nobody's account, so that a run that keeps more of itself
//! (a log, a trace) is the same run.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::world;

/// The system's allocator, which counts. A piece costs 16 bytes more, or its alignment if that is
/// greater.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

/// How many processes can have a budget at a time.
pub(crate) const ACCOUNTS: usize = 64;
const NOBODY: Owner = Owner(0);
/// Before each piece: its owner, in the eight bytes right in front of it.
const PREFIX: usize = 16;

/// Whom a piece belongs to: an account's place, and which of its successive tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u64);

struct Account {
    owner: Cell<Owner>,
    held: Cell<u64>,
    /// Past this, the account is overdrawn.
    limit: Cell<u64>,
    is_overdrawn: Cell<bool>,
}

thread_local! {
    /// On whose account goes what is allocated now.
    static CHARGED: Cell<Owner> = const { Cell::new(NOBODY) };
    static ACCOUNT_LIST: [Account; ACCOUNTS] = const {
        [const {
            Account {
                owner: Cell::new(NOBODY),
                held: Cell::new(0),
                limit: Cell::new(0),
                is_overdrawn: Cell::new(false),
            }
        }; ACCOUNTS]
    };
}

impl Owner {
    fn place(self) -> usize {
        self.0 as usize % ACCOUNTS
    }
}

/// Opens an account; `None` if all are taken.
pub(crate) fn open(limit: u64) -> Option<Owner> {
    static OPENED: AtomicU64 = AtomicU64::new(1);
    let tenancy = OPENED.fetch_add(1, Ordering::Relaxed);
    ACCOUNT_LIST.with(|accounts| {
        let place = accounts.iter().position(|a| a.owner.get() == NOBODY)?;
        let owner = Owner(tenancy * ACCOUNTS as u64 + place as u64);
        let account = &accounts[place];
        account.owner.set(owner);
        account.held.set(0);
        account.limit.set(limit);
        account.is_overdrawn.set(false);
        Some(owner)
    })
}

/// Closes an account; what is still held on it is nobody's from now on.
pub(crate) fn close(owner: Owner) {
    with_account(owner, |account| account.owner.set(NOBODY));
    if CHARGED.get() == owner {
        CHARGED.set(NOBODY);
    }
}

/// Closes all accounts of this thread.
pub(crate) fn close_all() {
    CHARGED.set(NOBODY);
    ACCOUNT_LIST.with(|accounts| accounts.iter().for_each(|a| a.owner.set(NOBODY)));
}

/// Puts what is allocated from now on, on an account or on none.
pub(crate) fn charge_to(owner: Option<Owner>) {
    CHARGED.set(owner.unwrap_or(NOBODY));
}

/// Does something on nobody's account.
pub(crate) fn uncharged<R>(work: impl FnOnce() -> R) -> R {
    struct Back(Owner);
    impl Drop for Back {
        fn drop(&mut self) {
            CHARGED.set(self.0);
        }
    }
    let _back = Back(CHARGED.replace(NOBODY));
    work()
}

/// How many bytes are held on an account.
pub(crate) fn held(owner: Owner) -> u64 {
    with_account(owner, |account| account.held.get()).unwrap_or(0)
}

/// Whether more has been held on an account, at any time, than its limit.
pub(crate) fn is_overdrawn(owner: Owner) -> bool {
    with_account(owner, |account| account.is_overdrawn.get()).unwrap_or(false)
}

/// Whether this program's global allocator counts.
pub(crate) fn is_counted() -> bool {
    let Some(probe) = open(u64::MAX) else {
        return true; // somebody has been given an account
    };
    let before = CHARGED.replace(probe);
    let piece = std::hint::black_box(Box::new([0_u64; 4]));
    let is_counted = held(probe) > 0;
    drop(piece);
    CHARGED.set(before);
    close(probe);
    is_counted
}

fn with_account<R>(owner: Owner, look: impl FnOnce(&Account) -> R) -> Option<R> {
    ACCOUNT_LIST.with(|accounts| {
        let account = &accounts[owner.place()];
        (owner != NOBODY && account.owner.get() == owner).then(|| look(account))
    })
}

impl Account {
    fn add(&self, bytes: usize) {
        let held = self.held.get() + bytes as u64;
        self.held.set(held);
        if held > self.limit.get() {
            self.is_overdrawn.set(true);
        }
    }

    fn take_off(&self, bytes: usize) {
        self.held.set(self.held.get().saturating_sub(bytes as u64));
    }
}

/// Who pays for a piece of this size that is allocated now.
fn charge(bytes: usize) -> Owner {
    let owner = CHARGED.get();
    if owner == NOBODY || world::is_held() {
        return NOBODY;
    }
    with_account(owner, |account| account.add(bytes));
    owner
}

/// How far before a piece its allocation begins.
fn prefix_of(layout: Layout) -> usize {
    layout.align().max(PREFIX)
}

/// The layout of a piece together with what stands before it; `None` if that is too large.
fn extended(layout: Layout, size: usize) -> Option<Layout> {
    let prefix = prefix_of(layout);
    Layout::from_size_align(size.checked_add(prefix)?, prefix).ok()
}

// SAFETY: each piece lies in one of the system's that is larger by a prefix, a multiple of its
// alignment; the owner is written into the prefix's last eight bytes, which are aligned to eight since
// both ends of the prefix are. Sizes and the prefix follow from the layout, which the caller passes
// again. Nothing in here allocates, unwinds or looks into the world.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(whole) = extended(layout, layout.size()) else {
            return std::ptr::null_mut();
        };
        // SAFETY: the layout's size is not zero.
        let base = unsafe { System.alloc(whole) };
        // SAFETY: as promised above.
        unsafe { hand_out(base, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(whole) = extended(layout, layout.size()) else {
            return std::ptr::null_mut();
        };
        // SAFETY: the layout's size is not zero.
        let base = unsafe { System.alloc_zeroed(whole) };
        // SAFETY: as promised above.
        unsafe { hand_out(base, layout) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let prefix = prefix_of(layout);
        // SAFETY: `piece` was handed out with this layout.
        unsafe {
            let owner = Owner(piece.sub(8).cast::<u64>().read());
            with_account(owner, |account| account.take_off(layout.size()));
            let whole = Layout::from_size_align_unchecked(layout.size() + prefix, prefix);
            System.dealloc(piece.sub(prefix), whole);
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let prefix = prefix_of(layout);
        if extended(layout, size).is_none() {
            return std::ptr::null_mut();
        }
        // SAFETY: `piece` was handed out with this layout, and the new size fits.
        unsafe {
            let owner = Owner(piece.sub(8).cast::<u64>().read());
            let whole = Layout::from_size_align_unchecked(layout.size() + prefix, prefix);
            let base = System.realloc(piece.sub(prefix), whole, size + prefix);
            if base.is_null() {
                return base;
            }
            with_account(owner, |account| {
                account.take_off(layout.size());
                account.add(size);
            });
            base.add(prefix)
        }
    }
}

/// Writes the owner before a piece, and answers where the piece begins.
///
/// # Safety
/// `base` is null, or an allocation of the layout with its prefix.
unsafe fn hand_out(base: *mut u8, layout: Layout) -> *mut u8 {
    if base.is_null() {
        return base;
    }
    let owner = charge(layout.size());
    // SAFETY: the prefix is at least 16 bytes long, and the piece begins behind it.
    unsafe {
        let piece = base.add(prefix_of(layout));
        piece.sub(8).cast::<u64>().write(owner.0);
        piece
    }
}
