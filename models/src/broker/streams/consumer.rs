//! A durable pull consumer: which messages are whose, and until when.
//!
//! A pure state machine. Of every message it knows one of four things: it has never been delivered (its
//! number is at least `next`), it is *held* until a deadline, it waits to be delivered *again*, or it is
//! settled (below `next` and not pending). So its memory is bounded by the deliveries that may be
//! pending, however many messages there are.
//!
//! **Law: never two holders of an unexpired delivery.** A held message is not delivered before its deadline,
//! whatever becomes of its holder's connection. After a restart the broker does not know until when a
//! message was held, only that it was; it counts as held from the start on for the whole of `ack_wait`.
//!
//! Each delivery of a message has a *count*, which goes back to the broker with the acknowledgement: a
//! holder whose delivery has expired *and been superseded* settles nothing (a fencing token). One that has
//! expired but has not been superseded is still the only one, and may settle; JetStream does so too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_sim::mutant;
use squall_sim::time::{Duration, Instant};

use crate::broker::subject;

/// What a consumer is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerConfig {
    pub name: String,
    /// Only messages of these subjects; all of the stream if absent.
    pub filter: Option<String>,
    /// How long a delivery is held.
    pub ack_wait: Duration,
    /// Deliveries that are not settled, at most.
    pub pending_max: usize,
}

impl ConsumerConfig {
    /// JetStream's numbers: 30 s, 1000 deliveries.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            filter: None,
            ack_wait: Duration::from_secs(30),
            pending_max: 1_000,
        }
    }
}

/// The state of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Consumer {
    pub(crate) config: ConsumerConfig,
    /// The first message that has never been delivered.
    next: u64,
    pending: BTreeMap<u64, Pending>,
    /// Deliveries in all.
    deliveries: u64,
    /// By which count the latest messages were settled: a holder may ask twice.
    settled: BTreeMap<u64, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    count: u64,
    #[serde(skip)]
    hold: Hold,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hold {
    /// Nobody has it: it may be delivered again.
    #[default]
    Free,
    Until {
        deadline: Instant,
        holder: u64,
    },
}

/// How many settled messages are remembered by their count.
const SETTLED_MAX: usize = 1_024;

/// What becomes of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It comes from the latest delivery.
    Holds,
    /// This delivery has settled the message before.
    HasSettled,
    /// There is a later delivery, or another one has settled the message, or nobody remembers.
    Superseded,
}

impl Consumer {
    pub(crate) fn new(config: ConsumerConfig) -> Self {
        Self {
            config,
            next: 1,
            pending: BTreeMap::new(),
            deliveries: 0,
            settled: BTreeMap::new(),
        }
    }

    /// After a restart: what may be held is held from now on.
    pub(crate) fn hold_all(&mut self, now: Instant) {
        let deadline = now + self.config.ack_wait;
        for pending in self.pending.values_mut() {
            pending.hold = match mutant!("broker.holders-forgotten") {
                true => Hold::Free,
                false => Hold::Until {
                    deadline,
                    holder: 0,
                },
            };
        }
    }

    /// The message to deliver now, and the count of its delivery. `first_of(n)` is the first message of the
    /// stream from `n` on that the consumer wants.
    pub(crate) fn choose(
        &self,
        now: Instant,
        first_of: impl FnOnce(u64) -> Option<u64>,
    ) -> Option<(u64, u64)> {
        let again = self.pending.iter().find(|(_, it)| it.hold.is_over(now));
        if let Some((sequence, pending)) = again {
            return Some((*sequence, pending.count + 1));
        }
        if self.pending.len() >= self.config.pending_max {
            return None;
        }
        first_of(self.next).map(|sequence| (sequence, 1))
    }

    /// A message is delivered; it is held from `now` on.
    pub(crate) fn deliver(&mut self, now: Instant, sequence: u64, count: u64, holder: u64) {
        let deadline = now + self.config.ack_wait;
        let hold = Hold::Until { deadline, holder };
        self.pending.insert(sequence, Pending { count, hold });
        self.next = self.next.max(sequence + 1);
        self.deliveries += 1;
    }

