//! Tests of the log as a whole: in storms of crashes, and against damage.

mod reference;
mod storm;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::RefCell;

use squall_sim::engine;

use super::DurableLog;
use crate::consensus::raft::Ready;
use storm::{Storm, Tally};

/// The same storms in every run.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(config, rng)
}

#[test]
fn every_storm_leaves_what_was_stored() {
    let sum = RefCell::new(Tally::default());
    let result = runner(400).run(&storm::storms(), |storm| {
        let tally = storm::run(&storm, None).map_err(TestCaseError::fail)?;
        sum.borrow_mut().add(tally);
        Ok(())
    });
    if let Err(TestError::Fail(why, storm)) = result {
        panic!("{why}\nin {storm:#?}");
    }
    result.expect("no other error");
    let sum = sum.into_inner();
    panic!("{sum:?}");
}

#[test]
fn a_directory_that_is_not_synced_loses_segments() {
    check_mutant("log.directory-not-synced", 100);
}

#[test]
fn a_checksum_that_is_not_checked_restores_garbage() {
    check_mutant("log.checksum-not-checked", 100);
}

#[test]
fn entries_acknowledged_before_the_sync_are_lost() {
    check_mutant("log.acknowledged-before-sync", 100);
}

#[test]
fn a_snapshot_that_is_not_synced_is_not_whole() {
    check_mutant("log.snapshot-not-synced", 100);
}

/// Some storm among the first few must lose something.
fn check_mutant(id: &str, storm_count: u32) {
    let found = first_storms(storm_count).find_map(|(n,storm)| storm::run(&storm, Some(id)).err().map(|e| (n, e)));
    eprintln!("{found:?}");
    assert!(found.is_some(), "no storm of {storm_count} finds {id}");
}

fn first_storms(count: u32) -> impl Iterator<Item = (u32, Storm)> {
    let mut runner = runner(count);
    (0..count).map(move |n| {
        let tree = storm::storms().new_tree(&mut runner);
        (n, tree.expect("storms are not filtered").current())
    })
}

#[test]
fn nothing_to_store_costs_nothing() {
    let outcome = engine::run(engine::Config::new(1), || async {
        let (mut log, _) = DurableLog::open("/data/log").await.unwrap();
        let before = squall_sim::time::Instant::now();
        log.store(&Ready::default()).await.unwrap();
        squall_sim::time::Instant::now() == before
    });
    assert!(outcome.unwrap().output);
}
