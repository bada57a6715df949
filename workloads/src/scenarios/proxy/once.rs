//! Once: what is not idempotent is executed once at most.

use squall_checkers::history::{Outcome, Value};
use squall_checkers::{Anomaly, History, Verdict};

use super::{final_echo, stormy, system};
use crate::plan::Plan;
use crate::record::Record;
use crate::scenario::Scenario;

/// Requests that must not be executed twice, counted where they are executed.
pub const ONCE: Scenario = Scenario {
    id: "proxy/once",
    about: "proxy: a request that is not idempotent is executed once at most",
    plan: |scenario, seed, mutant| stormy(scenario, seed, mutant, "once"),
    system,
    initially: |_| Vec::new(),
    finally: |_| final_echo(),
    check,
};

/// Each answer says how often the request has been executed there: once. That it was not executed
/// elsewhere as well, the backends themselves say.
fn check(_: &Plan, _: &Record, history: &History) -> Verdict {
    let twice = history.operations().iter().find(|operation| {
        operation.f == "once"
            && operation.outcome == Outcome::Ok
            && operation.output != Value::Int(1)
    });
    match twice {
        None => Verdict::Valid { witness: None },
        Some(operation) => Verdict::Invalid(Anomaly {
            checker: "at-most-once".to_owned(),
            class: "executed-twice".to_owned(),
            sentence: format!(
                "The answer to request {} says that it had been executed more than once.",
                operation.input
            ),
            witness: vec![operation.id],
            first_bad_event: operation.completed,
            ..Anomaly::default()
        }),
    }
}
