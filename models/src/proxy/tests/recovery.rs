//! The canonical metastable failure: an overload of three seconds, and whether it ends with its cause.

use std::rc::Rc;

use squall_sim::engine;
use squall_sim::time::{Duration, Instant, sleep};

use super::world::{MS, Seen, observe, start};
use crate::proxy::client::{self, Client};

/// What the backends can do together, in a second: three, with two hands each, 10 ms a request.
const CAPACITY: u64 = 600;

/// Whether breakers shed load besides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breakers {
    On,
    Off,
}

/// Clients that arrive whether or not others have been answered, as people do: at two thirds of what
/// the backends can do, and for three seconds at three times as much as they can.
fn overload(seed: u64, mutant: Option<&str>, breakers: Breakers) -> Seen {
    let mut config = engine::Config::new(seed);
    config.mutant = mutant.map(str::to_owned);
    let outcome = engine::run(config, move || async move {
        let seen = observe();
        start(
            move |proxy| {
                proxy.in_flight_max = 4096;
                if breakers == Breakers::Off {
                    (proxy.breaker.consecutive_failures, proxy.breaker.volume_min) =
                        (u32::MAX, u64::MAX);
                }
            },
            |backend| {
                backend.concurrency = 2;
                backend.queue_max = 1000;
            },
        );
        sleep(100 * MS).await;
        let mut number = 0u64;
        while Instant::now().as_nanos() < 15_000_000_000 {
            let is_rush = (3000..6000).contains(&(Instant::now().as_nanos() / 1_000_000));
            let rate = if is_rush {
                CAPACITY * 3
            } else {
                CAPACITY * 2 / 3
            };
            sleep(Duration::from_nanos(1_000_000_000 / rate)).await;
            number += 1;
            let seen = Rc::clone(&seen);
            engine::spawn_local(async move {
                let mut client = Client::new(client::Config::new("proxy:80"));
                let name = format!("{number}");
                let result = client.echo(&name, Instant::now() + 2000 * MS).await;
                let mut seen = seen.borrow_mut();
                match result {
                    Ok(_) => seen.answered_ns.push(engine::now_ns()),
                    Err(error) => *seen.errors.entry(error.to_string()).or_default() += 1,
                }
            });
        }
        sleep(3000 * MS).await;
        seen.take()
    });
    outcome.expect("the harness ends").output
}

/// Answers in a second that begins five seconds after the rush, as a share of what is asked.
fn share_after(seen: &Seen) -> u64 {
    seen.answered_between(11_000, 13_000) as u64 * 100 / (2 * CAPACITY * 2 / 3)
}

#[test]
fn an_overload_ends_with_its_cause() {
    let seen = overload(1, None, Breakers::On);
    assert_eq!(seen.unpaid_retries(), 0);
    assert_eq!(seen.wasted_work(), 0);
    assert!(share_after(&seen) >= 95, "{} %", share_after(&seen));
    let during = seen.answered_between(3500, 6000);
    assert!(
        during < 2500 * 3 * 600 / 1000,
        "the overload is felt: {during}"
    );
}

#[test]
fn retries_without_a_budget_multiply() {
    let seen = overload(1, Some("proxy.retries-without-budget"), Breakers::On);
    assert!(seen.unpaid_retries() > 100, "{}", seen.unpaid_retries());
}

#[test]
fn backends_that_know_no_deadline_work_for_nobody() {
    let seen = overload(1, Some("proxy.deadline-not-propagated"), Breakers::On);
    assert!(seen.wasted_work() > 100, "{}", seen.wasted_work());
}

#[test]
fn without_a_rush_neither_shows() {
    for mutant in [
        "proxy.retries-without-budget",
        "proxy.deadline-not-propagated",
    ] {
        let plan = super::world::Plan {
            mutant: Some(mutant),
            ..super::world::Plan::new(1, super::world::Storm::Calm)
        };
        let seen = super::world::run(plan).output;
        assert_eq!((seen.unpaid_retries(), seen.wasted_work()), (0, 0));
    }
}

#[test]
fn it_ends_without_breakers_too() {
    let seen = overload(1, None, Breakers::Off);
    assert_eq!((seen.unpaid_retries(), seen.wasted_work()), (0, 0));
    assert!(share_after(&seen) >= 95, "{} %", share_after(&seen));
}
