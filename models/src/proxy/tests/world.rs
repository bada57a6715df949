//! A proxy, its backends and their clients on simulated machines, and what they are judged by.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use squall_sim::engine::{
    self, LinkEffect, NodeId, Outcome, add_link_effect, add_node, new_fault_tag,
    remove_link_effects,
};
use squall_sim::time::{Duration, Instant, sleep, timeout};
use squall_sim::{rand, task};

use crate::proxy::backend::{self, serve_backend};
use crate::proxy::budget::{Budget, Config};
use crate::proxy::client::{self, Client, ClientError};
use crate::proxy::server::{self, Cause, serve};
use crate::proxy::truth::Truth;

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const BACKENDS: usize = 3;

/// What is done to the backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storm {
    Calm,
    /// One after the other is killed, and comes back.
    Kills,
    /// All at once are killed, and come back.
    AllKilled,
    /// One after the other stands still.
    Pauses,
    /// All at once stand still.
    AllPaused,
    /// One after the other is cut from the proxy.
    Cuts,
    /// Clients send without waiting.
    Overload,
}

/// What clients do, and what is done to the system.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) mutant: Option<&'static str>,
    pub(super) storm: Storm,
    /// `POST /once` instead of `GET /echo`.
    pub(super) once: bool,
    /// Clients lose patience with every third request, at any moment.
    pub(super) cancels: bool,
    pub(super) clients: usize,
    /// From the end of a client's request to the beginning of the next.
    pub(super) pause: Duration,
}

