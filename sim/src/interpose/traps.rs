//! Traps for what goes around libc: set for the doctor alone, on the run's thread, for as long as that
//! lives.
//!
//! - A seccomp filter sends a signal where the kernel is asked by an instruction of the program's own
//!   for time, randomness, files, sockets, threads or processes.
//! - The processor sends one where its time-stamp counter is read (`PR_SET_TSC`): by the program, or by
//!   the kernel's vDSO on its behalf.
//!
//! The handlers take down who it was, and then do what was asked. What starts a thread or a process is
//! refused. On x86-64 alone.

use std::sync::atomic::{AtomicBool, Ordering};

use libc::{c_int, c_long, c_void, siginfo_t, sock_filter, ucontext_t};

use super::escapes::{self, EscapeKind};
use super::gate::is_active;
use super::syscall::{KernelCall, raw_syscall};

/// What the kernel is asked for that a simulation must know of.
const CALLS: [(c_long, &str); 15] = [
    (libc::SYS_getrandom, "getrandom"),
    (libc::SYS_clock_gettime, "clock_gettime"),
    (libc::SYS_gettimeofday, "gettimeofday"),
    (libc::SYS_time, "time"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_clock_nanosleep, "clock_nanosleep"),
    (libc::SYS_open, "open"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_socket, "socket"),
    (libc::SYS_getpid, "getpid"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_fork, "fork"),
    (libc::SYS_vfork, "vfork"),
    (libc::SYS_futex, "futex"),
];

/// No instruction of `raw_syscall` lies farther behind its beginning.
const RAW_SYSCALL_SIZE: usize = 256;

const PR_TSC_ENABLE: c_long = 1;
const PR_TSC_SIGSEGV: c_long = 2;

/// Sets the traps for this thread; answers what of them the machine does not have.
pub(super) fn set() -> Vec<String> {
    handle_signals();
    let mut missing = Vec::new();
    // SAFETY: these options take integers; the traps that they set have their handlers.
    unsafe {
        if libc::prctl(libc::PR_SET_TSC, PR_TSC_SIGSEGV) != 0 {
            missing.push("reads of the time-stamp counter and of the vDSO's clocks".to_owned());
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !set_filter() {
            missing.push("system calls that go around libc".to_owned());
        }
    }
    missing
}

fn handle_signals() {
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    if IS_DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    for (signal, handler) in [
        (libc::SIGSYS, on_system_call as *const () as usize),
        (libc::SIGSEGV, on_fault as *const () as usize),
    ] {
        // SAFETY: all zeros are a valid action without flags; the handler is of the three arguments
        // that SA_SIGINFO says.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// A filter that lets all pass but [`CALLS`] from elsewhere than our own instruction.
fn set_filter() -> bool {
    const NUMBER_AT: u32 = 0;
    const ADDRESS_LOW_AT: u32 = 8;
    const ADDRESS_HIGH_AT: u32 = 12;
    let ours = raw_syscall as *const () as usize;
    let (low, high) = (ours as u32, (ours as u64 >> 32) as u32);
    let load = |at| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at);
    let answer = |what| statement(libc::BPF_RET | libc::BPF_K, what);
    let count = CALLS.len() as u8;
    let mut filter = vec![load(NUMBER_AT)];
    // One of the calls: on to the look at the address, behind the answer for the others.
    filter.extend(
        (0..)
            .zip(CALLS)
            .map(|(index, (number, _))| jump(libc::BPF_JEQ, number as u32, count - index, 0)),
    );
    filter.push(answer(libc::SECCOMP_RET_ALLOW));
    filter.extend([
        load(ADDRESS_HIGH_AT),
        jump(libc::BPF_JEQ, high, 0, 4),
        load(ADDRESS_LOW_AT),
        jump(libc::BPF_JGE, low, 0, 2),
        jump(
            libc::BPF_JGT,
            low.saturating_add(RAW_SYSCALL_SIZE as u32),
            1,
            0,
        ),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_TRAP),
    ]);
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the filter, which is alive during the call.
    unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0 }
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Jumps over so many statements if the comparison with `k` holds, and over so many if not.
fn jump(comparison: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        jt,
        jf,
        ..statement(libc::BPF_JMP | comparison | libc::BPF_K, k)
    }
}

