//! The work that engines are compared by. Times are wall-clock; `cargo bench -p squall-benches`.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use squall_bench_work::Work;

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for work in Work::ALL {
        group.throughput(Throughput::Elements(work.count()));
        group.bench_function(work.name(), |bencher| {
            bencher.iter(|| work.assert_done(squall_benches::engine(work)));
        });
    }
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