impl Plan {
    pub(super) fn new(seed: u64, storm: Storm) -> Self {
        Self {
            seed,
            mutant: None,
            storm,
            once: false,
            cancels: false,
            clients: 8,
            pause: 20 * MS,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Answers that came, with the time.
    pub(super) answered_ns: Vec<u64>,
    pub(super) errors: BTreeMap<String, usize>,
    /// Echoes of something else.
    pub(super) wrong_echoes: usize,
    /// How often each id was executed.
    pub(super) executed: BTreeMap<String, usize>,
    /// Ids that a client was told are not done.
    pub(super) not_done: Vec<String>,
    pub(super) truths: Vec<(u64, Truth)>,
}

type Shared = Rc<RefCell<Seen>>;

/// Runs a plan for ten seconds of load: two calm, four of storm, four calm.
pub(super) fn run(plan: Plan) -> Outcome<Seen> {
    let mut config = engine::Config::new(plan.seed);
    config.mutant = plan.mutant.map(str::to_owned);
    let outcome = engine::run(config, move || drive(plan)).expect("the harness ends");
    assert_eq!(outcome.panics, [], "nobody panics");
    outcome
}

async fn drive(plan: Plan) -> Seen {
    let seen = observe();
    let (proxy, backends) = start(|_| {}, |_| {});
    sleep(100 * MS).await;
    let end = Instant::now() + 10_000 * MS;
    let clients: Vec<_> = (0..plan.clients)
        .map(|number| engine::spawn_local(client(number, plan.clone(), end, Rc::clone(&seen))))
        .collect();
    sleep(2000 * MS).await;
    storm(plan.storm, proxy, &backends).await;
    for client in clients {
        client.await.expect("a client ends");
    }
    // What is still under way comes to its end.
    sleep(3000 * MS).await;
    seen.take()
}

/// Keeps what is emitted.
pub(super) fn observe() -> Shared {
    let seen = Shared::default();
    let heard = Rc::clone(&seen);
    engine::observe(Box::new(move |emitted| {
        if let Some(truth) = emitted.event.downcast_ref::<Truth>() {
            let mut heard = heard.borrow_mut();
            if let Truth::Executed { id } = truth {
                *heard.executed.entry(id.clone()).or_default() += 1;
            }
            heard.truths.push((emitted.time_ns, truth.clone()));
        }
    }));
    seen
}

/// Starts a proxy and its backends.
pub(super) fn start(
    of_proxy: impl Fn(&mut server::Config),
    of_backends: impl Fn(&mut backend::Config),
) -> (NodeId, Vec<NodeId>) {
    let mut config = backend::Config::new("0.0.0.0:8080");
    of_backends(&mut config);
    let backends: Vec<NodeId> = (0..BACKENDS)
        .map(|number| {
            let node = add_node(&format!("backend-{number}"));
            let config = config.clone();
            node.start(move || {
                let config = config.clone();
                async { serve_backend(config).await.expect("the port is free") }
            });
            node
        })
        .collect();
    let addresses = (0..BACKENDS).map(|number| format!("backend-{number}:8080"));
    let mut config = server::Config::new("0.0.0.0:80", addresses.collect());
    of_proxy(&mut config);
    let proxy = add_node("proxy");
    proxy.start(move || {
        let config = config.clone();
        async { serve(config).await.expect("the port is free") }
    });
    (proxy, backends)
}

async fn client(number: usize, plan: Plan, end: Instant, seen: Shared) {
    let mut client = Client::new(client::Config::new("proxy:80"));
    for operation in 0.. {
        if Instant::now() >= end {
            return;
        }
        let name = format!("{number}-{operation}");
        let deadline = Instant::now() + 2000 * MS;
        let patience = match plan.cancels && rand::below(3) == 0 {
            true => Duration::from_micros(rand::below(40_000)),
            false => 3000 * MS,
        };
        let asked = ask(&mut client, plan.once, &name, deadline, &seen);
        // Dropped at any await.
        let _ = timeout(patience, asked).await;
        sleep(pace(&plan)).await;
    }
}

/// In an overload, everybody hurries for three seconds.
fn pace(plan: &Plan) -> Duration {
    let is_storm = (2100..5100).contains(&(Instant::now().as_nanos() / 1_000_000));
    match plan.storm == Storm::Overload && is_storm {
        true => Duration::ZERO,
        false => plan.pause,
    }
}

async fn ask(client: &mut Client, once: bool, name: &str, deadline: Instant, seen: &Shared) {
    let result = match once {
        true => client.once(name, deadline).await.map(|_| name.to_owned()),
        false => client.echo(name, deadline).await,
    };
    let mut seen = seen.borrow_mut();
    match result {
        Ok(echoed) => {
            seen.answered_ns.push(engine::now_ns());
            seen.wrong_echoes += usize::from(echoed != name);
        }
        Err(error) => {
            if let ClientError::NotDone(_) = error {
                seen.not_done.push(name.to_owned());
            }
            *seen.errors.entry(error.to_string()).or_default() += 1;
        }
    }
}

async fn storm(storm: Storm, proxy: NodeId, backends: &[NodeId]) {
    let each = |act: fn(NodeId)| backends.iter().copied().for_each(act);
    match storm {
        Storm::Calm | Storm::Overload => {}
        Storm::AllKilled => {
            each(|backend| _ = backend.kill());
            sleep(3000 * MS).await;
            each(NodeId::restart);
        }
        Storm::AllPaused => {
            each(NodeId::pause);
            sleep(3000 * MS).await;
            each(|backend| _ = backend.resume());
        }
        Storm::Kills | Storm::Pauses | Storm::Cuts => {
            for backend in backends {
                harm(storm, proxy, *backend).await;
                sleep(300 * MS).await;
            }
        }
    }
}

async fn harm(storm: Storm, proxy: NodeId, backend: NodeId) {
    let tag = new_fault_tag();
    match storm {
        Storm::Kills => _ = backend.kill(),
        Storm::Pauses => backend.pause(),
        _ => {
            add_link_effect(backend, proxy, tag, LinkEffect::Cut);
            add_link_effect(proxy, backend, tag, LinkEffect::Cut);
        }
    }
    sleep(1000 * MS).await;
    match storm {
        Storm::Kills => backend.restart(),
        Storm::Pauses => _ = backend.resume(),
        _ => remove_link_effects(tag),
    }
}

impl Seen {
    pub(super) fn executed_twice(&self) -> usize {
        self.executed.values().filter(|count| **count > 1).count()
    }

    /// Ids that were executed although a client was told that they were not.
    pub(super) fn executed_though_not_done(&self) -> usize {
        let executed = |id: &&String| self.executed.contains_key(*id);
        self.not_done.iter().filter(executed).count()
    }

    /// Retries that the budget had no token for: the bucket, kept once more by whoever looks on.
    pub(super) fn unpaid_retries(&self) -> usize {
        let mut budget = Budget::new(Config::default(), Instant::from_nanos(0));
        let mut unpaid = 0;
        for (time_ns, truth) in &self.truths {
            let now = Instant::from_nanos(*time_ns);
            match truth {
                Truth::Attempt {
                    is_retry: false, ..
                } => budget.deposit(now),
                Truth::Retried { .. } => unpaid += usize::from(!budget.pays(now)),
                _ => {}
            }
        }
        unpaid
    }

    pub(super) fn retries(&self) -> usize {
        self.count(|truth| matches!(truth, Truth::Attempt { is_retry: true, .. }))
    }

    /// Requests that a half-open breaker let through beyond its bound.
    pub(super) fn half_open_beyond_bound(&self) -> usize {
        self.count(|truth| matches!(truth, Truth::HalfOpenAdmitted { in_flight, max, .. } if in_flight > max))
    }

    pub(super) fn refused_for_health(&self) -> usize {
        let refused = Some(Cause::NoHealthyBackend);
        self.count(|truth| matches!(truth, Truth::RequestDone { cause, .. } if *cause == refused))
    }

    /// Attempts that were worked on though nobody waited for them any more.
    pub(super) fn wasted_work(&self) -> usize {
        let mut patience = BTreeMap::new();
        let mut wasted = 0;
        for (_, truth) in &self.truths {
            match truth {
                Truth::Attempt {
                    request,
                    ordinal,
                    patience: limit,
                    ..
                } => {
                    patience.insert((*request, *ordinal), *limit);
                }
                Truth::WorkStarted {
                    request,
                    ordinal,
                    waited,
                } => {
                    wasted += usize::from(*waited > patience[&(*request, *ordinal)]);
                }
                _ => {}
            }
        }
        wasted
    }

    pub(super) fn count(&self, is: impl Fn(&Truth) -> bool) -> usize {
        self.truths.iter().filter(|(_, truth)| is(truth)).count()
    }

    /// Answers from one moment to another, in milliseconds of the run.
    pub(super) fn answered_between(&self, from_ms: u64, to_ms: u64) -> usize {
        let between = |ns: &&u64| (from_ms..to_ms).contains(&(**ns / 1_000_000));
        self.answered_ns.iter().filter(between).count()
    }

    /// Every law at once.
    pub(super) fn assert_lawful(&self, plan: &Plan) {
        assert_eq!(self.wrong_echoes, 0, "{plan:?}: {:?}", self.errors);
        assert_eq!(self.executed_twice(), 0, "{plan:?}");
        assert_eq!(self.executed_though_not_done(), 0, "{plan:?}");
        assert_eq!(self.unpaid_retries(), 0, "{plan:?}");
        assert_eq!(self.half_open_beyond_bound(), 0, "{plan:?}");
        assert_eq!(self.refused_for_health(), 0, "{plan:?}");
        assert_eq!(self.wasted_work(), 0, "{plan:?}");
        assert!(
            self.answered_between(8000, 10_100) > 10,
            "{plan:?}: {:?}",
            self.errors
        );
    }
}

/// A task on a node of its own, as a peer that is no client of ours.
pub(super) fn on_node<F: Future<Output = ()> + 'static>(name: &str, act: impl Fn() -> F + 'static) {
    add_node(name).start(act);
}

/// Lets the world turn until everybody has done what he can do at once.
pub(super) async fn settle() {
    task::yield_now().await;
    sleep(100 * MS).await;
}
