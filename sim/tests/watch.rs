//! What the doctor's traps and its watch over statics see of a run.
#![cfg(target_arch = "x86_64")]

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use squall_sim::engine::{self, Config, Escape, EscapeKind, Findings, Memory, Wanted, add_node};
use squall_sim::time::{Duration, sleep};

/// Watches a program on the machine `n1`, which is killed and started again.
fn watch(program: impl Fn() + Send + Sync + 'static) -> Findings {
    let wanted = Wanted {
        is_watched: true,
        ..Wanted::default()
    };
    let (outcome, findings) = engine::probed(wanted, || {
        engine::run(Config::new(1), move || async move {
            let program = std::rc::Rc::new(program);
            let node = add_node("n1");
            node.start(move || {
                let program = program.clone();
                async move { program() }
            });
            sleep(Duration::from_secs(1)).await;
            node.restart();
            sleep(Duration::from_secs(1)).await;
        })
    });
    outcome.expect("the harness ends");
    assert_eq!(findings.unwatched, Vec::<String>::new());
    findings
}

/// The one escape of a program, which it does once in each of its two lives.
fn escape_of(program: impl Fn() + Send + Sync + 'static) -> Escape {
    let escape = escape_again_and_again(program);
    assert_eq!(escape.count, 2);
    escape
}

fn escape_again_and_again(program: impl Fn() + Send + Sync + 'static) -> Escape {
    let found = watch(program).escapes;
    let [escape] = &found[..] else {
        panic!("expected one escape: {found:?}");
    };
    assert_eq!((&*escape.node, escape.time_ns), ("n1", 0));
    assert!(!escape.callers.is_empty());
    escape.clone()
}

#[inline(never)]
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has a time-stamp counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[test]
fn a_read_of_the_counter_is_seen_and_still_answered() {
    let escape = escape_of(|| assert!(ticks() > 0));
    assert_eq!(escape.kind, EscapeKind::RawClock);
}

#[test]
fn a_clock_of_the_vdso_is_seen() {
    let escape = escape_again_and_again(|| {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: libc's clock_gettime has this signature, and the place is our own.
        unsafe {
            let clock = libc::dlsym(libc::RTLD_NEXT, c"clock_gettime".as_ptr());
            let clock: unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> libc::c_int =
                std::mem::transmute(clock);
            assert_eq!(clock(libc::CLOCK_REALTIME, &mut time), 0);
        }
        assert!(time.tv_sec > 1_704_067_200 + 3600, "it is the real time");
    });
    // The vDSO reads the counter anew where the kernel has adjusted its clock meanwhile.
    assert!(escape.count >= 2);
    // Where it cannot read a counter, it asks the kernel.
    assert!(matches!(
        escape.kind,
        EscapeKind::RawClock | EscapeKind::RawSystemCall
    ));
}

fn ask_kernel(number: libc::c_long, arguments: [usize; 3]) -> isize {
    let answer;
    // SAFETY: each caller's arguments fit the call; the kernel clobbers rcx and r11.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") arguments[0], in("rsi") arguments[1], in("rdx") arguments[2],
            lateout("rcx") _, lateout("r11") _,
        );
    }
    answer
}

#[test]
fn the_kernel_asked_around_libc_is_seen_and_still_answers() {
    let escape = escape_of(|| {
        let mut bytes = [0_u8; 16];
        let arguments = [bytes.as_mut_ptr() as usize, bytes.len(), 0];
        assert_eq!(ask_kernel(libc::SYS_getrandom, arguments), 16);
        assert_ne!(bytes, [0; 16]);
    });
    assert_eq!(
        (escape.kind, &*escape.subject),
        (EscapeKind::RawSystemCall, "getrandom")
    );
}

#[test]
fn a_process_is_refused() {
    let found = watch(|| assert!(std::process::Command::new("true").spawn().is_err()));
    assert!(
        found
            .escapes
            .iter()
            .any(|escape| escape.kind == EscapeKind::Thread),
        "{found:?}"
    );
}

static SHARED: AtomicU64 = AtomicU64::new(0);
thread_local! {
    static OWN: Cell<u64> = const { Cell::new(0) };
}

#[test]
fn state_that_outlives_a_restart_is_seen() {
    let found = watch(|| {
        SHARED.fetch_add(1, Ordering::Relaxed);
        OWN.set(OWN.get() + 1);
    });
    for memory in [Memory::Statics, Memory::ThreadLocals] {
        let outlived = found.changed.iter().filter(|word| word.memory == memory);
        let restarted: Vec<_> = outlived.map(|word| word.restarted.as_deref()).collect();
        assert!(restarted.contains(&Some("n1")), "{memory:?}: {found:?}");
    }
}

#[test]
fn what_goes_through_libc_is_not_suspected() {
    let found = watch(|| {
        let map: std::collections::HashMap<u32, u32> = (0..9).map(|n| (n, n)).collect();
        assert!(std::time::SystemTime::now().elapsed().is_ok() && map.len() == 9);
    });
    assert_eq!(found.escapes, []);
}
