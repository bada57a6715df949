//! Streams and their consumers, as one pure state machine with time as an argument.
//!
//! Every change is a `Record`: it is decided, applied, and comes out in `Output` beside the effects that
//! it allows. **The driver makes the records durable before it carries out any effect**, so nobody is told
//! what a power loss can undo. A restart applies the same records again, by the same function.
//!
//! In reading order: `stream` (storing and de-duplicating), `consumer` (who has what until when), `pull` (who
//! waits for messages), `acknowledgement` (what holders say), `api` (JetStream's JSON).

mod acknowledgement;
mod api;
pub mod consumer;
mod pull;
pub mod stream;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use squall_sim::mutant;
use squall_sim::time::{Duration, Instant};

use self::consumer::{Consumer, ConsumerConfig};
use self::pull::Pull;
use self::stream::{Admission, Stored, Stream, StreamConfig};
use super::headers;
use super::protocol::Message;
use super::subject;
use super::truth::Truth;

/// What requests to the broker itself begin with.
pub(crate) const API: &str = "$JS.API.";
/// What acknowledgements of deliveries begin with.
pub(crate) const ACKNOWLEDGEMENT: &str = "$JS.ACK.";

/// Streams, and consumers of one stream, at most.
const STREAMS_MAX: usize = 64;
const CONSUMERS_MAX: usize = 64;

/// A change, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// All that was before, in one.
    Snapshot(Snapshot),
    StreamCreated(StreamConfig),
    ConsumerCreated {
        stream: String,
        config: ConsumerConfig,
    },
    Stored {
        stream: String,
        stored: Stored,
    },
    Discarded {
        stream: String,
        through: u64,
    },
    Delivered(Delivery),
    Settled(Delivery),
}

/// The state of everything that is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The broker's own time.
    time_ns: u64,
    streams: BTreeMap<String, Stream>,
}

/// Which delivery of which message to which consumer.
pub(crate) type Delivery = super::truth::DeliveryId;

/// What the driver is to do, in order, once the records are durable.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) records: Vec<Record>,
    pub(crate) effects: Vec<Effect>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A message goes to those who listen to `to`.
    Send {
        to: String,
        message: Message,
    },
    /// Messages of these subjects are to be handed to the streams from now on.
    Capture {
        filter: String,
    },
    Emit(Truth),
}

/// The state machine.
pub(crate) struct Streams {
    streams: BTreeMap<String, Stream>,
    pulls: BTreeMap<(String, String), VecDeque<Pull>>,
    /// What the broker's own time was when it started.
    base_ns: u64,
    started: Instant,
    output: Output,
}

