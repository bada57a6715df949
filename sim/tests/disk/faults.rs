//! What faults of a disk do to programs: the errno that they get, the time that it takes, the bytes
//! that are not there; and that each is counted when it is felt, and falls alike in two runs.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::rc::Rc;

use squall_sim::engine::disk::{CrashProfile, DiskOptions, SyncFailure};
use squall_sim::engine::{
    self, Config, DiskEffect, NodeId, add_disk_effect, add_node, fault_observed, new_fault_tag,
    now_ns, remove_disk_effects,
};
use squall_sim::fs::{self, File, OpenOptions};
use squall_sim::keyed::Key;
use squall_sim::time::{Duration, Instant, sleep, timeout};

/// What a program has seen.
type Seen = Rc<RefCell<Vec<String>>>;

/// What came of a run: what its program saw, how often the fault was felt, and the digest.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Came {
    seen: Vec<String>,
    felt: u64,
    digest: u64,
}

/// Runs a program under an effect, twice: both runs are the same.
fn under<F>(effect: DiskEffect, program: fn(Seen) -> F) -> Came
where
    F: Future<Output = ()> + 'static,
{
    let first = run_under(Config::new(7), Some(effect), program);
    assert_eq!(
        first,
        run_under(Config::new(7), Some(effect), program),
        "a run is not repeated"
    );
    first
}

/// Runs a program without any.
fn calm<F>(program: fn(Seen) -> F) -> Came
where
    F: Future<Output = ()> + 'static,
{
    run_under(Config::new(7), None, program)
}

fn run_under<F>(config: Config, effect: Option<DiskEffect>, program: fn(Seen) -> F) -> Came
where
    F: Future<Output = ()> + 'static,
{
    let outcome = engine::run(config, move || async move {
        let node = add_node("n");
        let tag = new_fault_tag();
        if let Some(effect) = effect {
            add_disk_effect(node, tag, effect);
        }
        let seen = Seen::default();
        let heard = Rc::clone(&seen);
        node.start(move || program(Rc::clone(&heard)));
        while node.is_up() {
            sleep(Duration::from_millis(100)).await;
        }
        (seen.take(), fault_observed(tag))
    });
    let outcome = outcome.expect("the run ends");
    assert!(outcome.panics.is_empty(), "{:?}", outcome.panics);
    let (seen, felt) = outcome.output;
    let digest = outcome.digest;
    Came { seen, felt, digest }
}

fn see(seen: &Seen, line: impl Into<String>) {
    seen.borrow_mut().push(line.into());
}

fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("errno {}", error.raw_os_error().unwrap_or(0)),
    }
}

async fn open(path: &str) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options.open(path).await.unwrap()
}

async fn open_direct(path: &str) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options.custom_flags(libc::O_DIRECT);
    options.open(path).await.unwrap()
}

const ALWAYS: u32 = 1000;

#[test]
fn a_read_of_the_medium_fails_and_one_of_unwritten_bytes_does_not() {
    async fn program(seen: Seen) {
        let file = open("f").await;
        file.write_at(&[1; 100], 0).await.unwrap();
        see(&seen, errno(file.read_at(&mut [0; 10], 0).await));
        file.sync_all().await.unwrap();
        see(&seen, errno(file.read_at(&mut [0; 10], 0).await));
        see(&seen, errno(file.read_at(&mut [0; 10], 100).await));
        see(&seen, errno(fs::read("f").await));
    }
    let came = under(DiskEffect::ReadError { per_mille: ALWAYS }, program);
    assert_eq!(came.seen, ["10", "errno 5", "0", "errno 5"]);
    assert_eq!(came.felt, 2);
}

#[test]
fn a_read_that_failed_may_succeed_the_next_time() {
    async fn program(seen: Seen) {
        let file = open("f").await;
        file.write_at(&[1; 100], 0).await.unwrap();
        file.sync_all().await.unwrap();
        for _ in 0..100 {
            see(&seen, errno(file.read_at(&mut [0; 10], 0).await));
        }
    }
    let came = under(DiskEffect::ReadError { per_mille: 300 }, program);
    let failed = came.seen.iter().filter(|line| *line == "errno 5").count();
    assert!((15..45).contains(&failed), "{failed}");
    assert_eq!(came.felt, failed as u64);
}

