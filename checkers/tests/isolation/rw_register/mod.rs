//! The checker of transactions on registers agrees with a reference that tries every order, on all
//! small histories and on random ones.

mod claims;
mod formulas;
mod good;
mod limits;
mod neighbours;
mod reference;
mod small;
mod told;

use crate::random::{Random, cases};
use reference::{Access, MODELS, Transaction};
use squall_checkers::history::{Outcome, ValueRef};
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::isolation::rw_register::{
    FirstBadEvent, Invocation, Order, RwRegisterOptions, Strategy, Transactions, check_transactions,
};
use squall_checkers::verdict::Verdict;
use std::collections::BTreeMap;

fn built(history: &[Transaction]) -> Transactions {
    let mut transactions = Transactions::default();
    for (operation, transaction) in history.iter().enumerate() {
        let is_known = transaction.outcome != Outcome::Info;
        transactions.begin(Invocation {
            operation: operation as u32,
            process: transaction.process,
            outcome: transaction.outcome,
            invoked: transaction.invoked,
            completed: is_known.then_some(transaction.completed),
        });
        for access in &transaction.accesses {
            match *access {
                Access::Read(key, value) => {
                    let key = transactions.key(ValueRef::Int(i64::from(key)));
                    transactions.read(key, value.map_or(ValueRef::Nil, ValueRef::Int));
                }
                Access::Write(key, value) => {
                    let key = transactions.key(ValueRef::Int(i64::from(key)));
                    transactions.write(key, ValueRef::Int(value));
                }
            }
        }
    }
    transactions
}

fn options(model: &str, strategy: Strategy) -> RwRegisterOptions {
    let model: ConsistencyModel = model.parse().expect("a model");
    RwRegisterOptions {
        model,
        strategy,
        first_bad_event: FirstBadEvent::Never,
        ..RwRegisterOptions::default()
    }
}

fn shown(history: &[Transaction]) -> String {
    let lines = history
        .iter()
        .map(|transaction| format!("\n{transaction:?}"));
    lines.collect()
}

/// Compares all models, and returns which hold.
fn compare(history: &[Transaction], strategy: Strategy, keys: Order) -> reference::Models {
    let satisfied = reference::satisfied(history, keys);
    let transactions = built(history);
    for (index, model) in MODELS.iter().enumerate() {
        let expected = satisfied >> index & 1 == 1;
        let options = RwRegisterOptions {
            keys,
            ..options(model, strategy)
        };
        let verdict = check_transactions(&transactions, &options);
        let found = match &verdict {
            Verdict::Valid { witness } => {
                if let Some(order) = witness {
                    verify_witness(history, order, model);
                }
                true
            }
            Verdict::Vacuous(_) => true,
            Verdict::Invalid(anomaly) => {
                let parsed = anomaly
                    .rules_out
                    .iter()
                    .map(|name| name.parse::<ConsistencyModel>());
                for broken in parsed {
                    let broken = broken.expect("a model").name();
                    let index = MODELS.iter().position(|&name| name == broken);
                    let holds = index.is_some_and(|index| satisfied >> index & 1 == 1);
                    assert!(
                        !holds,
                        "{broken} is not ruled out by {anomaly:#?} in {}",
                        shown(history)
                    );
                }
                if anomaly.minimal {
                    verify_minimal(history, &anomaly.witness, index, keys);
                }
                false
            }
            Verdict::Unknown(why) => panic!("{model}: {why} in {}", shown(history)),
        };
        assert_eq!(
            found,
            expected,
            "{model}: {verdict:#?} in {}",
            shown(history)
        );
    }
    satisfied
}

/// All that returned stand in the order of commits and, if the model is one of serializability, read what
/// those before them wrote.
fn verify_witness(history: &[Transaction], order: &[usize], model: &str) {
    for (id, transaction) in history.iter().enumerate() {
        let count = order.iter().filter(|&&other| other == id).count();
        let is_right = match transaction.outcome {
            Outcome::Ok => count == 1,
            Outcome::Info => count <= 1,
            Outcome::Fail => count == 0,
        };
        assert!(is_right, "{model}: {order:?} of {}", shown(history));
    }
    if !model.contains("serializable") {
        return;
    }
    let mut state: BTreeMap<u32, i64> = BTreeMap::new();
    for transaction in order.iter().map(|&id| &history[id]) {
        for access in &transaction.accesses {
            match *access {
                Access::Write(key, value) => {
                    state.insert(key, value);
                }
                Access::Read(key, value) if transaction.outcome == Outcome::Ok => {
                    let there = state.get(&key).copied();
                    assert_eq!(there, value, "{model}: {order:?} of {}", shown(history));
                }
                Access::Read(..) => {}
            }
        }
    }
}

