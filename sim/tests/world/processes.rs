//! What is done to processes and their tasks: moments, places, slow processors, panics, cancellation.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use squall_sim::engine::{
    self, Config, Domain, NodeId, Outcome, Place, TaskEffect, Trigger, add_node, add_node_in,
    add_task_effect, fault_observed, new_fault_tag, nodes_in, remove_task_effects, when,
};
use squall_sim::net::UdpSocket;
use squall_sim::task::{self, cancellable};
use squall_sim::time::{Duration, sleep};
use squall_sim::{emit, fs};
use tokio::io::AsyncWriteExt;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn run<T, F>(seed: u64, harness: impl FnOnce() -> F + Send) -> Outcome<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    engine::run(Config::new(seed), harness).expect("the harness ends")
}

/// Runs twice; the runs must be the same.
fn run_twice<T, F>(seed: u64, harness: impl Fn() -> F + Send + Sync) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let first = run(seed, &harness);
    assert_eq!(run(seed, &harness).digest, first.digest);
    first.output
}

/// Syncs a file again and again, and counts what it knows to be synced.
async fn sync_for_ever(acknowledged: Rc<Cell<u64>>) {
    let mut file = fs::File::create("/journal").await.unwrap();
    fs::sync_dir("/").await.unwrap();
    loop {
        file.write_all(b"entry").await.unwrap();
        file.sync_all().await.unwrap();
        acknowledged.set(acknowledged.get() + 1);
    }
}

#[test]
fn a_harness_acts_right_after_a_sync_and_before_its_program_knows() {
    let outcome = run_twice(7, || async {
        let acknowledged = Rc::new(Cell::new(0));
        let node = add_node("writer");
        let theirs = Rc::clone(&acknowledged);
        node.start(move || sync_for_ever(Rc::clone(&theirs)));
        // The first is the directory's.
        when(node, Trigger::Syncs(4)).await;
        node.power_loss();
        let known = acknowledged.get();
        let length = Rc::new(Cell::new(0));
        let theirs = Rc::clone(&length);
        node.start(move || {
            let length = Rc::clone(&theirs);
            async move { length.set(fs::read("/journal").await.unwrap().len()) }
        });
        when(node, Trigger::Ended).await;
        (known, length.get())
    });
    assert_eq!(outcome, (2, 15), "two are known, three are durable");
}

#[test]
fn a_harness_acts_right_after_a_rename() {
    let outcome = run_twice(7, || async {
        let has_gone_on = Rc::new(Cell::new(false));
        let node = add_node("renamer");
        let theirs = Rc::clone(&has_gone_on);
        node.start(move || {
            let has_gone_on = Rc::clone(&theirs);
            async move {
                fs::write("/a", b"1").await.unwrap();
                fs::rename("/a", "/b").await.unwrap();
                fs::rename("/b", "/c").await.unwrap();
                has_gone_on.set(true);
            }
        });
        when(node, Trigger::Renames(2)).await;
        node.kill();
        sleep(SECOND).await;
        has_gone_on.get()
    });
    assert!(!outcome);
}

struct BecameLeader(u64);

fn is_leader_of(term: u64) -> Trigger {
    Trigger::Emitted(Box::new(move |event: &dyn Any| {
        event
            .downcast_ref::<BecameLeader>()
            .is_some_and(|it| it.0 == term)
    }))
}

#[test]
fn a_harness_acts_on_what_a_program_says_before_anything_else_happens() {
    let outcome = run_twice(7, || async {
        let steps = Rc::new(Cell::new(0));
        let node = add_node("candidate");
        let theirs = Rc::clone(&steps);
        node.start(move || {
            let steps = Rc::clone(&theirs);
            async move {
                for term in 1.. {
                    emit(BecameLeader(term));
                    steps.set(steps.get() + 1);
                    task::yield_now().await;
                }
            }
        });
        for _ in 0..10 {
            task::spawn(sleep(MS));
        }
        when(node, is_leader_of(5)).await;
        node.kill();
        (steps.get(), engine::now_ns())
    });
    assert_eq!(outcome, (5, 0));
}

