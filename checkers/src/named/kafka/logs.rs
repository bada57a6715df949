//! What lies in the log of each key, and who has seen it.

use super::recorded::{Act, Record, Recorded, What};
use super::{Consume, KafkaOptions, KafkaStatistics, Report};
use crate::named::findings::Told;
use crate::named::{first_letter_up, whose_first_of, whose_of};
use crate::sorting::sort_by_number;
use std::collections::BTreeSet;

pub(super) struct Logs<'r, 'h> {
    recorded: &'r Recorded<'h>,
    /// What is known of each message.
    messages: Vec<Message>,
    /// What was seen where in each key, each once and by who saw it first: in the order of offsets, and
    /// of time.
    seen: Vec<Vec<Sight>>,
    /// For each of these the first poll of it or of one after it, if there is one.
    polled_from: Vec<Vec<Option<Sight>>>,
}

#[derive(Clone, Default)]
struct Message {
    /// The acts that sent it, by their places.
    senders: Vec<u32>,
    /// The first act that polled it, in the order of return.
    poller: Option<u32>,
    /// The least offset at which it was seen, and whether it was seen at another.
    offset: Option<i64>,
    is_at_several: bool,
}

/// That a message lies at an offset.
#[derive(Clone, Copy)]
struct Sight {
    offset: i64,
    message: usize,
    /// When, and to which act.
    event: usize,
    act: u32,
    is_polled: bool,
}

/// That a message which an act sent was polled by nobody, although something beyond it was.
#[derive(Clone, Copy)]
struct Lost {
    event: usize,
    sender: u32,
    beyond: Sight,
}

impl<'r, 'h> Logs<'r, 'h> {
    pub(super) fn of(recorded: &'r Recorded<'h>) -> Self {
        let mut logs = Self {
            recorded,
            messages: vec![Message::default(); recorded.messages.len()],
            seen: vec![Vec::new(); recorded.keys.len()],
            polled_from: Vec::new(),
        };
        for (place, act) in (0..).zip(&recorded.acts) {
            for record in act.sent() {
                logs.messages[record.message].senders.push(place);
            }
            if act.span.returned().is_some() {
                logs.poll(place, act);
            }
        }
        logs.see_sends();
        logs.seen.iter_mut().for_each(sort_sights);
        logs.find_several();
        logs.polled_from = logs.seen.iter().map(|seen| polled_from(seen)).collect();
        logs
    }

    fn poll(&mut self, place: u32, act: &Act) {
        for record in act.polled() {
            let poller = &mut self.messages[record.message].poller;
            let returned = |place: u32| self.recorded.acts[place as usize].span.returned();
            if poller.is_none_or(|poller| returned(place) < returned(poller)) {
                *poller = Some(place);
            }
            self.see(record, place, act, true);
        }
    }

    /// Offsets of what was sent, where that was committed.
    fn see_sends(&mut self) {
        let recorded = self.recorded;
        for (place, act) in (0..).zip(&recorded.acts) {
            if act.span.returned().is_some() {
                for record in act.sent() {
                    self.see(record, place, act, false);
                }
            }
        }
    }

    fn see(&mut self, record: Record, act: u32, by: &Act, is_polled: bool) {
        if let (Some(offset), Some(event)) = (record.offset, by.span.returned()) {
            self.seen[self.recorded.key(record.message)].push(Sight {
                offset,
                message: record.message,
                event,
                act,
                is_polled,
            });
        }
    }

    fn find_several(&mut self) {
        for sight in self.seen.iter().flatten() {
            let message = &mut self.messages[sight.message];
            let offset = *message.offset.get_or_insert(sight.offset);
            message.is_at_several |= offset != sight.offset;
        }
    }

    /// What is known first to lie between two offsets of a key, and since when.
    pub(super) fn between(&self, key: usize, after: i64, before: i64) -> Option<(usize, usize)> {
        let seen = &self.seen[key];
        let first = seen.partition_point(|sight| sight.offset <= after);
        let between = seen[first..]
            .iter()
            .take_while(|sight| sight.offset < before);
        let known = between.map(|sight| (sight.event, sight.message));
        known.min()
    }

