//! The doctor before programs with known faults: each is found, and named.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use squall::engine::{NodeId, add_node};
use squall::time::{Duration, sleep};

/// A machine that spends its time as `delay_us` says.
async fn spend(delay_us: fn(u64) -> u64) -> NodeId {
    let node = add_node("n1");
    node.start(move || async move {
        squall::log!("n1 begins");
        let _ = squall::task::spawn(work(delay_us)).await;
    });
    sleep(Duration::from_secs(1)).await;
    node
}

async fn work(delay_us: fn(u64) -> u64) {
    for round in 0..20 {
        sleep(Duration::from_micros(1 + delay_us(round))).await;
    }
}

#[squall::test(seeds = 1)]
async fn clean() {
    spend(|round| {
        let keys: HashMap<u64, u64> = (0..8).map(|key| (key, key)).collect();
        let now = std::time::SystemTime::now()
            .elapsed()
            .map_or(0, |past| past.as_micros() as u64);
        round + keys.keys().next().copied().unwrap_or(0) + now
    })
    .await;
}

#[inline(never)]
fn order_by_address() -> u64 {
    let things: Vec<Box<u64>> = (0..8).map(Box::new).collect();
    let by_address: HashMap<usize, u64> = things
        .iter()
        .map(|thing| (std::ptr::from_ref::<u64>(thing) as usize, **thing))
        .collect();
    // Far from one another only where addresses are random: not where a heap has been used before.
    let address = by_address.keys().min().copied().unwrap_or(0);
    (address >> 24) as u64 % 1000
}

#[squall::test(seeds = 1)]
async fn address() {
    spend(|_| order_by_address()).await;
}

static CONNECTIONS_SO_FAR: AtomicU64 = AtomicU64::new(0);

#[inline(never)]
fn next_connection_id() -> u64 {
    CONNECTIONS_SO_FAR.fetch_add(1, Ordering::Relaxed)
}

#[squall::test(seeds = 1)]
async fn leaked_counter() {
    let server = spend(|_| next_connection_id()).await;
    server.restart();
    sleep(Duration::from_secs(1)).await;
}

thread_local! {
    static GENERATION: Cell<u64> = const { Cell::new(0) };
}

/// Repeats, for each run has a thread of its own; but no machine's memory outlives its process.
#[squall::test(seeds = 1)]
async fn leaked_thread_local() {
    let server = spend(|_| GENERATION.replace(GENERATION.get() + 1)).await;
    server.restart();
    sleep(Duration::from_secs(1)).await;
}

/// What quanta and its like do: no libc is asked.
#[inline(never)]
fn real_time() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has a time-stamp counter.
    let ticks = unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(not(target_arch = "x86_64"))]
    let ticks = 0;
    ticks % 1000
}

#[squall::test(seeds = 1)]
async fn raw_clock() {
    spend(|_| real_time()).await;
}

/// What rustix and its like do: the kernel is asked without libc.
#[inline(never)]
fn kernel_randomness() -> u64 {
    let mut bytes = [0_u8; 8];
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a buffer of our own of this length; the kernel clobbers rcx and r11.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") libc::SYS_getrandom => _,
            in("rdi") bytes.as_mut_ptr(), in("rsi") bytes.len(), in("rdx") 0,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    u64::from_le_bytes(bytes) % 1000
}

#[squall::test(seeds = 1)]
async fn raw_randomness() {
    spend(|_| kernel_randomness()).await;
}

/// The clock behind the one that is caught: libc's own, which asks the vDSO.
#[inline(never)]
fn vdso_time() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: libc's clock_gettime has this signature, and the place is our own.
    unsafe {
        let clock = libc::dlsym(libc::RTLD_NEXT, c"clock_gettime".as_ptr());
        let clock: unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> libc::c_int =
            std::mem::transmute(clock);
        clock(libc::CLOCK_MONOTONIC, &mut time);
    }
    time.tv_nsec as u64 % 1000
}

#[squall::test(seeds = 1)]
async fn vdso_clock() {
    spend(|_| vdso_time()).await;
}

static RACED: AtomicU64 = AtomicU64::new(0);

/// Threads that run beside the simulation, as a library starts them before `main` or a run does. What
/// this one writes differs from process to process, so that no two runs can be equal by chance.
fn start_racing() {
    std::thread::spawn(|| {
        let step = RandomState::new().build_hasher().finish() | 1;
        loop {
            RACED.fetch_add(step, Ordering::Relaxed);
            std::thread::yield_now();
        }
    });
}

