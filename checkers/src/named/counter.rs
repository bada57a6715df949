//! A counter: what is added to it, it shows.
//!
//! Jepsen's `counter` and Maelstrom's `pn-counter` in one. A read is the sum of what must have been
//! counted and of any of what may have been:
//!
//! - *must*: adds that returned before the read began, where the read has to be fresh;
//! - *may*: every other add that began before the read returned and did not fail; one that crashed
//!   may be counted from then on, or never.
//!
//! Jepsen judges whether the read lies between the least and the greatest such sum, and knows no
//! negative adds; that is [`CounterOptions::default`], negative ones included. Maelstrom asks whether
//! it is such a sum ([`CounterOptions::exact`]), and only of reads at the end that they be fresh
//! ([`CounterOptions::pn_counter`]).
//!
//! - `add` is invoked with an integer; `increment` (or `inc`) and `decrement` (or `dec`) with an
//!   integer, or nil for one.
//! - `read` returns an integer. One that is invoked with the text `final` is made once all is quiet.
//!
//! Reads are not compared with each other: linearizability does that. O(n log n) for bounds; sums are
//! kept as sets of ranges, which are few unless adds are large and differ: O(n × adds at once × ranges).

use super::findings::{Findings, Told};
use super::ranges::Ranges;
use super::span::{Moment, Span, moments};
use super::{Object, misfit, misfit_answer, objects, whose_first_of};
use crate::history::{History, Operation, ValueRef};
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::BTreeMap;

/// What a counter promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterOptions {
    /// Whether a read must be a sum of adds, and not only lie between the least and the greatest.
    pub exact: bool,
    pub fresh: FreshReads,
}

impl CounterOptions {
    /// What a counter promises that is replicated without coordination, as Maelstrom judges it.
    pub fn pn_counter() -> Self {
        Self {
            exact: true,
            fresh: FreshReads::Final,
        }
    }
}

/// Which reads must count all that was acknowledged before they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreshReads {
    #[default]
    All,
    /// Those that are invoked with the text `final`.
    Final,
    /// Those, and the last of each process: the history goes on until all is quiet.
    Last,
}

/// Judges each read by the adds. `Vacuous` if none returned, `Unknown` if the sums were too many to tell
/// them apart and nothing was found.
///
/// # Errors
/// If an operation is none of those above.
pub fn check(history: &History, options: &CounterOptions) -> Result<Verdict, DecodeError> {
    let name = if options.exact {
        "pn-counter"
    } else {
        "counter"
    };
    let mut findings = Findings::new(name);
    let mut statistics = CounterStatistics::default();
    for object in objects(history) {
        let counter = Counter::decode(&object, options.fresh)?;
        counter.count(&mut statistics);
        statistics.is_coarse |= counter.judge(options.exact, &mut findings);
    }
    let more = || vec![statistics.sentence()];
    Ok(findings.verdict(more, || match statistics {
        CounterStatistics { reads: 0, .. } => {
            Verdict::Vacuous("no read of the counter returned".to_owned())
        }
        CounterStatistics {
            is_coarse: true, ..
        } => Verdict::Unknown(format!(
            "the sums that reads may show lie in more than {} ranges, so some were taken together; nothing was found with those",
            Ranges::COUNT_MAX
        )),
        _ => Verdict::Valid { witness: None },
    }))
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterStatistics {
    pub reads: usize,
    /// How many adds returned, and their sum.
    pub acknowledged: usize,
    pub sum: i128,
    pub failed: usize,
    /// Adds that may or may not have been counted.
    pub crashed: usize,
    is_coarse: bool,
}

/// What was counted.
///
/// # Errors
/// As [`check`].
pub fn statistics(history: &History) -> Result<CounterStatistics, DecodeError> {
    let mut statistics = CounterStatistics::default();
    for object in objects(history) {
        Counter::decode(&object, FreshReads::All)?.count(&mut statistics);
    }
    Ok(statistics)
}

impl CounterStatistics {
    fn sentence(&self) -> String {
        let Self {
            reads,
            acknowledged,
            sum,
            failed,
            crashed,
            ..
        } = self;
        format!(
            "{acknowledged} adds were acknowledged, which sum to {sum}; {failed} failed, of {crashed} nobody knows; {reads} reads returned."
        )
    }
}

struct Counter<'h> {
    history: &'h History,
    /// In the order of invocation.
    calls: Vec<Call>,
    /// What divides every add, so that sums lie close.
    unit: u64,
}

