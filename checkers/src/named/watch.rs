//! Watches: each watcher is told of every change, in order, once, and whole.
//!
//! The promises of etcd's watches and what its robustness tests hold them to: ordered, unique, atomic,
//! reliable, resumable, bookmarkable. Changes have revisions; what changed together has one revision.
//!
//! - `put` (or `write`) is invoked with a value, and returns the revision of the change, or anything but
//!   an integer where it does not say. Its key is that of the history, if there are several.
//! - `watch` returns the list of what its watcher was told since the last, in order: events
//!   `[revision key value]`, or `[revision value]` where there are no keys, and `["progress" revision]`:
//!   all up to there has been told. It is invoked with nil to go on, with a revision to begin there
//!   (anew), or with `[revision key]` to be told of one key only. Its key in the history is the watcher;
//!   without one each process is a watcher. A watcher watches once at a time. One that is invoked with
//!   the text `final` is made once all is quiet.
//!
//! What is known to have happened is what any watcher was told, and what a `put` returned with its
//! revision; or what is given in [`WatchOptions::changes`], all of it. The laws:
//! - One revision and key has one value (`divergent-event`). Where there are puts, somebody put it
//!   (`unexpected-event`), and no put that failed (`failed-put-delivered`).
//! - Revisions do not go back (`event-goes-back`), nor before where the watch began
//!   (`event-before-start`), nor to where progress had been (`event-after-progress`); nor are they of
//!   another key than asked for (`unwanted-event`).
//! - No event comes twice (`duplicate-event`).
//! - What has one revision comes in one answer (`torn-revision`).
//! - From where it began, or from its first event, a watcher misses nothing that is known and less than
//!   what it is told (`missing-event`), or than its progress (`false-progress`).
//! - A final watch has told all that was known before it began (`missing-at-end`).
//!
//! A watch that failed took nothing. One that crashed may have taken what nobody saw, so the next begins
//! anew where it pleases, but not further back. O(n log n).

use super::findings::{Findings, Told};
use super::span::Span;
use super::{misfit, misfit_answer, whose_first_of, whose_of};
use crate::history::{History, Operation, Outcome, Value, ValueRef};
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What is known of the changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// All changes as they were made, where the system's own log tells.
    pub changes: Option<Vec<Change>>,
    /// Whether every watcher's last `ok` watch was made once all was quiet. Else only those are taken for
    /// it that were invoked with `final`.
    pub drained: bool,
}

/// A change, or what a watcher was told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub revision: i64,
    /// Nil where there are no keys.
    pub key: Value,
    pub value: Value,
}

/// Judges what each watcher was told. `Vacuous` if nobody was told anything.
///
/// # Errors
/// If an operation is none of those above, or a watcher watches twice at once.
pub fn check(history: &History, options: &WatchOptions) -> Result<Verdict, DecodeError> {
    let mut findings = Findings::new("watch");
    let recorded = Recorded::decode(history)?;
    let known = Known::gather(&recorded, options, &mut findings);
    let puts = Puts::of(&recorded);
    let mut events = 0;
    for watches in recorded.watchers.values() {
        let mut watcher = Watcher {
            history,
            known: &known,
            position: Position::default(),
            filter: None,
        };
        for watch in watches {
            events += watcher.receive(watch, &mut findings);
            if options.changes.is_none() && !puts.0.is_empty() {
                puts.judge(history, watch, &mut findings);
            }
        }
        watcher.end(watches, options, &mut findings);
    }
    let more = || {
        vec![format!(
            "{} watchers were told {events} events.",
            recorded.watchers.len()
        )]
    };
    Ok(findings.verdict(more, || {
        if events == 0 {
            return Verdict::Vacuous("no watcher was told anything".to_owned());
        }
        Verdict::Valid { witness: None }
    }))
}

/// A revision and a key.
type Place<'h> = (i64, ValueRef<'h>);

#[derive(Clone, Copy)]
enum Item<'h> {
    Event(Place<'h>, ValueRef<'h>),
    Progress(i64),
}

