//! What the proxy answers when it has no answer of a backend.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Response, StatusCode};

use super::super::headers;
use super::super::retry::Effect;

/// Why the proxy answers an error of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The request makes no sense, or means different things to different readers.
    BadRequest,
    /// `CONNECT`, which would ask for a tunnel.
    NotImplemented,
    RequestTooLarge,
    RequestTooSlow,
    /// Too many requests are being worked on.
    Overloaded,
    /// All backends are believed to be down.
    NoHealthyBackend,
    /// All backends that might be asked are left alone for now.
    BreakersOpen,
    /// The client's time was over before anybody could be asked.
    DeadlineExceeded,
    ConnectFailed,
    ConnectTimeout,
    ConnectionLost,
    TryTimeout,
    BadAnswer,
}

impl Cause {
    /// The id of the cause, as in the header [`headers::ERROR`].
    pub fn id(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::NotImplemented => "not-implemented",
            Self::RequestTooLarge => "request-too-large",
            Self::RequestTooSlow => "request-too-slow",
            Self::Overloaded => "overloaded",
            Self::NoHealthyBackend => "no-healthy-backend",
            Self::BreakersOpen => "breakers-open",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::ConnectFailed => "connect-failed",
            Self::ConnectTimeout => "connect-timeout",
            Self::ConnectionLost => "connection-lost",
            Self::TryTimeout => "try-timeout",
            Self::BadAnswer => "bad-answer",
        }
    }

    /// The status that tells a client of it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded | Self::NoHealthyBackend | Self::BreakersOpen => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ConnectFailed | Self::ConnectionLost | Self::BadAnswer => StatusCode::BAD_GATEWAY,
            Self::DeadlineExceeded | Self::ConnectTimeout | Self::TryTimeout => {
                StatusCode::GATEWAY_TIMEOUT
            }
        }
    }

    /// The answer that says so.
    pub(super) fn answer(self, effect: Effect) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from_static(self.id().as_bytes())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(headers::ERROR, HeaderValue::from_static(self.id()));
        if self == Self::BadRequest {
            // Where such a request ends is open to doubt as well.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if effect == Effect::None {
            headers.insert(headers::EFFECT, HeaderValue::from_static("none"));
        }
        response
    }
}
