//! What a power loss does to small programs: each allowed outcome shows for some key, and no other.

use std::collections::BTreeSet;

use squall_sim::engine::disk::{
    CrashProfile, CrashReport, Disk, DiskOptions, Errno, FileHandle, FileKind, OpenFlags, Outcome,
    PROFILES,
};
use squall_sim::keyed::Key;

const KEYS: u64 = 400;

fn create() -> OpenFlags {
    OpenFlags {
        read: true,
        write: true,
        create: true,
        ..OpenFlags::default()
    }
}

/// Neither everything nor nothing, and each sector whole.
fn mixed(profile: CrashProfile) -> CrashProfile {
    CrashProfile {
        everything_per_mille: 0,
        nothing_per_mille: 0,
        torn_per_mille: 0,
        garbage_per_mille: 0,
        ..profile
    }
}

fn write(disk: &mut Disk, path: &str, bytes: &[u8]) -> FileHandle {
    let handle = disk
        .open(
            path,
            OpenFlags {
                truncate: true,
                ..create()
            },
        )
        .unwrap();
    assert_eq!(disk.append(handle, bytes), Ok(bytes.len()));
    handle
}

fn write_synced(disk: &mut Disk, path: &str, bytes: &[u8]) -> FileHandle {
    let handle = write(disk, path, bytes);
    disk.sync_all(handle).unwrap();
    handle
}

fn sync_dir(disk: &mut Disk, path: &str) {
    let handle = disk.open(path, OpenFlags::READ).unwrap();
    disk.sync_all(handle).unwrap();
    disk.close(handle).unwrap();
}

fn read(disk: &mut Disk, path: &str) -> Vec<u8> {
    let handle = disk.open(path, OpenFlags::READ).unwrap();
    let mut bytes = vec![0; disk.len(handle).unwrap() as usize];
    assert_eq!(disk.read_at(handle, 0, &mut bytes), Ok(bytes.len()));
    bytes
}

/// Every path with the bytes of the file, run by run: `a=1x3 0x2` is a file `a` of three ones and two
/// zeros, `d/` a directory.
fn show(disk: &mut Disk) -> String {
    let mut shown = Vec::new();
    list(disk, "", &mut shown);
    shown.join(", ")
}

fn list(disk: &mut Disk, above: &str, shown: &mut Vec<String>) {
    for entry in disk.read_dir(&format!("/{above}")).unwrap() {
        let path = format!("{above}{}", entry.name);
        if entry.kind == FileKind::Directory {
            shown.push(format!("{path}/"));
            list(disk, &format!("{path}/"), shown);
            continue;
        }
        let bytes = read(disk, &path);
        let runs = bytes
            .chunk_by(|a, b| a == b)
            .map(|run| format!("{}x{}", run[0], run.len()));
        shown.push(format!("{path}={}", runs.collect::<Vec<_>>().join(" ")));
    }
}

/// What a power loss at the end of a program leaves, under many keys.
fn outcomes(profile: CrashProfile, program: impl Fn(&mut Disk)) -> BTreeSet<String> {
    let run = |seed| {
        let mut disk = Disk::default();
        program(&mut disk);
        disk.power_loss(Key::root(seed), &profile);
        show(&mut disk)
    };
    (0..KEYS).map(run).collect()
}

#[track_caller]
fn check(profile: CrashProfile, expected: &[&str], program: impl Fn(&mut Disk)) {
    let expected: BTreeSet<String> = expected.iter().map(|&it| it.to_owned()).collect();
    assert_eq!(outcomes(profile, program), expected);
}

#[track_caller]
fn check_posix(expected: &[&str], program: impl Fn(&mut Disk)) {
    check(mixed(CrashProfile::posix()), expected, program);
}

#[track_caller]
fn check_ext4(expected: &[&str], program: impl Fn(&mut Disk)) {
    check(mixed(CrashProfile::ext4_ordered()), expected, program);
}

#[track_caller]
fn check_xfs(expected: &[&str], program: impl Fn(&mut Disk)) {
    check(mixed(CrashProfile::xfs()), expected, program);
}

