//! How far the limits allow to look, and what is told where they do not.

use super::formulas;
use super::told::history;
use super::{Strategy, built, options};
use squall_checkers::isolation::rw_register::{
    RwRegisterOptions, Transactions, check, check_transactions,
};
use squall_checkers::verdict::Verdict;

/// Nobody knows which of two writes came first, but any order will do.
#[test]
fn a_guess_is_free() {
    let judged = |strategy| {
        let options = RwRegisterOptions {
            steps_max: 0,
            ..options("serializable", strategy)
        };
        check(&history(&["wx1", "wx2", "rx1"], false), &options)
    };
    let verdict = judged(Strategy::Auto);
    assert!(matches!(verdict, Ok(Verdict::Valid { .. })), "{verdict:?}");
    let unknown = |why: &str| Ok(Verdict::Unknown(why.to_owned()));
    let followed = "the limit of 0 steps was reached with 1 of 1 pairs of writers undecided";
    assert_eq!(judged(Strategy::WithoutGuess), unknown(followed));
    let tried = format!("{followed}, after 0 conflicts among them");
    assert_eq!(judged(Strategy::SolverOnly), unknown(&tried));
}

#[test]
fn all_choices_are_tried_within_the_limit() {
    let clauses = [vec![(0, true)], vec![(0, false)]];
    let transactions = built(&formulas::history(1, &clauses));
    let judged = |steps_max| {
        let options = RwRegisterOptions {
            steps_max,
            ..options("serializable", Strategy::SolverOnly)
        };
        check_transactions(&transactions, &options)
    };
    assert_eq!(judged(2).word(), "unknown");
    assert_eq!(judged(1_000).word(), "invalid");
}

#[test]
fn transactions_are_counted() {
    let some = built(&formulas::history(1, &[]));
    assert_eq!((some.len(), some.is_empty()), (2, false));
    assert!(Transactions::default().is_empty());
}
