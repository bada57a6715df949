//! Scenarios as campaigns run them: without a planted bug nothing is found, a run is the same wherever
//! and however often it runs, and planted bugs are found soon.

mod program;

use program::Place;
use squall::campaign::{Job, Probing, RunResult, Stats, What, worker};
use squall_checkers::Verdict;
use squall_sim::fault::Fault;
use squall_workloads::plan::Seed;
use squall_workloads::scenario::{SCENARIOS, seed_of};

const BASE: Seed = Seed(0x5eed);

/// Runs a seed here, in this process.
fn run(scenario: &str, index: u64) -> RunResult {
    run_without(scenario, index, &[])
}

/// Runs a seed without some kinds of fault.
fn run_without(scenario: &str, index: u64, kinds: &[&str]) -> RunResult {
    let what = What::Seed {
        scenario: scenario.to_owned(),
        seed: seed_of(BASE, scenario, index),
        mutant: None,
        without: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
    };
    let result = worker::run(&Job {
        what,
        detail: true,
        probing: Probing::default(),
    });
    // A worker silences panics: not what a test wants.
    let _ = std::panic::take_hook();
    result
}

#[test]
fn without_a_planted_bug_every_run_is_valid() {
    let mut stats = Stats::default();
    let mut bad = Vec::new();
    for scenario in &SCENARIOS {
        for index in 0..60 {
            let result = run(scenario.id, index);
            stats.add(&result.stats);
            if !matches!(result.verdict, Verdict::Valid { .. }) {
                let seed = seed_of(BASE, scenario.id, index);
                bad.push(format!("{} {seed}: {:?}", scenario.id, result.verdict));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    // Runs in which nothing happens are valid too.
    let is_felt = |kind: &str| {
        stats
            .faults
            .get(kind)
            .is_some_and(|fault| fault.observed > 0)
    };
    let unfelt: Vec<_> = Fault::KINDS
        .into_iter()
        .filter(|kind| !is_felt(kind))
        .collect();
    // No system here speaks in datagrams, has two ports, marks futures that may be cancelled, or could
    // survive a disk that lies.
    let undrawn = [
        "port-cut",
        "duplicate",
        "cancel-tasks",
        "phantom-writes",
        "misdirected-writes",
    ];
    assert_eq!(unfelt, undrawn, "never felt");
    assert!(stats.ok > 60 * SCENARIOS.len() as u64 * 50, "{stats:?}");
}

#[test]
fn a_kind_of_fault_that_is_left_out_is_not_there() {
    for kind in Fault::KINDS {
        let mut stats = Stats::default();
        for index in 0..10 {
            let result = run_without(SCENARIOS[0].id, index, &[kind]);
            assert!(
                !matches!(result.verdict, Verdict::Invalid(_)),
                "{kind} {index}: {:?}",
                result.verdict
            );
            stats.add(&result.stats);
        }
        assert!(!stats.faults.contains_key(kind), "{kind} is left out");
        assert!(stats.faults.len() > 2, "the others are there: {stats:?}");
    }
}

/// The campaign's own check compares digests of two fresh processes. Here all of the record is compared,
/// and the process is one that has threads, random addresses and a past.
#[test]
fn a_run_is_the_same_in_any_process() {
    let place = Place::new();
    for scenario in &SCENARIOS {
        for index in 0..10 {
            let seed = seed_of(BASE, scenario.id, index);
            let first = run(scenario.id, index);
            let second = run(scenario.id, index);
            assert_eq!(
                first.detail.map(|detail| detail.record),
                second.detail.map(|detail| detail.record),
                "{} {seed}",
                scenario.id
            );
            let replayed = place
                .run(&format!("replay --scenario {} --seed {seed}", scenario.id))
                .expect_code(0);
            assert_eq!(
                replayed.after("digest: "),
                [first.digest],
                "{} {seed}",
                scenario.id
            );
        }
    }
}

#[test]
fn a_campaign_finds_its_own_runs_deterministic() {
    let ended = Place::new()
        .run("campaign --seeds 10 --check-determinism 10 --base-seed 77")
        .expect_code(0);
    assert!(!ended.stdout.contains("NONDETERMINISTIC"), "{ended}");
}

#[test]
fn seeds_differ() {
    for scenario in &SCENARIOS {
        let mut digests: Vec<_> = (0..10)
            .map(|index| run(scenario.id, index).digest)
            .collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 10, "{}", scenario.id);
    }
}

#[track_caller]
fn check_found_soon(mutant: &str) {
    let line = format!("mutants --mutant {mutant} --bases 1 --seeds 400 --controls 20");
    let ended = Place::new().run(&line).expect_code(0);
    assert!(
        ended.after(mutant).iter().any(|row| row.contains("(1)")),
        "who has found it is not said: {ended}"
    );
}

/// The planted bugs that show early; `squall mutants` measures them all.
#[test]
fn planted_bugs_are_found_soon() {
    for mutant in [
        "raft.ack-before-commit",
        "raft.stale-leader-read",
        "raft.read-before-own-term",
        "raft.duplicate-votes-counted",
        "log.acknowledged-before-sync",
        "log.snapshot-not-synced",
        "service.session-forgotten",
        "kv.sync-retried",
        "kv.broken-middle-cut-off",
        "kv.checkpoint-not-synced",
        "kv.conflict-not-checked",
        "kv.read-latest-not-snapshot",
        "broker.redelivered-while-held",
        "broker.dedup-window-short",
        "broker.ack-not-persisted",
        "broker.overflow-silent",
        "proxy.dirty-connection-reused",
        "proxy.retried-after-send",
        "proxy.half-open-unbounded",
        "proxy.retries-without-budget",
        "proxy.all-ejected",
    ] {
        check_found_soon(mutant);
    }
}

#[test]
fn a_planted_bug_that_is_not_found_is_said_to_be_missed() {
    let ended = Place::new()
        .run("mutants --mutant raft.stale-leader-read --bases 2 --seeds 1")
        .expect_code(100);
    assert!(ended.stdout.contains("not in 1"), "{ended}");
}

/// How soon a bug is found is a measure: it must not depend on how many looked for it.
#[test]
fn planted_bugs_are_found_as_soon_by_any_number_of_workers() {
    let measure = |jobs: u32| {
        let line = format!(
            "mutants --mutant raft.read-before-own-term --mutant raft.ack-before-commit --bases 3 \
             --seeds 400 --jobs {jobs}"
        );
        Place::new().run(&line).expect_code(0).stdout
    };
    assert_eq!(measure(1), measure(3));
}
