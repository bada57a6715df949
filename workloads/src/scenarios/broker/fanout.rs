//! Fan-out: what is delivered was published, in order, and gaps are told.

use squall_checkers::history::Value;
use squall_checkers::named::fanout::{self, FanoutOptions};
use squall_checkers::{History, Verdict};
use squall_models::broker::client::{Client, Event};
use squall_sim::time::{Duration, Instant};

use super::system;
use crate::clients::FinalOperation;
use crate::generator::{self, Shape};
use crate::nemesis::{self, Machines};
use crate::plan::{ClientPlan, Plan, PlannedOperation, Seed};
use crate::record::Record;
use crate::scenario::{Scenario, misfit};
use crate::scenarios::draft::{self, MS};
use crate::system::{Completion, Connection, LocalFuture};

/// How long a subscriber waits for the next message before it goes on to other things.
const LULL: Duration = Duration::from_millis(60);
/// The same at the end: so long that the client asks whether the broker still knows it, which one that
/// was cut off in silence would not otherwise learn.
const FINAL_LULL: Duration = Duration::from_secs(3);
/// When publishers publish once more, after all is quiet: by then every subscriber is back.
const LAST_NS: u64 = 2_000 * MS;
/// The number of what publishers publish when all is quiet.
const LAST_NUMBER: i64 = 1_000_000;
/// Added to a publisher's id each time that it begins anew.
const REBIRTH: i64 = 1_000;
/// Messages that one poll takes, at most; the last poll takes all.
const POLL_MAX: usize = 64;

/// Publishers that count, and subscribers that are sometimes slow.
pub const FANOUT: Scenario = Scenario {
    id: "broker/fanout",
    about: "broker: subscribers get what is published, in order of each publisher, and are told of gaps",
    plan,
    system: |plan| system(plan, connect),
    initially: |_| Vec::new(),
    finally: |plan| {
        let last = |client| FinalOperation {
            client,
            operation: match subscribes(client) {
                true => poll(client, Value::Text("final".to_owned())),
                false => PlannedOperation {
                    wait_ns: LAST_NS,
                    ..publish(client, LAST_NUMBER)
                },
            },
        };
        (0..plan.clients.len() as u32).map(last).collect()
    },
    check,
};

/// Every other client subscribes; the others publish.
fn subscribes(client: u32) -> bool {
    client % 2 == 1
}

fn publish(client: u32, number: i64) -> PlannedOperation {
    let message = vec![Value::Int(i64::from(client)), Value::Int(number)];
    generator::operation("publish", Value::List(message))
}

fn poll(client: u32, value: Value) -> PlannedOperation {
    PlannedOperation {
        key: Some(Value::Int(i64::from(client))),
        ..generator::operation("poll", value)
    }
}

fn plan(scenario: &Scenario, seed: Seed, mutant: Option<String>) -> Plan {
    let key = draft::key(seed);
    let draft = draft::plan(scenario, seed, mutant, 1);
    let shape = draft::shape(key.label("shape"), &draft, &[100, 250]);
    let machines = Machines {
        servers: 1,
        clients: shape.clients as u32,
    };
    Plan {
        knobs: draft::knobs(
            key.label("knobs"),
            &[
                ("padding-bytes", &[0, 1_000, 8_000]),
                ("pending-bytes", &[10_000, 100_000]),
                ("attempt-timeout-ms", &[200, 500]),
            ],
        ),
        clients: generate(key.label("workload"), &shape),
        faults: nemesis::random(
            key.label("faults"),
            &nemesis::LONE_SERVER,
            machines,
            &draft.phases,
        ),
        ..draft
    }
}

fn generate(key: squall_sim::keyed::Key, shape: &Shape) -> Vec<ClientPlan> {
    let mut clients = generator::unique(key, shape, "publish");
    for (client, plan) in clients.iter_mut().enumerate() {
        for (number, operation) in plan.operations.iter_mut().enumerate() {
            let wait_ns = operation.wait_ns;
            *operation = if subscribes(client as u32) {
                poll(client as u32, Value::Nil)
            } else {
                publish(client as u32, number as i64)
            };
            operation.wait_ns = wait_ns;
        }
    }
    clients
}