#[test]
fn the_end_of_a_process_is_a_moment() {
    let outcome = run_twice(7, || async {
        let node = add_node("short");
        node.start(|| sleep(3 * MS));
        when(node, Trigger::Ended).await;
        let ended_ns = engine::now_ns();
        node.restart();
        let unheard = when(node, is_leader_of(1));
        tokio::select! {
            () = unheard => unreachable!("it never leads"),
            () = when(node, Trigger::Ended) => {}
        }
        (ended_ns, engine::now_ns())
    });
    assert_eq!(outcome, (3_000_000, 6_000_000));
}

#[test]
fn machines_stand_in_racks_and_zones_and_fail_together() {
    let outcome = run(7, || async {
        let places = [(0, 0), (0, 1), (1, 0), (1, 0), (1, 1)];
        let nodes: Vec<NodeId> = places
            .iter()
            .enumerate()
            .map(|(number, (zone, rack))| {
                let domain = Domain {
                    zone: *zone,
                    rack: *rack,
                };
                let node = add_node_in(&format!("n{number}"), domain);
                assert_eq!(node.domain(), domain);
                node.start(std::future::pending);
                node
            })
            .collect();
        let rack = nodes_in(Place::Rack(Domain { zone: 1, rack: 0 }));
        assert_eq!(rack, nodes[2..4]);
        assert_eq!(nodes_in(Place::Zone(0)), nodes[..2], "without the harness");
        let ends = engine::power_loss(&nodes_in(Place::Zone(1)));
        assert_eq!(ends.len(), 3);
        nodes.iter().map(|node| node.is_up()).collect::<Vec<_>>()
    });
    assert_eq!(outcome.output, [true, true, false, false, false]);
}

/// When each of three answers leaves a server whose turns take 10 ms, or no time: three questions
/// arrive at about one instant, and each is answered by a task of its own.
fn answers_ms(effect: Option<TaskEffect>) -> (Vec<u64>, u64) {
    run_twice(7, move || async move {
        let node = add_node("server");
        let answers = Rc::new(RefCell::new(Vec::new()));
        let theirs = Rc::clone(&answers);
        node.start(move || {
            let answers = Rc::clone(&theirs);
            async move {
                let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
                let mut buffer = [0; 8];
                for _ in 0..3 {
                    socket.recv_from(&mut buffer).await.unwrap();
                    let answers = Rc::clone(&answers);
                    engine::spawn_local(async move {
                        answers.borrow_mut().push(engine::now_ns() / 1_000_000);
                    });
                }
                std::future::pending().await
            }
        });
        let tag = new_fault_tag();
        sleep(SECOND).await;
        if let Some(effect) = effect {
            add_task_effect(node, tag, effect);
        }
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for _ in 0..3 {
            socket.send_to(&[1], "server:9").await.unwrap();
        }
        sleep(SECOND).await;
        remove_task_effects(tag);
        (answers.take(), fault_observed(tag))
    })
}

#[test]
fn a_slow_processor_does_one_thing_after_the_other() {
    let (calm, felt) = answers_ms(None);
    assert!(calm.iter().all(|ms| *ms <= 1002) && felt == 0);
    let (slow, felt) = answers_ms(Some(TaskEffect::SlowCpu {
        turn_ns_min: 10_000_000,
        turn_ns_max: 10_000_000,
    }));
    assert_eq!(slow.len(), 3);
    assert!(
        slow[0] >= 1020,
        "a turn to receive, a turn to answer: {slow:?}"
    );
    assert!(
        slow[2] >= slow[0] + 20,
        "three answers, each for itself: {slow:?}"
    );
    assert!(felt >= 4, "{felt}");
}

