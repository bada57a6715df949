//! JetStream's API in JSON: as much of it as the broker can keep, and errors for the rest.
//!
//! | request | does |
//! |---|---|
//! | `INFO` | how much there is |
//! | `STREAM.CREATE.<s>`, `STREAM.INFO.<s>`, `STREAM.NAMES` | streams on disk, one replica, kept within limits |
//! | `CONSUMER.CREATE.<s>.<c>[.<filter>]`, `CONSUMER.DURABLE.CREATE.<s>.<c>`, `CONSUMER.INFO.<s>.<c>` | durable pull consumers with explicit acknowledgement |
//! | `CONSUMER.MSG.NEXT.<s>.<c>` | a number, or `batch`, `expires`, `no_wait`, `idle_heartbeat` |
//!
//! A setting that would change what is promised, and that the broker does not have, is refused.

use serde_json::{Value, json};
use squall_sim::time::{Duration, Instant};

use super::consumer::{Consumer, ConsumerConfig};
use super::pull::Pull;
use super::stream::{Discard, Stream, StreamConfig};
use super::{Refusal, Streams};
use crate::broker::protocol::Message;

/// The broker knows no calendar: it has been made at the beginning of time.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// JetStream's form of an error.
pub(super) fn error(code: u16, number: u32, description: &str) -> Value {
    json!({"error": {"code": code, "err_code": number, "description": description}})
}

const BAD_REQUEST: Refusal = Refusal(400, 10_025, "invalid JSON");
const NO_STREAM: Refusal = Refusal(404, 10_059, "stream not found");
const NO_CONSUMER: Refusal = Refusal(404, 10_014, "consumer not found");

impl Streams {
    pub(super) fn take_request(
        &mut self,
        now: Instant,
        from: u64,
        request: &str,
        message: Message,
    ) {
        let Some(reply) = message.reply else {
            return;
        };
        let words: Vec<&str> = request.split('.').collect();
        if let ["CONSUMER", "MSG", "NEXT", stream, consumer] = *words {
            return match self.find_consumer(stream, consumer) {
                Ok(_) => match pull(now, from, reply.clone(), &message.payload) {
                    Some(pull) => self.add_pull(stream, consumer, pull),
                    None => self.answer_status(&reply, 400, "Bad Request"),
                },
                // As nobody listens to requests for a consumer that is not.
                Err(_) => self.answer_status(&reply, 503, ""),
            };
        }
        let answer = self.carry_out(&words, &message.payload);
        let answer = answer.unwrap_or_else(|it| error(it.0, it.1, it.2));
        self.answer(reply, answer.to_string().into_bytes());
    }

    fn carry_out(&mut self, words: &[&str], payload: &[u8]) -> Result<Value, Refusal> {
        match *words {
            ["INFO"] => Ok(self.account_info()),
            ["STREAM", "NAMES"] => {
                let names: Vec<&String> = self.streams.keys().collect();
                let count = names.len();
                Ok(json!({"total": count, "offset": 0, "limit": 1024, "streams": names}))
            }
            ["STREAM", "INFO", name] => self.streams.get(name).map(stream_info).ok_or(NO_STREAM),
            ["STREAM", "CREATE", name] => {
                self.create_stream(stream_config(name, payload)?)?;
                self.streams.get(name).map(stream_info).ok_or(NO_STREAM)
            }
            ["CONSUMER", "INFO", stream, name] => {
                let (found, consumer) = self.find_consumer(stream, name)?;
                Ok(consumer_info(found, consumer))
            }
            ["CONSUMER", "DURABLE", "CREATE", stream, name]
            | ["CONSUMER", "CREATE", stream, name, ..] => {
                self.create_consumer(stream, consumer_config(name, payload)?)?;
                let (found, consumer) = self.find_consumer(stream, name)?;
                Ok(consumer_info(found, consumer))
            }
            _ => Err(Refusal(
                501,
                10_003,
                "this broker does not have this request",
            )),
        }
    }

    fn find_consumer(&self, stream: &str, name: &str) -> Result<(&Stream, &Consumer), Refusal> {
        let stream = self.streams.get(stream).ok_or(NO_STREAM)?;
        let consumer = stream.consumers.get(name).ok_or(NO_CONSUMER)?;
        Ok((stream, consumer))
    }

