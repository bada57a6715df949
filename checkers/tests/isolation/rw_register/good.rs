//! Good histories are accepted at a size that no search through orders could reach, and rejected once a
//! read is made stale.

use super::reference::{Access, Transaction};
use super::{Random, Shape, Strategy, built, options, random_history, shown};
use squall_checkers::history::Outcome;
use squall_checkers::isolation::rw_register::{
    FirstBadEvent, RwRegisterOptions, check_transactions,
};
use squall_checkers::verdict::Verdict;

fn shape(random: &mut Random, read_modify_write: bool) -> Shape {
    Shape {
        transactions: 50 + random.below(150),
        keys: 1 + random.below(10),
        processes: 1 + random.below(8),
        accesses: 1 + random.below(4),
        crashed: [0, 5][random.below(2)],
        failed: [0, 5][random.below(2)],
        wild: 0,
        read_modify_write,
    }
}

/// Makes one read see what had been overwritten before its transaction was invoked; returns when the
/// transaction returned.
fn make_stale(random: &mut Random, history: &mut [Transaction]) -> Option<u32> {
    let mut candidates = Vec::new();
    for (index, transaction) in history.iter().enumerate() {
        for (place, access) in transaction.accesses.iter().enumerate() {
            let Access::Read(key, Some(seen)) = *access else {
                continue;
            };
            let wrote = |other: &&Transaction| {
                let own = Access::Write(key, seen);
                other.accesses.contains(&own)
            };
            let writer = history.iter().find(wrote);
            let Some(writer) = writer.filter(|writer| writer.outcome == Outcome::Ok) else {
                continue;
            };
            let before = writer.accesses.iter().find_map(|access| match *access {
                Access::Read(of, value) if of == key => Some(value),
                _ => None,
            });
            let is_first = !transaction.accesses[..place]
                .iter()
                .any(|access| match *access {
                    Access::Read(of, _) | Access::Write(of, _) => of == key,
                });
            let is_ok = transaction.outcome == Outcome::Ok;
            if let Some(before) = before
                && is_first
                && is_ok
                && writer.completed < transaction.invoked
            {
                candidates.push((index, place, before));
            }
        }
    }
    let &(index, place, before) = candidates.get(random.below(candidates.len().max(1)))?;
    if let Access::Read(_, seen) = &mut history[index].accesses[place] {
        *seen = before;
    }
    Some(history[index].completed)
}

#[test]
fn good_histories_are_accepted() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let shape = shape(&mut random, seed % 2 == 0);
        let history = random_history(&mut random, &shape);
        let transactions = built(&history);
        for strategy in [Strategy::Auto, Strategy::WithoutGuess, Strategy::SolverOnly] {
            for model in [
                "strict-serializable",
                "strong-snapshot-isolation",
                "serializable",
            ] {
                let verdict = check_transactions(&transactions, &options(model, strategy));
                let is_valid = matches!(verdict, Verdict::Valid { .. });
                assert!(
                    is_valid,
                    "{model}, {strategy:?}: {verdict:#?} in {}",
                    shown(&history)
                );
            }
        }
    }
}

#[test]
fn good_histories_with_a_stale_read_are_rejected_at_the_right_event() {
    let mut rejected = 0;
    for seed in 0..120 {
        let mut random = Random(seed);
        let shape = shape(&mut random, true);
        let mut history = random_history(&mut random, &shape);
        let Some(returned) = make_stale(&mut random, &mut history) else {
            continue;
        };
        let options = RwRegisterOptions {
            first_bad_event: FirstBadEvent::Affordable,
            ..options("strict-serializable", Strategy::Auto)
        };
        let verdict = check_transactions(&built(&history), &options);
        let Verdict::Invalid(anomaly) = &verdict else {
            panic!("{verdict:#?} in {}", shown(&history));
        };
        let event = anomaly.first_bad_event.expect("it was searched for");
        assert!(
            event as u32 <= returned,
            "{anomaly:#?} in {}",
            shown(&history)
        );
        rejected += 1;
    }
    assert!(rejected > 60, "{rejected} had a read to make stale");
}
