//! A client: connects when it must, and is honest about what it does not know.
//!
//! The server does not know a request that comes twice. So a write that was sent and not answered is never
//! sent again: it is [`ClientError::Indeterminate`]. What certainly did nothing, a failed connect or a
//! transaction that conflicted, is tried again until the deadline.
//!
//! While a request is under way the connection is out of the client's hands, and comes back with the
//! whole answer. If the future is dropped, or the deadline comes first, the connection is gone with it:
//! no answer is ever taken for that of a later request.

use squall_sim::net::{OwnedReadHalf, OwnedWriteHalf, TcpStream};
use squall_sim::rand;
use squall_sim::time::{Duration, Instant, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::resp::{Bounds, Decoder, Frame};
pub use crate::client_error::ClientError;

/// What an answer may be at most.
const ANSWER: Bounds = Bounds {
    frame_bytes_max: 64 << 20,
    items_max: 1 << 20,
    depth_max: 4,
};

/// What a client is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens, as `host:port`.
    pub server: String,
    /// How long one request may take, and so may a connect.
    pub attempt_timeout: Duration,
    /// How long a client waits before it tries again, at most.
    pub pause_max: Duration,
}

impl Config {
    /// The usual numbers: 300 ms an attempt, up to 40 ms between them.
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            attempt_timeout: Duration::from_millis(300),
            pause_max: Duration::from_millis(40),
        }
    }
}

/// What became of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    Done,
    /// The account that pays does not have as much; nothing was done.
    Insufficient,
}

/// A client of the store.
pub struct Client {
    config: Config,
    connection: Option<Connection>,
}

struct Connection {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    decoder: Decoder,
}

/// Why a request has no answer. Nothing of it comes later: the connection is gone.
enum Failure {
    /// The request did not leave this machine.
    NotSent,
    /// It may have arrived.
    Lost,
    /// The server says that it was not done.
    Refused(String),
}

impl Failure {
    /// What it means for a request that writes.
    fn of_write(self) -> ClientError {
        match self {
            Self::Lost => ClientError::Indeterminate("no answer in time".to_owned()),
            other => other.of_read(),
        }
    }

    /// What it means for one that does not, or does only in a transaction that is not committed.
    fn of_read(self) -> ClientError {
        ClientError::NotDone(match self {
            Self::NotSent => "no connection".to_owned(),
            Self::Lost => "no answer in time".to_owned(),
            Self::Refused(why) => why,
        })
    }
}

/// What is to be tried again, and what not.
enum Try<T> {
    Done(T),
    /// Nothing was done: somebody else came first.
    Conflict,
}

impl Client {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            connection: None,
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// If the deadline comes first. A read that failed did nothing, whatever the error.
    pub async fn get(
        &mut self,
        key: &str,
        deadline: Instant,
    ) -> Result<Option<String>, ClientError> {
        let answer = self.read(&["GET", key], deadline).await?;
        text_or_nothing(answer)
    }

    /// Sets a key.
    ///
    /// # Errors
    /// If the deadline comes first, or the server refuses.
    pub async fn set(
        &mut self,
        key: &str,
        value: &str,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.write(&["SET", key, value], deadline).await.map(drop)
    }

