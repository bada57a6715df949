//! A value that only rises, and the timestamps under which it did.
//!
//! Jepsen's `monotonic` of CockroachDB and FaunaDB, and TiDB's. Each operation reports the value that it
//! saw or made, and the timestamp under which the database did so. The order of timestamps is the one
//! that the database claims, so along it values never go back.
//!
//! - `add`, `increment` or `inc` returns `[value timestamp]`, `{val v, sts t}` (or `value` and `ts` or
//!   `timestamp`), or a value alone: what it raised the value to, as nobody else did
//!   (`duplicate-value`).
//! - `read` returns one of those, or a list of `[value timestamp]` or maps, in which case it says what
//!   others did and is judged row by row.
//!
//! Values and timestamps are integers. The laws:
//! - Of two timestamps the greater has no lesser value (`value-goes-back`), and one timestamp has one
//!   value (`timestamp-conflict`).
//! - With [`MonotonicOptions::per_process`], neither value (`process-value-goes-back`) nor timestamp
//!   (`process-timestamp-goes-back`) of one process go back.
//! - With [`MonotonicOptions::real_time`], the same of any two operations of which one returned before
//!   the other began (`real-time-value-goes-back`, `real-time-timestamp-goes-back`).
//!
//! Operations that failed or crashed report nothing. O(n log n).

use super::findings::{Findings, Told};
use super::span::{Span, moments};
use super::{Object, misfit, misfit_answer, objects, whose_first_of, whose_of};
use crate::history::{History, MapRef, Operation, ValueRef};
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::BTreeMap;

/// What must rise beyond the order of timestamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonotonicOptions {
    /// Along the operations of each process.
    pub per_process: bool,
    /// From what returned to what began after.
    pub real_time: bool,
}

impl Default for MonotonicOptions {
    fn default() -> Self {
        Self {
            per_process: true,
            real_time: false,
        }
    }
}

/// Judges what operations reported. `Vacuous` if there were no two reports.
///
/// # Errors
/// If an operation is none of those above.
pub fn check(history: &History, options: &MonotonicOptions) -> Result<Verdict, DecodeError> {
    let mut findings = Findings::new("monotonic");
    let mut count = 0;
    for object in objects(history) {
        let reports = Reports::decode(&object)?;
        count += reports.reports.len();
        reports.judge_timestamps(&mut findings);
        reports.judge_adds(&mut findings);
        if options.per_process {
            reports.judge_processes(&mut findings);
        }
        if options.real_time {
            reports.judge_real_time(&mut findings);
        }
    }
    let more = || vec![format!("{count} values were reported.")];
    Ok(findings.verdict(more, || match count {
        0 | 1 => Verdict::Vacuous("fewer than two values were reported".to_owned()),
        _ => Verdict::Valid { witness: None },
    }))
}

struct Reports<'h> {
    history: &'h History,
    /// In the order of return, and of the rows of one answer.
    reports: Vec<Report>,
}

#[derive(Clone, Copy)]
struct Report {
    span: Span,
    returned: usize,
    process: u64,
    is_add: bool,
    row: Row,
    /// Whether it is what the operation itself saw or made, and not a row of many.
    is_own: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Row {
    value: i64,
    timestamp: Option<i64>,
}

impl<'h> Reports<'h> {
    fn decode(object: &Object<'h>) -> Result<Self, DecodeError> {
        let mut reports = Vec::new();
        for operation in object.iter() {
            if !matches!(operation.f, "add" | "increment" | "inc" | "read") {
                let found = format!("`{}`", operation.f);
                return Err(misfit(operation, "`add`, `increment` or `read`", found));
            }
            let span = Span::from(operation);
            let Some(returned) = span.returned() else {
                continue;
            };
            let (rows, is_own) = rows(operation)?;
            reports.extend(rows.into_iter().map(|row| Report {
                span,
                returned,
                process: operation.process,
                is_add: operation.f != "read",
                row,
                is_own,
            }));
        }
        sort_by_number(&mut reports, |report| report.returned);
        Ok(Self {
            history: object.history,
            reports,
        })
    }

    /// Along the timestamps. What contradicts an earlier report is left out of the comparison with later
    /// ones, so that those which remain always rise.
    fn judge_timestamps(&self, findings: &mut Findings) {
        let mut by_timestamp: BTreeMap<i64, &Report> = BTreeMap::new();
        for report in &self.reports {
            let Some(timestamp) = report.row.timestamp else {
                continue;
            };
            let before = by_timestamp.range(..=timestamp).next_back();
            let after = by_timestamp.range(timestamp..).next();
            let before = before.map(|(_, before)| *before);
            let after = after.map(|(_, after)| *after);
            let same = before.filter(|before| before.row.timestamp == Some(timestamp));
            if let Some(same) = same {
                if same.row.value != report.row.value {
                    self.note(same, report, "timestamp-conflict", findings);
                }
            } else if let Some(before) = before.filter(|it| it.row.value > report.row.value) {
                self.note(before, report, "value-goes-back", findings);
            } else if let Some(after) = after.filter(|it| it.row.value < report.row.value) {
                self.note(report, after, "value-goes-back", findings);
            } else {
                by_timestamp.insert(timestamp, report);
            }
        }
    }