/// A watch that did not fail.
struct Watch<'h> {
    span: Span,
    start: Start<'h>,
    /// `None` if nobody knows what it told.
    answer: Option<Vec<Item<'h>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Start<'h> {
    /// Where the last one ended.
    On,
    Final,
    At(i64, Option<ValueRef<'h>>),
}

struct Put<'h> {
    span: Span,
    key: ValueRef<'h>,
    value: ValueRef<'h>,
    revision: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'h> {
    Key(ValueRef<'h>),
    Process(u64),
}

struct Recorded<'h> {
    history: &'h History,
    puts: Vec<Put<'h>>,
    watchers: BTreeMap<Name<'h>, Vec<Watch<'h>>>,
}

impl<'h> Recorded<'h> {
    fn decode(history: &'h History) -> Result<Self, DecodeError> {
        let mut recorded = Self {
            history,
            puts: Vec::new(),
            watchers: BTreeMap::new(),
        };
        let mut ends: BTreeMap<Name<'_>, usize> = BTreeMap::new();
        for operation in history.operations() {
            match operation.f {
                "put" | "write" => recorded.puts.push(put(operation)),
                "watch" => recorded.add_watch(operation, &mut ends)?,
                f => return Err(misfit(operation, "`put` or `watch`", format!("`{f}`"))),
            }
        }
        Ok(recorded)
    }

    fn add_watch(
        &mut self,
        operation: Operation<'h>,
        ends: &mut BTreeMap<Name<'h>, usize>,
    ) -> Result<(), DecodeError> {
        let name = operation
            .key
            .map_or(Name::Process(operation.process), Name::Key);
        let end = ends.entry(name).or_default();
        if *end > operation.invoked {
            let found = "a watch before the last one returned";
            return Err(misfit(
                operation,
                "a watcher to watch once at a time",
                found,
            ));
        }
        *end = operation.completed.unwrap_or(operation.invoked);
        if operation.outcome != Outcome::Fail {
            let watch = watch(operation)?;
            self.watchers.entry(name).or_default().push(watch);
        }
        Ok(())
    }
}

/// What is known to have happened.
struct Known<'h> {
    by_revision: BTreeMap<Place<'h>, Source<'h>>,
    /// The same revisions, by key first.
    by_key: BTreeMap<(ValueRef<'h>, i64), Source<'h>>,
}

/// Since when, and by which operation, something is known; by none if it was given.
#[derive(Clone, Copy)]
struct Source<'h> {
    event: usize,
    by: Option<Span>,
    value: ValueRef<'h>,
}

impl<'h> Known<'h> {
    fn gather(recorded: &Recorded<'h>, options: &'h WatchOptions, findings: &mut Findings) -> Self {
        let mut sources: Vec<(Place<'h>, Source<'h>)> = Vec::new();
        for put in &recorded.puts {
            if let (Some(event), Some(revision)) = (put.span.returned(), put.revision) {
                let by = Some(put.span);
                let value = put.value;
                sources.push(((revision, put.key), Source { event, by, value }));
            }
        }
        for watch in recorded.watchers.values().flatten() {
            for (place, value) in watch.events() {
                let event = watch.span.returned().unwrap_or(0);
                let by = Some(watch.span);
                sources.push((place, Source { event, by, value }));
            }
        }
        sort_by_number(&mut sources, |(_, source)| source.event);
        let mut known = Self::given(options);
        let is_given = options.changes.is_some();
        for (place, source) in sources {
            known.add(place, source, is_given, recorded.history, findings);
        }
        known
    }

    fn given(options: &'h WatchOptions) -> Self {
        let mut known = Self {
            by_revision: BTreeMap::new(),
            by_key: BTreeMap::new(),
        };
        for change in options.changes.iter().flatten() {
            let place = (change.revision, ValueRef::from(&change.key));
            let value = ValueRef::from(&change.value);
            known.insert(
                place,
                Source {
                    event: 0,
                    by: None,
                    value,
                },
            );
        }
        known
    }

    fn insert(&mut self, place: Place<'h>, source: Source<'h>) {
        let (revision, key) = place;
        self.by_revision.insert(place, source);
        self.by_key.insert((key, revision), source);
    }

