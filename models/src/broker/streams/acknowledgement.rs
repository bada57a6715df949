//! What holders say of their deliveries: `+ACK`, `-NAK`, `+WPI` and `+TERM`.
//!
//! An acknowledgement with a reply subject is answered once it is durable (the *double ack*). One from a
//! holder that has been superseded changes nothing and is not answered: it would be a false promise.

use squall_sim::mutant;
use squall_sim::time::Instant;

use super::consumer::Standing;
use super::{Delivery, Effect, Record, Streams};
use crate::broker::protocol::Message;
use crate::broker::truth::Truth;

/// `<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<tm>.<pending>`
fn parse(words: &str) -> Option<Delivery> {
    let words: Vec<&str> = words.split('.').collect();
    let [stream, consumer, count, sequence, _, _, _] = words.as_slice() else {
        return None;
    };
    Some(Delivery {
        stream: (*stream).to_owned(),
        consumer: (*consumer).to_owned(),
        sequence: sequence.parse().ok()?,
        count: count.parse().ok()?,
    })
}

impl Streams {
    pub(super) fn take_acknowledgement(&mut self, now: Instant, words: &str, message: &Message) {
        let Some(delivery) = parse(words) else {
            return;
        };
        let Some(consumer) = self
            .streams
            .get_mut(&delivery.stream)
            .and_then(|stream| stream.consumers.get_mut(&delivery.consumer))
        else {
            return;
        };
        let Delivery {
            sequence, count, ..
        } = delivery;
        match consumer.standing(sequence, count) {
            Standing::Holds => {}
            Standing::HasSettled => return self.confirm(message),
            Standing::Superseded => {
                let truth = Truth::Fenced { delivery };
                return self.output.effects.push(Effect::Emit(truth));
            }
        }
        let verb = message.payload.split(|byte| *byte == b' ').next();
        let truth = match verb.unwrap_or_default() {
            b"" | b"+ACK" | b"+OK" | b"+TERM" => {
                consumer.settle(sequence, count);
                if !mutant!("broker.ack-not-persisted") {
                    self.output.records.push(Record::Settled(delivery.clone()));
                }
                Truth::Settled { delivery }
            }
            b"-NAK" => {
                consumer.release(sequence);
                Truth::Returned { delivery }
            }
            b"+WPI" => match consumer.extend(now, sequence) {
                Some(expires) => {
                    let expires_ns = expires.as_nanos();
                    Truth::Extended {
                        delivery,
                        expires_ns,
                    }
                }
                None => Truth::Fenced { delivery },
            },
            _ => return,
        };
        self.output.effects.push(Effect::Emit(truth));
        self.confirm(message);
    }

    fn confirm(&mut self, message: &Message) {
        if let Some(reply) = message.reply.clone() {
            self.answer(reply, Vec::new());
        }
    }
}
