//! What each command does. Each answers how it ended; text goes to standard output, progress and
//! errors to standard error.

pub mod campaign;
pub mod check;
pub mod doctor;
pub mod list;
pub mod mutants;
mod print;
mod progress;
pub mod replay;
mod report;
pub mod serve;

use crate::exit::Exit;

/// Why a command could not do its work.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

/// How a command ended.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// The user's call, or a file that it names, makes no sense.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Usage,
            error: error.into(),
        }
    }
}

/// Anything that is not the user's doing is Squall's, or the machine's.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: Exit::Harness,
            error: error.into(),
        }
    }
}

/// `squall worker`.
///
/// # Errors
/// If its input is no job, or its output cannot be written.
pub fn worker() -> Outcome {
    crate::campaign::worker::work()?;
    Ok(Exit::Success)
}

/// How many workers there are to be: one at least.
fn jobs_or_cores(jobs: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    jobs.unwrap_or_else(cores).max(1)
}

/// The planted bug that the user names, if it exists.
fn known_mutant(id: &str) -> Result<&'static squall_models::mutants::Mutant, Failure> {
    squall_models::mutants::find(id).ok_or_else(|| {
        let known: Vec<_> = squall_models::mutants::all()
            .map(|mutant| mutant.id)
            .collect();
        Failure::usage(anyhow::anyhow!(
            "there is no planted bug `{id}`: expected one of {}",
            known.join(", ")
        ))
    })
}

/// Whether the kinds of fault that the user names exist.
fn known_kinds(kinds: &[String]) -> Result<(), Failure> {
    let known = squall_sim::fault::Fault::KINDS;
    match kinds.iter().find(|kind| !known.contains(&kind.as_str())) {
        None => Ok(()),
        Some(kind) => {
            let known = known.join(", ");
            Err(Failure::usage(anyhow::anyhow!(
                "there is no kind of fault `{kind}`: expected one of {known}"
            )))
        }
    }
}