    fn add(
        &mut self,
        place: Place<'h>,
        source: Source<'h>,
        is_given: bool,
        history: &History,
        findings: &mut Findings,
    ) {
        let (revision, key) = place;
        let Some(by) = source.by else { return };
        let says = || {
            let who = whose_first_of(history, by.id());
            format!(
                "{who} says that revision {revision} set key {key} to {}",
                source.value
            )
        };
        match self.by_revision.get(&place) {
            Some(first) if first.value == source.value => {}
            Some(first) => findings.note(source.event, "divergent-event", || {
                let other = first.by.map_or_else(
                    || "the system's own log".to_owned(),
                    |by| whose_of(history, by.id()),
                );
                let sentence = format!("{}, but {other} says {}.", says(), first.value);
                Told::minimal(
                    sentence,
                    first.by.map(Span::id).into_iter().chain([by.id()]),
                )
            }),
            None if is_given => findings.note(source.event, "unexpected-event", || {
                let sentence = format!("{}, of which the system's own log has nothing.", says());
                Told::minimal(sentence, [by.id()])
            }),
            None => self.insert(place, source),
        }
    }

    /// What is known between two revisions under a key, or under any.
    fn between(
        &self,
        after: i64,
        before: Bound<i64>,
        filter: Option<ValueRef<'h>>,
    ) -> Vec<(Place<'h>, Source<'h>)> {
        let last = match before {
            Bound::Included(last) => last,
            Bound::Excluded(before) => before.saturating_sub(1),
            Bound::Unbounded => i64::MAX,
        };
        if last <= after {
            return Vec::new();
        }
        let first = after + 1;
        match filter {
            Some(key) => {
                let range = self.by_key.range((key, first)..=(key, last));
                range
                    .map(|(&(key, revision), &source)| ((revision, key), source))
                    .collect()
            }
            None => {
                let range = self.by_revision.range((first, ValueRef::Nil)..);
                let range = range.take_while(|&(&(revision, _), _)| revision <= last);
                range.map(|(&place, &source)| (place, source)).collect()
            }
        }
    }
}

/// The attempts to put each value under each key.
struct Puts<'p, 'h>(BTreeMap<(ValueRef<'h>, ValueRef<'h>), Vec<&'p Put<'h>>>);

impl<'p, 'h> Puts<'p, 'h> {
    fn of(recorded: &'p Recorded<'h>) -> Self {
        let mut puts: BTreeMap<_, Vec<&Put<'_>>> = BTreeMap::new();
        for put in &recorded.puts {
            puts.entry((put.key, put.value)).or_default().push(put);
        }
        Self(puts)
    }

    /// Whether what a watch told had been put.
    fn judge(&self, history: &History, watch: &Watch<'h>, findings: &mut Findings) {
        let Some(returned) = watch.span.returned() else {
            return;
        };
        for ((revision, key), value) in watch.events() {
            let attempts = self.0.get(&(key, value)).map_or(&[][..], Vec::as_slice);
            let before = attempts.iter().filter(|put| put.span.invoked() < returned);
            if before.clone().any(|put| !put.span.has_failed()) {
                continue;
            }
            let told = || {
                let who = whose_first_of(history, watch.span.id());
                format!("{who} was told that revision {revision} set key {key} to {value}")
            };
            let decided = before.clone().filter_map(|put| put.span.failed()).max();
            match (before.clone().next_back(), decided) {
                (Some(put), Some(decided)) => {
                    findings.note(returned.max(decided), "failed-put-delivered", || {
                        let failed = whose_of(history, put.span.id());
                        let sentence = format!("{}, although {failed} failed.", told());
                        Told::minimal(sentence, [put.span.id(), watch.span.id()])
                    });
                }
                _ => findings.note(returned, "unexpected-event", || {
                    let sentence = format!("{}, which nobody had begun to do.", told());
                    Told::minimal(sentence, [watch.span.id()])
                }),
            }
        }
    }
}

struct Watcher<'k, 'h> {
    history: &'h History,
    known: &'k Known<'h>,
    position: Position<'h>,
    /// The key that it watches, if not all.
    filter: Option<ValueRef<'h>>,
}

/// How far a watcher has been told.
#[derive(Clone, Default)]
struct Position<'h> {
    /// From where on it must be told everything.
    complete_after: Option<i64>,
    /// The greatest revision that it was told, or where it began.
    highest: Option<i64>,
    started_at: Option<i64>,
    progress: Option<i64>,
    /// The keys that it was told with the greatest revision, and by which watch.
    keys: BTreeSet<ValueRef<'h>>,
    by: Option<Span>,
}

