//! A machine's clocks, as functions of true time.
//!
//! As on Linux, one oscillator drives both: the wall clock is the monotonic clock plus an offset. A
//! time daemon changes the oscillator's rate, which both clocks follow, and only a step moves the
//! wall clock alone. All arithmetic is on integers, piece by piece linear, with one corner where the
//! daemon has slewed an error away.

use super::clock_faults::{ClockEffect, ClocksInPause};
use super::network::FaultTag;

/// How fast a time daemon corrects a clock: what Linux's kernel allows it (`MAXFREQ`, 500 ppm).
pub(super) const SLEW_PPM: i64 = 500;
/// A clock gains or loses half of the time at the most, with the daemon's corrections.
pub(super) const RATE_PPM_MAX: i64 = 500_000;
const MILLION: i128 = 1_000_000;

/// The clocks of a machine of which somebody has asked that they deviate.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The true time from which on the rest of this holds.
    since_ns: u64,
    /// What the clocks are ahead at `since_ns`, without effects that pass.
    ahead: Ahead,
    pace: Pace,
    /// In the order in which they began, each with its beginning.
    effects: Vec<(FaultTag, ClockEffect, u64)>,
    /// What they do now, if the machine stands still.
    in_pause: ClocksInPause,
}

/// What a machine's clocks are ahead of true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub(crate) wall_ns: i64,
    pub(crate) monotonic_ns: i64,
    /// `CLOCK_BOOTTIME`, which runs while the machine sleeps.
    pub(crate) boot_ns: i64,
}

impl Ahead {
    pub(crate) const NONE: Self = Self {
        wall_ns: 0,
        monotonic_ns: 0,
        boot_ns: 0,
    };
}

/// What a clock gains on true time: one rate up to a corner, and another after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    ppm: i64,
    until_ns: u64,
    later_ppm: i64,
}

impl Clock {
    pub(super) fn at(&self, now_ns: u64) -> Ahead {
        let mut ahead = self.settled_at(now_ns);
        ahead.wall_ns += self.passing_ns(now_ns);
        ahead
    }

    /// What the monotonic clock gains, as long as nothing is changed.
    pub(super) fn pace(&self) -> (Pace, ClocksInPause) {
        (self.pace, self.in_pause)
    }

    /// Whether a program could tell: the wall clock is wrong, or the rate is.
    pub(super) fn is_off(&self, now_ns: u64) -> bool {
        self.at(now_ns).wall_ns != 0 || self.rate_ppm(now_ns) != 0
    }

    /// The faults that are on.
    pub(super) fn tags(&self) -> impl Iterator<Item = FaultTag> {
        let is_first = |at: usize, tag| self.effects[..at].iter().all(|(of, ..)| *of != tag);
        let tags = self.effects.iter().map(|(tag, ..)| *tag).enumerate();
        tags.filter(move |(at, tag)| is_first(*at, *tag))
            .map(|(_, tag)| tag)
    }

    pub(super) fn add(&mut self, now_ns: u64, tag: FaultTag, effect: ClockEffect) {
        self.change(now_ns, |clock| {
            if let ClockEffect::Step { wall_ns } = effect {
                clock.ahead.wall_ns += wall_ns;
            }
            clock.effects.push((tag, effect, now_ns));
        });
    }

    pub(super) fn remove(&mut self, now_ns: u64, tag: FaultTag) {
        self.change(now_ns, |clock| {
            clock.effects.retain(|(of, ..)| *of != tag);
        });
    }

    /// Steps the wall clock by this.
    pub(super) fn step(&mut self, now_ns: u64, wall_ns: i64) {
        self.change(now_ns, |clock| {
            clock.ahead.wall_ns += wall_ns;
        });
    }

    /// Steps the wall clock to what true time is, but for effects that pass.
    pub(super) fn correct(&mut self, now_ns: u64) {
        self.change(now_ns, |clock| clock.ahead.wall_ns = 0);
    }

    /// How wrong the wall clock may be after the power was gone, and by whose fault.
    pub(super) fn wrong_after_power_loss(&self) -> Option<(FaultTag, u64)> {
        self.effects
            .iter()
            .find_map(|(tag, effect, _)| match effect {
                ClockEffect::WrongAfterPowerLoss { wall_ns_max } => Some((*tag, *wall_ns_max)),
                _ => None,
            })
    }

    /// What the clocks do from now on: the machine stands still, or goes on (`Run`).
    pub(super) fn pause(&mut self, now_ns: u64, in_pause: ClocksInPause) {
        self.change(now_ns, |clock| clock.in_pause = in_pause);
    }