    /// What a delivery may do.
    pub(crate) fn standing(&self, sequence: u64, count: u64) -> Standing {
        let is_holder =
            |pending: &Pending| pending.count == count || mutant!("broker.superseded-ack-accepted");
        match self.pending.get(&sequence) {
            Some(pending) if is_holder(pending) => Standing::Holds,
            None if self.settled.get(&sequence) == Some(&count) => Standing::HasSettled,
            _ => Standing::Superseded,
        }
    }

    /// The message is done with.
    pub(crate) fn settle(&mut self, sequence: u64, count: u64) {
        self.pending.remove(&sequence);
        self.settled.insert(sequence, count);
        if self.settled.len() > SETTLED_MAX {
            self.settled.pop_first();
        }
    }

    /// The holder gives the message back.
    pub(crate) fn release(&mut self, sequence: u64) {
        if let Some(pending) = self.pending.get_mut(&sequence) {
            pending.hold = Hold::Free;
        }
    }

    /// The holder needs more time; answers until when it has it.
    pub(crate) fn extend(&mut self, now: Instant, sequence: u64) -> Option<Instant> {
        let deadline = now + self.config.ack_wait;
        let pending = self.pending.get_mut(&sequence)?;
        // Whoever gave it back does not get it by asking for time.
        let Hold::Until { holder, .. } = pending.hold else {
            return None;
        };
        pending.hold = Hold::Until { deadline, holder };
        Some(deadline)
    }

    /// A connection has ended. What it holds stays held: the holder may be alive and at work.
    pub(crate) fn holder_gone(&mut self, gone: u64) {
        if mutant!("broker.redelivered-while-held") {
            for pending in self.pending.values_mut() {
                if matches!(pending.hold, Hold::Until { holder, .. } if holder == gone) {
                    pending.hold = Hold::Free;
                }
            }
        }
    }

