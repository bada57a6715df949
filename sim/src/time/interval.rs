//! Ticks.

use super::{Duration, Instant, sleep_until};

/// A tick is missed if it is more than this late, as in tokio.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Ticks at once, and then every `period`.
///
/// # Panics
/// If the period is zero.
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start`, and then every `period`.
///
/// # Panics
/// If the period is zero.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval needs a period");
    Interval {
        next: start,
        period,
        missed: MissedTickBehavior::Burst,
    }
}

/// The ticks of [`interval`].
#[derive(Debug)]
pub struct Interval {
    next: Instant,
    period: Duration,
    missed: MissedTickBehavior,
}

/// When the tick comes that follows a missed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// A period after the missed one was due, that is at once, until all are made up for.
    #[default]
    Burst,
    /// A period after the missed one came.
    Delay,
    /// When the next was due that is not missed as well.
    Skip,
}

impl Interval {
    /// Waits for the next tick; answers when it was due. No tick is lost if this is dropped.
    pub async fn tick(&mut self) -> Instant {
        sleep_until(self.next).await;
        let (due, now) = (self.next, Instant::now());
        self.next = match now > due + TOLERANCE {
            true => self.after_missed(due, now),
            false => due + self.period,
        };
        due
    }

    /// Lets the next tick come a period from now.
    pub fn reset(&mut self) {
        self.next = Instant::now() + self.period;
    }

    /// Says what follows a missed tick.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// The time from one tick to the next.
    pub fn period(&self) -> Duration {
        self.period
    }

    fn after_missed(&self, due: Instant, now: Instant) -> Instant {
        match self.missed {
            MissedTickBehavior::Burst => due + self.period,
            MissedTickBehavior::Delay => now + self.period,
            MissedTickBehavior::Skip => {
                let late = (now - due).as_nanos() % self.period.as_nanos();
                now + self.period - Duration::from_nanos(late as u64)
            }
        }
    }
}
