//! What std and libc answer while a simulation runs on the thread, and what is named.

use std::io::Read;

use squall_sim::engine::{self, Config, Escape, EscapeKind, Outcome, add_node};
use squall_sim::time::{Duration, sleep};

/// Runs a program on the machine `n1`; answers what it answered.
fn on_a_node<T: Send + 'static>(
    seed: u64,
    program: impl Fn() -> T + Send + Sync + 'static,
) -> Outcome<Option<T>> {
    let outcome = engine::run(Config::new(seed), move || async move {
        let answer = std::rc::Rc::new(std::cell::RefCell::new(None));
        let (place, program) = (answer.clone(), std::rc::Rc::new(program));
        add_node("n1").start(move || {
            let (place, program) = (place.clone(), program.clone());
            async move { *place.borrow_mut() = Some(program()) }
        });
        sleep(Duration::from_secs(1)).await;
        answer.take()
    });
    outcome.expect("the harness ends")
}

fn only_escape<T>(outcome: &Outcome<T>) -> &Escape {
    let [escape] = &outcome.escapes[..] else {
        panic!("expected one escape: {:?}", outcome.escapes);
    };
    escape
}

#[test]
fn a_thread_is_refused_and_named() {
    let outcome = on_a_node(1, || {
        let started = std::thread::Builder::new().spawn(|| ());
        started.map(drop).map_err(|error| error.raw_os_error())
    });
    assert_eq!(outcome.output, Some(Err(Some(libc::EAGAIN))));
    let escape = only_escape(&outcome);
    assert_eq!((escape.kind, &*escape.node), (EscapeKind::Thread, "n1"));
    assert!(!escape.callers.is_empty());
    let told = escape.to_string();
    assert!(
        told.contains("n1 at 0 ns") && told.contains("squall::task"),
        "{told}"
    );
}

#[test]
fn a_blocking_sleep_is_over_at_once_and_named() {
    let before = std::time::Instant::now();
    let outcome = on_a_node(1, || {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_secs(3600));
        }
    });
    assert!(before.elapsed() < Duration::from_secs(600));
    assert!(
        outcome
            .escapes
            .iter()
            .all(|escape| escape.kind == EscapeKind::BlockingSleep)
    );
    // The compiler may have made three places of the loop.
    assert_eq!(
        outcome
            .escapes
            .iter()
            .map(|escape| escape.count)
            .sum::<u64>(),
        3
    );
}

fn read_random_device() -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut device = std::fs::File::open("/dev/urandom").expect("there is randomness");
    device.read_exact(&mut bytes).expect("there is enough");
    bytes
}

#[test]
fn random_devices_give_what_the_seed_says() {
    let bytes = |seed| on_a_node(seed, read_random_device).output;
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    assert_ne!(
        read_random_device(),
        read_random_device(),
        "outside of a run"
    );
    let outcome = on_a_node(1, read_random_device);
    let escape = only_escape(&outcome);
    assert_eq!(
        (escape.kind, &*escape.subject),
        (EscapeKind::RandomDevice, "/dev/urandom")
    );
}

#[test]
fn the_kernel_asked_by_number_answers_the_same() {
    let by_number = || {
        let (mut bytes, mut time) = (
            [0_u8; 16],
            libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
        );
        // SAFETY: places of our own, of the sizes that are said.
        unsafe {
            libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), 0);
            libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, &mut time);
        }
        (bytes, time.tv_sec, time.tv_nsec)
    };
    let first = on_a_node(1, by_number);
    assert_eq!(first.output, on_a_node(1, by_number).output);
    assert_eq!(
        first.output.map(|(_, seconds, _)| seconds),
        Some(1_704_067_200)
    );
    assert_eq!(first.escapes, []);
}

fn host_name() -> String {
    let mut bytes = [0_u8; 64];
    // SAFETY: a buffer of our own of this length.
    unsafe { libc::gethostname(bytes.as_mut_ptr().cast(), bytes.len()) };
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[test]
fn a_machine_has_a_name_and_cores_of_its_own() {
    let facts = || {
        let cores = std::thread::available_parallelism().map(std::num::NonZero::get);
        // SAFETY: a question without pointers.
        let configured = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
        (host_name(), cores.ok(), configured)
    };
    let outcome = on_a_node(1, facts);
    assert_eq!(outcome.output, Some(("n1".to_owned(), Some(4), 4)));
    assert_eq!(outcome.escapes, []);
}

#[test]
fn what_is_real_is_named() {
    let outcome = on_a_node(1, || {
        let _ = std::fs::read("/etc/hostname");
        let _ = std::net::UdpSocket::bind("127.0.0.1:0");
        let _ = std::process::id();
    });
    let kinds: Vec<_> = outcome.escapes.iter().map(|escape| escape.kind).collect();
    let expected = [
        EscapeKind::RealFile,
        EscapeKind::RealSocket,
        EscapeKind::ProcessId,
    ];
    assert_eq!(kinds, expected);
    assert!(kinds.into_iter().all(EscapeKind::is_harmful));
    assert_eq!(outcome.escapes[0].subject, "/etc/hostname");
}

#[test]
fn outside_of_a_simulation_nothing_changes() {
    let before = std::time::Instant::now();
    let on_thread = std::thread::spawn(|| std::thread::sleep(Duration::from_millis(2)));
    assert!(on_thread.join().is_ok());
    assert!(before.elapsed() >= Duration::from_millis(2));
    assert!(std::fs::read("/proc/self/cgroup").is_ok());
    assert_ne!(host_name(), "n1");
    // SAFETY: no descriptors, for one millisecond.
    assert_eq!(unsafe { libc::poll(std::ptr::null_mut(), 0, 1) }, 0);
}

#[test]
fn a_calm_program_escapes_nowhere() {
    let outcome = on_a_node(1, || {
        let map: std::collections::HashMap<u32, u32> = (0..9).map(|n| (n, n)).collect();
        (
            std::time::Instant::now(),
            std::time::SystemTime::now(),
            map.len(),
        )
    });
    assert_eq!(outcome.escapes, []);
}
