//! Unique ids: no two operations are given the same one.
//!
//! Jepsen's `unique-ids`, with the orders that many generators promise besides: Snowflake's ids rise at
//! each client, a timestamp oracle's (Percolator, Peng and Dabek, OSDI 2010, section 2) rise in real
//! time, and so must fencing tokens.
//!
//! - `generate` (or `id`, `next`) returns an id: any value but nil. Where an order is promised, ids are
//!   all integers, all texts or all lists, ordered as those are.
//!
//! What crashed or failed may have used up an id, but gave it to nobody. O(n log n).

use super::findings::{Findings, Told};
use super::numbering::Numbering;
use super::span::{Span, moments};
use super::{Object, misfit, misfit_answer, objects, whose_first_of, whose_of};
use crate::history::{History, Operation, Outcome, ValueRef};
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::BTreeMap;

/// What a generator of ids promises beyond that they differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UniqueIdsOptions {
    /// Whether each process is given greater and greater ids.
    pub rises_per_process: bool,
    /// Whether an id is greater than all that were given before it was asked for.
    pub rises_in_real_time: bool,
}

/// Judges the ids. `Vacuous` if fewer than two were given: one cannot be given twice.
///
/// # Errors
/// If an operation is none of those above.
pub fn check(history: &History, options: &UniqueIdsOptions) -> Result<Verdict, DecodeError> {
    let mut findings = Findings::new("unique-ids");
    let mut statistics = UniqueIdsStatistics::default();
    for object in objects(history) {
        let ids = Ids::decode(&object, options)?;
        ids.count(&mut statistics);
        ids.judge_unique(&mut findings);
        if options.rises_per_process {
            ids.judge_processes(&mut findings);
        }
        if options.rises_in_real_time {
            ids.judge_real_time(&mut findings);
        }
    }
    let more = || vec![statistics.sentence()];
    Ok(findings.verdict(more, || match statistics.given {
        0 | 1 => Verdict::Vacuous("fewer than two ids were given".to_owned()),
        _ => Verdict::Valid { witness: None },
    }))
}

/// How many ids there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UniqueIdsStatistics {
    pub attempted: usize,
    pub given: usize,
    /// How many different ids were given more than once.
    pub duplicated: usize,
}

/// How many ids there were.
///
/// # Errors
/// As [`check`].
pub fn statistics(history: &History) -> Result<UniqueIdsStatistics, DecodeError> {
    let mut statistics = UniqueIdsStatistics::default();
    for object in objects(history) {
        Ids::decode(&object, &UniqueIdsOptions::default())?.count(&mut statistics);
    }
    Ok(statistics)
}

impl UniqueIdsStatistics {
    fn sentence(&self) -> String {
        let Self {
            attempted,
            given,
            duplicated,
        } = self;
        format!(
            "{attempted} ids were asked for and {given} given; {duplicated} different ones more than once."
        )
    }
}

struct Ids<'h> {
    history: &'h History,
    attempted: usize,
    /// Those that were given, in the order of return.
    given: Vec<Given<'h>>,
}

#[derive(Clone, Copy)]
struct Given<'h> {
    span: Span,
    returned: usize,
    process: u64,
    id: ValueRef<'h>,
}

