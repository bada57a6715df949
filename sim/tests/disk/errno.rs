//! What the disk refuses, and with which error number: the kernel below these tests must agree.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use squall_sim::engine::disk::{Disk, Errno, FileHandle, OpenFlags};

const NONE: OpenFlags = OpenFlags {
    read: false,
    ..OpenFlags::READ
};
const READ: OpenFlags = OpenFlags::READ;
const WRITE: OpenFlags = OpenFlags {
    write: true,
    ..NONE
};
const APPEND: OpenFlags = OpenFlags {
    append: true,
    ..NONE
};
const CREATE: OpenFlags = OpenFlags {
    create: true,
    ..WRITE
};
const CREATE_NEW: OpenFlags = OpenFlags {
    create_new: true,
    ..WRITE
};

/// A file `f`, an empty directory `empty`, and a directory `full` with a file `full/f` and a
/// directory `full/d`.
fn disk() -> Disk {
    let mut disk = Disk::default();
    for path in ["empty", "full", "full/d"] {
        disk.mkdir(path).unwrap();
    }
    for path in ["f", "full/f"] {
        let handle = disk.open(path, CREATE).unwrap();
        disk.close(handle).unwrap();
    }
    disk
}

/// The same tree on the disk of the machine that runs the tests.
fn real_disk() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("empty")).unwrap();
    fs::create_dir_all(root.path().join("full/d")).unwrap();
    fs::write(root.path().join("f"), "").unwrap();
    fs::write(root.path().join("full/f"), "").unwrap();
    root
}

/// Checks one operation on both disks. Paths from the root mean something else on the real one.
#[track_caller]
fn check(
    paths: &[&str],
    expected: Result<(), Errno>,
    simulated: impl FnOnce(&mut Disk) -> Result<(), Errno>,
    real: impl FnOnce(&[PathBuf]) -> io::Result<()>,
) {
    assert_eq!(simulated(&mut disk()), expected, "{paths:?}");
    if cfg!(target_os = "linux") && !paths.iter().any(|it| it.is_empty() || it.starts_with('/')) {
        let root = real_disk();
        let join = |path: &&str| Path::new(root.path()).join(path);
        // std itself refuses flags and zero bytes before the kernel can.
        let code = |error: io::Error| error.raw_os_error().unwrap_or(Errno::Invalid.code());
        let real = real(&paths.iter().map(join).collect::<Vec<_>>()).map_err(code);
        assert_eq!(
            real,
            expected.map_err(Errno::code),
            "the kernel, on {paths:?}"
        );
    }
}

fn opened(path: &str, flags: OpenFlags) -> (Disk, FileHandle) {
    let mut disk = disk();
    let handle = disk.open(path, flags).unwrap();
    (disk, handle)
}

#[test]
fn open() {
    let long = "x".repeat(256);
    let deep = "x/".repeat(2048);
    let table: [(&str, OpenFlags, Result<(), Errno>); 38] = [
        ("f", READ, Ok(())),
        ("/f", READ, Ok(())),
        ("//full/./../f", READ, Ok(())),
        ("/../f", READ, Ok(())),
        ("f", CREATE, Ok(())),
        ("new", CREATE, Ok(())),
        ("full/new", CREATE_NEW, Ok(())),
        ("full", READ, Ok(())),
        ("full/", READ, Ok(())),
        ("/", READ, Ok(())),
        ("new", READ, Err(Errno::NoEntry)),
        ("new", WRITE, Err(Errno::NoEntry)),
        ("", CREATE, Err(Errno::NoEntry)),
        ("no/new", CREATE, Err(Errno::NoEntry)),
        ("no/../f", READ, Err(Errno::NoEntry)),
        ("f/new", CREATE, Err(Errno::NotDirectory)),
        ("f/.", READ, Err(Errno::NotDirectory)),
        ("f/..", READ, Err(Errno::NotDirectory)),
        ("f/", READ, Err(Errno::NotDirectory)),
        ("new/", READ, Err(Errno::NoEntry)),
        ("new/", CREATE, Err(Errno::IsDirectory)),
        ("f/", CREATE, Err(Errno::IsDirectory)),
        ("full", WRITE, Err(Errno::IsDirectory)),
        ("full", APPEND, Err(Errno::IsDirectory)),
        ("full", CREATE, Err(Errno::IsDirectory)),
        ("/", CREATE, Err(Errno::IsDirectory)),
        ("full/..", CREATE, Err(Errno::IsDirectory)),
        ("f", CREATE_NEW, Err(Errno::Exists)),
        ("full", CREATE_NEW, Err(Errno::Exists)),
        ("/", CREATE_NEW, Err(Errno::Exists)),
        ("f\0", READ, Err(Errno::Invalid)),
        ("f", NONE, Err(Errno::Invalid)),
        (
            "f",
            OpenFlags {
                create: true,
                ..READ
            },
            Err(Errno::Invalid),
        ),
        (
            "f",
            OpenFlags {
                truncate: true,
                ..READ
            },
            Err(Errno::Invalid),
        ),
        (
            "f",
            OpenFlags {
                truncate: true,
                ..APPEND
            },
            Err(Errno::Invalid),
        ),
        (&long, CREATE, Err(Errno::NameTooLong)),
        (&long[1..], CREATE, Ok(())),
        (&deep, READ, Err(Errno::NameTooLong)),
    ];
    for (path, flags, expected) in table {
        check(
            &[path],
            expected,
            |disk| disk.open(path, flags).map(|_| ()),
            |paths| {
                let mut options = fs::OpenOptions::new();
                options
                    .read(flags.read)
                    .write(flags.write)
                    .append(flags.append);
                options.truncate(flags.truncate).create(flags.create);
                options
                    .create_new(flags.create_new)
                    .open(&paths[0])
                    .map(|_| ())
            },
        );
    }
}

