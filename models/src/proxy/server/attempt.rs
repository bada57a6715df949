//! One attempt: a request goes to a backend, and its answer comes back or does not.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use squall_sim::mutant;
use squall_sim::time::{Duration, Instant, timeout};

use super::super::breaker::Verdict;
use super::super::connection::{Connection, ExchangeError};
use super::super::headers;
use super::super::retry::Effect;
use super::upstreams::Lease;
use super::{Cause, Config};

/// A client's request, ready to be sent as often as need be.
pub(super) struct Outgoing {
    /// The number that it goes by.
    pub(super) id: u64,
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When nobody waits for it any more.
    pub(super) deadline: Instant,
}

/// An attempt that did not succeed.
pub(super) struct Failure {
    pub(super) effect: Effect,
    pub(super) kind: FailureKind,
}

pub(super) enum FailureKind {
    /// There is no answer.
    Silent(Cause),
    /// The backend answered that it could not.
    Answered(Box<Response<Bytes>>),
}

/// How long a backend may take for an attempt that begins now.
pub(super) fn patience(config: &Config, request: &Outgoing) -> Duration {
    config.try_timeout.min(request.deadline - Instant::now())
}

/// Sends a request to the leased backend, and gives the lease back.
pub(super) async fn carry_out(
    config: &Config,
    mut lease: Lease,
    request: &Outgoing,
    ordinal: u32,
) -> Result<Response<Bytes>, Failure> {
    let result = match connect(config, &mut lease, request).await {
        Ok(()) => exchange(config, &mut lease, request, ordinal).await,
        Err(cause) => Err(Failure {
            effect: Effect::None,
            kind: FailureKind::Silent(cause),
        }),
    };
    lease.finish(verdict(&result));
    result
}

async fn connect(config: &Config, lease: &mut Lease, request: &Outgoing) -> Result<(), Cause> {
    if lease.connection.is_some() {
        return Ok(());
    }
    let limit = config.connect_timeout.min(patience(config, request));
    let opened = Connection::open(&config.backends[lease.backend], config.answers);
    match timeout(limit, opened).await {
        Ok(Ok(connection)) => lease.connection = Some(connection),
        Ok(Err(_)) => return Err(Cause::ConnectFailed),
        Err(_) => return Err(Cause::ConnectTimeout),
    }
    Ok(())
}

async fn exchange(
    config: &Config,
    lease: &mut Lease,
    request: &Outgoing,
    ordinal: u32,
) -> Result<Response<Bytes>, Failure> {
    let limit = patience(config, request);
    let connection = lease.connection.as_mut().expect("connected just before");
    let message = message(config, lease.backend, request, ordinal, limit);
    let failed = |effect, cause| Failure {
        effect,
        kind: FailureKind::Silent(cause),
    };
    match timeout(limit, connection.exchange(message)).await {
        Ok(Ok(answer)) => classify(answer),
        Ok(Err(ExchangeError::NotSent)) => Err(failed(Effect::None, Cause::ConnectionLost)),
        Ok(Err(ExchangeError::Lost)) => Err(failed(Effect::Possible, Cause::ConnectionLost)),
        Ok(Err(ExchangeError::Unreadable)) => Err(failed(Effect::Possible, Cause::BadAnswer)),
        Err(_) => Err(failed(Effect::Possible, Cause::TryTimeout)),
    }
}

/// An answer that another backend might better is a failure, if nobody else has one.
fn classify(answer: Response<Bytes>) -> Result<Response<Bytes>, Failure> {
    let effect = match answer.headers().contains_key(headers::EFFECT) {
        true => Effect::None,
        false => Effect::Possible,
    };
    match answer.status() {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Err(Failure {
                effect,
                kind: FailureKind::Answered(Box::new(answer)),
            })
        }
        _ => Ok(answer),
    }
}

/// What an attempt says of its backend. One that declines politely is alive: to leave it alone is
/// the balancer's business, not the breaker's.
fn verdict(result: &Result<Response<Bytes>, Failure>) -> Verdict {
    let status = match result {
        Ok(answer) => answer.status(),
        Err(Failure {
            kind: FailureKind::Answered(_),
            effect: Effect::None,
        }) => return Verdict::Success,
        Err(Failure {
            kind: FailureKind::Answered(answer),
            ..
        }) => answer.status(),
        Err(_) => return Verdict::Failure,
    };
    match status.is_server_error() {
        true => Verdict::Failure,
        false => Verdict::Success,
    }
}

fn message(
    config: &Config,
    backend: usize,
    request: &Outgoing,
    ordinal: u32,
    patience: Duration,
) -> Request<Full<Bytes>> {
    let mut message = Request::new(Full::new(request.body.clone()));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = request.target.clone();
    *message.headers_mut() = request.headers.clone();
    let own = message.headers_mut();
    if let Ok(attempt) = HeaderValue::from_str(&format!("{}/{ordinal}", request.id)) {
        own.insert(headers::ATTEMPT, attempt);
    }
    if !mutant!("proxy.deadline-not-propagated") {
        own.insert(headers::DEADLINE_MS, headers::deadline_value(patience));
    }
    if !own.contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(&config.backends[backend])
    {
        own.insert(HOST, host);
    }
    message
}