    /// The first instant of true time, from `now_ns` on, at which the monotonic clock shows at least
    /// `monotonic_ns`.
    pub(super) fn true_ns_of(&self, monotonic_ns: u64, now_ns: u64) -> u64 {
        let is_reached = |at_ns: u64| self.monotonic_at(at_ns) >= monotonic_ns;
        if is_reached(now_ns) {
            return now_ns;
        }
        // It gains half of true time at least.
        let wait_ns = monotonic_ns - self.monotonic_at(now_ns);
        let mut late = now_ns.saturating_add(wait_ns.saturating_mul(2).saturating_add(2));
        let mut early = now_ns;
        while late - early > 1 {
            let middle = early + (late - early) / 2;
            match is_reached(middle) {
                true => late = middle,
                false => early = middle,
            }
        }
        late
    }

    /// What the monotonic clock shows.
    pub(super) fn monotonic_at(&self, now_ns: u64) -> u64 {
        now_ns.saturating_add_signed(self.settled_at(now_ns).monotonic_ns)
    }

    /// Changes something from now on. What the clocks show now stays, unless `change` says otherwise.
    fn change(&mut self, now_ns: u64, change: impl FnOnce(&mut Self)) {
        self.ahead = self.settled_at(now_ns);
        self.since_ns = now_ns;
        change(self);
        self.pace = self.next_pace();
    }

    /// What the clocks are ahead, without effects that pass.
    fn settled_at(&self, now_ns: u64) -> Ahead {
        let missed_ns = (now_ns - self.since_ns) as i64;
        let (wall_ns, monotonic_ns, boot_ns) = match self.in_pause {
            ClocksInPause::Run => {
                let gained_ns = self.gained_ns(now_ns);
                (gained_ns, gained_ns, gained_ns)
            }
            ClocksInPause::FreezeMonotonic => (0, -missed_ns, 0),
            ClocksInPause::Freeze => (-missed_ns, -missed_ns, -missed_ns),
        };
        Ahead {
            wall_ns: self.ahead.wall_ns + wall_ns,
            monotonic_ns: self.ahead.monotonic_ns + monotonic_ns,
            boot_ns: self.ahead.boot_ns + boot_ns,
        }
    }

    fn gained_ns(&self, now_ns: u64) -> i64 {
        let Pace {
            ppm,
            until_ns,
            later_ppm,
        } = self.pace;
        let corner_ns = until_ns.clamp(self.since_ns, now_ns);
        gain(corner_ns - self.since_ns, ppm) + gain(now_ns - corner_ns, later_ppm)
    }

    fn rate_ppm(&self, now_ns: u64) -> i64 {
        match now_ns < self.pace.until_ns {
            true => self.pace.ppm,
            false => self.pace.later_ppm,
        }
    }

    /// How the oscillator goes on: it drifts, and the daemon slews the wall clock's error away, as
    /// fast as it can, and then holds the rate, as well as it can.
    fn next_pace(&self) -> Pace {
        let bounded = |ppm: i64| ppm.clamp(-RATE_PPM_MAX, RATE_PPM_MAX);
        let (drift_ppm, slew_ppm) = (self.drift_ppm(), self.slew_ppm());
        let error_ns = self.ahead.wall_ns;
        let ppm = bounded(drift_ppm - error_ns.signum() * slew_ppm);
        let later_ppm = bounded(drift_ppm - drift_ppm.clamp(-slew_ppm, slew_ppm));
        if error_ns == 0 {
            return Pace {
                ppm: later_ppm,
                until_ns: 0,
                later_ppm,
            };
        }
        let is_closing = ppm.signum() == -error_ns.signum();
        let wait_ns = match is_closing {
            true => {
                let error = u128::from(error_ns.unsigned_abs()) * MILLION as u128;
                error.div_ceil(u128::from(ppm.unsigned_abs()))
            }
            false => u128::MAX,
        };
        let until_ns = u128::from(self.since_ns).saturating_add(wait_ns);
        Pace {
            ppm,
            until_ns: u64::try_from(until_ns).unwrap_or(u64::MAX),
            later_ppm,
        }
    }

    fn drift_ppm(&self) -> i64 {
        let drifts = self.effects.iter().map(|(_, effect, _)| match effect {
            ClockEffect::Drift { ppm } => i64::from(*ppm),
            _ => 0,
        });
        drifts.sum()
    }

    fn slew_ppm(&self) -> i64 {
        let mut effects = self.effects.iter();
        match effects.any(|(_, effect, _)| *effect == ClockEffect::DaemonStopped) {
            true => 0,
            false => SLEW_PPM,
        }
    }

    /// What the wall clock is ahead by effects that end with their faults.
    fn passing_ns(&self, now_ns: u64) -> i64 {
        let offsets = self
            .effects
            .iter()
            .map(|(_, effect, since_ns)| match effect {
                ClockEffect::Offset { wall_ns } => *wall_ns,
                ClockEffect::Strobe { wall_ns, period_ns } => {
                    match ((now_ns - since_ns) / period_ns).is_multiple_of(2) {
                        true => *wall_ns,
                        false => 0,
                    }
                }
                _ => 0,
            });
        offsets.sum()
    }
}