/// The registers of the thread at a signal.
///
/// # Safety
/// `context` is what a handler was given.
unsafe fn registers<'a>(context: *mut c_void) -> &'a mut [libc::greg_t; 23] {
    // SAFETY: a handler's context is a ucontext_t of its own, for as long as the handler runs.
    unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs }
}

/// Takes down a system call that the filter stopped, and makes it.
unsafe extern "C" fn on_system_call(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a handler its context.
    let registers = unsafe { registers(context) };
    let call = KernelCall {
        number: registers[libc::REG_RAX as usize],
        arguments: [
            libc::REG_RDI,
            libc::REG_RSI,
            libc::REG_RDX,
            libc::REG_R10,
            libc::REG_R8,
            libc::REG_R9,
        ]
        .map(|register| registers[register as usize]),
    };
    let is_refused = is_birth(call.number);
    if is_active() && !is_wake(&call) {
        let name = CALLS.iter().find(|(number, _)| *number == call.number);
        let name = name.map_or("", |(_, name)| name);
        let kind = match is_refused {
            true => EscapeKind::Thread,
            false => EscapeKind::RawSystemCall,
        };
        escapes::note(kind, name.as_bytes());
    }
    registers[libc::REG_RAX as usize] = match is_refused {
        true => -c_long::from(libc::EAGAIN),
        // SAFETY: what the program has asked for, as it has.
        false => unsafe { raw_syscall(call) },
    };
}

/// Whether a call starts a thread or a process: from within a handler it cannot be made.
fn is_birth(number: c_long) -> bool {
    matches!(
        number,
        libc::SYS_clone | libc::SYS_clone3 | libc::SYS_fork | libc::SYS_vfork
    )
}

/// Whether a call on a futex does not wait: whoever wakes others does not depend on them.
fn is_wake(call: &KernelCall) -> bool {
    let operation = call.arguments[1] as c_int & libc::FUTEX_CMD_MASK;
    let waits = matches!(operation, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET);
    call.number == libc::SYS_futex && !waits
}

/// Takes down a read of the time-stamp counter, and makes it. Any other fault is what it always was.
unsafe extern "C" fn on_fault(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    const READ: [u8; 2] = [0x0f, 0x31];
    const READ_WITH_PROCESSOR: [u8; 3] = [0x0f, 0x01, 0xf9];
    // SAFETY: the kernel gives a handler its context.
    let registers = unsafe { registers(context) };
    let instruction = registers[libc::REG_RIP as usize] as *const [u8; 2];
    // SAFETY: the processor was about to execute what is there. A fault of fetching it comes again,
    // with the action that is set below, for no fault is handled within itself.
    let (begin, end) = unsafe { (*instruction, *instruction.cast::<u8>().add(2)) };
    let length = match begin {
        READ => READ.len(),
        _ if [begin[0], begin[1], end] == READ_WITH_PROCESSOR => READ_WITH_PROCESSOR.len(),
        _ => {
            // SAFETY: back to how the process started; the instruction faults again.
            unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
            return;
        }
    };
    if is_active() {
        escapes::note(EscapeKind::RawClock, b"");
    }
    let mut processor = 0;
    // SAFETY: the counter may be read between the two calls, which take integers.
    let ticks = unsafe {
        libc::prctl(libc::PR_SET_TSC, PR_TSC_ENABLE);
        let ticks = std::arch::x86_64::__rdtscp(&mut processor);
        libc::prctl(libc::PR_SET_TSC, PR_TSC_SIGSEGV);
        ticks
    };
    registers[libc::REG_RAX as usize] = (ticks & 0xffff_ffff) as i64;
    registers[libc::REG_RDX as usize] = (ticks >> 32) as i64;
    if length == READ_WITH_PROCESSOR.len() {
        registers[libc::REG_RCX as usize] = i64::from(processor);
    }
    registers[libc::REG_RIP as usize] += length as i64;
}
