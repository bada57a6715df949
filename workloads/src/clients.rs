//! The clients of a run: each a program on a machine of its own that does what the plan says.

use std::cell::RefCell;
use std::rc::Rc;

use squall_checkers::history::Event;
use squall_sim::engine::{self, FaultTag};
use squall_sim::keyed::Key;
use squall_sim::time::{Duration, Instant, sleep, sleep_until, timeout};

use crate::cluster::Cluster;
use crate::gathering::Gathering;
use crate::history::Recorder;
use crate::plan::{Plan, PlannedOperation};
use crate::system::{Completion, Connection, System};

/// How long a client waits for an operation before it calls it in doubt, unless the plan's knob
/// `patience-ms` says otherwise.
const PATIENCE_MS: u64 = 1500;
/// How long a client waits before it asks again for what must be answered.
const PAUSE: Duration = Duration::from_millis(50);

/// An operation that a client does at the end, when all is quiet.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalOperation {
    pub client: u32,
    pub operation: PlannedOperation,
}

/// The clients of a run.
pub(crate) struct Clients {
    shared: Rc<Shared>,
}

struct Shared {
    recorder: RefCell<Recorder>,
    moods: Moods,
    /// Operations before the storm or after it without an answer.
    unanswered: RefCell<Vec<PlannedOperation>>,
    /// Where clients wait for each other: nobody asks for the end before all have done their work.
    working: Gathering,
    /// Where the harness waits for them.
    living: Gathering,
}

/// What faults do to clients.
#[derive(Clone, Default)]
pub(crate) struct Moods(Rc<RefCell<Vec<Mood>>>);

#[derive(Clone, Copy)]
struct Mood {
    client: u32,
    tag: FaultTag,
    effect: ClientEffect,
}

/// What a fault does to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientEffect {
    Cancel {
        per_mille: u32,
        after_ns_max: u64,
    },
    /// It waits one `factor`th of the time between operations.
    Hurry {
        factor: u32,
    },
}

impl Moods {
    pub(crate) fn add(&self, client: u32, tag: FaultTag, effect: ClientEffect) {
        self.0.borrow_mut().push(Mood {
            client,
            tag,
            effect,
        });
    }

    pub(crate) fn remove(&self, tag: FaultTag) {
        self.0.borrow_mut().retain(|mood| mood.tag != tag);
    }

    /// When the client is to give up the operation that it now begins, and whose doing that is.
    fn cancellation(&self, client: u32, operation: Key) -> Option<(FaultTag, Duration)> {
        let moods = self.0.borrow();
        moods
            .iter()
            .filter(|mood| mood.client == client)
            .find_map(|mood| {
                let ClientEffect::Cancel {
                    per_mille,
                    after_ns_max,
                } = mood.effect
                else {
                    return None;
                };
                let is_due = operation.label("cancel").chance(per_mille, 1000);
                let after_ns = operation.label("after").between(0, after_ns_max);
                is_due.then_some((mood.tag, Duration::from_nanos(after_ns)))
            })
    }

    /// By what a client is to divide its waits, and whose doing that is.
    fn hurry(&self, client: u32) -> Option<(FaultTag, u64)> {
        let moods = self.0.borrow();
        let mut moods = moods.iter().filter(|mood| mood.client == client);
        moods.find_map(|mood| match mood.effect {
            ClientEffect::Hurry { factor } => Some((mood.tag, u64::from(factor.max(1)))),
            ClientEffect::Cancel { .. } => None,
        })
    }
}

impl Clients {
    /// Starts each client on its machine.
    pub(crate) fn start(
        system: &Rc<RefCell<dyn System>>,
        plan: &Plan,
        (initially, finally): (&[PlannedOperation], &[FinalOperation]),
        cluster: &Cluster,
        moods: &Moods,
    ) -> Self {
        let count = plan.clients.len();
        let shared = Rc::new(Shared {
            recorder: RefCell::new(Recorder::new(count)),
            moods: moods.clone(),
            unanswered: RefCell::default(),
            working: Gathering::of(count),
            living: Gathering::of(count + 1),
        });
        let plan = Rc::new(plan.clone());
        for (number, node) in cluster.clients.iter().enumerate() {
            let finally: Rc<[PlannedOperation]> = finally
                .iter()
                .filter(|last| last.client as usize == number)
                .map(|last| last.operation.clone())
                .collect();
            let initially: Rc<[PlannedOperation]> = match number {
                0 => initially.into(),
                _ => Rc::default(),
            };
            let (system, shared, plan) = (Rc::clone(system), Rc::clone(&shared), Rc::clone(&plan));
            node.start(move || {
                let client = Client {
                    number,
                    connection: system.borrow().connect(number as u32),
                    shared: Rc::clone(&shared),
                    key: Key::root(plan.seed.0).label("client").with(number as u64),
                };
                client.live(Rc::clone(&plan), Rc::clone(&initially), Rc::clone(&finally))
            });
        }
        Self { shared }
    }