#[derive(Clone, Copy)]
struct Call {
    span: Span,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Add(i64),
    Read { value: i64, is_fresh: bool },
}

impl Call {
    fn added(self) -> Option<i64> {
        match self.what {
            What::Add(delta) => Some(delta),
            What::Read { .. } => None,
        }
    }
}

impl<'h> Counter<'h> {
    fn decode(object: &Object<'h>, fresh: FreshReads) -> Result<Self, DecodeError> {
        let mut calls = Vec::new();
        let mut last_reads: BTreeMap<u64, usize> = BTreeMap::new();
        for operation in object.iter() {
            let span = Span::from(operation);
            let what = if operation.f == "read" {
                if span.returned().is_none() {
                    continue;
                }
                last_reads.insert(operation.process, calls.len());
                read(operation, fresh)?
            } else {
                What::Add(delta(operation)?)
            };
            calls.push(Call { span, what });
        }
        let last = last_reads.into_values();
        for place in last.filter(|_| fresh == FreshReads::Last) {
            if let What::Read { is_fresh, .. } = &mut calls[place].what {
                *is_fresh = true;
            }
        }
        let deltas = calls.iter().filter_map(|call| call.added());
        let unit = deltas.fold(0, |unit, delta| divisor(unit, delta.unsigned_abs()));
        Ok(Self {
            history: object.history,
            calls,
            unit: unit.max(1),
        })
    }

    fn count(&self, statistics: &mut CounterStatistics) {
        for call in &self.calls {
            match call.added() {
                None => statistics.reads += 1,
                Some(_) if call.span.has_failed() => statistics.failed += 1,
                Some(_) if call.span.returned().is_none() => statistics.crashed += 1,
                Some(delta) => {
                    statistics.acknowledged += 1;
                    statistics.sum += i128::from(delta);
                }
            }
        }
    }

    /// Returns whether sums had to be taken together.
    fn judge(&self, exact: bool, findings: &mut Findings) -> bool {
        let mut sweep = Sweep::new(exact.then(|| Ranges::of_multiples(self.unit)));
        for moment in moments(self.calls.iter().map(|call| call.span)) {
            let call = self.calls[moment.place()];
            match (call.what, moment.is_end) {
                (What::Add(delta), false) => sweep.begin_add(moment, call.span, delta),
                (What::Add(delta), true) => sweep.end_add(call.span, delta),
                (What::Read { value, is_fresh }, false) => {
                    sweep.begin_read(moment, value, is_fresh);
                }
                (What::Read { .. }, true) => {
                    let read = sweep.end_read(moment);
                    self.judge_read(call.span, &read, &mut sweep, findings);
                }
            }
        }
        sweep.is_coarse
    }

    fn judge_read(&self, span: Span, read: &Read, sweep: &mut Sweep, findings: &mut Findings) {
        let mut may = sweep.may(&self.calls, read);
        if let Some(class) = read.wrong(&may) {
            let returned = span
                .returned()
                .expect("only reads that returned are judged");
            let (event, class) = self.certain_since(read, (returned, class), &mut may, sweep);
            findings.note(event, class, || self.tell(span, read, class, &may));
        }
    }

