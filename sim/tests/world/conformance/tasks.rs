//! Tasks and time: what ends when, and what is left of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use squall_sim::task::{self, JoinSet};
use squall_sim::time::{
    Duration, Instant, interval, interval_at, sleep, sleep_until, timeout, timeout_at,
};

use super::{Log, check};

const MS: Duration = Duration::from_millis(1);

#[test]
fn handles_give_the_output_or_say_that_there_is_none() {
    check(|_| async {
        let mut log = Log::default();
        log.see("output", task::spawn(async { 2 + 3 }).await.ok());
        let stuck = task::spawn(std::future::pending::<()>());
        log.see("is finished", stuck.is_finished());
        stuck.abort();
        log.see("aborted", stuck.await.map_err(|error| error.is_panic()));
        let done = task::spawn(async { 7 });
        sleep(5 * MS).await;
        log.see("is finished", done.is_finished());
        done.abort();
        log.see("aborted too late", done.await.ok());
        log
    });
}

#[test]
fn a_task_outlives_its_handle_and_drops_what_it_holds() {
    check(|_| async {
        let mut log = Log::default();
        let count = Arc::new(AtomicU32::new(0));
        let held = Arc::clone(&count);
        drop(task::spawn(async move {
            sleep(MS).await;
            held.fetch_add(1, Ordering::Relaxed);
        }));
        let held = Arc::clone(&count);
        let stuck = task::spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        // A real machine may be busy with other things.
        sleep(250 * MS).await;
        log.see("ran", count.load(Ordering::Relaxed));
        log.see("held by", Arc::strong_count(&count));
        stuck.abort();
        log.see("aborted", stuck.await.is_err());
        log.see("held by", Arc::strong_count(&count));
        log
    });
}

#[test]
fn sleepers_wake_in_order_of_their_deadlines() {
    check(|_| async {
        let mut log = Log::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let sleepers: Vec<_> = [30, 10, 20, 0]
            .into_iter()
            .map(|ms| {
                let order = Arc::clone(&order);
                task::spawn(async move {
                    sleep(ms * MS).await;
                    order.lock().unwrap().push(ms);
                })
            })
            .collect();
        for sleeper in sleepers {
            sleeper.await.unwrap();
        }
        log.see("order", order.lock().unwrap());
        let deadline = Instant::now() + 5 * MS;
        sleep_until(deadline).await;
        log.see("reached", Instant::now() >= deadline);
        sleep_until(deadline).await;
        log
    });
}

#[test]
fn a_timeout_lets_what_is_ready_win() {
    check(|_| async {
        let mut log = Log::default();
        let zero = Duration::ZERO;
        log.see("ready", timeout(zero, async { 1 }).await.ok());
        let never = std::future::pending::<()>();
        log.see("never", timeout(MS, never).await.is_ok());
        let soon = async {
            sleep(MS).await;
            2
        };
        log.see("soon", timeout(1000 * MS, soon).await.ok());
        log
    });
}

#[test]
fn an_interval_ticks_at_once_and_then_each_period() {
    check(|_| async {
        let mut log = Log::default();
        let mut ticks = interval(3 * MS);
        let first = ticks.tick().await;
        for number in 1..4 {
            let due = ticks.tick().await;
            log.see("on time", due.duration_since(first) == number * 3 * MS);
            log.see("not early", Instant::now() >= due);
        }
        log
    });
}

#[test]
fn a_set_of_tasks_gives_them_in_the_order_in_which_they_end() {
    check(|_| async {
        let mut log = Log::default();
        let mut set = JoinSet::new();
        log.see("of nothing", set.join_next().await.is_none());
        for ms in [300_u32, 10, 150] {
            set.spawn(async move {
                sleep(ms * MS).await;
                ms
            });
        }
        log.see("too early", set.try_join_next().is_none());
        log.see("count", set.len());
        let first = set.join_next().await;
        log.see("first", first.and_then(Result::ok));
        // Nothing is lost with a join that is dropped.
        log.see("dropped", timeout(MS, set.join_next()).await.is_err());
        log.see("the others", set.join_all().await);
        log
    });
}

#[test]
fn a_set_of_tasks_aborts_them() {
    check(|_| async {
        let mut log = Log::default();
        let held = Arc::new(());
        let spawn_stuck = |set: &mut JoinSet<()>| {
            let held = Arc::clone(&held);
            set.spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            })
        };
        let mut set = JoinSet::new();
        let one = spawn_stuck(&mut set);
        spawn_stuck(&mut set);
        sleep(MS).await;
        one.abort();
        log.see(
            "aborted",
            set.join_next().await.map(|joined| joined.is_err()),
        );
        log.see("left", set.len());
        set.shutdown().await;
        log.see("empty", set.is_empty());
        log.see("held by", Arc::strong_count(&held));
        spawn_stuck(&mut set);
        sleep(MS).await;
        drop(set);
        sleep(MS).await;
        log.see("held by", Arc::strong_count(&held));
        let mut set = JoinSet::new();
        spawn_stuck(&mut set);
        sleep(MS).await;
        set.detach_all();
        log.see("nothing to join", set.join_next().await.is_none());
        log.see("held by", Arc::strong_count(&held));
        log
    });
}

#[test]
fn code_that_blocks_is_a_task() {
    check(|_| async {
        let mut log = Log::default();
        let work = task::spawn_blocking(|| (1..=10).product::<u32>());
        log.see("output", work.await.ok());
        log.see("in place", task::block_in_place(|| 7));
        let mut set = JoinSet::new();
        set.spawn_blocking(|| 8);
        log.see("in a set", set.join_all().await);
        log
    });
}

#[test]
fn a_deadline_can_be_a_point_in_time() {
    check(|_| async {
        let mut log = Log::default();
        let start = Instant::now();
        let mut ticks = interval_at(start + 3 * MS, 1000 * MS);
        log.see("first", ticks.tick().await - start == 3 * MS);
        let in_time = timeout_at(start + 1000 * MS, sleep(MS)).await;
        log.see("in time", in_time.is_ok());
        let too_late = timeout_at(start, sleep(1000 * MS)).await;
        log.see("too late", too_late.is_err());
        ticks.reset();
        let next = timeout(100 * MS, ticks.tick()).await;
        log.see("reset", next.is_err());
        log
    });
}
