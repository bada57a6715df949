//! A client: finds the leader, and sends again until it has an answer or gives up.
//!
//! Writes go through a *session*, so that sending again is harmless: the service carries an operation
//! out once, however often it comes. What is left when a client gives up is honest doubt:
//! [`ClientError::Indeterminate`] says that the operation may have happened, or may yet.

use squall_sim::net::{OwnedReadHalf, OwnedWriteHalf, TcpStream};
use squall_sim::rand;
use squall_sim::time::{Duration, Instant, sleep, timeout};
use tokio::io::AsyncWriteExt;

use super::raft::NodeId;
use super::server::{CLIENT, Frames};
use super::service::{Answer, Execute, Operation, Response, SessionId};
use super::wire::{self, ClientRequest, ClientResponse, RequestBody, ResponseBody};
pub use crate::client_error::ClientError;

/// What a client is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the servers listen, in the order of their ids.
    pub servers: Vec<(NodeId, String)>,
    /// How long one attempt may take: after that the client asks another server.
    pub attempt_timeout: Duration,
    /// How long a client waits before it asks again, at most.
    pub pause_max: Duration,
}

impl Config {
    /// The usual numbers: 300 ms an attempt, up to 40 ms between them.
    pub fn new(servers: Vec<(NodeId, String)>) -> Self {
        Self {
            servers,
            attempt_timeout: Duration::from_millis(300),
            pause_max: Duration::from_millis(40),
        }
    }
}

/// A client of the service.
pub struct Client {
    config: Config,
    /// The server that is asked next.
    target: usize,
    connection: Option<Connection>,
    session: Option<SessionId>,
    sequence: u64,
    next_request: u64,
}

struct Connection {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    frames: Frames<ClientResponse>,
}

/// What became of one attempt.
enum Attempt {
    Answered(ResponseBody),
    /// The request did not leave this machine.
    NotSent,
    /// It may have arrived; there is no answer.
    Lost,
}

impl Client {
    /// A client that asks the server of this number first.
    pub fn new(config: Config, first: usize) -> Self {
        let target = first % config.servers.len().max(1);
        Self {
            config,
            target,
            connection: None,
            session: None,
            sequence: 0,
            next_request: 0,
        }
    }

    /// The value of a key, as of some moment between the call and the answer.
    ///
    /// # Errors
    /// If the deadline comes first. A read that failed did nothing, whatever the error.
    pub async fn read(
        &mut self,
        key: &str,
        deadline: Instant,
    ) -> Result<Option<String>, ClientError> {
        let body = RequestBody::Read {
            key: key.to_owned(),
        };
        loop {
            match self.attempt(&body, deadline).await {
                Attempt::Answered(ResponseBody::Value(value)) => return Ok(value),
                _ if Instant::now() >= deadline => {
                    return Err(ClientError::NotDone("no answer in time".to_owned()));
                }
                outcome => self.look_elsewhere(&outcome).await,
            }
        }
    }

    /// Carries out an operation, once.
    ///
    /// # Errors
    /// If the deadline comes first, or the session has expired.
    pub async fn execute(
        &mut self,
        operation: Operation,
        deadline: Instant,
    ) -> Result<Answer, ClientError> {
        let session = self.open_session(deadline).await?;
        self.sequence += 1;
        // The client never has two operations at once: what came before is done, or given up.
        let (sequence, lowest_unacknowledged) = (self.sequence, self.sequence);
        let execute = Execute {
            session,
            sequence,
            lowest_unacknowledged,
            operation,
        };
        let body = RequestBody::Execute(execute);
        let mut may_have_happened = false;
        loop {
            let outcome = self.attempt(&body, deadline).await;
            match &outcome {
                Attempt::Answered(ResponseBody::Applied(response)) => {
                    return self.conclude(response, may_have_happened);
                }
                Attempt::Answered(ResponseBody::NotLeader { .. }) | Attempt::NotSent => {}
                Attempt::Answered(_) | Attempt::Lost => may_have_happened = true,
            }
            if Instant::now() >= deadline {
                return Err(ClientError::of(may_have_happened, "no answer in time"));
            }
            self.look_elsewhere(&outcome).await;
        }
    }

