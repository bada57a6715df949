//! What is wrong with an operation on a cell, in a reader's terms.

use super::cell::{CellOperation, CellReturn};
use crate::history::{Outcome, Value, ValueRef};
use crate::spec::{Call, Decoded, Diagnosis, Spec};

/// See [`Spec::diagnose`]. What is said is true of the history, though others may be to blame.
pub(super) fn diagnose<S>(
    calls: &[Call<'_, S>],
    culprit: usize,
    initial: &Value,
) -> Option<Diagnosis>
where
    S: Spec<Operation = CellOperation, Return = CellReturn>,
{
    let calls: Vec<CellCall<'_>> = calls.iter().map(CellCall::new).collect();
    let case = Case {
        culprit: &calls[culprit],
        calls: &calls,
        initial,
    };
    match case.culprit.seen() {
        Some(value) => case
            .unwritten(value)
            .or_else(|| case.stale(value))
            .or_else(|| case.cas()),
        None => case.cas(),
    }
}

/// A call, whatever the specification that reads it.
struct CellCall<'a> {
    decoded: &'a Decoded<CellOperation, CellReturn>,
    recorded: &'a crate::history::Operation<'a>,
    has_times: bool,
}

impl<'a> CellCall<'a> {
    fn new<S>(call: &'a Call<'_, S>) -> Self
    where
        S: Spec<Operation = CellOperation, Return = CellReturn>,
    {
        Self {
            decoded: &call.decoded,
            recorded: call.recorded,
            has_times: call.has_times,
        }
    }

    /// The value that the cell certainly had when it happened.
    fn seen(&self) -> Option<&'a Value> {
        match self.decoded {
            Decoded::Returned(CellOperation::Read, CellReturn::Value(value)) => Some(value),
            Decoded::Returned(
                CellOperation::CompareAndSet { expected, .. },
                CellReturn::Swapped(true),
            ) => Some(expected),
            _ => None,
        }
    }

    /// The value that it gives the cell, if it happens.
    fn written(&self) -> Option<&'a Value> {
        match self.decoded {
            Decoded::Returned(_, CellReturn::Swapped(false)) | Decoded::Absent => None,
            Decoded::Returned(operation, _) | Decoded::Uncertain(operation) => match operation {
                CellOperation::Write(value) => Some(value),
                CellOperation::CompareAndSet { new, .. } => Some(new),
                CellOperation::Read => None,
            },
        }
    }

    /// The value that it would have given the cell, had it not failed.
    fn failed_to_write(&self) -> Option<ValueRef<'a>> {
        let recorded = self.recorded;
        match (recorded.outcome, recorded.f, recorded.input) {
            (Outcome::Fail, "write" | "put", value) => Some(value),
            (Outcome::Fail, "cas", ValueRef::List(pair)) => pair.get(1),
            _ => None,
        }
    }

    /// The value right after it, if that is certain.
    fn left(&self) -> Option<&'a Value> {
        if !self.is_certain() {
            None
        } else {
            self.written().or_else(|| self.seen())
        }
    }

    fn is_certain(&self) -> bool {
        matches!(self.decoded, Decoded::Returned(..))
    }

    /// The event of its completion, if it is certain.
    fn completed(&self) -> Option<usize> {
        self.recorded.completed.filter(|_| self.is_certain())
    }

    fn is_same(&self, other: &CellCall<'_>) -> bool {
        self.recorded.id == other.recorded.id
    }

    fn process(&self) -> u64 {
        self.recorded.process
    }

    /// `x = 1`, or `1` where there is only one cell.
    fn name(&self, value: &Value) -> String {
        match &self.recorded.key {
            None => value.to_string(),
            Some(ValueRef::Text(key)) => format!("{key} = {value}"),
            Some(key) => format!("{key} = {value}"),
        }
    }

    /// `write of x = 2`, `cas of x from 1 to 2`.
    fn deed(&self) -> String {
        let f = self.recorded.f;
        let of_key = match &self.recorded.key {
            None => String::new(),
            Some(ValueRef::Text(key)) => format!(" of {key}"),
            Some(key) => format!(" of {key}"),
        };
        match self.decoded {
            Decoded::Returned(operation, _) | Decoded::Uncertain(operation) => match operation {
                CellOperation::Write(Value::Nil) if f == "delete" => format!("{f}{of_key}"),
                CellOperation::Write(value) => format!("{f} of {}", self.name(value)),
                CellOperation::CompareAndSet { expected, new } => {
                    format!("{f}{of_key} from {expected} to {new}")
                }
                CellOperation::Read => format!("{f}{of_key}"),
            },
            Decoded::Absent => format!("{f}{of_key}"),
        }
    }

    /// From when to when it took.
    fn span(&self) -> String {
        let recorded = self.recorded;
        let completed = recorded.completed.unwrap_or(recorded.invoked);
        if !self.has_times {
            return format!("(events {} to {completed})", recorded.invoked);
        }
        let until = recorded.completed_ns.unwrap_or(recorded.invoked_ns);
        format!("({} to {})", seconds(recorded.invoked_ns), seconds(until))
    }

    /// When it returned.
    fn end(&self) -> String {
        match (
            self.has_times,
            self.recorded.completed_ns,
            self.recorded.completed,
        ) {
            (true, Some(time_ns), _) => format!("at {}", seconds(time_ns)),
            (_, _, Some(event)) => format!("at event {event}"),
            _ => "later".to_owned(),
        }
    }
}