// ---------------------------------------------------------------- bytes

fn overwrite_two_sectors(disk: &mut Disk) {
    let file = write_synced(disk, "a", &[1; 1024]);
    sync_dir(disk, "/");
    disk.write_at(file, 0, &[2; 1024]).unwrap();
}

#[test]
fn two_sectors_survive_in_all_combinations() {
    let all = ["a=1x1024", "a=1x512 2x512", "a=2x512 1x512", "a=2x1024"];
    check_posix(&all, overwrite_two_sectors);
    check_ext4(&all, overwrite_two_sectors);
}

#[test]
fn synced_bytes_and_names_always_survive() {
    for profile in [CrashProfile::posix(), CrashProfile::ext4_ordered()] {
        check(profile, &["a=1x700, d/, d/b=2x3"], |disk| {
            disk.mkdir("d").unwrap();
            write_synced(disk, "a", &[1; 700]);
            write_synced(disk, "d/b", &[2; 3]);
            sync_dir(disk, "d");
            sync_dir(disk, "/");
        });
    }
}

#[test]
fn the_extremes_are_everything_and_nothing() {
    let only = |everything: u32| CrashProfile {
        everything_per_mille: everything,
        nothing_per_mille: 1000 - everything,
        ..CrashProfile::posix()
    };
    let program = |disk: &mut Disk| {
        overwrite_two_sectors(disk);
        write(disk, "b", &[3; 9]);
        disk.rename("b", "c").unwrap();
    };
    check(only(0), &["a=1x1024"], program);
    check(only(1000), &["a=2x1024, c=3x9"], program);
}

/// A growth ends anywhere; where its bytes are lost, programs read zeros. On ext4 it ends where a write
/// or a page does.
#[test]
fn an_append_survives_up_to_any_byte() {
    let program = |disk: &mut Disk| {
        let file = write_synced(disk, "a", &[1; 2]);
        sync_dir(disk, "/");
        disk.append(file, &[2; 2]).unwrap();
    };
    let all = ["a=1x2", "a=1x2 0x1", "a=1x2 0x2", "a=1x2 2x1", "a=1x2 2x2"];
    check_posix(&all, program);
    check_ext4(&["a=1x2", "a=1x2 2x2"], program);
    check_xfs(&["a=1x2", "a=1x2 2x2"], program);
}

/// XFS sets the size when a write ends, and the writes before it may end later.
#[test]
fn a_file_grows_over_unwritten_bytes_on_xfs_alone() {
    let program = |disk: &mut Disk| {
        let file = write_synced(disk, "a", &[]);
        sync_dir(disk, "/");
        disk.append(file, &[1; 512]).unwrap();
        disk.append(file, &[2; 512]).unwrap();
    };
    check_ext4(&["a=", "a=1x512", "a=1x512 2x512"], program);
    check_xfs(
        &["a=", "a=1x512", "a=1x512 2x512", "a=0x512 2x512"],
        program,
    );
}

#[test]
fn a_write_survives_up_to_a_page() {
    let program = |disk: &mut Disk| {
        let file = write_synced(disk, "a", &[]);
        sync_dir(disk, "/");
        disk.append(file, &[1; 9000]).unwrap();
    };
    check_ext4(&["a=", "a=1x4096", "a=1x8192", "a=1x9000"], program);
}

/// An overwritten sector may hold what it held for a while.
#[test]
fn a_sector_survives_as_it_was_in_between() {
    let program = |disk: &mut Disk| {
        let file = write_synced(disk, "a", &[1; 4]);
        sync_dir(disk, "/");
        disk.write_at(file, 0, &[2; 4]).unwrap();
        disk.write_at(file, 0, &[3; 2]).unwrap();
    };
    let all = ["a=1x4", "a=2x4", "a=3x2 2x2"];
    check_posix(&all, program);
    check_ext4(&all, program);
    check_xfs(&all, program);
    check(mixed(CrashProfile::default()), &[all[0], all[2]], program);
}