#[test]
fn a_write_that_fails_has_written_nothing_unless_past_the_page_cache() {
    async fn program(seen: Seen) {
        let file = open("f").await;
        see(&seen, errno(file.write_at(&[1; 1024], 0).await));
        see(&seen, errno(file.len().await));
        let mut longest = 0;
        for _ in 0..20 {
            let direct = open_direct("g").await;
            assert_eq!(errno(direct.write_at(&[1; 4096], 0).await), "errno 5");
            longest = longest.max(direct.len().await.unwrap());
        }
        see(
            &seen,
            format!("some sectors: {}", longest > 0 && longest % 512 == 0),
        );
    }
    let came = under(DiskEffect::WriteError { per_mille: ALWAYS }, program);
    assert_eq!(came.seen, ["errno 5", "0", "some sectors: true"]);
    assert_eq!(came.felt, 21);
}

#[test]
fn a_full_disk_takes_half_of_a_write_and_then_none() {
    async fn program(seen: Seen) {
        let file = open("f").await;
        see(&seen, errno(file.write_at(&[1; 20_000], 0).await));
        see(&seen, errno(file.write_at(&[1; 1], 8192).await));
        see(&seen, errno(file.write_at(&[2; 8192], 0).await));
        see(&seen, errno(file.set_len(4096).await));
        see(&seen, errno(file.write_at(&[1; 20_000], 4096).await));
    }
    let came = under(DiskEffect::NoSpace { free_bytes: 8192 }, program);
    let all = ["8192", "errno 28", "8192", "()", "4096"];
    assert_eq!(came.seen, all);
    assert_eq!(came.felt, 3);
    assert_eq!(calm(program).seen[0], "20000");
}

#[test]
fn there_is_room_again_when_the_fault_ends_and_a_capacity_stays() {
    let outcome = engine::run(Config::new(1), || async {
        let node = add_node("n");
        let tag = new_fault_tag();
        add_disk_effect(node, tag, DiskEffect::NoSpace { free_bytes: 0 });
        let seen = Seen::default();
        let heard = Rc::clone(&seen);
        node.start(move || {
            let seen = Rc::clone(&heard);
            async move {
                let file = open("f").await;
                for at in 0..3 {
                    see(&seen, errno(file.write_at(&[1; 8192], at * 8192).await));
                    sleep(Duration::from_secs(1)).await;
                }
            }
        });
        sleep(Duration::from_millis(500)).await;
        remove_disk_effects(tag);
        sleep(Duration::from_secs(1)).await;
        node.set_disk_capacity(12_288);
        sleep(Duration::from_secs(1)).await;
        (seen.take(), fault_observed(tag))
    });
    let (seen, felt) = outcome.unwrap().output;
    assert_eq!(seen, ["errno 28", "8192", "4096"]);
    assert_eq!(felt, 1);
}

#[test]
fn reads_and_writes_fall_short_and_lose_nothing() {
    async fn program(seen: Seen) {
        let file = open("f").await;
        let bytes: Vec<u8> = (0..1000_u32).map(|it| it as u8).collect();
        let written = file.write_at(&bytes, 0).await.unwrap();
        see(&seen, format!("short: {}", written < 1000));
        file.write_all_at(&bytes, 0).await.unwrap();
        let mut buffer = [0; 1000];
        let read = file.read_at(&mut buffer, 0).await.unwrap();
        see(&seen, format!("short: {}", read < 1000));
        file.read_exact_at(&mut buffer, 0).await.unwrap();
        see(&seen, format!("all: {}", buffer[..] == bytes[..]));
        see(&seen, errno(file.write_at(&[1], 0).await));
        let direct = open_direct("g").await;
        let written = direct.write_at(&[1; 8192], 0).await.unwrap();
        see(
            &seen,
            format!("sectors: {}", written < 8192 && written % 512 == 0),
        );
    }
    let writes = under(DiskEffect::ShortWrites { per_mille: ALWAYS }, program);
    let expected = [
        "short: true",
        "short: false",
        "all: true",
        "1",
        "sectors: true",
    ];
    assert_eq!(writes.seen, expected);
    assert!(writes.felt > 3, "{}", writes.felt);
    let reads = under(DiskEffect::ShortReads { per_mille: ALWAYS }, program);
    let expected = [
        "short: false",
        "short: true",
        "all: true",
        "1",
        "sectors: false",
    ];
    assert_eq!(reads.seen, expected);
    assert!(reads.felt > 2, "{}", reads.felt);
}