    /// The acts that sent a message, by their places and in their order.
    pub(super) fn senders(&self, message: usize) -> &[u32] {
        &self.messages[message].senders
    }

    /// For each key who sent what lies in it, in the order of offsets, as far as it is known of each
    /// message where it lies and who sent it.
    pub(super) fn senders_in_order(&self) -> impl Iterator<Item = Vec<u32>> {
        self.seen.iter().map(|seen| {
            let at_one = seen.chunk_by(|one, other| one.offset == other.offset);
            let senders = at_one.filter_map(|at_one| {
                let message = at_one[0].message;
                let is_alone = at_one.iter().all(|sight| sight.message == message);
                let Message {
                    senders,
                    is_at_several,
                    ..
                } = &self.messages[message];
                let is_told_apart = is_alone && !is_at_several && senders.len() == 1;
                is_told_apart.then(|| senders[0])
            });
            senders.collect()
        })
    }

    /// The operation that saw a message in a key at an event.
    pub(super) fn seen_by(&self, key: usize, message: usize, event: usize) -> Option<usize> {
        let mut seen = self.seen[key].iter();
        let sight = seen.find(|sight| (sight.message, sight.event) == (message, event));
        sight.map(|sight| self.id(sight.act))
    }

    pub(super) fn judge(&self, options: &KafkaOptions, report: &mut Report<'_>) {
        for seen in &self.seen {
            self.judge_offsets(seen, report);
        }
        self.judge_duplicates(report);
        for act in &self.recorded.acts {
            if let Some(returned) = act.span.returned() {
                self.judge_origins(act, returned, report);
            }
        }
        self.judge_lost(options, report);
    }

    fn judge_offsets(&self, seen: &[Sight], report: &mut Report<'_>) {
        for at_one in seen.chunk_by(|one, other| one.offset == other.offset) {
            let first = at_one[0];
            let others = at_one.iter().filter(|sight| sight.message != first.message);
            if let Some(other) = others.min_by_key(|sight| sight.event) {
                report.note(other.event, "inconsistent-offsets", || {
                    let sentence = format!(
                        "Offset {} holds {} for {}, but {} for {}.",
                        first.offset,
                        self.recorded.name(first.message),
                        self.whose(first.act),
                        self.recorded.name(other.message),
                        self.whose(other.act)
                    );
                    Told::minimal(sentence, [self.id(first.act), self.id(other.act)])
                });
            }
        }
    }

    /// Whether a message lies at more offsets than it had been sent times by then.
    fn judge_duplicates(&self, report: &mut Report<'_>) {
        for seen in &self.seen {
            let is_several = |sight: &&Sight| self.messages[sight.message].is_at_several;
            let mut several: Vec<&Sight> = seen.iter().filter(is_several).collect();
            // They are in the order of their offsets.
            sort_by_number(&mut several, |sight| sight.event);
            sort_by_number(&mut several, |sight| sight.message);
            for copies in several.chunk_by(|one, other| one.message == other.message) {
                if let Some(other) = self.one_too_many(copies) {
                    report.note(other.event, "duplicate", || {
                        self.tell_copies(copies[0], other)
                    });
                }
            }
        }
    }

