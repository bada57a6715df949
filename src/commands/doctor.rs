//! `squall doctor`: whether runs repeat, and who is to blame if they do not.

use squall_sim::engine::{Findings, Wanted};
use squall_workloads::scenario::{self, SCENARIOS};

use super::{Failure, Outcome, print};
use crate::campaign::{Job, Pool, Probing, What};
use crate::cli::DoctorArgs;
use crate::doctor::bisect::Comparison;
use crate::doctor::{self, Circumstances, Question, Symbols};
use crate::exit::Exit;

/// Examines scenarios.
///
/// # Errors
/// If there is no such scenario or planted bug, or no process to run it in.
pub fn run(args: &DoctorArgs) -> Outcome {
    if let Some(mutant) = &args.mutant {
        super::known_mutant(mutant)?;
    }
    let scenarios: Vec<_> = match &args.scenario {
        Some(id) => vec![scenario::find(id).map_err(Failure::usage)?],
        None => SCENARIOS.iter().collect(),
    };
    let symbols = Symbols::of_this_program();
    let mut exit = Exit::Success;
    for scenario in scenarios {
        let seed = args
            .seed
            .unwrap_or_else(|| scenario::seed_of(args.base_seed, scenario.id, 0));
        let what = What::Seed {
            scenario: scenario.id.to_owned(),
            seed,
            mutant: args.mutant.clone(),
            without: Vec::new(),
        };
        let diagnosis =
            doctor::diagnose(|circumstances, wanted| run_fresh(&what, circumstances, wanted))?;
        let told = diagnosis.tell(&symbols);
        print::out(&format!("{} {seed}\n{told}", scenario.id));
        if !diagnosis.is_deterministic() {
            exit = Exit::Nondeterminism;
        }
    }
    Ok(exit)
}

/// Runs something in a fresh process.
fn run_fresh(
    what: &What,
    circumstances: Circumstances,
    wanted: Wanted,
) -> Result<Findings, Failure> {
    let job = Job {
        what: what.clone(),
        detail: false,
        probing: Probing {
            wanted,
            is_warm: circumstances.is_warm,
        },
    };
    let result = Pool::start_one(circumstances.addresses)?.run_one(&job)?;
    Ok(result.findings)
}

/// Runs something again and again in fresh processes; says where two runs differ, if they do.
pub(super) fn repeat(what: &What) -> Result<(bool, String), Failure> {
    let question = Question::Repetition;
    let mut run = |circumstances, wanted| run_fresh(what, circumstances, wanted);
    let comparison = doctor::compare(question, &mut run)?;
    let told = doctor::answer(question, &comparison, &Symbols::of_this_program());
    Ok((matches!(comparison, Comparison::Equal { .. }), told))
}
