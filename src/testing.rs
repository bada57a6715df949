//! What `#[squall::test]` stands on, and what such tests record and judge histories with.
//!
//! A test runs once for each of its seeds, each time in a process of its own: the test binary again,
//! for this test alone. So a crash costs one seed, and no static of one run reaches the next.
//!
//! - `SQUALL_SEED=0x…` runs one seed, `SQUALL_SEEDS=N` so many.
//! - `regressions/*.test.json` beside the crate's manifest name seeds that once failed: those of this
//!   test run first. A failure says what to write there.
//! - `SQUALL_DOCTOR=1` examines the first seed instead: see [`crate::doctor`].
//! - A failure prints what is impossible, where the report lies, and a line that runs it again.

mod examination;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use squall_checkers::history::Value;
use squall_checkers::linearizability::Online;
use squall_checkers::{Anomaly, History, Model, Options, Verdict, check_linearizable};
use squall_reports::{HistoryPage, history_page, write_atomically};
use squall_sim::engine;
use squall_sim::keyed::Key;
use squall_workloads::history::Recorder;
use squall_workloads::plan::{PlannedOperation, Seed};
use squall_workloads::system::Completion;

use crate::campaign::Addresses;

/// In the process of one run: its seed.
const RUN: &str = "SQUALL_TEST_RUN";
/// In the process of one run: where its report goes.
const REPORT: &str = "SQUALL_TEST_REPORT";

/// A test, as the attribute describes it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The test's path, the crate's name first.
    pub path: &'static str,
    pub seeds: u64,
    /// Where the crate's manifest lies.
    pub directory: &'static str,
    /// What the world is like.
    pub config: fn(engine::Config) -> engine::Config,
}

/// What a test may return.
pub trait Ending {
    /// Why the test failed, if it did.
    fn failure(self) -> Option<String>;
}

impl Ending for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: std::fmt::Debug> Ending for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| format!("{error:?}"))
    }
}

/// Runs a test's seeds.
///
/// # Panics
/// If a seed fails: that is how a test fails.
pub fn run<F>(case: &Case, body: impl Fn() -> F + Send + Sync)
where
    F: Future + 'static,
    F::Output: Ending,
{
    if let Ok(seed) = std::env::var(RUN) {
        let seed = parse(RUN, &seed);
        let config = (case.config)(engine::Config::new(seed.0));
        return match std::env::var(examination::ASKED) {
            Ok(asked) => examination::answer(&asked, &config, body),
            Err(_) => run_here(config, body),
        };
    }
    let seeds = seeds_of(case);
    if std::env::var_os("SQUALL_DOCTOR").is_some() {
        return examination::examine(case, seeds[0]);
    }
    if let Some((seed, output)) = first_failure(case, &seeds) {
        eprintln!("{}", explain(case, seed, &output));
        // The story has been told: another panic's message would only stand in its way.
        std::panic::resume_unwind(Box::new("a seed failed"));
    }
}

fn run_here<F>(config: engine::Config, body: impl FnOnce() -> F + Send)
where
    F: Future + 'static,
    F::Output: Ending,
{
    tell_panics();
    let outcome = engine::run(config, || {
        let body = body();
        async { body.await.failure() }
    });
    match outcome {
        Ok(outcome) if !outcome.panics.is_empty() => {
            let harmful = outcome
                .escapes
                .iter()
                .filter(|escape| escape.kind.is_harmful());
            harmful.for_each(|escape| eprintln!("{STORY}note: {escape}"));
            std::panic::resume_unwind(Box::new("a node panicked"))
        }
        Ok(outcome) => assert_eq!(outcome.output, None, "the test returned an error"),
        Err(error) => panic!("{error}"),
    }
}

/// What a run's process puts before each line of its story.
const STORY: &str = "squall| ";

/// From here on, a panic says what and where in lines of the story, and nothing else.
fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic
            .payload_as_str()
            .unwrap_or("a panic without a message");
        message.lines().for_each(|line| eprintln!("{STORY}{line}"));
        if let Some(place) = panic.location() {
            eprintln!("{STORY}at {}:{}", place.file(), place.line());
        }
    }));
}

