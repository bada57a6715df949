//! Machines' clocks: what programs see of them, what it does to programs, and who is told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use squall_sim::engine::{
    self, ClockEffect, ClocksInPause, Config, FaultTag, NodeId, Outcome, add_clock_effect,
    add_node, fault_observed, new_fault_tag, remove_clock_effects,
};
use squall_sim::time::{Duration, Instant, SystemTime, interval, sleep, timeout, wall_now};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const SECOND_NS: i64 = 1_000_000_000;
/// When wall clocks begin.
const EPOCH: Duration = Duration::from_secs(1_704_067_200);

fn run<T, F>(seed: u64, harness: impl FnOnce() -> F + Send) -> Outcome<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    engine::run(Config::new(seed), harness).expect("the harness ends")
}

/// What a node's clocks show, against true time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    true_ns: u64,
    monotonic_ns: i64,
    wall_ns: i64,
}

/// Reads every clock that there is, and sees that they agree.
fn read(started: (std::time::Instant, Instant)) -> Reading {
    let true_ns = engine::now_ns();
    let now = Instant::now();
    assert_eq!(started.0.elapsed(), now - started.1, "std agrees");
    let wall = wall_now();
    assert_eq!(SystemTime::now(), wall, "std agrees");
    let since_epoch = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Reading {
        true_ns,
        monotonic_ns: now.as_nanos() as i64 - true_ns as i64,
        wall_ns: since_epoch.as_nanos() as i64 - EPOCH.as_nanos() as i64 - true_ns as i64,
    }
}

type Readings = Rc<RefCell<Vec<Reading>>>;

/// A node that reads its clocks at its start, and each time that a second has passed by them.
fn add_watcher() -> (NodeId, Readings) {
    let readings = Readings::default();
    let node = add_node("watcher");
    let theirs = Rc::clone(&readings);
    node.start(move || {
        let readings = Rc::clone(&theirs);
        async move {
            let started = (std::time::Instant::now(), Instant::now());
            let mut ticks = interval(SECOND);
            loop {
                ticks.tick().await;
                readings.borrow_mut().push(read(started));
            }
        }
    });
    (node, readings)
}

/// What the watcher reads, with an effect from 2.5 s to 5.5 s of true time; how often it was felt; and
/// the digest.
fn watch(effects: &'static [ClockEffect]) -> (Vec<Reading>, u64, u64) {
    let outcome = run(7, move || async move {
        let (node, readings) = add_watcher();
        sleep(2500 * MS).await;
        let tag = add_effects(node, effects);
        sleep(3 * SECOND).await;
        remove_clock_effects(tag);
        sleep(2600 * MS).await;
        (readings.take(), fault_observed(tag))
    });
    let (readings, felt) = outcome.output;
    (readings, felt, outcome.digest)
}

fn add_effects(node: NodeId, effects: &[ClockEffect]) -> FaultTag {
    let tag = new_fault_tag();
    for effect in effects {
        add_clock_effect(node, tag, *effect);
    }
    tag
}

fn walls(readings: &[Reading]) -> Vec<i64> {
    readings.iter().map(|reading| reading.wall_ns).collect()
}

#[test]
fn an_offset_is_there_while_it_lasts_and_a_step_stays() {
    const OFFSET: i64 = -3 * SECOND_NS;
    let (readings, felt, digest) = watch(&[ClockEffect::Offset { wall_ns: OFFSET }]);
    assert_eq!(walls(&readings), [0, 0, 0, OFFSET, OFFSET, OFFSET, 0, 0, 0]);
    assert!(readings.iter().all(|reading| reading.monotonic_ns == 0));
    assert!(
        felt >= 9,
        "three ticks, at each of which clocks are read: {felt}"
    );
    let calm = watch(&[]);
    assert_eq!((calm.1, calm.2), (0, digest), "it changed no decision");
    let (readings, ..) = watch(&[
        ClockEffect::Step { wall_ns: SECOND_NS },
        ClockEffect::DaemonStopped,
    ]);
    assert_eq!(
        walls(&readings)[..6],
        [0, 0, 0, SECOND_NS, SECOND_NS, SECOND_NS]
    );
    assert!(
        walls(&readings)[6..]
            .iter()
            .all(|wall_ns| { (1..SECOND_NS / 1000 * 2).contains(&(SECOND_NS - wall_ns)) })
    );
}

