//! Judging a record: from what happened to a verdict.

use squall_checkers::history::EventKind;
use squall_checkers::{Anomaly, History, Verdict};

use crate::plan::Plan;
use crate::record::Record;
use crate::scenario::Scenario;

/// What a run's record amounts to. What is worse is looked for first: a broken promise outranks a
/// crash, that a system which stands still, that a doubt, and that a run which proved nothing.
pub fn judge(scenario: &Scenario, plan: &Plan, record: &Record) -> Verdict {
    let is_kind = |kind: Kind| move |anomaly: &&Anomaly| Kind::of(anomaly) == kind;
    let first = |kind| record.violations.iter().find(is_kind(kind)).cloned();
    if let Some(anomaly) = first(Kind::Safety) {
        return Verdict::Invalid(anomaly);
    }
    let history = match History::from_events(record.history.clone()) {
        Ok(history) => history,
        Err(error) => {
            return Verdict::Unknown(format!("the recorded history cannot be judged: {error}"));
        }
    };
    let checked = (scenario.check)(plan, record, &history);
    if let Verdict::Invalid(anomaly) = checked {
        return Verdict::Invalid(anomaly);
    }
    if let Some(anomaly) = first(Kind::Crash).or_else(|| first(Kind::Liveness)) {
        return Verdict::Invalid(anomaly);
    }
    match (checked, vacuity(record)) {
        (Verdict::Valid { .. }, Some(why)) => Verdict::Vacuous(why),
        (checked, _) => checked,
    }
}

/// What a violation means for whoever runs a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A promise is broken.
    Safety,
    /// A server ended that should not have.
    Crash,
    /// The system does not go on when it could.
    Liveness,
}

impl Kind {
    /// The kind of an anomaly.
    pub fn of(anomaly: &Anomaly) -> Self {
        match anomaly.checker.as_str() {
            "crash" => Self::Crash,
            "liveness" | "recovery" => Self::Liveness,
            _ => Self::Safety,
        }
    }
}

/// Why a run proved nothing, if it did not.
fn vacuity(record: &Record) -> Option<String> {
    if !record
        .history
        .iter()
        .any(|event| event.kind == EventKind::Ok)
    {
        return Some("no operation succeeded".to_owned());
    }
    let planned = record.faults.len();
    let is_felt = record.faults.iter().any(|fault| fault.observed > 0);
    (planned > 0 && !is_felt).then(|| format!("of {planned} planned faults none was felt"))
}

/// What a failure has in common with its duplicates: never a seed, a time, a node or a value.
pub fn signature(scenario: &Scenario, anomaly: &Anomaly) -> String {
    format!("{}:{}:{}", scenario.id, anomaly.checker, anomaly.class)
}

#[cfg(test)]
mod tests {
    use squall_checkers::history::{Event, Value};
    use squall_sim::fault::Fault;

    use super::*;
    use crate::record::FaultRecord;

    fn event(kind: EventKind, f: &str, value: Value) -> Event {
        Event {
            process: 0,
            kind,
            f: f.to_owned(),
            key: None,
            value,
            time_ns: 0,
            error: None,
        }
    }

    fn fault(observed: u64) -> FaultRecord {
        FaultRecord {
            fault: Fault::Kill,
            targets: vec![0],
            start_ns: Some(1),
            end_ns: Some(2),
            observed,
        }
    }

    fn anomaly(checker: &str) -> Anomaly {
        Anomaly {
            checker: checker.to_owned(),
            class: "class".to_owned(),
            sentence: String::new(),
            ..Anomaly::default()
        }
    }

    fn write_and_read(read: i64) -> Vec<Event> {
        vec![
            event(EventKind::Invoke, "write", Value::Int(1)),
            event(EventKind::Ok, "write", Value::Int(1)),
            event(EventKind::Invoke, "read", Value::Nil),
            event(EventKind::Ok, "read", Value::Int(read)),
        ]
    }

    fn word_of(history: Vec<Event>, faults: Vec<FaultRecord>, violations: &[&str]) -> String {
        let violations = violations.iter().map(|checker| anomaly(checker)).collect();
        let record = Record {
            history,
            faults,
            violations,
            ..Record::default()
        };
        let scenario = &crate::scenario::SCENARIOS[0];
        let plan = scenario.plan(crate::plan::Seed(0), None);
        match judge(scenario, &plan, &record) {
            Verdict::Invalid(anomaly) => format!("invalid by {}", anomaly.checker),
            verdict => verdict.word().to_owned(),
        }
    }

    #[test]
    fn what_is_worse_comes_first() {
        assert_eq!(word_of(write_and_read(1), vec![fault(1)], &[]), "valid");
        assert_eq!(
            word_of(write_and_read(2), vec![fault(1)], &[]),
            "invalid by linearizability"
        );
        assert_eq!(
            word_of(write_and_read(1), vec![fault(1)], &["liveness", "crash"]),
            "invalid by crash"
        );
        assert_eq!(
            word_of(
                write_and_read(2),
                vec![fault(1)],
                &["crash", "election-safety"]
            ),
            "invalid by election-safety"
        );
        assert_eq!(
            word_of(write_and_read(2), vec![fault(1)], &["crash"]),
            "invalid by linearizability"
        );
    }

    #[test]
    fn a_run_that_proves_nothing_says_so() {
        assert_eq!(word_of(write_and_read(1), vec![fault(0)], &[]), "vacuous");
        assert_eq!(word_of(Vec::new(), vec![fault(1)], &[]), "vacuous");
        assert_eq!(
            word_of(write_and_read(1), Vec::new(), &[]),
            "valid",
            "no faults were planned"
        );
    }
}
