//! Why a history is impossible, for a reader.

use super::before;
use super::judge::Judgement;
use super::minimise::minimise;
use super::problem::Entry;
use crate::history::{History, Operation, Value};
use crate::spec::{Call, DecodeError, Diagnosis, Spec};
use crate::verdict::Anomaly;

/// How many states of the frontier are told.
const STATES_TOLD_MAX: usize = 8;

/// The anomaly of an impossible judgement of the key's operations.
pub(super) fn anomaly<S: Spec>(
    spec: &S,
    history: &History,
    key: &Option<Value>,
    entries: &[Entry<S>],
    judgement: &Judgement,
) -> Result<Anomaly, DecodeError> {
    let Judgement::Impossible {
        event,
        culprit,
        reasons,
    } = judgement
    else {
        unreachable!("only impossible judgements have an anomaly");
    };
    let culprit = &history.operations()[*culprit];
    let known = before(entries, event + 1);
    let diagnosis = diagnose(spec, history, key, culprit)?;
    let spoken_of = diagnosis
        .as_ref()
        .map_or(&[] as &[usize], |diagnosis| &diagnosis.operations);
    let mut witness = minimise(spec, &known, culprit.id, spoken_of);
    witness.extend(spoken_of);
    witness.sort_unstable();
    witness.dedup();
    let diagnosis = diagnosis.unwrap_or_else(|| no_order(culprit));
    Ok(Anomaly {
        checker: "linearizability".to_owned(),
        class: diagnosis.class.to_owned(),
        sentence: diagnosis.sentence,
        witness,
        first_bad_event: Some(*event),
        explanation: explanation(*event, culprit, reasons),
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
    let answer = if input == output {
        String::new()
    } else {
        format!(" -> {output}")
    };
    Diagnosis {
        class: "non-linearizable",
        sentence: format!(
            "No order of the operations explains process {process}'s {f} {input}{answer} together with all that was seen before."
        ),
        operations: Vec::new(),
    }
}

fn explanation(event: usize, culprit: &Operation, reasons: &[String]) -> Vec<String> {
    let Operation { id, process, f, .. } = culprit;
    let mut lines = vec![format!(
        "Everything before event {event} can be explained. There process {process}'s {f} (operation {id}) returns, and in no state that remains can it have happened:"
    )];
    lines.extend(reasons.iter().take(STATES_TOLD_MAX).cloned());
    if let Some(more @ 1..) = reasons.len().checked_sub(STATES_TOLD_MAX) {
        lines.push(format!("and {more} more states"));
    }
    lines
}
