//! `squall check`: histories that were recorded elsewhere.

mod options;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use squall_checkers::linearizability::Report;
use squall_checkers::{History, Model, Options, Verdict};
use squall_reports::{HistoryPage, history_page};

use super::progress::Progress;
use super::{Failure, Outcome, print, report};
use crate::cli::CheckArgs;
use crate::exit::Exit;

/// Judges each file; the worst verdict decides how it ends.
///
/// # Errors
/// If a file cannot be read, or does not fit the model.
pub fn run(args: &CheckArgs) -> Outcome {
    let options = options::options(args).map_err(Failure::usage)?;
    // All files are read and judged before anything is said: bad input leaves nothing half done.
    let judged = judge_all(args, &options).into_iter();
    let judged = judged.collect::<Result<Vec<_>, _>>()?;
    let mut exits = vec![Exit::Success];
    for (number, (history, judged)) in judged.iter().enumerate() {
        let verdict = &judged.verdict;
        let described = report::describe(verdict, Some(history));
        let decided_by = decided_by(judged);
        print::out(&format!(
            "{}: {described}{decided_by}",
            args.files[number].display()
        ));
        exits.push(match verdict {
            Verdict::Valid { .. } => Exit::Success,
            Verdict::Invalid(_) => Exit::Violation,
            Verdict::Unknown(_) => Exit::Unknown,
            Verdict::Vacuous(_) => Exit::Vacuous,
        });
        if let Some(out) = &args.out {
            write_page(out, number, history, verdict, args)?;
        }
    }
    Ok(exits.into_iter().min().unwrap_or(Exit::Success))
}

/// Reads and judges the files on as many threads as there are cores; the answers are in the order of the
/// files, whoever was done first.
fn judge_all(args: &CheckArgs, options: &Options) -> Vec<Result<(History, Report), Failure>> {
    let workers = super::jobs_or_cores(None).min(args.files.len());
    let next = AtomicUsize::new(0);
    let progress = Mutex::new(Progress::new(Some(args.files.len() as u64)));
    let work = || {
        let mut done = Vec::new();
        while let Some((number, path)) = take(&args.files, &next) {
            done.push((number, read_and_judge(path, args, options)));
            if let Ok(mut progress) = progress.lock() {
                progress.step(|| "histories judged".to_owned());
            }
        }
        done
    };
    let mut judged = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|worker| {
            // A checker that panics is a bug of ours, and is to be seen as one.
            let result = worker.join();
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        done.flatten().collect::<Vec<_>>()
    });
    if let Ok(progress) = progress.lock() {
        progress.finish();
    }
    judged.sort_by_key(|(number, _)| *number);
    judged.into_iter().map(|(_, result)| result).collect()
}

fn take<'a>(files: &'a [PathBuf], next: &AtomicUsize) -> Option<(usize, &'a Path)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    files.get(number).map(|path| (number, path.as_path()))
}

fn read_and_judge(
    path: &Path,
    args: &CheckArgs,
    options: &Options,
) -> Result<(History, Report), Failure> {
    let history = read(path, args)?;
    let judged = squall_checkers::report(&history, args.model, options);
    let judged = judged
        .with_context(|| format!("{} does not fit the model {}", path.display(), args.model))
        .map_err(Failure::usage)?;
    Ok((history, judged))
}

fn read(path: &Path, args: &CheckArgs) -> Result<History, Failure> {
    let context = || format!("cannot read {}", path.display());
    let bytes = std::fs::read(path)
        .with_context(context)
        .map_err(Failure::usage)?;
    let history = History::read(&bytes, None)
        .with_context(context)
        .map_err(Failure::usage)?;
    let history = match args.keyed {
        true => history
            .keyed_by_value()
            .with_context(context)
            .map_err(Failure::usage)?,
        false => history,
    };
    Ok(match args.model {
        Model::FifoQueue if history.has_drains() => history.drains_as_dequeues(),
        _ => history,
    })
}

/// Which algorithms decided, and how many keys each if there are several of either.
fn decided_by(judged: &Report) -> String {
    let counts = judged.decided_by.iter();
    let told: Vec<String> = match judged.decided_by.values().sum() {
        0 => return String::new(),
        1 => counts
            .map(|(algorithm, _)| (*algorithm).to_owned())
            .collect(),
        _ => counts
            .map(|(algorithm, keys)| format!("{algorithm} (keys: {keys})"))
            .collect(),
    };
    format!("decided by: {}\n", told.join(", "))
}

/// Writes the page of the file of this number.
fn write_page(
    out: &Path,
    number: usize,
    history: &History,
    verdict: &Verdict,
    args: &CheckArgs,
) -> Result<(), Failure> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let path = &args.files[number];
    let name = name_of(path);
    // Files of one name, from several directories, are told apart by number.
    let before = args.files[..number].iter();
    let namesakes = before.filter(|other| name_of(other) == name).count();
    let page_name = match namesakes {
        0 => format!("{name}.html"),
        _ => format!("{name}.{}.html", namesakes + 1),
    };
    let page = history_page(&HistoryPage {
        title: &name,
        history: &history.events().to_vec(),
        verdict,
        reproduce: vec![reproduce_line(path, args)],
    });
    let file = out.join(page_name);
    report::write(&file, &page)?;
    print::out(&format!("report: {}\n", file.display()));
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(
        || "history".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The command line that judges a file again by the same rules.
fn reproduce_line(path: &Path, args: &CheckArgs) -> String {
    let options = options::given(args).join("");
    format!(
        "squall check --model {}{options} {}",
        args.model.name(),
        path.display()
    )
}
