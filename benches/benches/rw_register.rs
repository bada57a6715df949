//! The checker of transactions on registers, without reading a history: `cargo bench -p squall-benches
//! --bench rw_register`. AWDIT takes 42, 65 and 802 ms for read committed, read atomic and causal
//! consistency of 101,000 events in 318 sessions.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use squall_bench_work::transactions::{Ran, TransactionWork, run};
use squall_checkers::history::{Outcome, ValueRef};
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::isolation::rw_register::{
    Invocation, RwRegisterOptions, Transactions, check_transactions,
};
use squall_checkers::verdict::Verdict;

fn built(ran: &[Ran]) -> Transactions {
    let mut transactions = Transactions::default();
    for (operation, one) in ran.iter().enumerate() {
        transactions.begin(Invocation {
            operation: operation as u32,
            process: u64::from(one.process),
            outcome: Outcome::Ok,
            invoked: one.invoked,
            completed: Some(one.completed),
        });
        for &(key, value) in &one.reads {
            let key = transactions.key(ValueRef::Int(i64::from(key)));
            let seen = if value == 0 {
                ValueRef::Nil
            } else {
                ValueRef::Int(value)
            };
            transactions.read(key, seen);
        }
        for &(key, value) in &one.writes {
            let key = transactions.key(ValueRef::Int(i64::from(key)));
            transactions.write(key, ValueRef::Int(value));
        }
    }
    transactions
}

fn check(transactions: &Transactions, model: ConsistencyModel) {
    let options = RwRegisterOptions {
        model,
        ..RwRegisterOptions::default()
    };
    let verdict = check_transactions(transactions, &options);
    assert!(matches!(verdict, Verdict::Valid { .. }), "{verdict:?}");
}

fn rw_register(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rw-register");
    group.sample_size(10);
    for transactions in [100_000, 1_000_000] {
        let work = TransactionWork {
            transactions,
            processes: 20,
            keys: 100,
            reads: 2,
            writes: 1,
        };
        let built = built(&run(work, 1));
        group.throughput(Throughput::Elements(u64::from(transactions)));
        let id = BenchmarkId::new("strict-serializable", transactions);
        group.bench_function(id, |bencher| {
            bencher.iter(|| check(&built, ConsistencyModel::StrictSerializable));
        });
    }
    let work = TransactionWork {
        transactions: 20_000,
        processes: 300,
        keys: 1_000,
        reads: 3,
        writes: 2,
    };
    let built = built(&run(work, 1));
    group.throughput(Throughput::Elements(100_000));
    for model in [
        ConsistencyModel::MonotonicAtomicView,
        ConsistencyModel::ReadAtomic,
        ConsistencyModel::TransactionalCausal,
    ] {
        group.bench_function(
            BenchmarkId::new(model.name(), "100,000 events"),
            |bencher| {
                bencher.iter(|| check(&built, model));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, rw_register);
criterion_main!(benches);