#[test]
fn a_strobe_alternates() {
    let (readings, felt, _) = watch(&[ClockEffect::Strobe {
        wall_ns: 500,
        period_ns: 1_000_000_000,
    }]);
    assert_eq!(walls(&readings), [0, 0, 0, 500, 0, 500, 0, 0, 0]);
    assert!(felt > 0);
}

#[test]
fn a_drifting_machine_keeps_its_own_time() {
    const EFFECTS: [ClockEffect; 2] = [
        ClockEffect::Drift { ppm: 250_000 },
        ClockEffect::DaemonStopped,
    ];
    let (readings, felt, digest) = watch(&EFFECTS);
    // Half a second at one rate, and the rest of the tick at the other: 0.5 + 0.5 / 1.25. Afterwards
    // the daemon slews.
    let ticks: Vec<u64> = readings
        .iter()
        .map(|reading| reading.true_ns / 100_000)
        .collect();
    assert_eq!(
        ticks,
        [
            0, 10_000, 20_000, 29_000, 37_000, 45_000, 53_000, 62_503, 72_508
        ]
    );
    assert!(
        readings
            .iter()
            .all(|reading| reading.wall_ns == reading.monotonic_ns
                || reading.true_ns > 5_500_000_000),
        "one oscillator drives both"
    );
    let last = readings.last().unwrap();
    assert_eq!(
        last.monotonic_ns / 1_000_000,
        749,
        "less what the daemon has slewed"
    );
    assert!(felt >= 9);
    assert_eq!(watch(&EFFECTS).2, digest);
}

#[test]
fn the_daemon_makes_up_for_what_it_can_and_its_pause_is_seen() {
    const DRIFT: ClockEffect = ClockEffect::Drift { ppm: 400 };
    let (readings, felt, digest) = watch(&[DRIFT]);
    assert!(readings.iter().all(|reading| reading.wall_ns == 0));
    assert_eq!((felt, digest), (0, watch(&[]).2), "nothing to feel");
    let outcome = run(7, move || async move {
        let (node, readings) = add_watcher();
        let drifting = add_effects(node, &[DRIFT]);
        sleep(SECOND).await;
        let stopped = add_effects(node, &[ClockEffect::DaemonStopped]);
        sleep(60 * SECOND).await;
        remove_clock_effects(stopped);
        let worst = readings.borrow().last().unwrap().wall_ns;
        // 24 ms, at the 100 ppm that the drift leaves of 500.
        sleep(235 * SECOND).await;
        let soon = readings.borrow().last().unwrap().wall_ns;
        sleep(10 * SECOND).await;
        let late = readings.borrow().last().unwrap().wall_ns;
        (
            worst,
            soon,
            late,
            fault_observed(drifting),
            fault_observed(stopped),
        )
    });
    let (worst, soon, late, drifted, stopped) = outcome.output;
    assert!((23_000_000..=24_000_000).contains(&worst), "{worst}");
    assert!((1..1_000_000).contains(&soon), "{soon}");
    assert_eq!(late, 0);
    assert!(stopped >= 60 * 3 && drifted > stopped);
}

/// What the watcher reads after a machine stood still for ten seconds, and the time of that.
fn after_pause(clocks: ClocksInPause) -> Reading {
    let outcome = run(7, move || async move {
        let (node, readings) = add_watcher();
        sleep(2500 * MS).await;
        node.pause_with(clocks);
        sleep(10 * SECOND).await;
        assert_eq!(readings.borrow().len(), 3);
        node.resume();
        sleep(600 * MS).await;
        readings.borrow()[3]
    });
    outcome.output
}