/// Seconds with three digits, or up to six where they are needed: what is finer nobody compares by
/// eye.
fn seconds(time_ns: u64) -> String {
    let text = format!(
        "{}.{:06}",
        time_ns / 1_000_000_000,
        time_ns % 1_000_000_000 / 1000
    );
    let shortest = text.len() - 3;
    let trimmed = text.trim_end_matches('0').len().max(shortest);
    format!("{} s", &text[..trimmed])
}

struct Case<'a> {
    culprit: &'a CellCall<'a>,
    /// What began before the culprit ended.
    calls: &'a [CellCall<'a>],
    initial: &'a Value,
}

impl<'a> Case<'a> {
    /// The value was never there: nobody had begun to write it.
    fn unwritten(&self, value: &Value) -> Option<Diagnosis> {
        if value == self.initial || self.writers(value).next().is_some() {
            return None;
        }
        let failed = self.calls.iter().find(|call| {
            call.failed_to_write()
                .is_some_and(|failed| failed == *value)
        });
        let (class, why) = match failed {
            Some(failed) => (
                "failed-write-read",
                format!(
                    "although it was only in process {}'s {}, which failed {}",
                    failed.process(),
                    failed.recorded.f,
                    failed.end()
                ),
            ),
            None => (
                "read-of-unwritten-value",
                "although nobody had begun to write that value".to_owned(),
            ),
        };
        Some(self.diagnosis(class, &format!("{} {why}.", self.saw(value)), failed, &[]))
    }

