//! The reverse proxy and its backends: echoes, things done once, and recovery.

mod echo;
mod once;
mod recover;

use std::cell::RefCell;
use std::rc::Rc;

pub use echo::ECHO;
pub use once::ONCE;
pub use recover::RECOVER;
use squall_checkers::history::Value;
use squall_checkers::verdict::Anomaly;
use squall_models::proxy::backend::{self, serve_backend};
use squall_models::proxy::client::{self, Client, ClientError};
use squall_models::proxy::server::{self, Cause};
use squall_models::proxy::truth::Truth;
use squall_models::proxy::{breaker, budget};
use squall_sim::engine::{self, Emitted, NodeId};
use squall_sim::keyed::Key;
use squall_sim::time::{Duration, Instant};

use crate::clients::FinalOperation;
use crate::generator;
use crate::invariants::{AtMostOnce, RetryBudget, WastedWork, half_open};
use crate::nemesis::{self, Group, Machines, Strike, on};
use crate::plan::{Plan, PlannedOperation, Seed};
use crate::scenario::Scenario;
use crate::scenarios::draft;
use crate::system::{Completion, Connection, Heard, LocalFuture, System, start_server};

const PORT: u16 = 80;
const PROXY: u32 = 0;

/// What the proxy and so many backends must survive.
fn strikes(backends: u32) -> Vec<Strike> {
    let proxy = Group::Servers {
        first: PROXY,
        count: 1,
    };
    let backends = Group::Servers {
        first: PROXY + 1,
        count: backends,
    };
    vec![
        on(proxy, "kill"),
        on(proxy, "pause"),
        on(backends, "kill"),
        on(backends, "power-loss"),
        on(backends, "pause"),
        on(backends, "partition"),
        on(backends, "slow-links"),
        on(backends, "lossy-links"),
        on(Group::Clients, "pause"),
        on(Group::Clients, "partition"),
        on(Group::Clients, "slow-links"),
        on(Group::Clients, "lossy-links"),
        on(Group::Clients, "cancel"),
        on(Group::Clients, "overload"),
    ]
}

/// A storm of random faults over clients that each ask for one thing after the other.
fn stormy(scenario: &Scenario, seed: Seed, mutant: Option<String>, f: &'static str) -> Plan {
    let key = draft::key(seed);
    let draft = draft::plan(scenario, seed, mutant, nodes(key));
    let shape = draft::shape(key.label("shape"), &draft, &[50, 100]);
    let machines = machines(&draft, shape.clients);
    let strikes = strikes(draft.nodes - 1);
    Plan {
        knobs: draft::knobs(
            key.label("knobs"),
            &[
                // All clients at once do not overload a backend: in a calm world nothing times out.
                ("service-ms", &[1, 10, 20]),
                ("concurrency", &[1, 4]),
                ("probes-max", &[1, 2]),
                ("try-timeout-ms", &[400, 800]),
            ],
        ),
        clients: generator::unique(key.label("workload"), &shape, f),
        faults: nemesis::random(key.label("faults"), &strikes, machines, &draft.phases),
        ..draft
    }
}

fn machines(plan: &Plan, clients: u64) -> Machines {
    Machines {
        servers: plan.nodes,
        clients: clients as u32,
    }
}

/// How many servers there are: the proxy and its backends.
fn nodes(key: Key) -> u32 {
    1 + *key.label("backends").pick(&[1, 2, 3])
}

/// An echo for the first client, which must succeed when all is quiet.
fn final_echo() -> Vec<FinalOperation> {
    vec![FinalOperation {
        client: 0,
        operation: generator::operation("echo", Value::Int(0)),
    }]
}

fn system(plan: &Plan) -> Rc<RefCell<dyn System>> {
    Rc::new(RefCell::new(Proxy {
        plan: plan.clone(),
        executions: AtMostOnce::default(),
        retries: Rc::new(RefCell::new(RetryBudget::new(budget::Config::default()))),
        work: WastedWork::default(),
    }))
}

struct Proxy {
    plan: Plan,
    executions: AtMostOnce,
    retries: Rc<RefCell<RetryBudget>>,
    work: WastedWork,
}

impl System for Proxy {
    fn name(&self, number: u32) -> String {
        match number {
            PROXY => "proxy".to_owned(),
            backend => format!("b{backend}"),
        }
    }

    fn start(&self, node: NodeId, number: u32) {
        match number {
            PROXY => self.start_proxy(node),
            _ => self.start_backend(node),
        }
    }

