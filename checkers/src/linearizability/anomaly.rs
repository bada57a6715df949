//! Why a history is impossible, for a reader.

use super::judge::{Impossible, UnexplainedReturn};
use super::minimise::{Core, minimise};
use super::objects::Court;
use super::prefix::BadPrefix;
use crate::history::{EventRef, History, Operation};
use crate::spec::{DecodeError, Diagnosis};
use crate::verdict::Anomaly;

/// How many states of the frontier are told.
const STATES_TOLD_MAX: usize = 8;

/// What is wrong with an impossible prefix of the history.
pub(super) fn anomaly<'a>(
    court: &Court<'a>,
    mut bad: BadPrefix<'a>,
) -> Result<Anomaly, DecodeError> {
    let history = court.history;
    let (diagnosis, explanation) = match &bad.impossible {
        Impossible::Conflict(conflict) => by_conflict(court, &bad, conflict)?,
        Impossible::Return(unexplained) => {
            let culprit = &history.operation(unexplained.culprit);
            let diagnosis = diagnose(court, &bad, culprit)?;
            (
                diagnosis.unwrap_or_else(|| no_order(culprit)),
                explanation(history, bad.event, unexplained),
            )
        }
    };
    let core = match &bad.impossible {
        // The algorithm knows that these are enough: no search has to find it out again.
        Impossible::Conflict(conflict) if *conflict == diagnosis => known_core(conflict),
        _ => {
            let compiled = bad.compiled.take();
            let recorded = bad.recorded(history);
            minimise(court.spec, recorded, &court.meter(1), &diagnosis, compiled)
        }
    };
    Ok(Anomaly {
        checker: "linearizability".to_owned(),
        class: diagnosis.class.to_owned(),
        sentence: diagnosis.sentence,
        witness: core.operations,
        minimal: core.is_minimal,
        first_bad_event: Some(bad.event),
        explanation,
        ..Anomaly::default()
    })
}

/// All that a conflict needs.
fn known_core(conflict: &Diagnosis) -> Core {
    let mut operations = [&conflict.operations[..], &conflict.suspects].concat();
    operations.sort_unstable();
    operations.dedup();
    Core {
        operations,
        is_minimal: conflict.is_minimal,
    }
}

/// What the specification says of a conflict's last return, if it says anything; then the conflict
/// explains it.
fn by_conflict(
    court: &Court<'_>,
    bad: &BadPrefix<'_>,
    conflict: &Diagnosis,
) -> Result<(Diagnosis, Vec<String>), DecodeError> {
    let named = conflict.operations.iter();
    let culprit = named
        .map(|&id| court.history.operation(id))
        .filter(|operation| operation.completed.is_some_and(|at| at <= bad.event))
        .max_by_key(|operation| operation.completed);
    let diagnosed = match culprit {
        Some(culprit) => diagnose(court, bad, &culprit)?,
        None => None,
    };
    let Some(mut diagnosis) = diagnosed else {
        return Ok((conflict.clone(), Vec::new()));
    };
    diagnosis.suspects.extend(&conflict.operations);
    diagnosis.suspects.extend(&conflict.suspects);
    Ok((diagnosis, vec![conflict.sentence.clone()]))
}

/// What the specification says, knowing no more than the prefix does.
fn diagnose(
    court: &Court<'_>,
    bad: &BadPrefix<'_>,
    culprit: &Operation<'_>,
) -> Result<Option<Diagnosis>, DecodeError> {
    let end = culprit.completed.unwrap_or(bad.event);
    let known = bad.recorded(court.history);
    let mut recorded: Vec<Operation<'_>> = Vec::with_capacity(known.begun().len());
    recorded.extend(known.iter().take_while(|known| known.invoked < end));
    let place = recorded.iter().position(|known| known.id == culprit.id);
    let has_times = court.history.has_times();
    match place {
        Some(culprit) => court.spec.diagnose_any(&recorded, culprit, has_times),
        None => Ok(None),
    }
}

fn no_order(culprit: &Operation<'_>) -> Diagnosis {
    let Operation {
        process,
        f,
        input,
        output,
        ..
    } = culprit;
    let asked = if input.is_nil() {
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
        is_minimal: false,
    }
}

fn explanation(history: &History, event: usize, unexplained: &UnexplainedReturn) -> Vec<String> {
    let Operation { id, process, f, .. } = history.operation(unexplained.culprit);
    let mut lines = vec![format!(
        "Everything before event {} can be explained. There process {process}'s {f} (operation {id}) returns, and in no state that remains can it have happened:",
        unexplained.event
    )];
    let reasons = &unexplained.reasons;
    lines.extend(reasons.iter().take(STATES_TOLD_MAX).cloned());
    if let Some(more @ 1..) = reasons.len().checked_sub(STATES_TOLD_MAX) {
        lines.push(format!("and {more} more states"));
    }
    if event != unexplained.event {
        let EventRef {
            process, kind, f, ..
        } = history.event(event);
        lines.push(format!(
            "This is certain since event {event}, where process {process}'s {f} ends in `{}`: until then it might have ended otherwise.",
            kind.word()
        ));
    }
    lines
}
