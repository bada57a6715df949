//! How fast the checkers judge, on one thread: decoding, partition, search and witness are all in the
//! time. `cargo bench -p squall-benches --bench linearizability` takes a minute or two;
//!
//!     cargo bench -p squall-benches --bench linearizability -- --table [ROW…]
//!
//! measures each row of `checkers/README.md` in a process of its own, for the sake of its memory, and
//! prints the table; with `--write` in place of `--table` it goes into that file.

use std::cell::OnceCell;
use std::process::Command;
use std::time::Duration;

use criterion::{Criterion, criterion_group};
use squall_bench_work::{peak_memory_bytes, processor_time};
use squall_benches::speed::{MARKS, Measured, Row, table};

/// Works that take longer are left to the table.
const QUICK_MS_MAX: u64 = 1000;

fn quick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checkers");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    for row in Row::ALL
        .iter()
        .filter(|row| (1..=QUICK_MS_MAX).contains(&row.goal_ms))
    {
        // Not before it is known whether the command line wants this one.
        let work = OnceCell::new();
        group.bench_function(row.id, |bencher| {
            bencher.iter(work.get_or_init(|| row.prepare()));
        });
    }
    group.finish();
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|&argument| argument != "--bench")
        .collect();
    match arguments[..] {
        ["--row", id] => measure_here(id),
        ["--table", ref ids @ ..] => print!("{}", table(&measure(ids))),
        ["--write"] => publish(&table(&measure(&[]))),
        _ => criterion_main(),
    }
}

criterion_group!(benches, quick);

fn criterion_main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}

/// Each row in a process of its own, the best of three.
fn measure(ids: &[&str]) -> Vec<(Row, Measured)> {
    let is_wanted = |row: &Row| ids.is_empty() || ids.contains(&row.id);
    let rows = Row::ALL.into_iter().filter(is_wanted);
    rows.map(|row| {
        let best = (0..3)
            .map(|_| measure_apart(row.id))
            .min_by_key(|measured| measured.time);
        let best = best.expect("three are more than none");
        eprintln!("{} {:?}", row.id, best);
        (row, best)
    })
    .collect()
}

fn measure_apart(id: &str) -> Measured {
    let program = std::env::current_exe().expect("a program has a path");
    let output = Command::new(program)
        .args(["--row", id])
        .output()
        .expect("it can be started again");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    Measured::read(&told)
        .unwrap_or_else(|| panic!("{id}: {told}{}", String::from_utf8_lossy(&output.stderr)))
}

fn measure_here(id: &str) {
    let row = Row::ALL.into_iter().find(|row| row.id == id);
    let row = row.unwrap_or_else(|| panic!("there is no row {id}"));
    let work = row.prepare();
    let before = processor_time();
    work();
    let time = processor_time() - before;
    println!(
        "{}",
        Measured {
            time,
            memory_bytes: peak_memory_bytes()
        }
    );
}

/// Puts the table into its place in the crate's README.
fn publish(table: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../checkers/README.md");
    let readme = std::fs::read_to_string(path).expect("the crate has a README");
    let (before, rest) = readme
        .split_once(MARKS[0])
        .expect("it has a place for the table");
    let (_, after) = rest.split_once(MARKS[1]).expect("the place ends");
    let [begin, end] = MARKS;
    std::fs::write(path, format!("{before}{begin}{table}{end}{after}")).expect("it can be written");
}