#[test]
fn clocks_run_through_a_pause_or_stand_still() {
    let run = after_pause(ClocksInPause::Run);
    assert_eq!(
        run,
        Reading {
            true_ns: 12_500_000_000,
            monotonic_ns: 0,
            wall_ns: 0
        }
    );
    let slept = after_pause(ClocksInPause::FreezeMonotonic);
    assert_eq!(
        slept,
        Reading {
            true_ns: 13_000_000_000,
            monotonic_ns: -10 * SECOND_NS,
            wall_ns: 0
        }
    );
    let saved = after_pause(ClocksInPause::Freeze);
    assert_eq!(saved.monotonic_ns, saved.wall_ns);
    // The daemon has begun to slew.
    assert!((-10 * SECOND_NS..-10 * SECOND_NS + 500_000).contains(&saved.wall_ns));
}

/// Seconds of `CLOCK_MONOTONIC` and of `CLOCK_BOOTTIME`.
fn uptimes() -> (i64, i64) {
    let [monotonic, boot] = [libc::CLOCK_MONOTONIC, libc::CLOCK_BOOTTIME].map(|clock| {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: a place for a timespec.
        assert_eq!(unsafe { libc::clock_gettime(clock, &mut time) }, 0);
        time.tv_sec
    });
    (monotonic, boot)
}

#[test]
fn a_machine_that_slept_knows_by_its_boot_time() {
    let outcome = run(7, || async {
        let node = add_node("laptop");
        let seen = Rc::new(Cell::new((0, 0)));
        let theirs = Rc::clone(&seen);
        node.start(move || {
            let seen = Rc::clone(&theirs);
            async move {
                sleep(5 * SECOND).await;
                seen.set(uptimes());
                std::future::pending().await
            }
        });
        sleep(SECOND).await;
        node.pause_with(ClocksInPause::FreezeMonotonic);
        sleep(100 * SECOND).await;
        node.resume();
        sleep(10 * SECOND).await;
        seen.get()
    });
    assert_eq!(outcome.output, (3605, 3705));
}

#[test]
fn a_wrong_clock_can_be_set_right() {
    let outcome = run(7, || async {
        let (node, readings) = add_watcher();
        let step = ClockEffect::Step {
            wall_ns: -3600 * SECOND_NS,
        };
        let tag = add_effects(node, &[step]);
        sleep(1100 * MS).await;
        remove_clock_effects(tag);
        node.correct_clock();
        sleep(SECOND).await;
        (walls(&readings.take()), fault_observed(tag))
    });
    let (walls, felt) = outcome.output;
    assert!(walls[1] < -3599 * SECOND_NS && walls[2] == 0, "{walls:?}");
    assert!(felt > 0);
}

#[test]
fn a_wall_clock_may_come_back_wrong_after_a_power_loss_and_not_after_a_kill() {
    let wall_after = |end: fn(NodeId), seed| {
        let outcome = run(seed, move || async move {
            let (node, readings) = add_watcher();
            let effect = ClockEffect::WrongAfterPowerLoss {
                wall_ns_max: 1000 * SECOND_NS as u64,
            };
            let tag = add_effects(node, &[effect]);
            sleep(10 * MS).await;
            end(node);
            node.restart();
            sleep(10 * MS).await;
            let last = *readings.borrow().last().unwrap();
            (last.wall_ns, fault_observed(tag) > 0)
        });
        outcome.output
    };
    let kill = |node: NodeId| _ = node.kill();
    let power_loss = |node: NodeId| _ = node.power_loss();
    let mut sides = [0, 0];
    for seed in 0..20 {
        assert_eq!(wall_after(kill, seed), (0, false));
        let (wall_ns, is_felt) = wall_after(power_loss, seed);
        assert!(wall_ns != 0 && wall_ns.abs() <= 1000 * SECOND_NS && is_felt);
        sides[usize::from(wall_ns > 0)] += 1;
    }
    assert!(sides[0] > 3 && sides[1] > 3, "early or late: {sides:?}");
}

