//! The doctor for a simulated test: `SQUALL_DOCTOR=1 cargo test NAME`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use squall_sim::engine::{self, Findings, Wanted};
use squall_workloads::plan::Seed;

use super::{Case, Ending, run_command};
use crate::campaign::Probing;
use crate::doctor::{self, Circumstances, Symbols};

/// In the process of a run: what is wanted to be known of it.
pub(super) const ASKED: &str = "SQUALL_TEST_ASKED";

/// What is wanted to be known of a run, and where the findings are to be written.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    probing: Probing,
    findings: PathBuf,
}

/// Examines a test with one seed, and says what was found.
///
/// # Panics
/// If runs differ.
pub(super) fn examine(case: &Case, seed: Seed) {
    let diagnosis =
        doctor::diagnose(|circumstances, wanted| ask(case, seed, circumstances, wanted))
            .unwrap_or_else(|error| panic!("the test cannot be examined: {error:#}"));
    let told = diagnosis.tell(&Symbols::of_this_program());
    eprintln!("squall doctor: {} with seed {seed}\n{told}", case.path);
    assert!(
        diagnosis.is_deterministic(),
        "two runs of one seed differ: see above"
    );
}

/// Runs a seed in a fresh process, which answers what was found.
fn ask(case: &Case, seed: Seed, circumstances: Circumstances, wanted: Wanted) -> Result<Findings> {
    let name = format!("squall-{}-{seed}.json", std::process::id());
    let asked = Asked {
        probing: Probing {
            wanted,
            is_warm: circumstances.is_warm,
        },
        findings: std::env::temp_dir().join(name),
    };
    let mut command = run_command(case, seed);
    command.env(ASKED, serde_json::to_string(&asked)?);
    let output = circumstances
        .addresses
        .start(|| command.spawn())?
        .wait_with_output()?;
    let found = std::fs::read(&asked.findings).with_context(|| {
        let told = String::from_utf8_lossy(&output.stderr);
        format!(
            "the run ended without an answer, by {}:\n{told}",
            output.status
        )
    })?;
    std::fs::remove_file(&asked.findings)?;
    Ok(serde_json::from_slice(&found)?)
}

/// Runs a seed here, and writes down what was found. How the test itself ends does not matter.
pub(super) fn answer<F>(asked: &str, config: &engine::Config, body: impl Fn() -> F + Send + Sync)
where
    F: Future + 'static,
    F::Output: Ending,
{
    let asked: Asked = serde_json::from_str(asked)
        .unwrap_or_else(|error| panic!("{ASKED} is not for people: {error}"));
    std::panic::set_hook(Box::new(|_| {}));
    let run = || {
        let body = || {
            let body = body();
            async { body.await.failure() }
        };
        catch_unwind(AssertUnwindSafe(|| engine::run(config.clone(), body)))
    };
    if asked.probing.is_warm {
        drop(run());
    }
    let (_, findings) = engine::probed(asked.probing.wanted, run);
    let bytes = serde_json::to_vec(&findings).expect("findings are plain values");
    std::fs::write(&asked.findings, bytes)
        .unwrap_or_else(|error| panic!("{}: {error}", asked.findings.display()));
}
