//! `squall list`: what there is.

use squall_checkers::Model;
use squall_checkers::isolation::models::ConsistencyModel;
use squall_models::mutants;
use squall_sim::fault::Fault;
use squall_workloads::scenario::SCENARIOS;

use super::{Outcome, print};
use crate::exit::Exit;

/// Prints scenarios, planted bugs, kinds of fault, checkers and consistency models.
///
/// # Errors
/// None.
pub fn run() -> Outcome {
    let scenarios = SCENARIOS
        .iter()
        .map(|scenario| vec![scenario.id.to_owned(), scenario.about.to_owned()]);
    print_table(["scenario", "about"], scenarios);
    let planted = mutants::all().map(|mutant| {
        vec![
            mutant.id.to_owned(),
            mutant.root_cause.to_owned(),
            mutant.reference.to_owned(),
        ]
    });
    print_table(["planted bug", "root cause", "after"], planted);
    print::out(&format!("kinds of fault: {}\n\n", Fault::KINDS.join(", ")));
    let (specifications, laws): (Vec<Model>, Vec<Model>) = Model::ALL
        .into_iter()
        .partition(|model| model.is_specification());
    print::out(&format!(
        "specifications of histories: {}\n\n",
        names(&specifications)
    ));
    print::out(&format!("other laws of histories: {}\n\n", names(&laws)));
    let models = ConsistencyModel::ALL.map(ConsistencyModel::name).join(", ");
    print::out(&format!("consistency models of transactions: {models}\n"));
    Ok(Exit::Success)
}

fn names(models: &[Model]) -> String {
    let names: Vec<&str> = models.iter().map(|model| model.name()).collect();
    names.join(", ")
}

fn print_table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = Vec<String>>) {
    let head = head.map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    print::out(&(print::table(&rows) + "\n"));
}