#[test]
fn rename() {
    let long = "x".repeat(256);
    let table: [(&str, &str, Result<(), Errno>); 29] = [
        ("f", "new", Ok(())),
        ("f", "full/f", Ok(())),
        ("f", "f", Ok(())),
        ("full", "full", Ok(())),
        ("full", "empty", Ok(())),
        ("full/", "new/", Ok(())),
        ("full/d", "empty", Ok(())),
        ("empty", "full/d", Ok(())),
        ("no", "new", Err(Errno::NoEntry)),
        ("no", "no", Err(Errno::NoEntry)),
        ("f", "no/f", Err(Errno::NoEntry)),
        ("no/f", "f", Err(Errno::NoEntry)),
        ("f", "full/f/x", Err(Errno::NotDirectory)),
        ("f/x", "new", Err(Errno::NotDirectory)),
        ("f/", "new", Err(Errno::NotDirectory)),
        ("f", "new/", Err(Errno::NotDirectory)),
        ("f", "f/", Err(Errno::NotDirectory)),
        ("f", "empty/", Err(Errno::NotDirectory)),
        ("full", "f", Err(Errno::NotDirectory)),
        ("f", "empty", Err(Errno::IsDirectory)),
        ("f", "full", Err(Errno::IsDirectory)),
        ("empty", "full", Err(Errno::NotEmpty)),
        ("full/f", "full", Err(Errno::NotEmpty)),
        ("full/d", "full", Err(Errno::NotEmpty)),
        ("full", "full/d", Err(Errno::Invalid)),
        ("full", "full/d/x", Err(Errno::Invalid)),
        ("f", "/", Err(Errno::Busy)),
        ("full/..", "new", Err(Errno::Busy)),
        ("f", &long, Err(Errno::NameTooLong)),
    ];
    for (from, to, expected) in table {
        check(
            &[from, to],
            expected,
            |disk| disk.rename(from, to),
            |paths| fs::rename(&paths[0], &paths[1]),
        );
    }
}

#[test]
fn link() {
    let long = "x".repeat(256);
    let table: [(&str, &str, Result<(), Errno>); 20] = [
        ("f", "new", Ok(())),
        ("f", "full/new", Ok(())),
        ("full/f", "empty/f", Ok(())),
        ("f", "f", Err(Errno::Exists)),
        ("f", "full/f", Err(Errno::Exists)),
        ("f", "full", Err(Errno::Exists)),
        ("f", ".", Err(Errno::Exists)),
        ("full", "f", Err(Errno::Exists)),
        ("full", "new", Err(Errno::NotPermitted)),
        ("full", "full/new", Err(Errno::NotPermitted)),
        ("no", "new", Err(Errno::NoEntry)),
        ("no", "f", Err(Errno::NoEntry)),
        ("f", "no/f", Err(Errno::NoEntry)),
        ("f", "new/", Err(Errno::NoEntry)),
        ("f", "full/", Err(Errno::Exists)),
        ("f/", "new", Err(Errno::NotDirectory)),
        ("f/x", "new", Err(Errno::NotDirectory)),
        ("f", "full/f/x", Err(Errno::NotDirectory)),
        ("", "new", Err(Errno::NoEntry)),
        ("f", &long, Err(Errno::NameTooLong)),
    ];
    for (from, to, expected) in table {
        check(
            &[from, to],
            expected,
            |disk| disk.link(from, to),
            |paths| fs::hard_link(&paths[0], &paths[1]),
        );
    }
}

