//! One bench's work, once and without criterion, for profilers that count instructions:
//! `valgrind --tool=callgrind target/release/examples/once heartbeat 60`.

use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let work = arguments.next().unwrap_or_else(|| "heartbeat".to_owned());
    let size = arguments.next().and_then(|size| size.parse().ok());
    let begin = Instant::now();
    let done = match work.as_str() {
        "heartbeat" => squall_benches::heartbeat_cluster(size.unwrap_or(600)),
        "ping-pong" => squall_benches::ping_pong(size.unwrap_or(20_000)),
        other => panic!("no such work: {other}; there are heartbeat and ping-pong"),
    };
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{work}: {done} in {seconds:.3} s, {:.0} per second",
        done as f64 / seconds
    );
}