impl<'h> Ids<'h> {
    fn decode(object: &Object<'h>, options: &UniqueIdsOptions) -> Result<Self, DecodeError> {
        let mut given = Vec::new();
        let mut attempted = 0;
        let is_ordered = options.rises_per_process || options.rises_in_real_time;
        for operation in object.iter() {
            if !matches!(operation.f, "generate" | "id" | "next") {
                return Err(misfit(
                    operation,
                    "`generate` of an id",
                    format!("`{}`", operation.f),
                ));
            }
            attempted += 1;
            let span = Span::from(operation);
            if let Some(returned) = span.returned() {
                let first = given.first().filter(|_| is_ordered);
                check_id(operation, first.map(|first: &Given<'_>| first.id))?;
                given.push(Given {
                    span,
                    returned,
                    process: operation.process,
                    id: operation.output,
                });
            }
        }
        sort_by_number(&mut given, |given| given.returned);
        Ok(Self {
            history: object.history,
            attempted,
            given,
        })
    }

    fn count(&self, statistics: &mut UniqueIdsStatistics) {
        let mut numbering = Numbering::default();
        let mut times = Vec::new();
        for given in &self.given {
            let number = numbering.number(given.id);
            times.resize(numbering.len(), 0);
            times[number] += 1;
        }
        statistics.attempted += self.attempted;
        statistics.given += self.given.len();
        statistics.duplicated += times.iter().filter(|&&times| times > 1).count();
    }

    fn judge_unique(&self, findings: &mut Findings) {
        let mut numbering = Numbering::default();
        let mut firsts = Vec::new();
        for given in &self.given {
            let number = numbering.number(given.id);
            if number == firsts.len() {
                firsts.push(given);
                continue;
            }
            let first = firsts[number];
            findings.note(given.returned, "duplicate-id", || {
                let sentence = format!(
                    "{} was given id {}, as {} had been.",
                    self.whose_first(given),
                    given.id,
                    self.whose(first)
                );
                Told::minimal(sentence, [first.span.id(), given.span.id()])
            });
        }
    }

    fn judge_processes(&self, findings: &mut Findings) {
        let mut greatest: BTreeMap<u64, &Given<'_>> = BTreeMap::new();
        for given in &self.given {
            let before = greatest.entry(given.process).or_insert(given);
            if given.id < before.id {
                self.note_back(before, given, "process-order-violated", findings);
            }
            if given.id > before.id {
                *before = given;
            }
        }
    }

    fn judge_real_time(&self, findings: &mut Findings) {
        let mut greatest: Option<&Given<'_>> = None;
        // The greatest id that had been given when each was asked for.
        let mut floors: Vec<Option<&Given<'_>>> = vec![None; self.given.len()];
        for moment in moments(self.given.iter().map(|given| given.span)) {
            let given = &self.given[moment.place()];
            if !moment.is_end {
                floors[moment.place()] = greatest;
                continue;
            }
            if let Some(floor) = floors[moment.place()].filter(|floor| given.id < floor.id) {
                self.note_back(floor, given, "real-time-order-violated", findings);
            }
            if greatest.is_none_or(|greatest| greatest.id < given.id) {
                greatest = Some(given);
            }
        }
    }

    fn note_back(
        &self,
        before: &Given<'_>,
        given: &Given<'_>,
        class: &'static str,
        findings: &mut Findings,
    ) {
        findings.note(given.returned, class, || {
            let sentence = format!(
                "{} was given id {}, which is less than {}, which {} had been given before it began.",
                self.whose_first(given),
                given.id,
                before.id,
                self.whose(before)
            );
            Told::minimal(sentence, [before.span.id(), given.span.id()])
        });
    }

    fn whose(&self, given: &Given<'_>) -> String {
        whose_of(self.history, given.span.id())
    }

    fn whose_first(&self, given: &Given<'_>) -> String {
        whose_first_of(self.history, given.span.id())
    }
}

/// Whether it is an id, and of the same kind as the first, where ids are ordered.
fn check_id(operation: Operation<'_>, first: Option<ValueRef<'_>>) -> Result<(), DecodeError> {
    debug_assert_eq!(operation.outcome, Outcome::Ok);
    let id = operation.output;
    if id.is_nil() {
        return Err(misfit_answer(operation, "`generate` to return an id", id));
    }
    let is_comparable = |first: ValueRef<'_>| {
        matches!(
            (first, id),
            (ValueRef::Int(_), ValueRef::Int(_))
                | (ValueRef::Text(_), ValueRef::Text(_))
                | (ValueRef::List(_), ValueRef::List(_))
        )
    };
    match first {
        Some(first) if !is_comparable(first) => {
            let expected = format!("an id of the same kind as {first}, since ids have an order");
            Err(misfit_answer(operation, &expected, id))
        }
        _ => Ok(()),
    }
}
