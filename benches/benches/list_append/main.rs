//! Isolation by list-append: strict serializability and all phenomena, `cargo bench -p squall-benches
//! --bench list_append`. Times are wall-clock.

mod recipe;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use recipe::{Recipe, transactions};
use squall_checkers::isolation::list_append::{ListAppendOptions, Names, report_transactions};
use std::hint::black_box;
use std::time::Duration;

fn list_append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("list-append");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for count in [10_000, 100_000, 1_000_000] {
        let transactions = transactions(&Recipe::of(count));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count}"), |bencher| {
            bencher.iter(|| {
                let options = ListAppendOptions::default();
                black_box(report_transactions(
                    &transactions,
                    &Names::default(),
                    &options,
                ))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, list_append);
criterion_main!(benches);