#[inline(never)]
fn read_what_a_thread_writes() -> u64 {
    let before = RACED.load(Ordering::Relaxed);
    while RACED.load(Ordering::Relaxed) == before {
        std::thread::yield_now();
    }
    RACED.load(Ordering::Relaxed) % 1_000_000
}

#[test]
fn race() {
    if std::env::var_os("SQUALL_TEST_RUN").is_some() {
        start_racing();
    }
    let case = squall::testing::Case {
        path: "culprits::race",
        seeds: 1,
        directory: env!("CARGO_MANIFEST_DIR"),
        config: std::convert::identity,
    };
    squall::testing::run(&case, || async {
        spend(|_| read_what_a_thread_writes()).await;
    });
}

#[inline(never)]
fn start_a_thread() {
    let _ = std::thread::Builder::new().spawn(|| ());
    std::thread::sleep(Duration::from_millis(1));
}

#[squall::test(seeds = 1)]
async fn threads_and_sleeps() {
    spend(|_| {
        start_a_thread();
        0
    })
    .await;
}

/// Examines a test of this binary; whether it was found to be clean, and what was said.
fn examine(test: &str) -> (bool, String) {
    let program = std::env::current_exe().expect("a test knows its binary");
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture"]);
    command.env("SQUALL_DOCTOR", "1").env_remove("SQUALL_SEED");
    let output = command.output().expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), text)
}

#[track_caller]
fn assert_found(test: &str, expected: &[&str]) {
    let (is_clean, text) = examine(test);
    assert!(!is_clean, "{test} was called clean:\n{text}");
    for part in expected {
        assert!(
            text.contains(part),
            "`{part}` is not said of {test}:\n{text}"
        );
    }
}

#[test]
fn a_clean_program_is_called_clean() {
    let (is_clean, text) = examine("clean");
    assert!(is_clean, "{text}");
    assert_eq!(text.matches("\nequal ").count(), 3, "{text}");
    assert!(
        text.contains("nothing went around the simulation"),
        "{text}"
    );
    assert!(
        !text.contains("STATIC") && !text.contains("THREAD-LOCAL"),
        "{text}"
    );
}

#[test]
fn an_order_of_addresses_is_found() {
    let expected = [
        "equal in two fresh processes",
        "DIFFERENT at other addresses of memory",
        "n1, incarnation 1: task main > child 1 culprits::work puts a time-out",
        "in culprits::order_by_address",
        "logged: 0 ns  n1 begins",
        "equal in a process that has run it before",
    ];
    assert_found("address", &expected);
}

#[test]
fn a_counter_that_outlives_its_run_is_found() {
    let expected = [
        "equal at other addresses of memory",
        "DIFFERENT in a process that has run it before",
        "STATIC culprits::CONNECTIONS_SO_FAR changed",
        "it outlived the restart of n1",
    ];
    assert_found("leaked_counter", &expected);
}

#[test]
fn a_thread_local_that_outlives_a_restart_is_named() {
    let (is_clean, text) = examine("leaked_thread_local");
    assert!(is_clean, "it repeats:\n{text}");
    assert!(text.contains("THREAD-LOCAL culprits::GENERATION"), "{text}");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn raw_clocks_are_found_and_named() {
    for (test, culprit) in [("raw_clock", "real_time"), ("vdso_clock", "vdso_time")] {
        let culprit = format!("in culprits::{culprit}");
        let expected = ["DIFFERENT in two fresh processes", "ESCAPE n1", &culprit];
        assert_found(test, &expected);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn randomness_around_libc_is_found_and_named() {
    let expected = [
        "DIFFERENT in two fresh processes",
        "asked the kernel around libc: getrandom",
        "in culprits::kernel_randomness",
    ];
    assert_found("raw_randomness", &expected);
}

#[test]
fn a_race_is_found_and_what_it_is_about_is_named() {
    let expected = [
        "DIFFERENT in two fresh processes",
        "STATIC culprits::RACED changed",
    ];
    assert_found("race", &expected);
}

#[test]
fn threads_and_blocking_sleeps_are_named() {
    let (is_clean, text) = examine("threads_and_sleeps");
    assert!(is_clean, "what is refused repeats:\n{text}");
    for part in [
        "started a thread",
        "slept on the thread",
        "culprits::start_a_thread",
    ] {
        assert!(text.contains(part), "`{part}` is not said:\n{text}");
    }
}
