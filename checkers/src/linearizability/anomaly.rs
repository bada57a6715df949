//! Why a history is impossible, for a reader.

use super::minimise::minimise;
use super::prefix::BadPrefix;
use crate::history::{Event, History, Operation, Value};
use crate::spec::{Call, DecodeError, Diagnosis, Spec};
use crate::verdict::Anomaly;

/// How many states of the frontier are told.
const STATES_TOLD_MAX: usize = 8;

/// What is wrong with an impossible prefix of the history.
pub(super) fn anomaly<S: Spec>(
    spec: &S,
    history: &History,
    bad: &BadPrefix<S>,
) -> Result<Anomaly, DecodeError> {
    let culprit = &history.operations()[bad.culprit];
    let diagnosis = diagnose(spec, history, &bad.key, culprit)?;
    let diagnosis = diagnosis.unwrap_or_else(|| no_order(culprit));
    let Diagnosis {
        operations,
        suspects,
        ..
    } = &diagnosis;
    let mut witness = minimise(spec, &bad.entries, operations, suspects);
    witness.extend(operations);
    witness.sort_unstable();
    witness.dedup();
    Ok(Anomaly {
        checker: "linearizability".to_owned(),
        class: diagnosis.class.to_owned(),
        sentence: diagnosis.sentence,
        witness,
        first_bad_event: Some(bad.event),
        explanation: explanation(history, bad),
    })
}

fn diagnose<S: Spec>(
    spec: &S,
    history: &History,
    key: &Option<Value>,
    culprit: &Operation,
) -> Result<Option<Diagnosis>, DecodeError> {
    let end = culprit.completed.unwrap_or(usize::MAX);
    let mut calls = Vec::new();
    let mut at = None;
    for recorded in history.operations() {
        if recorded.invoked > end || spec.key(recorded) != *key {
            continue;
        }
        if recorded.id == culprit.id {
            at = Some(calls.len());
        }
        calls.push(Call {
            decoded: spec.decode(recorded)?,
            recorded,
            has_times: history.has_times(),
        });
    }
    Ok(at.and_then(|at| spec.diagnose(&calls, at)))
}

fn no_order(culprit: &Operation) -> Diagnosis {
    let Operation {
        process,
        f,
        input,
        output,
        ..
    } = culprit;
    let asked = if *input == Value::Nil {
        String::new()
    } else {
        format!(" {input}")
    };
    let answer = if input == output {
        String::new()
    } else {
        format!(" -> {output}")
    };
    Diagnosis {
        class: "non-linearizable",
        sentence: format!(
            "No order of the operations explains process {process}'s {f}{asked}{answer} together with all that was seen before."
        ),
        operations: vec![culprit.id],
        suspects: Vec::new(),
    }
}

fn explanation<S: Spec>(history: &History, bad: &BadPrefix<S>) -> Vec<String> {
    let Operation { id, process, f, .. } = &history.operations()[bad.culprit];
    let mut lines = vec![format!(
        "Everything before event {} can be explained. There process {process}'s {f} (operation {id}) returns, and in no state that remains can it have happened:",
        bad.unexplained
    )];
    lines.extend(bad.reasons.iter().take(STATES_TOLD_MAX).cloned());
    if let Some(more @ 1..) = bad.reasons.len().checked_sub(STATES_TOLD_MAX) {
        lines.push(format!("and {more} more states"));
    }
    if bad.event != bad.unexplained {
        let Event {
            process, kind, f, ..
        } = &history.events()[bad.event];
        lines.push(format!(
            "This is certain since event {}, where process {process}'s {f} ends in `{}`: until then it might have ended otherwise.",
            bad.event,
            kind.word()
        ));
    }
    lines
}