fn parse(name: &str, text: &str) -> Seed {
    Seed::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The seeds to run, those of old failures first.
fn seeds_of(case: &Case) -> Vec<Seed> {
    if let Ok(seed) = std::env::var("SQUALL_SEED") {
        return vec![parse("SQUALL_SEED", &seed)];
    }
    let count = match std::env::var("SQUALL_SEEDS") {
        Ok(count) => count
            .parse()
            .unwrap_or_else(|_| panic!("SQUALL_SEEDS: expected a number, but found `{count}`")),
        Err(_) => case.seeds,
    };
    assert!(
        count > 0,
        "SQUALL_SEEDS: a test without seeds tests nothing"
    );
    let key = Key::root(0).label(case.path);
    let fresh = (0..count).map(|number| Seed(key.with(number).bits()));
    regressions(case).into_iter().chain(fresh).collect()
}

/// A seed that once failed a test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestCapsule {
    test: String,
    seed: Seed,
}

fn regressions(case: &Case) -> Vec<Seed> {
    let Ok(entries) = std::fs::read_dir(Path::new(case.directory).join("regressions")) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".test.json"));
    paths.sort_unstable();
    let capsules = paths.iter().map(|path| {
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str::<TestCapsule>(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    capsules
        .filter(|capsule| capsule.test == case.path)
        .map(|capsule| capsule.seed)
        .collect()
}

/// Runs seeds in processes of their own; the first in their order that fails, with its output.
fn first_failure(case: &Case, seeds: &[Seed]) -> Option<(Seed, String)> {
    let next = AtomicUsize::new(0);
    let first = std::sync::Mutex::new((usize::MAX, String::new()));
    let workers = std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(seeds.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    // Seeds are taken in order, so once one has failed no later one matters.
                    let is_over = first.lock().is_ok_and(|first| first.0 < number);
                    let Some(seed) = seeds.get(number).filter(|_| !is_over) else {
                        return;
                    };
                    if let Some(output) = run_in_process(case, *seed)
                        && let Ok(mut first) = first.lock()
                        && number < first.0
                    {
                        *first = (number, output);
                    }
                }
            });
        }
    });
    let (number, output) = first.into_inner().unwrap_or_default();
    seeds.get(number).map(|seed| (*seed, output))
}

