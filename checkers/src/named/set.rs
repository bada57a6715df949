//! A set that only grows: elements are added, and reads return all of them.
//!
//! Jepsen's `set-full`, with its gaps closed: duplicates are looked for (its own test for them can
//! never fire), what failed must not appear, and with [`SetOptions::linearizable`] the law is exact.
//!
//! - `add` is invoked with an element; the same one may be added again.
//! - `read` returns the list of all elements.
//!
//! An element is *known* from when an `add` of it or a read that shows it has returned. It is *lost* if
//! a read that began later lacks it, and no read that returned after that one began shows it: it
//! may be stale, but somebody must see it again. Lost is judged by how the history ends.
//!
//! Linearizable is a history of such a set exactly if no read shows what nobody had begun to add;
//! every read shows what was known before it began, and what was known before an element that it
//! shows was begun to be added; and of every two reads one includes the other. For then the reads in
//! the order of their sizes, each after the elements that it is the first to show, are an order with
//! every operation in its time. O(size of all reads × log).

use super::{
    Findings, findings::Told, misfit, misfit_answer, objects, returned, whose, whose_first,
};
use crate::history::{History, Operation, Outcome, Value, ValueRef};
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};

/// What a set promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// Whether reads must be up to date: whether the set is linearizable, and not only keeps what it
    /// acknowledged.
    pub linearizable: bool,
}

/// Judges the reads. `Vacuous` if none returned.
///
/// # Errors
/// If an operation is neither an `add` nor a `read` as above.
pub fn check(history: &History, options: &SetOptions) -> Result<Verdict, DecodeError> {
    let mut findings = Findings::new("set");
    let mut reads = 0;
    let mut statistics = SetStatistics::default();
    for operations in objects(history) {
        let set = Set::decode(&operations)?;
        reads += set.reads.len();
        set.judge(options, &mut findings);
        set.count(history, &mut statistics);
    }
    Ok(findings.verdict(
        || vec![statistics.sentence()],
        || {
            if reads == 0 {
                return Verdict::Vacuous("no read of the set returned".to_owned());
            }
            Verdict::Valid { witness: None }
        },
    ))
}

/// What became of the elements that may have been added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetStatistics {
    /// How many reads showed in the end.
    pub stable: usize,
    /// How many of those a read lacked although they were known.
    pub stale: usize,
    pub lost: usize,
    pub never_read: usize,
    /// The element that a read still lacked longest after it was known, and how long after, in ns.
    pub worst_stale: Option<(Value, u64)>,
}

/// What became of the elements.
///
/// # Errors
/// As [`check`].
pub fn statistics(history: &History) -> Result<SetStatistics, DecodeError> {
    let mut statistics = SetStatistics::default();
    for operations in objects(history) {
        Set::decode(&operations)?.count(history, &mut statistics);
    }
    Ok(statistics)
}

impl SetStatistics {
    fn sentence(&self) -> String {
        let Self {
            stable,
            stale,
            lost,
            never_read,
            worst_stale,
        } = self;
        let worst = worst_stale
            .as_ref()
            .map_or_else(String::new, |(element, for_ns)| {
                format!(" (the worst, {element}, for {for_ns} ns)")
            });
        format!(
            "Of all elements {stable} were seen to the end, {stale} of them missed for a while{worst}; {lost} were lost, {never_read} never read."
        )
    }
}

#[derive(Default)]
struct Set<'a> {
    elements: BTreeMap<ValueRef<'a>, Element<'a>>,
    /// In the order of their invocations.
    reads: Vec<Read<'a>>,
}

/// What is known of an element.
#[derive(Default)]
struct Element<'a> {
    adds: Vec<Operation<'a>>,
    /// The reads that show it, by their places.
    shown: Vec<usize>,
    /// The first event after which it must be there, and whose operation's that is.
    known: Option<(usize, Operation<'a>)>,
}

