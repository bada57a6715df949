//! `squall mutants`: how soon is each planted bug found, by what, and only by the faults that it needs?

use std::collections::BTreeMap;

use squall_checkers::Verdict;
use squall_models::mutants::{self, Mutant};
use squall_workloads::plan::Seed;
use squall_workloads::scenario;

use super::progress::Progress;
use super::{Failure, Outcome, print};
use crate::campaign::{Flow, Job, Pool, Probing, What};
use crate::cli::MutantsArgs;
use crate::exit::Exit;

/// Runs seeds with each planted bug until it is found, from several base seeds.
///
/// # Errors
/// If a bug is unknown, or the machine gives no processes.
pub fn run(args: &MutantsArgs) -> Outcome {
    let mutants: Vec<&Mutant> = match args.mutants.is_empty() {
        true => mutants::all().collect(),
        false => args
            .mutants
            .iter()
            .map(|id| super::known_mutant(id))
            .collect::<Result<_, _>>()?,
    };
    if args.bases == 0 {
        return Err(Failure::usage(anyhow::anyhow!(
            "--bases is 0: expected at least one base seed to measure with"
        )));
    }
    let mut pool = Pool::start(super::jobs_or_cores(args.jobs))?;
    let mut progress = Progress::new(Some(mutants.len() as u64 * args.bases));
    let mut rows = vec![
        ["mutant", "median", "worst", "found by", "without", "found"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut is_amiss = false;
    for mutant in mutants {
        let hunts = (1..=args.bases)
            .map(|base| {
                let hunt = hunt(&mut pool, mutant, Seed(base), &[], args.seeds);
                progress.step(|| mutant.id.to_owned());
                hunt
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        // Without the faults that the catalogue says it needs, a bug must stay hidden: else the catalogue
        // is wrong, or something else is found in its stead.
        let control = match mutant.faults {
            [] => None,
            faults => hunt(&mut pool, mutant, Seed(1), faults, args.controls)?,
        };
        is_amiss |= hunts.iter().any(Option::is_none) || control.is_some();
        rows.push(row(mutant, &hunts, control.as_ref(), args));
    }
    progress.finish();
    print::out(&print::table(&rows));
    print::out(&format!(
        "\nseeds until found, over {} base seeds, scenarios in turn; then {} seeds without the faults that \
         it needs\n",
        args.bases, args.controls
    ));
    Ok(if is_amiss {
        Exit::Violation
    } else {
        Exit::Success
    })
}

/// A planted bug that was found.
struct Found {
    /// How many seeds it took, this one among them.
    seeds: u64,
    checker: String,
}

/// Runs a base seed's seeds in turn, through the bug's scenarios, until one fails by a checker that
/// may find the bug. The answer is the first such seed, however many workers look for it.
fn hunt(
    pool: &mut Pool,
    mutant: &Mutant,
    base: Seed,
    without: &[&str],
    most: u64,
) -> Result<Option<Found>, Failure> {
    let scenarios = mutant.scenarios;
    let jobs = (0..most).map(|number| {
        let scenario = scenarios[number as usize % scenarios.len()];
        let what = What::Seed {
            scenario: scenario.to_owned(),
            seed: scenario::seed_of(base, scenario, number / scenarios.len() as u64),
            mutant: Some(mutant.id.to_owned()),
            without: without.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        Job {
            what,
            detail: false,
            probing: Probing::default(),
        }
    });
    let mut found: Option<(usize, String)> = None;
    pool.run(jobs, |number, _, result| {
        if let Verdict::Invalid(anomaly) = result.verdict
            && (mutant.checkers.contains(&anomaly.checker.as_str()) || !without.is_empty())
            && found.as_ref().is_none_or(|(first, _)| number < *first)
        {
            found = Some((number, anomaly.checker));
        }
        // The pool still ends the runs that were started before: one of them may be the first.
        if found.is_some() {
            Flow::Stop
        } else {
            Flow::Continue
        }
    })?;
    Ok(found.map(|(number, checker)| Found {
        seeds: number as u64 + 1,
        checker,
    }))
}

fn row(
    mutant: &Mutant,
    hunts: &[Option<Found>],
    control: Option<&Found>,
    args: &MutantsArgs,
) -> Vec<String> {
    let mut seeds: Vec<u64> = hunts
        .iter()
        .map(|hunt| hunt.as_ref().map_or(u64::MAX, |found| found.seeds))
        .collect();
    seeds.sort_unstable();
    let text = |seeds: u64| {
        if seeds == u64::MAX {
            format!("not in {}", args.seeds)
        } else {
            print::count(seeds)
        }
    };
    let mut checkers = BTreeMap::<&str, u64>::new();
    for found in hunts.iter().flatten() {
        *checkers.entry(&found.checker).or_default() += 1;
    }
    let by: Vec<_> = checkers
        .into_iter()
        .map(|(checker, count)| format!("{checker} ({count})"))
        .collect();
    let (median, worst) = (seeds[seeds.len() / 2], seeds[seeds.len() - 1]);
    vec![
        mutant.id.to_owned(),
        text(median),
        text(worst),
        by.join(", "),
        mutant.faults.join(" "),
        match (mutant.faults, control) {
            ([], _) => String::new(),
            (_, None) => "no".to_owned(),
            (_, Some(found)) => format!("by {} in {}", found.checker, found.seeds),
        },
    ]
}
