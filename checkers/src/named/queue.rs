//! A queue of messages, by the guarantee with which it delivers them.
//!
//! Jepsen's `total-queue`, whose duplicates never fail, with the guarantees that queues advertise. No
//! order is judged. A value is a message's identity: what is enqueued again under the same value is
//! another attempt at the same message.
//!
//! - `enqueue` is invoked with a value, not nil.
//! - `dequeue` returns a value, or nil where the queue had nothing to give; or `[value number]` with the
//!   number under which the queue stores the message. (A list that was itself enqueued is a value.)
//! - `ack` and `nak` are invoked with a value (or `[value number]`): its delivery is done, or is given
//!   back.
//! - `drain` returns the list of all that was left.
//!
//! The laws:
//! - What is delivered was enqueued before, and not by what failed (`unexpected-message`).
//! - Unless the queue delivers at least once, nothing is delivered twice (`duplicate-delivery`).
//! - A delivery that began after an `ack` of its message returned is one too many
//!   (`redelivered-after-ack`): what is acknowledged is durable.
//! - A message is stored once, under one number (`duplicate-message`).
//! - Unless the queue delivers at most once, what it acknowledged is delivered to somebody
//!   (`lost-message`). This needs a history that was drained to the end: an `ok` `drain`, a last
//!   answer of nil, or [`QueueOptions::drained`], and only what was acknowledged before that counts.
//!   Where nothing is ever acked, a dequeue that crashed may have taken one message with it, and a
//!   drain any number; where acks are used such messages must be delivered again, so a workload
//!   drains only after every hold has run out. What cannot be decided makes the verdict `Vacuous`.
//! - With [`QueueOptions::hold_ns`], a message has one holder at a time (`two-holders`). A delivery
//!   was made between its dequeue's invocation and return, so its hold lasts at least from the one to
//!   `hold_ns` after the other's earliest moment, the invocation. If of two deliveries each returned
//!   less than `hold_ns` after the other was invoked, the second of them, whichever it is, was made
//!   in the hold of the first. An `ack` or `nak` which may have ended that hold excuses them.
//!
//! O(n log n), and pairs of deliveries of one message within a hold.

use super::{
    Findings, findings::Told, misfit, misfit_answer, objects, returned, whose, whose_first,
};
use crate::history::{History, Operation, Outcome, ValueRef};
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// How often a message that was acknowledged to its sender is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    #[default]
    AtLeastOnce,
    ExactlyOnce,
    AtMostOnce,
}

impl Delivery {
    const ALL: [Self; 3] = [Self::AtLeastOnce, Self::ExactlyOnce, Self::AtMostOnce];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at-least-once",
            Self::ExactlyOnce => "exactly-once",
            Self::AtMostOnce => "at-most-once",
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Delivery {
    type Err = UnknownDelivery;

    fn from_str(name: &str) -> Result<Self, UnknownDelivery> {
        let found = Self::ALL
            .into_iter()
            .find(|delivery| delivery.name() == name);
        found.ok_or_else(|| UnknownDelivery(name.to_owned()))
    }
}

/// A guarantee that nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected `at-least-once`, `exactly-once` or `at-most-once`, but found `{0}`")]
pub struct UnknownDelivery(String);

/// What a queue promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueOptions {
    pub delivery: Delivery,
    /// How long a delivery that is neither acked nor given back keeps the message from others, if
    /// the queue promises that even when the holder is gone. Needs a history with times.
    pub hold_ns: Option<u64>,
    /// Whether the history goes on until the queue had nothing left to deliver.
    pub drained: bool,
}

/// Judges the deliveries. `Vacuous` if there were none, or if nobody knows whether messages that
/// were not delivered would have been.
///
/// # Errors
/// If an operation is none of those above.
pub fn check(history: &History, options: &QueueOptions) -> Result<Verdict, DecodeError> {
    let mut findings = Findings::new("queue");
    let mut statistics = QueueStatistics::default();
    for object in objects(history) {
        let operations: Vec<Operation<'_>> = object.iter().collect();
        let queue = Queue::decode(&operations)?;
        queue.judge(options, history, &mut findings, &mut statistics);
    }
    let more = || vec![statistics.sentence()];
    Ok(findings.verdict(more, || match statistics {
        QueueStatistics { delivered: 0, .. } => {
            Verdict::Vacuous("no message was delivered".to_owned())
        }
        QueueStatistics { undecided, .. } if undecided > 0 && options.delivery != Delivery::AtMostOnce => {
            Verdict::Vacuous(format!(
                "{undecided} acknowledged messages were not delivered, and nothing says that the queue was drained after them"
            ))
        }
        _ => Verdict::Valid { witness: None },
    }))
}