    /// When the next delivery expires.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self
            .pending
            .values()
            .filter_map(|pending| match pending.hold {
                Hold::Free => None,
                Hold::Until { deadline, .. } => Some(deadline),
            });
        deadlines.min()
    }

    /// Whether it wants a message of this subject.
    pub(crate) fn wants(&self, subject: &str) -> bool {
        let filter = self.config.filter.as_deref();
        filter.is_none_or(|filter| subject::matches(filter, subject))
    }

    /// Whether a message will never be delivered again.
    pub(crate) fn has_settled(&self, sequence: u64) -> bool {
        sequence < self.next && !self.pending.contains_key(&sequence)
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn pending_count(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn redelivered_count(&self) -> usize {
        self.pending.values().filter(|it| it.count > 1).count()
    }

    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// All messages up to here are settled.
    pub(crate) fn floor(&self) -> u64 {
        let first = self.pending.keys().next().copied();
        first.unwrap_or(self.next) - 1
    }
}

impl Hold {
    fn is_over(self, now: Instant) -> bool {
        match self {
            Self::Free => true,
            Self::Until { deadline, .. } => deadline <= now,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const LAST: u64 = 6;
    const ACK_WAIT: Duration = Duration::from_nanos(10);

    #[derive(Clone, Debug)]
    enum Step {
        Wait(u64),
        Take,
        Settle(usize),
        Release(usize),
        Extend(usize),
        HolderGone,
        Restart,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..8_u64).prop_map(Step::Wait),
            6 => Just(Step::Take),
            3 => (0..8_usize).prop_map(Step::Settle),
            1 => (0..8_usize).prop_map(Step::Release),
            1 => (0..8_usize).prop_map(Step::Extend),
            1 => Just(Step::HolderGone),
            1 => Just(Step::Restart),
        ];
        vec(step, 0..80)
    }

    /// The naive model: every delivery that ever was, and what became of it.
    #[derive(Clone, Debug)]
    struct Delivery {
        sequence: u64,
        count: u64,
        expires_ns: u64,
        is_settled: bool,
    }

    fn latest(history: &[Delivery], sequence: u64) -> Option<&Delivery> {
        history.iter().rev().find(|it| it.sequence == sequence)
    }

    /// Walks through the steps with the consumer and the model side by side; `Err` says where they part.
    fn walk(steps: &[Step]) -> Result<(), String> {
        let config = ConsumerConfig {
            ack_wait: ACK_WAIT,
            pending_max: 3,
            ..ConsumerConfig::new("work")
        };
        let mut consumer = Consumer::new(config);
        let mut now_ns = 0;
        let mut history: Vec<Delivery> = Vec::new();
        for step in steps {
            let now = Instant::from_nanos(now_ns);
            match *step {
                Step::Wait(ns) => now_ns += ns,
                Step::Take => take(&mut consumer, now, &mut history)?,
                Step::HolderGone => consumer.holder_gone(7),
                Step::Restart => {
                    let bytes = postcard::to_allocvec(&consumer).map_err(|it| it.to_string())?;
                    consumer = postcard::from_bytes(&bytes).map_err(|it| it.to_string())?;
                    consumer.hold_all(now);
                    for sequence in 1..=LAST {
                        let at = history.iter().rposition(|it| it.sequence == sequence);
                        if let Some(at) = at {
                            history[at].expires_ns = now_ns + ACK_WAIT.as_nanos() as u64;
                        }
                    }
                }
                Step::Settle(which) | Step::Release(which) | Step::Extend(which) => {
                    if which < history.len() {
                        let at = history.len() - 1 - which;
                        act(&mut consumer, now, &mut history, at, step)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn take(
        consumer: &mut Consumer,
        now: Instant,
        history: &mut Vec<Delivery>,
    ) -> Result<(), String> {
        let unsettled = |history: &[Delivery], sequence| {
            latest(history, sequence).is_some_and(|it| !it.is_settled)
        };
        let pending = (1..=LAST).filter(|it| unsettled(history, *it)).count();
        let expected = (1..=LAST)
            .find(|sequence| {
                latest(history, *sequence)
                    .is_some_and(|it| !it.is_settled && it.expires_ns <= now.as_nanos())
            })
            .or_else(|| (1..=LAST).find(|it| pending < 3 && latest(history, *it).is_none()))
            .map(|sequence| {
                (
                    sequence,
                    latest(history, sequence).map_or(1, |it| it.count + 1),
                )
            });
        let chosen = consumer.choose(now, |from| (from..=LAST).next());
        if chosen != expected {
            return Err(format!(
                "at {now:?} {chosen:?}, not {expected:?}, of {history:?}"
            ));
        }
        if let Some((sequence, count)) = chosen {
            consumer.deliver(now, sequence, count, 7);
            history.push(Delivery {
                sequence,
                count,
                expires_ns: (now + ACK_WAIT).as_nanos(),
                is_settled: false,
            });
        }
        Ok(())
    }

    fn act(
        consumer: &mut Consumer,
        now: Instant,
        history: &mut [Delivery],
        at: usize,
        step: &Step,
    ) -> Result<(), String> {
        let Delivery {
            sequence,
            count,
            is_settled,
            ..
        } = history[at];
        let is_latest = latest(history, sequence).is_some_and(|it| it.count == count);
        let expected = match (is_latest, is_settled) {
            (true, false) => Standing::Holds,
            (true, true) => Standing::HasSettled,
            (false, _) => Standing::Superseded,
        };
        let standing = consumer.standing(sequence, count);
        if standing != expected {
            return Err(format!(
                "{standing:?}, not {expected:?}, for {:?}",
                history[at]
            ));
        }
        match step {
            _ if standing != Standing::Holds => {}
            Step::Settle(_) => {
                consumer.settle(sequence, count);
                history[at].is_settled = true;
            }
            Step::Release(_) => {
                consumer.release(sequence);
                history[at].expires_ns = 0;
            }
            _ => {
                if let Some(deadline) = consumer.extend(now, sequence) {
                    history[at].expires_ns = deadline.as_nanos();
                }
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_all_deliveries(steps in steps()) {
            prop_assert_eq!(walk(&steps), Ok(()));
        }
    }

    #[test]
    fn planted_bugs_are_seen() {
        use Step::{HolderGone, Restart, Settle, Take, Wait};
        for (mutant, steps) in [
            (
                "broker.redelivered-while-held",
                vec![Take, HolderGone, Take],
            ),
            ("broker.holders-forgotten", vec![Take, Restart, Take]),
            (
                "broker.superseded-ack-accepted",
                vec![Take, Wait(10), Take, Settle(1)],
            ),
        ] {
            assert_eq!(walk(&steps), Ok(()));
            mutant::activate(Some(mutant));
            let seen = walk(&steps);
            mutant::activate(None);
            assert!(seen.is_err(), "{mutant}");
        }
    }
}
