//! Clocks and timers.

mod interval;

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
pub use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

pub use self::interval::{Interval, MissedTickBehavior, interval, interval_at};
use crate::engine::{DeadlineBy, Id, world};

/// A point of a machine's monotonic clock, as nanoseconds since the world began by that clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Instant(u64);

impl Instant {
    /// Now, by the monotonic clock of the running task's node.
    pub fn now() -> Self {
        Self(world::try_with(|world| world.monotonic_now_ns()).unwrap_or_else(real_now_ns))
    }

    /// The time that has passed since this point.
    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }

    /// The point this many nanoseconds after the world began.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the world began.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time that has passed since `earlier`; zero if `earlier` is later.
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(duration)))
    }
}

impl std::ops::AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl std::ops::Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos_of(duration)))
    }
}

impl std::ops::Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Now, by the wall clock of the running task's node: what [`SystemTime::now`] answers, also where
/// libc's clocks are not caught. It may jump, and differ from other nodes'.
pub fn wall_now() -> SystemTime {
    match world::try_with(|world| world.wall_now_ns()) {
        Some(ns) => SystemTime::UNIX_EPOCH + Duration::from_nanos(ns),
        None => SystemTime::now(),
    }
}

/// Nanoseconds since this process first asked, by the real clock.
fn real_now_ns() -> u64 {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    nanos_of(START.get_or_init(std::time::Instant::now).elapsed())
}

/// Waits for a duration.
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    match world::try_with(|world| world.monotonic_now_ns()) {
        Some(now_ns) => Sleep::by_machine(now_ns.saturating_add(nanos_of(duration))),
        None => Sleep(SleepIn::Tokio(Box::pin(tokio::time::sleep(duration)))),
    }
}

/// Waits until a point of the monotonic clock.
pub fn sleep_until(deadline: Instant) -> Sleep {
    match world::is_running() {
        true => Sleep::by_machine(deadline.0),
        false => sleep(deadline - Instant::now()),
    }
}

/// The future of [`sleep`].
pub struct Sleep(SleepIn);

enum SleepIn {
    Engine {
        deadline_ns: u64,
        by: DeadlineBy,
        slot: Option<Id>,
    },
    Tokio(Pin<Box<tokio::time::Sleep>>),
}

impl Sleep {
    /// Until a point of true time: as devices wait.
    pub(crate) fn until_ns(deadline_ns: u64) -> Self {
        Self(SleepIn::Engine {
            deadline_ns,
            by: DeadlineBy::TrueTime,
            slot: None,
        })
    }

    /// Until the running task's monotonic clock shows this.
    fn by_machine(deadline_ns: u64) -> Self {
        Self(SleepIn::Engine {
            deadline_ns,
            by: DeadlineBy::Machine,
            slot: None,
        })
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            SleepIn::Engine {
                deadline_ns,
                by,
                slot,
            } => world::with(|world| world.poll_timer(*deadline_ns, *by, slot, context)),
            SleepIn::Tokio(sleep) => sleep.as_mut().poll(context),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let SleepIn::Engine { slot, .. } = &mut self.0
            && slot.is_some()
        {
            world::try_with(|world| world.cancel_timer(slot));
        }
    }
}

/// Waits for a future, but no longer than a duration.
///
/// # Errors
/// [`Elapsed`] if the time is over first; the future is dropped.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = std::pin::pin!(future);
    let mut sleep = std::pin::pin!(sleep(duration));
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(context).map(|()| Err(Elapsed(())))
    })
    .await
}

/// As [`timeout`], until a point of the monotonic clock.
///
/// # Errors
/// As [`timeout`].
pub async fn timeout_at<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    timeout(deadline - Instant::now(), future).await
}

/// A [`timeout`] ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time for it ran out")]
pub struct Elapsed(());

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}
