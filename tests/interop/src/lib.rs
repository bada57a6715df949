//! The program that the tests of this crate start.
//!
//! Cargo tells a test where the programs of its *own* package are. This package is another, so that its
//! dependencies are nobody else's; it asks cargo, which also sees to it that the program is up to date.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// `squall`, without arguments yet.
///
/// # Panics
/// If it cannot be built.
pub fn squall() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    Command::new(PROGRAM.get_or_init(build))
}

fn build() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--package", "squall", "--bin", "squall"])
        .args(["--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo, which has started this, starts");
    assert!(output.status.success(), "squall cannot be built");
    let messages = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find_map(|message: Value| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the program that it has built")
}
