//! A connection on which requests are sent, one after the other.
//!
//! A task of its own, the *driver*, holds hyper's end of it: requests go to it by one queue, and answers, read
//! to their ends, come back by another. So whoever sent a request and no longer waits leaves its
//! answer in the queue, and the next one to wait would be given it. **The law of whoever keeps
//! connections: one with an answer outstanding is closed, not kept** ([`Connection::is_clean`]).

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use squall_sim::net::TcpStream;
use squall_sim::task::{self, JoinHandle};
use squall_sim::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;

use super::io::Io;

/// The buffer for the heads of answers, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What an answer may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body of an answer, in bytes.
    pub body_bytes_max: usize,
    /// How long the other side may read nothing of what waits for it.
    pub write_patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 256 * 1024,
            write_patience: Duration::from_secs(10),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExchangeError {
    /// The connection had ended already: nothing of the request has left.
    #[error("the connection had ended before the request was sent")]
    NotSent,
    /// Bytes may have arrived.
    #[error("the connection ended before the answer")]
    Lost,
    /// There is an answer, and it is too long, or broke off in its body.
    #[error("the answer cannot be read to its end")]
    Unreadable,
}

type Outcome = Result<Response<Bytes>, ExchangeError>;

/// One end of a connection, with the task that drives it. It is closed when it is dropped.
pub struct Connection {
    requests: mpsc::Sender<Request<Full<Bytes>>>,
    answers: mpsc::Receiver<Outcome>,
    driver: JoinHandle<()>,
    /// Requests that were handed over, and whose answers have not been taken.
    outstanding: usize,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    pub async fn open(address: &str, limits: Limits) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (requests, requested) = mpsc::channel(1);
        let (answered, answers) = mpsc::channel(1);
        let driver = task::spawn(drive(stream, limits, requested, answered));
        Ok(Self {
            requests,
            answers,
            driver,
            outstanding: 0,
        })
    }

    /// Whether the other end is there, as far as is known.
    pub fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Whether every answer has been taken: only then may somebody else use it.
    pub fn is_clean(&self) -> bool {
        self.outstanding == 0
    }

    /// Sends a request and waits for its answer. The future may be dropped at any await; the
    /// connection is not clean then.
    ///
    /// # Errors
    /// See [`ExchangeError`]. The connection should be closed.
    pub async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Outcome {
        if self.requests.send(request).await.is_err() {
            return Err(ExchangeError::NotSent);
        }
        self.outstanding += 1;
        let answer = self.answers.recv().await.ok_or(ExchangeError::Lost)??;
        self.outstanding -= 1;
        Ok(answer)
    }
}

/// Carries requests and answers until either side has gone, or an exchange fails.
async fn drive(
    stream: TcpStream,
    limits: Limits,
    mut requests: mpsc::Receiver<Request<Full<Bytes>>>,
    answers: mpsc::Sender<Outcome>,
) {
    let handshake = Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(Io::new(stream, limits.write_patience));
    let Ok((mut sender, connection)) = handshake.await else {
        return;
    };
    let mut connection = std::pin::pin!(connection);
    loop {
        let request = tokio::select! {
            biased;
            request = requests.recv() => request,
            _ = &mut connection => return,
        };
        let Some(request) = request else {
            return;
        };
        let mut exchange = std::pin::pin!(exchange(&mut sender, request, limits));
        let (outcome, has_ended) = tokio::select! {
            biased;
            outcome = &mut exchange => (outcome, false),
            // What had arrived by then is still to be read.
            _ = &mut connection => (exchange.await, true),
        };
        let is_last = has_ended || outcome.is_err();
        if answers.send(outcome).await.is_err() || is_last {
            return;
        }
    }
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    limits: Limits,
) -> Outcome {
    if sender.ready().await.is_err() {
        return Err(ExchangeError::NotSent);
    }
    let answer = match sender.try_send_request(request).await {
        Ok(answer) => answer,
        // hyper gives the request back if it has not begun to write it.
        Err(mut error) => match error.take_message() {
            Some(_) => return Err(ExchangeError::NotSent),
            None => return Err(ExchangeError::Lost),
        },
    };
    let (head, body) = answer.into_parts();
    match Limited::new(body, limits.body_bytes_max).collect().await {
        Ok(collected) => Ok(Response::from_parts(head, collected.to_bytes())),
        Err(_) => Err(ExchangeError::Unreadable),
    }
}
