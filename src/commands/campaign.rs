//! `squall campaign`, which is also what bare `squall` does.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use squall_checkers::Verdict;
use squall_reports::{CampaignPage, FailureRow, FaultCount, ScenarioRow, campaign_index};
use squall_sim::fault::Fault;
use squall_workloads::capsule::CapsuleError;
use squall_workloads::plan::Seed;
use squall_workloads::record::Capsule;
use squall_workloads::scenario::{self, SCENARIOS, Scenario};

use super::progress::Progress;
use super::report::{self, by_seed};
use super::{Failure, Outcome, print};
use crate::campaign::{self, Flow, Job, Pool, Probing, RunResult, Stats, Tally, What};
use crate::cli::CampaignArgs;
use crate::exit::Exit;

/// Runs a campaign.
///
/// # Errors
/// If the call makes no sense, or the machine does not give what it needs.
pub fn run(args: &CampaignArgs) -> Outcome {
    let scenarios = scenarios_of(args)?;
    let capsules = regressions_in(args.regressions.as_deref())?;
    let mut campaign = Campaign::start(args, &scenarios)?;
    campaign.replay_regressions(&capsules)?;
    campaign.run_seeds()?;
    campaign.finish()
}

/// Of how many runs that differed it is told where.
const EXPLAINED_MAX: usize = 3;

/// A campaign under way.
struct Campaign<'a> {
    args: &'a CampaignArgs,
    scenarios: &'a [&'static Scenario],
    pool: Pool,
    tally: Tally,
    progress: Progress,
    started: Instant,
    is_interrupted: Arc<AtomicBool>,
    /// How those capsules of old failures ended that did not end well.
    regressed: Vec<Exit>,
    /// Whether all that was asked for was done.
    is_complete: bool,
    rows: Vec<FailureRow>,
    workers: usize,
}

impl<'a> Campaign<'a> {
    fn start(args: &'a CampaignArgs, scenarios: &'a [&'static Scenario]) -> Result<Self, Failure> {
        std::fs::create_dir_all(&args.out)
            .with_context(|| format!("cannot make {}", args.out.display()))?;
        let is_interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // The second time, the signal does what it always did.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_interrupted))?;
            signal_hook::flag::register(signal, Arc::clone(&is_interrupted))?;
        }
        let workers = super::jobs_or_cores(args.jobs);
        let repeated = args.check_determinism.min(args.seeds);
        let total = args
            .seeds
            .saturating_add(repeated)
            .saturating_mul(scenarios.len() as u64);
        let names: Vec<_> = scenarios.iter().map(|scenario| scenario.id).collect();
        eprintln!(
            "campaign: {} with base seed {}, {workers} workers",
            names.join(", "),
            args.base_seed
        );
        Ok(Self {
            args,
            scenarios,
            pool: Pool::start(workers)?,
            tally: Tally::default(),
            progress: Progress::new(args.duration.is_none().then_some(total)),
            started: Instant::now(),
            is_interrupted,
            regressed: Vec::new(),
            is_complete: true,
            rows: Vec::new(),
            workers,
        })
    }

    /// Replays what has failed before, and must not again.
    fn replay_regressions(&mut self, capsules: &[(String, Capsule)]) -> Result<(), Failure> {
        for (name, capsule) in capsules {
            let job = Job {
                what: What::Plan(Box::new(capsule.plan.clone())),
                detail: false,
                probing: Probing::default(),
            };
            let result = self.pool.run_one(&job)?;
            match &result.verdict {
                Verdict::Valid { .. } => continue,
                Verdict::Invalid(anomaly) => {
                    self.progress
                        .say(&format!("REGRESSED {name}: {}", anomaly.sentence));
                    self.regressed.push(Exit::Regression);
                }
                // What cannot be judged any more guards against nothing.
                Verdict::Unknown(why) => {
                    self.progress.say(&format!("unknown: {name}: {why}"));
                    self.regressed.push(Exit::Unknown);
                }
                Verdict::Vacuous(why) => {
                    self.progress.say(&format!("vacuous: {name}: {why}"));
                    self.regressed.push(Exit::Vacuous);
                }
            }
        }
        if !capsules.is_empty() {
            let mended = capsules.len() - self.regressed.len();
            eprintln!("regressions: {mended} of {} still mended", capsules.len());
        }
        Ok(())
    }

