//! Isolation by list-append: strict serializability and all phenomena, `cargo bench -p squall-benches
//! --bench list_append`. Times are wall-clock.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use squall_benches::lists::{Recipe, transactions};
use squall_checkers::isolation::list_append::{ListAppendOptions, Names, report_transactions};
use std::hint::black_box;
use std::time::Duration;

fn list_append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("list-append");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    // One stale read early and one late: what that costs is the search for the first bad event.
    let stale = [None, Some(1_000), Some(900_000)];
    let million = stale.map(|stale_from| (1_000_000, stale_from));
    let smaller = [(10_000, None), (100_000, None)];
    for (count, stale_from) in smaller.into_iter().chain(million) {
        let recipe = Recipe {
            stale_from,
            ..Recipe::of(count)
        };
        let transactions = transactions(&recipe);
        group.throughput(Throughput::Elements(count as u64));
        let name = match stale_from {
            Some(number) => format!("{count}, stale read in {number}"),
            None => format!("{count}"),
        };
        group.bench_function(name, |bencher| {
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
