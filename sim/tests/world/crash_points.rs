//! Sweeps: a program is ended at its k-th sync, rename or send, for each k, and recovers from every
//! state that its disk may be in.

use std::cell::RefCell;
use std::rc::Rc;

use squall_sim::engine::disk::{CrashProfile, Disk, PROFILES};
use squall_sim::engine::{self, Config, CrashPoint, End, NodeId, Outcome, add_node, end_at};
use squall_sim::net::{TcpListener, TcpStream, UdpSocket};
use squall_sim::time::{Duration, sleep};
use squall_sim::{fs, task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn run<T, F>(seed: u64, harness: impl FnOnce() -> F + Send) -> Outcome<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    engine::run(Config::new(seed), harness).expect("the harness ends")
}

/// What the program forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    SyncOfTheFile,
    SyncOfTheDirectory,
}

const LAST: u8 = 3;

/// Replaces the file `state` by ever higher numbers, and tells the harness of each that is safe.
async fn count(fault: Fault, told: Rc<RefCell<u8>>) {
    let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
    for number in recover().await.unwrap() + 1..=LAST {
        let mut file = fs::File::create("state.new").await.unwrap();
        file.write_all(&[number; 4]).await.unwrap();
        if fault != Fault::SyncOfTheFile {
            file.sync_all().await.unwrap();
        }
        fs::rename("state.new", "state").await.unwrap();
        if fault != Fault::SyncOfTheDirectory {
            fs::sync_dir("/").await.unwrap();
        }
        // As the client knows it whom the datagram reaches.
        *told.borrow_mut() = number;
        socket.send_to(&[number], "10.0.0.0:9").await.unwrap();
    }
}

/// The number in `state`; 0 if there is no such file yet.
async fn recover() -> Result<u8, String> {
    match fs::read("state").await {
        Ok(bytes) if bytes.len() == 4 && bytes.iter().all(|&it| it == bytes[0]) => Ok(bytes[0]),
        Ok(bytes) => Err(format!("{} bytes are in the file: {bytes:?}", bytes.len())),
        Err(_) => Ok(0),
    }
}

/// All states in which the disk may be after the program's end at a point, and what the program had
/// told by then; nothing if it comes to its own end first.
async fn states_at(
    fault: Fault,
    point: CrashPoint,
    ordinal: u64,
    profile: CrashProfile,
) -> Option<(Vec<Disk>, u8)> {
    let node = add_node("counter");
    let told = Rc::new(RefCell::new(0));
    let planned = end_at(node, point, ordinal, End::Kill);
    let tell = Rc::clone(&told);
    node.start(move || count(fault, Rc::clone(&tell)));
    while node.is_up() {
        sleep(Duration::from_millis(1)).await;
    }
    planned.report()?;
    let states = node.crash_states(&profile, 10_000);
    let told = *told.borrow();
    Some((states.expect("a small window"), told))
}

/// What recovery makes of a disk.
async fn recovered(disk: Disk) -> Result<u8, String> {
    let node = add_node("recovering");
    node.install_disk(disk);
    let found = Rc::new(RefCell::new(None));
    let find = Rc::clone(&found);
    node.start(move || {
        let find = Rc::clone(&find);
        async move { *find.borrow_mut() = Some(recover().await) }
    });
    while node.is_up() {
        sleep(Duration::from_millis(1)).await;
    }
    found.take().expect("recovery ends")
}

/// The first point at which some state is wrong, and how many states were tried.
fn sweep(fault: Fault, point: CrashPoint, profile: CrashProfile) -> (Option<u64>, usize) {
    let sweep = run(1, move || async move {
        let mut tried = 0;
        for ordinal in 1.. {
            let Some((states, told)) = states_at(fault, point, ordinal, profile).await else {
                return (None, tried, ordinal - 1);
            };
            for disk in states {
                tried += 1;
                if is_wrong(&recovered(disk).await, told) {
                    return (Some(ordinal), tried, ordinal);
                }
            }
        }
        unreachable!("the program ends")
    });
    assert_eq!(sweep.panics, []);
    let (found_at, tried, points) = sweep.output;
    assert!(points > 0, "the sweep has met no point");
    (found_at, tried)
}

/// Whether it is no number, or one that comes before what was told.
fn is_wrong(found: &Result<u8, String>, told: u8) -> bool {
    found.as_ref().map_or(true, |&number| number < told)
}

const POINTS: [CrashPoint; 3] = [CrashPoint::Sync, CrashPoint::Rename, CrashPoint::Send];

#[test]
fn a_correct_program_survives_every_state_at_every_point() {
    for (name, profile) in PROFILES {
        for point in POINTS {
            let (found_at, tried) = sweep(Fault::Nothing, point, profile);
            assert_eq!(found_at, None, "{name}, {point:?}");
            assert!(tried >= 3, "{name}, {point:?}: {tried} states");
        }
    }
}

