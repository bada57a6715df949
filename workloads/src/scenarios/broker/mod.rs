//! The message broker: what is pushed to subscribers, and what is kept for consumers.

mod fanout;
mod queue;

use std::cell::RefCell;
use std::rc::Rc;

pub use fanout::FANOUT;
pub use queue::QUEUE;
use squall_checkers::verdict::Anomaly;
use squall_models::broker::client::{self, Client};
use squall_models::broker::server::{self, Limits};
use squall_models::broker::streams::consumer::ConsumerConfig;
use squall_models::broker::streams::stream::StreamConfig;
use squall_models::broker::truth::Truth;
use squall_sim::engine::{Emitted, NodeId};
use squall_sim::time::Duration;

use crate::invariants::{Durability, ExclusiveDelivery};
use crate::plan::Plan;
use crate::system::{Connection, Heard, System, start_server};

const PORT: u16 = 4222;
const STREAM: &str = "JOBS";
const CONSUMER: &str = "workers";
/// What the stream keeps.
const SUBJECT: &str = "jobs";
/// How long a delivery is held: short, so that a run sees some expire.
const ACK_WAIT_MS: u64 = 1_000;

fn ack_wait(plan: &Plan) -> Duration {
    Duration::from_millis(plan.knob("ack-wait-ms", ACK_WAIT_MS))
}

fn system(
    plan: &Plan,
    connect: fn(Client, u32, &Plan) -> Box<dyn Connection>,
) -> Rc<RefCell<dyn System>> {
    Rc::new(RefCell::new(Broker {
        plan: plan.clone(),
        connect,
        durability: Durability::default(),
        deliveries: ExclusiveDelivery::default(),
    }))
}

struct Broker {
    plan: Plan,
    connect: fn(Client, u32, &Plan) -> Box<dyn Connection>,
    durability: Durability,
    deliveries: ExclusiveDelivery,
}

impl System for Broker {
    fn start(&self, node: NodeId, _: u32) {
        let consumer = ConsumerConfig {
            ack_wait: ack_wait(&self.plan),
            ..ConsumerConfig::new(CONSUMER)
        };
        let stream = StreamConfig::new(STREAM, &[SUBJECT]);
        let config = server::Config {
            directory: "/data".into(),
            listen: format!("0.0.0.0:{PORT}"),
            streams: vec![(stream, vec![consumer])],
            limits: Limits {
                pending_bytes: self.plan.knob("pending-bytes", 4 << 20) as usize,
                segment_bytes: self.plan.knob("segment-bytes", 64 << 10),
                ..Limits::default()
            },
        };
        start_server(node, move || server::serve(config.clone()));
    }

    fn connect(&self, client: u32) -> Box<dyn Connection> {
        let attempt_ms = self.plan.knob("attempt-timeout-ms", 300);
        let config = client::Config {
            attempt_timeout: Duration::from_millis(attempt_ms),
            ..client::Config::new(format!("{}:{PORT}", self.name(0)))
        };
        (self.connect)(Client::new(config), client, &self.plan)
    }

    fn hear(&mut self, server: u32, emitted: &Emitted<'_>) -> Vec<Heard> {
        let Some(truth) = emitted.event.downcast_ref() else {
            return Vec::new();
        };
        let report = report(truth).into_iter();
        let broken = self.judge(server, emitted.time_ns, truth);
        report.chain(broken.map(Heard::Broken)).collect()
    }
}

impl Broker {
    fn judge(&mut self, server: u32, now_ns: u64, truth: &Truth) -> Option<Anomaly> {
        match truth {
            Truth::Restored { last, .. } => {
                self.durability.restores(server, &self.name(server), *last)
            }
            Truth::Acknowledged { sequence, .. } | Truth::Duplicate { sequence, .. } => {
                self.durability.promises(server, *sequence);
                None
            }
            Truth::Delivered {
                delivery,
                expires_ns,
                ..
            } => {
                let (sequence, count) = (delivery.sequence, delivery.count);
                self.deliveries
                    .delivers(now_ns, sequence, count, *expires_ns)
            }
            Truth::Extended {
                delivery,
                expires_ns,
            } => {
                let (sequence, count) = (delivery.sequence, delivery.count);
                self.deliveries.extends(sequence, count, *expires_ns);
                None
            }
            Truth::Returned { delivery } => {
                self.deliveries
                    .extends(delivery.sequence, delivery.count, 0);
                None
            }
            Truth::Settled { delivery } => {
                self.deliveries.settles(delivery.sequence, delivery.count)
            }
            _ => None,
        }
    }
}

/// What a server's lane shows.
fn report(truth: &Truth) -> Option<Heard> {
    let (kind, what) = match truth {
        Truth::Restored { last, .. } => ("restored", format!("restored messages up to {last}")),
        Truth::SlowConsumer { connection } => (
            "slow-consumer",
            format!("connection {connection} is cut off: it does not keep up"),
        ),
        _ => return None,
    };
    Some(Heard::Report { kind, what })
}
