//! A request's way through the proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use squall_sim::time::{Instant, sleep};
use squall_sim::{emit, rand};

use super::super::headers;
use super::super::listen::{BodyError, read_body};
use super::super::retry::{self, Effect};
use super::super::truth::Truth;
use super::attempt::{self, Failure, FailureKind, Outgoing};
use super::upstreams::Upstreams;
use super::{Cause, Config};

type Answer = Response<Full<Bytes>>;

/// Answers a client's request. Its future is dropped if the client leaves.
pub(super) async fn forward(
    upstreams: Arc<Upstreams>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Answer {
    let Some(_slot) = upstreams.take_on() else {
        return Cause::Overloaded.answer(Effect::None);
    };
    let id = rand::bits();
    emit(Truth::RequestStarted { request: id });
    let (answer, cause) = match receive(&upstreams.config, id, request, peer).await {
        Ok(outgoing) => send(&upstreams, &outgoing).await,
        Err(cause) => (cause.answer(Effect::None), Some(cause)),
    };
    emit(Truth::RequestDone {
        request: id,
        status: answer.status().as_u16(),
        cause,
    });
    answer
}

/// Reads a request to its end, and makes it one of ours.
async fn receive(
    config: &Config,
    id: u64,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Outgoing, Cause> {
    let began = Instant::now();
    let (mut head, body) = request.into_parts();
    check(&head)?;
    let asked = headers::deadline(&head.headers).unwrap_or(config.request_timeout);
    let target = head
        .uri
        .path_and_query()
        .map_or_else(|| Uri::from_static("/"), |target| Uri::from(target.clone()));
    headers::remove_hop_by_hop(&mut head.headers);
    head.headers.remove(headers::DEADLINE_MS);
    head.headers.remove(headers::ATTEMPT);
    headers::append_forwarded_for(&mut head.headers, peer.ip());
    let body = read_body(body, &config.clients).await;
    Ok(Outgoing {
        id,
        method: head.method,
        target,
        headers: head.headers,
        body: body.map_err(|error| match error {
            BodyError::TooLarge => Cause::RequestTooLarge,
            BodyError::TooSlow => Cause::RequestTooSlow,
            BodyError::Broken => Cause::BadRequest,
        })?,
        deadline: began + asked.min(config.request_timeout),
    })
}

/// Refuses what two readers might read differently, and what asks for a tunnel. (A message with both a length and a
/// transfer coding never comes here with its length: hyper takes that away, as RFC 9112 section 6.3 has it, and
/// closes the connection behind the answer.)
fn check(head: &hyper::http::request::Parts) -> Result<(), Cause> {
    let hosts = head.headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && head.version == Version::HTTP_11) {
        return Err(Cause::BadRequest);
    }
    if head.method == Method::CONNECT {
        return Err(Cause::NotImplemented);
    }
    Ok(())
}

/// Sends a request until it has an answer, or may not be sent again.
async fn send(upstreams: &Arc<Upstreams>, request: &Outgoing) -> (Answer, Option<Cause>) {
    let config = &upstreams.config;
    let mut tried = Vec::new();
    let mut effect = Effect::None;
    loop {
        let ordinal = tried.len() as u32;
        let failure = match try_once(upstreams, request, ordinal, &mut tried).await {
            Ok(answer) => return (pass_on(&request.method, answer, effect), None),
            Err(failure) => failure,
        };
        if failure.effect == Effect::Possible {
            effect = Effect::Possible;
        }
        // Nobody was asked: a retry would meet the same state.
        let was_asked = tried.len() as u32 > ordinal;
        if !was_asked || !prepare_retry(config, upstreams, request, ordinal, failure.effect).await {
            return conclude(&request.method, failure, effect);
        }
    }
}

async fn try_once(
    upstreams: &Arc<Upstreams>,
    request: &Outgoing,
    ordinal: u32,
    tried: &mut Vec<usize>,
) -> Result<Response<Bytes>, Failure> {
    let refused = |cause| Failure {
        effect: Effect::None,
        kind: FailureKind::Silent(cause),
    };
    let patience = attempt::patience(&upstreams.config, request);
    if patience.is_zero() {
        return Err(refused(Cause::DeadlineExceeded));
    }
    let lease = upstreams.choose(tried).map_err(refused)?;
    tried.push(lease.backend);
    emit(Truth::Attempt {
        request: request.id,
        ordinal,
        backend: lease.backend,
        is_retry: ordinal > 0,
        patience,
    });
    attempt::carry_out(&upstreams.config, lease, request, ordinal).await
}

/// Whether the request is sent again: if it may be, is paid for, and there is time. Waits for the pause before it.
async fn prepare_retry(
    config: &Config,
    upstreams: &Upstreams,
    request: &Outgoing,
    ordinal: u32,
    effect: Effect,
) -> bool {
    let retry = ordinal + 1;
    if retry >= config.retry.attempts_max || !retry::may_repeat(&request.method, effect) {
        return false;
    }
    let pause = retry::backoff(&config.retry, retry, rand::bits());
    if Instant::now() + pause >= request.deadline {
        return false;
    }
    if !upstreams.pay_for_retry() {
        emit(Truth::BudgetExhausted {
            request: request.id,
        });
        return false;
    }
    emit(Truth::Retried {
        request: request.id,
    });
    sleep(pause).await;
    true
}

/// The answer to a request whose last attempt has failed.
fn conclude(method: &Method, failure: Failure, effect: Effect) -> (Answer, Option<Cause>) {
    match failure.kind {
        FailureKind::Silent(cause) => (cause.answer(effect), Some(cause)),
        FailureKind::Answered(answer) => (pass_on(method, *answer, effect), None),
    }
}

/// A backend's answer as the client gets it.
fn pass_on(method: &Method, answer: Response<Bytes>, effect: Effect) -> Answer {
    let (mut head, body) = answer.into_parts();
    let length = head.headers.get(CONTENT_LENGTH).cloned();
    headers::remove_hop_by_hop(&mut head.headers);
    // Only an answer that has no body by its nature speaks of the length of another.
    let is_bare = method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
    if let Some(length) = length.filter(|_| is_bare) {
        head.headers.insert(CONTENT_LENGTH, length);
    }
    // What the last backend did not do, an earlier one may have done.
    if effect == Effect::Possible {
        head.headers.remove(headers::EFFECT);
    }
    head.version = Version::HTTP_11;
    Response::from_parts(head, Full::new(body))
}
