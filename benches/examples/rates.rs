//! How fast the engine does each work, beside other engines: `benches/peers/run`.

fn main() {
    squall_bench_work::print_rates(squall_benches::engine);
}