    fn run_seeds(&mut self) -> Result<(), Failure> {
        let Self {
            args,
            scenarios,
            pool,
            tally,
            progress,
            started,
            is_interrupted,
            ..
        } = self;
        let (args, started) = (*args, *started);
        let is_over = |is_interrupted: &AtomicBool| {
            is_interrupted.load(Ordering::Relaxed)
                || args
                    .duration
                    .is_some_and(|duration| started.elapsed() >= duration)
        };
        let flag = Arc::clone(is_interrupted);
        let jobs = jobs(args, scenarios).take_while(move |_| !is_over(&flag));
        let mut first_runs = BTreeMap::<(String, Seed), (String, Verdict)>::new();
        let mut fresh = Vec::new();
        let mut is_stopped = false;
        let compared = args
            .check_determinism
            .saturating_mul(2 * scenarios.len() as u64);
        pool.run(jobs, |number, job, result| {
            let What::Seed { scenario, seed, .. } = &job.what else {
                return Flow::Continue;
            };
            let key = (scenario.clone(), *seed);
            match first_runs.get(&key) {
                // Its second run: only to be compared. Both came from a fresh process.
                Some((digest, verdict))
                    if *digest != result.digest || *verdict != result.verdict =>
                {
                    tally.nondeterministic.push(key);
                }
                Some(_) => {}
                None => {
                    if let Some(signature) = tally.add(number, scenario, *seed, &result) {
                        announce(progress, &signature, &job, &result);
                        fresh.push(signature);
                    }
                    if (number as u64) < compared {
                        first_runs.insert(key, (result.digest, result.verdict));
                    }
                }
            }
            progress.step(|| standing(tally));
            is_stopped = tally.failed() >= args.max_failures;
            if is_stopped {
                Flow::Stop
            } else {
                Flow::Continue
            }
        })?;
        self.is_complete = !is_stopped && !self.is_interrupted.load(Ordering::Relaxed);
        for signature in fresh {
            self.write_failure(&signature)?;
        }
        Ok(())
    }

    /// Runs the first seed of a signature again, with all detail, and writes its files.
    fn write_failure(&mut self, signature: &str) -> Result<(), Failure> {
        let Some(failure) = self.tally.failures.get(signature).cloned() else {
            return Ok(());
        };
        let job = Job {
            detail: true,
            probing: Probing::default(),
            what: self.what(&failure.scenario, failure.first.1),
        };
        let result = self.pool.run_one(&job)?;
        let Some(detail) = &result.detail else {
            // The run does not live to tell its record; the seed is all that there is.
            return Ok(());
        };
        let files = report::write_failure(&self.args.out, &result, detail, &self.args.without)?;
        let Some(files) = files else {
            self.tally
                .nondeterministic
                .push((failure.scenario.clone(), failure.first.1));
            return Ok(());
        };
        let relative = files
            .page
            .strip_prefix(&self.args.out)
            .unwrap_or(&files.page);
        self.rows.push(FailureRow {
            signature: signature.to_owned(),
            sentence: failure.anomaly.sentence.clone(),
            count: failure.count,
            first_seed: failure.first.1,
            report_file: relative.to_string_lossy().into_owned(),
            reproduce: by_seed(
                &failure.scenario,
                failure.first.1,
                self.args.mutant.as_deref(),
                &self.args.without,
            ),
        });
        eprintln!(
            "report: {}\ncapsule: {}",
            files.page.display(),
            files.capsule.display()
        );
        Ok(())
    }

    /// Says of the first runs that differed where they did.
    fn explain_differences(&self) -> Result<(), Failure> {
        for (scenario, seed) in self.tally.nondeterministic.iter().take(EXPLAINED_MAX) {
            let (_, told) = super::doctor::repeat(&self.what(scenario, *seed))?;
            print::out(&format!("NONDETERMINISTIC {scenario} {seed}\n{told}"));
        }
        Ok(())
    }

    fn what(&self, scenario: &str, seed: Seed) -> What {
        What::Seed {
            scenario: scenario.to_owned(),
            seed,
            mutant: self.args.mutant.clone(),
            without: self.args.without.clone(),
        }
    }

