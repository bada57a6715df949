//! `#[squall::test]` itself: which seeds it runs, and what its failures say.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use squall::checkers::Model;
use squall::checkers::history::Value;
use squall::checkers::linearizability::{Limits, Online};
use squall::checkers::specs::Register;
use squall::testing::Recording;

/// Set for a test of this binary that is to fail.
const FAIL: &str = "SQUALL_TEST_OF_TESTS";

fn is_asked_for(what: &str) -> bool {
    std::env::var(FAIL).is_ok_and(|asked| asked == what)
}

/// Passes, unless it is asked to record what cannot be.
#[squall::test(seeds = 3)]
async fn subject() {
    let history = Recording::new(2);
    history.invoke(0, "write", "x", 1);
    history.ok(0, 1);
    history.invoke(1, "read", "x", Value::Nil);
    let is_stale = is_asked_for("a stale read");
    history.ok(1, if is_stale { 7 } else { 1 });
    if is_asked_for("an abort") {
        std::process::abort();
    }
    if is_asked_for("a panic of a node") {
        squall::engine::add_node("fragile").start(|| async { panic!("the node is fragile") });
        squall::time::sleep(squall::time::Duration::from_secs(1)).await;
    }
    history.assert_linearizable(Model::Register);
}

static REGISTER: Register = Register {
    initial: Value::Nil,
};

/// Judges while it records. A read is stale two seconds before the end, if that is asked for.
#[squall::test(seeds = 1)]
async fn watched() {
    let history = Recording::judged(1, Online::new(&REGISTER, Limits::default()));
    let recording = history.clone();
    squall::engine::add_node("client").start(move || write_and_read(recording.clone()));
    squall::time::sleep(squall::time::Duration::from_secs(4)).await;
    eprintln!("the harness has come to its end");
    history.assert_linearizable(Model::Register);
}

async fn write_and_read(history: Recording) {
    let is_stale = is_asked_for("a stale read");
    for (value, found) in [(1, 1), (2, if is_stale { 1 } else { 2 })] {
        squall::time::sleep(squall::time::Duration::from_secs(1)).await;
        history.invoke(0, "write", "x", value);
        history.ok(0, value);
        history.invoke(0, "read", "x", Value::Nil);
        history.ok(0, found);
    }
    if is_asked_for("an operation that nobody knows") {
        history.invoke(0, "increment", "x", Value::Nil);
    }
}

/// A test may answer with an error.
#[squall::test(seeds = 1)]
async fn fallible() -> Result<(), String> {
    match is_asked_for("an error") {
        true => Err("no luck".to_owned()),
        false => Ok(()),
    }
}

fn five_seconds(config: squall::engine::Config) -> squall::engine::Config {
    squall::engine::Config {
        end_ns: 5_000_000_000,
        ..config
    }
}

/// Has a world of its own, which ends early.
#[squall::test(config = five_seconds, seeds = 1)]
async fn configured() {
    let seconds = if is_asked_for("too long a sleep") {
        6
    } else {
        4
    };
    squall::time::sleep(squall::time::Duration::from_secs(seconds)).await;
}

/// Runs a test of this binary again; whether it passed, and what it said.
fn rerun(test: &str, fail: &str, environment: &[(&str, &str)]) -> (bool, String) {
    let program = std::env::current_exe().expect("a test knows its binary");
    let mut command = Command::new(program);
    command
        .args([test, "--exact", "--nocapture"])
        .env(FAIL, fail);
    command.env_remove("SQUALL_SEED").env_remove("SQUALL_SEEDS");
    command.envs(environment.iter().copied());
    let output = command.output().expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

#[test]
fn a_failure_says_what_is_impossible_where_the_report_lies_and_how_to_see_it_again() {
    let (passed, text) = rerun("subject", "a stale read", &[]);
    assert!(!passed, "{text}");
    assert!(text.contains("Process 1 read x = 7"), "{text}");
    let report = text
        .lines()
        .find_map(|line| line.strip_prefix("report: "))
        .expect("a report");
    assert!(
        std::fs::read_to_string(report).is_ok_and(|page| page.contains("read")),
        "{report}"
    );
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("reproduce: "))
        .expect("a line");
    let seed = line
        .strip_prefix("SQUALL_SEED=")
        .and_then(|line| line.split(' ').next())
        .expect("a seed");
    let (passed, again) = rerun("subject", "a stale read", &[("SQUALL_SEED", seed)]);
    assert!(
        !passed && again.contains(&format!("seed {seed} failed")),
        "{again}"
    );
    assert!(text.contains("regressions/"), "{text}");
}

#[test]
fn every_way_to_fail_fails_the_test() {
    let ways = [
        ("subject", "an abort", "failed"),
        ("subject", "a panic of a node", "the node is fragile"),
        ("fallible", "an error", "no luck"),
    ];
    for (test, way, said) in ways {
        let (passed, text) = rerun(test, way, &[]);
        assert!(!passed && text.contains(said), "{way}: {text}");
    }
    assert!(rerun("subject", "", &[]).0 && rerun("fallible", "", &[]).0);
}

#[test]
fn a_judged_recording_ends_the_run_at_the_first_bad_event() {
    let end = "the harness has come to its end";
    let (passed, text) = rerun("watched", "", &[]);
    assert!(passed, "{text}");
    let ways = [
        ("a stale read", "ends in `ok` at event 7"),
        (
            "an operation that nobody knows",
            "expected `read` or `write` of a register",
        ),
    ];
    for (way, said) in ways {
        let (passed, text) = rerun("watched", way, &[]);
        assert!(
            !passed && text.contains(said) && !text.contains(end),
            "{way}: {text}"
        );
    }
    let (_, text) = rerun("watched", "a stale read", &[]);
    let mut lines = text.lines();
    let report = lines.find_map(|line| line.strip_prefix("report: "));
    let page = std::fs::read_to_string(report.expect("a report"));
    assert!(page.is_ok_and(|page| page.contains("event 7")), "{text}");
}

#[test]
fn seeds_come_from_the_environment() {
    let (passed, text) = rerun("subject", "", &[("SQUALL_SEED", "0xzz")]);
    assert!(!passed && text.contains("`0xzz` is not a seed"), "{text}");
    let (passed, text) = rerun("subject", "", &[("SQUALL_SEEDS", "many")]);
    assert!(
        !passed && text.contains("expected a number, but found `many`"),
        "{text}"
    );
    let (passed, text) = rerun("subject", "", &[("SQUALL_SEEDS", "0")]);
    assert!(
        !passed && text.contains("a test without seeds tests nothing"),
        "{text}"
    );
}

#[test]
fn old_failures_run_first() {
    let seed_of = |text: &str| {
        text.split("seed ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .map(str::to_owned)
    };
    let (_, text) = rerun("subject", "a stale read", &[]);
    let first = seed_of(&text).expect("a seed");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let kept: BTreeSet<String> = std::fs::read_dir(directory)
        .expect("the directory is part of the repository")
        .filter_map(|entry| {
            entry
                .ok()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
        })
        .filter(|name| name.starts_with("simulated_test-subject"))
        .collect();
    assert_eq!(
        kept.len(),
        1,
        "one old failure is kept for this test: {kept:?}"
    );
    assert_eq!(
        first, "0x00000000000000ab",
        "and it is the first that fails"
    );
}

#[test]
fn a_test_says_what_its_world_is_like() {
    assert!(rerun("configured", "", &[]).0);
    let (is_passed, told) = rerun("configured", "too long a sleep", &[]);
    assert!(!is_passed);
    assert!(
        told.contains("virtual time ended at 5000000000 ns"),
        "{told}"
    );
}