/// The transactions of the witness break the model whatever the others did, and without what any of them
/// says they do not.
fn verify_minimal(history: &[Transaction], witness: &[usize], model: usize, keys: Order) {
    let holds = |believed: &dyn Fn(usize) -> bool| {
        let mut relaxed = history.to_vec();
        for (id, transaction) in relaxed.iter_mut().enumerate() {
            if !believed(id) {
                transaction.outcome = Outcome::Info;
            }
        }
        reference::satisfied(&relaxed, keys) >> model & 1 == 1
    };
    let of_model = MODELS[model];
    let is_possible = holds(&|id| witness.contains(&id));
    assert!(
        !is_possible,
        "{of_model}: {witness:?} of {}",
        shown(history)
    );
    for &one in witness {
        let is_possible = holds(&|id| id != one && witness.contains(&id));
        let history = || shown(history);
        assert!(
            is_possible,
            "{of_model}: {witness:?} without {one} of {}",
            history()
        );
    }
}

/// What a random history is made of.
struct Shape {
    transactions: usize,
    keys: usize,
    processes: usize,
    accesses: usize,
    /// Of 100 transactions, how many crash and how many fail.
    crashed: usize,
    failed: usize,
    /// Of 100 reads, how many see anything at all.
    wild: usize,
    /// Whether every write follows a read of its key.
    read_modify_write: bool,
}

/// Transactions of a database that runs them one at a time, at some time between invocation and
/// completion, but for some wild reads.
fn random_history(random: &mut Random, shape: &Shape) -> Vec<Transaction> {
    let mut history: Vec<Transaction> = Vec::new();
    let mut next_value = 0;
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut state: Vec<Option<i64>> = vec![None; shape.keys];
    let mut processes: Vec<u64> = (0..shape.processes as u64).collect();
    let mut event = 0;
    while history.len() < shape.transactions || !open.is_empty() {
        let slot = random.below(shape.processes);
        event += 1;
        if let Some(place) = open.iter().position(|&(_, of)| of == slot) {
            let (index, _) = open.swap_remove(place);
            history[index].completed = event;
            apply(random, shape, &mut history[index], &mut state);
            if history[index].outcome == Outcome::Info {
                processes[slot] += shape.processes as u64;
            }
        } else if history.len() < shape.transactions {
            open.push((history.len(), slot));
            let accesses = random_accesses(random, shape, &mut next_value);
            let outcome = match random.below(100) {
                roll if roll < shape.crashed => Outcome::Info,
                roll if roll < shape.crashed + shape.failed => Outcome::Fail,
                _ => Outcome::Ok,
            };
            history.push(Transaction {
                process: processes[slot],
                outcome,
                invoked: event,
                completed: 0,
                accesses,
            });
        }
    }
    go_wild(random, shape, &mut history, next_value);
    history
}

fn random_accesses(random: &mut Random, shape: &Shape, next_value: &mut i64) -> Vec<Access> {
    let mut accesses = Vec::new();
    for _ in 0..1 + random.below(shape.accesses) {
        let key = random.below(shape.keys) as u32;
        if random.below(2) == 0 {
            accesses.push(Access::Read(key, None));
        } else {
            if shape.read_modify_write {
                accesses.push(Access::Read(key, None));
            }
            *next_value += 1;
            accesses.push(Access::Write(key, *next_value));
        }
    }
    accesses
}

