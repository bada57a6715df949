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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The index of the first event whose prefix of the history is already impossible.
    pub first_bad_event: Option<usize>,
    /// Further lines for a reader who wants to know more: what was tried and why it failed.
    pub explanation: Vec<String>,
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
