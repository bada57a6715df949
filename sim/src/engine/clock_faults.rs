//! Faults of machines' clocks, and the clocks that programs see.

use serde::{Deserialize, Serialize};

use super::clock::{Ahead, Clock, RATE_PPM_MAX};
use super::network::FaultTag;
use super::world::{self, World};
use super::{DAY_NS, HARNESS, NodeId};
use crate::interpose::clocks;

/// What a fault does to a machine's clocks.
///
/// A machine has an oscillator, by which its monotonic clock and its timers run, and a wall clock
/// that runs with it. A time daemon is at work on every machine: it slews the oscillator by up to 500
/// ppm (parts in a million) until the wall clock is right, and makes up for a drift of as much. What a
/// fault leaves of wrong time when it ends is the daemon's to slew away, or
/// [`NodeId::correct_clock`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ClockEffect {
    /// The wall clock is off by this as long as the fault lasts, and the daemon does not notice: its
    /// time server is wrong by as much.
    Offset { wall_ns: i64 },
    /// Somebody steps the wall clock by this, once.
    Step { wall_ns: i64 },
    /// The wall clock is off by this for a period, right for one, and so on, as Jepsen strobes it.
    Strobe { wall_ns: i64, period_ns: u64 },
    /// The oscillator gains so many parts in a million, or loses them: up to half of the time. What the
    /// daemon makes up for is not seen: stop it.
    Drift { ppm: i32 },
    /// The time daemon does not run.
    DaemonStopped,
    /// The clock's battery is empty: when the power comes back, the wall clock is wrong by a keyed
    /// amount up to this, to either side.
    WrongAfterPowerLoss { wall_ns_max: u64 },
}

/// What the clocks of a machine do while it stands still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClocksInPause {
    /// Both run on: the hypervisor gave the processor to others, or the process was stopped.
    #[default]
    Run,
    /// The machine slept: the monotonic clock stood still, and the wall clock is right
    /// (`CLOCK_BOOTTIME` ran on too).
    FreezeMonotonic,
    /// A virtual machine was saved and loaded again: both stood still, and the wall clock is late.
    Freeze,
}

/// Which clock a deadline is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeadlineBy {
    /// Of devices, to which a machine's clock means nothing.
    TrueTime,
    /// Of programs: the monotonic clock of their machine.
    Machine,
}

impl ClockEffect {
    /// Whether its period is one, its times are of a day at the most, and its drift is no more than
    /// clocks can.
    pub const fn is_sound(&self) -> bool {
        match *self {
            Self::Offset { wall_ns } | Self::Step { wall_ns } => wall_ns.unsigned_abs() <= DAY_NS,
            Self::Strobe { wall_ns, period_ns } => {
                wall_ns.unsigned_abs() <= DAY_NS && 0 < period_ns && period_ns <= DAY_NS
            }
            Self::Drift { ppm } => ppm.unsigned_abs() as i64 <= RATE_PPM_MAX,
            Self::DaemonStopped => true,
            Self::WrongAfterPowerLoss { wall_ns_max } => wall_ns_max <= DAY_NS,
        }
    }
}

/// Puts an effect on a machine's clocks; it outlives the process. Each time that a program reads a
/// clock which is off, or sleeps by it, counts as felt.
///
/// # Panics
/// If the node is the harness, whose clock is true time; or if the effect is not [sound](ClockEffect::is_sound).
pub fn add_clock_effect(node: NodeId, tag: FaultTag, effect: ClockEffect) {
    assert_ne!(node.0, HARNESS, "the harness's clock is true time");
    assert!(
        effect.is_sound(),
        "a strobe needs a period, a wall clock is wrong by a day and a rate by half of the time at the most: \
         {effect:?}"
    );
    world::with(|world| {
        world.change_clock(node.0, |clock, now_ns| clock.add(now_ns, tag, effect));
    });
}

/// Ends all that a fault does to clocks. What was stepped or has drifted stays so.
pub fn remove_clock_effects(tag: FaultTag) {
    world::with(|world| {
        for node in 0..world.nodes.len() as u32 {
            let clock = world.nodes[node as usize].clock.as_deref();
            if clock.is_some_and(|clock| clock.tags().any(|of| of == tag)) {
                world.change_clock(node, |clock, now_ns| clock.remove(now_ns, tag));
            }
        }
    });
}

