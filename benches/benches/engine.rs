//! The work that the field's figures are quoted for: a cluster that sends heartbeats over UDP, and a
//! TCP ping-pong. Times are wall-clock; `cargo bench -p squall-benches`.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use squall_benches::{heartbeat_cluster, ping_pong};

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(600 * 400));
    group.bench_function(BenchmarkId::new("heartbeat-cluster", "600 s"), |bencher| {
        bencher.iter(|| assert!(heartbeat_cluster(600) > 239_000));
    });
    group.throughput(Throughput::Elements(20_000));
    group.bench_function(BenchmarkId::new("tcp-ping-pong", "20,000"), |bencher| {
        bencher.iter(|| assert_eq!(ping_pong(20_000), 20_000));
    });
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
