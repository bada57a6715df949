//! A set that only grows: elements are added, and reads return all of them.
//!
//! Jepsen's `set` and `set-full`, with their gaps closed: duplicates are looked for (its own test for
//! them can never fire), what failed must not appear, and with [`SetOptions::linearizable`] the law is
//! exact.
//!
//! - `add` (or `insert`, `write`, `broadcast`) is invoked with an element; the same one may be added
//!   again.
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
//! every operation in its time.
//!
//! Linear in the size of all reads, but for sorting as many as there are operations; and as often again
//! as a binary search takes where two reads cannot be compared.

use super::findings::{Findings, Told};
use super::latencies::Latencies;
use super::numbering::Numbering;
use super::span::Span;
use super::{Object, misfit, misfit_answer, objects, whose_first_of, whose_of};
use crate::history::{History, Operation, Value, ValueRef};
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::Verdict;

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
    let mut statistics = SetStatistics::default();
    for object in objects(history) {
        let set = Set::decode(&object)?;
        set.judge_origins(&mut findings);
        set.judge_lost(&mut findings);
        if options.linearizable {
            set.judge_order(Freshness::RealTime, &mut findings);
            set.judge_comparable(&mut findings);
        }
        set.count(&mut statistics);
    }
    let more = || vec![statistics.sentence()];
    Ok(findings.verdict(more, || match statistics.reads {
        0 => Verdict::Vacuous("no read of the set returned".to_owned()),
        _ => Verdict::Valid { witness: None },
    }))
}

/// What became of the elements that may have been added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetStatistics {
    /// How many reads returned.
    pub reads: usize,
    /// How many elements reads showed in the end.
    pub stable: usize,
    /// How many of those a read lacked although they were known.
    pub stale: usize,
    pub lost: usize,
    pub never_read: usize,
    /// How long after stable elements were known the last read began that lacks them; zero if none did.
    pub stable_latency: Latencies,
    /// How long after lost elements were known the last read began that shows them.
    pub lost_latency: Latencies,
    /// The element that a read still lacked longest after it was known, and how long after, in ns.
    pub worst_stale: Option<(Value, u64)>,
}

/// What became of the elements.
///
/// # Errors
/// As [`check`].
pub fn statistics(history: &History) -> Result<SetStatistics, DecodeError> {
    let mut statistics = SetStatistics::default();
    for object in objects(history) {
        Set::decode(&object)?.count(&mut statistics);
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
            ..
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

/// From when on an element has to be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// If it was known before an element was begun to be added that the read shows.
    Order,
    /// So, or if it was known before the read began.
    RealTime,
}

/// Elements and reads, as they are numbered here.
pub(super) struct Set<'h> {
    history: &'h History,
    names: Numbering<'h>,
    elements: Vec<Element>,
    /// In the order of their invocations.
    reads: Vec<Read>,
}

/// What is known of an element.
#[derive(Clone, Default)]
struct Element {
    /// When it was first begun to be added by what did not fail, and by what.
    begun: Option<Span>,
    /// The attempts that failed.
    failed: Vec<Span>,
    /// The first event after which it must be there, and whose operation's that is.
    known: Option<(usize, Span)>,
    shown: Shown,
}

/// Which reads show an element, by their places.
#[derive(Clone, Copy, Default)]
struct Shown {
    last: Option<usize>,
    /// Where the unbroken run began that the last one is of.
    run: usize,
    /// When the last one to return did.
    last_returned: Option<usize>,
}

struct Read {
    span: Span,
    returned: usize,
    /// The elements, each once.
    elements: Vec<u32>,
}

impl<'h> Set<'h> {
    pub(super) fn decode(object: &Object<'h>) -> Result<Self, DecodeError> {
        let mut set = Self {
            history: object.history,
            names: Numbering::default(),
            elements: Vec::new(),
            reads: Vec::new(),
        };
        for operation in object.iter() {
            match operation.f {
                "add" | "insert" | "write" | "broadcast" => set.add(operation),
                "read" => set.read(operation)?,
                f => {
                    let expected = "`add` or `read` of a set";
                    return Err(misfit(operation, expected, format!("`{f}`")));
                }
            }
        }
        Ok(set)
    }

    pub(super) fn read_count(&self) -> usize {
        self.reads.len()
    }

    fn add(&mut self, operation: Operation<'h>) {
        let span = Span::from(operation);
        let element = self.element(operation.input);
        if span.has_failed() {
            element.failed.push(span);
        } else {
            element.begun = element.begun.or(Some(span));
            element.know(span);
        }
    }

