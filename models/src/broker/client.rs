//! A client: publishes, subscribes, and takes messages from streams, over connections that may break.
//!
//! One connection at a time and one call at a time. Every future may be dropped half-way: what has been
//! written is remembered to the byte, each request has a reply subject and a subscription of its own that
//! are never used again, and each flush counts its pongs, so **the answer to one request is never taken for that to another**.
//!
//! What is left when a client gives up is honest doubt: [`ClientError::Indeterminate`].

use std::collections::VecDeque;

use serde_json::{Value, json};
use squall_sim::net::{OwnedReadHalf, OwnedWriteHalf, TcpStream};
use squall_sim::rand;
use squall_sim::time::{Duration, Instant, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::headers;
use super::protocol::{Decoder, Limits, Message, Operation};
pub use crate::client_error::ClientError;

/// What a client is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the broker listens.
    pub address: String,
    /// How long an attempt may take. An idle subscriber asks as often whether the broker is there.
    pub attempt_timeout: Duration,
    /// How long a client waits before it tries again, at most.
    pub pause_max: Duration,
}

impl Config {
    /// The usual numbers: 300 ms an attempt, up to 40 ms between them.
    pub fn new(address: String) -> Self {
        Self {
            address,
            attempt_timeout: Duration::from_millis(300),
            pause_max: Duration::from_millis(40),
        }
    }
}

/// What a stream says of a message that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishAck {
    pub sequence: u64,
    /// It had it before.
    pub is_duplicate: bool,
}

/// What a subscriber sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Message(Message),
    /// The connection broke, and has been replaced: messages may have been missed before this moment.
    Gap,
}

/// A message that a consumer has handed over: the holder's until it is acknowledged, or expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub subject: String,
    pub headers: Vec<u8>,
    pub payload: Vec<u8>,
    pub sequence: u64,
    /// The how-manieth delivery of this message it is.
    pub count: u64,
    /// Where acknowledgements go.
    pub reply: String,
}

/// A client of the broker.
pub struct Client {
    config: Config,
    connection: Option<Connection>,
    subscriptions: Vec<(String, Option<String>)>,
    /// For subscriptions that are to be seen by [`Client::next`], in order.
    events: VecDeque<Event>,
    /// A connection with subscriptions has been lost, and the subscriber does not know yet.
    owes_gap: bool,
    /// Names this client's reply subjects apart from everybody else's.
    inbox: String,
    next_request: u64,
}

struct Connection {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    decoder: Decoder,
    /// What has still to be written. A call that is dropped leaves the rest to the next.
    outgoing: Vec<u8>,
    pings: u64,
    pongs: u64,
    /// All subscriptions are in place.
    is_ready: bool,
}

/// What a message is for.
struct Answer {
    /// The subscription's name: that of the request.
    sid: String,
    message: Message,
}

/// What the names of requests begin with.
const REQUEST: &str = "r";
/// Events that wait for the subscriber, at most; one that does not ask for them has a gap.
const EVENTS_MAX: usize = 65_536;

/// The connection is of no use any more.
struct Broken;

