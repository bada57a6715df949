//! Tests of the state machine as a whole.

mod cluster;

use std::collections::BTreeMap;

use squall_sim::mutant;

use cluster::{Broken, Tally};

#[test]
fn the_rules_hold_in_every_storm() {
    let mut sum = Tally::default();
    for seed in 0..SEED_COUNT {
        match cluster::run(seed) {
            Ok(tally) => sum.add(tally),
            Err((broken, why)) => panic!("seed {seed}: {broken:?}: {why}"),
        }
    }
    println!("{sum:?}");
}

#[test]
fn each_mutant_breaks_a_rule() {
    for id in [
        "raft.ack-before-commit",
        "raft.stale-leader-read",
        "raft.read-before-own-term",
        "raft.vote-not-durable",
        "raft.duplicate-votes-counted",
        "raft.commit-older-term",
    ] {
        mutant::activate(Some(id));
        let mut found: BTreeMap<Broken, u64> = BTreeMap::new();
        let mut first = None;
        for seed in 0..1000 {
            match std::panic::catch_unwind(|| cluster::run(seed)) {
                Ok(Err((broken, why))) => {
                    *found.entry(broken).or_default() += 1;
                    if broken != Broken::Progress {
                        first.get_or_insert((seed, broken, why));
                    }
                }
                Err(_) => {
                    println!("PANIC {id} {seed}");
                }
                _ => {}
            }
        }
        mutant::activate(None);
        println!("{id}: {found:?} {first:?}");
    }
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

const SEED_COUNT: u64 = 500;
