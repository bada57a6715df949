//! Ordered push to many: what publishers publish reaches each subscriber at most once, in order, and
//! without a gap that the subscriber is not told of.
//!
//! The promise of Redis's and NATS's publish/subscribe, and of watches (etcd's "ordered, unique,
//! reliable"): a slow or cut-off subscriber may miss something, but then it learns that it did.
//!
//! - `publish` is invoked with `[publisher sequence]`. A publisher numbers upwards, and what it
//!   publishes again under a number is another attempt at the same message.
//! - `poll` returns the list of what a subscriber has received since its last poll, in order: messages
//!   `[publisher sequence]`, and the text `gap` where it was told that it may have missed something
//!   (it was cut off, or subscribed anew). Its key is the subscriber: the client of a process that
//!   crashed goes on under another process number, but polls under the same key. A subscriber polls
//!   once at a time. The first `ok` poll says that it is subscribed.
//! - A poll that is invoked with the text `final` is made once all is quiet: see
//!   [`FanoutOptions::drained`].
//!
//! The laws:
//! - What is delivered was published before (`unexpected-message`), and not by what failed
//!   (`failed-publish-delivered`).
//! - The numbers of one publisher rise from delivery to delivery at each subscriber, across gaps too
//!   (`duplicate-delivery`, `reordered-delivery`).
//! - Between two deliveries of a publisher without a gap between them, no acknowledged message of that
//!   publisher is missing (`missing-message`); nor is one before the first delivery after a gap, or
//!   after the start, whose publishing began after the poll that told of the gap had returned.
//! - What was acknowledged before a subscriber's last, final poll began is not missing at its end
//!   (`missing-at-end`), by the same rule.
//!
//! A message whose publishing crashed may be missing. A poll that failed took nothing. One that
//! crashed may have taken what nobody saw: it counts as a gap, which ends with the next `ok` poll;
//! a subscriber is one client, so the lost poll takes nothing after that.
//!
//! Whether deliveries of different publishers are ordered alike everywhere is not judged.
//! O(n log n).

use super::findings::{Findings, Told};
use super::{first_letter_up, misfit, misfit_answer, returned, whose};
use crate::history::{History, Operation, Operations, Outcome, Value, ValueRef};
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What is known of the end of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FanoutOptions {
    /// Whether every subscriber's last `ok` poll was made once nothing was under way any more. Else
    /// only those are taken for it that were invoked with `final`.
    pub drained: bool,
}

/// Judges what each subscriber received. `Vacuous` if nobody received anything.
///
/// # Errors
/// If an operation is neither a `publish` nor a `poll` as above, or a subscriber polls twice at once.
pub fn check(history: &History, options: &FanoutOptions) -> Result<Verdict, DecodeError> {
    let mut findings = Findings::new("fanout");
    let published = Published::decode(history.operations())?;
    let subscribers = subscribers(history.operations())?;
    let mut deliveries = 0;
    for (name, polls) in &subscribers {
        let mut subscriber = Subscriber {
            published: &published,
            name: name.map_or_else(
                || "the subscriber".to_owned(),
                |name| format!("subscriber {name}"),
            ),
            subscribed: None,
            gaps: 0,
            publishers: BTreeMap::new(),
        };
        for poll in polls {
            deliveries += subscriber.receive(poll, &mut findings);
        }
        subscriber.end(polls, options, &mut findings);
    }
    let more = || {
        vec![format!(
            "{} subscribers received {deliveries} messages.",
            subscribers.len()
        )]
    };
    Ok(findings.verdict(more, || {
        if deliveries == 0 {
            return Verdict::Vacuous("no message reached a subscriber".to_owned());
        }
        Verdict::Valid { witness: None }
    }))
}

/// The attempts to publish each message.
struct Published<'a>(BTreeMap<ValueRef<'a>, BTreeMap<i64, Message<'a>>>);

#[derive(Default)]
struct Message<'a> {
    attempts: Vec<Operation<'a>>,
    /// The event at which an attempt first returned.
    acknowledged: Option<usize>,
}

impl<'a> Published<'a> {
    fn decode(operations: Operations<'a>) -> Result<Self, DecodeError> {
        let mut published = Self(BTreeMap::new());
        for recorded in operations.iter().filter(|it| it.f == "publish") {
            let Some((publisher, number)) = message(recorded.input) else {
                let expected = "`publish` to be invoked with [publisher sequence]";
                return Err(misfit(recorded, expected, recorded.input));
            };
            let messages = published.0.entry(publisher).or_default();
            let message = messages.entry(number).or_default();
            message.attempts.push(recorded);
            if let Some(event) = returned(recorded) {
                let first = message.acknowledged.map_or(event, |first| first.min(event));
                message.acknowledged = Some(first);
            }
        }
        Ok(published)
    }

