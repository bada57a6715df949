//! Who called: the addresses of the calling functions, without allocating.

use std::ffi::{c_int, c_void};

/// How many callers are kept.
const DEPTH: usize = 40;

/// Return addresses, the innermost first.
#[derive(Clone, Copy)]
pub(crate) struct Stack {
    frames: [usize; DEPTH],
    depth: usize,
}

impl Stack {
    pub(super) const EMPTY: Self = Self {
        frames: [0; DEPTH],
        depth: 0,
    };

    /// The callers of whoever calls this.
    pub(crate) fn here() -> Self {
        let mut stack = Self::EMPTY;
        // SAFETY: the unwinder hands `argument` on to `take_frame`, which is done when it returns.
        unsafe { _Unwind_Backtrace(take_frame, std::ptr::from_mut(&mut stack).cast()) };
        stack
    }

    /// Those of the program itself, as addresses in its file.
    pub(crate) fn in_program(&self) -> Vec<u64> {
        super::program::relative(self.frames())
    }

    pub(super) fn frames(&self) -> &[usize] {
        &self.frames[..self.depth]
    }
}

// The unwinder that panics use, and std links.
unsafe extern "C" {
    fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut c_void, is_before: *mut c_int) -> usize;
}

extern "C" fn take_frame(context: *mut c_void, argument: *mut c_void) -> c_int {
    const GO_ON: c_int = 0;
    const STOP: c_int = 4;
    // SAFETY: the argument is the stack that `here` has handed over, and nobody else looks at it.
    let stack = unsafe { &mut *argument.cast::<Stack>() };
    if stack.depth == DEPTH {
        return STOP;
    }
    let mut is_before = 0;
    // SAFETY: the unwinder's own context, during its call.
    let address = unsafe { _Unwind_GetIPInfo(context, &mut is_before) };
    // Whom a signal interrupted has not called: its address is of the instruction, not behind it.
    stack.frames[stack.depth] = address + usize::from(is_before != 0);
    stack.depth += 1;
    GO_ON
}