/// Without it the name may be durable before the bytes are. Both are at stake from the first rename on.
#[test]
fn a_missing_sync_of_the_file_is_found_at_the_first_rename() {
    for (name, profile) in PROFILES {
        let found = POINTS.map(|point| sweep(Fault::SyncOfTheFile, point, profile).0);
        assert_eq!(found, [Some(1); 3], "{name}");
    }
}

/// What was told is lost: at the first send, or at the second sync, before which one number was told. At
/// the second rename a journal has the first on the disk, by the sync of the file.
#[test]
fn a_missing_sync_of_the_directory_is_found_once_something_was_told() {
    for (name, profile) in PROFILES {
        let found = POINTS.map(|point| sweep(Fault::SyncOfTheDirectory, point, profile).0);
        let at_rename = (name == "posix").then_some(2);
        assert_eq!(found, [Some(2), at_rename, Some(1)], "{name}");
    }
}

/// ext4 hides the forgotten sync where a file replaces another: but not the first time.
#[test]
fn what_ext4_does_for_careless_programs_is_not_enough() {
    let careful = CrashProfile {
        auto_da_alloc: true,
        ..CrashProfile::ext4_ordered()
    };
    let (found_at, _) = sweep(Fault::SyncOfTheFile, CrashPoint::Rename, careful);
    assert_eq!(found_at, Some(1));
}

/// One node that writes, syncs and renames in two tasks, ended at a point.
fn ended(seed: u64, point: CrashPoint, ordinal: u64, end: End) -> Outcome<Vec<String>> {
    run(seed, move || async move {
        let steps = Rc::new(RefCell::new(Vec::new()));
        let node = add_node("worker");
        let planned = end_at(node, point, ordinal, end);
        let told = Rc::clone(&steps);
        node.start(move || {
            let told = Rc::clone(&told);
            async move {
                for name in ["a", "b", "c"] {
                    fs::write(format!("{name}.new"), name).await.unwrap();
                    let file = fs::File::open(format!("{name}.new")).await.unwrap();
                    file.sync_all().await.unwrap();
                    told.borrow_mut().push(format!("synced {name}"));
                    fs::rename(format!("{name}.new"), name).await.unwrap();
                    told.borrow_mut().push(format!("renamed {name}"));
                }
                std::future::pending::<()>().await;
            }
        });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(planned.report().is_some(), !node.is_up());
        assert_eq!(engine::now_ns(), 1_000_000_000);
        steps.take()
    })
}

#[test]
fn a_machine_ends_exactly_there_and_runs_no_further() {
    let syncs = |ordinal| ended(1, CrashPoint::Sync, ordinal, End::Kill).output;
    assert_eq!(syncs(1), [""; 0]);
    assert_eq!(syncs(2), ["synced a", "renamed a"]);
    let renames = |ordinal| ended(1, CrashPoint::Rename, ordinal, End::PowerLoss).output;
    assert_eq!(renames(1), ["synced a"]);
    assert_eq!(renames(3).last().unwrap(), "synced c");
    assert_eq!(renames(4).last().unwrap(), "renamed c");
}

#[test]
fn an_end_is_no_panic_and_the_machine_starts_again() {
    let outcome = run(2, || async {
        let node = add_node("server");
        let planned = end_at(node, CrashPoint::Send, 2, End::PowerLoss);
        node.start(|| async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                task::spawn(async move {
                    let mut word = [0; 4];
                    while stream.read_exact(&mut word).await.is_ok() {
                        stream.write_all(&word).await.unwrap();
                    }
                });
            }
        });
        sleep(Duration::from_millis(1)).await;
        let mut answers = Vec::new();
        for word in [*b"one.", *b"two.", *b"tri."] {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            stream.write_all(&word).await.unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).await.unwrap();
            answers.push(answer);
            sleep(Duration::from_millis(10)).await;
            if !node.is_up() {
                node.restart();
                sleep(Duration::from_millis(1)).await;
            }
        }
        (answers, planned.report().is_some(), node.incarnation())
    });
    assert_eq!(outcome.panics, []);
    let (answers, is_reached, incarnation) = outcome.output;
    assert_eq!(
        answers,
        [*b"one.", *b"two.", *b"tri."],
        "what had left arrives"
    );
    assert!(is_reached);
    assert_eq!(incarnation, 2);
}

#[test]
fn an_end_repeats_and_one_that_is_not_reached_changes_nothing() {
    let digest = |ordinal| ended(3, CrashPoint::Sync, ordinal, End::PowerLoss).digest;
    assert_eq!(digest(2), digest(2));
    assert_ne!(digest(2), digest(9));
    assert_eq!(digest(8), digest(9));
}

#[test]
#[should_panic(expected = "the harness's node does not end")]
fn the_harness_has_no_crash_point() {
    run(4, || async {
        end_at(NodeId::HARNESS, CrashPoint::Sync, 1, End::Kill);
    });
}
