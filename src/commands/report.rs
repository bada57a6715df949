//! Writing what a failed run leaves behind: its capsule, its page, its history.

use std::path::{Path, PathBuf};

use anyhow::Context;
use squall_checkers::history::{Operation, Outcome};
use squall_checkers::{History, Verdict};
use squall_reports::{FailurePage, failure_page, write_atomically};
use squall_workloads::plan::{Plan, Seed};
use squall_workloads::record::Capsule;
use squall_workloads::scenario;

use crate::campaign::{Detail, RunResult};

/// The files of a failure.
pub(super) struct FailureFiles {
    pub(super) capsule: PathBuf,
    pub(super) page: PathBuf,
}

/// Writes capsule, page and history of a run with detail; `None` if it did not fail.
pub(super) fn write_failure(
    out: &Path,
    result: &RunResult,
    detail: &Detail,
    without: &[String],
) -> anyhow::Result<Option<FailureFiles>> {
    let Detail { plan, record } = detail;
    let scenario = scenario::find(&plan.scenario)?;
    let Some(capsule) = Capsule::of(scenario, plan, record, &result.verdict) else {
        return Ok(None);
    };
    let directory = out.join("failures");
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let stem = stem_of(&capsule);
    let file = |ending: &str| directory.join(format!("{stem}.{ending}"));
    let files = FailureFiles {
        capsule: file("capsule.json"),
        page: file("html"),
    };
    let page = failure_page(&FailurePage {
        capsule: &capsule,
        record,
        verdict: &result.verdict,
        reproduce: reproduce_lines(&capsule, without, &files.capsule),
    });
    write(&files.capsule, &capsule.to_text())?;
    if let Ok(history) = History::from_events(record.history.clone()) {
        write(
            &file("history.jsonl"),
            &squall_checkers::history::write_json_lines(&history),
        )?;
    }
    write(&files.page, &page)?;
    Ok(Some(files))
}

/// A name for files that says what they are about.
fn stem_of(capsule: &Capsule) -> String {
    let letters = capsule.signature.chars();
    let name: String = letters
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let mutant = capsule
        .plan
        .mutant
        .as_ref()
        .map_or_else(String::new, |mutant| format!("-{mutant}"));
    format!("{name}{mutant}-{}", capsule.plan.seed)
}

/// The command lines that show the failure again.
fn reproduce_lines(capsule: &Capsule, without: &[String], file: &Path) -> Vec<String> {
    let Plan {
        scenario,
        seed,
        mutant,
        ..
    } = &capsule.plan;
    vec![
        by_seed(scenario, *seed, mutant.as_deref(), without),
        format!("cargo run --release -- replay {}", file.display()),
    ]
}

/// The command line that runs a seed again.
pub(super) fn by_seed(
    scenario: &str,
    seed: Seed,
    mutant: Option<&str>,
    without: &[String],
) -> String {
    let mut line = format!("cargo run --release -- replay --scenario {scenario} --seed {seed}");
    if let Some(mutant) = mutant {
        line.push_str(&format!(" --mutant {mutant}"));
    }
    without
        .iter()
        .for_each(|kind| line.push_str(&format!(" --without {kind}")));
    line
}

pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    write_atomically(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What a verdict says, in lines for the terminal.
pub(super) fn describe(verdict: &Verdict, history: Option<&History>) -> String {
    let anomaly = match verdict {
        Verdict::Valid { .. } => return "valid\n".to_owned(),
        Verdict::Unknown(why) => return format!("unknown: {why}\n"),
        Verdict::Vacuous(why) => return format!("vacuous: {why}\n"),
        Verdict::Invalid(anomaly) => anomaly,
    };
    let mut text = format!(
        "invalid ({}, {})\n{}\n",
        anomaly.checker, anomaly.class, anomaly.sentence
    );
    for line in &anomaly.explanation {
        text.push_str(&format!("  {line}\n"));
    }
    if let (Some(history), false) = (history, anomaly.witness.is_empty()) {
        text.push_str("witness:\n");
        let operations = anomaly
            .witness
            .iter()
            .filter_map(|&id| history.operations().get(id));
        for operation in operations {
            text.push_str(&format!(
                "  {} ({})\n",
                line_of(&operation),
                span_of(&operation, history)
            ));
        }
    }
    text
}

/// An operation in a line: who did what, and what came back.
fn line_of(operation: &Operation<'_>) -> String {
    let Operation {
        id,
        process,
        f,
        key,
        input,
        output,
        outcome,
        ..
    } = operation;
    let key = key
        .as_ref()
        .map_or_else(String::new, |key| format!(" {key}"));
    let answer = match outcome {
        Outcome::Ok => format!("ok {output}"),
        Outcome::Fail => "fail".to_owned(),
        Outcome::Info => "info".to_owned(),
    };
    format!("#{id} process {process}: {f}{key} {input} -> {answer}")
}

/// When an operation was: by the clock if the history has one, else by its events.
fn span_of(operation: &Operation<'_>, history: &History) -> String {
    if !history.has_times() {
        let end = operation
            .completed
            .map_or_else(|| "the end".to_owned(), |event| format!("event {event}"));
        return format!("event {} to {end}", operation.invoked);
    }
    let time = |ns: u64| format!("{:.6} s", ns as f64 / 1e9);
    let end = operation
        .completed_ns
        .map_or_else(|| "the end".to_owned(), time);
    format!("{} to {end}", time(operation.invoked_ns))
}