impl<'h> Watcher<'_, 'h> {
    /// Returns how many events it was told.
    fn receive(&mut self, watch: &Watch<'h>, findings: &mut Findings) -> usize {
        if let Start::At(revision, key) = watch.start {
            self.filter = key;
            self.position = Position {
                complete_after: Some(revision.saturating_sub(1)),
                started_at: Some(revision),
                ..Position::default()
            };
        }
        let (Some(answer), Some(returned)) = (&watch.answer, watch.span.returned()) else {
            self.position.complete_after = None;
            return 0;
        };
        for item in answer {
            match *item {
                Item::Event(place, _) => self.be_told(place, watch.span, returned, findings),
                Item::Progress(revision) => {
                    self.progress(revision, watch.span, returned, findings);
                }
            }
        }
        watch.events().count()
    }

    fn be_told(
        &mut self,
        (revision, key): Place<'h>,
        span: Span,
        returned: usize,
        findings: &mut Findings,
    ) {
        let event = || format!("[{revision} {key}]");
        if let Some((class, why)) = self.misplaced(revision, key, span) {
            findings.note(returned, class, || {
                let sentence = format!(
                    "{} was told {}, {why}.",
                    whose_first_of(self.history, span.id()),
                    event()
                );
                let before = self.position.by.map(Span::id);
                Told::minimal(sentence, before.into_iter().chain([span.id()]))
            });
            return;
        }
        if self
            .position
            .highest
            .is_none_or(|highest| highest < revision)
        {
            self.judge_rest(span, returned, findings);
            let before = Bound::Excluded(revision);
            self.judge_gap(before, "missing-event", span, returned, findings);
            self.position.keys.clear();
            self.position.highest = Some(revision);
        }
        self.position.complete_after = Some(revision);
        self.position.keys.insert(key);
        self.position.by = Some(span);
    }

    /// Why an event cannot come now.
    fn misplaced(
        &self,
        revision: i64,
        key: ValueRef<'h>,
        span: Span,
    ) -> Option<(&'static str, String)> {
        let Position {
            highest,
            started_at,
            progress,
            keys,
            by,
            ..
        } = &self.position;
        if let Some(wanted) = self.filter.filter(|&wanted| wanted != key) {
            return Some(("unwanted-event", format!("but asked for key {wanted} only")));
        }
        if let Some(start) = started_at.filter(|&start| revision < start) {
            return Some((
                "event-before-start",
                format!("but asked from revision {start} on"),
            ));
        }
        if let Some(highest) = highest.filter(|&highest| revision < highest) {
            return Some(("event-goes-back", format!("after revision {highest}")));
        }
        if *highest == Some(revision) && keys.contains(&key) {
            return Some(("duplicate-event", "a second time".to_owned()));
        }
        if let Some(progress) = progress.filter(|&progress| revision <= progress) {
            let why = format!("after it was told that there was no more up to revision {progress}");
            return Some(("event-after-progress", why));
        }
        if *highest == Some(revision) && *by != Some(span) {
            let why = "after the rest of that revision had come in another answer".to_owned();
            return Some(("torn-revision", why));
        }
        None
    }

    fn progress(&mut self, revision: i64, span: Span, returned: usize, findings: &mut Findings) {
        if self
            .position
            .highest
            .is_none_or(|highest| highest <= revision)
        {
            self.judge_rest(span, returned, findings);
            let last = Bound::Included(revision);
            self.judge_gap(last, "false-progress", span, returned, findings);
        }
        let position = &mut self.position;
        position.progress = position.progress.max(Some(revision));
        position.complete_after = position.complete_after.max(Some(revision));
    }

    /// Whether something is missing of the revision that it was told last.
    fn judge_rest(&self, span: Span, returned: usize, findings: &mut Findings) {
        let Some(last) = self
            .position
            .highest
            .filter(|_| !self.position.keys.is_empty())
        else {
            return;
        };
        let all = self
            .known
            .between(last - 1, Bound::Included(last), self.filter);
        let missing = all
            .iter()
            .filter(|((_, key), _)| !self.position.keys.contains(key));
        for &(place, source) in missing {
            self.note_missing(place, source, "missing-event", span, returned, findings);
        }
    }

    /// Whether something is missing since what it was told last.
    fn judge_gap(
        &self,
        end: Bound<i64>,
        class: &'static str,
        span: Span,
        returned: usize,
        findings: &mut Findings,
    ) {
        if let Some(after) = self.position.complete_after {
            for (place, source) in self.known.between(after, end, self.filter) {
                self.note_missing(place, source, class, span, returned, findings);
            }
        }
    }

    fn note_missing(
        &self,
        (revision, key): Place<'h>,
        source: Source<'h>,
        class: &'static str,
        span: Span,
        returned: usize,
        findings: &mut Findings,
    ) {
        findings.note(returned.max(source.event), class, || {
            let known = source.by.map_or_else(
                || "which the system's own log has".to_owned(),
                |by| format!("which {} knows of", whose_of(self.history, by.id())),
            );
            let beyond = match class {
                "false-progress" => "was told that nothing more comes up to a later revision",
                "missing-at-end" => "is the last of its watcher",
                _ => "was told of a later revision",
            };
            let sentence = format!(
                "{} {beyond}, but its watcher was never told [{revision} {key}], {known}.",
                whose_first_of(self.history, span.id())
            );
            let others = self.position.by.into_iter().chain(source.by).map(Span::id);
            Told::new(sentence, others.chain([span.id()]))
        });
    }

    /// What is missing after its last watch, if that is a final one.
    fn end(&self, watches: &[Watch<'h>], options: &WatchOptions, findings: &mut Findings) {
        let Some(last) = watches.last() else { return };
        let is_final = options.drained || last.start == Start::Final;
        let Some(returned) = last.span.returned().filter(|_| is_final) else {
            return;
        };
        self.judge_rest(last.span, returned, findings);
        let Some(after) = self.position.complete_after else {
            return;
        };
        for (place, source) in self.known.between(after, Bound::Unbounded, self.filter) {
            if source.event < last.span.invoked() {
                self.note_missing(
                    place,
                    source,
                    "missing-at-end",
                    last.span,
                    returned,
                    findings,
                );
            }
        }
    }
}