#[test]
fn a_stall_holds_all_operations_for_its_time() {
    async fn program(seen: Seen) {
        let start = Instant::now();
        let file = open("f").await;
        see(&seen, format!("{} ms", start.elapsed().as_millis()));
        file.sync_all().await.unwrap();
        see(
            &seen,
            format!("late: {}", start.elapsed().as_millis() > 2310),
        );
    }
    let stall = DiskEffect::Stall {
        for_ns: Some(2_300_000_000),
    };
    let came = under(stall, program);
    assert_eq!(came.seen, ["2300 ms", "late: false"]);
    assert_eq!(came.felt, 1);
}

#[test]
fn a_stall_without_a_time_ends_with_the_fault_and_strikes_what_is_under_way() {
    let run = || {
        let outcome = engine::run(Config::new(3), || async {
            let node = add_node("n");
            let seen = Seen::default();
            let heard = Rc::clone(&seen);
            node.start(move || {
                let seen = Rc::clone(&heard);
                async move {
                    let file = open("f").await;
                    file.write_at(&[1; 10], 0).await.unwrap();
                    see(&seen, "begun");
                    file.sync_all().await.unwrap();
                    see(&seen, format!("{} s", now_ns() / 1_000_000_000));
                    let waits = timeout(Duration::from_secs(1), file.sync_all()).await;
                    see(&seen, format!("{}", waits.is_ok()));
                }
            });
            while seen.borrow().is_empty() {
                sleep(Duration::from_micros(1)).await;
            }
            let tags = [new_fault_tag(), new_fault_tag()];
            add_disk_effect(node, tags[0], DiskEffect::Stall { for_ns: None });
            // One that would end later by itself is ended early.
            let for_ns = Some(3_600_000_000_000);
            add_disk_effect(node, tags[1], DiskEffect::Stall { for_ns });
            sleep(Duration::from_secs(5)).await;
            tags.into_iter().for_each(remove_disk_effects);
            sleep(Duration::from_secs(2)).await;
            assert!(!node.is_up(), "its program has ended");
            (seen.take(), fault_observed(tags[0]))
        });
        let outcome = outcome.unwrap();
        (outcome.output, outcome.digest)
    };
    let ((seen, felt), digest) = run();
    assert_eq!(seen, ["begun", "5 s", "true"]);
    assert_eq!(felt, 1);
    assert_eq!(run().1, digest);
}

#[test]
fn a_slow_disk_multiplies_what_operations_take() {
    async fn program(seen: Seen) {
        let file = open("f").await;
        file.write_at(&[1; 10], 0).await.unwrap();
        let start = Instant::now();
        file.sync_all().await.unwrap();
        see(&seen, start.elapsed().as_nanos().to_string());
    }
    let slow = DiskEffect::Slow {
        factor: 100,
        operations_per_second: 0,
        bytes_per_second: 0,
    };
    let (slow, calm) = (under(slow, program), calm(program));
    let ns = |came: &Came| came.seen[0].parse::<u64>().unwrap();
    assert_eq!(ns(&slow), ns(&calm) * 100);
    assert_eq!(slow.felt, 3);
}