    /// The event since which it is certain that a read is wrong, and how it is so then: an add that
    /// failed later might have been counted until then. `may` becomes what might be at that event.
    fn certain_since(
        &self,
        read: &Read,
        (returned, mut class): (usize, &'static str),
        may: &mut May,
        sweep: &Sweep,
    ) -> (usize, &'static str) {
        let open = sweep.open_failing.values();
        let mut failing: Vec<(usize, i64)> = open
            .map(|&place| &self.calls[place])
            .filter_map(|call| Some((call.span.failed()?, call.added()?)))
            .collect();
        sort_by_number(&mut failing, |&(failed, _)| failed);
        // Before each failed there was more that might have been counted.
        while let Some((failed, delta)) = failing.pop() {
            let mut more = may.clone();
            more.add(delta);
            let Some(still) = read.wrong(&more) else {
                return (failed, class);
            };
            (*may, class) = (more, still);
        }
        (returned, class)
    }

    fn tell(&self, span: Span, read: &Read, class: &str, may: &May) -> Told {
        let value = read.value;
        let who = whose_first_of(self.history, span.id());
        let (low, high) = may.bounds(read.must);
        let must = read.must.sum();
        let what = match class {
            "count-too-low" => format!(
                "but what must have been counted sums to {must}, and nothing that may have been brings it below {low}"
            ),
            "count-too-high" => format!(
                "but what must have been counted sums to {must}, and nothing that may have been brings it above {high}"
            ),
            _ => format!(
                "but no choice of the adds that may have been counted makes that, on top of the {must} that must have been"
            ),
        };
        let sentence = format!("{who} returned {value}, {what}.");
        let needed = self.needed(span, read, class, (low, high));
        Told {
            minimal: class != "impossible-sum",
            ..Told::new(sentence, needed.into_iter().chain([span.id()]))
        }
    }

    /// The fewest acknowledged adds without which the read would lie within the bounds.
    fn needed(&self, span: Span, read: &Read, class: &str, bounds: (i128, i128)) -> Vec<usize> {
        let (sign, mut beyond) = match class {
            "count-too-low" => (1, bounds.0 - i128::from(read.value)),
            "count-too-high" => (-1, i128::from(read.value) - bounds.1),
            _ => return Vec::new(),
        };
        let acknowledged = self
            .calls
            .iter()
            .filter(|call| call.span.is_before(span.invoked()));
        let helps = acknowledged
            .filter_map(|call| Some((sign * call.added()?.signum(), call)))
            .filter(|&(sign, _)| sign > 0 && read.is_fresh);
        let mut helps: Vec<(u64, usize)> = helps
            .filter_map(|(_, call)| Some((call.added()?.unsigned_abs(), call.span.id())))
            .collect();
        sort_by_number(&mut helps, |&(_, id)| id);
        sort_by_number(&mut helps, |&(amount, _)| amount as usize);
        // The smallest can be forgotten as long as the read stays beyond.
        let forgotten = helps.iter().take_while(|(delta, _)| {
            beyond -= i128::from(*delta);
            beyond > 0
        });
        let forgotten = forgotten.count();
        helps[forgotten..].iter().map(|&(_, id)| id).collect()
    }
}

/// Sums of positive and of negative adds.
#[derive(Clone, Copy, Default)]
struct Sums {
    up: i128,
    down: i128,
}

impl Sums {
    fn add(&mut self, delta: i64) {
        let delta = i128::from(delta);
        self.up += delta.max(0);
        self.down += delta.min(0);
    }

    fn sum(self) -> i128 {
        self.up + self.down
    }
}

/// What a read returned, and what it must count.
struct Read {
    place: usize,
    value: i64,
    is_fresh: bool,
    must: Sums,
    /// The adds that were open when it began and returned later, if they need to be told apart.
    open: Vec<i64>,
}

/// What may be counted besides.
#[derive(Clone)]
struct May {
    sums: Sums,
    ranges: Option<Ranges>,
}

impl May {
    fn add(&mut self, delta: i64) {
        self.sums.add(delta);
        if let Some(ranges) = &mut self.ranges {
            ranges.add(delta.into());
        }
    }

    fn bounds(&self, must: Sums) -> (i128, i128) {
        (must.sum() + self.sums.down, must.sum() + self.sums.up)
    }
}

impl Read {
    fn wrong(&self, may: &May) -> Option<&'static str> {
        let value = i128::from(self.value);
        let (low, high) = may.bounds(self.must);
        let is_sum = |ranges: &Ranges| ranges.contains(value - self.must.sum());
        match () {
            () if value < low => Some("count-too-low"),
            () if value > high => Some("count-too-high"),
            () if may.ranges.as_ref().is_some_and(|ranges| !is_sum(ranges)) => {
                Some("impossible-sum")
            }
            () => None,
        }
    }
}

/// What is known from event to event.
struct Sweep {
    /// What was acknowledged so far.
    acknowledged: Sums,
    /// All that began so far and does not fail.
    attempted: Sums,
    /// The sums of what crashed of that; and of all of it, for reads that need not be fresh.
    crashed_sums: Option<Ranges>,
    attempted_sums: Option<Ranges>,
    /// What began, is still open and will return, by event of invocation; and what will fail.
    open: BTreeMap<usize, i64>,
    open_failing: BTreeMap<usize, usize>,
    /// The reads that are open, by their places.
    reads: BTreeMap<usize, Read>,
    is_coarse: bool,
}