#[test]
fn unlink() {
    let table = [
        ("f", Ok(())),
        ("no", Err(Errno::NoEntry)),
        ("no/f", Err(Errno::NoEntry)),
        ("f/x", Err(Errno::NotDirectory)),
        ("f/", Err(Errno::NotDirectory)),
        ("empty", Err(Errno::IsDirectory)),
        ("empty/", Err(Errno::IsDirectory)),
        ("/", Err(Errno::IsDirectory)),
        ("full/.", Err(Errno::IsDirectory)),
    ];
    for (path, expected) in table {
        check(
            &[path],
            expected,
            |disk| disk.unlink(path),
            |paths| fs::remove_file(&paths[0]),
        );
    }
}

#[test]
fn mkdir() {
    let table = [
        ("new", Ok(())),
        ("new/", Ok(())),
        ("full/d/new", Ok(())),
        ("f", Err(Errno::Exists)),
        ("empty", Err(Errno::Exists)),
        ("/", Err(Errno::Exists)),
        ("full/..", Err(Errno::Exists)),
        ("no/new", Err(Errno::NoEntry)),
        ("f/new", Err(Errno::NotDirectory)),
    ];
    for (path, expected) in table {
        check(
            &[path],
            expected,
            |disk| disk.mkdir(path),
            |paths| fs::create_dir(&paths[0]),
        );
    }
}

#[test]
fn rmdir() {
    let table = [
        ("empty", Ok(())),
        ("empty/", Ok(())),
        ("full", Err(Errno::NotEmpty)),
        ("full/d/..", Err(Errno::NotEmpty)),
        ("empty/.", Err(Errno::Invalid)),
        ("/", Err(Errno::Busy)),
        ("f", Err(Errno::NotDirectory)),
        ("f/", Err(Errno::NotDirectory)),
        ("no", Err(Errno::NoEntry)),
    ];
    for (path, expected) in table {
        check(
            &[path],
            expected,
            |disk| disk.rmdir(path),
            |paths| fs::remove_dir(&paths[0]),
        );
    }
}

#[test]
fn read_dir() {
    let table = [
        ("/", Ok(vec!["empty", "f", "full"])),
        ("full/", Ok(vec!["d", "f"])),
        ("empty", Ok(vec![])),
        ("f", Err(Errno::NotDirectory)),
        ("no", Err(Errno::NoEntry)),
    ];
    for (path, expected) in table {
        let names = disk().read_dir(path).map(|entries| {
            entries
                .into_iter()
                .map(|entry| entry.name)
                .collect::<Vec<_>>()
        });
        let expected = expected.map(|names| names.into_iter().map(String::from).collect());
        assert_eq!(names, expected, "{path:?}");
    }
}

#[test]
fn handles() {
    let (mut disk, reader) = opened("f", READ);
    assert_eq!(disk.write_at(reader, 0, b"x"), Err(Errno::BadDescriptor));
    assert_eq!(disk.append(reader, b"x"), Err(Errno::BadDescriptor));
    assert_eq!(disk.set_len(reader, 0), Err(Errno::Invalid));
    assert_eq!(disk.sync_all(reader), Ok(()));

    let (mut disk, writer) = opened("f", WRITE);
    assert_eq!(disk.read_at(writer, 0, &mut [0]), Err(Errno::BadDescriptor));
    assert_eq!(disk.write_at(writer, 0, b""), Ok(0));
    assert_eq!(
        disk.write_at(writer, u64::MAX, b"x"),
        Err(Errno::FileTooBig)
    );
    assert_eq!(
        disk.write_at(writer, i64::MAX as u64, b"x"),
        Err(Errno::FileTooBig)
    );
    assert_eq!(disk.set_len(writer, u64::MAX), Err(Errno::Invalid));
    disk.close(writer).unwrap();
    assert_eq!(disk.sync_all(writer), Err(Errno::BadDescriptor));
    assert_eq!(disk.sync_data(writer), Err(Errno::BadDescriptor));
    assert_eq!(disk.len(writer), Err(Errno::BadDescriptor));
    let next = disk.open("f", WRITE).unwrap();
    assert_ne!(next, writer, "a closed handle never comes alive again");

    let (mut disk, directory) = opened("full", READ);
    assert_eq!(
        disk.read_at(directory, 0, &mut [0]),
        Err(Errno::IsDirectory)
    );
    assert_eq!(disk.write_at(directory, 0, b"x"), Err(Errno::BadDescriptor));
    assert_eq!(disk.sync_data(directory), Ok(()));
}

#[test]
fn a_handle_that_appends_writes_at_the_end_wherever_it_is_told_to() {
    let (mut disk, handle) = opened(
        "f",
        OpenFlags {
            read: true,
            ..APPEND
        },
    );
    disk.write_at(handle, 0, b"ab").unwrap();
    disk.write_at(handle, 0, b"cd").unwrap();
    let mut bytes = [0; 8];
    assert_eq!(disk.read_at(handle, 0, &mut bytes), Ok(4));
    assert_eq!(&bytes[..4], b"abcd");
}
