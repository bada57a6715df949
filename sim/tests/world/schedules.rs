//! What the policies find of bugs that need an order.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use squall_sim::engine::{self, Config, Latency, NetworkConfig, Schedule, add_node, spawn_local};
use squall_sim::net::UdpSocket;
use squall_sim::task::yield_now;
use squall_sim::time::{Duration, sleep};

const STEPS: u32 = 20;

fn pct(depth: u8) -> Schedule {
    Schedule::Pct {
        depth,
        steps_estimate: 2 * u64::from(STEPS) + 6,
    }
}

/// Two tasks of twenty steps. The bug strikes if all of the second's happen between the first's tenth
/// and eleventh: it needs two orderings.
fn is_depth_two_bug_found(seed: u64, schedule: Schedule) -> bool {
    let config = Config {
        schedule,
        ..Config::new(seed)
    };
    let outcome = engine::run(config, || async {
        let steps = Rc::new(Cell::new(0));
        let (seen, counted) = (Rc::clone(&steps), Rc::clone(&steps));
        let first = spawn_local(async move {
            let mut at_tenth = 0;
            let mut is_found = false;
            for step in 1..=STEPS {
                match step {
                    10 => at_tenth = seen.get(),
                    11 => is_found = at_tenth == 0 && seen.get() == STEPS,
                    _ => {}
                }
                yield_now().await;
            }
            is_found
        });
        let second = spawn_local(async move {
            for _ in 0..STEPS {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        });
        let is_found = first.await.expect("it ends");
        second.await.expect("it ends");
        is_found
    });
    outcome.expect("it ends").output
}

fn finders(seeds: u64, schedule: Schedule) -> Vec<u64> {
    (0..seeds)
        .filter(|seed| is_depth_two_bug_found(*seed, schedule))
        .collect()
}

#[test]
fn pct_finds_a_bug_of_depth_two_as_often_as_promised_and_others_do_not() {
    const SEEDS: u64 = 3000;
    // Promised are 3000 / (3 * 46) = 22, with the harness as the third task; it can be expected with
    // one seed in 2 * 46, which is 33.
    let by_two = finders(SEEDS, pct(2));
    assert_eq!(by_two[..4], [52, 55, 245, 292]);
    assert!((22..=44).contains(&by_two.len()), "{}", by_two.len());
    // One change point more seldom does harm.
    let by_three = finders(SEEDS, pct(3));
    assert_eq!(by_three[..4], [55, 148, 245, 305]);
    assert!((22..=66).contains(&by_three.len()), "{}", by_three.len());
    assert_eq!(finders(SEEDS, pct(1)), [], "one ordering is not enough");
    let by_chance = finders(SEEDS, Schedule::Random).len();
    assert!(by_chance < by_two.len() / 3, "{by_chance}");
    assert_eq!(finders(SEEDS, Schedule::Fifo), [], "it has but one order");
}

/// The digest, and in what order ten tasks and ten datagrams of one instant came.
fn order_of_many(seed: u64, schedule: Schedule) -> (Vec<u8>, u64) {
    let config = Config {
        schedule,
        network: NetworkConfig {
            latency: Latency::Constant { ns: 1_000_000 },
            ..NetworkConfig::default()
        },
        ..Config::new(seed)
    };
    let outcome = engine::run(config, || async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let node = add_node("receiver");
        let theirs = Rc::clone(&order);
        node.start(move || {
            let order = Rc::clone(&theirs);
            async move {
                let socket = UdpSocket::bind("0.0.0.0:9").await.expect("a free port");
                let mut buffer = [0; 8];
                while socket.recv_from(&mut buffer).await.is_ok() {
                    order.borrow_mut().push(buffer[0]);
                }
            }
        });
        sleep(Duration::from_millis(1)).await;
        for number in 10..20 {
            let order = Rc::clone(&order);
            spawn_local(async move {
                sleep(Duration::from_millis(1)).await;
                order.borrow_mut().push(number);
            });
        }
        let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a free port");
        for number in 0..10 {
            socket
                .send_to(&[number], "receiver:9")
                .await
                .expect("it is open");
        }
        sleep(Duration::from_millis(5)).await;
        order.take()
    });
    let outcome = outcome.expect("it ends");
    (outcome.output, outcome.digest)
}

#[test]
fn pct_orders_deliveries_and_tasks_by_the_seed_alone() {
    let mut orders = BTreeSet::new();
    for seed in 0..20 {
        let (order, digest) = order_of_many(seed, pct(2));
        assert_eq!(order_of_many(seed, pct(2)), (order.clone(), digest));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>(), "nothing is lost");
        orders.insert(order);
    }
    assert_eq!(orders.len(), 20);
}

#[test]
fn a_task_that_waits_in_a_loop_does_not_stop_the_world() {
    for seed in 0..10 {
        let config = Config {
            schedule: pct(2),
            ..Config::new(seed)
        };
        let outcome = engine::run(config, || async {
            let is_done = Rc::new(Cell::new(false));
            let waits_for = Rc::clone(&is_done);
            let waiter = spawn_local(async move {
                while !waits_for.get() {
                    yield_now().await;
                }
            });
            spawn_local(async move {
                for _ in 0..5 {
                    yield_now().await;
                }
                is_done.set(true);
            });
            waiter.await.is_ok()
        });
        assert_eq!(outcome.map(|outcome| outcome.output), Ok(true));
    }
}