/// A cut and a new size are operations like those on names, in one order with them.
#[test]
fn a_journal_has_cuts_and_names_in_one_order() {
    let program = |disk: &mut Disk| {
        let file = write_synced(disk, "a", &[1; 4]);
        sync_dir(disk, "/");
        disk.set_len(file, 2).unwrap();
        disk.mkdir("d").unwrap();
        disk.set_len(file, 3).unwrap();
    };
    let in_order = ["a=1x4", "a=1x2", "a=1x2, d/", "a=1x2 0x1, d/"];
    check_ext4(&in_order, program);
    check_xfs(&in_order, program);
}

/// What was written before an operation on names and got its place behind it is in the journal
/// behind it.
#[test]
fn a_file_grows_only_after_what_came_before_the_write() {
    let program = |disk: &mut Disk| {
        let file = write_synced(disk, "a", &[]);
        sync_dir(disk, "/");
        disk.mkdir("d").unwrap();
        disk.append(file, &[1]).unwrap();
    };
    check_ext4(&["a=", "a=, d/", "a=1x1, d/"], program);
}

/// The bytes below a cut need not have been written yet.
#[test]
fn a_cut_of_unwritten_bytes_leaves_zeros() {
    let program = |disk: &mut Disk| {
        let file = write_synced(disk, "a", &[]);
        sync_dir(disk, "/");
        disk.append(file, &[1; 4]).unwrap();
        disk.set_len(file, 2).unwrap();
    };
    check_ext4(&["a=", "a=1x4", "a=0x2", "a=1x2"], program);
}

/// fdatasync leaves alone what is not needed to read the file.
#[test]
fn a_sync_commits_the_journal_up_to_the_last_change_of_the_file() {
    let program = |sync: fn(&mut Disk, FileHandle) -> Result<(), Errno>| {
        move |disk: &mut Disk| {
            let file = write_synced(disk, "a", &[1]);
            sync_dir(disk, "/");
            disk.mkdir("d").unwrap();
            disk.rename("a", "b").unwrap();
            disk.mkdir("e").unwrap();
            disk.write_at(file, 0, &[2]).unwrap();
            disk.rename("b", "c").unwrap();
            disk.mkdir("f").unwrap();
            sync(disk, file).unwrap();
        }
    };
    let with_names = ["c=2x1, d/, e/", "c=2x1, d/, e/, f/"];
    let all = [
        "a=2x1",
        "a=2x1, d/",
        "b=2x1, d/",
        "b=2x1, d/, e/",
        with_names[0],
        with_names[1],
    ];
    for profile in [CrashProfile::ext4_ordered(), CrashProfile::xfs()] {
        check(mixed(profile), &with_names, program(Disk::sync_all));
        check(mixed(profile), &all, program(Disk::sync_data));
    }
}

#[test]
fn a_cut_survives_or_does_not() {
    let program = |disk: &mut Disk| {
        let file = write_synced(disk, "a", &[1; 600]);
        sync_dir(disk, "/");
        disk.set_len(file, 10).unwrap();
        disk.set_len(file, 12).unwrap();
    };
    let all = ["a=1x600", "a=1x10", "a=1x10 0x1", "a=1x10 0x2"];
    check_posix(&all, program);
    check_ext4(&[all[0], all[1], all[3]], program);
}

/// `set_len(0)` and a rewrite in place: the classic way to lose a file.
#[test]
fn a_file_that_is_rewritten_in_place_may_be_old_new_or_neither() {
    let program = |disk: &mut Disk| {
        write_synced(disk, "a", &[1; 2]);
        sync_dir(disk, "/");
        write(disk, "a", &[2; 1]);
    };
    check_posix(&["a=1x2", "a=", "a=0x1", "a=2x1"], program);
    check_ext4(&["a=1x2", "a=", "a=2x1"], program);
}