    fn element(&mut self, value: ValueRef<'h>) -> &mut Element {
        let number = self.names.number(value);
        if number == self.elements.len() {
            self.elements.push(Element::default());
        }
        &mut self.elements[number]
    }

    fn read(&mut self, operation: Operation<'h>) -> Result<(), DecodeError> {
        let span = Span::from(operation);
        let Some(returned) = span.returned() else {
            return Ok(());
        };
        let Some(values) = operation.output.as_list() else {
            let expected = "`read` to return the list of all elements";
            return Err(misfit_answer(operation, expected, operation.output));
        };
        let place = self.reads.len();
        let mut elements = Vec::with_capacity(values.len());
        for value in values {
            let element = self.element(value);
            element.know(span);
            if element.shown.note(place, returned) {
                elements.push(self.names.find(value).expect("it has a number") as u32);
            }
        }
        self.reads.push(Read {
            span,
            returned,
            elements,
        });
        Ok(())
    }

    /// Whether reads show each element once, and only what may have been added before.
    pub(super) fn judge_origins(&self, findings: &mut Findings) {
        for read in &self.reads {
            self.judge_duplicates(read, findings);
            for &number in &read.elements {
                self.judge_origin(number, read, findings);
            }
        }
    }

    fn judge_duplicates(&self, read: &Read, findings: &mut Findings) {
        let operation = self.history.operations().get(read.span.id());
        let answer = operation.and_then(|operation| operation.output.as_list());
        let Some(answer) = answer.filter(|answer| answer.len() > read.elements.len()) else {
            return;
        };
        findings.note(read.returned, "duplicate-element", || {
            let mut values: Vec<ValueRef<'_>> = answer.iter().collect();
            values.sort_unstable();
            let twice = values.windows(2).find(|pair| pair[0] == pair[1]);
            let twice = twice.expect("a list that is longer than its set holds something twice");
            let sentence = format!(
                "{} shows element {} twice.",
                self.whose_first(read.span),
                twice[0]
            );
            Told::minimal(sentence, [read.span.id()])
        });
    }

    fn judge_origin(&self, number: u32, read: &Read, findings: &mut Findings) {
        let element = &self.elements[number as usize];
        if element
            .begun
            .is_some_and(|begun| begun.invoked() < read.returned)
        {
            return;
        }
        let value = self.names.value(number as usize);
        let before = |add: &&Span| add.invoked() < read.returned;
        let failed = element.failed.iter().filter(before);
        let decided = failed.clone().filter_map(|add| add.failed()).max();
        let who = || self.whose_first(read.span);
        match (failed.clone().next_back(), decided) {
            (Some(add), Some(decided)) => {
                findings.note(read.returned.max(decided), "resurrected-element", || {
                    let sentence = format!(
                        "{} shows element {value}, although {} failed.",
                        who(),
                        self.whose(*add)
                    );
                    Told::minimal(sentence, [add.id(), read.span.id()])
                });
            }
            _ => findings.note(read.returned, "unexpected-element", || {
                let who = who();
                let sentence =
                    format!("{who} shows element {value}, which nobody had begun to add.");
                Told::minimal(sentence, [read.span.id()])
            }),
        }
    }

