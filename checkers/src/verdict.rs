//! What a checker answers.

use serde::{Deserialize, Serialize};

/// The answer of a checker, or of a whole run. `Unknown` and `Vacuous` are never a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "detail")]
pub enum Verdict {
    /// The history was possible. The witness, where the checker has one, is an order of operation
    /// ids (see [`crate::history::Operation::id`]) that explains it.
    Valid { witness: Option<Vec<usize>> },
    /// The history was impossible.
    Invalid(Anomaly),
    /// The checker could not tell within its limits; the text says which limit, and how far it got.
    Unknown(String),
    /// The run proved nothing; the text says why.
    Vacuous(String),
}

/// Why a history was impossible.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Anomaly {
    /// The checker that found it: `linearizability`, `election-safety`, ….
    pub checker: String,
    /// The class of the anomaly in kebab case: `stale-read`, `two-leaders-in-one-term`, …. Equal for
    /// duplicates of one bug: it holds no seed, time, node or value.
    pub class: String,
    /// One sentence that says what is impossible.
    pub sentence: String,
    /// The ids of the operations that together are impossible, in order of invocation: whatever else
    /// happened, and for linearizability whatever the state was when the first of them began.
    pub witness: Vec<usize>,
    /// Whether each operation of the witness was shown to be necessary: without what it says, the
    /// others are possible.
    #[serde(default, skip_serializing_if = "is_false")]
    pub minimal: bool,
    /// The index of the first event whose prefix of the history is already impossible.
    pub first_bad_event: Option<usize>,
    /// The weakest consistency models that this rules out, by their names in the field:
    /// `read-committed`, `snapshot-isolation`, …. Empty where the checker's name says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules_out: Vec<String>,
    /// The operations in a circle, each before the next, where that is what is impossible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<Dependency>,
    /// Further lines for a reader who wants to know more: what was tried and why it failed.
    pub explanation: Vec<String>,
    /// What else was found in the history, the worst first: one anomaly of each further class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Self>,
}

/// That one operation came before another: an edge of a cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The ids of the operations.
    pub from: usize,
    pub to: usize,
    pub kind: DependencyKind,
    /// Why the one came before the other, with the values that show it.
    pub sentence: String,
}

/// What orders two operations. Adya, "Weak Consistency: A Generalized Theory and Optimistic
/// Implementations for Distributed Transactions", 1999, has the first three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DependencyKind {
    /// The second overwrote what the first wrote.
    WriteWrite,
    /// The second read what the first wrote.
    WriteRead,
    /// The second overwrote what the first read.
    ReadWrite,
    /// As [`DependencyKind::ReadWrite`], but what was read is what a predicate matched.
    PredicateReadWrite,
    /// One process did first the one, then the other.
    Process,
    /// The one returned before the other was invoked.
    Realtime,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Verdict {
    /// A word for tables: `valid`, `invalid`, `unknown` or `vacuous`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Valid { .. } => "valid",
            Self::Invalid(_) => "invalid",
            Self::Unknown(_) => "unknown",
            Self::Vacuous(_) => "vacuous",
        }
    }
}