    /// The value was there, but something else was certainly seen or written after it was, and before
    /// the culprit began.
    fn stale(&self, value: &Value) -> Option<Diagnosis> {
        let settled = self.settled(value)?;
        let overwrites = |call: &&CellCall<'_>| {
            let is_after = settled
                .event
                .is_none_or(|event| call.recorded.invoked > event);
            let ended = call
                .completed()
                .filter(|&event| event < self.culprit.recorded.invoked);
            is_after && ended.is_some() && call.left().is_some_and(|left| left != value)
        };
        let by_writing = self.calls.iter().filter(|call| call.written().is_some());
        let mut evidence = by_writing.filter(overwrites);
        let evidence = evidence
            .next()
            .or_else(|| self.calls.iter().find(overwrites))?;
        let (process, end) = (evidence.process(), evidence.end());
        let why = match evidence.written() {
            Some(_) => format!(
                "process {process}'s {} had been acknowledged {end}",
                evidence.deed()
            ),
            None => {
                let left = evidence.left().unwrap_or(value);
                format!("process {process} had read {} {end}", evidence.name(left))
            }
        };
        let sentence = format!("{} although {why}.", self.saw(value));
        Some(self.diagnosis("stale-read", &sentence, Some(evidence), &settled.by))
    }

    /// A compare-and-set, where nothing more can be said.
    fn cas(&self) -> Option<Diagnosis> {
        let (process, deed, span) = (
            self.culprit.process(),
            self.culprit.deed(),
            self.culprit.span(),
        );
        match self.culprit.decoded {
            Decoded::Returned(CellOperation::CompareAndSet { expected, .. }, returned) => {
                let (class, how) = match returned {
                    CellReturn::Swapped(false) => (
                        "impossible-cas-failure",
                        format!(
                            "failed {span} although the value cannot have been other than {expected}"
                        ),
                    ),
                    _ => (
                        "impossible-cas",
                        format!("succeeded {span} although the value cannot have been {expected}"),
                    ),
                };
                let sentence = format!("Process {process}'s {deed} {how}.");
                Some(self.diagnosis(class, &sentence, None, &[]))
            }
            _ => None,
        }
    }

    /// A compare-and-set that saw what it cannot have seen is one class, whatever the reason.
    fn diagnosis(
        &self,
        class: &'static str,
        sentence: &str,
        other: Option<&CellCall<'_>>,
        suspects: &[usize],
    ) -> Diagnosis {
        let is_read = matches!(
            self.culprit.decoded,
            Decoded::Returned(CellOperation::Read, _)
        );
        let is_about_cas = class.starts_with("impossible-cas");
        let mut operations = vec![self.culprit.recorded.id];
        operations.extend(other.map(|other| other.recorded.id));
        Diagnosis {
            class: if is_read || is_about_cas {
                class
            } else {
                "impossible-cas"
            },
            sentence: sentence.to_owned(),
            operations,
            suspects: suspects.to_vec(),
            is_minimal: false,
        }
    }

    /// `Process 3 read x = 1 (12.482 s to 12.490 s)`.
    fn saw(&self, value: &Value) -> String {
        let (process, span) = (self.culprit.process(), self.culprit.span());
        if let Decoded::Returned(CellOperation::Read, _) = self.culprit.decoded {
            return format!("Process {process} read {} {span}", self.culprit.name(value));
        }
        format!(
            "Process {process}'s {} found {value} {span}",
            self.culprit.deed()
        )
    }

    fn writers(&self, value: &Value) -> impl Iterator<Item = &'a CellCall<'a>> {
        let others = self.calls.iter().filter(|call| !call.is_same(self.culprit));
        others.filter(move |call| call.written() == Some(value))
    }

    /// When the value had certainly been written for the last time.
    fn settled(&self, value: &Value) -> Option<Settled> {
        let mut settled = Settled {
            event: None,
            by: Vec::new(),
        };
        let is_only = self.writers(value).count() == 1 && value != self.initial;
        for writer in self.writers(value) {
            let mut event = writer.completed();
            settled.by.push(writer.recorded.id);
            if is_only && let Some((seen, by)) = self.first_seen(value) {
                // Who sees a value that was written only once sees that the write has happened.
                if event.is_none_or(|event| seen < event) {
                    event = Some(seen);
                    settled.by.push(by);
                }
            }
            settled.event = settled.event.max(Some(event?));
        }
        Some(settled)
    }

    /// The first event at which the value had certainly been seen, and the id of who saw it.
    fn first_seen(&self, value: &Value) -> Option<(usize, usize)> {
        let others = self.calls.iter().filter(|call| !call.is_same(self.culprit));
        let seers = others.filter(|call| call.seen() == Some(value));
        seers
            .filter_map(|call| Some((call.completed()?, call.recorded.id)))
            .min()
    }
}

/// A value that nobody writes any more.
struct Settled {
    /// Since when; `None` for since the start.
    event: Option<usize>,
    /// The ids of the operations that show it.
    by: Vec<usize>,
}

#[cfg(test)]
mod tests {
    use crate::history::History;
    use crate::model::{Model, Options, check_linearizable};
    use crate::specs::FailedCas;
    use crate::verdict::Verdict;
    use expect_test::{Expect, expect};

    fn check(model: Model, lines: &str, expected: Expect) {
        let history = History::read(lines.as_bytes(), None).expect("a history");
        let options = Options {
            failed_cas: FailedCas::Observed,
            ..Options::default()
        };
        let Ok(Verdict::Invalid(anomaly)) = check_linearizable(&history, model, &options) else {
            panic!("the history is impossible");
        };
        let told = format!(
            "{}: {}\n{:?}\n",
            anomaly.class, anomaly.sentence, anomaly.witness
        );
        expected.assert_eq(&told);
    }