impl Client {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            connection: None,
            subscriptions: Vec::new(),
            events: VecDeque::new(),
            owes_gap: false,
            inbox: format!("_INBOX.{:016x}", rand::bits()),
            next_request: 0,
        }
    }

    /// Publishes to whoever listens at the moment. `Ok` says that the broker has passed it on.
    ///
    /// # Errors
    /// If the deadline or the end of the connection comes first: it is not sent twice.
    pub async fn publish_core(
        &mut self,
        subject: &str,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.connect_until(deadline).await?;
        let message = Message {
            subject: subject.to_owned(),
            payload: payload.to_vec(),
            ..Message::default()
        };
        let publish = [Operation::Publish(message)];
        let flush = self.flush_after(&publish);
        match timeout(deadline - Instant::now(), flush).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Broken)) => {
                self.disconnect();
                Err(ClientError::Indeterminate(
                    "the connection broke".to_owned(),
                ))
            }
            Err(_) => {
                self.disconnect();
                Err(ClientError::Indeterminate("no pong in time".to_owned()))
            }
        }
    }

    /// Publishes to a stream, and again under the same id until there is an answer: the stream keeps
    /// it once, as long as its window is not shorter than the time to the deadline.
    ///
    /// # Errors
    /// If the stream refuses, or the deadline comes first.
    pub async fn publish_durable(
        &mut self,
        subject: &str,
        id: &str,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<PublishAck, ClientError> {
        let message = Message {
            subject: subject.to_owned(),
            reply: None,
            headers: headers::with_header(headers::MESSAGE_ID, id),
            payload: payload.to_vec(),
        };
        let mut may_have_happened = false;
        loop {
            let answer = self
                .attempt(message.clone(), &mut may_have_happened, deadline)
                .await;
            if let Some(answer) = answer {
                return conclude(&answer, may_have_happened);
            }
            if Instant::now() >= deadline {
                return Err(ClientError::of(may_have_happened, "no answer in time"));
            }
            self.pause().await;
        }
    }

    /// Subscribes, and stays subscribed: a connection that breaks is replaced in [`Self::next`].
    ///
    /// # Errors
    /// If the broker does not confirm it in time; it is tried again by [`Self::next`].
    pub async fn subscribe(
        &mut self,
        filter: &str,
        queue: Option<&str>,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let queue = queue.map(str::to_owned);
        self.subscriptions.push((filter.to_owned(), queue));
        let number = self.subscriptions.len();
        let had_connection = self.is_connected();
        self.connect_until(deadline).await?;
        if !had_connection {
            return Ok(());
        }
        let subscribe = self.subscribe_operation(number);
        match timeout(deadline - Instant::now(), self.flush_after(&[subscribe])).await {
            Ok(Ok(())) => Ok(()),
            _ => {
                self.disconnect();
                Err(ClientError::Indeterminate(
                    "not confirmed in time".to_owned(),
                ))
            }
        }
    }

    /// The next message of the subscriptions, or a gap in them, which is told once, when the
    /// subscriptions are in place again; `None` if there is neither in time.
    pub async fn next(&mut self, deadline: Instant) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let left = deadline - Instant::now();
            if left.is_zero()
                || (!self.is_connected() && self.connect_until(deadline).await.is_err())
            {
                return None;
            }
            if std::mem::take(&mut self.owes_gap) {
                return Some(Event::Gap);
            }
            let patience = self.config.attempt_timeout;
            match timeout(patience.min(left), self.receive()).await {
                Ok(Ok(_)) => {}
                Ok(Err(Broken)) => self.disconnect(),
                // Is the broker still there?
                Err(_) if left > patience => {
                    let alive = timeout(patience, self.flush_after(&[])).await;
                    if !matches!(alive, Ok(Ok(()))) {
                        self.disconnect();
                    }
                }
                Err(_) => return None,
            }
        }
    }

    /// Takes the next message of a consumer; `None` if there is none in time.
    pub async fn fetch(
        &mut self,
        stream: &str,
        consumer: &str,
        deadline: Instant,
    ) -> Option<Delivery> {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        while Instant::now() < deadline {
            // The request is over well before the client gives up: what is delivered is received.
            let left = (deadline - Instant::now()).min(self.config.attempt_timeout);
            let expires_ns = left.as_nanos() as u64 / 2;
            let message = Message {
                subject: subject.clone(),
                payload: json!({"batch": 1, "expires": expires_ns.max(1)})
                    .to_string()
                    .into_bytes(),
                ..Message::default()
            };
            match self.attempt(message, &mut false, deadline).await {
                Some(answer) if headers::status(&answer.headers).is_none() => {
                    if let Some(delivery) = delivery(answer) {
                        return Some(delivery);
                    }
                }
                Some(answer) if headers::status(&answer.headers) == Some(408) => {}
                _ => self.pause().await,
            }
        }
        None
    }

    /// Says that a delivery is done with. `Ok` says that this is durable: it is never delivered again.
    ///
    /// # Errors
    /// If the deadline comes first. One that has been superseded by a later delivery is not answered.
    pub async fn ack(&mut self, delivery: &Delivery, deadline: Instant) -> Result<(), ClientError> {
        self.acknowledge(delivery, "+ACK", deadline).await
    }

    /// Gives a delivery back, for somebody else.
    ///
    /// # Errors
    /// As [`Self::ack`].
    pub async fn nak(&mut self, delivery: &Delivery, deadline: Instant) -> Result<(), ClientError> {
        self.acknowledge(delivery, "-NAK", deadline).await
    }

    /// Asks for another `ack_wait` from now on.
    ///
    /// # Errors
    /// As [`Self::ack`].
    pub async fn in_progress(
        &mut self,
        delivery: &Delivery,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.acknowledge(delivery, "+WPI", deadline).await
    }

    async fn acknowledge(
        &mut self,
        delivery: &Delivery,
        verb: &str,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let message = Message {
            subject: delivery.reply.clone(),
            payload: verb.as_bytes().to_vec(),
            ..Message::default()
        };
        let mut may_have_happened = false;
        loop {
            let answer = self
                .attempt(message.clone(), &mut may_have_happened, deadline)
                .await;
            if answer.is_some_and(|answer| headers::status(&answer.headers).is_none()) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ClientError::of(may_have_happened, "no answer in time"));
            }
            self.pause().await;
        }
    }

    /// Sends a request once and waits for its answer.
    async fn attempt(
        &mut self,
        mut message: Message,
        may_have_happened: &mut bool,
        deadline: Instant,
    ) -> Option<Message> {
        let patience = self.config.attempt_timeout.min(deadline - Instant::now());
        if !self.is_connected() && !matches!(timeout(patience, self.connect()).await, Ok(Ok(()))) {
            self.disconnect();
            return None;
        }
        self.next_request += 1;
        let sid = format!("{REQUEST}{}", self.next_request);
        message.reply = Some(format!("{}.{sid}", self.inbox));
        match timeout(patience, self.exchange(message, sid)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(Broken)) | Err(_) => {
                *may_have_happened = true;
                self.disconnect();
                None
            }
        }
    }

    async fn exchange(&mut self, request: Message, sid: String) -> Result<Message, Broken> {
        let connection = self.connection.as_mut().ok_or(Broken)?;
        let subscribe = Operation::Subscribe {
            filter: request.reply.clone().unwrap_or_default(),
            queue: None,
            sid: sid.clone(),
        };
        let unsubscribe = Operation::Unsubscribe {
            sid: sid.clone(),
            max: Some(1),
        };
        for operation in [subscribe, unsubscribe, Operation::Publish(request)] {
            operation.encode(&mut connection.outgoing);
        }
        connection.flush().await?;
        loop {
            // The answers to requests that were given up come to nobody.
            if let Some(answer) = self.receive().await?.filter(|answer| answer.sid == sid) {
                return Ok(answer.message);
            }
        }
    }

    /// Whether there is a connection on which all subscriptions are in place, as far as is known here.
    pub fn is_connected(&self) -> bool {
        self.connection.as_ref().is_some_and(|it| it.is_ready)
    }

    /// Connects until it succeeds or the deadline comes.
    async fn connect_until(&mut self, deadline: Instant) -> Result<(), ClientError> {
        while !self.is_connected() {
            let patience = self.config.attempt_timeout.min(deadline - Instant::now());
            if matches!(timeout(patience, self.connect()).await, Ok(Ok(()))) {
                break;
            }
            self.disconnect();
            if Instant::now() >= deadline {
                return Err(ClientError::NotDone("no connection in time".to_owned()));
            }
            self.pause().await;
        }
        Ok(())
    }

    /// Connects, and subscribes to everything again.
    async fn connect(&mut self) -> Result<(), Broken> {
        let stream = TcpStream::connect(&self.config.address)
            .await
            .map_err(|_| Broken)?;
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        self.connection = Some(Connection {
            read,
            write,
            decoder: Decoder::new(Limits::default()),
            outgoing: Vec::new(),
            pings: 0,
            pongs: 0,
            is_ready: false,
        });
        let options = json!({"verbose": false, "pedantic": false, "headers": true,
            "no_responders": true, "echo": true, "lang": "squall", "version": "1", "protocol": 1});
        let mut operations = vec![Operation::Connect(options.to_string())];
        operations.extend((1..=self.subscriptions.len()).map(|it| self.subscribe_operation(it)));
        self.flush_after(&operations).await?;
        if let Some(connection) = &mut self.connection {
            connection.is_ready = true;
        }
        Ok(())
    }

    fn subscribe_operation(&self, number: usize) -> Operation {
        let (filter, queue) = self.subscriptions[number - 1].clone();
        let sid = number.to_string();
        Operation::Subscribe { filter, queue, sid }
    }

    fn disconnect(&mut self) {
        let was_ready = self.connection.take().is_some_and(|it| it.is_ready);
        if was_ready && !self.subscriptions.is_empty() {
            self.owes_gap = true;
        }
    }

    async fn pause(&self) {
        let pause_ns = self.config.pause_max.as_nanos() as u64;
        sleep(Duration::from_nanos(rand::below(pause_ns.max(1)))).await;
    }

    /// Sends operations, and waits until the broker has carried them out.
    async fn flush_after(&mut self, operations: &[Operation]) -> Result<(), Broken> {
        let connection = self.connection.as_mut().ok_or(Broken)?;
        for operation in operations {
            operation.encode(&mut connection.outgoing);
        }
        Operation::Ping.encode(&mut connection.outgoing);
        connection.pings += 1;
        let ping = connection.pings;
        connection.flush().await?;
        while self.connection.as_ref().is_some_and(|it| it.pongs < ping) {
            self.receive().await?;
        }
        Ok(())
    }

    /// Takes one operation in. Answers to requests are returned, messages of subscriptions kept.
    async fn receive(&mut self) -> Result<Option<Answer>, Broken> {
        let connection = self.connection.as_mut().ok_or(Broken)?;
        match connection.receive().await? {
            Operation::Ping => {
                Operation::Pong.encode(&mut connection.outgoing);
                connection.flush().await?;
            }
            Operation::Pong => connection.pongs += 1,
            Operation::Deliver { sid, message } if sid.starts_with(REQUEST) => {
                return Ok(Some(Answer { sid, message }));
            }
            Operation::Deliver { message, .. } => {
                if self.events.len() >= EVENTS_MAX {
                    self.events.clear();
                    self.events.push_back(Event::Gap);
                }
                self.events.push_back(Event::Message(message));
            }
            // What the broker complains about, it follows up by closing.
            Operation::Error(_) => return Err(Broken),
            _ => {}
        }
        Ok(None)
    }
}

