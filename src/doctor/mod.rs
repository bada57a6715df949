//! The doctor: whether a run repeats, and if it does not, where and why.
//!
//! A subject is run several times, each in a fresh process, in *circumstances* that must not matter:
//! another moment of real time, other addresses of memory, a process that has run it before. Which of
//! them matters says what kind of thing escapes; the [`bisect`]or says which decision it reaches first,
//! and what programs did around the simulation says who it is.
//!
//! What no circumstance here changes is not found: the machine's kernel, its environment variables, the
//! program's own file.

pub mod bisect;
mod story;
mod symbols;

use std::fmt::Write;

use squall_sim::engine::{ChangedWord, Escape, Findings, Wanted};

use self::bisect::Comparison;
pub use self::symbols::Symbols;
use crate::campaign::Addresses;

/// In which a run is made, and which must not matter to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    pub addresses: Addresses,
    /// Whether the process has made the same run before.
    pub is_warm: bool,
}

impl Circumstances {
    /// As campaigns run.
    pub const USUAL: Self = Self {
        addresses: Addresses::Fixed,
        is_warm: false,
    };
}

/// What may differ between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Nothing but what nobody can hold: real time, real randomness, other threads.
    Repetition,
    Addresses,
    Warmth,
}

impl Question {
    const ALL: [Self; 3] = [Self::Repetition, Self::Addresses, Self::Warmth];

    fn circumstances(self) -> [Circumstances; 2] {
        let usual = Circumstances::USUAL;
        let other = match self {
            Self::Repetition => usual,
            Self::Addresses => Circumstances {
                addresses: Addresses::Random,
                ..usual
            },
            Self::Warmth => Circumstances {
                is_warm: true,
                ..usual
            },
        };
        [usual, other]
    }

    /// How often runs that look equal are made: what is random may be so by chance.
    fn repeats(self) -> usize {
        match self {
            Self::Repetition | Self::Addresses => 3,
            Self::Warmth => 1,
        }
    }

    fn asked(self) -> &'static str {
        match self {
            Self::Repetition => "in two fresh processes",
            Self::Addresses => "at other addresses of memory",
            Self::Warmth => "in a process that has run it before",
        }
    }

    /// What it means that runs differ.
    fn cause(self) -> &'static str {
        match self {
            Self::Repetition => {
                "Real time, real randomness, another thread or the process's number reaches a decision."
            }
            Self::Addresses => {
                "Addresses of memory reach a decision: something is sorted or hashed by them."
            }
            Self::Warmth => {
                "State outlives a run: a static or thread-local that one run writes and the next reads. \
                 It outlives a simulated restart as well, and machines share it."
            }
        }
    }
}

/// What the doctor found.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The questions that were asked, in their order.
    pub answers: Vec<(Question, Comparison)>,
    /// What programs did around the simulation.
    pub escapes: Vec<Escape>,
    /// What changed in statics and thread-locals.
    pub changed: Vec<ChangedWord>,
    /// What could not be watched here.
    pub unwatched: Vec<String>,
}

/// Examines a subject: `run` runs it in a fresh process and answers what was found.
///
/// # Errors
/// Those of `run`.
pub fn diagnose<E>(
    mut run: impl FnMut(Circumstances, Wanted) -> Result<Findings, E>,
) -> Result<Diagnosis, E> {
    let wanted = Wanted {
        is_watched: true,
        ..Wanted::default()
    };
    let Findings {
        escapes,
        changed,
        unwatched,
        ..
    } = run(Circumstances::USUAL, wanted)?;
    let mut answers = Vec::new();
    for question in Question::ALL {
        let comparison = compare(question, &mut run)?;
        let is_equal = matches!(comparison, Comparison::Equal { .. });
        answers.push((question, comparison));
        // What does not repeat in equal circumstances says nothing in others.
        if question == Question::Repetition && !is_equal {
            break;
        }
    }
    Ok(Diagnosis {
        answers,
        escapes,
        changed,
        unwatched,
    })
}

/// Compares runs in the circumstances of a question.
///
/// # Errors
/// Those of `run`.
pub fn compare<E>(
    question: Question,
    run: &mut impl FnMut(Circumstances, Wanted) -> Result<Findings, E>,
) -> Result<Comparison, E> {
    let circumstances = question.circumstances();
    bisect::compare(question.repeats(), |side, window| {
        let wanted = Wanted {
            trace: Some(window),
            ..Wanted::default()
        };
        // A run that dies without an answer has no decisions.
        run(circumstances[side], wanted).map(|found| found.trace.unwrap_or_default())
    })
}

impl Diagnosis {
    /// Whether nothing was found that makes two runs differ.
    pub fn is_deterministic(&self) -> bool {
        let is_equal = |(_, comparison): &(Question, Comparison)| {
            matches!(comparison, Comparison::Equal { .. })
        };
        self.answers.iter().all(is_equal)
    }

    /// The diagnosis as text.
    pub fn tell(&self, symbols: &Symbols) -> String {
        let mut text = String::new();
        for (question, comparison) in &self.answers {
            text.push_str(&answer(*question, comparison, symbols));
        }
        match &self.escapes[..] {
            [] => text.push_str("nothing went around the simulation\n"),
            escapes => escapes
                .iter()
                .for_each(|escape| text.push_str(&story::of_escape(escape, symbols))),
        }
        text.push_str(&story::of_changes(&self.changed, symbols));
        for what in &self.unwatched {
            text.push_str(&format!("this machine cannot watch {what}\n"));
        }
        text
    }
}

/// What came of a question, as text.
pub fn answer(question: Question, comparison: &Comparison, symbols: &Symbols) -> String {
    let mut text = String::new();
    let asked = question.asked();
    let written = match comparison {
        Comparison::Equal { decisions } => {
            writeln!(text, "equal {asked}: {decisions} decisions")
        }
        Comparison::Differ(divergence) => writeln!(
            text,
            "DIFFERENT {asked}. {}\n{}",
            question.cause(),
            story::of_divergence(divergence, symbols)
        ),
    };
    written.expect("a string takes all that is written");
    text
}
