//! The worker: a process of one thread that runs jobs, each in a child of its own.
//!
//! A job comes as a line of JSON on standard input, its result goes as a line to standard output.

use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use squall_checkers::{Anomaly, Verdict};
use squall_sim::engine::{self, Findings, RunError};
use squall_workloads::plan::Plan;
use squall_workloads::record::Record;
use squall_workloads::scenario::{self, Scenario};
use squall_workloads::{judge, runner};

use super::fork::{ChildError, in_child};
use super::{Detail, Job, RunResult, Stats, What};

/// How long a run may take in real time. Only a hang takes that long; virtual time bounds the rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs jobs until there are no more.
///
/// # Errors
/// If standard input or output fails, or a line is no job.
pub fn work() -> io::Result<()> {
    // An interrupt is the campaign's business: it stops sending jobs.
    // SAFETY: ignoring a signal touches no memory of ours.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let job: Job = serde_json::from_str(&line)?;
        let result = run_in_child(&job);
        serde_json::to_writer(&mut output, &result)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn run_in_child(job: &Job) -> RunResult {
    let answer = in_child(
        || match serde_json::to_vec(&run(job)) {
            Ok(bytes) => bytes,
            Err(error) => error.to_string().into_bytes(),
        },
        PATIENCE,
    );
    match answer {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            ended(Verdict::Unknown(format!(
                "the run's answer is damaged: {error}"
            )))
        }),
        Err(ChildError::Signal(signal)) => RunResult {
            detail: bare_detail(job),
            ..ended(Verdict::Invalid(aborted(signal)))
        },
        Err(error) => ended(Verdict::Unknown(error.to_string())),
    }
}

/// Runs a job, here and now.
pub fn run(job: &Job) -> RunResult {
    let started = Instant::now();
    let (scenario, plan) = match plan_of(&job.what) {
        Ok(planned) => planned,
        Err(error) => return ended(Verdict::Unknown(error.to_string())),
    };
    silence_panics();
    let run = || {
        catch_unwind(AssertUnwindSafe(|| {
            runner::run(scenario, &plan, job.detail)
        }))
    };
    if job.probing.is_warm {
        drop(run());
    }
    let (outcome, findings) = engine::probed(job.probing.wanted.clone(), run);
    let result = judged(scenario, plan, job.detail, outcome);
    let wall_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    RunResult {
        findings,
        stats: Stats {
            wall_ns,
            ..result.stats
        },
        ..result
    }
}

fn judged(
    scenario: &'static Scenario,
    plan: Plan,
    detail: bool,
    outcome: std::thread::Result<Result<Record, RunError>>,
) -> RunResult {
    let record = match outcome {
        Ok(Ok(record)) => record,
        Ok(Err(error)) => {
            return ended(Verdict::Unknown(format!(
                "the run did not come to its end: {error}"
            )));
        }
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            return ended(Verdict::Unknown(format!(
                "Squall itself panicked: {message}"
            )));
        }
    };
    RunResult {
        verdict: judge::judge(scenario, &plan, &record),
        digest: record.digest.clone(),
        stats: Stats::of(&record),
        detail: detail.then(|| Box::new(Detail { plan, record })),
        findings: Findings::default(),
    }
}

fn plan_of(what: &What) -> Result<(&'static Scenario, Plan), scenario::UnknownScenario> {
    match what {
        What::Seed {
            scenario,
            seed,
            mutant,
            without,
        } => {
            let scenario = scenario::find(scenario)?;
            let mut plan = scenario.plan(*seed, mutant.clone());
            plan.faults
                .retain(|episode| !without.iter().any(|kind| kind == episode.fault.kind()));
            Ok((scenario, plan))
        }
        What::Plan(plan) => Ok((scenario::find(&plan.scenario)?, (**plan).clone())),
    }
}

/// The plan of a run that did not live to tell its record.
fn bare_detail(job: &Job) -> Option<Box<Detail>> {
    let (_, plan) = plan_of(&job.what).ok().filter(|_| job.detail)?;
    Some(Box::new(Detail {
        plan,
        record: Record::default(),
    }))
}

/// A panic of a simulated server is recorded; its message on the terminal would drown the progress.
fn silence_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

fn ended(verdict: Verdict) -> RunResult {
    RunResult {
        verdict,
        digest: String::new(),
        stats: Stats::default(),
        detail: None,
        findings: Findings::default(),
    }
}

fn aborted(signal: i32) -> Anomaly {
    Anomaly {
        checker: "crash".to_owned(),
        class: format!("signal-{signal}"),
        sentence: format!(
            "The whole run ended by signal {signal}: a server aborted, or touched memory that is not its."
        ),
        ..Anomaly::default()
    }
}
