//! Whether histories are linearizable: the work that the field's figures are quoted for, on one thread.
//! Decoding, partition, search and witness are all in the time; `cargo bench -p squall-benches`.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use squall_bench_work::histories::{self, Object, Recipe};
use squall_benches::{history, recorded};
use squall_checkers::history::Value;
use squall_checkers::linearizability::{Limits, check};
use squall_checkers::specs::{CasRegister, FailedCas, KvMap, Register};
use squall_checkers::{History, Verdict};

fn recipe(object: Object, operations: usize, clients: usize, crashes_per_mille: u64) -> Recipe {
    Recipe {
        object,
        operations,
        clients,
        crashes_per_mille,
        stale_per_mille: 0,
        seed: 1,
    }
}

fn judge(object: Object, history: &History) -> Verdict {
    let initial = Value::Int(0);
    let failed_cas = FailedCas::Observed;
    let limits = Limits::default();
    let verdict = match object {
        Object::Register => check(&Register { initial }, history, &limits),
        Object::Registers(_) => check(
            &KvMap {
                initial,
                failed_cas,
            },
            history,
            &limits,
        ),
        Object::CasRegister => check(
            &CasRegister {
                initial,
                failed_cas,
            },
            history,
            &limits,
        ),
    };
    verdict.expect("the history is of the specification's operations")
}

fn good(criterion: &mut Criterion) {
    use Object::{CasRegister, Register, Registers};
    let mut group = criterion.benchmark_group("linearizability");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for (object, operations, clients, crashes) in [
        (CasRegister, 10_000, 20, 0),
        (CasRegister, 10_000, 20, 50),
        (CasRegister, 100_000, 20, 0),
        (CasRegister, 100_000, 50, 0),
        (CasRegister, 1_000_000, 20, 0),
        (CasRegister, 1_000_000, 20, 10),
        (Register, 1_000_000, 20, 0),
        (Register, 1_000_000, 50, 50),
        (Registers(100), 1_000_000, 20, 0),
    ] {
        let recipe = recipe(object, operations, clients, crashes);
        let history = history(&recipe);
        let name = format!("{object:?} {operations} x {clients}, {crashes} of 1000 crash");
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(judge(object, &history).word(), "valid"));
        });
    }
    group.finish();
}

/// From the history to the few operations that together are impossible.
fn one_bad_read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one bad read");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for (object, clients) in [(Object::Register, 20), (Object::CasRegister, 5)] {
        let recipe = recipe(object, 10_000, clients, 0);
        let mut lines = histories::history(&recipe);
        histories::spoil_a_read(&recipe, &mut lines);
        let history = recorded(&recipe, &lines);
        group.bench_function(format!("{object:?} 10000 x {clients}"), |bencher| {
            bencher.iter(|| assert_eq!(judge(object, &history).word(), "invalid"));
        });
    }
    group.finish();
}

criterion_group!(benches, good, one_bad_read);
criterion_main!(benches);