impl<'h> Watch<'h> {
    fn events(&self) -> impl Iterator<Item = (Place<'h>, ValueRef<'h>)> {
        self.answer.iter().flatten().filter_map(|item| match *item {
            Item::Event(place, value) => Some((place, value)),
            Item::Progress(_) => None,
        })
    }
}

fn put(operation: Operation<'_>) -> Put<'_> {
    Put {
        span: operation.into(),
        key: operation.key.unwrap_or_default(),
        value: operation.input,
        // An answer that is what was put says no revision.
        revision: operation
            .output
            .as_int()
            .filter(|_| operation.output != operation.input),
    }
}

fn watch(operation: Operation<'_>) -> Result<Watch<'_>, DecodeError> {
    let span = Span::from(operation);
    let expected = "`watch` to be invoked with nil, a revision, [revision key] or \"final\"";
    let start = start(operation.input);
    let start = start.ok_or_else(|| misfit(operation, expected, operation.input))?;
    let answer = match span.returned() {
        None => None,
        Some(_) => {
            let items = operation.output.as_list();
            let items: Option<Vec<Item<'_>>> =
                items.and_then(|items| items.iter().map(item).collect());
            let expected = "`watch` to return a list of [revision key value], [revision value] and [\"progress\" revision]";
            Some(items.ok_or_else(|| misfit_answer(operation, expected, operation.output))?)
        }
    };
    Ok(Watch {
        span,
        start,
        answer,
    })
}

fn start(input: ValueRef<'_>) -> Option<Start<'_>> {
    match input {
        ValueRef::Nil => Some(Start::On),
        ValueRef::Text("final") => Some(Start::Final),
        ValueRef::Int(revision) => Some(Start::At(revision, None)),
        ValueRef::List(list) => {
            let [revision, key] = list.array()?;
            Some(Start::At(revision.as_int()?, Some(key)))
        }
        _ => None,
    }
}

fn item(value: ValueRef<'_>) -> Option<Item<'_>> {
    let list = value.as_list()?;
    let (first, second) = (list.first()?, list.get(1)?);
    match (first, list.len()) {
        (ValueRef::Text("progress"), 2) => Some(Item::Progress(second.as_int()?)),
        (ValueRef::Int(revision), 2) => Some(Item::Event((revision, ValueRef::Nil), second)),
        (ValueRef::Int(revision), 3) => Some(Item::Event((revision, second), list.get(2)?)),
        _ => None,
    }
}
