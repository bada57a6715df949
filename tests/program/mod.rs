//! The one place that runs the program: what it is told, and how it ended.

use std::path::Path;
use std::process::{Command, Output};

/// A directory to run the program in. Paths on its command line are relative to it.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program, without arguments yet.
pub(crate) fn squall() -> Command {
    Command::new(env!("CARGO_BIN_EXE_squall"))
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs the program with arguments that no blank is in.
    pub(crate) fn run(&self, line: &str) -> Ended {
        let mut command = squall();
        command
            .args(line.split_whitespace())
            .current_dir(self.path());
        Ended::of(command.output().expect("the program starts"))
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Fails the test, with all that the program said, unless it ended by this code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// The lines of standard output that begin so, without their beginnings.
    pub(crate) fn after<'a>(&'a self, beginning: &str) -> Vec<&'a str> {
        let lines = self.stdout.lines();
        lines
            .filter_map(|line| line.strip_prefix(beginning))
            .collect()
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "ended by {code:?}\n--- standard output\n{stdout}\n--- standard error\n{stderr}"
        )
    }
}