impl Connection {
    /// Writes what is outgoing. May be dropped and called again.
    async fn flush(&mut self) -> Result<(), Broken> {
        while !self.outgoing.is_empty() {
            let written = self.write.write(&self.outgoing).await.map_err(|_| Broken)?;
            if written == 0 {
                return Err(Broken);
            }
            self.outgoing.drain(..written);
        }
        Ok(())
    }

    /// The next operation. May be dropped and called again.
    async fn receive(&mut self) -> Result<Operation, Broken> {
        let mut buffer = [0; 4_096];
        loop {
            match self.decoder.next() {
                Ok(Some(operation)) => return Ok(operation),
                Ok(None) => {}
                Err(_) => return Err(Broken),
            }
            match self.read.read(&mut buffer).await {
                Ok(length) if length > 0 => self.decoder.push(&buffer[..length]),
                Ok(_) | Err(_) => return Err(Broken),
            }
        }
    }
}

fn conclude(answer: &Message, may_have_happened: bool) -> Result<PublishAck, ClientError> {
    if headers::status(&answer.headers) == Some(503) {
        return Err(ClientError::of(
            may_have_happened,
            "no stream takes this subject",
        ));
    }
    let value: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
    if let Some(sequence) = value.get("seq").and_then(Value::as_u64) {
        let is_duplicate = value.get("duplicate") == Some(&Value::Bool(true));
        return Ok(PublishAck {
            sequence,
            is_duplicate,
        });
    }
    let why = value.pointer("/error/description").and_then(Value::as_str);
    Err(ClientError::of(
        may_have_happened,
        why.unwrap_or("an answer that makes no sense"),
    ))
}

/// A message of a consumer, with the numbers in its reply subject.
fn delivery(message: Message) -> Option<Delivery> {
    let reply = message.reply?;
    let words: Vec<&str> = reply.split('.').collect();
    let count = words.get(4)?.parse().ok()?;
    let sequence = words.get(5)?.parse().ok()?;
    Some(Delivery {
        subject: message.subject,
        headers: message.headers,
        payload: message.payload,
        sequence,
        count,
        reply,
    })
}