    /// Waits until all have done what they were to do at the end.
    pub(crate) async fn wait(&self) {
        self.shared.living.wait().await;
    }

    /// The first operation before the storm or after it that nobody would answer.
    pub(crate) fn unanswered(&self) -> Option<PlannedOperation> {
        self.shared.unanswered.borrow().first().cloned()
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.shared.recorder.replace(Recorder::new(0)).into_events()
    }
}

struct Client {
    number: usize,
    connection: Box<dyn Connection>,
    shared: Rc<Shared>,
    key: Key,
}

impl Client {
    async fn live(
        mut self,
        plan: Rc<Plan>,
        initially: Rc<[PlannedOperation]>,
        finally: Rc<[PlannedOperation]>,
    ) {
        let warm_up_end = Instant::from_nanos(plan.phases.warm_up_end_ns);
        for operation in initially.iter() {
            let completion = self.connection.perform(operation, warm_up_end).await;
            self.expect_answer(operation, &completion);
        }
        sleep_until(warm_up_end).await;
        self.work(&plan).await;
        self.shared.working.wait().await;
        sleep_until(Instant::from_nanos(plan.phases.settle_end_ns)).await;
        let deadline = Instant::from_nanos(plan.phases.end_ns);
        for operation in finally.iter() {
            self.perform_finally(operation, deadline).await;
        }
        self.shared.living.wait().await;
    }

    /// Remembers an operation without an answer, where there should be one.
    fn expect_answer(&self, operation: &PlannedOperation, completion: &Completion) {
        if !matches!(completion, Completion::Ok(_)) {
            let mut unanswered = self.shared.unanswered.borrow_mut();
            unanswered.push(operation.clone());
        }
    }

    /// Asks until there is an answer, or the time is over.
    async fn perform_finally(&mut self, operation: &PlannedOperation, deadline: Instant) {
        sleep(Duration::from_nanos(operation.wait_ns)).await;
        loop {
            let Some(operation) = &self.connection.prepare(operation) else {
                return;
            };
            self.shared
                .recorder
                .borrow_mut()
                .invoke(self.number, operation);
            let completion = self.connection.perform(operation, deadline).await;
            self.complete(operation, &completion);
            if matches!(completion, Completion::Ok(_)) || Instant::now() >= deadline {
                return self.expect_answer(operation, &completion);
            }
            sleep(PAUSE).await;
        }
    }

    /// Works until all is done or the time is over.
    async fn work(&mut self, plan: &Plan) {
        let patience = Duration::from_millis(plan.knob("patience-ms", PATIENCE_MS));
        let operations = &plan.clients[self.number].operations;
        for (ordinal, operation) in operations.iter().enumerate() {
            let next_ns = engine::now_ns() + self.wait_ns(operation);
            if next_ns >= plan.phases.settle_end_ns {
                break;
            }
            sleep_until(Instant::from_nanos(next_ns)).await;
            let Some(operation) = &self.connection.prepare(operation) else {
                continue;
            };
            self.perform(operation, ordinal as u64, Instant::now() + patience)
                .await;
        }
    }

    fn wait_ns(&self, operation: &PlannedOperation) -> u64 {
        match self.shared.moods.hurry(self.number as u32) {
            Some((tag, factor)) => {
                engine::count_fault(tag);
                operation.wait_ns / factor
            }
            None => operation.wait_ns,
        }
    }

    async fn perform(&mut self, operation: &PlannedOperation, ordinal: u64, deadline: Instant) {
        let recorder = &self.shared.recorder;
        recorder.borrow_mut().invoke(self.number, operation);
        let cancellation = self
            .shared
            .moods
            .cancellation(self.number as u32, self.key.with(ordinal));
        let performing = self.connection.perform(operation, deadline);
        let completion = match cancellation {
            None => performing.await,
            Some((tag, after)) => timeout(after, performing).await.unwrap_or_else(|_| {
                engine::count_fault(tag);
                Completion::Info("the client gave it up".to_owned())
            }),
        };
        self.complete(operation, &completion);
    }

    fn complete(&self, operation: &PlannedOperation, completion: &Completion) {
        let mut recorder = self.shared.recorder.borrow_mut();
        recorder.complete(self.number, operation, completion);
    }
}