#[test]
fn a_torn_sector_is_new_and_then_old() {
    let profile = CrashProfile {
        torn_per_mille: 1000,
        ..mixed(CrashProfile::posix())
    };
    let program = |disk: &mut Disk| {
        let file = write_synced(disk, "a", &[1; 512]);
        sync_dir(disk, "/");
        disk.write_at(file, 0, &[2; 512]).unwrap();
    };
    let shown = outcomes(profile, program);
    let torn: BTreeSet<String> = (1..512)
        .map(|stop| format!("a=2x{stop} 1x{}", 512 - stop))
        .collect();
    assert!(shown.is_subset(&torn) && shown.len() > 200, "{shown:?}");
}

#[test]
fn garbage_never_reaches_synced_bytes() {
    let profile = CrashProfile {
        garbage_per_mille: 1000,
        ..mixed(CrashProfile::posix())
    };
    let mut values = BTreeSet::new();
    for seed in 0..KEYS {
        let mut disk = Disk::default();
        let file = write_synced(&mut disk, "a", &[1; 512]);
        sync_dir(&mut disk, "/");
        disk.write_at(file, 100, &[2; 50]).unwrap();
        let report = disk.power_loss(Key::root(seed), &profile);
        assert_eq!(report.sectors_garbage, 1);
        let bytes = read(&mut disk, "a");
        assert_eq!(
            (&bytes[..100], &bytes[150..]),
            (&[1; 100][..], &[1; 362][..])
        );
        values.extend(bytes[100..150].iter().copied());
    }
    assert_eq!(values.len(), 256);
}

/// The fate of a sector is keyed by its file and its number, so what other files do is no matter.
#[test]
fn the_fate_of_a_file_is_its_own() {
    let run = |seed: u64, with_others: bool| {
        let mut disk = Disk::default();
        if with_others {
            write(&mut disk, "0", &[3; 5000]);
            disk.mkdir("d").unwrap();
        }
        let file = write_synced(&mut disk, "a", &[1; 20_000]);
        sync_dir(&mut disk, "/");
        disk.write_at(file, 0, &[2; 20_000]).unwrap();
        if with_others {
            write(&mut disk, "d/x", &[4; 700]);
            disk.unlink("0").unwrap();
        }
        disk.power_loss(Key::root(seed), &CrashProfile::posix());
        read(&mut disk, "a")
    };
    for seed in 0..50 {
        assert_eq!(run(seed, false), run(seed, true));
    }
}

#[test]
fn taking_one_write_out_leaves_the_fates_of_the_others() {
    let run = |seed: u64, sectors: &[u64]| {
        let mut disk = Disk::default();
        let file = write_synced(&mut disk, "a", &[1; 8 * 512]);
        sync_dir(&mut disk, "/");
        for sector in sectors {
            disk.write_at(file, sector * 512, &[2; 512]).unwrap();
        }
        disk.power_loss(Key::root(seed), &CrashProfile::posix());
        read(&mut disk, "a")
    };
    for seed in 0..50 {
        let (all, fewer) = (
            run(seed, &[0, 1, 2, 3, 4, 5, 6]),
            run(seed, &[0, 1, 2, 4, 5, 6]),
        );
        assert_eq!(
            (&all[..1536], &all[2048..]),
            (&fewer[..1536], &fewer[2048..])
        );
    }
}

#[test]
fn files_of_one_name_have_fates_of_their_own() {
    let both_alike = (0..KEYS).all(|seed| {
        let mut disk = Disk::default();
        for target in ["x", "y"] {
            let file = write_synced(&mut disk, "new", &[1; 512]);
            disk.write_at(file, 0, &[2; 512]).unwrap();
            disk.rename("new", target).unwrap();
        }
        sync_dir(&mut disk, "/");
        disk.power_loss(Key::root(seed), &mixed(CrashProfile::posix()));
        read(&mut disk, "x") == read(&mut disk, "y")
    });
    assert!(!both_alike);
}

// ---------------------------------------------------------------- names

#[test]
fn a_new_name_survives_or_does_not() {
    let program = |disk: &mut Disk| {
        write_synced(disk, "a", &[1]);
    };
    check_posix(&["", "a=1x1"], program);
    check_ext4(&["a=1x1"], program); // the fsync wrote the journal
}

