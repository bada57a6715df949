//! `squall replay`: one failure again, with everything on.

use std::path::Path;

use anyhow::Context;
use squall_checkers::{History, Verdict};
use squall_workloads::judge::Kind;
use squall_workloads::record::Capsule;
use squall_workloads::scenario;

use super::campaign::capsule_error;
use super::{Failure, Outcome, print, report};
use crate::campaign::{Job, Pool, Probing, RunResult, What};
use crate::cli::ReplayArgs;
use crate::exit::Exit;

/// Replays a capsule or a seed.
///
/// # Errors
/// If there is no such capsule or scenario, or the run does not come to its end.
pub fn run(args: &ReplayArgs) -> Outcome {
    let (what, expected) = match (&args.capsule, &args.scenario, args.seed) {
        (Some(path), _, _) => {
            let capsule = read_capsule(path)?;
            (What::Plan(Box::new(capsule.plan.clone())), Some(capsule))
        }
        (None, Some(scenario), Some(seed)) => {
            scenario::find(scenario).map_err(Failure::usage)?;
            if let Some(mutant) = &args.mutant {
                super::known_mutant(mutant)?;
            }
            super::known_kinds(&args.without)?;
            let (scenario, mutant) = (scenario.clone(), args.mutant.clone());
            (
                What::Seed {
                    scenario,
                    seed,
                    mutant,
                    without: args.without.clone(),
                },
                None,
            )
        }
        _ => {
            return Err(Failure::usage(anyhow::anyhow!(
                "expected a capsule, or --scenario and --seed"
            )));
        }
    };
    let job = Job {
        what,
        detail: true,
        probing: Probing::default(),
    };
    let result = Pool::start(1)?.run_one(&job)?;
    show(&result);
    if let Some(detail) = &result.detail
        && let Some(files) = report::write_failure(&args.out, &result, detail, &args.without)?
    {
        print::out(&format!("report: {}\n", files.page.display()));
    }
    if args.check_determinism {
        let (is_equal, told) = super::doctor::repeat(&job.what)?;
        print::out(&told);
        if !is_equal {
            return Ok(Exit::Nondeterminism);
        }
    }
    Ok(expected.map_or_else(
        || exit_of(&result.verdict),
        |capsule| compare(&capsule, &result),
    ))
}

/// Reads a capsule that the user names.
pub(super) fn read_capsule(path: &Path) -> Result<Capsule, Failure> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(Failure::usage)?;
    let capsule = Capsule::parse(&text).map_err(|error| capsule_error(path, error))?;
    if let Some(mutant) = &capsule.plan.mutant {
        super::known_mutant(mutant).map_err(|failure| Failure {
            error: failure.error.context(path.display().to_string()),
            ..failure
        })?;
    }
    Ok(capsule)
}

fn show(result: &RunResult) {
    let history = result
        .detail
        .as_ref()
        .and_then(|detail| History::from_events(detail.record.history.clone()).ok());
    let verdict = report::describe(&result.verdict, history.as_ref());
    print::out(&format!("{verdict}digest: {}\n", result.digest));
}

/// How the replay of a capsule ended; says so if it is not what the capsule holds.
fn compare(capsule: &Capsule, result: &RunResult) -> Exit {
    if capsule.digest != result.digest && capsule.squall == env!("CARGO_PKG_VERSION") {
        print::out(&format!(
            "note: the capsule's digest is {}: the code has changed since it was written
",
            capsule.digest
        ));
    }
    exit_of(&result.verdict)
}

fn exit_of(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Valid { .. } => Exit::Success,
        Verdict::Unknown(_) => Exit::Unknown,
        Verdict::Vacuous(_) => Exit::Vacuous,
        Verdict::Invalid(anomaly) => match Kind::of(anomaly) {
            Kind::Safety => Exit::Violation,
            Kind::Crash => Exit::Crash,
            Kind::Liveness => Exit::Liveness,
        },
    }
}
