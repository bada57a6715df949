//! Formulas as histories, which are serializable if and only if the formula can be satisfied:
//! Papadimitriou, "The Serializability of Concurrent Database Updates", 1979.

use super::reference::{Access, Transaction};
use super::{Random, Strategy, built, options, shown, verify_witness};
use squall_checkers::history::Outcome;
use squall_checkers::isolation::rw_register::{RwRegisterOptions, check_transactions};
use squall_checkers::verdict::Verdict;

/// A variable, and whether it is true.
type Literal = (u32, bool);

/// A key for each variable, written by two: it is true if 1 comes before 2. Who reads the earlier value
/// comes before who writes the later one, so that a circle of such steps keeps the literals of a clause
/// from being false together.
pub(super) fn history(variables: u32, clauses: &[Vec<Literal>]) -> Vec<Transaction> {
    let (variables, clauses) = apart(variables, clauses);
    let mut writers: Vec<[Vec<Access>; 2]> = (0..variables)
        .map(|variable| [1, 2].map(|value| vec![Access::Write(variable, value)]))
        .collect();
    let mut readers = Vec::new();
    let mut link = variables;
    for clause in &clauses {
        let mut before = link + clause.len() as u32 - 1;
        for &(variable, is_true) in clause {
            // It is false if the value that should come later comes first.
            let (earlier, later) = if is_true { (2, 0) } else { (1, 1) };
            let read = Access::Read(variable, Some(earlier));
            readers.push(vec![Access::Read(before, Some(1)), read]);
            writers[variable as usize][later].push(Access::Write(link, 1));
            before = link;
            link += 1;
        }
    }
    let all = writers.into_iter().flatten().chain(readers);
    let at_once = (0..).zip(all).map(|(number, accesses)| Transaction {
        process: u64::from(number),
        outcome: Outcome::Ok,
        invoked: number,
        completed: 10_000 + number,
        accesses,
    });
    at_once.collect()
}

/// The same formula, in which each clause has variables of its own, which imply its literals: so no circle
/// leads from one clause through another.
fn apart(mut variables: u32, clauses: &[Vec<Literal>]) -> (u32, Vec<Vec<Literal>>) {
    let mut all = Vec::new();
    for clause in clauses {
        let own = variables..variables + clause.len() as u32;
        let implied = own.clone().zip(clause);
        all.extend(implied.map(|(own, &literal)| vec![literal, (own, false)]));
        variables = own.end;
        all.push(own.map(|own| (own, true)).collect());
    }
    (variables, all)
}

fn is_satisfiable(variables: u32, clauses: &[Vec<Literal>]) -> bool {
    (0..1u32 << variables).any(|values| {
        let holds = |&(variable, is_true): &Literal| (values >> variable & 1 == 1) == is_true;
        clauses.iter().all(|clause| clause.iter().any(holds))
    })
}

/// Clauses of three variables.
fn random_clauses(random: &mut Random, variables: u32, count: usize) -> Vec<Vec<Literal>> {
    let clause = |_| {
        let mut of: Vec<u32> = (0..variables).collect();
        let literal = |_| {
            let variable = of.swap_remove(random.below(of.len()));
            (variable, random.below(2) == 0)
        };
        (0..3).map(literal).collect()
    };
    (0..count).map(clause).collect()
}

/// In few steps, since what a conflict shows is not forgotten.
#[test]
fn a_history_is_serializable_if_its_formula_can_be_satisfied() {
    const VARIABLES: u32 = 8;
    let mut satisfiable = 0;
    for seed in 0..40 {
        let clauses = random_clauses(&mut Random(seed), VARIABLES, 40);
        let history = history(VARIABLES, &clauses);
        let expected = is_satisfiable(VARIABLES, &clauses);
        satisfiable += usize::from(expected);
        for strategy in [Strategy::Auto, Strategy::WithoutGuess, Strategy::SolverOnly] {
            let options = RwRegisterOptions {
                steps_max: 30_000,
                ..options("serializable", strategy)
            };
            let found = match check_transactions(&built(&history), &options) {
                Verdict::Valid { witness } => {
                    verify_witness(&history, &witness.expect("an order"), "serializable");
                    true
                }
                Verdict::Invalid(_) => false,
                other => panic!("{strategy:?}: {other:?} of {}", shown(&history)),
            };
            assert_eq!(found, expected, "{strategy:?}: {clauses:?}");
        }
    }
    assert!((5..35).contains(&satisfiable), "{satisfiable}");
}

/// However three variables are chosen, one of the clauses is broken.
#[test]
fn of_the_circles_that_were_met_some_are_told() {
    let clause = |signs: u32| {
        (0..3)
            .map(|place| (place, signs >> place & 1 == 1))
            .collect()
    };
    let clauses: Vec<Vec<Literal>> = (0..8).map(clause).collect();
    let transactions = built(&history(3, &clauses));
    let options = options("serializable", Strategy::SolverOnly);
    let Verdict::Invalid(anomaly) = check_transactions(&transactions, &options) else {
        panic!("no choice is possible");
    };
    let circles = anomaly.explanation.iter();
    let circles = circles.filter(|line| line.starts_with("A circle of some choices: "));
    assert_eq!(circles.count(), 4);
}