    fn finish(self) -> Outcome {
        self.progress.finish();
        let index = self.args.out.join("index.html");
        report::write(&index, &campaign_index(&self.page()))?;
        print::out(&self.summary());
        self.explain_differences()?;
        print::out(&format!("report: {}\n", index.display()));
        let mut exits = vec![self.tally.exit()];
        exits.extend(&self.regressed);
        if !self.is_complete || self.tally.seeds() == 0 {
            exits.push(Exit::Incomplete);
        }
        Ok(exits.into_iter().min().unwrap_or(Exit::Success))
    }

    fn summary(&self) -> String {
        let mut rows = vec![
            [
                "scenario",
                "seeds",
                "operations",
                "ok",
                "fail",
                "info",
                "faults felt/applied/planned",
                "virtual",
                "wall",
                "valid",
                "invalid",
                "unknown",
                "vacuous",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for (id, tally) in &self.tally.scenarios {
            let stats = &tally.stats;
            let sum = |of: fn(&campaign::FaultStats) -> u64| {
                print::count(stats.faults.values().map(of).sum())
            };
            let faults = format!(
                "{} / {} / {}",
                sum(|fault| fault.observed),
                sum(|fault| fault.applied),
                sum(|fault| fault.planned)
            );
            let counts = [stats.operations(), stats.ok, stats.fail, stats.info].map(print::count);
            let verdicts =
                [tally.valid, tally.invalid, tally.unknown, tally.vacuous].map(print::count);
            let mut row = vec![id.clone(), print::count(tally.seeds)];
            row.extend(counts);
            row.extend([
                faults,
                print::duration(stats.virtual_ns),
                print::duration(stats.wall_ns),
            ]);
            row.extend(verdicts);
            rows.push(row);
        }
        let mut text = print::table(&rows);
        text.push('\n');
        text.push_str(&self.remarks());
        text
    }

    /// What a table cannot say.
    fn remarks(&self) -> String {
        let stats = self.tally.stats();
        let wall = self.started.elapsed();
        let mut lines = vec![format!(
            "{} of virtual time in {} on {} workers",
            print::duration(stats.virtual_ns),
            print::duration(wall.as_nanos() as u64),
            self.workers
        )];
        for (signature, failure) in &self.tally.failures {
            lines.push(format!(
                "FAILED {signature} ({} of {} seeds)",
                failure.count,
                print::count(self.tally.seeds())
            ));
        }
        for (scenario, seed) in &self.tally.nondeterministic {
            lines.push(format!(
                "NONDETERMINISTIC {scenario} {seed}: two runs of one plan differed"
            ));
        }
        for (count, escape) in self.tally.escapes.values() {
            lines.push(format!(
                "note: {escape}; so or alike in {count} places of runs"
            ));
        }
        lines.extend(self.tally.doubts.iter().cloned());
        lines.extend(unfelt(&stats, &self.args.without));
        if !self.is_complete {
            lines.push("incomplete: stopped before all seeds were run".to_owned());
        }
        lines.join("\n") + "\n"
    }

    fn page(&self) -> CampaignPage {
        let scenarios = self.tally.scenarios.iter().map(|(id, tally)| ScenarioRow {
            scenario: id.clone(),
            seeds: tally.seeds,
            operations: tally.stats.operations(),
            ok: tally.stats.ok,
            fail: tally.stats.fail,
            info: tally.stats.info,
            faults: fault_counts(&tally.stats),
            virtual_ns: tally.stats.virtual_ns,
            wall_ns: tally.stats.wall_ns,
            valid: tally.valid,
            invalid: tally.invalid,
            unknown: tally.unknown,
            vacuous: tally.vacuous,
            crashed: tally.crashed,
        });
        let mutant = self
            .args
            .mutant
            .as_ref()
            .map_or_else(String::new, |mutant| format!(" with {mutant}"));
        CampaignPage {
            title: format!("Campaign {}{mutant}", self.args.base_seed),
            base_seed: self.args.base_seed,
            started: None,
            scenarios: scenarios.collect(),
            failures: self.rows.clone(),
            incomplete: (!self.is_complete).then(|| "stopped before all seeds were run".to_owned()),
        }
    }
}

fn fault_counts(stats: &Stats) -> BTreeMap<String, FaultCount> {
    let count = |fault: &campaign::FaultStats| FaultCount {
        planned: fault.planned,
        applied: fault.applied,
        observed: fault.observed,
    };
    stats
        .faults
        .iter()
        .map(|(kind, fault)| (kind.clone(), count(fault)))
        .collect()
}

/// The campaign's runs in their order: seed by seed through all scenarios, so that each scenario has
/// had its share whenever the campaign stops. The first few come twice.
fn jobs<'a>(
    args: &'a CampaignArgs,
    scenarios: &'a [&'static Scenario],
) -> impl Iterator<Item = Job> + Send + 'a {
    let seeds = if args.duration.is_some() {
        u64::MAX
    } else {
        args.seeds
    };
    let of_seed = move |index: u64| {
        let repeats = if index < args.check_determinism { 2 } else { 1 };
        (0..repeats).flat_map(move |_| {
            scenarios
                .iter()
                .map(move |scenario| job(args, scenario, index))
        })
    };
    (0..seeds).flat_map(of_seed)
}