impl Sweep {
    fn new(sums: Option<Ranges>) -> Self {
        Self {
            acknowledged: Sums::default(),
            attempted: Sums::default(),
            crashed_sums: sums.clone(),
            attempted_sums: sums,
            open: BTreeMap::new(),
            open_failing: BTreeMap::new(),
            reads: BTreeMap::new(),
            is_coarse: false,
        }
    }

    fn begin_add(&mut self, moment: Moment, span: Span, delta: i64) {
        if span.has_failed() {
            self.open_failing.insert(moment.event(), moment.place());
            return;
        }
        self.attempted.add(delta);
        if let Some(sums) = &mut self.attempted_sums {
            sums.add(delta.into());
        }
        match (span.returned(), &mut self.crashed_sums) {
            (None, Some(sums)) => sums.add(delta.into()),
            (None, None) => {}
            (Some(_), _) => {
                self.open.insert(moment.event(), delta);
            }
        }
    }

    fn end_add(&mut self, span: Span, delta: i64) {
        if span.has_failed() {
            self.open_failing.remove(&span.invoked());
            return;
        }
        self.open.remove(&span.invoked());
        self.acknowledged.add(delta);
    }

    fn begin_read(&mut self, moment: Moment, value: i64, is_fresh: bool) {
        let is_exact = self.crashed_sums.is_some();
        let open = self.open.values().copied().filter(|_| is_exact && is_fresh);
        let read = Read {
            place: moment.place(),
            value,
            is_fresh,
            must: if is_fresh {
                self.acknowledged
            } else {
                Sums::default()
            },
            open: open.collect(),
        };
        self.reads.insert(moment.place(), read);
    }

    fn end_read(&mut self, moment: Moment) -> Read {
        let read = self.reads.remove(&moment.place());
        read.expect("a read begins before it ends")
    }

    /// What a read that returns now may count beyond what it must.
    fn may(&mut self, calls: &[Call], read: &Read) -> May {
        let sums = Sums {
            up: self.attempted.up - read.must.up,
            down: self.attempted.down - read.must.down,
        };
        let ranges = if read.is_fresh {
            self.fresh_ranges(calls, read)
        } else {
            self.attempted_sums.clone()
        };
        self.is_coarse |= ranges.as_ref().is_some_and(Ranges::is_coarse);
        May { sums, ranges }
    }

    fn fresh_ranges(&self, calls: &[Call], read: &Read) -> Option<Ranges> {
        let mut ranges = self.crashed_sums.clone()?;
        read.open.iter().for_each(|&delta| ranges.add(delta.into()));
        let returned = calls[read.place].span.returned()?;
        let during = calls[read.place..].iter();
        let during = during.take_while(|call| call.span.invoked() < returned);
        for call in during.filter(|call| call.span.returned().is_some()) {
            if let Some(delta) = call.added() {
                ranges.add(delta.into());
            }
        }
        Some(ranges)
    }
}

/// The greatest common divisor.
fn divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// How much an operation adds.
fn delta(operation: Operation<'_>) -> Result<i64, DecodeError> {
    let expected = "`add` of an integer, `increment`, `decrement` or `read` of a counter";
    let amount = match (operation.f, operation.input) {
        ("add", ValueRef::Int(delta)) => Some(delta),
        ("increment" | "inc", ValueRef::Nil) => Some(1),
        ("increment" | "inc", ValueRef::Int(delta)) => Some(delta),
        ("decrement" | "dec", ValueRef::Nil) => Some(-1),
        ("decrement" | "dec", ValueRef::Int(delta)) => delta.checked_neg(),
        _ => None,
    };
    let found = || format!("`{}` of {}", operation.f, operation.input);
    amount.ok_or_else(|| misfit(operation, expected, found()))
}

fn read(operation: Operation<'_>, fresh: FreshReads) -> Result<What, DecodeError> {
    let is_final = operation.input.as_text() == Some("final");
    match operation.output.as_int() {
        Some(value) => Ok(What::Read {
            value,
            is_fresh: fresh == FreshReads::All || is_final,
        }),
        None => {
            let expected = "`read` of a counter to return an integer";
            Err(misfit_answer(operation, expected, operation.output))
        }
    }
}
