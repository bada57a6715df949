//! `squall check`: histories that were recorded elsewhere.

use std::path::Path;

use anyhow::Context;
use squall_checkers::history::Value;
use squall_checkers::{History, Limits, Options, Verdict, check_linearizable};
use squall_reports::{HistoryPage, history_page};

use super::{Failure, Outcome, print, report};
use crate::cli::CheckArgs;
use crate::exit::Exit;

/// Judges each file; the worst verdict decides how it ends.
///
/// # Errors
/// If a file cannot be read.
pub fn run(args: &CheckArgs) -> Outcome {
    // All files are read before any is judged: bad input leaves nothing half done.
    let histories = args
        .files
        .iter()
        .map(|path| read(path, args))
        .collect::<Result<Vec<_>, _>>()?;
    let options = Options {
        initial: initial(&args.init),
        failed_cas: args.failed_cas,
        limits: limits(args),
    };
    let mut exits = vec![Exit::Success];
    for (path, history) in args.files.iter().zip(&histories) {
        let fits = check_linearizable(history, args.model, &options);
        let misfit = || format!("{} does not fit the model {}", path.display(), args.model);
        let verdict = fits.with_context(misfit).map_err(Failure::usage)?;
        let described = report::describe(&verdict, Some(history));
        print::out(&format!("{}: {described}", path.display()));
        exits.push(match &verdict {
            Verdict::Valid { .. } => Exit::Success,
            Verdict::Invalid(_) => Exit::Violation,
            Verdict::Unknown(_) => Exit::Unknown,
            Verdict::Vacuous(_) => Exit::Vacuous,
        });
        if let Some(out) = &args.out {
            write_page(out, path, history, &verdict, args)?;
        }
    }
    Ok(exits.into_iter().min().unwrap_or(Exit::Success))
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

fn write_page(
    out: &Path,
    path: &Path,
    history: &History,
    verdict: &Verdict,
    args: &CheckArgs,
) -> Result<(), Failure> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let name = path
        .file_name()
        .map_or_else(|| "history".into(), |name| name.to_string_lossy());
    let page = history_page(&HistoryPage {
        title: &name,
        history: history.events(),
        verdict,
        reproduce: vec![format!(
            "squall check --model {} --init {} {}",
            args.model.name(),
            args.init,
            path.display()
        )],
    });
    let file = out.join(format!("{name}.html"));
    report::write(&file, &page)?;
    print::out(&format!("report: {}\n", file.display()));
    Ok(())
}