impl NodeId {
    /// Steps the wall clock to true time, as `ntpdate` does. What passes with a fault stays.
    pub fn correct_clock(self) {
        world::with(|world| {
            if world.nodes[self.0 as usize].clock.is_some() {
                world.change_clock(self.0, Clock::correct);
            }
        });
    }
}

impl World {
    /// The running task's monotonic clock.
    #[inline]
    pub(crate) fn monotonic_now_ns(&mut self) -> u64 {
        match self.is_odd {
            true => self.read_monotonic(),
            false => self.now_ns,
        }
    }

    #[cold]
    fn read_monotonic(&mut self) -> u64 {
        let node = self.current_node();
        self.count_clock_reads(node, 1);
        let clock = self.nodes[node as usize].clock.as_deref();
        clock.map_or(self.now_ns, |clock| clock.monotonic_at(self.now_ns))
    }

    /// The running task's wall clock, in nanoseconds since 1970.
    pub(crate) fn wall_now_ns(&mut self) -> u64 {
        let node = self.current_node();
        self.count_clock_reads(node, 1);
        let clock = self.nodes[node as usize].clock.as_deref();
        let ahead = clock.map_or(Ahead::NONE, |clock| clock.at(self.now_ns));
        clocks::wall_ns_at(self.now_ns, ahead.wall_ns)
    }

    /// When a deadline of the running task's comes, by true time.
    #[inline]
    pub(super) fn true_deadline_ns(&self, deadline_ns: u64, by: DeadlineBy) -> u64 {
        match self.is_odd && by == DeadlineBy::Machine {
            true => self.true_ns_of(deadline_ns),
            false => deadline_ns,
        }
    }

    #[cold]
    fn true_ns_of(&self, monotonic_ns: u64) -> u64 {
        let clock = self.nodes[self.current_node() as usize].clock.as_deref();
        clock.map_or(monotonic_ns, |clock| {
            clock.true_ns_of(monotonic_ns, self.now_ns)
        })
    }

    /// Lets libc show the clocks of the running task's node.
    pub(super) fn show_clock(&mut self) {
        let node = self.current_node();
        let clock = self.nodes[node as usize].clock.as_deref();
        clocks::show(clock.map_or(Ahead::NONE, |clock| clock.at(self.now_ns)));
        let reads = clocks::take_reads();
        let read = std::mem::replace(&mut self.had_turn, node);
        if reads > 0 && read != HARNESS {
            self.count_clock_reads(read, reads);
        }
    }

    /// Changes a node's clock from now on.
    pub(super) fn change_clock(&mut self, node: u32, change: impl FnOnce(&mut Clock, u64)) {
        self.is_odd = true;
        let clock = self.nodes[node as usize].clock.get_or_insert_default();
        let pace = clock.pace();
        change(clock, self.now_ns);
        if clock.pace() != pace {
            self.retime(node);
        }
    }

    /// Counts that a program has looked at a clock, if that is off.
    fn count_clock_reads(&mut self, node: u32, times: u64) {
        let Some(clock) = &self.nodes[node as usize].clock else {
            return;
        };
        if clock.is_off(self.now_ns) {
            for tag in clock.tags() {
                self.network.links.count_times(tag, times);
            }
        }
    }

    /// The node does not stand still any more.
    pub(super) fn end_pause_of_clock(&mut self, node: u32) {
        if self.nodes[node as usize].clock.is_some() {
            self.change_clock(node, |clock, now_ns| {
                clock.pause(now_ns, ClocksInPause::Run)
            });
        }
    }

    /// The power is back.
    pub(super) fn spoil_clock(&mut self, node: u32) {
        let slot = &self.nodes[node as usize];
        let Some((tag, max_ns)) = slot
            .clock
            .as_deref()
            .and_then(Clock::wrong_after_power_loss)
        else {
            return;
        };
        let key = self
            .key
            .label("wall-after-power-loss")
            .with(u64::from(node));
        let key = key.with(u64::from(slot.incarnation));
        let max_ns = i64::try_from(max_ns).expect("a wall clock is wrong by less than 292 years");
        let wall_ns = key.between(0, 2 * max_ns as u64) as i64 - max_ns;
        self.network.links.count_times(tag, 1);
        self.change_clock(node, |clock, now_ns| clock.step(now_ns, wall_ns));
    }
}
