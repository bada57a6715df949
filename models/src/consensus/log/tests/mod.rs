//! Tests of the log as a whole: what it keeps in storms of crashes, what it costs, what it makes of damage.

mod damage;
mod reference;
mod storm;

use std::cell::RefCell;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use squall_sim::engine;
use squall_sim::fs;
use squall_sim::time::{Duration, timeout};

use super::{DurableLog, LogError, Options};
use crate::consensus::raft::{
    Entry, EntryId, HardState, Index, NodeId, Payload, Ready, Snapshot, Term,
};
use storm::Tally;

/// The same cases in every run.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(config, rng)
}

/// Checks a property, and shows the smallest case without it.
fn check<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value) -> Result<(), String>) {
    let test = |value| property(value).map_err(TestCaseError::fail);
    match runner(cases).run(&strategy, test) {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\nin {case:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

#[test]
fn every_storm_leaves_what_was_stored() {
    let sum = RefCell::new(Tally::default());
    check(1_500, storm::storms(), |storm| {
        sum.borrow_mut().add(storm::run(&storm, None)?);
        Ok(())
    });
    // Storms that reach nothing would prove nothing.
    let sum = sum.into_inner();
    assert!(sum.stored > 15_000 && sum.opened > 5_000, "{sum:?}");
    assert!(sum.found_nothing > 1_000 && sum.found_all > 800, "{sum:?}");
    assert!(sum.found_part > 200 && sum.left_over > 100, "{sum:?}");
    assert!(sum.crashed_in_opening > 1_500, "{sum:?}");
    assert!(sum.truncated > 2_000 && sum.installed > 1_500, "{sum:?}");
    assert!(sum.saved > 1_500, "{sum:?}");
}

#[test]
fn a_directory_that_is_not_synced_loses_segments() {
    check_mutant("log.directory-not-synced", 10);
}

#[test]
fn entries_acknowledged_before_the_sync_are_lost() {
    check_mutant("log.acknowledged-before-sync", 10);
}

#[test]
fn a_snapshot_that_is_not_synced_is_not_whole() {
    check_mutant("log.snapshot-not-synced", 10);
}

#[test]
fn a_checksum_that_is_not_checked_restores_garbage() {
    check_mutant("log.checksum-not-checked", 500);
}

/// Some storm among the first few must lose something.
fn check_mutant(id: &str, storm_count: u32) {
    let is_found = first_cases(storm_count, storm::storms())
        .any(|storm| storm::run(&storm, Some(id)).is_err());
    assert!(is_found, "no storm of {storm_count} finds {id}");
}

fn first_cases<S: Strategy>(count: u32, strategy: S) -> impl Iterator<Item = S::Value> {
    let mut runner = runner(count);
    (0..count).map(move |_| {
        let tree = strategy.new_tree(&mut runner);
        tree.expect("nothing is filtered out").current()
    })
}

fn hard_state(term: u64) -> HardState {
    HardState {
        term: Term(term),
        voted_for: Some(NodeId(0)),
    }
}

fn entry(term: u64, index: u64, size: usize) -> Entry {
    Entry {
        id: EntryId {
            term: Term(term),
            index: Index(index),
        },
        payload: Payload::Command(vec![7; size]),
    }
}

fn snapshot(term: u64, index: u64) -> Snapshot {
    Snapshot {
        last: entry(term, index, 0).id,
        data: vec![9; 100],
    }
}

/// The hard state of term 1 and the first entries, of so many bytes each.
fn first_ready(sizes: &[usize]) -> Ready {
    Ready {
        hard_state: Some(hard_state(1)),
        entries: (1..)
            .zip(sizes)
            .map(|(index, size)| entry(1, index, *size))
            .collect(),
        ..Ready::default()
    }
}

fn append(index: u64) -> Ready {
    Ready {
        entries: vec![entry(1, index, 100)],
        ..Ready::default()
    }
}

/// Runs some work on a new log with small segments; answers what it returns, and how often it synced.
fn with_log<T: Send + 'static>(
    work: impl AsyncFnOnce(&mut DurableLog) -> T + Send + 'static,
) -> (T, u64) {
    const OPTIONS: Options = Options {
        segment_bytes: 1_000,
    };
    let outcome = engine::run(engine::Config::new(1), || async {
        let (mut log, _) = DurableLog::open_with("/data/log", OPTIONS).await.unwrap();
        work(&mut log).await
    });
    let outcome = outcome.unwrap();
    (outcome.output, outcome.counters.file_syncs)
}

#[test]
fn every_sync_has_its_reason() {
    let (_, opening) = with_log(async |_| {});
    assert_eq!(opening, 3, "`data` in the root, `log` in `data`, `log`");
    let (_, syncs) = with_log(async |log| log.store(&Ready::default()).await.unwrap());
    assert_eq!(syncs - opening, 0, "nothing to write");

    let (_, first) = with_log(async |log| log.store(&first_ready(&[9])).await.unwrap());
    assert_eq!(first - opening, 2, "a new segment: the file and its name");
    let (_, syncs) = with_log(async |log| {
        log.store(&first_ready(&[9])).await.unwrap();
        let ready = Ready {
            hard_state: Some(hard_state(2)),
            truncate_from: Some(Index(1)),
            entries: vec![entry(2, 1, 9), entry(2, 2, 9), entry(2, 3, 9)],
            ..Ready::default()
        };
        log.store(&ready).await.unwrap();
    });
    assert_eq!(
        syncs - first,
        1,
        "hard state, cut and entries are one frame"
    );

    let (_, syncs) = with_log(async |log| {
        log.store(&first_ready(&[9])).await.unwrap();
        log.save_snapshot(&snapshot(1, 1), Index(1)).await.unwrap();
    });
    assert_eq!(syncs - first, 2, "a snapshot: the file and its name");
    let (_, syncs) = with_log(async |log| {
        log.store(&first_ready(&[9])).await.unwrap();
        let ready = Ready {
            hard_state: Some(hard_state(2)),
            snapshot: Some(snapshot(2, 9)),
            ..Ready::default()
        };
        log.store(&ready).await.unwrap();
    });
    assert_eq!(
        syncs - first,
        4,
        "a frame before the snapshot, one after it"
    );
}

#[test]
fn segments_and_snapshots_are_deleted_once_nobody_needs_them() {
    let (names, _) = with_log(async |log| {
        log.store(&first_ready(&[900])).await.unwrap();
        for index in 2..20 {
            log.store(&append(index)).await.unwrap();
        }
        let all = names().await;
        log.save_snapshot(&snapshot(1, 12), Index(8)).await.unwrap();
        log.save_snapshot(&snapshot(1, 11), Index(8)).await.unwrap();
        let trailing = names().await;
        log.save_snapshot(&snapshot(1, 19), Index(20))
            .await
            .unwrap();
        [all, trailing, names().await]
    });
    let expected: [&[&str]; 3] = [
        &["log-1", "log-2", "log-3", "log-4"],
        &["log-2", "log-3", "log-4", "snapshot-12"],
        &["log-4", "snapshot-19"],
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_snapshot_that_contradicts_the_log_leaves_nothing_of_it() {
    let (names, _) = with_log(async |log| {
        log.store(&first_ready(&[900])).await.unwrap();
        for index in 2..20 {
            log.store(&append(index)).await.unwrap();
        }
        let ready = Ready {
            hard_state: Some(hard_state(2)),
            snapshot: Some(snapshot(2, 10)),
            ..Ready::default()
        };
        log.store(&ready).await.unwrap();
        names().await
    });
    assert_eq!(names, ["log-4", "snapshot-10"]);
}

#[test]
fn opening_deletes_what_is_old_and_nothing_else() {
    let (names, _) = with_log(async |log| {
        log.store(&first_ready(&[9, 9])).await.unwrap();
        log.save_snapshot(&snapshot(1, 2), Index(1)).await.unwrap();
        let others = ["snapshot.tmp", "snapshot-00000000000000000001", "not-ours"];
        for name in others {
            fs::write(format!("/data/log/{name}"), b"?").await.unwrap();
        }
        DurableLog::open("/data/log").await.unwrap();
        names().await
    });
    assert_eq!(names, ["log-1", "not-ours", "snapshot-2"]);
}

/// The files in the log's directory, without the zeros in their names.
async fn names() -> Vec<String> {
    let paths = fs::read_dir("/data/log").await.unwrap().into_paths();
    let name = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (kind, number) = name.split_once('-').unwrap();
        format!("{kind}-{}", number.trim_start_matches('0'))
    };
    paths.iter().map(name).collect()
}

#[test]
fn after_an_error_only_a_restart_helps() {
    with_log(async |log| {
        log.store(&first_ready(&[900])).await.unwrap();
        let obstacle = "/data/log/log-00000000000000000002";
        fs::create_dir(obstacle).await.unwrap();
        let error = log.store(&append(2)).await.unwrap_err();
        let text = format!("cannot begin {obstacle}: File exists (os error 17)");
        assert_eq!(error.to_string(), text);
        fs::remove_dir(obstacle).await.unwrap();
        check_is_poisoned(log).await;
        let (mut log, restored) = DurableLog::open("/data/log").await.unwrap();
        assert_eq!(restored.entries, first_ready(&[900]).entries);
        log.store(&append(2)).await.unwrap();
    });
}

#[test]
fn a_write_that_is_broken_off_counts_as_an_error() {
    with_log(async |log| {
        log.store(&first_ready(&[10])).await.unwrap();
        let ready = append(2);
        let late = timeout(Duration::from_micros(100), log.store(&ready)).await;
        assert!(late.is_err(), "an fsync takes longer");
        check_is_poisoned(log).await;
    });
}

async fn check_is_poisoned(log: &mut DurableLog) {
    let results = [
        log.store(&Ready::default()).await,
        log.store(&append(2)).await,
        log.save_snapshot(&snapshot(1, 1), Index(2)).await,
    ];
    for result in results {
        assert!(matches!(result, Err(LogError::Poisoned)), "{result:?}");
    }
}

/// The same code on the files of this machine.
#[test]
fn real_files_keep_it_too() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("data/log");
    // A driver may run on any thread of a tokio runtime.
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    runtime.block_on(assert_send(async {
        let (mut log, restored) = DurableLog::open(&directory).await.unwrap();
        assert!(restored.entries.is_empty() && restored.snapshot.is_none());
        log.store(&first_ready(&[70_000, 10])).await.unwrap();
        log.store(&append(3)).await.unwrap();
        log.save_snapshot(&snapshot(1, 2), Index(3)).await.unwrap();
        let (mut log, restored) = DurableLog::open(&directory).await.unwrap();
        assert_eq!(restored.hard_state, hard_state(1));
        assert_eq!(restored.snapshot, Some(snapshot(1, 2)));
        assert_eq!(restored.entries, append(3).entries);
        log.store(&append(4)).await.unwrap();
    }));
}
