//! The trace: what it tells, and that telling changes nothing.

use squall_sim::engine::{self, Config, DecisionKind, Findings, STRIDE, Trace, Wanted, add_node};
use squall_sim::time::{Duration, sleep};
use squall_sim::{log, task};

/// A machine that sleeps so often, with another last sleep; the run's digest and what was found.
fn run(wanted: Wanted, sleeps: u64, last_ms: u64) -> (u64, Findings) {
    let (outcome, findings) = engine::probed(wanted, || {
        engine::run(Config::new(1), move || async move {
            let node = add_node("n1");
            node.start(move || async move {
                log!("it begins");
                let worker = task::spawn(async move {
                    for _ in 0..sleeps {
                        sleep(Duration::from_millis(1)).await;
                    }
                    sleep(Duration::from_millis(last_ms)).await;
                });
                let _ = worker.await;
            });
            sleep(Duration::from_secs(100)).await;
        })
    });
    (outcome.expect("the harness ends").digest, findings)
}

fn trace(window: std::ops::Range<u64>, sleeps: u64, last_ms: u64) -> Trace {
    let wanted = Wanted {
        trace: Some(window),
        ..Wanted::default()
    };
    run(wanted, sleeps, last_ms)
        .1
        .trace
        .expect("a trace was wanted")
}

#[test]
fn a_probe_changes_no_digest() {
    let (plain, nothing) = run(Wanted::default(), 100, 1);
    assert_eq!(nothing.trace, None);
    let wanted = Wanted {
        trace: Some(0..u64::MAX),
        ..Wanted::default()
    };
    assert_eq!(run(wanted, 100, 1).0, plain);
}

#[test]
fn equal_runs_have_equal_traces_whatever_their_windows() {
    let (whole, bare) = (trace(0..u64::MAX, 1000, 1), trace(0..0, 1000, 1));
    assert_eq!(whole.window.len() as u64, whole.count);
    assert_eq!(bare.window, []);
    assert_eq!(
        (&bare.checkpoints, bare.count, bare.end),
        (&whole.checkpoints, whole.count, whole.end)
    );
    assert_eq!(bare.checkpoints.len() as u64, bare.count / STRIDE);
    assert!(whole.count > 2 * STRIDE);
}

#[test]
fn runs_part_at_the_decision_that_differs() {
    let (left, right) = (trace(0..u64::MAX, 1000, 1), trace(0..u64::MAX, 1000, 2));
    let pairs = left.window.iter().zip(&right.window);
    let (mine, other) = pairs
        .clone()
        .find(|(mine, other)| mine.chain != other.chain)
        .expect("they differ");
    assert_eq!(
        (mine.kind, mine.number),
        (DecisionKind::Schedule, other.number)
    );
    assert_eq!(
        (&*mine.node, mine.incarnation, mine.time_ns),
        ("n1", 1, 1_000_000_000)
    );
    assert!(
        mine.task.starts_with("main > child 1 world::trace::run"),
        "{}",
        mine.task
    );
    assert!(!mine.callers.is_empty());
    assert_eq!(mine.log, ["0 ns  it begins"]);
}

#[test]
fn a_run_that_fails_tells_all_the_same() {
    let wanted = Wanted {
        trace: Some(0..10),
        ..Wanted::default()
    };
    let (outcome, findings) = engine::probed(wanted, || {
        engine::run(Config::new(1), std::future::pending::<()>)
    });
    assert!(outcome.is_err());
    assert!(findings.trace.is_some_and(|trace| trace.count > 0));
}

#[test]
fn only_the_next_run_is_probed() {
    let (_, findings) = engine::probed(Wanted::default(), || ());
    assert_eq!(findings, Findings::default());
    let outcome = engine::run(Config::new(1), || async {});
    assert!(outcome.is_ok());
}