fn check(_: &Plan, _: &Record, history: &History) -> Verdict {
    let options = FanoutOptions { drained: false };
    fanout::check(history, &options).unwrap_or_else(|error| misfit(&error))
}

fn connect(client: Client, _: u32, plan: &Plan) -> Box<dyn Connection> {
    Box::new(Participant {
        client,
        is_subscribed: false,
        births: 0,
        is_in_doubt: false,
        padding_bytes: plan.knob("padding-bytes", 0) as usize,
    })
}

struct Participant {
    client: Client,
    is_subscribed: bool,
    births: i64,
    /// What became of the last message is not known: it may yet arrive, behind later ones.
    is_in_doubt: bool,
    /// What is put behind each message, so that the buffers of slow subscribers fill up.
    padding_bytes: usize,
}

impl Connection for Participant {
    /// A publisher is a connection: messages in doubt may come after those of the next one.
    fn prepare(&mut self, operation: &PlannedOperation) -> Option<PlannedOperation> {
        let Value::List(message) = &operation.value else {
            return Some(operation.clone());
        };
        self.births += i64::from(std::mem::take(&mut self.is_in_doubt));
        let [Value::Int(publisher), number] = &message[..] else {
            return Some(operation.clone());
        };
        let publisher = Value::Int(publisher + self.births * REBIRTH);
        Some(PlannedOperation {
            value: Value::List(vec![publisher, number.clone()]),
            ..operation.clone()
        })
    }

    fn perform<'a>(
        &'a mut self,
        operation: &'a PlannedOperation,
        deadline: Instant,
    ) -> LocalFuture<'a, Completion> {
        Box::pin(async move {
            match (operation.f.as_str(), &operation.value) {
                ("publish", Value::List(message)) if message.len() == 2 => {
                    self.publish(operation, deadline).await
                }
                ("poll", Value::Nil) => self.poll(LULL, POLL_MAX, deadline).await,
                ("poll", _) => self.poll(FINAL_LULL, usize::MAX, deadline).await,
                _ => operation.unknown(),
            }
        })
    }
}

impl Participant {
    async fn publish(&mut self, operation: &PlannedOperation, deadline: Instant) -> Completion {
        let Value::List(message) = &operation.value else {
            return operation.unknown();
        };
        let subject = format!("news.{}", message[0]);
        let payload = format!("{} {}", message[0], message[1]);
        let payload = payload + &".".repeat(self.padding_bytes);
        let published = self
            .client
            .publish_core(&subject, payload.as_bytes(), deadline);
        self.is_in_doubt = true;
        match published.await {
            Ok(()) => {
                self.is_in_doubt = false;
                Completion::Ok(operation.value.clone())
            }
            Err(error) => error.into(),
        }
    }

    /// What has come since the last time: the first poll subscribes.
    async fn poll(&mut self, lull: Duration, max: usize, deadline: Instant) -> Completion {
        if !self.is_subscribed {
            // From here on the client subscribes again and again by itself, whatever comes of this.
            self.is_subscribed = true;
            if let Err(error) = self.client.subscribe("news.*", None, deadline).await {
                return Completion::Fail(error.to_string());
            }
        }
        let mut received = Vec::new();
        while received.len() < max {
            let end = (Instant::now() + lull).min(deadline);
            match self.client.next(end).await {
                Some(Event::Message(message)) => received.push(message_of(&message.payload)),
                Some(Event::Gap) => received.push(Value::Text("gap".to_owned())),
                None => break,
            }
        }
        // Whoever is not connected has taken nothing, and is not subscribed as yet.
        match received.is_empty() && !self.client.is_connected() {
            true => Completion::Fail("no connection".to_owned()),
            false => Completion::Ok(Value::List(received)),
        }
    }
}

fn message_of(payload: &[u8]) -> Value {
    let text = String::from_utf8_lossy(payload);
    let unpadded = text.trim_end_matches('.');
    let numbers = unpadded
        .split(' ')
        .map(str::parse)
        .map(|number| match number {
            Ok(number) => Value::Int(number),
            Err(_) => Value::Text(unpadded.to_owned()),
        });
    Value::List(numbers.collect())
}