    /// Whether what was known is seen again.
    fn judge_lost(&self, findings: &mut Findings) {
        let earliest_returns = self.earliest_returns();
        for (number, element) in self.elements.iter().enumerate() {
            let read = earliest_returns.get(self.lost_from(element));
            let (Some(&place), Some((known, witness))) = (read, element.known) else {
                continue;
            };
            let read = &self.reads[place];
            findings.note(read.returned, "lost-element", || {
                let sentence = format!(
                    "Element {} is lost: {} made it known at event {known}, but {} lacks it, and so does every read after.",
                    self.names.value(number),
                    self.whose(witness),
                    self.whose(read.span)
                );
                Told::minimal(sentence, [witness.id(), read.span.id()])
            });
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
    fn lost_from(&self, element: &Element) -> usize {
        let Some((known, _)) = element.known.filter(|_| element.begun.is_some()) else {
            return self.reads.len();
        };
        let since = element
            .shown
            .last_returned
            .map_or(known, |last| last.max(known));
        self.reads
            .partition_point(|read| read.span.invoked() < since)
    }

    /// Whether each read shows what it must.
    pub(super) fn judge_order(&self, freshness: Freshness, findings: &mut Findings) {
        let known = self.elements.iter().filter_map(|element| element.known);
        let mut known: Vec<usize> = known.map(|(event, _)| event).collect();
        known.sort_unstable();
        for read in &self.reads {
            let invoked = match freshness {
                Freshness::Order => 0,
                Freshness::RealTime => read.span.invoked(),
            };
            let since = self.youngest(read).max(invoked);
            if self.lacks(read, invoked, &known) {
                self.note_stale(read, findings);
            } else if since > invoked && self.lacks(read, since, &known) {
                self.note_reverse(read, since, findings);
            }
        }
    }

    /// When the youngest element that it shows was begun to be added.
    fn youngest(&self, read: &Read) -> usize {
        let begun = read.elements.iter().map(|&number| {
            let begun = self.elements[number as usize].begun;
            begun.map_or(read.returned, |begun| begun.invoked().min(read.returned))
        });
        begun.max().unwrap_or(0)
    }

    /// Whether it lacks something that was known before an event.
    fn lacks(&self, read: &Read, event: usize, known: &[usize]) -> bool {
        let must = known.partition_point(|&known| known < event);
        let shown = read.elements.iter();
        let shown = shown.filter(|&&number| self.elements[number as usize].is_known(event));
        shown.count() < must
    }

    /// What was known first before an event, of what a read lacks.
    fn first_lacking(&self, read: &Read, event: usize) -> (usize, usize, Span) {
        let mut is_shown = vec![false; self.elements.len()];
        for &number in &read.elements {
            is_shown[number as usize] = true;
        }
        let lacking = self
            .elements
            .iter()
            .enumerate()
            .filter_map(|(number, element)| {
                let (known, by) = element.known?;
                (!is_shown[number] && known < event).then_some((known, number, by))
            });
        let first = lacking.min_by_key(|&(known, number, _)| (known, self.names.value(number)));
        first.expect("a read that shows fewer than it must lacks one")
    }

    fn note_stale(&self, read: &Read, findings: &mut Findings) {
        findings.note(read.returned, "stale-read", || {
            let (known, missed, witness) = self.first_lacking(read, read.span.invoked());
            let sentence = format!(
                "{} lacks element {}, although {} had made it known at event {known}.",
                self.whose_first(read.span),
                self.names.value(missed),
                self.whose(witness)
            );
            Told::minimal(sentence, [witness.id(), read.span.id()])
        });
    }

    fn note_reverse(&self, read: &Read, since: usize, findings: &mut Findings) {
        if !findings.would_tell(read.returned, "causal-reverse") {
            findings.note(read.returned, "causal-reverse", Told::default);
            return;
        }
        let (known, missed, witness) = self.first_lacking(read, since);
        let younger = read.elements.iter().filter_map(|&number| {
            let element = &self.elements[number as usize];
            let decided = element.decided_after(known)?;
            Some((decided, self.names.value(number as usize), element))
        });
        let Some((decided, younger, element)) =
            younger.min_by_key(|&(decided, value, _)| (decided, value))
        else {
            return;
        };
        findings.note(read.returned.max(decided), "causal-reverse", || {
            let sentence = format!(
                "{} shows element {younger} but lacks {}, which {} had made known at event {known}, before {younger} was begun to be added.",
                self.whose_first(read.span),
                self.names.value(missed),
                self.whose(witness)
            );
            let add = element.begun.map(Span::id);
            let witness = add.into_iter().chain([witness.id(), read.span.id()]);
            Told {
                rules_out: vec!["strict-serializable".to_owned()],
                ..Told::minimal(sentence, witness)
            }
        });
    }

    /// Whether of every two reads one includes the other.
    fn judge_comparable(&self, findings: &mut Findings) {
        let mut by_return: Vec<usize> = (0..self.reads.len()).collect();
        sort_by_number(&mut by_return, |&place| self.reads[place].returned);
        if self.incomparable(&by_return).is_none() {
            return;
        }
        // So many of the first to return are a chain.
        let (mut chain, mut broken) = (0, by_return.len());
        while broken - chain > 1 {
            let middle = chain.midpoint(broken);
            if self.incomparable(&by_return[..middle]).is_some() {
                broken = middle;
            } else {
                chain = middle;
            }
        }
        let Some((one, other)) = self.incomparable(&by_return[..broken]) else {
            return;
        };
        let (first, last) = if one.returned < other.returned {
            (one, other)
        } else {
            (other, one)
        };
        self.note_incomparable(last, first, findings);
    }

    /// Two reads next to each other in size of which the smaller is not included in the other. Each read
    /// is marked once and compared with those marks once.
    fn incomparable(&self, places: &[usize]) -> Option<(&Read, &Read)> {
        let mut by_size: Vec<&Read> = places.iter().map(|&place| &self.reads[place]).collect();
        sort_by_number(&mut by_size, |read| read.elements.len());
        let mut marks = vec![0; self.elements.len()];
        for (mark, pair) in (1..).zip(by_size.windows(2)) {
            for &number in &pair[1].elements {
                marks[number as usize] = mark;
            }
            let mut smaller = pair[0].elements.iter();
            if smaller.any(|&number| marks[number as usize] != mark) {
                return Some((pair[0], pair[1]));
            }
        }
        None
    }

    fn note_incomparable(&self, read: &Read, other: &Read, findings: &mut Findings) {
        findings.note(read.returned, "incomparable-reads", || {
            let sentence = format!(
                "{} shows element {} but lacks {}, and {} the other way round: neither can have come first.",
                self.whose_first(read.span),
                self.only(read, other),
                self.only(other, read),
                self.whose(other.span)
            );
            Told::minimal(sentence, [read.span.id(), other.span.id()])
        });
    }

    /// The least element that one read shows and another does not.
    fn only(&self, one: &Read, other: &Read) -> ValueRef<'h> {
        let mut is_shown = vec![false; self.elements.len()];
        for &number in &other.elements {
            is_shown[number as usize] = true;
        }
        let only = one.elements.iter().map(|&number| number as usize);
        let only = only.filter(|&number| !is_shown[number]);
        only.map(|number| self.names.value(number))
            .min()
            .unwrap_or_default()
    }

    fn count(&self, statistics: &mut SetStatistics) {
        statistics.reads += self.reads.len();
        for (number, element) in self.elements.iter().enumerate() {
            let Some((known, _)) = element.known.filter(|_| element.begun.is_some()) else {
                statistics.never_read += usize::from(element.begun.is_some());
                continue;
            };
            let known_ns = self
                .history
                .events()
                .get(known)
                .map_or(0, |event| event.time_ns);
            if self.lost_from(element) < self.reads.len() {
                let last = element
                    .shown
                    .last
                    .map_or(known_ns, |place| self.invoked_ns(place));
                statistics.lost += 1;
                statistics.lost_latency.add(last.saturating_sub(known_ns));
            } else if element.shown.last.is_none() {
                statistics.never_read += 1;
            } else {
                statistics.stable += 1;
                let absent = self.last_absent(element);
                let absent = absent.filter(|&place| self.reads[place].span.invoked() > known);
                let for_ns = absent.map(|place| self.invoked_ns(place).saturating_sub(known_ns));
                statistics.stable_latency.add(for_ns.unwrap_or(0));
                if let Some(for_ns) = for_ns {
                    statistics.stale += 1;
                    let worst = statistics.worst_stale.as_ref();
                    if worst.is_none_or(|&(_, worst_ns)| worst_ns < for_ns) {
                        statistics.worst_stale =
                            Some((self.names.value(number).to_value(), for_ns));
                    }
                }
            }
        }
    }

    fn invoked_ns(&self, place: usize) -> u64 {
        let operation = self.history.operations().get(self.reads[place].span.id());
        operation.map_or(0, |operation| operation.invoked_ns)
    }

    /// The place of the last read that lacks an element which some read shows.
    fn last_absent(&self, element: &Element) -> Option<usize> {
        let last = self.reads.len().checked_sub(1)?;
        if element.shown.last == Some(last) {
            element.shown.run.checked_sub(1)
        } else {
            Some(last)
        }
    }

    fn whose(&self, span: Span) -> String {
        whose_of(self.history, span.id())
    }

    fn whose_first(&self, span: Span) -> String {
        whose_first_of(self.history, span.id())
    }
}

impl Element {
    fn know(&mut self, by: Span) {
        if let Some(event) = by.returned()
            && self.known.is_none_or(|(known, _)| event < known)
        {
            self.known = Some((event, by));
        }
    }

    fn is_known(&self, event: usize) -> bool {
        self.known.is_some_and(|(known, _)| known < event)
    }

    /// Since when it is certain that nobody began to add it before an event, unless somebody did.
    fn decided_after(&self, event: usize) -> Option<usize> {
        if self.begun.is_some_and(|begun| begun.invoked() < event) {
            return None;
        }
        let before = self.failed.iter().filter(|add| add.invoked() < event);
        Some(before.filter_map(|add| add.failed()).max().unwrap_or(0))
    }
}

impl Shown {
    /// Returns whether the read did not show it already.
    fn note(&mut self, place: usize, returned: usize) -> bool {
        if self.last == Some(place) {
            return false;
        }
        let goes_on = place > 0 && self.last == Some(place - 1);
        if !goes_on {
            self.run = place;
        }
        self.last = Some(place);
        self.last_returned = self.last_returned.max(Some(returned));
        true
    }
}