/// What became of the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueStatistics {
    /// Messages that were acknowledged to their sender.
    pub acknowledged: usize,
    /// Messages that were delivered.
    pub delivered: usize,
    /// Deliveries of a message beyond its first.
    pub redeliveries: usize,
    /// Delivered messages whose sender did not learn that they were stored.
    pub recovered: usize,
    /// Acknowledged messages that nobody got although the queue was drained.
    pub lost: usize,
    /// Acknowledged messages that nobody got, and the queue was not drained.
    pub undecided: usize,
}

/// What became of the messages.
///
/// # Errors
/// As [`check`].
pub fn statistics(
    history: &History,
    options: &QueueOptions,
) -> Result<QueueStatistics, DecodeError> {
    let mut statistics = QueueStatistics::default();
    for object in objects(history) {
        let operations: Vec<Operation<'_>> = object.iter().collect();
        let mut findings = Findings::new("queue");
        let queue = Queue::decode(&operations)?;
        queue.judge(options, history, &mut findings, &mut statistics);
    }
    Ok(statistics)
}

impl QueueStatistics {
    fn sentence(&self) -> String {
        let Self {
            acknowledged,
            delivered,
            redeliveries,
            recovered,
            lost,
            undecided,
        } = self;
        format!(
            "{acknowledged} messages were acknowledged and {delivered} delivered, {recovered} of these without being acknowledged; there were {redeliveries} more deliveries of the same. {lost} were lost; of {undecided} nobody knows."
        )
    }
}

#[derive(Default)]
struct Queue<'a> {
    messages: BTreeMap<ValueRef<'a>, Message<'a>>,
    /// What says that the queue was empty, in the order of return.
    empty: Vec<Operation<'a>>,
    /// How many messages may have been taken without a trace.
    untraced: usize,
}

#[derive(Default)]
struct Message<'a> {
    enqueues: Vec<Operation<'a>>,
    /// In the order of return.
    deliveries: Vec<Handover<'a>>,
    /// Its `ack`s and `nak`s.
    releases: Vec<Operation<'a>>,
}

/// One delivery.
#[derive(Clone, Copy)]
struct Handover<'a> {
    recorded: Operation<'a>,
    returned: usize,
    number: Option<i64>,
}