/// Four tasks sync a megabyte each, into files of their own.
async fn four_writers(seen: Seen) {
    let start = Instant::now();
    let writers: Vec<_> = (0..4)
        .map(|number| {
            squall_sim::task::spawn(async move {
                let file = open(&format!("f{number}")).await;
                file.write_all_at(&vec![1; 1 << 20], 0).await.unwrap();
                file.sync_all().await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    see(&seen, start.elapsed().as_millis().to_string());
}

#[test]
fn operations_stand_in_one_queue_before_a_slow_medium() {
    let narrow = DiskEffect::Slow {
        factor: 1,
        operations_per_second: 0,
        bytes_per_second: 1 << 20,
    };
    let came = under(narrow, four_writers);
    let ms: u64 = came.seen[0].parse().unwrap();
    assert!((4000..4010).contains(&ms), "{ms} ms for 4 MiB at 1 MiB/s");
    assert_eq!(came.felt, 4);
    let few = DiskEffect::Slow {
        factor: 1,
        operations_per_second: 10,
        bytes_per_second: 0,
    };
    let ms: u64 = under(few, four_writers).seen[0].parse().unwrap();
    assert!((400..410).contains(&ms), "{ms} ms for 4 operations at 10/s");
    let ms: u64 = calm(four_writers).seen[0].parse().unwrap();
    assert!(ms < 10, "{ms} ms");
}

/// Four writers, of whom none ends before the disk is no longer slow: in which millisecond they end.
fn hastened(slow: [DiskEffect; 2], end: [u64; 2]) -> (Vec<String>, u64) {
    let outcome = engine::run(Config::new(3), move || async move {
        let node = add_node("n");
        let tags = [new_fault_tag(), new_fault_tag()];
        for (tag, effect) in tags.into_iter().zip(slow) {
            add_disk_effect(node, tag, effect);
        }
        let seen = Seen::default();
        let heard = Rc::clone(&seen);
        node.start(move || four_writers(Rc::clone(&heard)));
        for (tag, end) in tags.into_iter().zip(end) {
            sleep(Duration::from_millis(end) - Duration::from_nanos(now_ns())).await;
            remove_disk_effects(tag);
        }
        sleep(Duration::from_secs(10)).await;
        assert!(!node.is_up(), "its program has ended");
        (seen.take(), fault_observed(tags[0]))
    });
    outcome.unwrap().output
}

#[test]
fn what_a_slow_disk_has_held_up_begins_anew_when_that_ends() {
    let slow = |factor, bytes_per_second| DiskEffect::Slow {
        factor,
        operations_per_second: 0,
        bytes_per_second,
    };
    let (seen, felt) = hastened([slow(1000, 0), slow(1000, 0)], [3000, 3000]);
    let ms: u64 = seen[0].parse().unwrap();
    assert!((3000..3020).contains(&ms), "{ms} ms: at once");
    assert_eq!(felt, 4, "each writer's first operation, and once");
    // The queue is as long as what is left makes it: a second for a megabyte.
    let (seen, _) = hastened([slow(1, 1 << 10), slow(1, 1 << 20)], [3000, 10_000]);
    let ms: u64 = seen[0].parse().unwrap();
    assert!((7000..7020).contains(&ms), "{ms} ms: four MiB at 1 MiB/s");
    // What would have ended sooner does not begin anew.
    let (seen, _) = hastened([slow(1, 0), slow(1, 1 << 20)], [3999, 10_000]);
    let ms: u64 = seen[0].parse().unwrap();
    assert!((4000..4010).contains(&ms), "{ms} ms: four MiB at 1 MiB/s");
}

/// Runs a program on a machine, lets an `act` follow, and then another program on it.
fn between<A, B>(
    config: Config,
    effect: DiskEffect,
    first: fn(Seen) -> A,
    act: fn(NodeId),
    second: fn(Seen) -> B,
) -> Came
where
    A: Future<Output = ()> + 'static,
    B: Future<Output = ()> + 'static,
{
    let outcome = engine::run(config, move || async move {
        let node = add_node("n");
        let tag = new_fault_tag();
        add_disk_effect(node, tag, effect);
        let seen = Seen::default();
        let heard = Rc::clone(&seen);
        node.start(move || first(Rc::clone(&heard)));
        sleep(Duration::from_secs(10)).await;
        assert!(!node.is_up(), "the first program has ended");
        remove_disk_effects(tag);
        act(node);
        let heard = Rc::clone(&seen);
        node.start(move || second(Rc::clone(&heard)));
        sleep(Duration::from_secs(10)).await;
        (seen.take(), fault_observed(tag))
    });
    let outcome = outcome.unwrap();
    assert!(outcome.panics.is_empty(), "{:?}", outcome.panics);
    let (seen, felt) = outcome.output;
    let digest = outcome.digest;
    Came { seen, felt, digest }
}

/// Synced bytes 1, then synced bytes 2 under the fault.
async fn overwrite(seen: Seen) {
    let file = open("f").await;
    file.write_all_at(&[2; 8192], 0).await.unwrap();
    file.sync_all().await.unwrap();
    fs::sync_dir("/").await.unwrap();
    see(&seen, format!("{:?}", fs::read("f").await.unwrap()[0]));
    let direct = open_direct("f").await;
    let mut sector = [9; 512];
    direct.read_at(&mut sector, 0).await.unwrap();
    see(&seen, format!("past the cache {}", sector[0]));
}

async fn look(seen: Seen) {
    let bytes = fs::read("f").await.unwrap();
    see(&seen, format!("{} {}", bytes.len(), bytes[0]));
}

#[test]
fn a_phantom_write_shows_once_the_page_cache_is_gone() {
    let phantom = DiskEffect::PhantomWrites { per_mille: ALWAYS };
    let run = |act| between(Config::new(2), phantom, overwrite, act, look);
    let cached = run(|node| {
        node.kill();
    });
    assert_eq!(cached.seen, ["2", "past the cache 0", "8192 2"]);
    assert_eq!(cached.felt, 1, "the direct read");
    let dropped = run(|node| assert_eq!(node.drop_caches(), 16));
    assert_eq!(dropped.seen, ["2", "past the cache 0", "8192 0"]);
    assert!(dropped.felt > cached.felt, "{}", dropped.felt);
    let lost = run(|node| {
        node.power_loss();
    });
    assert_eq!(lost.seen, dropped.seen);
    assert_eq!(
        lost,
        run(|node| {
            node.power_loss();
        }),
        "again"
    );
}

/// Two files of four kinds of sectors each, synced in calm.
async fn two_files(_: Seen) {
    for (name, byte) in [("a", 10), ("b", 20)] {
        let file = open(name).await;
        for page in 0..4 {
            file.write_all_at(&[byte + page; 4096], u64::from(page) * 4096)
                .await
                .unwrap();
        }
        file.sync_all().await.unwrap();
    }
    fs::sync_dir("/").await.unwrap();
}

/// How many sectors of a file hold which byte, in their order.
async fn sectors(name: &str) -> Vec<u8> {
    let bytes = fs::read(name).await.unwrap();
    let sectors = bytes.chunks(512);
    sectors
        .map(
            |sector| match sector.iter().all(|byte| *byte == sector[0]) {
                true => sector[0],
                false => 255,
            },
        )
        .collect()
}

#[test]
fn a_misdirected_write_is_missing_here_and_too_much_there() {
    let run = |seed| {
        let outcome = engine::run(Config::new(seed), || async {
            let node = add_node("n");
            let tag = new_fault_tag();
            let seen = Seen::default();
            node.start(|| two_files(Seen::default()));
            sleep(Duration::from_secs(1)).await;
            add_disk_effect(
                node,
                tag,
                DiskEffect::MisdirectedWrites { per_mille: ALWAYS },
            );
            node.start(|| async {
                let file = open("a").await;
                file.write_all_at(&[99; 1024], 4096).await.unwrap();
                file.sync_data().await.unwrap();
                assert_eq!(sectors("a").await[8..10], [99, 99], "the cache has it");
            });
            sleep(Duration::from_secs(1)).await;
            remove_disk_effects(tag);
            node.power_loss();
            let heard = Rc::clone(&seen);
            node.start(move || {
                let seen = Rc::clone(&heard);
                async move {
                    for name in ["a", "b"] {
                        let all = sectors(name).await;
                        let astray = all.iter().filter(|byte| **byte == 99).count();
                        see(&seen, format!("{name} {astray} {:?}", &all[8..10]));
                    }
                }
            });
            sleep(Duration::from_secs(1)).await;
            (seen.take(), fault_observed(tag))
        });
        let outcome = outcome.unwrap();
        assert!(outcome.panics.is_empty(), "{:?}", outcome.panics);
        (outcome.output, outcome.digest)
    };
    let (mut elsewhere, mut same_file) = (0, 0);
    for seed in 0..20 {
        let ((seen, felt), digest) = run(seed);
        assert_eq!(run(seed).1, digest);
        assert!(felt > 0);
        if seen == ["a 0 [11, 11]", "b 2 [21, 21]"] || seen[1].starts_with("b 2") {
            elsewhere += 1;
        } else if seen[0].starts_with("a 2 ") || seen[0].starts_with("a 1 ") {
            same_file += 1;
        }
    }
    assert!(elsewhere > 3 && same_file > 3, "{elsewhere} {same_file}");
}

#[test]
fn a_write_through_is_durable_when_it_ends_and_no_other_is() {
    async fn program(_: Seen) {
        let plain = open("f").await;
        plain.write_all_at(&[1; 4096], 0).await.unwrap();
        fs::sync_dir("/").await.unwrap();
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(libc::O_DSYNC);
        let through = options.open("f").await.unwrap();
        through.write_all_at(&[2; 4096], 8192).await.unwrap();
        plain.write_all_at(&[3; 4096], 12_288).await.unwrap();
    }
    async fn look(seen: Seen) {
        see(&seen, format!("{:?}", sectors("f").await));
    }
    let nothing = Config {
        disk_profile: CrashProfile {
            nothing_per_mille: 1000,
            everything_per_mille: 0,
            ..CrashProfile::posix()
        },
        ..Config::new(4)
    };
    let none = DiskEffect::Stall { for_ns: Some(0) };
    let lose = |node: NodeId| {
        node.power_loss();
    };
    let came = between(nothing, none, program, lose, look);
    let expected = [vec![0; 16], vec![2; 8]].concat();
    assert_eq!(came.seen, [format!("{expected:?}")]);
}

#[test]
fn a_write_through_fails_with_its_sync() {
    async fn program(seen: Seen) {
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        for flag in [libc::O_DSYNC, libc::O_SYNC] {
            let file = options.custom_flags(flag).open("f").await.unwrap();
            see(&seen, errno(file.write_at(&[1; 10], 0).await));
        }
    }
    let came = under(DiskEffect::SyncError { per_mille: ALWAYS }, program);
    assert_eq!(came.seen, ["errno 5", "errno 5"]);
    assert_eq!(came.felt, 2);
}

#[test]
fn on_btrfs_a_failed_sync_brings_the_old_file_back_at_once() {
    async fn program(seen: Seen) {
        let file = open("f").await;
        see(&seen, errno(file.write_at(b"new", 0).await));
        see(&seen, errno(file.sync_all().await));
        see(&seen, errno(fs::read("f").await));
    }
    let sync_error = Some(DiskEffect::SyncError { per_mille: ALWAYS });
    for (sync_failure, after) in [
        (SyncFailure::Ext4, format!("{:?}", b"new")),
        (SyncFailure::Xfs, format!("{:?}", b"new")),
        (SyncFailure::Btrfs, "[]".to_owned()),
    ] {
        let config = Config {
            disk: DiskOptions {
                sync_failure,
                ..DiskOptions::default()
            },
            ..Config::new(1)
        };
        let came = run_under(config, sync_error, program);
        assert_eq!(came.seen, ["3", "errno 5", &after], "{sync_failure:?}");
    }
}

/// A machine with a file `f` of 64 pages that are durable.
async fn machine_with_pages() -> NodeId {
    let node = add_node("n");
    node.start(|| async {
        let file = open("f").await;
        file.write_all_at(&vec![7; 1 << 18], 0).await.unwrap();
        file.sync_all().await.unwrap();
        file.write_all_at(&[8; 4096], 1 << 18).await.unwrap();
        file.sync_all().await.unwrap();
        fs::sync_dir("/").await.unwrap();
    });
    sleep(Duration::from_secs(1)).await;
    node
}

#[test]
fn an_unreadable_sector_is_eio_until_it_is_written_and_its_page_cannot_be_written_in_part() {
    let run = || {
        let outcome = engine::run(Config::new(5), || async {
            let node = machine_with_pages().await;
            let tag = new_fault_tag();
            assert_eq!(node.lose_sectors(tag, Key::root(9), 1), 1);
            let seen = Seen::default();
            let heard = Rc::clone(&seen);
            node.start(move || suffer(Rc::clone(&heard)));
            sleep(Duration::from_secs(60)).await;
            (seen.take(), fault_observed(tag))
        });
        let outcome = outcome.unwrap();
        assert!(outcome.panics.is_empty(), "{:?}", outcome.panics);
        (outcome.output, outcome.digest)
    };
    async fn suffer(seen: Seen) {
        let file = open("f").await;
        let mut page = [0; 4096];
        let mut bad = None;
        for at in 0..65 {
            if errno(file.read_at(&mut page, at * 4096).await) == "errno 5" {
                see(&seen, "bad");
                bad = Some(at * 4096);
            }
        }
        let bad = bad.expect("there is a bad page");
        see(&seen, errno(file.read_at(&mut page[..1], bad).await));
        let mut two = [0; 8192];
        see(&seen, errno(file.read_at(&mut two, bad - 4096).await));
        see(&seen, errno(file.write_at(&[1; 10], bad + 100).await));
        see(&seen, errno(file.write_at(&[1; 4106], bad - 4096).await));
        see(&seen, errno(file.write_at(&[1; 4096], bad).await));
        see(&seen, errno(file.read_at(&mut page, bad).await));
        see(&seen, errno(file.sync_all().await));
        see(&seen, errno(file.read_at(&mut page, bad).await));
    }
    let ((seen, felt), digest) = run();
    let expected = [
        "bad", "errno 5", "4096", "errno 5", "4096", "4096", "4096", "()", "4096",
    ];
    assert_eq!(seen, expected);
    assert_eq!(felt, 5, "three reads and two writes");
    assert_eq!(run().1, digest);
}

#[test]
fn an_unreadable_sector_outlives_restarts_and_past_the_cache_only_it_is_lost() {
    let outcome = engine::run(Config::new(5), || async {
        let node = machine_with_pages().await;
        let tag = new_fault_tag();
        assert_eq!(node.lose_sectors(tag, Key::root(9), 3), 3);
        node.power_loss();
        let seen = Seen::default();
        let heard = Rc::clone(&seen);
        node.start(move || {
            let seen = Rc::clone(&heard);
            async move {
                let (file, direct) = (open("f").await, open_direct("f").await);
                let mut sector = [0; 512];
                let (mut cached_bad, mut direct_bad) = (0, 0);
                for at in 0..65 * 8 {
                    cached_bad += u32::from(file.read_at(&mut sector, at * 512).await.is_err());
                    direct_bad += u32::from(direct.read_at(&mut sector, at * 512).await.is_err());
                }
                see(&seen, format!("{cached_bad} {direct_bad}"));
            }
        });
        sleep(Duration::from_secs(60)).await;
        (seen.take(), fault_observed(tag))
    });
    let outcome = outcome.unwrap();
    assert!(outcome.panics.is_empty(), "{:?}", outcome.panics);
    assert_eq!(outcome.output, (vec!["24 3".to_owned()], 27));
}

#[test]
fn rot_is_read_alike_each_time_and_counted() {
    let outcome = engine::run(Config::new(5), || async {
        let node = machine_with_pages().await;
        let tag = new_fault_tag();
        assert_eq!(node.rot_disk(tag, Key::root(1), 1), 1);
        assert_eq!(fault_observed(tag), 0, "nobody has read it");
        node.start(|| async {
            let first = fs::read("f").await.unwrap();
            assert_eq!(first, fs::read("f").await.unwrap());
            let ones = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
            let whole = [vec![7; 1 << 18], vec![8; 4096]].concat();
            assert_eq!(ones(&first).abs_diff(ones(&whole)), 1);
        });
        sleep(Duration::from_secs(10)).await;
        fault_observed(tag)
    });
    let outcome = outcome.unwrap();
    assert!(outcome.panics.is_empty(), "{:?}", outcome.panics);
    assert_eq!(outcome.output, 2);
}

/// A machine whose disk holds one file of this text, durable.
async fn machine_with(name: &'static str, text: &'static str) -> NodeId {
    let node = add_node(name);
    node.start(move || async move {
        let file = open("f").await;
        file.write_all_at(text.as_bytes(), 0).await.unwrap();
        file.sync_all().await.unwrap();
        fs::sync_dir("/").await.unwrap();
    });
    sleep(Duration::from_secs(1)).await;
    node
}

/// What a machine's file `f` holds.
async fn text_on(node: NodeId) -> String {
    let seen = Seen::default();
    let heard = Rc::clone(&seen);
    node.start(move || {
        let seen = Rc::clone(&heard);
        async move { see(&seen, errno(fs::read_to_string("f").await)) }
    });
    sleep(Duration::from_secs(1)).await;
    seen.take().join(" ")
}

#[test]
fn disks_are_wiped_swapped_and_rolled_back() {
    let run = || {
        let outcome = engine::run(Config::new(8), || async {
            let (a, b) = (
                machine_with("a", "of a").await,
                machine_with("b", "of b").await,
            );
            let mut seen = Vec::new();
            let snapshot = a.snapshot_disk();
            seen.push(format!("swap {}", a.swap_disks(b)));
            seen.push(text_on(a).await);
            seen.push(text_on(b).await);
            seen.push(format!("wipe {}", a.wipe_disk()));
            seen.push(text_on(a).await);
            seen.push(format!("back {}", a.roll_back_disk(&snapshot)));
            seen.push(text_on(a).await);
            seen.push(format!("back {}", a.roll_back_disk(&snapshot)));
            seen
        });
        let outcome = outcome.unwrap();
        (outcome.output, outcome.digest)
    };
    let (seen, digest) = run();
    let expected = [
        "swap 1", "\"of b\"", "\"of a\"", "wipe 1", "errno 2", "back 1", "\"of a\"", "back 0",
    ];
    assert_eq!(seen, expected);
    assert_eq!(run().1, digest);
}

#[test]
fn a_snapshot_holds_what_is_durable_and_no_more() {
    let outcome = engine::run(Config::new(8), || async {
        let node = machine_with("n", "durable").await;
        node.start(|| async {
            let file = open("f").await;
            file.write_all_at(b"not yet", 0).await.unwrap();
            fs::write("g", "nor this").await.unwrap();
        });
        sleep(Duration::from_secs(1)).await;
        let snapshot = node.snapshot_disk();
        let before = text_on(node).await;
        (before, node.roll_back_disk(&snapshot), text_on(node).await)
    });
    let (before, differing, after) = outcome.unwrap().output;
    assert_eq!(
        (before.as_str(), differing, after.as_str()),
        ("\"not yet\"", 2, "\"durable\"")
    );
}

#[test]
fn a_lock_ends_with_the_process_that_holds_it() {
    let outcome = engine::run(Config::new(8), || async {
        let node = add_node("n");
        let seen = Seen::default();
        let heard = Rc::clone(&seen);
        node.start(move || {
            let seen = Rc::clone(&heard);
            async move {
                let file = open("lock").await;
                see(&seen, format!("{:?}", file.try_lock().await.is_ok()));
                let other = open("lock").await;
                see(&seen, format!("{:?}", other.try_lock().await.is_ok()));
                let waits = timeout(Duration::from_secs(1), other.lock()).await;
                see(&seen, format!("waits {}", waits.is_err()));
                sleep(Duration::from_secs(3600)).await;
            }
        });
        sleep(Duration::from_secs(5)).await;
        node.kill();
        node.restart();
        sleep(Duration::from_secs(5)).await;
        seen.take()
    });
    let once = ["true", "false", "waits true"];
    assert_eq!(outcome.unwrap().output, [once, once].concat());
}
