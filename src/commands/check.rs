//! `squall check`: histories that were recorded elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use squall_checkers::history::Value;
use squall_checkers::isolation::list_append::ListAppendOptions;
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::isolation::rw_register::RwRegisterOptions;
use squall_checkers::named::bank::BankOptions;
use squall_checkers::named::fanout::FanoutOptions;
use squall_checkers::named::queue::{Delivery, QueueOptions};
use squall_checkers::named::set::SetOptions;
use squall_checkers::{FailedCas, History, Limits, Model, Options, Strategy, Verdict};
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
    // All files are read and judged before anything is said: bad input leaves nothing half done.
    let judged = judge_all(args).into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut exits = vec![Exit::Success];
    for (number, (history, verdict)) in judged.iter().enumerate() {
        let described = report::describe(verdict, Some(history));
        print::out(&format!("{}: {described}", args.files[number].display()));
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
fn judge_all(args: &CheckArgs) -> Vec<Result<(History, Verdict), Failure>> {
    let workers = super::jobs_or_cores(None).min(args.files.len());
    let next = AtomicUsize::new(0);
    let progress = Mutex::new(Progress::new(Some(args.files.len() as u64)));
    let work = || {
        let mut done = Vec::new();
        while let Some((number, path)) = take(&args.files, &next) {
            done.push((number, read_and_judge(path, args)));
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

fn read_and_judge(path: &Path, args: &CheckArgs) -> Result<(History, Verdict), Failure> {
    let history = read(path, args)?;
    let verdict = judge(path, &history, args)?;
    Ok((history, verdict))
}

fn read(path: &Path, args: &CheckArgs) -> Result<History, Failure> {
    let context = || format!("cannot read {}", path.display());
    let bytes = std::fs::read(path)
        .with_context(context)
        .map_err(Failure::usage)?;
    let history = History::read(&bytes, None)
        .with_context(context)
        .map_err(Failure::usage)?;
    match args.keyed {
        true => history
            .keyed_by_value()
            .with_context(context)
            .map_err(Failure::usage),
        false => Ok(history),
    }
}

fn judge(path: &Path, history: &History, args: &CheckArgs) -> Result<Verdict, Failure> {
    squall_checkers::check(history, args.model, &options(args))
        .with_context(|| format!("{} does not fit the model {}", path.display(), args.model))
        .map_err(Failure::usage)
}

fn options(args: &CheckArgs) -> Options {
    Options {
        initial: initial(&args.init),
        failed_cas: args.failed_cas,
        limits: limits(args),
        bank: BankOptions {
            total: args.total,
            accounts: None,
            allow_negative: args.allow_negative,
        },
        set: SetOptions {
            linearizable: args.linearizable,
        },
        queue: QueueOptions {
            delivery: args.delivery,
            hold_ns: args.hold.map(nanoseconds),
            drained: args.drained,
        },
        fanout: FanoutOptions {
            drained: args.drained,
        },
        strategy: args.strategy,
        list_append: ListAppendOptions {
            model: args.consistency,
            ..ListAppendOptions::default()
        },
        rw_register: RwRegisterOptions {
            model: args.consistency,
            ..RwRegisterOptions::default()
        },
        // Many files are judged side by side, a single one with all there is.
        threads: match args.files.len() {
            1 => super::jobs_or_cores(None),
            _ => 1,
        },
        ..Options::default()
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn initial(text: &str) -> Value {
    match text {
        "nil" | "null" => Value::Nil,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text
            .parse()
            .map_or_else(|_| Value::Text(text.to_owned()), Value::Int),
    }
}

fn limits(args: &CheckArgs) -> Limits {
    let mut limits = Limits {
        time_max: args.time_limit,
        ..Limits::default()
    };
    if let Some(mib) = args.memory_limit {
        limits.memory_bytes_max = mib.saturating_mul(1 << 20);
    }
    limits
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
    let mut line = format!(
        "squall check --model {} --init={}",
        args.model.name(),
        args.init
    );
    if args.strategy != Strategy::Auto {
        line += &format!(" --strategy {}", args.strategy.name());
    }
    let is_transactional = matches!(args.model, Model::ListAppend | Model::RwRegister);
    if is_transactional && args.consistency != ConsistencyModel::StrictSerializable {
        line += &format!(" --consistency {}", args.consistency);
    }
    if args.failed_cas == FailedCas::Observed {
        line += " --failed-cas observed";
    }
    if let Some(total) = args.total {
        line += &format!(" --total {total}");
    }
    if args.delivery != Delivery::default() {
        line += &format!(" --delivery {}", args.delivery);
    }
    if let Some(hold) = args.hold {
        line += &format!(" --hold {}ms", hold.as_millis());
    }
    let flags = [
        (args.allow_negative, "--allow-negative"),
        (args.linearizable, "--linearizable"),
        (args.drained, "--drained"),
        (args.keyed, "--keyed"),
    ];
    for (_, flag) in flags.into_iter().filter(|&(is_set, _)| is_set) {
        line += " ";
        line += flag;
    }
    format!("{line} {}", path.display())
}
