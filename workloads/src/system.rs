//! What the runner must know of a system under test.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use squall_checkers::history::Value;
use squall_checkers::verdict::Anomaly;
use squall_models::ClientError;
use squall_sim::engine::{Emitted, NodeId};
use squall_sim::time::Instant;

use crate::plan::PlannedOperation;

/// A future that stays on its thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A system under test: how its servers start, how clients speak to it, and what it says of itself.
pub trait System {
    /// The name of a server's machine.
    fn name(&self, number: u32) -> String {
        format!("n{number}")
    }

    /// Starts a server on a machine that has just been added, or has nothing on its disk yet.
    fn start(&self, node: NodeId, number: u32);

    /// A new client, for a task of its own.
    fn connect(&self, client: u32) -> Box<dyn Connection>;

    /// Understands something that a server emitted.
    fn hear(&mut self, server: u32, emitted: &Emitted<'_>) -> Vec<Heard>;

    /// The fault budget: whether the system keeps its promises if the disks of just these servers are
    /// damaged. Where it could not, the damage is not done: a failure must be a bug, not arithmetic. One
    /// that has a single copy, and refuses to answer from a damaged one, keeps them.
    fn survives(&self, _damaged: &BTreeSet<u32>) -> bool {
        true
    }

    /// Whether the system must still answer while just these servers refuse to work, because of their
    /// damaged disks.
    fn must_answer_without(&self, refusing: &BTreeSet<u32>) -> bool {
        refusing.is_empty()
    }

    /// What the servers' words amount to, now that the run is over.
    fn conclude(&mut self) -> Vec<Anomaly> {
        Vec::new()
    }
}

/// Starts a server that runs until it fails; then whoever listens hears that it has `Stopped`.
pub fn start_server<F, E>(node: NodeId, serve: impl Fn() -> F + 'static)
where
    F: Future<Output = Result<(), E>> + 'static,
    E: std::fmt::Display,
{
    node.start(move || {
        let serving = serve();
        async move {
            if let Err(error) = serving.await {
                squall_sim::emit(Stopped(error.to_string()));
            }
        }
    });
}

/// A server has stopped by itself, and why: it is in the right if its disk has failed it, else this is
/// a defect.
pub(crate) struct Stopped(pub(crate) String);

/// A client's side of a system.
pub trait Connection {
    /// The operation as it will be done: a plan cannot know what a client has come to hold. `None`
    /// where there is nothing to do.
    fn prepare(&mut self, operation: &PlannedOperation) -> Option<PlannedOperation> {
        Some(operation.clone())
    }

    /// Does one operation; an answer comes by the deadline, or soon after it.
    fn perform<'a>(
        &'a mut self,
        operation: &'a PlannedOperation,
        deadline: Instant,
    ) -> LocalFuture<'a, Completion>;
}

/// How an operation ended, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    Ok(Value),
    /// It certainly did not happen.
    Fail(String),
    /// It may have happened, or may yet.
    Info(String),
}

impl From<ClientError> for Completion {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NotDone(why) => Self::Fail(why),
            ClientError::Indeterminate(why) => Self::Info(why),
        }
    }
}

impl Completion {
    /// How an operation ended, with an answer or without.
    pub async fn of(performed: impl Future<Output = Result<Self, ClientError>>) -> Self {
        performed.await.unwrap_or_else(Self::from)
    }
}

/// What a server's words mean to the runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The server leads from now on.
    Leads,
    /// A line for the server's lane in the report.
    Report { kind: &'static str, what: String },
    /// The servers' own words show that a promise is broken.
    Broken(Anomaly),
}
