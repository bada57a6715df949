//! Recording what clients see.

use squall_checkers::history::{Event, EventKind};
use squall_sim::engine;

use crate::plan::PlannedOperation;
use crate::system::Completion;

/// The history of a run as it grows. A client whose operation ends in doubt goes on as a new
/// process, as in Jepsen: the old one may still be at it.
#[derive(Debug)]
pub struct Recorder {
    events: Vec<Event>,
    /// The process that each client is.
    processes: Vec<u64>,
}

impl Recorder {
    /// For this many clients: client `c` is the processes `c`, `c + clients`, `c + 2 * clients`, ….
    pub fn new(clients: usize) -> Self {
        Self {
            events: Vec::new(),
            processes: (0..clients as u64).collect(),
        }
    }

    /// A client begins an operation.
    pub fn invoke(&mut self, client: usize, operation: &PlannedOperation) {
        self.push(client, operation, EventKind::Invoke, None);
    }

    /// A client's operation has ended.
    pub fn complete(
        &mut self,
        client: usize,
        operation: &PlannedOperation,
        completion: &Completion,
    ) {
        match completion {
            Completion::Ok(value) => {
                let answered = PlannedOperation {
                    value: value.clone(),
                    ..operation.clone()
                };
                self.push(client, &answered, EventKind::Ok, None);
            }
            Completion::Fail(why) => self.push(client, operation, EventKind::Fail, Some(why)),
            Completion::Info(why) => {
                self.push(client, operation, EventKind::Info, Some(why));
                self.processes[client] += self.processes.len() as u64;
            }
        }
    }

    fn push(
        &mut self,
        client: usize,
        operation: &PlannedOperation,
        kind: EventKind,
        error: Option<&String>,
    ) {
        let time_ns = engine::now_ns();
        let process = self.processes[client];
        engine::note(process << 8 | kind as u64);
        self.events.push(Event {
            process,
            kind,
            f: operation.f.clone(),
            key: operation.key.clone(),
            value: operation.value.clone(),
            time_ns,
            error: error.cloned(),
        });
    }

    /// What has been recorded so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What has been recorded.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }
}