    /// Deletes a key; answers whether it was there.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub async fn delete(&mut self, key: &str, deadline: Instant) -> Result<bool, ClientError> {
        Ok(self.write(&["DEL", key], deadline).await? == Frame::Integer(1))
    }

    /// Adds to a number; answers what it comes to.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub async fn increment(
        &mut self,
        key: &str,
        by: i64,
        deadline: Instant,
    ) -> Result<i64, ClientError> {
        let by = by.to_string();
        match self.write(&["INCRBY", key, &by], deadline).await? {
            Frame::Integer(number) => Ok(number),
            other => Err(strange(&other)),
        }
    }

    /// Adds a member to a set; answers whether it is new.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub async fn add(
        &mut self,
        key: &str,
        member: &str,
        deadline: Instant,
    ) -> Result<bool, ClientError> {
        let added = self.write(&["SADD", key, member], deadline).await?;
        Ok(added == Frame::Integer(1))
    }

    /// The members of a set, in order.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn members(
        &mut self,
        key: &str,
        deadline: Instant,
    ) -> Result<Vec<String>, ClientError> {
        let answer = self.read(&["SMEMBERS", key], deadline).await?;
        let members = items(answer)?.into_iter().map(text_or_nothing);
        members
            .map(|member| Ok(member?.unwrap_or_default()))
            .collect()
    }

    /// The values of keys, in one snapshot.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn read_all(
        &mut self,
        keys: &[&str],
        deadline: Instant,
    ) -> Result<Vec<Option<String>>, ClientError> {
        let answer = self.read(&[&["MGET"], keys].concat(), deadline).await?;
        items(answer)?.into_iter().map(text_or_nothing).collect()
    }

    /// The values of keys, read one after the other in one snapshot transaction.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn read_each(
        &mut self,
        keys: &[&str],
        deadline: Instant,
    ) -> Result<Vec<Option<String>>, ClientError> {
        self.connect(deadline).await?;
        let tried = self.try_read_each(keys, deadline).await;
        self.leave(tried)
    }

    /// Sets a key if it has this value (`None`: if it is not there), by `WATCH` and `EXEC`; answers whether it had.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub async fn compare_and_set(
        &mut self,
        key: &str,
        expected: Option<&str>,
        new: &str,
        deadline: Instant,
    ) -> Result<bool, ClientError> {
        loop {
            self.connect(deadline).await?;
            let tried = self.try_compare_and_set(key, expected, new, deadline).await;
            match self.leave(tried)? {
                Try::Done(is_set) => return Ok(is_set),
                Try::Conflict => self.pause(deadline).await?,
            }
        }
    }

    /// Moves an amount from one number to another, by `BEGIN` and `COMMIT`.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub async fn transfer(
        &mut self,
        from: &str,
        to: &str,
        amount: i64,
        deadline: Instant,
    ) -> Result<Transfer, ClientError> {
        loop {
            self.connect(deadline).await?;
            let tried = self.try_transfer(from, to, amount, deadline).await;
            match self.leave(tried)? {
                Try::Done(outcome) => return Ok(outcome),
                Try::Conflict => self.pause(deadline).await?,
            }
        }
    }

    /// A transaction that was not ended is ended with its connection.
    fn leave<T>(&mut self, tried: Result<T, ClientError>) -> Result<T, ClientError> {
        if tried.is_err() {
            self.connection = None;
        }
        tried
    }

    async fn try_read_each(
        &mut self,
        keys: &[&str],
        deadline: Instant,
    ) -> Result<Vec<Option<String>>, ClientError> {
        let step = Failure::of_read;
        self.ask(&["BEGIN"], deadline).await.map_err(step)?;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let value = self.ask(&["GET", key], deadline).await.map_err(step)?;
            values.push(text_or_nothing(value)?);
        }
        self.ask(&["ROLLBACK"], deadline).await.map_err(step)?;
        Ok(values)
    }

    async fn try_compare_and_set(
        &mut self,
        key: &str,
        expected: Option<&str>,
        new: &str,
        deadline: Instant,
    ) -> Result<Try<bool>, ClientError> {
        let step = Failure::of_read;
        self.ask(&["WATCH", key], deadline).await.map_err(step)?;
        let now = self.ask(&["GET", key], deadline).await.map_err(step)?;
        if text_or_nothing(now)?.as_deref() != expected {
            self.ask(&["UNWATCH"], deadline).await.map_err(step)?;
            return Ok(Try::Done(false));
        }
        self.ask(&["MULTI"], deadline).await.map_err(step)?;
        let queued = self.ask(&["SET", key, new], deadline).await;
        queued.map_err(step)?;
        match self.ask(&["EXEC"], deadline).await {
            Ok(Frame::Array(None)) => Ok(Try::Conflict),
            Ok(_) => Ok(Try::Done(true)),
            Err(failure) => Err(failure.of_write()),
        }
    }

    async fn try_transfer(
        &mut self,
        from: &str,
        to: &str,
        amount: i64,
        deadline: Instant,
    ) -> Result<Try<Transfer>, ClientError> {
        let step = Failure::of_read;
        self.ask(&["BEGIN"], deadline).await.map_err(step)?;
        let payer = self.ask(&["GET", from], deadline).await.map_err(step)?;
        let payee = self.ask(&["GET", to], deadline).await.map_err(step)?;
        let (payer, payee) = (amount_of(payer)?, amount_of(payee)?);
        if payer < amount || from == to {
            self.ask(&["ROLLBACK"], deadline).await.map_err(step)?;
            return Ok(Try::Done(match payer < amount {
                true => Transfer::Insufficient,
                false => Transfer::Done,
            }));
        }
        let (payer, payee) = (payer - amount, payee.saturating_add(amount));
        for (key, balance) in [(from, payer), (to, payee)] {
            let balance = balance.to_string();
            let set = self.ask(&["SET", key, &balance], deadline).await;
            set.map_err(step)?;
        }
        match self.ask(&["COMMIT"], deadline).await {
            Ok(_) => Ok(Try::Done(Transfer::Done)),
            Err(Failure::Refused(why)) if why.starts_with("CONFLICT") => Ok(Try::Conflict),
            Err(failure) => Err(failure.of_write()),
        }
    }

    /// Asks what changes nothing: it may be asked again.
    async fn read(&mut self, request: &[&str], deadline: Instant) -> Result<Frame, ClientError> {
        loop {
            self.connect(deadline).await?;
            match self.ask(request, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure @ Failure::Refused(_)) => return Err(failure.of_read()),
                Err(_) => self.pause(deadline).await?,
            }
        }
    }

    /// Asks once what changes something.
    async fn write(&mut self, request: &[&str], deadline: Instant) -> Result<Frame, ClientError> {
        self.connect(deadline).await?;
        let answer = self.ask(request, deadline).await;
        answer.map_err(Failure::of_write)
    }

    /// Waits a moment before the next attempt, if there is time for one.
    async fn pause(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let pause_ns = self.config.pause_max.as_nanos() as u64;
        sleep(Duration::from_nanos(rand::below(pause_ns.max(1)))).await;
        match Instant::now() < deadline {
            true => Ok(()),
            false => Err(ClientError::NotDone("no success in time".to_owned())),
        }
    }

    /// Connects, unless it is connected.
    async fn connect(&mut self, deadline: Instant) -> Result<(), ClientError> {
        while self.connection.is_none() {
            let patience = self.config.attempt_timeout.min(deadline - Instant::now());
            let connecting = timeout(patience, TcpStream::connect(self.config.server.as_str()));
            match connecting.await {
                Ok(Ok(stream)) => self.connection = Some(Connection::new(stream)),
                _ => self.pause(deadline).await?,
            }
        }
        Ok(())
    }

    /// Asks once, on the connection that there is.
    async fn ask(&mut self, request: &[&str], deadline: Instant) -> Result<Frame, Failure> {
        let patience = self.config.attempt_timeout.min(deadline - Instant::now());
        let Some(mut connection) = self.connection.take() else {
            return Err(Failure::NotSent);
        };
        if patience.is_zero() {
            return Err(Failure::NotSent);
        }
        let words: Vec<&[u8]> = request.iter().map(|word| word.as_bytes()).collect();
        let request = Frame::request(&words).to_bytes();
        match timeout(patience, connection.exchange(&request)).await {
            Ok(Some(Frame::Error(why))) => {
                // Whatever the connection was in the middle of ends with it.
                Err(Failure::Refused(why))
            }
            Ok(Some(answer)) => {
                self.connection = Some(connection);
                Ok(answer)
            }
            Ok(None) | Err(_) => Err(Failure::Lost),
        }
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        Self {
            read,
            write,
            decoder: Decoder::new(ANSWER),
        }
    }

    /// Sends a request and waits for its answer; `None` if the connection ends first, or nobody
    /// asked for what comes.
    async fn exchange(&mut self, request: &[u8]) -> Option<Frame> {
        self.write.write_all(request).await.ok()?;
        let mut buffer = [0; 4096];
        loop {
            if let Some(answer) = self.decoder.next().ok()? {
                return self.decoder.is_between_frames().then_some(answer);
            }
            let length = self.read.read(&mut buffer).await.ok()?;
            if length == 0 {
                return None;
            }
            self.decoder.push(&buffer[..length]);
        }
    }
}

fn items(frame: Frame) -> Result<Vec<Frame>, ClientError> {
    match frame {
        Frame::Array(Some(items)) => Ok(items),
        other => Err(strange(&other)),
    }
}

fn text_or_nothing(frame: Frame) -> Result<Option<String>, ClientError> {
    match frame {
        Frame::Bulk(None) => Ok(None),
        Frame::Bulk(Some(bytes)) => {
            let text = String::from_utf8(bytes);
            let text = text.map_err(|_| ClientError::NotDone("the value is no text".to_owned()))?;
            Ok(Some(text))
        }
        other => Err(strange(&other)),
    }
}

/// A number; what is not there counts as zero.
fn amount_of(frame: Frame) -> Result<i64, ClientError> {
    match text_or_nothing(frame)? {
        None => Ok(0),
        Some(text) => text
            .parse()
            .map_err(|_| ClientError::NotDone("the value is no number".to_owned())),
    }
}

fn strange(frame: &Frame) -> ClientError {
    ClientError::Indeterminate(format!("an answer that fits no request: {frame:?}"))
}
