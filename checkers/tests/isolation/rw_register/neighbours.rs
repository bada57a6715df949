//! Models without an algorithm of their own lie between those that have one.

use super::reference;
use super::{MODELS, Random, Strategy, built, cases, options, random_history, random_shape, shown};
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::isolation::rw_register::{Order, check_transactions};
use squall_checkers::verdict::Verdict;

/// Models that have an algorithm, and whether the history satisfies them.
struct Known(Vec<(ConsistencyModel, bool)>);

impl Known {
    fn some(&self, satisfied: bool, related: impl Fn(ConsistencyModel) -> bool) -> bool {
        let mut known = self.0.iter();
        known.any(|&(model, holds)| holds == satisfied && related(model))
    }
}

#[test]
fn models_between_two_others_are_judged_by_them() {
    let known: Vec<ConsistencyModel> = MODELS
        .iter()
        .map(|name| name.parse().expect("a model"))
        .collect();
    let between: Vec<ConsistencyModel> = ConsistencyModel::ALL
        .into_iter()
        .filter(|model| !known.contains(model))
        .collect();
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..cases(1_000) {
        let mut random = Random(seed);
        let shape = random_shape(&mut random);
        let history = random_history(&mut random, &shape);
        let satisfied = reference::satisfied(&history, Order::None);
        let known = Known(
            (0..known.len())
                .map(|index| (known[index], satisfied >> index & 1 == 1))
                .collect(),
        );
        let transactions = built(&history);
        for &model in &between {
            let verdict = check_transactions(&transactions, &options(model.name(), Strategy::Auto));
            let is_below = known.some(true, |stronger| stronger.implies(model));
            let is_above = known.some(false, |weaker| model.implies(weaker));
            let told = || format!("{model}: {verdict:#?} in {}", shown(&history));
            match verdict {
                Verdict::Valid { .. } => {
                    assert!(!is_above, "{}", told());
                    valid += 1;
                }
                Verdict::Invalid(_) => {
                    assert!(!is_below, "{}", told());
                    invalid += 1;
                }
                Verdict::Unknown(_) => assert!(!is_below && !is_above, "{}", told()),
                Verdict::Vacuous(_) => {}
            }
        }
    }
    assert!(valid > 1_000 && invalid > 1_000, "{valid} {invalid}");
}
