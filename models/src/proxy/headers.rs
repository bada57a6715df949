//! The names of headers, and which of them end at a proxy.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use squall_sim::time::Duration;

/// How long whoever sent the request still waits for an answer, in milliseconds. A duration, as in gRPC's
/// `grpc-timeout`, since machines do not agree on the time of day.
pub const DEADLINE_MS: HeaderName = HeaderName::from_static("x-squall-deadline-ms");
/// Which attempt of which request this is, as the proxy counts them: `<request>/<ordinal>`.
pub const ATTEMPT: HeaderName = HeaderName::from_static("x-squall-attempt");
/// `none` on an answer that says that the request certainly had no effect and will have none.
pub const EFFECT: HeaderName = HeaderName::from_static("x-squall-effect");
/// Why the proxy answers an error of its own.
pub const ERROR: HeaderName = HeaderName::from_static("x-squall-error");
/// The nonce that an echo answers.
pub const NONCE: HeaderName = HeaderName::from_static("x-nonce");
/// Through whom a request came.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is about one connection and not about the message (RFC 9110, section 7.6.1), or about a framing that
/// is made anew for the next connection.
const HOP_BY_HOP: [HeaderName; 11] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Takes away what must not be passed on: the headers of this hop, and those that `Connection` names.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Adds whom a request came from to those that are named already.
pub fn append_forwarded_for(headers: &mut HeaderMap, peer: std::net::IpAddr) {
    let mut path: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let peer = peer.to_string();
    path.push(&peer);
    if let Ok(value) = HeaderValue::from_str(&path.join(", ")) {
        headers.insert(FORWARDED_FOR, value);
    }
}

/// How long the sender waits, if it says so in a way that makes sense.
pub fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(DEADLINE_MS)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_millis)
}

/// A deadline as a header's value: whole milliseconds, at least one.
pub fn deadline_value(patience: Duration) -> HeaderValue {
    let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    HeaderValue::from(ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn what_is_about_one_hop_ends_there() {
        let mut map = headers(&[
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut map);
        assert_eq!(map, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn the_path_of_a_request_grows_by_one() {
        let mut map = headers(&[("x-forwarded-for", "1.2.3.4")]);
        append_forwarded_for(&mut map, [10, 0, 0, 1].into());
        assert_eq!(map, headers(&[("x-forwarded-for", "1.2.3.4, 10.0.0.1")]));
    }

    #[test]
    fn deadlines_that_make_no_sense_are_none() {
        let of = |value| deadline(&headers(&[("x-squall-deadline-ms", value)]));
        assert_eq!(of("250"), Some(Duration::from_millis(250)));
        assert_eq!(of("-1"), None);
        assert_eq!(of("99999999999999999999999"), None);
        assert_eq!(deadline_value(Duration::from_micros(3)), "1");
    }
}
