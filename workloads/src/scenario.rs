//! Scenarios: a system, a workload, a nemesis and the checkers that judge it, under a name.

use std::cell::RefCell;
use std::rc::Rc;

use squall_checkers::spec::DecodeError;
use squall_checkers::{FailedCas, History, Limits, Model, Options, Verdict};
use squall_sim::keyed::Key;

use crate::clients::FinalOperation;
use crate::plan::{Plan, PlannedOperation, Seed};
use crate::record::Record;
use crate::system::System;

/// A scenario.
pub struct Scenario {
    /// Such as `consensus/register`.
    pub id: &'static str,
    /// One line for `squall list`.
    pub about: &'static str,
    /// Makes the plan of a seed.
    pub plan: fn(&Self, Seed, Option<String>) -> Plan,
    /// Makes the system of a plan.
    pub system: fn(&Plan) -> Rc<RefCell<dyn System>>,
    /// What the first client does before anything is recorded, so that there is something to work on.
    pub initially: fn(&Plan) -> Vec<PlannedOperation>,
    /// What clients do at the end, when all faults have ended: it must be answered.
    pub finally: fn(&Plan) -> Vec<FinalOperation>,
    /// Judges what the clients saw.
    pub check: fn(&Plan, &Record, &History) -> Verdict,
}

impl Scenario {
    /// The plan of a seed, with a planted bug if one is named.
    pub fn plan(&self, seed: Seed, mutant: Option<String>) -> Plan {
        (self.plan)(self, seed, mutant)
    }
}

/// Judges a history by a model of one object; bounded by configurations, never by time, so that a
/// verdict is the same on every machine.
pub(crate) fn linearizable(history: &History, model: Model) -> Verdict {
    let options = Options {
        failed_cas: FailedCas::Observed,
        limits: Limits {
            configurations_max: 2_000_000,
            ..Limits::default()
        },
        ..Options::default()
    };
    let checked = squall_checkers::check_linearizable(history, model, &options);
    checked.unwrap_or_else(|error| misfit(&error))
}

/// The verdict on a history that has operations which its checker does not know.
pub(crate) fn misfit(error: &DecodeError) -> Verdict {
    Verdict::Unknown(format!("the history does not fit its checker: {error}"))
}

/// All scenarios, in the order of tables.
pub static SCENARIOS: [Scenario; 10] = [
    crate::scenarios::consensus::REGISTER,
    crate::scenarios::consensus::CAS,
    crate::scenarios::kv::REGISTER,
    crate::scenarios::kv::BANK,
    crate::scenarios::kv::SET,
    crate::scenarios::broker::FANOUT,
    crate::scenarios::broker::QUEUE,
    crate::scenarios::proxy::ECHO,
    crate::scenarios::proxy::ONCE,
    crate::scenarios::proxy::RECOVER,
];

/// The scenario of an id.
///
/// # Errors
/// If there is none; the error lists those that there are.
pub fn find(id: &str) -> Result<&'static Scenario, UnknownScenario> {
    SCENARIOS
        .iter()
        .find(|scenario| scenario.id == id)
        .ok_or_else(|| UnknownScenario {
            id: id.to_owned(),
            known: SCENARIOS
                .iter()
                .map(|scenario| scenario.id)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// An id that names no scenario.
#[derive(Debug, thiserror::Error)]
#[error("there is no scenario `{id}`: expected one of {known}")]
pub struct UnknownScenario {
    id: String,
    known: String,
}

/// The seed of the `index`th run of a scenario: the same however a campaign is cut up.
pub fn seed_of(base: Seed, scenario: &str, index: u64) -> Seed {
    Seed(Key::root(base.0).label(scenario).with(index).bits())
}
