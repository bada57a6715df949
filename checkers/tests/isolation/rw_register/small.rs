//! All histories of three transactions of up to two accesses on two keys.

use super::reference::{Access, Transaction};
use super::{Order, Strategy, compare};
use squall_checkers::history::Outcome;

/// What a transaction may do: the keys that it accesses, and whether it writes them.
const SHAPES: [&[(u32, bool)]; 9] = [
    &[(0, false)],
    &[(0, true)],
    &[(0, false), (0, true)],
    &[(0, false), (1, false)],
    &[(1, false), (0, false)],
    &[(0, true), (1, true)],
    &[(0, false), (1, true)],
    &[(1, false), (0, true)],
    &[(0, true), (1, false)],
];

/// How the three run: processes, and when each is invoked and returns.
const TIMES: [[(u64, u32, u32); 3]; 3] = [
    [(0, 0, 3), (1, 1, 4), (2, 2, 5)],
    [(0, 0, 1), (0, 2, 3), (1, 4, 5)],
    [(0, 0, 2), (1, 1, 4), (0, 3, 5)],
];

/// The transactions of these shapes, without what the reads saw; every write has a value of its own.
fn transactions(
    shapes: [usize; 3],
    times: [(u64, u32, u32); 3],
    crashed: usize,
) -> Vec<Transaction> {
    let mut value = 0;
    let transaction = |index: usize| {
        let (process, invoked, completed) = times[index];
        let accesses = SHAPES[shapes[index]].iter().map(|&(key, is_write)| {
            if !is_write {
                return Access::Read(key, None);
            }
            value += 1;
            Access::Write(key, value)
        });
        let accesses = accesses.collect();
        Transaction {
            process,
            outcome: if index == crashed {
                Outcome::Info
            } else {
                Outcome::Ok
            },
            invoked,
            completed,
            accesses,
        }
    };
    (0..3).map(transaction).collect()
}

/// Every read of those that ended in `ok`, and what it may see.
fn reads(history: &[Transaction]) -> Vec<(usize, usize, Vec<Option<i64>>)> {
    let written = |key: u32| {
        let accesses = history.iter().flat_map(|transaction| &transaction.accesses);
        let values = accesses.filter_map(move |access| match *access {
            Access::Write(of, value) if of == key => Some(Some(value)),
            _ => None,
        });
        [None].into_iter().chain(values).collect()
    };
    let mut reads = Vec::new();
    for (index, transaction) in history.iter().enumerate() {
        for (place, access) in transaction.accesses.iter().enumerate() {
            if let (Access::Read(key, _), Outcome::Ok) = (*access, transaction.outcome) {
                reads.push((index, place, written(key)));
            }
        }
    }
    reads
}

fn set(history: &mut [Transaction], index: usize, place: usize, seen: Option<i64>) {
    if let Access::Read(_, value) = &mut history[index].accesses[place] {
        *value = seen;
    }
}

/// Tries everything that the reads may see; returns how many histories there were.
fn try_all(history: &mut [Transaction], strategy: Strategy) -> usize {
    let reads = reads(history);
    let mut chosen = vec![0; reads.len()];
    let mut count = 0;
    loop {
        for (choice, (index, place, values)) in chosen.iter().zip(&reads) {
            set(history, *index, *place, values[*choice]);
        }
        compare(history, strategy, Order::None);
        count += 1;
        let mut digit = 0;
        while digit < chosen.len() && chosen[digit] + 1 == reads[digit].2.len() {
            chosen[digit] = 0;
            digit += 1;
        }
        let Some(choice) = chosen.get_mut(digit) else {
            return count;
        };
        *choice += 1;
    }
}

#[test]
fn all_small_histories_are_judged_as_the_definitions_say() {
    let mut count = 0;
    for number in 0..SHAPES.len().pow(3) {
        let shapes = [number / 81, number / 9 % 9, number % 9];
        for (way, times) in TIMES.into_iter().enumerate() {
            let crashed = (number + number / 9 + way) % 3;
            let strategies = [Strategy::Auto, Strategy::WithoutGuess, Strategy::SolverOnly];
            let mut history = transactions(shapes, times, crashed);
            count += try_all(&mut history, strategies[(number + way) % 3]);
            let mut history = transactions(shapes, times, 3);
            count += try_all(&mut history, Strategy::Auto);
        }
    }
    println!("{count} histories");
    assert!(count > 10_000);
}