#[test]
fn names_survive_in_all_combinations_or_in_order() {
    let program = |disk: &mut Disk| {
        for path in ["a", "b"] {
            disk.mkdir(path).unwrap();
        }
    };
    check_posix(&["", "a/", "b/", "a/, b/"], program);
    check_ext4(&["", "a/", "a/, b/"], program);
}

#[test]
fn what_happens_to_one_name_happens_in_order() {
    let program = |disk: &mut Disk| {
        write_synced(disk, "a", &[1]);
        sync_dir(disk, "/");
        disk.unlink("a").unwrap();
        disk.mkdir("a").unwrap();
        disk.rename("a", "b").unwrap();
    };
    check_posix(&["a=1x1", "", "a/", "b/"], program);
    check_ext4(&["a=1x1", "", "a/", "b/"], program);
}

#[test]
fn a_rename_is_one_operation_whichever_directory_is_synced() {
    let program = |synced: &'static str| {
        move |disk: &mut Disk| {
            disk.mkdir("d").unwrap();
            write_synced(disk, "a", &[1]);
            sync_dir(disk, "/");
            disk.rename("a", "d/a").unwrap();
            if !synced.is_empty() {
                sync_dir(disk, synced);
            }
        }
    };
    check_posix(&["a=1x1, d/", "d/, d/a=1x1"], program(""));
    check_posix(&["d/, d/a=1x1"], program("/"));
    check_posix(&["d/, d/a=1x1"], program("d"));
}

#[test]
fn an_unlinked_file_comes_back_whole() {
    check_posix(&["", "a=1x700"], |disk| {
        let file = write_synced(disk, "a", &[1; 700]);
        sync_dir(disk, "/");
        disk.unlink("a").unwrap();
        disk.close(file).unwrap();
    });
}

#[test]
fn a_second_name_survives_or_does_not() {
    check_posix(&["a=1x1", "a=1x1, b=1x1"], |disk| {
        write_synced(disk, "a", &[1]);
        sync_dir(disk, "/");
        disk.link("a", "b").unwrap();
    });
}

/// Two operations, where a rename is one: a file can lose its old name and not have its new one.
#[test]
fn a_link_and_an_unlink_are_no_rename() {
    let program = |disk: &mut Disk| {
        write_synced(disk, "a", &[1]);
        sync_dir(disk, "/");
        disk.link("a", "b").unwrap();
        disk.unlink("a").unwrap();
    };
    check_posix(&["", "a=1x1", "b=1x1", "a=1x1, b=1x1"], program);
    check_ext4(&["a=1x1", "a=1x1, b=1x1", "b=1x1"], program);
}

/// Its bytes have one fate, not one for each name.
#[test]
fn both_names_lead_to_one_file_afterwards() {
    for seed in 0..KEYS {
        let mut disk = Disk::default();
        let file = write_synced(&mut disk, "a", &[1; 1024]);
        disk.link("a", "b").unwrap();
        sync_dir(&mut disk, "/");
        disk.write_at(file, 0, &[2; 1024]).unwrap();
        disk.power_loss(Key::root(seed), &CrashProfile::posix());
        assert_eq!(read(&mut disk, "a"), read(&mut disk, "b"));
        assert_eq!(disk.used_bytes(), 4096);
        let file = disk.open("b", create()).unwrap();
        disk.write_at(file, 0, &[3]).unwrap();
        assert_eq!(read(&mut disk, "a")[0], 3);
        disk.unlink("a").unwrap();
        assert_eq!(disk.len(file), Ok(1024));
    }
}

#[test]
fn a_directory_goes_only_after_what_was_moved_out_of_it() {
    check_posix(&["d/, d/a=1x1", "a=1x1, d/", "a=1x1"], |disk| {
        disk.mkdir("d").unwrap();
        write_synced(disk, "d/a", &[1]);
        sync_dir(disk, "d");
        sync_dir(disk, "/");
        disk.rename("d/a", "a").unwrap();
        disk.rmdir("d").unwrap();
    });
}