    #[test]
    fn stale_reads() {
        check(
            Model::CasRegister,
            "0 :invoke :write 1\n0 :ok :write 1\n1 :invoke :write 2\n1 :ok :write 2\n2 :invoke :write 3\n3 :invoke :read\n3 :ok :read 1",
            expect![[r#"
                stale-read: Process 3 read 1 (events 5 to 6) although process 1's write of 2 had been acknowledged at event 3.
                [1, 3]
            "#]],
        );
        check(
            Model::Register,
            "0 :invoke :write 1\n1 :invoke :write 2\n2 :invoke :read\n2 :ok :read 1\n2 :invoke :read\n2 :ok :read 2\n3 :invoke :read\n3 :ok :read 1",
            expect![[r#"
                stale-read: Process 3 read 1 (events 6 to 7) although process 2 had read 2 at event 5.
                [2, 3, 4]
            "#]],
        );
        check(
            Model::KvMap,
            r#"{"process":1,"type":"invoke","f":"put","key":"x","value":2,"time":12300000000}
               {"process":1,"type":"ok","f":"put","key":"x","value":2,"time":12310000000}
               {"process":3,"type":"invoke","f":"get","key":"x","time":12482000000}
               {"process":3,"type":"ok","f":"get","key":"x","value":null,"time":12490001500}"#,
            expect![[r#"
                stale-read: Process 3 read x = nil (12.482 s to 12.490001 s) although process 1's put of x = 2 had been acknowledged at 12.310 s.
                [0, 1]
            "#]],
        );
    }

    #[test]
    fn what_was_written_before_needs_no_proof_that_it_was() {
        let write = |value| format!("0 :invoke :write {value}\n0 :ok :write {value}\n");
        check(
            Model::Register,
            &format!(
                "{}3 :invoke :read\n3 :ok :read 1",
                [1, 2, 1, 2].map(write).concat()
            ),
            expect![[r#"
                stale-read: Process 3 read 1 (events 8 to 9) although process 0's write of 2 had been acknowledged at event 7.
                [3, 4]
            "#]],
        );
    }

    #[test]
    fn values_that_were_never_there() {
        check(
            Model::Register,
            "0 :invoke :write 1\n0 :ok :write 1\n3 :invoke :read\n3 :ok :read 7",
            expect![[r#"
                read-of-unwritten-value: Process 3 read 7 (events 2 to 3) although nobody had begun to write that value.
                [1]
            "#]],
        );
        check(
            Model::Register,
            "0 :invoke :write 7\n0 :fail :write 7\n3 :invoke :read\n3 :ok :read 7",
            expect![[r#"
                failed-write-read: Process 3 read 7 (events 2 to 3) although it was only in process 0's write, which failed at event 1.
                [0, 1]
            "#]],
        );
    }

    #[test]
    fn compare_and_sets() {
        check(
            Model::CasRegister,
            "0 :invoke :write 1\n0 :ok :write 1\n1 :invoke :cas [1 2]\n2 :invoke :cas [1 3]\n1 :ok :cas [1 2]\n2 :ok :cas [1 3]",
            expect![[r#"
                impossible-cas: Process 2's cas from 1 to 3 succeeded (events 3 to 5) although the value cannot have been 1.
                [1, 2]
            "#]],
        );
        check(
            Model::CasRegister,
            "0 :invoke :write 1\n0 :ok :write 1\n1 :invoke :cas [1 2]\n1 :fail :cas [1 2]",
            expect![[r#"
                impossible-cas-failure: Process 1's cas from 1 to 2 failed (events 2 to 3) although the value cannot have been other than 1.
                [0, 1]
            "#]],
        );
    }

    #[test]
    fn where_nothing_special_is_known() {
        let writes =
            "0 :invoke :write 1\n1 :invoke :write 1\n2 :invoke :write 2\n3 :invoke :write 2\n";
        let reads = [1, 2, 1, 2, 1].map(|value| format!("4 :invoke :read\n4 :ok :read {value}\n"));
        check(
            Model::Register,
            &format!("{writes}{}", reads.concat()),
            expect![[r#"
                non-linearizable: No order of the operations explains process 4's read -> 1 together with all that was seen before.
                [4, 5, 6, 7, 8]
            "#]],
        );
    }
}