    fn account_info(&self) -> Value {
        let bytes: u64 = self.streams.values().map(|it| it.bytes).sum();
        let consumers: usize = self.streams.values().map(|it| it.consumers.len()).sum();
        json!({
            "type": "io.nats.jetstream.api.v1.account_info_response",
            "memory": 0, "storage": bytes, "reserved_memory": 0, "reserved_storage": 0,
            "streams": self.streams.len(), "consumers": consumers,
            "limits": {"max_memory": -1, "max_storage": -1, "max_streams": -1, "max_consumers": -1,
                "max_ack_pending": -1, "memory_max_stream_bytes": -1, "storage_max_stream_bytes": -1,
                "max_bytes_required": false},
            "api": {"total": 0, "errors": 0},
        })
    }
}

fn object(payload: &[u8]) -> Result<Value, Refusal> {
    let value: Value = serde_json::from_slice(payload).map_err(|_| BAD_REQUEST)?;
    value.is_object().then_some(value).ok_or(BAD_REQUEST)
}

/// Refuses a field that asks for something else than the broker has.
fn require(
    value: &Value,
    field: &str,
    expected: &[Value],
    why: &'static str,
) -> Result<(), Refusal> {
    match value.get(field) {
        None | Some(Value::Null) => Ok(()),
        Some(found) if expected.contains(found) => Ok(()),
        Some(_) => Err(Refusal(400, 10_052, why)),
    }
}

/// A number that JetStream takes as a limit where it is positive.
fn limit(value: &Value, field: &str) -> Option<u64> {
    value.get(field)?.as_u64().filter(|it| *it > 0)
}

fn stream_config(name: &str, payload: &[u8]) -> Result<StreamConfig, Refusal> {
    let value = object(payload)?;
    require(
        &value,
        "name",
        &[json!(name)],
        "the names in subject and request differ",
    )?;
    require(
        &value,
        "retention",
        &[json!("limits")],
        "only the retention policy `limits` is there",
    )?;
    require(
        &value,
        "storage",
        &[json!("file")],
        "only storage in files is there",
    )?;
    require(
        &value,
        "num_replicas",
        &[json!(0), json!(1)],
        "only one replica is there",
    )?;
    require(&value, "max_age", &[json!(0)], "no limit on age is there")?;
    let unlimited = [json!(0), json!(-1)];
    require(
        &value,
        "max_msgs_per_subject",
        &unlimited,
        "no limit by subject is there",
    )?;
    require(&value, "no_ack", &[json!(false)], "streams acknowledge")?;
    for field in ["mirror", "sources", "republish", "subject_transform"] {
        require(
            &value,
            field,
            &[json!([])],
            "no mirrors, sources, republishing and transforms are there",
        )?;
    }
    let subjects: Vec<&str> = match value.get("subjects").and_then(Value::as_array) {
        Some(subjects) => subjects.iter().filter_map(Value::as_str).collect(),
        None => vec![name],
    };
    let mut config = StreamConfig::new(name, &subjects);
    config.messages_max = limit(&value, "max_msgs").unwrap_or(config.messages_max);
    let bytes_max = limit(&value, "max_bytes").unwrap_or(config.bytes_max);
    config.bytes_max = bytes_max.min(config.bytes_max);
    if let Some(window_ns) = limit(&value, "duplicate_window") {
        config.duplicate_window = Duration::from_nanos(window_ns);
    }
    if value.get("discard").and_then(Value::as_str) == Some("new") {
        config.discard = Discard::New;
    }
    Ok(config)
}

