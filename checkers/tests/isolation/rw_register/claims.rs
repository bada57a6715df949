//! Orders that a system claims are judged as a replay judges them.

use super::reference::{Access, Transaction};
use super::{Random, Shape, built, cases, random_history, shown};
use squall_checkers::history::Outcome;
use squall_checkers::isolation::rw_register::{Claim, Order, StrongLevel, check_claim};
use squall_checkers::verdict::Verdict;

fn is_ordered(kind: Order, a: &Transaction, b: &Transaction) -> bool {
    let returned = a.outcome == Outcome::Ok && a.completed < b.invoked;
    match kind {
        Order::None => false,
        Order::Process => returned && a.process == b.process,
        Order::Realtime => returned,
    }
}

fn last_write(transaction: &Transaction, key: u32) -> Option<i64> {
    let mut accesses = transaction.accesses.iter().rev();
    accesses.find_map(|access| match *access {
        Access::Write(of, value) if of == key => Some(value),
        _ => None,
    })
}

/// What a read must see: what its transaction wrote itself, or else the last commit by its snapshot.
fn expected(history: &[Transaction], claims: &[Claim], reader: usize, place: usize) -> Option<i64> {
    let accesses = &history[reader].accesses;
    let Access::Read(key, _) = accesses[place] else {
        panic!("a read");
    };
    let own = accesses[..place]
        .iter()
        .rev()
        .find_map(|access| match *access {
            Access::Write(of, value) if of == key => Some(value),
            _ => None,
        });
    if own.is_some() {
        return own;
    }
    let snapshot = claims[reader].snapshot;
    let committed = claims.iter().filter(|claim| {
        claim.commit <= snapshot
            && claim.operation as usize != reader
            && last_write(&history[claim.operation as usize], key).is_some()
    });
    let last = committed.max_by_key(|claim| claim.commit);
    last.and_then(|claim| last_write(&history[claim.operation as usize], key))
}

fn explains(history: &[Transaction], claims: &[Claim], level: StrongLevel, order: Order) -> bool {
    let mut claims = claims.to_vec();
    if level == StrongLevel::Serializable {
        claims
            .iter_mut()
            .for_each(|claim| claim.snapshot = claim.commit);
    }
    let all = 0..history.len();
    let reads = all.clone().all(|reader| {
        (0..history[reader].accesses.len()).all(|place| match history[reader].accesses[place] {
            Access::Read(_, value) => value == expected(history, &claims, reader, place),
            Access::Write(..) => true,
        })
    });
    let pairs = || all.clone().flat_map(|a| all.clone().map(move |b| (a, b)));
    let agrees = pairs().all(|(a, b)| {
        !is_ordered(order, &history[a], &history[b]) || claims[a].commit <= claims[b].snapshot
    });
    let conflicts = pairs().any(|(a, b)| {
        let shared = (0..8).any(|key| {
            last_write(&history[a], key).is_some() && last_write(&history[b], key).is_some()
        });
        let between = claims[b].snapshot < claims[a].commit && claims[a].commit < claims[b].commit;
        a != b && shared && between
    });
    reads && agrees && !conflicts
}

#[test]
fn claimed_orders_are_judged_as_a_replay_says() {
    let mut explained = 0;
    let count = cases(20_000);
    for seed in 0..count {
        let mut random = Random(seed);
        let shape = Shape {
            transactions: 1 + random.below(4),
            keys: 1 + random.below(2),
            processes: 1 + random.below(3),
            accesses: 1 + random.below(3),
            crashed: 0,
            failed: 0,
            wild: [0, 10][random.below(2)],
            read_modify_write: random.below(2) == 0,
        };
        let history = random_history(&mut random, &shape);
        let claims = random_claims(&mut random, &history);
        let level = [StrongLevel::SnapshotIsolation, StrongLevel::Serializable][random.below(2)];
        let order = [Order::None, Order::Process, Order::Realtime][random.below(3)];
        let expected = explains(&history, &claims, level, order);
        let verdict = check_claim(&built(&history), &claims, level, order);
        let found = matches!(verdict, Verdict::Valid { .. });
        assert_eq!(
            found,
            expected,
            "{verdict:#?} of {claims:?} in {}",
            shown(&history)
        );
        explained += u64::from(expected);
    }
    println!("{explained} of {count} claims explain their history");
    assert!(explained > count / 20 && explained < count - count / 10);
}

/// Commits in the order in which transactions returned, or in any.
fn random_claims(random: &mut Random, history: &[Transaction]) -> Vec<Claim> {
    let is_wild = random.below(3) == 0;
    let claims = history.iter().enumerate().map(|(operation, transaction)| {
        let commit = match is_wild {
            true => 100 * (1 + random.below(9) as u64) + operation as u64,
            false => 10 * u64::from(transaction.completed),
        };
        let back = [0, 1, 10, 30, 200][random.below(5)];
        Claim {
            operation: operation as u32,
            snapshot: commit.saturating_sub(back),
            commit,
        }
    });
    claims.collect()
}

fn wrote(key: u32, number: u32) -> Transaction {
    Transaction {
        process: u64::from(number),
        outcome: Outcome::Ok,
        invoked: number,
        completed: 10 + number,
        accesses: vec![Access::Write(key, i64::from(number))],
    }
}

#[test]
fn every_commit_has_a_time_of_its_own_after_its_snapshot() {
    let history = [wrote(0, 0), wrote(1, 1)];
    let class = |claims: [(u64, u64); 2]| {
        let claims: Vec<Claim> = (0..)
            .zip(claims)
            .map(|(operation, (snapshot, commit))| Claim {
                operation,
                snapshot,
                commit,
            })
            .collect();
        let (level, order) = (StrongLevel::SnapshotIsolation, Order::None);
        match check_claim(&built(&history), &claims, level, order) {
            Verdict::Invalid(anomaly) => anomaly.class,
            other => other.word().to_owned(),
        }
    };
    assert_eq!(class([(1, 2), (1, 3)]), "valid");
    assert_eq!(class([(1, 2), (1, 2)]), "equal-claims");
    assert_eq!(class([(1, 2), (4, 3)]), "claim-out-of-order");
}