    fn connect(&self, _: u32) -> Box<dyn Connection> {
        let config = client::Config::new(format!("proxy:{PORT}"));
        Box::new(HttpClient(Client::new(config)))
    }

    fn hear(&mut self, _: u32, emitted: &Emitted<'_>) -> Vec<Heard> {
        let Some(truth) = emitted.event.downcast_ref() else {
            return Vec::new();
        };
        let broken = self.judge(truth, emitted);
        let report = report(truth).into_iter();
        report.chain(broken.map(Heard::Broken)).collect()
    }
}

impl Proxy {
    fn start_proxy(&self, node: NodeId) {
        let backends = (PROXY + 1..self.plan.nodes).map(|number| {
            let name = self.name(number);
            format!("{name}:{PORT}")
        });
        let config = server::Config {
            breaker: breaker::Config {
                probes_max: self.plan.knob("probes-max", 2) as u32,
                ..breaker::Config::default()
            },
            try_timeout: Duration::from_millis(self.plan.knob("try-timeout-ms", 500)),
            ..server::Config::new(format!("0.0.0.0:{PORT}"), backends.collect())
        };
        let retries = Rc::clone(&self.retries);
        start_server(node, move || {
            retries.borrow_mut().starts(engine::now_ns());
            server::serve(config.clone())
        });
    }

    fn start_backend(&self, node: NodeId) {
        let config = backend::Config {
            service_time: Duration::from_millis(self.plan.knob("service-ms", 10)),
            concurrency: self.plan.knob("concurrency", 2) as usize,
            ..backend::Config::new(format!("0.0.0.0:{PORT}"))
        };
        start_server(node, move || serve_backend(config.clone()));
    }

    fn judge(&mut self, truth: &Truth, emitted: &Emitted<'_>) -> Option<Anomaly> {
        match truth {
            Truth::Attempt {
                request,
                ordinal,
                patience,
                ..
            } => {
                self.work.attempts(*request, *ordinal, *patience);
                if *ordinal == 0 {
                    self.retries.borrow_mut().attempts_first(emitted.time_ns);
                }
                None
            }
            Truth::Retried { .. } => self.retries.borrow_mut().retries(emitted.time_ns),
            Truth::HalfOpenAdmitted {
                backend,
                in_flight,
                max,
            } => half_open::admits(*backend, *in_flight, *max),
            Truth::WorkStarted {
                request,
                ordinal,
                waited,
            } => self.work.works(*request, *ordinal, *waited),
            Truth::Executed { id } => self.executions.executes(id),
            Truth::RequestDone {
                cause: Some(Cause::NoHealthyBackend),
                ..
            } => Some(nobody_asked()),
            _ => None,
        }
    }
}

/// What a server lane shows.
fn report(truth: &Truth) -> Option<Heard> {
    let (kind, what) = match truth {
        Truth::BreakerChanged { backend, state, .. } => (
            "breaker",
            format!("breaker of backend {backend}: {state:?}"),
        ),
        Truth::HealthChanged { backend, healthy } => {
            let word = if *healthy { "healthy" } else { "down" };
            ("health", format!("backend {backend} is believed {word}"))
        }
        _ => return None,
    };
    Some(Heard::Report { kind, what })
}

fn nobody_asked() -> Anomaly {
    Anomaly {
        checker: "availability".to_owned(),
        class: "nobody-asked".to_owned(),
        sentence:
            "The proxy turned a request down because it believed all backends down, and asked \
                   none: when checks fail everywhere, it is the checks that are not to be believed."
                .to_owned(),
        ..Anomaly::default()
    }
}

struct HttpClient(Client);

impl Connection for HttpClient {
    fn perform<'a>(
        &'a mut self,
        operation: &'a PlannedOperation,
        deadline: Instant,
    ) -> LocalFuture<'a, Completion> {
        Box::pin(Completion::of(self.perform_any(operation, deadline)))
    }
}

impl HttpClient {
    async fn perform_any(
        &mut self,
        operation: &PlannedOperation,
        deadline: Instant,
    ) -> Result<Completion, ClientError> {
        let name = operation.value.to_string();
        match operation.f.as_str() {
            "echo" => {
                let nonce = self.0.echo(&name, deadline).await?;
                Ok(Completion::Ok(generator::unpadded(Some(&nonce))))
            }
            "once" => {
                let count = self.0.once(&name, deadline).await?;
                Ok(Completion::Ok(Value::Int(count as i64)))
            }
            _ => Ok(operation.unknown()),
        }
    }
}
