//! The work that engines are compared by, in numbers, and how its rate is measured.
//!
//! No engine is named here: each does the work in a program of its own, for two that override the
//! symbols of libc cannot be linked into one.

pub mod histories;
pub mod random;
pub mod transactions;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A cluster whose nodes greet each other over UDP.
pub mod heartbeat {
    use super::Duration;

    pub const NODES: usize = 5;
    pub const PERIOD: Duration = Duration::from_millis(50);
    pub const PAYLOAD_BYTES: usize = 64;
    pub const LATENCY_MIN: Duration = Duration::from_millis(1);
    pub const LATENCY_MAX: Duration = Duration::from_millis(5);
    pub const VIRTUAL_SECONDS: u64 = 600;

    /// How many messages are sent in so many virtual seconds. Those of the last period may still be
    /// on their way at the end.
    pub const fn messages(virtual_seconds: u64) -> u64 {
        virtual_seconds * 1000 / PERIOD.as_millis() as u64 * (NODES * (NODES - 1)) as u64
    }
}

/// One client and one server that exchange a few bytes over TCP.
pub mod ping_pong {
    use super::Duration;

    pub const PAYLOAD_BYTES: usize = 64;
    pub const LATENCY: Duration = Duration::from_millis(1);
    pub const ROUND_TRIPS: u64 = 20_000;
}

/// Many tasks that do nothing but sleep.
pub mod sleepers {
    use super::Duration;

    pub const TASKS: u64 = 10_000;
    pub const SLEEPS: u64 = 20;

    /// How long a task sleeps, one time after the other: 1 to 6,000 ms, by Marsaglia's xorshift.
    pub fn naps(task: u64) -> impl Iterator<Item = Duration> + Send {
        let mut state = task.wrapping_mul(2_654_435_761) + 1;
        (0..SLEEPS).map(move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Duration::from_millis(1 + state % 6000)
        })
    }
}

/// Many clients that stream to one server over TCP, all at once.
pub mod fan_in {
    use super::Duration;

    pub const CLIENTS: usize = 64;
    pub const CLIENT_BYTES: usize = 1 << 20;
    pub const WRITE_BYTES: usize = 16 << 10;
    pub const LATENCY: Duration = Duration::from_millis(1);
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Heartbeat,
    PingPong,
    Sleepers,
    FanIn,
}

impl Work {
    pub const ALL: [Self; 4] = [Self::Heartbeat, Self::PingPong, Self::Sleepers, Self::FanIn];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::PingPong => "ping-pong",
            Self::Sleepers => "sleepers",
            Self::FanIn => "fan-in",
        }
    }

    /// How many messages, round trips, sleeps or MiB there are in it.
    pub const fn count(self) -> u64 {
        match self {
            Self::Heartbeat => heartbeat::messages(heartbeat::VIRTUAL_SECONDS),
            Self::PingPong => ping_pong::ROUND_TRIPS,
            Self::Sleepers => sleepers::TASKS * sleepers::SLEEPS,
            Self::FanIn => (fan_in::CLIENTS * fan_in::CLIENT_BYTES) as u64 >> 20,
        }
    }

    /// Checks that an engine has done all of the work.
    ///
    /// # Panics
    /// If it has not: what is left of the heartbeats is still on its way, but no more than a
    /// thousandth.
    pub fn assert_done(self, done: u64) {
        let least = match self {
            Self::Heartbeat => self.count() - self.count() / 1000,
            _ => self.count(),
        };
        let expected = least..=self.count();
        assert!(
            expected.contains(&done),
            "{}: {done} done, not {expected:?}",
            self.name()
        );
    }
}

/// For how long a work is done again and again, at the least, of the processor's time.
const MEASURED_AT_LEAST: Duration = Duration::from_millis(500);

/// The best rate of an engine at a work, per second of the processor's time. `engine` does the work
/// once and answers how much it did.
pub fn best_rate(work: Work, engine: impl Fn(Work) -> u64) -> f64 {
    let begin = processor_time();
    let mut best = Duration::MAX;
    while processor_time() - begin < MEASURED_AT_LEAST {
        let before = processor_time();
        let done = engine(work);
        best = best.min(processor_time() - before);
        work.assert_done(done);
    }
    work.count() as f64 / best.as_secs_f64()
}

/// How long this process has computed: what else the machine does hardly matters to it, and no
/// engine here computes on two threads at once. Asked of the kernel, past the symbols of libc that
/// an engine overrides.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The most memory that this process ever held at once, by the kernel's count.
///
/// # Panics
/// On anything but Linux.
pub fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    1024 * kibibytes.expect("Linux tells the peak in kB")
}

/// The main function of an engine's program: prints `name TAB rate` for the works that the command
/// line names, or for all.
///
/// # Panics
/// If there is no such work.
pub fn print_rates(engine: impl Fn(Work) -> u64) {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let unknown = names
        .iter()
        .find(|name| Work::ALL.iter().all(|work| work.name() != **name));
    assert_eq!(unknown, None, "there are {:?}", Work::ALL.map(Work::name));
    let wanted = |work: &Work| names.is_empty() || names.iter().any(|name| name == work.name());
    for work in Work::ALL.into_iter().filter(wanted) {
        println!("{}\t{:.0}", work.name(), best_rate(work, &engine));
    }
}