/// Runs one seed; its output if it failed.
fn run_in_process(case: &Case, seed: Seed) -> Option<String> {
    let mut command = run_command(case, seed);
    let output = Addresses::Fixed
        .start(|| command.spawn())
        .and_then(Child::wait_with_output)
        .unwrap_or_else(|error| panic!("the test binary cannot be started: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    // A name that the binary does not know would pass for ever.
    let has_run = text.contains("running 1 test");
    (!output.status.success() || !has_run).then_some(text)
}

/// The process of one run: the test binary again, for this test alone.
fn run_command(case: &Case, seed: Seed) -> Command {
    let program = std::env::current_exe()
        .unwrap_or_else(|error| panic!("the test binary is not to be found: {error}"));
    let mut command = Command::new(program);
    command.args([name_of(case), "--exact", "--nocapture", "--test-threads=1"]);
    command
        .env(RUN, seed.to_string())
        .env(REPORT, report_path(case, seed));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The name that the test binary knows the test by: its path without the crate's name.
fn name_of(case: &Case) -> &'static str {
    case.path
        .split_once("::")
        .map_or(case.path, |(_, name)| name)
}

fn report_path(case: &Case, seed: Seed) -> PathBuf {
    let name = case.path.replace("::", "-");
    Path::new(case.directory)
        .join("target/squall")
        .join(format!("{name}-{seed}.html"))
}

fn explain(case: &Case, seed: Seed, output: &str) -> String {
    let name = name_of(case);
    let (path, file) = (case.path, case.path.replace("::", "-"));
    let told: Vec<&str> = output
        .lines()
        .filter_map(|line| line.strip_prefix(STORY))
        .collect();
    // A process that was ended by a signal has told nothing; then its output is all that there is.
    let story = if told.is_empty() {
        output.to_owned()
    } else {
        told.join("\n")
    };
    format!(
        "seed {seed} failed:\n{story}\n\nreproduce: SQUALL_SEED={seed} cargo test {name}\nkeep: echo '{{\"test\":\"{path}\",\"seed\":\"{seed}\"}}' > regressions/{file}-{seed}.test.json\n"
    )
}

/// A history that a test records, operation by operation.
///
/// Clients have numbers. Each has one operation at a time: it invokes, then completes with `ok` (it
/// happened), `fail` (it did not) or `info` (nobody knows).
#[derive(Clone)]
pub struct Recording(Rc<RefCell<State>>);

struct State {
    recorder: Recorder,
    open: Vec<Option<PlannedOperation>>,
    online: Option<Online<'static>>,
}

impl Recording {
    /// For so many clients.
    pub fn new(clients: usize) -> Self {
        Self::with(clients, None)
    }

    /// As [`Recording::new`], judged while it grows: the first event that makes it impossible ends the run, at the
    /// very moment when the simulated system shows it.
    pub fn judged(clients: usize, online: Online<'static>) -> Self {
        Self::with(clients, Some(online))
    }

    fn with(clients: usize, online: Option<Online<'static>>) -> Self {
        let open = (0..clients).map(|_| None).collect();
        Self(Rc::new(RefCell::new(State {
            recorder: Recorder::new(clients),
            open,
            online,
        })))
    }

    /// A client begins an operation: its name, the part of the state that it concerns, its argument.
    ///
    /// # Panics
    /// If the client has not completed its last operation.
    #[track_caller]
    pub fn invoke(&self, client: usize, f: &str, key: impl Into<Value>, value: impl Into<Value>) {
        let mut state = self.0.borrow_mut();
        assert!(
            state.open[client].is_none(),
            "client {client} has an operation open"
        );
        let operation = PlannedOperation {
            wait_ns: 0,
            f: f.to_owned(),
            key: Some(key.into()),
            value: value.into(),
        };
        state.recorder.invoke(client, &operation);
        state.open[client] = Some(operation);
        state.judge();
    }

    /// The operation happened, and returned a value.
    #[track_caller]
    pub fn ok(&self, client: usize, value: impl Into<Value>) {
        self.complete(client, Completion::Ok(value.into()));
    }

    /// The operation certainly did not happen.
    #[track_caller]
    pub fn fail(&self, client: usize, why: impl ToString) {
        self.complete(client, Completion::Fail(why.to_string()));
    }

    /// The operation may have happened, or may yet.
    #[track_caller]
    pub fn info(&self, client: usize, why: impl ToString) {
        self.complete(client, Completion::Info(why.to_string()));
    }

    #[track_caller]
    fn complete(&self, client: usize, completion: Completion) {
        let mut state = self.0.borrow_mut();
        let operation = state.open[client].take();
        let operation =
            operation.unwrap_or_else(|| panic!("client {client} has no operation open"));
        state.recorder.complete(client, &operation, &completion);
        state.judge();
    }

    /// The history so far.
    ///
    /// # Panics
    /// Never: what is recorded through these methods pairs.
    pub fn history(&self) -> History {
        self.0.borrow().history()
    }

    /// Fails the test unless the history is linearizable.
    ///
    /// # Panics
    /// If it is not, or if nobody can tell, if no operation succeeded, or if one is none of the
    /// model's.
    #[track_caller]
    pub fn assert_linearizable(&self, model: Model) {
        let history = self.history();
        let verdict = check_linearizable(&history, model, &Options::default())
            .unwrap_or_else(|error| panic!("the history does not fit the model {model}: {error}"));
        let word = verdict.word();
        match verdict {
            Verdict::Valid { .. } => {}
            Verdict::Unknown(why) | Verdict::Vacuous(why) => panic!("{word}: {why}"),
            Verdict::Invalid(anomaly) => fail(&history, anomaly),
        }
    }
}

impl State {
    fn history(&self) -> History {
        let events = self.recorder.events().to_vec();
        History::from_events(events).expect("every completion has its invocation")
    }

    /// Ends the run if its last event is one too many.
    #[track_caller]
    fn judge(&mut self) {
        let event = self.recorder.events().last();
        let (Some(online), Some(event)) = (&mut self.online, event) else {
            return;
        };
        match online.push(event) {
            Ok(None) => {}
            Ok(Some(anomaly)) => fail(&self.history(), anomaly),
            Err(error) => engine::stop(&format!("the history cannot be judged: {error}")),
        }
    }
}

/// Fails the test for what is impossible in a history.
#[track_caller]
fn fail(history: &History, anomaly: Anomaly) -> ! {
    let sentence = anomaly.sentence.clone();
    let report = write_report(history, &Verdict::Invalid(anomaly));
    engine::stop(&format!("{sentence}\nreport: {report}"))
}

/// Writes the page of a failed history; answers where it lies, or why it does not.
fn write_report(history: &History, verdict: &Verdict) -> String {
    let Some(path) = std::env::var_os(REPORT).map(PathBuf::from) else {
        return "none outside of #[squall::test]".to_owned();
    };
    let title = path
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let page = history_page(&HistoryPage {
        title: &title,
        history: &history.events().to_vec(),
        verdict,
        reproduce: Vec::new(),
    });
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let written = std::fs::create_dir_all(directory).and_then(|()| write_atomically(&path, page));
    written.map_or_else(
        |error| format!("none: {}: {error}", path.display()),
        |()| path.display().to_string(),
    )
}