impl Streams {
    /// Goes on from the records of the journal. What was held is held from `now` on.
    ///
    /// # Errors
    /// If the records do not fit together: what is wrong with the first that does not.
    pub(crate) fn restore(now: Instant, records: Vec<Record>) -> Result<Self, &'static str> {
        let mut streams = Self {
            streams: BTreeMap::new(),
            pulls: BTreeMap::new(),
            base_ns: 0,
            started: now,
            output: Output::default(),
        };
        for record in records {
            streams.replay(now, record)?;
        }
        for stream in streams.streams.values_mut() {
            stream
                .consumers
                .values_mut()
                .for_each(|it| it.hold_all(now));
            if mutant!("broker.dedup-forgotten") {
                stream.forget_all_ids();
            }
        }
        streams.announce();
        Ok(streams)
    }

    /// Says what there is, to the router and to whoever observes.
    fn announce(&mut self) {
        let own = [API, ACKNOWLEDGEMENT].map(|prefix| format!("{prefix}>"));
        let filters = self
            .streams
            .values()
            .flat_map(|it| it.config.subjects.iter().cloned());
        let capture = |filter| Effect::Capture { filter };
        self.output
            .effects
            .extend(own.into_iter().chain(filters).map(capture));
        for (name, stream) in &self.streams {
            self.output.effects.push(Effect::Emit(Truth::Restored {
                stream: name.clone(),
                last: stream.last,
            }));
        }
    }

    fn replay(&mut self, now: Instant, record: Record) -> Result<(), &'static str> {
        match record {
            Record::Snapshot(snapshot) => {
                self.streams = snapshot.streams;
                self.base_ns = snapshot.time_ns;
            }
            Record::StreamCreated(config) => {
                self.streams
                    .insert(config.name.clone(), Stream::new(config));
            }
            Record::ConsumerCreated { stream, config } => {
                let consumers = &mut self.replayed(&stream)?.consumers;
                consumers.insert(config.name.clone(), Consumer::new(config));
            }
            Record::Stored { stream, stored } => {
                let time_ns = stored.time_ns;
                let stream = self.replayed(&stream)?;
                stream.forget_ids(time_ns);
                stream.store(stored);
                self.base_ns = self.base_ns.max(time_ns);
            }
            Record::Discarded { stream, through } => self.replayed(&stream)?.discard(through),
            Record::Delivered(delivery) => {
                let Delivery {
                    sequence, count, ..
                } = delivery;
                self.replayed_consumer(&delivery)?
                    .deliver(now, sequence, count, 0);
            }
            Record::Settled(delivery) => {
                let Delivery {
                    sequence, count, ..
                } = delivery;
                self.replayed_consumer(&delivery)?.settle(sequence, count);
            }
        }
        Ok(())
    }

    fn replayed(&mut self, stream: &str) -> Result<&mut Stream, &'static str> {
        let found = self.streams.get_mut(stream);
        found.ok_or("a change of a stream that was never created")
    }

    fn replayed_consumer(&mut self, delivery: &Delivery) -> Result<&mut Consumer, &'static str> {
        let consumers = &mut self.replayed(&delivery.stream)?.consumers;
        let found = consumers.get_mut(&delivery.consumer);
        found.ok_or("a change of a consumer that was never created")
    }

    /// What is to be done now.
    pub(crate) fn take_output(&mut self) -> Output {
        std::mem::take(&mut self.output)
    }

    /// All that is durable, in one.
    pub(crate) fn snapshot(&self, now: Instant) -> Snapshot {
        Snapshot {
            time_ns: self.time_ns(now),
            streams: self.streams.clone(),
        }
    }

    /// The broker's own time: how long it has run, in all its lives.
    fn time_ns(&self, now: Instant) -> u64 {
        let since_start = u64::try_from((now - self.started).as_nanos()).unwrap_or(u64::MAX);
        self.base_ns.saturating_add(since_start)
    }

    /// A message was published that the streams have asked for.
    pub(crate) fn take(&mut self, now: Instant, from: u64, message: Message) {
        if let Some(request) = message.subject.strip_prefix(API) {
            let request = request.to_owned();
            return self.take_request(now, from, &request, message);
        }
        if let Some(delivery) = message.subject.strip_prefix(ACKNOWLEDGEMENT) {
            let delivery = delivery.to_owned();
            return self.take_acknowledgement(now, &delivery, &message);
        }
        let stream = self.streams.values().find(|it| it.takes(&message.subject));
        if let Some(name) = stream.map(|it| it.config.name.clone()) {
            self.publish(now, &name, message);
        }
    }

    fn publish(&mut self, now: Instant, name: &str, mut message: Message) {
        let time_ns = self.time_ns(now);
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        stream.forget_ids(time_ns);
        let reply = message.reply.take();
        let id = headers::value(&message.headers, headers::MESSAGE_ID).map(str::to_owned);
        let admission = stream.admit(&message, id.as_deref());
        let (truth, answer) = match admission {
            Admission::Refuse { why } => {
                let stream = name.to_owned();
                (Truth::Refused { stream, why }, api::error(503, 10_077, why))
            }
            Admission::Duplicate { sequence } => {
                let answer =
                    serde_json::json!({"stream": name, "seq": sequence, "duplicate": true});
                let (stream, id) = (name.to_owned(), id.unwrap_or_default());
                (
                    Truth::Duplicate {
                        stream,
                        sequence,
                        id,
                    },
                    answer,
                )
            }
            Admission::Store { discard_through } => {
                let sequence = self.store(name, Stored { message, time_ns }, discard_through);
                let stream = name.to_owned();
                let answer = serde_json::json!({"stream": name, "seq": sequence});
                (
                    Truth::Acknowledged {
                        stream,
                        sequence,
                        id,
                    },
                    answer,
                )
            }
        };
        if let Some(reply) = reply {
            self.output.effects.push(Effect::Emit(truth));
            self.answer(reply, answer.to_string().into_bytes());
        }
    }

    fn store(&mut self, name: &str, stored: Stored, discard_through: Option<u64>) -> u64 {
        let Some(stream) = self.streams.get_mut(name) else {
            return 0;
        };
        if let Some(through) = discard_through {
            stream.discard(through);
            let stream = name.to_owned();
            self.output.records.push(Record::Discarded {
                stream: stream.clone(),
                through,
            });
            self.output
                .effects
                .push(Effect::Emit(Truth::Discarded { stream, through }));
        }
        stream.store(stored.clone());
        let last = stream.last;
        let stream = name.to_owned();
        self.output.records.push(Record::Stored {
            stream: stream.clone(),
            stored,
        });
        self.output
            .effects
            .push(Effect::Emit(Truth::Persisted { stream, last }));
        last
    }

    /// Makes a stream, unless there is one like it.
    ///
    /// # Errors
    /// JetStream's code for what stands against it, and why.
    pub(crate) fn create_stream(&mut self, config: StreamConfig) -> Result<(), Refusal> {
        if let Some(stream) = self.streams.get(&config.name) {
            return match stream.config == config {
                true => Ok(()),
                false => Err(Refusal(
                    400,
                    10_058,
                    "stream name already in use with a different configuration",
                )),
            };
        }
        self.check_stream(&config)?;
        let capture = |filter: &String| Effect::Capture {
            filter: filter.clone(),
        };
        self.output
            .effects
            .extend(config.subjects.iter().map(capture));
        self.output
            .records
            .push(Record::StreamCreated(config.clone()));
        self.streams
            .insert(config.name.clone(), Stream::new(config));
        Ok(())
    }

    fn check_stream(&self, config: &StreamConfig) -> Result<(), Refusal> {
        if self.streams.len() >= STREAMS_MAX {
            return Err(Refusal(400, 10_027, "maximum number of streams reached"));
        }
        let is_valid =
            |filter: &String| subject::is_filter(filter) && !subject::overlap(filter, "$JS.>");
        if !subject::is_name(&config.name)
            || config.subjects.is_empty()
            || !config.subjects.iter().all(is_valid)
        {
            return Err(Refusal(
                400,
                10_052,
                "a stream needs a name, and subjects outside of $JS",
            ));
        }
        let mut taken = self
            .streams
            .values()
            .flat_map(|it| it.config.subjects.iter());
        if taken.any(|it| {
            config
                .subjects
                .iter()
                .any(|filter| subject::overlap(filter, it))
        }) {
            return Err(Refusal(
                400,
                10_065,
                "subjects overlap with an existing stream",
            ));
        }
        Ok(())
    }

    /// Makes a consumer, unless there is one like it.
    ///
    /// # Errors
    /// As [`Self::create_stream`].
    pub(crate) fn create_consumer(
        &mut self,
        name: &str,
        config: ConsumerConfig,
    ) -> Result<(), Refusal> {
        let Some(stream) = self.streams.get_mut(name) else {
            return Err(Refusal(404, 10_059, "stream not found"));
        };
        if let Some(consumer) = stream.consumers.get(&config.name) {
            return match consumer.config == config {
                true => Ok(()),
                false => Err(Refusal(400, 10_013, "consumer name already in use")),
            };
        }
        let is_filter = config.filter.as_deref().is_none_or(subject::is_filter);
        if !subject::is_name(&config.name) || !is_filter || config.ack_wait == Duration::ZERO {
            return Err(Refusal(
                400,
                10_012,
                "a consumer needs a name, a valid filter and an ack wait",
            ));
        }
        if stream.consumers.len() >= CONSUMERS_MAX {
            return Err(Refusal(400, 10_026, "maximum consumers limit reached"));
        }
        stream
            .consumers
            .insert(config.name.clone(), Consumer::new(config.clone()));
        let stream = name.to_owned();
        self.output
            .records
            .push(Record::ConsumerCreated { stream, config });
        Ok(())
    }

    fn answer(&mut self, to: String, payload: Vec<u8>) {
        let subject = to.clone();
        let message = Message {
            subject,
            payload,
            ..Message::default()
        };
        self.output.effects.push(Effect::Send { to, message });
    }

    fn answer_status(&mut self, to: &str, status: u16, description: &str) {
        let message = Message {
            subject: to.to_owned(),
            headers: headers::with_status(status, description),
            ..Message::default()
        };
        let to = to.to_owned();
        self.output.effects.push(Effect::Send { to, message });
    }
}

/// Why JetStream's API refuses: status, error code, description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) u16, pub(crate) u32, pub(crate) &'static str);
