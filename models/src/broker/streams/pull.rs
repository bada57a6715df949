//! Who waits for messages: `$JS.API.CONSUMER.MSG.NEXT` and what is answered to it.

use squall_sim::mutant;
use squall_sim::time::{Duration, Instant};

use super::{Delivery, Effect, Record, Streams};
use crate::broker::truth::Truth;

/// Requests that wait at one consumer, and messages of one request, at most.
const PULLS_MAX: usize = 512;
const BATCH_MAX: u64 = 10_000;
/// Deliveries between two turns of the driver, at most: what it makes durable at once is bounded.
const DELIVERIES_MAX: usize = 256;

/// A request for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pull {
    pub(super) connection: u64,
    pub(super) reply: String,
    pub(super) batch: u64,
    /// When it is over; never for one that waits for all of its messages.
    pub(super) expires: Option<Instant>,
    /// It takes what there is and waits for nothing.
    pub(super) is_no_wait: bool,
    /// How often it wants to hear that it is still waiting, and when next.
    pub(super) heartbeat: Option<(Duration, Instant)>,
}

impl Streams {
    pub(super) fn add_pull(&mut self, stream: &str, consumer: &str, mut pull: Pull) {
        pull.batch = pull.batch.clamp(1, BATCH_MAX);
        let key = (stream.to_owned(), consumer.to_owned());
        let pulls = self.pulls.entry(key).or_default();
        if pulls.len() >= PULLS_MAX {
            return self.answer_status(&pull.reply, 409, "Exceeded MaxWaiting");
        }
        pulls.push_back(pull);
    }

    /// A connection has ended: it waits for nothing any more.
    pub(crate) fn connection_closed(&mut self, connection: u64) {
        for pulls in self.pulls.values_mut() {
            pulls.retain(|pull| pull.connection != connection);
        }
        for stream in self.streams.values_mut() {
            stream
                .consumers
                .values_mut()
                .for_each(|it| it.holder_gone(connection));
        }
    }

    /// Delivers what can be delivered, and tells those whose time is over. `is_heard` says whether
    /// anybody listens to a subject.
    pub(crate) fn poll(&mut self, now: Instant, is_heard: &dyn Fn(&str) -> bool) {
        let mut budget = DELIVERIES_MAX;
        let keys: Vec<_> = self.pulls.keys().cloned().collect();
        for key in keys {
            let mut pulls = self.pulls.remove(&key).unwrap_or_default();
            pulls.retain(|pull| is_heard(&pull.reply));
            while budget > 0
                && let Some(pull) = pulls.front_mut()
                && self.deliver_next(now, &key.0, &key.1, pull)
            {
                budget -= 1;
                if pull.batch == 0 {
                    pulls.pop_front();
                }
            }
            let is_starved = budget > 0;
            pulls.retain_mut(|pull| self.keep_waiting(now, pull, is_starved));
            if !pulls.is_empty() {
                self.pulls.insert(key, pulls);
            }
        }
    }

    /// When [`Self::poll`] has something to do, if nothing else happens.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let pulls = self.pulls.values().flatten();
        let of_pulls = pulls.flat_map(|pull| [pull.expires, pull.heartbeat.map(|it| it.1)]);
        let of_consumers = self.pulls.keys().map(|(stream, consumer)| {
            let consumer = self.streams.get(stream)?.consumers.get(consumer)?;
            consumer.next_deadline()
        });
        of_pulls.chain(of_consumers).flatten().min()
    }

    /// Whether the pull goes on waiting; tells it if not.
    fn keep_waiting(&mut self, now: Instant, pull: &mut Pull, is_starved: bool) -> bool {
        if is_starved && pull.is_no_wait {
            self.answer_status(&pull.reply, 404, "No Messages");
            return false;
        }
        if pull.expires.is_some_and(|expires| expires <= now) {
            self.answer_status(&pull.reply, 408, "Request Timeout");
            return false;
        }
        if let Some((every, next)) = &mut pull.heartbeat
            && *next <= now
        {
            *next = now + *every;
            self.answer_status(&pull.reply, 100, "Idle Heartbeat");
        }
        true
    }

    /// Delivers one message; `false` if there is none to deliver.
    fn deliver_next(&mut self, now: Instant, stream: &str, name: &str, pull: &mut Pull) -> bool {
        let Some(found) = self.streams.get_mut(stream) else {
            return false;
        };
        let Some(consumer) = found.consumers.get(name) else {
            return false;
        };
        let chosen = consumer.choose(now, |from| found.first_wanted(from, consumer));
        let Some((sequence, count)) = chosen else {
            return false;
        };
        let expires_ns = (now + consumer.config.ack_wait).as_nanos();
        let later = found.last - found.last.min(consumer.next().max(sequence + 1) - 1);
        let stored = found.messages.get(&sequence).cloned();
        let Some((consumer, stored)) = found.consumers.get_mut(name).zip(stored) else {
            return false;
        };
        consumer.deliver(now, sequence, count, pull.connection);
        let (in_all, time_ns) = (consumer.deliveries(), stored.time_ns);
        let delivery = Delivery {
            stream: stream.to_owned(),
            consumer: name.to_owned(),
            sequence,
            count,
        };
        self.output
            .records
            .push(Record::Delivered(delivery.clone()));
        if mutant!("broker.settled-on-delivery") {
            consumer.settle(sequence, count);
            self.output.records.push(Record::Settled(delivery.clone()));
        }
        let reply =
            format!("$JS.ACK.{stream}.{name}.{count}.{sequence}.{in_all}.{time_ns}.{later}");
        let mut message = stored.message;
        message.reply = Some(reply);
        let holder = pull.connection;
        let truth = Truth::Delivered {
            delivery,
            holder,
            expires_ns,
        };
        self.output.effects.push(Effect::Emit(truth));
        let to = pull.reply.clone();
        self.output.effects.push(Effect::Send { to, message });
        pull.batch -= 1;
        if let Some((every, next)) = &mut pull.heartbeat {
            *next = now + *every;
        }
        true
    }
}