#[test]
fn a_directory_is_replaced_only_after_what_was_moved_out_of_it() {
    check_posix(&["d/, d/a=1x1, e/", "a=1x1, d/, e/", "a=1x1, d/"], |disk| {
        disk.mkdir("d").unwrap();
        disk.mkdir("e").unwrap();
        write_synced(disk, "d/a", &[1]);
        sync_dir(disk, "d");
        sync_dir(disk, "/");
        disk.rename("d/a", "a").unwrap();
        disk.rename("e", "d").unwrap();
    });
}

#[test]
fn what_is_moved_into_a_new_directory_is_not_lost_with_it() {
    check_posix(
        &[
            "a=1x1",
            "a=1x1, d/",
            "a=1x1, d/, d/e/",
            "d/, d/e/, d/e/a=1x1",
        ],
        |disk| {
            write_synced(disk, "a", &[1]);
            sync_dir(disk, "/");
            disk.mkdir("d").unwrap();
            disk.mkdir("d/e").unwrap();
            disk.rename("a", "d/e/a").unwrap();
        },
    );
}

#[test]
fn directories_that_swap_places_never_make_a_circle() {
    check_posix(&["d/, e/", "e/, e/d/", "d/, d/e/"], |disk| {
        disk.mkdir("d").unwrap();
        disk.mkdir("e").unwrap();
        sync_dir(disk, "/");
        disk.rename("d", "e/d").unwrap();
        disk.rename("e/d", "d").unwrap();
        disk.rename("e", "d/e").unwrap();
    });
}

#[test]
fn the_oldest_names_become_durable_when_there_are_too_many() {
    let mut disk = Disk::new(DiskOptions {
        unsynced_names_max: 2,
        ..DiskOptions::default()
    });
    for path in ["a", "b", "c", "d"] {
        disk.mkdir(path).unwrap();
    }
    assert_eq!(disk.dirty().entries, 2);
    let nothing = CrashProfile {
        nothing_per_mille: 1000,
        everything_per_mille: 0,
        ..CrashProfile::posix()
    };
    disk.power_loss(Key::root(0), &nothing);
    assert_eq!(show(&mut disk), "a/, b/");
}

// ---------------------------------------------------------------- programs with a missing fsync

/// How to replace a file by another: write, fsync, rename, fsync the directory.
#[derive(Clone, Copy)]
struct Replace {
    sync_file: bool,
    sync_directory: bool,
}

fn replace(disk: &mut Disk, how: Replace) {
    write_synced(disk, "state", &[1; 600]);
    sync_dir(disk, "/");
    let file = write(disk, "state.new", &[2; 600]);
    if how.sync_file {
        disk.sync_all(file).unwrap();
    }
    disk.rename("state.new", "state").unwrap();
    if how.sync_directory {
        sync_dir(disk, "/");
    }
}

fn states(profile: CrashProfile, how: Replace) -> BTreeSet<String> {
    let last = |shown: String| shown.split(", ").next().unwrap().to_owned();
    outcomes(profile, |disk| replace(disk, how))
        .into_iter()
        .map(last)
        .collect()
}

#[test]
fn a_replaced_file_needs_both_syncs() {
    let (old, new) = ("state=1x600".to_owned(), "state=2x600".to_owned());
    for (_, profile) in PROFILES {
        let both = Replace {
            sync_file: true,
            sync_directory: true,
        };
        assert_eq!(states(profile, both), BTreeSet::from([new.clone()]));
        let no_directory = Replace {
            sync_directory: false,
            ..both
        };
        assert_eq!(
            states(profile, no_directory),
            BTreeSet::from([old.clone(), new.clone()])
        );
        let no_file = states(
            profile,
            Replace {
                sync_file: false,
                ..both
            },
        );
        assert!(
            no_file.contains("state=") && no_file.contains(&new),
            "{no_file:?}"
        );
        assert!(!no_file.contains(&old));
        let is_in_part = |it: &String| it.starts_with("state=2x") && *it != new;
        let is_posix = profile == CrashProfile::posix();
        assert_eq!(no_file.iter().any(is_in_part), is_posix, "{no_file:?}");
    }
}