    fn conclude(
        &mut self,
        response: &Response,
        may_have_happened: bool,
    ) -> Result<Answer, ClientError> {
        match response {
            Response::Answer(answer) => Ok(answer.clone()),
            Response::SessionExpired => {
                self.session = None;
                Err(ClientError::of(
                    may_have_happened,
                    "the session has expired",
                ))
            }
            Response::TooManyUnacknowledged => Err(ClientError::of(
                may_have_happened,
                "too many operations at once",
            )),
            Response::AlreadyAcknowledged | Response::SessionOpened(_) => Err(
                ClientError::Indeterminate("the answer is to another request".to_owned()),
            ),
        }
    }

    async fn open_session(&mut self, deadline: Instant) -> Result<SessionId, ClientError> {
        loop {
            if let Some(session) = self.session {
                return Ok(session);
            }
            let outcome = self.attempt(&RequestBody::OpenSession, deadline).await;
            if let Attempt::Answered(ResponseBody::Applied(Response::SessionOpened(session))) =
                outcome
            {
                self.session = Some(session);
                self.sequence = 0;
            } else if Instant::now() >= deadline {
                return Err(ClientError::NotDone("no session in time".to_owned()));
            } else {
                self.look_elsewhere(&outcome).await;
            }
        }
    }

    /// Chooses whom to ask next: the leader, if somebody named one, else the next server.
    async fn look_elsewhere(&mut self, outcome: &Attempt) {
        let hint = match outcome {
            Attempt::Answered(ResponseBody::NotLeader { hint }) => *hint,
            _ => None,
        };
        let known =
            hint.and_then(|id| self.config.servers.iter().position(|server| server.0 == id));
        if known != Some(self.target) || !matches!(outcome, Attempt::Answered(_)) {
            self.connection = None;
        }
        self.target = known.unwrap_or((self.target + 1) % self.config.servers.len());
        let pause_ns = self.config.pause_max.as_nanos() as u64;
        sleep(Duration::from_nanos(rand::below(pause_ns.max(1)))).await;
    }

    /// Asks the target once.
    async fn attempt(&mut self, body: &RequestBody, deadline: Instant) -> Attempt {
        let patience = self.config.attempt_timeout.min(deadline - Instant::now());
        self.next_request += 1;
        let request = ClientRequest {
            id: self.next_request,
            body: body.clone(),
        };
        let Ok(frame) = wire::encode(&request) else {
            return Attempt::NotSent;
        };
        if self.connection.is_none() && !matches!(timeout(patience, self.connect()).await, Ok(true))
        {
            return Attempt::NotSent;
        }
        let Some(connection) = &mut self.connection else {
            return Attempt::NotSent;
        };
        match timeout(patience, connection.exchange(&frame, request.id)).await {
            Ok(Some(body)) => Attempt::Answered(body),
            Ok(None) | Err(_) => {
                self.connection = None;
                Attempt::Lost
            }
        }
    }

    async fn connect(&mut self) -> bool {
        let Some((_, address)) = self.config.servers.get(self.target) else {
            return false;
        };
        let Ok(stream) = TcpStream::connect(address).await else {
            return false;
        };
        let _ = stream.set_nodelay(true);
        let (read, mut write) = stream.into_split();
        if write.write_u8(CLIENT).await.is_err() {
            return false;
        }
        self.connection = Some(Connection {
            read,
            write,
            frames: Frames::new(),
        });
        true
    }
}

impl Connection {
    /// Sends a request and waits for its answer; `None` if the connection ends first.
    async fn exchange(&mut self, frame: &[u8], id: u64) -> Option<ResponseBody> {
        self.write.write_all(frame).await.ok()?;
        loop {
            let batch = self.frames.next_batch(&mut self.read).await?;
            if let Some(response) = batch.into_iter().find(|response| response.id == id) {
                return Some(response.body);
            }
        }
    }
}
