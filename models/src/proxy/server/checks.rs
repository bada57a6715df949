//! Active health checks: each backend is asked `GET /health`, again and again, on a new connection.

use std::sync::Arc;

use http_body_util::Full;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use squall_sim::rand;
use squall_sim::time::{Duration, sleep, timeout};

use super::super::connection::Connection;
use super::upstreams::Upstreams;

/// Checks one backend for ever.
pub(super) async fn run(upstreams: Arc<Upstreams>, backend: usize) {
    let config = upstreams.config.health;
    let interval_ns = config.interval.as_nanos() as u64;
    // The backends are not all asked at once.
    sleep(Duration::from_nanos(rand::below(interval_ns.max(1)))).await;
    loop {
        let passed = timeout(config.timeout, check(&upstreams, backend)).await;
        upstreams.record_check(backend, passed.unwrap_or(false));
        sleep(config.interval).await;
    }
}

async fn check(upstreams: &Upstreams, backend: usize) -> bool {
    let address = &upstreams.config.backends[backend];
    let request = Request::get("/health")
        .header(HOST, address)
        .body(Full::default());
    let Ok(request) = request else {
        return false;
    };
    let Ok(mut connection) = Connection::open(address, upstreams.config.answers).await else {
        return false;
    };
    let answer = connection.exchange(request).await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
}