    /// The first of the copies of a message that no attempt to send it accounts for.
    fn one_too_many<'s>(&self, copies: &[&'s Sight]) -> Option<&'s Sight> {
        let senders = &self.messages[copies[0].message].senders;
        let invoked = |place: u32| self.recorded.acts[place as usize].span.invoked();
        let mut offsets = BTreeSet::new();
        let mut copies = copies.iter().filter(|sight| offsets.insert(sight.offset));
        // One copy is no duplicate, whoever sent it.
        copies.next()?;
        let mut extra = (2..).zip(copies).filter(|(count, sight)| {
            let begun = senders.partition_point(|&place| invoked(place) < sight.event);
            *count > begun
        });
        extra.next().map(|(_, sight)| *sight)
    }

    fn tell_copies(&self, first: &Sight, other: &Sight) -> Told {
        let sentence = format!(
            "{} lies at offset {} for {}, and at {} for {}, which is more often than it had been sent.",
            first_letter_up(&self.recorded.name(first.message)),
            first.offset,
            self.whose(first.act),
            other.offset,
            self.whose(other.act)
        );
        Told::new(sentence, [self.id(first.act), self.id(other.act)])
    }

    /// Whether what an act polled had been sent, and by others.
    fn judge_origins(&self, act: &Act, returned: usize, report: &mut Report<'_>) {
        let (mut own, mut polled) = (BTreeSet::new(), BTreeSet::new());
        own.extend(act.sent().map(|record| record.message));
        polled.extend(act.polled().map(|record| record.message));
        for message in polled {
            if own.contains(&message) {
                report.note(returned, "precommitted-read", || {
                    let who = whose_first_of(self.recorded.history, act.span.id());
                    let name = self.recorded.name(message);
                    let sentence =
                        format!("{who} polled {name}, which it had sent but not yet committed.");
                    Told::minimal(sentence, [act.span.id()])
                });
            } else {
                self.judge_origin(message, act, returned, report);
            }
        }
    }

    fn judge_origin(&self, message: usize, act: &Act, returned: usize, report: &mut Report<'_>) {
        let senders = self.messages[message].senders.iter();
        let senders = senders.map(|&place| self.recorded.acts[place as usize].span);
        let before = senders.filter(|span| span.invoked() < returned);
        if before.clone().any(|span| !span.has_failed()) {
            return;
        }
        let polled = || {
            let who = whose_first_of(self.recorded.history, act.span.id());
            format!("{who} polled {}", self.recorded.name(message))
        };
        let decided = before.clone().filter_map(|span| span.failed()).max();
        match (before.clone().next_back(), decided) {
            (Some(sender), Some(decided)) => report.note(returned.max(decided), "G1a", || {
                let failed = whose_of(self.recorded.history, sender.id());
                let sentence = format!("{}, although {failed} failed.", polled());
                Told {
                    rules_out: vec!["read-committed".to_owned()],
                    ..Told::minimal(sentence, [sender.id(), act.span.id()])
                }
            }),
            _ => report.note(returned, "unexpected-message", || {
                let sentence = format!("{}, which nobody had begun to send.", polled());
                Told::minimal(sentence, [act.span.id()])
            }),
        }
    }

    fn judge_lost(&self, options: &KafkaOptions, report: &mut Report<'_>) {
        let last_event = self.recorded.history.events().len().saturating_sub(1);
        if options.consume == Consume::Subscribe && self.may_be_taken() {
            return;
        }
        for (message, known) in self.messages.iter().enumerate() {
            if known.poller.is_some() {
                continue;
            }
            if let Some(lost) = self.lost(message) {
                report.note(lost.event, "lost-write", || self.tell_lost(message, lost));
            } else if let Some(sender) = self.committed_sender(message).filter(|_| options.drained)
            {
                report.note(last_event, "unseen", || {
                    let sentence = format!(
                        "{} was sent by {}, but nobody polled it before the history ended, when all had been.",
                        first_letter_up(&self.recorded.name(message)),
                        self.whose(sender)
                    );
                    Told::minimal(sentence, [self.id(sender)])
                });
            }
        }
    }

    /// How a message that nobody polled is certainly lost, first.
    fn lost(&self, message: usize) -> Option<Lost> {
        let senders = self.messages[message].senders.iter().copied();
        let committed = senders.filter(|&place| self.is_committed(place));
        let lost = committed.filter_map(|sender| {
            let beyond = self.read_beyond(message, sender)?;
            Some(Lost {
                event: beyond.event.max(self.committed_since(sender)),
                sender,
                beyond,
            })
        });
        lost.min_by_key(|lost| lost.event)
    }

    fn tell_lost(&self, message: usize, lost: Lost) -> Told {
        let Lost { sender, beyond, .. } = lost;
        let sentence = format!(
            "{} was sent by {}, but nobody ever polled it, although {} polled offset {} beyond it.",
            first_letter_up(&self.recorded.name(message)),
            self.whose(sender),
            self.whose(beyond.act),
            beyond.offset
        );
        Told::minimal(sentence, [self.id(sender), self.id(beyond.act)])
    }

    /// An act that sent a message and certainly took effect.
    fn committed_sender(&self, message: usize) -> Option<u32> {
        let senders = self.messages[message].senders.iter().copied();
        let committed = senders.filter(|&place| self.is_committed(place));
        committed.min_by_key(|&place| self.committed_since(place))
    }

    fn is_committed(&self, place: u32) -> bool {
        let act = &self.recorded.acts[place as usize];
        let mut sent = act.sent();
        act.span.returned().is_some()
            || !act.span.has_failed() && sent.any(|record| self.is_own_and_polled(record))
    }

    /// Whether a message was polled that only one act sent.
    fn is_own_and_polled(&self, record: Record) -> bool {
        let message = &self.messages[record.message];
        message.poller.is_some() && message.senders.len() == 1
    }

    /// Since when it is certain that an act was committed.
    fn committed_since(&self, place: u32) -> usize {
        let act = &self.recorded.acts[place as usize];
        let own = act.sent().filter(|&record| self.is_own_and_polled(record));
        let pollers = own.filter_map(|record| self.messages[record.message].poller);
        let polled = pollers.filter_map(|place| self.recorded.acts[place as usize].span.returned());
        polled.chain(act.span.returned()).min().unwrap_or(0)
    }

    /// The first poll of something beyond where an act sent a message.
    fn read_beyond(&self, message: usize, sender: u32) -> Option<Sight> {
        let act = &self.recorded.acts[sender as usize];
        let sent = act.sent().filter(|record| record.message == message);
        let key = self.recorded.key(message);
        let beyond = sent.filter_map(|record| {
            let offset = record.offset?;
            let first = self.seen[key].partition_point(|sight| sight.offset <= offset);
            *self.polled_from[key].get(first)?
        });
        beyond.min_by_key(|sight| sight.event)
    }

    /// Whether a poll that crashed may have taken messages from its group, and nobody polls for itself.
    fn may_be_taken(&self) -> bool {
        let acts = &self.recorded.acts;
        let is_transaction = |act: &Act| matches!(act.what, What::Transaction(_));
        let is_crashed = |act: &Act| act.span.completed().is_none() && is_transaction(act);
        let is_assigned = |act: &Act| matches!(act.what, What::Assign(_));
        acts.iter().any(is_crashed) && !acts.iter().any(is_assigned)
    }

    pub(super) fn count(&self, statistics: &mut KafkaStatistics) {
        statistics.keys += self.recorded.keys.len();
        for message in &self.messages {
            let mut senders = message.senders.iter();
            let is_ok = |&place: &u32| self.recorded.acts[place as usize].span.returned().is_some();
            let is_acknowledged = senders.any(is_ok);
            let is_polled = message.poller.is_some();
            statistics.acknowledged += usize::from(is_acknowledged);
            statistics.polled += usize::from(is_polled);
            statistics.unseen += usize::from(is_acknowledged && !is_polled);
        }
    }

    fn id(&self, place: u32) -> usize {
        self.recorded.acts[place as usize].span.id()
    }

    fn whose(&self, place: u32) -> String {
        whose_of(self.recorded.history, self.id(place))
    }
}

/// Each message at each offset once, by who saw it first; a poll if any was.
fn sort_sights(sights: &mut Vec<Sight>) {
    sights.sort_unstable_by_key(|it| (it.offset, it.message, !it.is_polled, it.event));
    sights.dedup_by_key(|it| (it.offset, it.message, it.is_polled));
    sights.sort_unstable_by_key(|it| (it.offset, it.event, it.message));
}

fn polled_from(seen: &[Sight]) -> Vec<Option<Sight>> {
    let mut polled = vec![None; seen.len()];
    let mut first: Option<Sight> = None;
    for (place, sight) in seen.iter().enumerate().rev() {
        if sight.is_polled && first.is_none_or(|first| sight.event < first.event) {
            first = Some(*sight);
        }
        polled[place] = first;
    }
    polled
}