    fn judge_adds(&self, findings: &mut Findings) {
        let mut by_value: BTreeMap<i64, &Report> = BTreeMap::new();
        for report in self.reports.iter().filter(|report| report.is_add) {
            let first = *by_value.entry(report.row.value).or_insert(report);
            if first.span != report.span {
                self.note(first, report, "duplicate-value", findings);
            }
        }
    }

    fn judge_processes(&self, findings: &mut Findings) {
        let mut peaks: BTreeMap<u64, Peaks<'_>> = BTreeMap::new();
        for report in self.reports.iter().filter(|report| report.is_own) {
            let peaks = peaks.entry(report.process).or_default();
            let classes = ["process-value-goes-back", "process-timestamp-goes-back"];
            self.judge_floor(*peaks, report, classes, findings);
            peaks.raise(report);
        }
    }

    fn judge_real_time(&self, findings: &mut Findings) {
        let own: Vec<&Report> = self.reports.iter().filter(|report| report.is_own).collect();
        let mut peaks = Peaks::default();
        let mut floors = vec![Peaks::default(); own.len()];
        for moment in moments(own.iter().map(|report| report.span)) {
            let place = moment.place();
            if !moment.is_end {
                floors[place] = peaks;
                continue;
            }
            let classes = ["real-time-value-goes-back", "real-time-timestamp-goes-back"];
            self.judge_floor(floors[place], own[place], classes, findings);
            peaks.raise(own[place]);
        }
    }

    fn judge_floor(
        &self,
        floor: Peaks<'_>,
        report: &Report,
        [value, timestamp]: [&'static str; 2],
        findings: &mut Findings,
    ) {
        if let Some(before) = floor.value.filter(|it| it.row.value > report.row.value) {
            self.note(before, report, value, findings);
        }
        let is_later = |it: &&Report| {
            report
                .row
                .timestamp
                .is_some_and(|own| it.row.timestamp > Some(own))
        };
        if let Some(before) = floor.timestamp.filter(is_later) {
            self.note(before, report, timestamp, findings);
        }
    }

    /// `before` comes before `after`, by timestamp, process or time.
    fn note(&self, before: &Report, after: &Report, class: &'static str, findings: &mut Findings) {
        let event = before.returned.max(after.returned);
        findings.note(event, class, || {
            let order = match class {
                "duplicate-value" => "raised it to the same value",
                "timestamp-conflict" => "has another value under the same timestamp",
                "value-goes-back" => "comes later by its timestamp, but has a lesser value",
                "process-value-goes-back" | "real-time-value-goes-back" => {
                    "began after that had returned, but has a lesser value"
                }
                _ => "began after that had returned, but has a lesser timestamp",
            };
            let sentence = format!(
                "{} reported {}; {} reported {}, which {order}.",
                whose_first_of(self.history, before.span.id()),
                before.row,
                whose_of(self.history, after.span.id()),
                after.row
            );
            Told::minimal(sentence, [before.span.id(), after.span.id()])
        });
    }
}

/// The reports with the greatest value and the greatest timestamp so far.
#[derive(Clone, Copy, Default)]
struct Peaks<'r> {
    value: Option<&'r Report>,
    timestamp: Option<&'r Report>,
}

impl<'r> Peaks<'r> {
    fn raise(&mut self, report: &'r Report) {
        if self
            .value
            .is_none_or(|peak| peak.row.value < report.row.value)
        {
            self.value = Some(report);
        }
        let peak = self.timestamp.and_then(|peak| peak.row.timestamp);
        if peak < report.row.timestamp {
            self.timestamp = Some(report);
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.timestamp {
            Some(timestamp) => write!(formatter, "{} at timestamp {timestamp}", self.value),
            None => write!(formatter, "{}", self.value),
        }
    }
}

/// What an answer reports, and whether that is of the operation itself.
fn rows(operation: Operation<'_>) -> Result<(Vec<Row>, bool), DecodeError> {
    let answer = operation.output;
    if let Some(own) = row(answer) {
        return Ok((vec![own], true));
    }
    let rows = answer.as_list().filter(|_| operation.f == "read");
    let of_many = |value: ValueRef<'_>| row(value).filter(|row| row.timestamp.is_some());
    let rows: Option<Vec<Row>> = rows.and_then(|rows| rows.iter().map(of_many).collect());
    let expected = "an integer, [value timestamp] or {val …, sts …}, or of a `read` a list of such pairs or maps";
    let rows = rows.ok_or_else(|| misfit_answer(operation, expected, answer))?;
    Ok((rows, false))
}

fn row(value: ValueRef<'_>) -> Option<Row> {
    match value {
        ValueRef::Int(value) => Some(Row {
            value,
            timestamp: None,
        }),
        ValueRef::List(list) => {
            let [value, timestamp] = list.array()?;
            Some(Row {
                value: value.as_int()?,
                timestamp: Some(timestamp.as_int()?),
            })
        }
        ValueRef::Map(map) => Some(Row {
            value: field(map, &["val", "value"])?,
            timestamp: field(map, &["sts", "ts", "timestamp"]),
        }),
        _ => None,
    }
}

fn field(map: MapRef<'_>, names: &[&str]) -> Option<i64> {
    let mut fields = names
        .iter()
        .filter_map(|name| map.get(ValueRef::Text(name)));
    fields.next()?.as_int()
}
