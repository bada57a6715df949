//! A client of the proxy: one request at a time, on a connection that it keeps.
//!
//! It never sends a request twice. A call's future may be dropped at any await: the connection goes with it, since an
//! answer may still come on it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HOST;
use hyper::{Method, Request, Response, StatusCode};
use squall_sim::time::{Duration, Instant, timeout};

use super::connection::{Connection, ExchangeError, Limits};
use super::headers;
pub use crate::client_error::ClientError;

/// What a client is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the proxy listens, as `host:port`.
    pub proxy: String,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
}

impl Config {
    /// The usual number: 500 ms to connect.
    pub fn new(proxy: impl Into<String>) -> Self {
        Self {
            proxy: proxy.into(),
            connect_timeout: Duration::from_millis(500),
        }
    }
}

/// A client of the proxy.
pub struct Client {
    config: Config,
    connection: Option<Connection>,
}

impl Client {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            connection: None,
        }
    }

    /// Asks for a nonce back; answers what came. It should be the nonce.
    ///
    /// # Errors
    /// If there is no answer, or one that says why not.
    pub async fn echo(&mut self, nonce: &str, deadline: Instant) -> Result<String, ClientError> {
        let path = format!("/echo/{nonce}");
        let answer = self.ask(Method::GET, &path, deadline).await?;
        let echoed = text(answer.body());
        match answer.headers().get(headers::NONCE) {
            Some(header) if header.as_bytes() == answer.body() => Ok(echoed),
            header => Ok(format!("{echoed}, but {header:?} in the head")),
        }
    }

    /// Has something done that must be done once at most; answers how often it has been done there.
    ///
    /// # Errors
    /// If there is no answer, or one that says why not.
    pub async fn once(&mut self, id: &str, deadline: Instant) -> Result<u64, ClientError> {
        let path = format!("/once/{id}");
        let answer = self.ask(Method::POST, &path, deadline).await?;
        let count = text(answer.body()).parse();
        count.map_err(|_| ClientError::Indeterminate("the answer is no count".to_owned()))
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        deadline: Instant,
    ) -> Result<Response<Bytes>, ClientError> {
        // Taken out, so that it goes if this future does.
        let mut connection = match self.connection.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => self.connect(deadline).await?,
        };
        let patience = deadline - Instant::now();
        let request = self.request(method, path, patience)?;
        let answer = match timeout(patience, connection.exchange(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error @ ExchangeError::NotSent)) => {
                return Err(ClientError::NotDone(error.to_string()));
            }
            Ok(Err(error)) => return Err(ClientError::Indeterminate(error.to_string())),
            Err(_) => return Err(ClientError::Indeterminate("no answer in time".to_owned())),
        };
        self.connection = Some(connection);
        judge(answer)
    }

    async fn connect(&self, deadline: Instant) -> Result<Connection, ClientError> {
        let patience = self.config.connect_timeout.min(deadline - Instant::now());
        let opened = Connection::open(&self.config.proxy, Limits::default());
        match timeout(patience, opened).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(ClientError::NotDone(format!("cannot connect: {error}"))),
            Err(_) => Err(ClientError::NotDone("cannot connect in time".to_owned())),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        patience: Duration,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.config.proxy)
            .header(headers::DEADLINE_MS, headers::deadline_value(patience))
            .body(Full::default());
        request.map_err(|error| ClientError::NotDone(format!("no request: {error}")))
    }
}

/// An answer that is no success is an error, of the kind that it says.
fn judge(answer: Response<Bytes>) -> Result<Response<Bytes>, ClientError> {
    if answer.status() == StatusCode::OK {
        return Ok(answer);
    }
    let cause = answer.headers().get(headers::ERROR);
    let cause = cause.map_or_else(String::new, |cause| format!(" {}", text(cause.as_bytes())));
    let problem = format!("{}{cause}", answer.status().as_u16());
    let has_effect = answer.headers().get(headers::EFFECT).is_none();
    Err(ClientError::of(has_effect, problem))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
