//! One suite of programs that runs in both worlds, the engine and a real tokio runtime on the
//! machine that runs the tests, and must see the same in both: values, ends and error numbers.
//!
//! A program writes down what it sees, line by line; the lines are compared. What differs on purpose
//! is not in here: a panic of a task ends its node in the engine, and packets take time there.

mod datagrams;
mod files;
mod kills;
mod names;
mod streams;
mod tasks;

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;

use squall_sim::engine::{self, Config};
use squall_sim::fs;
use squall_sim::time::{Duration, sleep};

/// What a program has seen, as lines of text.
#[derive(Default)]
struct Log(Vec<String>);

impl Log {
    fn see(&mut self, what: &str, value: impl Debug) {
        self.0.push(format!("{what}: {value:?}"));
    }

    /// A result; an error by its number, or by its kind if it has none.
    fn result<T: Debug>(&mut self, what: &str, result: io::Result<T>) {
        self.see(what, result.map_err(|error| Trouble::of(&error)));
    }
}

#[derive(Debug)]
#[expect(dead_code, reason = "compared by how they print")]
enum Trouble {
    Errno(i32),
    Kind(io::ErrorKind),
}

impl Trouble {
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            // What the kernel would refuse so, std sometimes refuses before, without a number.
            Some(libc::EINVAL) | None => Self::Kind(error.kind()),
            Some(code) => Self::Errno(code),
        }
    }
}

/// Runs a program in both worlds, each time in an empty directory of its own, and compares.
#[track_caller]
fn check<F>(program: fn(PathBuf) -> F)
where
    F: Future<Output = Log> + 'static,
{
    let real = in_tokio(program);
    assert!(
        !real.is_empty(),
        "a program that sees nothing proves nothing"
    );
    for seed in 0..4 {
        let simulated = in_engine(seed, program);
        assert_eq!(
            simulated.join("\n"),
            real.join("\n"),
            "left is the engine, right the real world"
        );
    }
}

fn in_tokio<F: Future<Output = Log>>(program: fn(PathBuf) -> F) -> Vec<String> {
    let place = tempfile::tempdir().expect("a place for temporary files");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(program(place.path().to_owned())).0
}

fn in_engine<F>(seed: u64, program: fn(PathBuf) -> F) -> Vec<String>
where
    F: Future<Output = Log> + 'static,
{
    let outcome = engine::run(Config::new(seed), move || async move {
        fs::create_dir_all("/tmp/place")
            .await
            .expect("an empty disk");
        program(PathBuf::from("/tmp/place")).await.0
    });
    outcome.expect("the program ends").output
}

/// Lets what was sent arrive, in either world.
async fn settle() {
    sleep(Duration::from_millis(5)).await;
}