struct Read<'a> {
    recorded: Operation<'a>,
    returned: usize,
    elements: BTreeSet<ValueRef<'a>>,
    duplicate: Option<ValueRef<'a>>,
}

impl<'a> Set<'a> {
    fn decode(operations: &[Operation<'a>]) -> Result<Self, DecodeError> {
        let mut set = Self::default();
        for &recorded in operations {
            match recorded.f {
                "add" => {
                    let element = set.elements.entry(recorded.input).or_default();
                    element.adds.push(recorded);
                    element.know(recorded);
                }
                "read" => set.reads.extend(read(recorded)?),
                f => {
                    let expected = "`add` or `read` of a set";
                    return Err(misfit(recorded, expected, format!("`{f}`")));
                }
            }
        }
        for (place, read) in set.reads.iter().enumerate() {
            for &value in &read.elements {
                let element = set.elements.entry(value).or_default();
                element.shown.push(place);
                element.know(read.recorded);
            }
        }
        Ok(set)
    }

    fn judge(&self, options: &SetOptions, findings: &mut Findings) {
        for read in &self.reads {
            judge_duplicates(read, findings);
            for &value in &read.elements {
                judge_origin(value, &self.elements[&value], read, findings);
            }
        }
        let earliest_returns = self.earliest_returns();
        for (&value, element) in &self.elements {
            self.judge_lost(value, element, &earliest_returns, findings);
        }
        if options.linearizable {
            self.judge_freshness(findings);
            self.judge_comparable(findings);
        }
    }

    /// For each read, the place of the one that returned first of it and those that began later.
    fn earliest_returns(&self) -> Vec<usize> {
        let mut earliest: Vec<usize> = (0..self.reads.len()).collect();
        for place in (1..self.reads.len()).rev() {
            let later = earliest[place];
            if self.reads[later].returned < self.reads[place - 1].returned {
                earliest[place - 1] = later;
            }
        }
        earliest
    }

    /// The place from which on all reads began after the element was lost; the number of reads if
    /// it was not.
    fn lost_from(&self, element: &Element<'_>) -> usize {
        let Some((known, _)) = element.known.filter(|_| element.begun().is_some()) else {
            return self.reads.len();
        };
        let shown = element.shown.iter();
        let last_shown = shown.map(|&place| self.reads[place].returned).max();
        let since = last_shown.map_or(known, |last| last.max(known));
        self.reads
            .partition_point(|read| read.recorded.invoked < since)
    }

    fn judge_lost(
        &self,
        value: ValueRef<'_>,
        element: &Element<'_>,
        earliest_returns: &[usize],
        findings: &mut Findings,
    ) {
        let Some(&place) = earliest_returns.get(self.lost_from(element)) else {
            return;
        };
        let Some((known, witness)) = element.known else {
            return;
        };
        let read = &self.reads[place];
        findings.note(read.returned, "lost-element", || {
            let sentence = format!(
                "Element {value} is lost: {} made it known at event {known}, but {} lacks it, and so does every read after.",
                whose(witness),
                whose(read.recorded)
            );
            Told::new(sentence, [witness.id, read.recorded.id])
        });
    }

    /// Whether each read shows what it must: what was known before it began, or before the youngest
    /// element that it shows was begun to be added.
    fn judge_freshness(&self, findings: &mut Findings) {
        let known = self.elements.iter();
        let mut known: Vec<(usize, ValueRef<'_>)> = known
            .filter_map(|(&value, element)| Some((element.known?.0, value)))
            .collect();
        known.sort_unstable();
        for read in &self.reads {
            let begun = read
                .elements
                .iter()
                .map(|value| self.elements[value].begun());
            let youngest = begun.map(|begun| begun.unwrap_or(read.returned)).max();
            let since = youngest.map_or(0, |begun| begun.min(read.returned));
            let since = since.max(read.recorded.invoked);
            let must = &known[..known.partition_point(|&(event, _)| event < since)];
            let shown = read.elements.iter().filter(|value| {
                let known = self.elements[*value].known;
                known.is_some_and(|(event, _)| event < since)
            });
            if shown.count() == must.len() {
                continue;
            }
            let mut must = must.iter().map(|&(_, value)| value);
            let missed = must.find(|value| !read.elements.contains(value));
            let missed = missed.expect("a read that shows fewer than it must lacks one");
            self.note_stale(read, missed, findings);
        }
    }

    fn note_stale(&self, read: &Read<'_>, missed: ValueRef<'_>, findings: &mut Findings) {
        let Some((known, witness)) = self.elements[&missed].known else {
            return;
        };
        if known < read.recorded.invoked {
            findings.note(read.returned, "stale-read", || {
                let sentence = format!(
                    "{} lacks element {missed}, although {} had made it known at event {known}.",
                    whose_first(read.recorded),
                    whose(witness)
                );
                Told::new(sentence, [witness.id, read.recorded.id])
            });
            return;
        }
        let shown = read.elements.iter();
        let younger = shown.filter_map(|&value| {
            let decided = self.elements[&value].decided_after(known)?;
            Some((decided, value))
        });
        let Some((decided, younger)) = younger.min() else {
            return;
        };
        findings.note(read.returned.max(decided), "causal-reverse", || {
            let sentence = format!(
                "{} shows element {younger} but lacks {missed}, which {} had made known at event {known}, before {younger} was begun to be added.",
                whose_first(read.recorded),
                whose(witness)
            );
            let mut adds = self.elements[&younger].adds.iter();
            let add = adds.find(|add| add.outcome != Outcome::Fail);
            let add = add.map(|add| add.id);
            Told::new(sentence, add.into_iter().chain([witness.id, read.recorded.id]))
        });
    }

    /// Whether of every two reads one includes the other.
    fn judge_comparable(&self, findings: &mut Findings) {
        let mut by_return: Vec<&Read<'_>> = self.reads.iter().collect();
        by_return.sort_by_key(|read| read.returned);
        // A chain: each includes all that are smaller.
        let mut by_size: BTreeMap<usize, &Read<'_>> = BTreeMap::new();
        for read in by_return {
            let size = read.elements.len();
            let smaller = by_size
                .range(..=size)
                .next_back()
                .map(|(_, smaller)| *smaller);
            let larger = by_size.range(size..).next().map(|(_, larger)| *larger);
            let beside = smaller
                .filter(|smaller| !smaller.elements.is_subset(&read.elements))
                .or_else(|| larger.filter(|larger| !read.elements.is_subset(&larger.elements)));
            if let Some(other) = beside {
                note_incomparable(read, other, findings);
                return;
            }
            by_size.insert(size, read);
        }
    }

    fn count(&self, history: &History, statistics: &mut SetStatistics) {
        for (&value, element) in &self.elements {
            if element.begun().is_none() {
                continue;
            }
            if self.lost_from(element) < self.reads.len() {
                statistics.lost += 1;
                continue;
            }
            if element.shown.is_empty() {
                statistics.never_read += 1;
                continue;
            }
            statistics.stable += 1;
            if let Some(for_ns) = self.stale_ns(history, element) {
                statistics.stale += 1;
                let worst = statistics.worst_stale.as_ref();
                if worst.is_none_or(|&(_, worst_ns)| worst_ns < for_ns) {
                    statistics.worst_stale = Some((value.to_value(), for_ns));
                }
            }
        }
    }

    /// How long after the element was known the last read began that lacks it.
    fn stale_ns(&self, history: &History, element: &Element<'_>) -> Option<u64> {
        let (known, _) = element.known?;
        let shown = element.shown.iter().rev();
        let places = (0..self.reads.len()).rev();
        let run = shown
            .zip(places)
            .take_while(|&(&shown, place)| shown == place);
        let last_absent = self.reads.len().checked_sub(run.count() + 1)?;
        let absent = self.reads[last_absent].recorded;
        let known_ns = history.event(known).time_ns;
        (absent.invoked > known).then(|| absent.invoked_ns.saturating_sub(known_ns))
    }
}

impl<'a> Element<'a> {
    /// When it was first begun to be added by what did not fail.
    fn begun(&self) -> Option<usize> {
        let mut adds = self.adds.iter();
        let first = adds.find(|add| add.outcome != Outcome::Fail);
        first.map(|add| add.invoked)
    }

    /// Since when it is certain that nobody began to add it before an event, unless somebody did.
    fn decided_after(&self, event: usize) -> Option<usize> {
        if self.begun().is_some_and(|begun| begun < event) {
            return None;
        }
        let before = self.adds.iter().filter(|add| add.invoked < event);
        Some(before.filter_map(|add| add.completed).max().unwrap_or(0))
    }

    fn know(&mut self, by: Operation<'a>) {
        if let Some(event) = returned(by)
            && self.known.is_none_or(|(known, _)| event < known)
        {
            self.known = Some((event, by));
        }
    }
}

fn judge_duplicates(read: &Read<'_>, findings: &mut Findings) {
    if let Some(value) = read.duplicate {
        findings.note(read.returned, "duplicate-element", || {
            let sentence = format!(
                "{} shows element {value} twice.",
                whose_first(read.recorded)
            );
            Told::new(sentence, [read.recorded.id])
        });
    }
}

/// Whether what a read shows may have been added before.
fn judge_origin(
    value: ValueRef<'_>,
    element: &Element<'_>,
    read: &Read<'_>,
    findings: &mut Findings,
) {
    if element.begun().is_some_and(|begun| begun < read.returned) {
        return;
    }
    let before = |add: &&Operation<'_>| add.invoked < read.returned;
    let failed: Vec<Operation<'_>> = element.adds.iter().filter(before).copied().collect();
    let decided = failed.iter().filter_map(|add| add.completed).max();
    let who = whose_first(read.recorded);
    match (failed.last(), decided) {
        (Some(add), Some(decided)) => {
            findings.note(read.returned.max(decided), "resurrected-element", || {
                let sentence = format!(
                    "{who} shows element {value}, although {} failed.",
                    whose(*add)
                );
                Told::new(sentence, [add.id, read.recorded.id])
            });
        }
        _ => findings.note(read.returned, "unexpected-element", || {
            let sentence = format!("{who} shows element {value}, which nobody had begun to add.");
            Told::new(sentence, [read.recorded.id])
        }),
    }
}

fn note_incomparable(read: &Read<'_>, other: &Read<'_>, findings: &mut Findings) {
    findings.note(read.returned, "incomparable-reads", || {
        let only = |one: &Read<'_>, two: &Read<'_>| {
            let mut only = one.elements.difference(&two.elements);
            only.next().map_or_else(String::new, |value| value.to_string())
        };
        let sentence = format!(
            "{} shows element {} but lacks {}, and {} the other way round: neither can have come first.",
            whose_first(read.recorded),
            only(read, other),
            only(other, read),
            whose(other.recorded)
        );
        Told::new(sentence, [read.recorded.id, other.recorded.id])
    });
}

/// `None` if it did not return.
fn read(recorded: Operation<'_>) -> Result<Option<Read<'_>>, DecodeError> {
    let Some(returned) = returned(recorded) else {
        return Ok(None);
    };
    let ValueRef::List(values) = recorded.output else {
        let expected = "`read` to return the list of all elements";
        return Err(misfit_answer(recorded, expected, recorded.output));
    };
    let mut elements = BTreeSet::new();
    let mut duplicate = None;
    for value in values {
        if !elements.insert(value) {
            duplicate = duplicate.or(Some(value));
        }
    }
    Ok(Some(Read {
        recorded,
        returned,
        elements,
        duplicate,
    }))
}
