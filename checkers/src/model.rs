//! The checkers by name, as the command line knows them.

use crate::history::{History, Outcome, Value};
use crate::linearizability::{self, Limits};
use crate::spec::{DecodeError, Spec};
use crate::specs::{CasRegister, FailedCas, KvMap, Register};
use crate::verdict::Verdict;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A specification that comes with the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    Register,
    CasRegister,
    KvMap,
}

impl Model {
    pub const ALL: [Self; 3] = [Self::Register, Self::CasRegister, Self::KvMap];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
            Self::KvMap => "kv",
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Self, UnknownModel> {
        let found = Self::ALL.into_iter().find(|model| model.name() == name);
        found.ok_or_else(|| UnknownModel(name.to_owned()))
    }
}

/// A model that nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a model (register, cas-register or kv), but found `{0}`")]
pub struct UnknownModel(String);

/// What a check may be told beyond the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The value before the first write.
    pub initial: Value,
    pub failed_cas: FailedCas,
    pub limits: Limits,
}

/// Whether the history is linearizable by the model; `Vacuous` if no operation succeeded.
///
/// # Errors
/// If an operation is none of the model's; the error names it.
pub fn check_linearizable(
    history: &History,
    model: Model,
    options: &Options,
) -> Result<Verdict, DecodeError> {
    let Options {
        initial,
        failed_cas,
        limits,
    } = options.clone();
    match model {
        Model::Register => check(&Register { initial }, history, &limits),
        Model::CasRegister => check(
            &CasRegister {
                initial,
                failed_cas,
            },
            history,
            &limits,
        ),
        Model::KvMap => check(
            &KvMap {
                initial,
                failed_cas,
            },
            history,
            &limits,
        ),
    }
}

fn check<S: Spec>(spec: &S, history: &History, limits: &Limits) -> Result<Verdict, DecodeError> {
    let verdict = linearizability::check(spec, history, limits)?;
    let is_ok = |operation: &crate::history::Operation| operation.outcome == Outcome::Ok;
    if matches!(verdict, Verdict::Valid { .. }) && !history.operations().iter().any(is_ok) {
        return Ok(Verdict::Vacuous(
            "no operation succeeded, so nothing was seen".to_owned(),
        ));
    }
    Ok(verdict)
}
