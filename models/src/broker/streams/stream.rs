//! A stream: messages in the order of their numbers, each stored once for its id.
//!
//! The messages are in memory, as many as the stream's limits allow, and in the journal.
//!
//! **De-duplication** knows a message again by its `Nats-Msg-Id`, for the length of a window after it was stored.
//! Time is the broker's own: it runs while the broker runs, goes on after a restart from where the journal
//! knows it to have been, and needs no wall clock. So a window may be longer than it says, by as long as the
//! broker was down, but never shorter. Ids are never forgotten early for want of room: while
//! `ids_max` of them are inside the window, messages with new ones are refused.
//!
//! **Limits**: a message that does not fit is refused, or makes room, depending on [`Discard`].

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use squall_sim::mutant;
use squall_sim::time::Duration;

use super::consumer::Consumer;
use crate::broker::headers;
use crate::broker::protocol::Message;
use crate::broker::subject;

/// What a full stream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discard {
    /// The new message is refused.
    New,
    /// The oldest messages go, as long as every consumer has settled them; else the new one is refused.
    /// (JetStream's `old` discards them unread.)
    OldSettled,
}

/// What a stream is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamConfig {
    pub name: String,
    /// Filters: messages of these subjects are stored.
    pub subjects: Vec<String>,
    pub messages_max: u64,
    /// Of subjects, headers and payloads.
    pub bytes_max: u64,
    pub discard: Discard,
    /// How long a message is known again by its id.
    pub duplicate_window: Duration,
    /// Ids inside the window, at most.
    pub ids_max: usize,
}

impl StreamConfig {
    /// 100,000 messages, 16 MiB, a window of two minutes (JetStream's) with 100,000 ids.
    pub fn new(name: &str, subjects: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            subjects: subjects.iter().map(|it| (*it).to_owned()).collect(),
            messages_max: 100_000,
            bytes_max: 16 << 20,
            discard: Discard::OldSettled,
            duplicate_window: Duration::from_secs(120),
            ids_max: 100_000,
        }
    }
}

/// A message in a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) message: Message,
    /// On the broker's own clock.
    pub(crate) time_ns: u64,
}

/// The state of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stream {
    pub(crate) config: StreamConfig,
    pub(crate) messages: BTreeMap<u64, Stored>,
    pub(crate) last: u64,
    pub(crate) bytes: u64,
    pub(crate) consumers: BTreeMap<String, Consumer>,
    ids: BTreeMap<String, u64>,
    /// The ids in the order of time.
    ids_by_time: VecDeque<(u64, String)>,
}

/// What is to become of a message that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It gets the next number, once all messages up to `discard_through` are gone.
    Store {
        discard_through: Option<u64>,
    },
    /// It has been stored before.
    Duplicate {
        sequence: u64,
    },
    Refuse {
        why: &'static str,
    },
}

impl Stream {
    pub(crate) fn new(config: StreamConfig) -> Self {
        Self {
            config,
            messages: BTreeMap::new(),
            last: 0,
            bytes: 0,
            consumers: BTreeMap::new(),
            ids: BTreeMap::new(),
            ids_by_time: VecDeque::new(),
        }
    }

    pub(crate) fn takes(&self, subject: &str) -> bool {
        let mut filters = self.config.subjects.iter();
        filters.any(|filter| subject::matches(filter, subject))
    }

    /// Decides about a message; changes nothing.
    pub(crate) fn admit(&self, message: &Message, id: Option<&str>) -> Admission {
        if let Some(sequence) = id.and_then(|id| self.ids.get(id)) {
            return Admission::Duplicate {
                sequence: *sequence,
            };
        }
        if id.is_some() && self.ids.len() >= self.config.ids_max {
            let why = "too many message ids in the duplicate window";
            return Admission::Refuse { why };
        }
        self.make_room(message.size_bytes())
    }

    fn make_room(&self, size: u64) -> Admission {
        let (mut count, mut bytes) = (self.messages.len() as u64 + 1, self.bytes + size);
        let mut discard_through = None;
        let mut oldest = self.messages.iter();
        while count > self.config.messages_max || bytes > self.config.bytes_max {
            let is_bytes = bytes > self.config.bytes_max;
            let may_go = self.config.discard == Discard::OldSettled;
            match oldest
                .next()
                .filter(|(sequence, _)| may_go && self.is_settled(**sequence))
            {
                Some((sequence, stored)) => {
                    count -= 1;
                    bytes -= stored.message.size_bytes();
                    discard_through = Some(*sequence);
                }
                None if is_bytes => {
                    return Admission::Refuse {
                        why: "maximum bytes exceeded",
                    };
                }
                None => {
                    return Admission::Refuse {
                        why: "maximum messages exceeded",
                    };
                }
            }
        }
        Admission::Store { discard_through }
    }

    fn is_settled(&self, sequence: u64) -> bool {
        let subject = self
            .messages
            .get(&sequence)
            .map(|it| it.message.subject.as_str());
        self.consumers.values().all(|consumer| {
            consumer.has_settled(sequence) || !subject.is_some_and(|it| consumer.wants(it))
        })
    }

