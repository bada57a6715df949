//! A queue: nothing acknowledged is lost, and a message has one holder at a time.

use squall_checkers::history::Value;
use squall_checkers::named::queue::{self, Delivery as Guarantee, QueueOptions};
use squall_checkers::{History, Verdict};
use squall_models::broker::client::{Client, Delivery};
use squall_sim::keyed::Key;
use squall_sim::time::{Duration, Instant};

use super::{CONSUMER, STREAM, SUBJECT, ack_wait, system};
use crate::clients::FinalOperation;
use crate::generator::{self, Shape, padded, unpadded};
use crate::nemesis::{self, Machines, scripts};
use crate::plan::{ClientPlan, Episode, Phases, Plan, PlannedOperation, Seed};
use crate::record::Record;
use crate::scenario::{Scenario, misfit};
use crate::scenarios::draft::{self, MS};
use crate::system::{Completion, Connection, LocalFuture};

/// Messages that are published with an id until the stream has them, and consumers that pull.
pub const QUEUE: Scenario = Scenario {
    id: "broker/queue",
    about: "broker: nothing acknowledged is lost, stored once, and held by one consumer at a time",
    plan,
    system: |plan| system(plan, connect),
    initially: |_| Vec::new(),
    finally: |plan| {
        let drain = |client| FinalOperation {
            client,
            operation: generator::operation("drain", Value::Nil),
        };
        (0..plan.clients.len() as u32).map(drain).collect()
    },
    check,
};

fn plan(scenario: &Scenario, seed: Seed, mutant: Option<String>) -> Plan {
    let key = draft::key(seed);
    let draft = draft::plan(scenario, seed, mutant, 1);
    let shape = draft::shape(key.label("shape"), &draft, &[50, 100]);
    let phases = Phases {
        // What is left has to be drained, and what was held to expire before that.
        end_ns: draft.phases.end_ns + 20_000 * MS,
        ..draft.phases
    };
    Plan {
        knobs: draft::knobs(
            key.label("knobs"),
            &[
                ("ack-wait-ms", &[300, 1_000]),
                ("padding-bytes", &[0, 300, 1_200]),
                ("segment-bytes", &[2_000, 10_000, 64_000]),
                ("attempt-timeout-ms", &[200, 500, 900]),
            ],
        ),
        clients: generate(key.label("workload"), &shape),
        faults: faults(key.label("faults"), shape.clients as u32, &phases),
        phases,
        ..draft
    }
}

/// Every client does everything: it publishes, and takes, and settles what it has taken.
fn generate(key: Key, shape: &Shape) -> Vec<ClientPlan> {
    generator::unkeyed(key, shape, |key, number| match key.label("f").below(16) {
        0..5 => ("enqueue", Value::Int(number)),
        5..10 => ("dequeue", Value::Nil),
        10..15 => ("ack", Value::Nil),
        _ => ("nak", Value::Nil),
    })
}

fn faults(key: Key, clients: u32, phases: &Phases) -> Vec<Episode> {
    let machines = Machines {
        servers: 1,
        clients,
    };
    match key.label("nemesis").below(12) {
        0..3 => scripts::power_cycles(key.label("power-cycles"), 1, phases),
        3 => scripts::failed_syncs(key.label("failed-syncs"), phases),
        _ => nemesis::random(key.label("random"), &nemesis::LONE_SERVER, machines, phases),
    }
}

fn check(plan: &Plan, _: &Record, history: &History) -> Verdict {
    let options = QueueOptions {
        delivery: Guarantee::AtLeastOnce,
        hold_ns: Some(ack_wait(plan).as_nanos() as u64),
        drained: false,
    };
    queue::check(history, &options).unwrap_or_else(|error| misfit(&error))
}

fn connect(client: Client, _: u32, plan: &Plan) -> Box<dyn Connection> {
    Box::new(Worker {
        client,
        held: None,
        padding_bytes: plan.knob("padding-bytes", 0) as usize,
        ack_wait: ack_wait(plan),
    })
}

struct Worker {
    client: Client,
    held: Option<Delivery>,
    /// What is put behind each value, so that frames of the journal span sectors.
    padding_bytes: usize,
    ack_wait: Duration,
}

impl Connection for Worker {
    /// What is settled is what is held.
    fn prepare(&mut self, operation: &PlannedOperation) -> Option<PlannedOperation> {
        match operation.f.as_str() {
            "ack" | "nak" => Some(PlannedOperation {
                value: value_of(self.held.as_ref()?),
                ..operation.clone()
            }),
            _ => Some(operation.clone()),
        }
    }

    fn perform<'a>(
        &'a mut self,
        operation: &'a PlannedOperation,
        deadline: Instant,
    ) -> LocalFuture<'a, Completion> {
        Box::pin(async move {
            match operation.f.as_str() {
                "enqueue" => self.enqueue(&operation.value, deadline).await,
                "dequeue" => self.dequeue(deadline).await,
                "ack" | "nak" => self.settle(operation, deadline).await,
                "drain" => self.drain(deadline).await,
                _ => operation.unknown(),
            }
        })
    }
}

impl Worker {
    async fn enqueue(&mut self, value: &Value, deadline: Instant) -> Completion {
        let payload = padded(value, self.padding_bytes);
        let id = value.to_string();
        let published = self
            .client
            .publish_durable(SUBJECT, &id, payload.as_bytes(), deadline);
        match published.await {
            Ok(_) => Completion::Ok(value.clone()),
            Err(error) => error.into(),
        }
    }

    async fn dequeue(&mut self, deadline: Instant) -> Completion {
        match self.client.fetch(STREAM, CONSUMER, deadline).await {
            Some(delivery) => {
                let value = value_of(&delivery);
                self.held = Some(delivery);
                Completion::Ok(value)
            }
            None => Completion::Fail("nothing came in time".to_owned()),
        }
    }

    async fn settle(&mut self, operation: &PlannedOperation, deadline: Instant) -> Completion {
        let Some(delivery) = self.held.take() else {
            return Completion::Fail("nothing is held".to_owned());
        };
        let settled = match operation.f.as_str() {
            "ack" => self.client.ack(&delivery, deadline).await,
            _ => self.client.nak(&delivery, deadline).await,
        };
        match settled {
            Ok(()) => Completion::Ok(operation.value.clone()),
            Err(error) => error.into(),
        }
    }

    /// Takes all that is left, until nothing has come for so long that nobody can hold anything.
    async fn drain(&mut self, deadline: Instant) -> Completion {
        let quiet = 2 * self.ack_wait + Duration::from_millis(500);
        let mut drained = Vec::new();
        let mut end = Instant::now() + quiet;
        while Instant::now() < end {
            if end > deadline {
                return Completion::Info("messages keep coming".to_owned());
            }
            if let Some(delivery) = self.client.fetch(STREAM, CONSUMER, end).await {
                drained.push(value_of(&delivery));
                if self.client.ack(&delivery, deadline).await.is_err() {
                    return Completion::Info("an ack was not answered".to_owned());
                }
                end = Instant::now() + quiet;
            }
        }
        Completion::Ok(Value::List(drained))
    }
}

/// A message and the number under which the stream has it.
fn value_of(delivery: &Delivery) -> Value {
    let text = String::from_utf8_lossy(&delivery.payload);
    Value::List(vec![
        unpadded(Some(&text)),
        Value::Int(delivery.sequence as i64),
    ])
}