#[test]
fn ext4_may_write_what_replaces_a_file_first() {
    let how = Replace {
        sync_file: false,
        sync_directory: false,
    };
    let careful = CrashProfile {
        auto_da_alloc: true,
        ..CrashProfile::ext4_ordered()
    };
    let shown = |states: &[&str]| states.iter().map(|&it| it.to_owned()).collect();
    let (old, new) = ("state=1x600", "state=2x600");
    let forgetful = CrashProfile::ext4_ordered();
    assert_eq!(states(forgetful, how), shown(&[old, "state=", new]));
    assert_eq!(states(careful, how), shown(&[old, new]));
    let onto_nothing = |disk: &mut Disk| {
        write(disk, "new", &[2; 9]);
        disk.rename("new", "state").unwrap();
    };
    check(
        mixed(careful),
        &["", "new=", "new=2x9", "state=", "state=2x9"],
        onto_nothing,
    );
}

#[test]
fn profiles_have_names_and_are_plain_values() {
    for (name, profile) in PROFILES {
        assert_eq!(CrashProfile::named(name), Some(profile));
        let text = serde_json::to_string(&profile).unwrap();
        assert!(text.contains(&format!("\"order\":\"{name}\"")), "{text}");
        assert_eq!(
            serde_json::from_str::<CrashProfile>(&text).unwrap(),
            profile
        );
    }
    assert_eq!(CrashProfile::named("fat"), None);
    let from_before = r#"{"order":"posix","torn-per-mille":7}"#;
    let expected = CrashProfile {
        torn_per_mille: 7,
        ..CrashProfile::default()
    };
    assert_eq!(
        serde_json::from_str::<CrashProfile>(from_before).unwrap(),
        expected
    );
}

/// A log that claims what it has not synced loses it.
#[test]
fn a_log_without_sync_loses_its_tail() {
    let append = |disk: &mut Disk, is_synced: bool| {
        let log = write_synced(disk, "log", &[]);
        sync_dir(disk, "/");
        for record in 1..=3 {
            disk.append(log, &[record; 8]).unwrap();
            if is_synced {
                disk.sync_data(log).unwrap();
            }
        }
    };
    for (_, profile) in PROFILES {
        let synced = outcomes(profile, |disk| append(disk, true));
        assert_eq!(synced, BTreeSet::from(["log=1x8 2x8 3x8".to_owned()]));
        let unsynced = outcomes(profile, |disk| append(disk, false));
        let is_posix = profile == CrashProfile::posix();
        let shorter = match is_posix {
            true => ["log=", "log=1x6"],
            false => ["log=1x8", "log=1x8 2x8"],
        };
        for shown in shorter.into_iter().chain(["log=", "log=1x8 2x8 3x8"]) {
            assert!(unsynced.contains(shown), "{shown} is not in {unsynced:?}");
        }
    }
}

// ---------------------------------------------------------------- kills, handles, room

#[test]
fn a_kill_keeps_the_cache_and_frees_what_only_handles_kept() {
    let mut disk = Disk::default();
    let kept = write(&mut disk, "a", &[1; 10]);
    let unlinked = write_synced(&mut disk, "b", &[2; 5000]);
    disk.unlink("b").unwrap();
    sync_dir(&mut disk, "/");
    assert_eq!(disk.len(unlinked), Ok(5000));
    assert_eq!(disk.used_bytes(), 3 * 4096);
    disk.kill();
    assert_eq!(disk.used_bytes(), 4096);
    assert_eq!(disk.append(kept, &[0]), Err(Errno::BadDescriptor));
    assert_eq!(disk.close(unlinked), Err(Errno::BadDescriptor));
    assert_eq!(show(&mut disk), "a=1x10");
    assert_eq!(disk.dirty().sectors, 1);
}

#[test]
fn an_unlinked_file_lives_while_it_is_open() {
    let mut disk = Disk::default();
    let old = write(&mut disk, "a", &[1; 10]);
    disk.unlink("a").unwrap();
    let new = write(&mut disk, "a", &[2; 3]);
    disk.append(old, &[1]).unwrap();
    assert_eq!((disk.len(old), disk.len(new)), (Ok(11), Ok(3)));
    disk.close(old).unwrap();
    assert_eq!(disk.close(old), Err(Errno::BadDescriptor));
    assert_eq!(show(&mut disk), "a=2x3");
}

