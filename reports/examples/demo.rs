//! Writes pages of made-up failures into a directory, to look at:
//! `cargo run -p squall-reports --example demo -- /tmp/pages`.

use std::{io, path::PathBuf};

use squall_reports::{
    FailurePage, HistoryPage, campaign_index, failure_page, history_page, write_atomically,
};

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

fn main() -> io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other(
            "expected the directory to write to as the only argument",
        ));
    };
    std::fs::create_dir_all(&directory)?;
    let sizes = [
        ("small.html", 24, 4, 2),
        ("witness-of-20.html", 120, 5, 19),
        ("large.html", 5000, 10, 3),
        ("huge.html", 10_000, 40, 3),
    ];
    for (name, operations, clients, witness_writes) in sizes {
        let failure = synthetic::failure(operations, clients, witness_writes);
        let page = failure_page(&FailurePage {
            capsule: &failure.capsule,
            record: &failure.record,
            verdict: &failure.verdict,
            reproduce: vec![
                "squall replay failures/stale-read.json".to_owned(),
                "squall run consensus/register --seed 0x00c0ffee12345678 --mutant raft.vote-not-durable".to_owned(),
                "squall shrink failures/stale-read.json".to_owned(),
            ],
        });
        write_atomically(&directory.join(name), page)?;
    }
    let failure = synthetic::failure(200, 5, 2);
    let foreign = history_page(&HistoryPage {
        title: "etcd-register.edn",
        history: &failure.record.history,
        verdict: &failure.verdict,
        reproduce: vec!["squall check --model register etcd-register.edn".to_owned()],
    });
    write_atomically(&directory.join("history.html"), foreign)?;
    write_atomically(
        &directory.join("index.html"),
        campaign_index(&synthetic::campaign()),
    )
}
