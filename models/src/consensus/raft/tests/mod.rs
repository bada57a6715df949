//! Tests of the state machine as a whole: rule by rule in tables, and all of it in storms.

mod cluster;
mod rules;

use squall_sim::mutant;

use cluster::{Broken, Tally};

#[test]
fn the_rules_hold_in_every_storm() {
    let mut sum = Tally::default();
    for seed in 0..500 {
        match cluster::run(seed) {
            Ok(tally) => sum.add(tally),
            Err((broken, why)) => panic!("seed {seed}: {broken:?}: {why}"),
        }
    }
    // Storms that reach nothing would prove nothing.
    assert!(sum.elections > 2_000, "{sum:?}");
    assert!(sum.acknowledged > 50_000, "{sum:?}");
    assert!(sum.reads > 50_000 && sum.failed_reads > 1_000, "{sum:?}");
    assert!(sum.crashes > 3_000, "{sum:?}");
    assert!(sum.truncations > 200, "{sum:?}");
    assert!(sum.snapshots_installed > 200, "{sum:?}");
}

#[test]
fn votes_counted_twice_elect_two_leaders() {
    check_mutant(
        "raft.duplicate-votes-counted",
        500,
        &[Broken::ElectionSafety, Broken::LeaderCompleteness],
    );
}

#[test]
fn votes_forgotten_in_a_restart_elect_two_leaders() {
    check_mutant("raft.vote-not-durable", 3_000, &[Broken::ElectionSafety]);
}

#[test]
fn older_terms_committed_by_counting_are_lost() {
    check_mutant(
        "raft.commit-older-term",
        3_000,
        &[Broken::LeaderCompleteness, Broken::StateMachineSafety],
    );
}

#[test]
fn entries_acknowledged_too_early_are_lost() {
    check_mutant(
        "raft.ack-before-commit",
        20,
        &[Broken::LeaderCompleteness, Broken::StateMachineSafety],
    );
}

#[test]
fn reads_without_a_round_are_stale() {
    check_mutant("raft.stale-leader-read", 20, &[Broken::ReadLinearizability]);
}

#[test]
fn reads_before_the_own_term_is_committed_are_stale() {
    check_mutant(
        "raft.read-before-own-term",
        20,
        &[Broken::ReadLinearizability],
    );
}

/// Some storm among the first few must break a rule, and the first rule broken must be an expected one.
fn check_mutant(id: &str, seed_count: u64, expected: &[Broken]) {
    mutant::activate(Some(id));
    let found = (0..seed_count).find_map(|seed| cluster::run(seed).err());
    mutant::activate(None);
    let (broken, why) = found.unwrap_or_else(|| panic!("no storm of {seed_count} finds {id}"));
    assert!(expected.contains(&broken), "{id} broke {broken:?}: {why}");
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.elections += other.elections;
        self.acknowledged += other.acknowledged;
        self.reads += other.reads;
        self.failed_reads += other.failed_reads;
        self.crashes += other.crashes;
        self.snapshots_installed += other.snapshots_installed;
        self.truncations += other.truncations;
    }
}