impl<'a> Queue<'a> {
    fn decode(operations: &[Operation<'a>]) -> Result<Self, DecodeError> {
        let is_enqueue = |operation: &&Operation<'_>| operation.f == "enqueue";
        let enqueued = operations.iter().filter(is_enqueue);
        let enqueued: BTreeSet<ValueRef<'_>> = enqueued.map(|operation| operation.input).collect();
        let mut queue = Self::default();
        for &recorded in operations {
            queue.add(recorded, &enqueued)?;
        }
        for message in queue.messages.values_mut() {
            sort_by_number(&mut message.deliveries, |handover| handover.returned);
        }
        queue.find_end(operations);
        Ok(queue)
    }

    fn add(
        &mut self,
        recorded: Operation<'a>,
        enqueued: &BTreeSet<ValueRef<'_>>,
    ) -> Result<(), DecodeError> {
        match (recorded.f, recorded.input) {
            ("enqueue", ValueRef::Nil) => {
                return Err(misfit(recorded, "`enqueue` of a value", "nil"));
            }
            ("enqueue", value) => self.message(value).enqueues.push(recorded),
            ("ack" | "nak", answer) => {
                let (value, _) = numbered(answer, enqueued);
                self.message(value).releases.push(recorded);
            }
            ("dequeue", _) => match (returned(recorded), recorded.output) {
                (None, _) | (_, ValueRef::Nil) => {}
                (Some(returned), answer) => self.deliver(recorded, returned, answer, enqueued),
            },
            ("drain", _) => match (returned(recorded), recorded.output) {
                (None, _) => {}
                (Some(returned), ValueRef::List(answers)) => {
                    for answer in answers {
                        self.deliver(recorded, returned, answer, enqueued);
                    }
                }
                (Some(_), other) => {
                    let expected = "`drain` to return a list of messages";
                    return Err(misfit_answer(recorded, expected, other));
                }
            },
            (f, _) => {
                let expected = "`enqueue`, `dequeue`, `ack`, `nak` or `drain` of a queue";
                return Err(misfit(recorded, expected, format!("`{f}`")));
            }
        }
        Ok(())
    }

    fn message(&mut self, value: ValueRef<'a>) -> &mut Message<'a> {
        self.messages.entry(value).or_default()
    }

    fn deliver(
        &mut self,
        recorded: Operation<'a>,
        returned: usize,
        answer: ValueRef<'a>,
        enqueued: &BTreeSet<ValueRef<'_>>,
    ) {
        let (value, number) = numbered(answer, enqueued);
        self.message(value).deliveries.push(Handover {
            recorded,
            returned,
            number,
        });
    }

    /// Finds what says that nothing was left, and what may have been taken without a trace.
    fn find_end(&mut self, operations: &[Operation<'a>]) {
        let takes = |operation: &&Operation<'_>| matches!(operation.f, "dequeue" | "drain");
        let taken: Vec<Operation<'_>> = operations.iter().filter(takes).copied().collect();
        let answered = taken.iter().filter(|taking| taking.outcome == Outcome::Ok);
        let last = answered.clone().next_back().map(|taking| taking.id);
        let says_empty = |taking: &&Operation<'_>| {
            taking.f == "drain" || (Some(taking.id) == last && taking.output == ValueRef::Nil)
        };
        self.empty = answered.filter(says_empty).copied().collect();
        sort_by_number(&mut self.empty, |taking| taking.completed.unwrap_or(0));
        if operations.iter().any(|operation| operation.f == "ack") {
            return;
        }
        let crashed = taken
            .iter()
            .filter(|taking| taking.outcome == Outcome::Info);
        let untraced = crashed.map(|taking| if taking.f == "drain" { usize::MAX } else { 1 });
        self.untraced = untraced.fold(0, usize::saturating_add);
    }

    fn judge(
        &self,
        options: &QueueOptions,
        history: &History,
        findings: &mut Findings,
        statistics: &mut QueueStatistics,
    ) {
        // Without times nobody knows how long a hold was.
        let hold_ns = options.hold_ns.filter(|_| history.has_times());
        for (&value, message) in &self.messages {
            message.judge(value, options.delivery, findings);
            message.count(statistics);
            if let Some(hold_ns) = hold_ns {
                message.judge_holders(value, hold_ns, findings);
            }
        }
        let event_count = history.events().len();
        let mut missing = Vec::new();
        for (&value, message) in &self.messages {
            if let Some(acknowledged) = message.undelivered() {
                match self.missed(acknowledged, options, event_count) {
                    Some((event, by)) => missing.push((event, value, acknowledged, by)),
                    None => statistics.undecided += 1,
                }
            }
        }
        // Messages are in the order of their values.
        sort_by_number(&mut missing, |&(event, ..)| event);
        statistics.lost += missing.len();
        if options.delivery == Delivery::AtMostOnce {
            return;
        }
        for &(event, value, enqueue, by) in missing.iter().skip(self.untraced) {
            findings.note(event, "lost-message", || {
                self.lost(value, enqueue, by, missing.len())
            });
        }
    }

    /// When, and by which answer, it was certain that a message is missing.
    fn missed(
        &self,
        enqueue: Operation<'_>,
        options: &QueueOptions,
        event_count: usize,
    ) -> Option<(usize, Option<Operation<'a>>)> {
        let mut empty = self.empty.iter();
        let by = empty.find(|taking| Some(taking.invoked) > enqueue.completed);
        match by {
            Some(by) => by.completed.map(|event| (event, Some(*by))),
            None => options.drained.then(|| (event_count - 1, None)),
        }
    }

    fn lost(
        &self,
        value: ValueRef<'_>,
        enqueue: Operation<'_>,
        by: Option<Operation<'_>>,
        missing: usize,
    ) -> Told {
        let end = by.map_or_else(
            || "was drained".to_owned(),
            |by| format!("had nothing left for {}", whose(by)),
        );
        let sentence = format!(
            "{} of {value} was acknowledged, but nobody got the message although the queue {end}.",
            whose_first(enqueue)
        );
        let mut told = Told::new(sentence, by.map(|by| by.id).into_iter().chain([enqueue.id]));
        if self.untraced > 0 {
            told.explanation.push(format!(
                "{missing} messages are missing, but those that crashed while they took one explain only {}.",
                self.untraced
            ));
        }
        told
    }
}

impl Message<'_> {
    fn judge(&self, value: ValueRef<'_>, delivery: Delivery, findings: &mut Findings) {
        let begun = self.begun();
        for handover in &self.deliveries {
            if begun.is_none_or(|begun| begun > handover.returned) {
                self.note_unexpected(value, handover, findings);
            }
        }
        if delivery != Delivery::AtLeastOnce {
            for again in self.deliveries.iter().skip(1) {
                findings.note(again.returned, "duplicate-delivery", || {
                    two(
                        value,
                        &self.deliveries[0],
                        again,
                        "was delivered to",
                        "and again to",
                    )
                });
            }
        }
        self.judge_acked(value, findings);
        self.judge_numbers(value, findings);
    }

    /// When it was first begun to be enqueued by what did not fail.
    fn begun(&self) -> Option<usize> {
        let mut enqueues = self.enqueues.iter();
        let first = enqueues.find(|enqueue| enqueue.outcome != Outcome::Fail);
        first.map(|enqueue| enqueue.invoked)
    }

    /// The first `enqueue` that returned.
    fn acknowledged(&self) -> Option<Operation<'_>> {
        let enqueues = self.enqueues.iter().copied();
        let acknowledged = enqueues.filter(|enqueue| enqueue.outcome == Outcome::Ok);
        acknowledged.min_by_key(|enqueue| enqueue.completed)
    }

