//! Why a history is impossible, for a reader.

use super::minimise::minimise;
use super::prefix::{BadPrefix, operations_until};
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
    let diagnosis = diagnose(spec, history, bad)?.unwrap_or_else(|| no_order(culprit));
    let Diagnosis {
        operations,
        suspects,
        ..
    } = &diagnosis;
    let witness = minimise(spec, &bad.entries, operations, suspects);
    Ok(Anomaly {
        checker: "linearizability".to_owned(),
        class: diagnosis.class.to_owned(),
        sentence: diagnosis.sentence,
        witness,
        first_bad_event: Some(bad.event),
        explanation: explanation(history, bad),
        ..Anomaly::default()
    })
}

/// What the specification says, knowing no more than the prefix does.
fn diagnose<S: Spec>(
    spec: &S,
    history: &History,
    bad: &BadPrefix<S>,
) -> Result<Option<Diagnosis>, DecodeError> {
    let mut operations = operations_until(history, bad.event + 1);
    let end = history.operations()[bad.culprit]
        .completed
        .unwrap_or(bad.event);
    operations.retain(|recorded| recorded.invoked < end && spec.key(recorded) == bad.key);
    let mut calls = Vec::with_capacity(operations.len());
    for recorded in &operations {
        let decoded = spec.decode(recorded)?;
        calls.push(Call {
            decoded,
            recorded,
            has_times: history.has_times(),
        });
    }
    let culprit = operations
        .iter()
        .position(|recorded| recorded.id == bad.culprit);
    Ok(culprit.and_then(|culprit| spec.diagnose(&calls, culprit)))
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