/// What a clock of this rate gains in a time. Rounded towards zero, so that it never gains more than
/// a nanosecond a nanosecond, and time never runs backwards.
fn gain(elapsed_ns: u64, ppm: i64) -> i64 {
    (i128::from(elapsed_ns) * i128::from(ppm) / MILLION) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed::Key;

    const SECOND: u64 = 1_000_000_000;
    const TAGS: [FaultTag; 4] = [FaultTag(0), FaultTag(1), FaultTag(2), FaultTag(3)];

    fn random_effect(key: Key) -> ClockEffect {
        let wall_ns = key.label("wall").below(20_000_000) as i64 - 10_000_000;
        match key.label("kind").below(5) {
            0 => ClockEffect::Offset { wall_ns },
            1 => ClockEffect::Step { wall_ns },
            2 => ClockEffect::Strobe {
                wall_ns,
                period_ns: 700_000_000,
            },
            3 => ClockEffect::Drift {
                ppm: key.label("ppm").below(1_000_001) as i32 - 500_000,
            },
            _ => ClockEffect::DaemonStopped,
        }
    }

    fn change_at_random(clock: &mut Clock, now_ns: u64, key: Key) {
        let tag = *key.label("tag").pick(&TAGS);
        match key.below(5) {
            0 | 1 => clock.add(now_ns, tag, random_effect(key)),
            2 => clock.remove(now_ns, tag),
            3 => clock.pause(now_ns, ClocksInPause::Freeze),
            _ => clock.pause(now_ns, ClocksInPause::Run),
        }
    }

    #[test]
    fn monotonic_time_never_runs_backwards_whatever_is_done() {
        for seed in 0..300 {
            let mut clock = Clock::default();
            let (mut now_ns, mut shown_ns) = (0, 0);
            for step in 0..200 {
                let key = Key::root(seed).with(step);
                now_ns += key.label("wait").exponential(SECOND / 3);
                assert!(clock.monotonic_at(now_ns) >= shown_ns);
                let before = clock.at(now_ns);
                change_at_random(&mut clock, now_ns, key.label("change"));
                assert_eq!(clock.at(now_ns).monotonic_ns, before.monotonic_ns);
                shown_ns = clock.monotonic_at(now_ns);
            }
        }
    }

    #[test]
    fn a_deadline_comes_at_the_first_instant_that_shows_it() {
        for seed in 0..300 {
            let mut clock = Clock::default();
            let mut now_ns = 0;
            for step in 0..20 {
                let key = Key::root(seed).with(step);
                clock.pause(now_ns, ClocksInPause::Run);
                change_at_random(&mut clock, now_ns, key.label("change"));
                clock.pause(now_ns, ClocksInPause::Run);
                let wait_ns = key.label("wait").exponential(SECOND);
                let deadline_ns = clock.monotonic_at(now_ns) + wait_ns;
                let at_ns = clock.true_ns_of(deadline_ns, now_ns);
                assert!(clock.monotonic_at(at_ns) >= deadline_ns);
                assert!(at_ns == now_ns || clock.monotonic_at(at_ns - 1) < deadline_ns);
                now_ns = at_ns;
            }
        }
    }

    #[test]
    fn the_daemon_slews_an_error_away_and_then_holds_the_rate() {
        for (step_ns, drift_ppm) in [(10_000_000, 0), (-10_000_000, 300), (7, -499), (-1, 100)] {
            let mut clock = Clock::default();
            clock.add(SECOND, TAGS[0], ClockEffect::Step { wall_ns: step_ns });
            clock.add(SECOND, TAGS[1], ClockEffect::Drift { ppm: drift_ppm });
            let toward_ppm = i64::from(drift_ppm) - step_ns.signum() * SLEW_PPM;
            let wait_ns = (step_ns.unsigned_abs() * 1_000_000).div_ceil(toward_ppm.unsigned_abs());
            let right_ns = SECOND + wait_ns;
            assert_ne!(clock.at(right_ns - 1).wall_ns, 0);
            assert!(clock.is_off(right_ns - 1) && !clock.is_off(right_ns));
            assert!(!clock.is_off(right_ns + 1000 * SECOND));
        }
    }

    #[test]
    fn a_drift_beyond_the_daemon_is_felt_less() {
        let mut clock = Clock::default();
        clock.add(0, TAGS[0], ClockEffect::Drift { ppm: -2000 });
        let ahead = clock.at(10 * SECOND);
        assert_eq!(
            (ahead.wall_ns, ahead.monotonic_ns),
            (-15_000_000, -15_000_000)
        );
        clock.add(10 * SECOND, TAGS[1], ClockEffect::DaemonStopped);
        assert_eq!(clock.at(20 * SECOND).wall_ns, -35_000_000);
        clock.remove(20 * SECOND, TAGS[0]);
        assert_eq!(clock.at(30 * SECOND).wall_ns, -35_000_000);
        clock.remove(30 * SECOND, TAGS[1]);
        assert_eq!(clock.at(100 * SECOND).wall_ns, 0);
    }
}