#[test]
fn timers_of_a_slow_machine_are_late_and_its_pause_and_end_leave_nothing() {
    let outcome = run_twice(7, || async {
        let ticks = Rc::new(Cell::new(0));
        let node = add_node("slow");
        let theirs = Rc::clone(&ticks);
        node.start(move || {
            let ticks = Rc::clone(&theirs);
            async move {
                loop {
                    sleep(MS).await;
                    ticks.set(ticks.get() + 1);
                }
            }
        });
        let tag = new_fault_tag();
        let effect = TaskEffect::SlowCpu {
            turn_ns_min: 99_000_000,
            turn_ns_max: 99_000_000,
        };
        add_task_effect(node, tag, effect);
        let mut seen = Vec::new();
        let mut see = async || {
            sleep(SECOND).await;
            seen.push(ticks.replace(0));
        };
        see().await;
        node.pause();
        see().await;
        node.resume();
        see().await;
        node.kill();
        node.restart();
        see().await;
        remove_task_effects(tag);
        see().await;
        seen
    });
    assert_eq!(outcome[..4], [9, 0, 10, 9]);
    assert!((900..=1000).contains(&outcome[4]), "{outcome:?}");
}

/// A server of three tasks for a second, with an effect; whether it is up at the end.
fn under_panics(seed: u64, per_million: u32) -> (bool, u64, usize, Vec<u64>) {
    let outcome = run(seed, move || async move {
        let node = add_node("fragile");
        node.start(|| async {
            for _ in 0..3 {
                task::spawn(async {
                    loop {
                        sleep(MS).await;
                    }
                });
            }
            std::future::pending().await
        });
        let tag = new_fault_tag();
        add_task_effect(node, tag, TaskEffect::Panic { per_million });
        sleep(SECOND).await;
        (node.is_up(), fault_observed(tag))
    });
    assert!(outcome.panics.is_empty(), "it is nobody's bug");
    let panics = outcome.injected_panics.iter();
    let times = panics.map(|panic| panic.time_ns).collect();
    let (is_up, felt) = outcome.output;
    (is_up, felt, outcome.injected_panics.len(), times)
}

#[test]
fn a_task_panics_by_key_and_ends_its_process() {
    assert_eq!(under_panics(7, 0), (true, 0, 0, vec![]));
    let mut ends = 0;
    for seed in 0..40 {
        let struck = under_panics(seed, 300);
        assert_eq!(under_panics(seed, 300), struck);
        assert_eq!((!struck.0, struck.2), (struck.1 == 1, struck.1 as usize));
        ends += struck.1;
    }
    // 3000 turns: with a probability of 1 - e^-0.9 = 0.59.
    assert!((14..=34).contains(&ends), "{ends}");
}

/// Takes from one place and puts into another, with an await in between: what is in neither is lost if
/// it is dropped there.
async fn move_one(from: Rc<Cell<u32>>, to: Rc<Cell<u32>>) {
    from.set(from.get() - 1);
    sleep(MS).await;
    to.set(to.get() + 1);
}

fn lost_by_cancellation(seed: u64, per_million: u32) -> (u32, u64) {
    run_twice(seed, move || async move {
        let node = add_node("mover");
        let (from, to) = (Rc::new(Cell::new(100)), Rc::new(Cell::new(0)));
        let theirs = (from.clone(), to.clone());
        node.start(move || {
            let (from, to) = theirs.clone();
            async move {
                for _ in 0..50 {
                    let moving = move_one(from.clone(), to.clone());
                    let _ = cancellable("move-one", moving).await;
                }
                std::future::pending().await
            }
        });
        let tag = new_fault_tag();
        add_task_effect(node, tag, TaskEffect::Cancel { per_million });
        sleep(SECOND).await;
        (100 - from.get() - to.get(), fault_observed(tag))
    })
}

#[test]
fn a_cancellable_future_is_dropped_at_an_await() {
    assert_eq!(lost_by_cancellation(7, 0), (0, 0));
    assert_eq!(lost_by_cancellation(7, 1_000_000), (50, 50));
    let (lost, felt) = lost_by_cancellation(7, 200_000);
    assert!(lost as u64 == felt && (3..=20).contains(&lost), "{lost}");
}

#[test]
fn a_budget_of_memory_is_refused_where_nobody_counts() {
    use squall_sim::engine::{MemoryBudgetError, set_memory_budget};
    let outcome = run(7, || async {
        set_memory_budget(add_node("n"), new_fault_tag(), 1000)
    });
    assert_eq!(outcome.output, Err(MemoryBudgetError::NotCounted));
}