    fn of(&self, publisher: ValueRef<'a>) -> Option<&BTreeMap<i64, Message<'a>>> {
        self.0.get(&publisher)
    }

    fn message(&self, publisher: ValueRef<'a>, number: i64) -> Option<&Message<'a>> {
        self.of(publisher)?.get(&number)
    }
}

impl Message<'_> {
    /// When it was first begun to be published by what did not fail.
    fn begun(&self) -> Option<usize> {
        let mut attempts = self.attempts.iter();
        let first = attempts.find(|attempt| attempt.outcome != Outcome::Fail);
        first.map(|attempt| attempt.invoked)
    }
}

/// What a subscriber was told.
#[derive(Clone, Copy)]
enum Item<'a> {
    Message(ValueRef<'a>, i64),
    Gap,
}

/// A poll that did not fail.
struct Poll<'a> {
    recorded: Operation<'a>,
    /// When it returned and with what; `None` if nobody knows.
    answer: Option<(usize, Vec<Item<'a>>)>,
}

/// The polls of each subscriber, one after another.
fn subscribers(
    operations: Operations<'_>,
) -> Result<BTreeMap<Option<ValueRef<'_>>, Vec<Poll<'_>>>, DecodeError> {
    let mut subscribers: BTreeMap<Option<ValueRef<'_>>, Vec<Poll<'_>>> = BTreeMap::new();
    let mut ends: BTreeMap<Option<ValueRef<'_>>, usize> = BTreeMap::new();
    for recorded in operations.iter().filter(|it| it.f != "publish") {
        if recorded.f != "poll" {
            let expected = "`publish` or `poll`";
            return Err(misfit(recorded, expected, format!("`{}`", recorded.f)));
        }
        let key = recorded.key;
        let end = ends.entry(key).or_default();
        if *end > recorded.invoked {
            let expected = "a subscriber to poll once at a time";
            let found = "a poll before the last one returned";
            return Err(misfit(recorded, expected, found));
        }
        *end = recorded.completed.unwrap_or(recorded.invoked);
        if recorded.outcome != Outcome::Fail {
            let poll = poll(recorded)?;
            subscribers.entry(key).or_default().push(poll);
        }
    }
    Ok(subscribers)
}

fn poll(recorded: Operation<'_>) -> Result<Poll<'_>, DecodeError> {
    let answer = match (returned(recorded), recorded.output) {
        (None, _) => None,
        (Some(returned), ValueRef::List(items)) => {
            let items: Option<Vec<Item<'_>>> = items.iter().map(item).collect();
            items
                .map(|items| Some((returned, items)))
                .ok_or(())
                .map_err(|()| misfit_poll(recorded))?
        }
        (Some(_), _) => return Err(misfit_poll(recorded)),
    };
    Ok(Poll { recorded, answer })
}

fn misfit_poll(recorded: Operation<'_>) -> DecodeError {
    let expected = "`poll` to return a list of [publisher sequence] and \"gap\"";
    misfit_answer(recorded, expected, recorded.output)
}

fn item(value: ValueRef<'_>) -> Option<Item<'_>> {
    match value {
        ValueRef::Text("gap") => Some(Item::Gap),
        other => message(other).map(|(publisher, number)| Item::Message(publisher, number)),
    }
}

fn message(value: ValueRef<'_>) -> Option<(ValueRef<'_>, i64)> {
    match value {
        ValueRef::List(pair) => match pair.array() {
            Some([publisher, ValueRef::Int(number)]) => Some((publisher, number)),
            _ => None,
        },
        _ => None,
    }
}

struct Subscriber<'a> {
    published: &'a Published<'a>,
    name: String,
    /// The event after which it must receive all that is published, up to the next gap.
    subscribed: Option<usize>,
    gaps: usize,
    publishers: BTreeMap<ValueRef<'a>, Stream<'a>>,
}

/// What a subscriber received of one publisher.
struct Stream<'a> {
    delivered: BTreeSet<i64>,
    highest: i64,
    /// By which poll it received something last, and how many gaps there had been by then.
    last: (Operation<'a>, usize),
}

impl<'a> Subscriber<'a> {
    /// Returns how many messages it received.
    fn receive(&mut self, poll: &Poll<'a>, findings: &mut Findings) -> usize {
        let Some((returned, items)) = &poll.answer else {
            self.miss();
            return 0;
        };
        let mut received = 0;
        for item in items {
            match *item {
                Item::Gap => self.miss(),
                Item::Message(publisher, number) => {
                    received += 1;
                    self.deliver(poll.recorded, *returned, (publisher, number), findings);
                }
            }
        }
        self.subscribed.get_or_insert(*returned);
        received
    }

    /// It may have missed anything.
    fn miss(&mut self) {
        self.gaps += 1;
        self.subscribed = None;
    }

    fn deliver(
        &mut self,
        poll: Operation<'a>,
        returned: usize,
        message: (ValueRef<'a>, i64),
        findings: &mut Findings,
    ) {
        let (publisher, number) = message;
        self.judge_origin(poll, returned, message, findings);
        let stream = self.publishers.get(&publisher);
        if let Some(stream) = stream.filter(|stream| stream.highest >= number) {
            self.note_order(poll, returned, message, stream, findings);
        } else {
            for (missing, acknowledged) in self.missing(publisher, Bound::Excluded(number)) {
                findings.note(returned.max(acknowledged), "missing-message", || {
                    let sentence = format!(
                        "{} was given [{publisher} {number}] by {}, but not [{publisher} {missing}], which had been acknowledged and comes before it, and was told of no gap.",
                        first_letter_up(&self.name),
                        whose(poll),
                    );
                    self.told_missing(sentence, poll, publisher, missing)
                });
            }
        }
        let last = (poll, self.gaps);
        let stream = self.publishers.entry(publisher).or_insert_with(|| Stream {
            delivered: BTreeSet::new(),
            highest: number,
            last,
        });
        stream.highest = stream.highest.max(number);
        stream.last = last;
        stream.delivered.insert(number);
    }

    fn judge_origin(
        &self,
        poll: Operation<'_>,
        returned: usize,
        (publisher, number): (ValueRef<'_>, i64),
        findings: &mut Findings,
    ) {
        let message = self.published.message(publisher, number);
        let begun = message.and_then(Message::begun);
        if begun.is_some_and(|begun| begun < returned) {
            return;
        }
        let attempts = message.map_or(&[][..], |message| &message.attempts);
        let failed = attempts.iter().filter(|attempt| attempt.invoked < returned);
        let given = format!(
            "{} was given [{publisher} {number}] by {}",
            first_letter_up(&self.name),
            whose(poll)
        );
        let decided = failed.clone().filter_map(|attempt| attempt.completed).max();
        match (failed.clone().next_back(), decided) {
            (Some(attempt), Some(decided)) => {
                findings.note(returned.max(decided), "failed-publish-delivered", || {
                    let sentence = format!("{given}, although {} failed.", whose(*attempt));
                    Told::new(sentence, [attempt.id, poll.id])
                });
            }
            _ => findings.note(returned, "unexpected-message", || {
                let sentence = format!("{given}, which nobody had begun to publish.");
                Told::new(sentence, [poll.id])
            }),
        }
    }

    fn note_order(
        &self,
        poll: Operation<'_>,
        returned: usize,
        (publisher, number): (ValueRef<'_>, i64),
        stream: &Stream<'_>,
        findings: &mut Findings,
    ) {
        let (last, _) = stream.last;
        let is_again = stream.delivered.contains(&number);
        let (class, how) = if is_again {
            ("duplicate-delivery", "a second time".to_owned())
        } else {
            let highest = stream.highest;
            (
                "reordered-delivery",
                format!("after [{publisher} {highest}]"),
            )
        };
        findings.note(returned, class, || {
            let sentence = format!(
                "{} was given [{publisher} {number}] {how} by {}.",
                first_letter_up(&self.name),
                whose(poll)
            );
            Told::new(sentence, [last.id, poll.id])
        });
    }

    /// The acknowledged messages of a publisher below `end` that should have come since the last
    /// delivery, and when each was acknowledged.
    fn missing(&self, publisher: ValueRef<'_>, end: Bound<i64>) -> Vec<(i64, usize)> {
        let stream = self.publishers.get(&publisher);
        let is_unbroken = stream.is_some_and(|stream| stream.last.1 == self.gaps);
        let begin = stream.map_or(Bound::Unbounded, |stream| Bound::Excluded(stream.highest));
        let Some(messages) = self.published.of(publisher) else {
            return Vec::new();
        };
        let is_owed = |message: &Message<'_>| {
            let begun = message.begun().filter(|_| self.subscribed.is_some());
            is_unbroken || begun > self.subscribed
        };
        let between = messages.range((begin, end));
        let owed = between.filter(|(_, message)| is_owed(message));
        owed.filter_map(|(&number, message)| Some((number, message.acknowledged?)))
            .collect()
    }

    /// What is missing after the subscriber's last poll, if that is a final one.
    fn end(&self, polls: &[Poll<'a>], options: &FanoutOptions, findings: &mut Findings) {
        let Some(poll) = polls.last() else {
            return;
        };
        let is_final = options.drained || poll.recorded.input == Value::from("final");
        let Some((returned, _)) = poll.answer.as_ref().filter(|_| is_final) else {
            return;
        };
        for &publisher in self.published.0.keys() {
            for (missing, acknowledged) in self.missing(publisher, Bound::Unbounded) {
                if acknowledged > poll.recorded.invoked {
                    continue;
                }
                findings.note(*returned, "missing-at-end", || {
                    let sentence = format!(
                        "{} was never given [{publisher} {missing}], which had been acknowledged before its last poll, {}, and was told of no gap.",
                        first_letter_up(&self.name),
                        whose(poll.recorded),
                    );
                    self.told_missing(sentence, poll.recorded, publisher, missing)
                });
            }
        }
    }

    fn told_missing(
        &self,
        sentence: String,
        poll: Operation<'_>,
        publisher: ValueRef<'_>,
        missing: i64,
    ) -> Told {
        let message = self.published.message(publisher, missing);
        let attempts = message.map_or(&[][..], |message| &message.attempts);
        let mut acknowledged = attempts.iter().filter(|it| it.outcome == Outcome::Ok);
        let last = self
            .publishers
            .get(&publisher)
            .map(|stream| stream.last.0.id);
        let attempt = acknowledged.next().map(|attempt| attempt.id);
        Told::new(sentence, attempt.into_iter().chain(last).chain([poll.id]))
    }
}
