//! One bench's work, once and without criterion, for profilers that count instructions:
//! `valgrind --tool=callgrind target/release/examples/once heartbeat 60`. The second argument is the
//! virtual seconds, round trips, tasks or clients.

use std::time::Instant;

use squall_bench_work as work;
use squall_benches::{fan_in, heartbeat_cluster, ping_pong, sleepers};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "heartbeat".to_owned());
    let size: Option<u64> = arguments.next().and_then(|size| size.parse().ok());
    let begin = Instant::now();
    let done = match name.as_str() {
        "heartbeat" => heartbeat_cluster(size.unwrap_or(work::heartbeat::VIRTUAL_SECONDS)),
        "ping-pong" => ping_pong(size.unwrap_or(work::ping_pong::ROUND_TRIPS)),
        "sleepers" => sleepers(size.unwrap_or(work::sleepers::TASKS)),
        "fan-in" => fan_in(size.map_or(work::fan_in::CLIENTS, |clients| clients as usize)),
        other => panic!(
            "no such work: {other}; there are {:?}",
            work::Work::ALL.map(work::Work::name)
        ),
    };
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{name}: {done} in {seconds:.3} s, {:.0} per second",
        done as f64 / seconds
    );
}