#[test]
fn sleepers_follow_each_change_of_the_rate() {
    let outcome = run(7, || async {
        let node = add_node("sleeper");
        let woke_ns = Rc::new(Cell::new(0));
        let theirs = Rc::clone(&woke_ns);
        node.start(move || {
            let woke_ns = Rc::clone(&theirs);
            async move {
                let slept = timeout(10 * SECOND, std::future::pending::<()>()).await;
                assert!(slept.is_err());
                woke_ns.set(engine::now_ns());
            }
        });
        sleep(SECOND).await;
        // By its own clock: 1 s, then 2 s that take 4, then 3 s that take 2, then 4 s.
        let stopped = ClockEffect::DaemonStopped;
        let slow = add_effects(node, &[stopped, ClockEffect::Drift { ppm: -500_000 }]);
        sleep(4 * SECOND).await;
        remove_clock_effects(slow);
        let fast = add_effects(node, &[stopped, ClockEffect::Drift { ppm: 500_000 }]);
        sleep(2 * SECOND).await;
        add_effects(node, &[stopped]);
        remove_clock_effects(fast);
        sleep(10 * SECOND).await;
        woke_ns.get()
    });
    assert_eq!(outcome.output, 11_000_000_000);
}

/// Two machines take a lease in turn, by their wall clocks: the holder writes down until when it has
/// it, and the other takes over then. Answers whether both ever hold it at one instant of true time.
fn is_lease_broken(effects: &'static [ClockEffect]) -> bool {
    let outcome = run(7, move || async move {
        let lease = Rc::new(Cell::new((0, SystemTime::UNIX_EPOCH)));
        let holding = Rc::new(Cell::new([false; 2]));
        let is_broken = Rc::new(Cell::new(false));
        for number in 0..2 {
            let node = add_node(&format!("n{number}"));
            let world = (lease.clone(), holding.clone(), is_broken.clone());
            node.start(move || hold_lease(number, world.clone()));
            if number == 0 {
                add_effects(node, effects);
            }
        }
        sleep(60 * SECOND).await;
        is_broken.get()
    });
    outcome.output
}

type Lease = (
    Rc<Cell<(usize, SystemTime)>>,
    Rc<Cell<[bool; 2]>>,
    Rc<Cell<bool>>,
);

async fn hold_lease(number: usize, (lease, holding, is_broken): Lease) {
    let mut mine_until = SystemTime::UNIX_EPOCH;
    loop {
        sleep(10 * MS).await;
        let (holder, until) = lease.get();
        if holder != number && wall_now() > until + 500 * MS {
            mine_until = wall_now() + SECOND;
            lease.set((number, mine_until));
        }
        let mut holds = holding.get();
        holds[number] = wall_now() < mine_until;
        holding.set(holds);
        is_broken.set(is_broken.get() || holds == [true; 2]);
    }
}

#[test]
fn a_lease_by_wall_clocks_is_broken_by_their_skew() {
    assert!(!is_lease_broken(&[]));
    const SMALL: ClockEffect = ClockEffect::Offset {
        wall_ns: SECOND_NS / 4,
    };
    assert!(
        !is_lease_broken(&[SMALL]),
        "half a second of care is enough"
    );
    const LARGE: ClockEffect = ClockEffect::Offset { wall_ns: SECOND_NS };
    assert!(is_lease_broken(&[LARGE]));
}

#[test]
#[should_panic(expected = "the harness's clock is true time")]
fn the_harness_keeps_true_time() {
    run(7, || async {
        add_clock_effect(NodeId::HARNESS, new_fault_tag(), ClockEffect::DaemonStopped);
    });
}