fn apply(
    random: &mut Random,
    shape: &Shape,
    transaction: &mut Transaction,
    state: &mut [Option<i64>],
) {
    let happens = match transaction.outcome {
        Outcome::Ok => true,
        Outcome::Info => random.below(2) == 0,
        Outcome::Fail => random.below(100) < shape.wild,
    };
    let mut own = state.to_vec();
    for access in &mut transaction.accesses {
        match access {
            Access::Read(key, value) => *value = own[*key as usize],
            Access::Write(key, value) => own[*key as usize] = Some(*value),
        }
    }
    if happens {
        state.copy_from_slice(&own);
    }
}

fn go_wild(random: &mut Random, shape: &Shape, history: &mut [Transaction], values: i64) {
    let mut written: Vec<Vec<i64>> = vec![Vec::new(); shape.keys];
    for transaction in history.iter() {
        for access in &transaction.accesses {
            if let Access::Write(key, value) = access {
                written[*key as usize].push(*value);
            }
        }
    }
    for transaction in history.iter_mut() {
        for access in &mut transaction.accesses {
            let Access::Read(key, value) = access else {
                continue;
            };
            if random.below(100) >= shape.wild {
                continue;
            }
            let of_key = &written[*key as usize];
            let choice = random.below(of_key.len() + 1);
            *value = of_key.get(choice).copied();
            if random.below(60) == 0 {
                *value = Some(values + 1);
            }
        }
    }
}

fn random_shape(random: &mut Random) -> Shape {
    Shape {
        transactions: 1 + random.below(5),
        keys: 1 + random.below(3),
        processes: 1 + random.below(4),
        accesses: 1 + random.below(4),
        crashed: [0, 0, 15, 40][random.below(4)],
        failed: [0, 0, 10][random.below(3)],
        wild: [0, 10, 30, 100][random.below(4)],
        read_modify_write: random.below(3) == 0,
    }
}

#[test]
fn random_histories_are_judged_as_the_definitions_say() {
    let count = cases(6_000);
    let mut counts = [0u64; MODELS.len()];
    for seed in 0..count {
        let mut random = Random(seed);
        let shape = random_shape(&mut random);
        let history = random_history(&mut random, &shape);
        let strategies = [Strategy::Auto, Strategy::WithoutGuess, Strategy::SolverOnly];
        let keys = [Order::None, Order::None, Order::Process, Order::Realtime];
        let keys = keys[random.below(4)];
        let satisfied = compare(&history, strategies[seed as usize % 3], keys);
        for (index, count) in counts.iter_mut().enumerate() {
            *count += u64::from(satisfied >> index & 1);
        }
    }
    for (model, satisfied) in MODELS.iter().zip(counts) {
        println!("{model}: {satisfied} of {count} histories");
        assert!(
            satisfied > count / 10 && satisfied < count - count / 50,
            "{model}"
        );
    }
}

/// Where two transactions wrote one value, nobody knows whose write was read, unless one of them failed.
#[test]
fn a_value_written_twice_is_told_apart_only_from_a_write_that_failed() {
    let transaction = |number: u32, outcome: Outcome, access: Access| Transaction {
        process: u64::from(number),
        outcome,
        invoked: number,
        completed: 10 + number,
        accesses: vec![access],
    };
    let judged = |writers: [Outcome; 2], model: &str| {
        let write =
            |number: u32| transaction(number, writers[number as usize], Access::Write(5, 7));
        let read = |number: u32| transaction(number, Outcome::Ok, Access::Read(5, Some(7)));
        let history = [write(0), write(1), read(2), read(3)];
        check_transactions(&built(&history), &options(model, Strategy::Auto))
    };
    for model in ["read-committed", "serializable", "cursor-stability"] {
        for writers in [[Outcome::Ok, Outcome::Fail], [Outcome::Fail, Outcome::Ok]] {
            let verdict = judged(writers, model);
            assert!(
                matches!(verdict, Verdict::Valid { .. }),
                "{model}: {verdict:?}"
            );
        }
        let verdict = judged([Outcome::Ok; 2], model);
        assert!(
            matches!(verdict, Verdict::Unknown(_)),
            "{model}: {verdict:?}"
        );
    }
    assert_eq!(
        judged([Outcome::Ok; 2], "serializable"),
        Verdict::Unknown("several transactions wrote 7 to key 5, so that nobody knows whose write 2 reads saw (it is one of 1 such values); nothing else was wrong".to_owned())
    );
}