fn stream_info(stream: &Stream) -> Value {
    let config = &stream.config;
    let discard = match config.discard {
        Discard::New => "new",
        Discard::OldSettled => "old",
    };
    json!({
        "type": "io.nats.jetstream.api.v1.stream_create_response",
        "config": {
            "name": config.name, "subjects": config.subjects, "retention": "limits",
            "max_consumers": super::CONSUMERS_MAX, "max_msgs": config.messages_max,
            "max_bytes": config.bytes_max, "max_age": 0, "max_msgs_per_subject": -1,
            "max_msg_size": -1, "discard": discard, "storage": "file", "num_replicas": 1,
            "duplicate_window": config.duplicate_window.as_nanos() as u64,
        },
        "created": CREATED,
        "state": {
            "messages": stream.messages.len(), "bytes": stream.bytes,
            "first_seq": stream.first(), "first_ts": CREATED,
            "last_seq": stream.last, "last_ts": CREATED,
            "consumer_count": stream.consumers.len(),
        },
    })
}

fn consumer_config(name: &str, payload: &[u8]) -> Result<ConsumerConfig, Refusal> {
    let request = object(payload)?;
    let value = request.get("config").cloned().unwrap_or_default();
    let none = [json!("")];
    require(
        &value,
        "deliver_subject",
        &none,
        "only pull consumers are there",
    )?;
    require(
        &value,
        "ack_policy",
        &[json!("explicit")],
        "only explicit acknowledgement is there",
    )?;
    require(
        &value,
        "deliver_policy",
        &[json!("all")],
        "consumers begin at the first message",
    )?;
    require(
        &value,
        "replay_policy",
        &[json!("instant")],
        "messages are replayed at once",
    )?;
    require(
        &value,
        "max_deliver",
        &[json!(0), json!(-1)],
        "no limit on deliveries is there",
    )?;
    for field in ["filter_subjects", "backoff"] {
        require(
            &value,
            field,
            &[json!([])],
            "only one filter and one ack wait are there",
        )?;
    }
    let mut config = ConsumerConfig::new(name);
    let filter = value.get("filter_subject").and_then(Value::as_str);
    config.filter = filter.filter(|it| !it.is_empty()).map(str::to_owned);
    if let Some(wait_ns) = limit(&value, "ack_wait") {
        config.ack_wait = Duration::from_nanos(wait_ns);
    }
    if let Some(pending) = limit(&value, "max_ack_pending") {
        let pending = usize::try_from(pending).unwrap_or(usize::MAX);
        config.pending_max = pending.min(config.pending_max);
    }
    Ok(config)
}

fn consumer_info(stream: &Stream, consumer: &Consumer) -> Value {
    let config = &consumer.config;
    let to_come = stream.messages.range(consumer.next()..);
    let to_come = to_come
        .filter(|(_, it)| consumer.wants(&it.message.subject))
        .count();
    let mut fields = json!({
        "durable_name": config.name, "name": config.name, "deliver_policy": "all",
        "ack_policy": "explicit", "ack_wait": config.ack_wait.as_nanos() as u64,
        "max_deliver": -1, "replay_policy": "instant", "max_ack_pending": config.pending_max,
    });
    if let Some(filter) = &config.filter {
        fields["filter_subject"] = json!(filter);
    }
    json!({
        "type": "io.nats.jetstream.api.v1.consumer_create_response",
        "stream_name": stream.config.name, "name": config.name, "created": CREATED,
        "config": fields,
        "delivered": {"consumer_seq": consumer.deliveries(), "stream_seq": consumer.next() - 1},
        "ack_floor": {"consumer_seq": 0, "stream_seq": consumer.floor()},
        "num_ack_pending": consumer.pending_count(),
        "num_redelivered": consumer.redelivered_count(),
        "num_waiting": 0, "num_pending": to_come,
    })
}

/// The request for messages: nothing, a number, or JSON.
fn pull(now: Instant, connection: u64, reply: String, payload: &[u8]) -> Option<Pull> {
    let value: Value = match payload {
        b"" => json!(1),
        payload => serde_json::from_slice(payload).ok()?,
    };
    let duration = |field| limit(&value, field).map(Duration::from_nanos);
    let every = duration("idle_heartbeat").map(|every| every.max(Duration::from_millis(10)));
    Some(Pull {
        connection,
        reply,
        batch: value
            .as_u64()
            .or_else(|| limit(&value, "batch"))
            .unwrap_or(1),
        expires: duration("expires").map(|expires| now + expires),
        is_no_wait: value
            .get("no_wait")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        heartbeat: every.map(|every| (every, now + every)),
    })
}