#[test]
fn a_full_disk_writes_in_part_and_then_nothing() {
    let mut disk = Disk::new(DiskOptions {
        capacity_bytes: 2 * 4096,
        ..DiskOptions::default()
    });
    let file = write(&mut disk, "a", &[1; 4000]);
    assert_eq!(disk.append(file, &[2; 9000]), Ok(8192 - 4000));
    assert_eq!(disk.append(file, &[3; 1]), Err(Errno::NoSpace));
    assert_eq!(
        disk.write_at(file, 100, &[4; 500]),
        Ok(500),
        "there is room to overwrite"
    );
    assert_eq!(disk.len(file), Ok(8192));
    disk.set_len(file, 4096).unwrap();
    assert_eq!(disk.append(file, &[5; 5000]), Ok(4096));
}

#[test]
fn a_full_disk_gets_room_from_what_was_unlinked() {
    let mut disk = Disk::new(DiskOptions {
        capacity_bytes: 2 * 4096,
        ..DiskOptions::default()
    });
    let old = write_synced(&mut disk, "a", &[1; 8192]);
    sync_dir(&mut disk, "/");
    disk.unlink("a").unwrap();
    let new = disk.open("b", create()).unwrap();
    assert_eq!(
        disk.append(new, &[2; 10]),
        Err(Errno::NoSpace),
        "it is still open"
    );
    disk.close(old).unwrap();
    assert_eq!(disk.append(new, &[2; 10]), Ok(10));
    assert_eq!(disk.used_bytes(), 4096);
}

#[test]
fn holes_take_no_room_and_read_as_zeros() {
    let mut disk = Disk::default();
    let file = disk.open("a", create()).unwrap();
    disk.write_at(file, 1 << 40, &[1]).unwrap();
    assert_eq!(
        (disk.len(file), disk.used_bytes()),
        (Ok((1 << 40) + 1), 4096)
    );
    let mut buffer = [9; 8];
    assert_eq!(disk.read_at(file, (1 << 40) - 4, &mut buffer), Ok(5));
    assert_eq!(buffer, [0, 0, 0, 0, 1, 9, 9, 9]);
    assert_eq!(disk.read_at(file, 1 << 41, &mut buffer), Ok(0));
    disk.set_len(file, 1 << 50).unwrap();
    disk.set_len(file, 0).unwrap();
    assert_eq!(disk.used_bytes(), 0);
}

#[test]
fn dirt_is_counted_and_gone_with_a_sync() {
    let mut disk = Disk::default();
    let file = write(&mut disk, "a", &[1; 700]);
    let dirty = disk.dirty();
    assert_eq!((dirty.bytes, dirty.sectors, dirty.entries), (700, 2, 1));
    disk.sync_all(file).unwrap();
    sync_dir(&mut disk, "/");
    assert_eq!(disk.dirty(), Default::default());
    disk.write_at(file, 600, &[2]).unwrap();
    let dirty = disk.dirty();
    assert_eq!((dirty.bytes, dirty.sectors, dirty.entries), (188, 1, 0));
}

#[test]
fn a_report_counts_what_was_lost() {
    let nothing = CrashProfile {
        nothing_per_mille: 1000,
        everything_per_mille: 0,
        ..CrashProfile::posix()
    };
    let mut disk = Disk::default();
    overwrite_two_sectors(&mut disk);
    write(&mut disk, "b", &[1]);
    let report = disk.power_loss(Key::root(0), &nothing);
    let expected = CrashReport {
        outcome: Outcome::Nothing,
        sectors_dirty: 2,
        sectors_lost: 2,
        bytes_lost: 1024,
        entries_dirty: 1,
        entries_lost: 1,
        ..CrashReport::default()
    };
    assert_eq!(report, expected);
    assert!(report.is_visible());
    assert!(!disk.power_loss(Key::root(1), &nothing).is_visible());
}