    /// Stores a message under the next number.
    pub(crate) fn store(&mut self, stored: Stored) {
        self.last += 1;
        self.bytes += stored.message.size_bytes();
        if let Some(id) = headers::value(&stored.message.headers, headers::MESSAGE_ID) {
            let id = id.to_owned();
            self.ids_by_time.push_back((stored.time_ns, id.clone()));
            self.ids.insert(id, self.last);
        }
        self.messages.insert(self.last, stored);
    }

    /// Drops the messages up to a number.
    pub(crate) fn discard(&mut self, through: u64) {
        let kept = self.messages.split_off(&(through + 1));
        for stored in std::mem::replace(&mut self.messages, kept).values() {
            self.bytes -= stored.message.size_bytes();
        }
    }

    /// Forgets the ids whose window is over.
    pub(crate) fn forget_ids(&mut self, time_ns: u64) {
        let mut window_ns = self.config.duplicate_window.as_nanos() as u64;
        if mutant!("broker.dedup-window-short") {
            window_ns = window_ns.min(100_000_000);
        }
        let is_over = |at_ns: u64| at_ns.saturating_add(window_ns) <= time_ns;
        while self
            .ids_by_time
            .front()
            .is_some_and(|(at_ns, _)| is_over(*at_ns))
        {
            if let Some((_, id)) = self.ids_by_time.pop_front() {
                self.ids.remove(&id);
            }
        }
    }

    /// Forgets all ids: never right.
    pub(crate) fn forget_all_ids(&mut self) {
        self.ids.clear();
        self.ids_by_time.clear();
    }

    /// The number of the first message that is kept, or of the next if none is.
    pub(crate) fn first(&self) -> u64 {
        self.messages
            .keys()
            .next()
            .copied()
            .unwrap_or(self.last + 1)
    }

    /// The first message from a number on that a consumer wants.
    pub(crate) fn first_wanted(&self, from: u64, consumer: &Consumer) -> Option<u64> {
        let mut later = self.messages.range(from..);
        later
            .find(|(_, stored)| consumer.wants(&stored.message.subject))
            .map(|(sequence, _)| *sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::super::consumer::ConsumerConfig;
    use super::*;

    fn message(size: usize) -> Message {
        Message {
            subject: "a".to_owned(),
            payload: vec![0; size],
            ..Message::default()
        }
    }

    fn stream(discard: Discard) -> Stream {
        Stream::new(StreamConfig {
            messages_max: 2,
            bytes_max: 100,
            ids_max: 2,
            duplicate_window: Duration::from_secs(1),
            discard,
            ..StreamConfig::new("s", &["a"])
        })
    }

    fn put(stream: &mut Stream, size: usize, time_ns: u64, id: Option<&str>) -> Admission {
        stream.forget_ids(time_ns);
        let mut message = message(size);
        if let Some(id) = id {
            message.headers = headers::with_header(headers::MESSAGE_ID, id);
        }
        let admission = stream.admit(&message, id);
        if let Admission::Store { discard_through } = admission {
            discard_through
                .into_iter()
                .for_each(|it| stream.discard(it));
            stream.store(Stored { message, time_ns });
        }
        admission
    }

    const STORED: Admission = Admission::Store {
        discard_through: None,
    };

    #[test]
    fn an_id_is_known_again_until_its_window_is_over() {
        let mut stream = stream(Discard::OldSettled);
        assert_eq!(put(&mut stream, 1, 5, Some("x")), STORED);
        assert_eq!(
            put(&mut stream, 1, 1_000_000_004, Some("x")),
            Admission::Duplicate { sequence: 1 }
        );
        assert_eq!(put(&mut stream, 1, 1_000_000_005, Some("x")), STORED);
    }

    #[test]
    fn no_id_is_forgotten_early_for_want_of_room() {
        let mut stream = stream(Discard::OldSettled);
        put(&mut stream, 1, 0, Some("x"));
        put(&mut stream, 1, 0, Some("y"));
        assert!(matches!(
            put(&mut stream, 1, 0, Some("z")),
            Admission::Refuse { .. }
        ));
        assert_eq!(
            put(&mut stream, 1, 0, Some("y")),
            Admission::Duplicate { sequence: 2 }
        );
    }

    #[test]
    fn a_full_stream_refuses_what_is_new() {
        let mut stream = stream(Discard::New);
        assert_eq!(put(&mut stream, 98, 0, None), STORED);
        let why = "maximum bytes exceeded";
        assert_eq!(put(&mut stream, 98, 0, None), Admission::Refuse { why });
        assert_eq!((stream.last, stream.bytes), (1, 99));
    }

    #[test]
    fn a_full_stream_gives_up_what_all_have_settled_and_nothing_else() {
        let mut stream = stream(Discard::OldSettled);
        let mut consumer = Consumer::new(ConsumerConfig::new("c"));
        consumer.deliver(squall_sim::time::Instant::default(), 1, 1, 7);
        stream.consumers.insert("c".to_owned(), consumer);
        put(&mut stream, 1, 0, None);
        put(&mut stream, 1, 0, None);
        let why = "maximum messages exceeded";
        assert_eq!(put(&mut stream, 1, 0, None), Admission::Refuse { why });
        stream.consumers.values_mut().for_each(|it| it.settle(1, 1));
        let discard_through = Some(1);
        assert_eq!(
            put(&mut stream, 1, 0, None),
            Admission::Store { discard_through }
        );
        assert_eq!((stream.first(), stream.last), (2, 3));
    }
}