fn job(args: &CampaignArgs, scenario: &Scenario, index: u64) -> Job {
    let what = What::Seed {
        scenario: scenario.id.to_owned(),
        seed: scenario::seed_of(args.base_seed, scenario.id, index),
        mutant: args.mutant.clone(),
        without: args.without.clone(),
    };
    Job {
        what,
        detail: false,
        probing: Probing::default(),
    }
}

fn announce(progress: &Progress, signature: &str, job: &Job, result: &RunResult) {
    let What::Seed {
        scenario,
        seed,
        mutant,
        without,
    } = &job.what
    else {
        return;
    };
    let Verdict::Invalid(anomaly) = &result.verdict else {
        return;
    };
    let line = by_seed(scenario, *seed, mutant.as_deref(), without);
    progress.say(&format!(
        "FAILED {signature}\n  {}\n  reproduce: {line}",
        anomaly.sentence
    ));
}

fn standing(tally: &Tally) -> String {
    let count =
        |of: fn(&campaign::ScenarioTally) -> u64| tally.scenarios.values().map(of).sum::<u64>();
    let unknown = count(|tally| tally.unknown);
    let vacuous = count(|tally| tally.vacuous);
    let virtual_time = print::duration(tally.stats().virtual_ns);
    format!(
        "failed {} unknown {unknown} vacuous {vacuous} virtual {virtual_time}",
        tally.failed()
    )
}

/// Kinds of fault that were planned and never felt: a finding about the tests.
fn unfelt(stats: &Stats, without: &[String]) -> Vec<String> {
    let is_unfelt = |kind: &&str| {
        let fault = stats.faults.get(*kind).copied().unwrap_or_default();
        fault.planned > 0 && fault.observed == 0 && !without.iter().any(|without| without == *kind)
    };
    let kinds = Fault::KINDS.into_iter().filter(is_unfelt);
    kinds
        .map(|kind| format!("note: no {kind} was ever felt"))
        .collect()
}

fn scenarios_of(args: &CampaignArgs) -> Result<Vec<&'static Scenario>, Failure> {
    super::known_kinds(&args.without)?;
    if let Some(mutant) = &args.mutant {
        super::known_mutant(mutant)?;
    }
    if args.scenarios.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    args.scenarios
        .iter()
        .map(|id| scenario::find(id).map_err(Failure::usage))
        .collect()
}

/// The capsules of a directory, in order of name. That none is there is an error where the user
/// has named it.
fn regressions_in(named: Option<&Path>) -> Result<Vec<(String, Capsule)>, Failure> {
    let directory = named.unwrap_or_else(|| Path::new("regressions"));
    let entries = match std::fs::read_dir(directory) {
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        entries => entries
            .with_context(|| format!("cannot read {}", directory.display()))
            .map_err(Failure::usage)?,
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".capsule.json"));
    paths.sort_unstable();
    let read = |path: &std::path::PathBuf| -> Result<(String, Capsule), Failure> {
        let capsule = super::replay::read_capsule(path)?;
        Ok((path.display().to_string(), capsule))
    };
    paths.iter().map(read).collect()
}

/// Why a capsule cannot be read, with its path.
pub(super) fn capsule_error(path: &Path, error: CapsuleError) -> Failure {
    Failure::usage(anyhow::Error::new(error).context(format!("{}", path.display())))
}