    /// The first `enqueue` that returned, if the message was never delivered.
    fn undelivered(&self) -> Option<Operation<'_>> {
        self.acknowledged().filter(|_| self.deliveries.is_empty())
    }

    fn note_unexpected(
        &self,
        value: ValueRef<'_>,
        handover: &Handover<'_>,
        findings: &mut Findings,
    ) {
        let before = |enqueue: &&Operation<'_>| enqueue.invoked < handover.returned;
        let failed: Vec<Operation<'_>> = self.enqueues.iter().filter(before).copied().collect();
        let decided = failed.iter().filter_map(|enqueue| enqueue.completed).max();
        let event = handover.returned.max(decided.unwrap_or(0));
        findings.note(event, "unexpected-message", || {
            let why = failed.last().map_or_else(
                || "which nobody had begun to enqueue".to_owned(),
                |enqueue| format!("although {} failed", whose(*enqueue)),
            );
            let sentence = format!(
                "{} was given message {value}, {why}.",
                whose_first(handover.recorded)
            );
            let enqueue = failed.last().map(|enqueue| enqueue.id);
            Told::new(sentence, enqueue.into_iter().chain([handover.recorded.id]))
        });
    }

    fn judge_acked(&self, value: ValueRef<'_>, findings: &mut Findings) {
        let acks = self.releases.iter().filter(|release| release.f == "ack");
        let acked = acks.filter_map(|ack| returned(*ack).map(|event| (event, *ack)));
        let Some((event, ack)) = acked.min_by_key(|&(event, _)| event) else {
            return;
        };
        for handover in &self.deliveries {
            if handover.recorded.invoked > event {
                findings.note(handover.returned, "redelivered-after-ack", || {
                    let sentence = format!(
                        "{} was given message {value}, although {} had returned before.",
                        whose_first(handover.recorded),
                        whose(ack)
                    );
                    Told::new(sentence, [ack.id, handover.recorded.id])
                });
            }
        }
    }

    fn judge_numbers(&self, value: ValueRef<'_>, findings: &mut Findings) {
        let mut numbered = self
            .deliveries
            .iter()
            .filter_map(|handover| Some((handover.number?, handover)));
        let Some((number, first)) = numbered.next() else {
            return;
        };
        for (other, handover) in numbered.filter(|&(other, _)| other != number) {
            findings.note(handover.returned, "duplicate-message", || {
                let before = format!("is stored twice: number {number} was given to");
                two(
                    value,
                    first,
                    handover,
                    &before,
                    &format!("number {other} to"),
                )
            });
        }
    }

    fn judge_holders(&self, value: ValueRef<'_>, hold_ns: u64, findings: &mut Findings) {
        // A drain is done with what it takes.
        let held = self
            .deliveries
            .iter()
            .filter(|it| it.recorded.f == "dequeue");
        let mut held: Vec<&Handover<'_>> = held.collect();
        sort_by_number(&mut held, |handover| handover.recorded.invoked);
        let mut first: Option<(usize, &Handover<'_>, &Handover<'_>)> = None;
        for (place, one) in held.iter().enumerate() {
            let end_ns = one.recorded.invoked_ns.saturating_add(hold_ns);
            let others = held[place + 1..].iter();
            for other in others.take_while(|other| other.recorded.invoked_ns < end_ns) {
                let is_within = other.returned_ns() < end_ns
                    && one.returned_ns() < other.recorded.invoked_ns.saturating_add(hold_ns);
                let Some(event) = self.unreleased(one, other).filter(|_| is_within) else {
                    continue;
                };
                if first.is_none_or(|(first, ..)| event < first) {
                    first = Some((event, one, other));
                }
            }
        }
        if let Some((event, one, other)) = first {
            findings.note(event, "two-holders", || {
                let more = format!("and within its hold of {hold_ns} ns to");
                two(value, one, other, "was given to", &more)
            });
        }
    }

    /// Since when it is certain that no `ack` or `nak` took effect between two deliveries; `None` if
    /// one may have.
    fn unreleased(&self, one: &Handover<'_>, other: &Handover<'_>) -> Option<usize> {
        let from = one.recorded.invoked.min(other.recorded.invoked);
        let to = one.returned.max(other.returned);
        let mut certain = to;
        for release in &self.releases {
            let overlaps =
                release.invoked < to && release.completed.is_none_or(|completed| completed > from);
            if overlaps && release.outcome != Outcome::Fail {
                return None;
            }
            if overlaps {
                certain = certain.max(release.completed.unwrap_or(0));
            }
        }
        Some(certain)
    }

    fn count(&self, statistics: &mut QueueStatistics) {
        let is_acknowledged = self.acknowledged().is_some();
        let is_delivered = !self.deliveries.is_empty();
        statistics.acknowledged += usize::from(is_acknowledged);
        statistics.delivered += usize::from(is_delivered);
        statistics.recovered += usize::from(is_delivered && !is_acknowledged);
        statistics.redeliveries += self.deliveries.len().saturating_sub(1);
    }
}

impl Handover<'_> {
    fn returned_ns(&self) -> u64 {
        self.recorded.completed_ns.unwrap_or(u64::MAX)
    }
}

/// `Message 3 was delivered to process 0's dequeue …, and again to process 1's dequeue ….`
fn two(
    value: ValueRef<'_>,
    one: &Handover<'_>,
    other: &Handover<'_>,
    before: &str,
    between: &str,
) -> Told {
    let sentence = format!(
        "Message {value} {before} {}, {between} {}.",
        whose(one.recorded),
        whose(other.recorded)
    );
    Told::new(sentence, [one.recorded.id, other.recorded.id])
}

/// The message of an answer, and the number that it is stored under, if the answer says.
fn numbered<'a>(
    answer: ValueRef<'a>,
    enqueued: &BTreeSet<ValueRef<'_>>,
) -> (ValueRef<'a>, Option<i64>) {
    match answer {
        ValueRef::List(pair) if !enqueued.contains(&answer) => match pair.array() {
            Some([value, ValueRef::Int(number)]) => (value, Some(number)),
            _ => (answer, None),
        },
        _ => (answer, None),
    }
}
