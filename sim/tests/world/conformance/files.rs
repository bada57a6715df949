//! Files: how they open, what they hold, and what their names lead to.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use squall_sim::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::{Log, check};

/// A file `f` of five bytes, an empty directory `empty`, and `full` with a file in it.
async fn furnish(place: &Path) {
    fs::write(place.join("f"), b"hello").await.unwrap();
    for name in ["empty", "full"] {
        fs::create_dir(place.join(name)).await.unwrap();
    }
    fs::write(place.join("full/f"), b"inner").await.unwrap();
}

/// The names below a directory, for paths differ between the worlds.
async fn names(directory: PathBuf) -> std::io::Result<Vec<String>> {
    let paths = fs::read_dir(&directory).await?.into_paths();
    Ok(paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&directory).expect("below it");
            name.to_str().expect("in UTF-8").to_owned()
        })
        .collect())
}

async fn text(path: PathBuf) -> std::io::Result<String> {
    let bytes = fs::read(path).await?;
    Ok(String::from_utf8(bytes).expect("text"))
}

#[test]
fn flags_decide_what_opens() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        let paths = [
            "f",
            "none",
            "empty",
            "f/below",
            "none/below",
            "",
            "f/",
            "empty/",
            "./f",
        ];
        for path in paths {
            for flags in 0..64_u32 {
                let on = |bit: u32| flags & (1 << bit) != 0;
                let mut options = OpenOptions::new();
                options.read(on(0)).write(on(1)).append(on(2));
                options.truncate(on(3)).create(on(4)).create_new(on(5));
                let path_here = place.join(path);
                let opened = if path.is_empty() {
                    options.open("").await
                } else {
                    options.open(&path_here).await
                };
                let size = match &opened {
                    Ok(file) if path != "empty" && path != "empty/" => file.len().await.ok(),
                    _ => None,
                };
                log.result(&format!("{path:?} {flags:06b}"), opened.map(|_| size));
                // As it was before.
                if path == "none" {
                    let _ = fs::remove_file(place.join("none")).await;
                }
                fs::write(place.join("f"), b"hello").await.unwrap();
            }
        }
        log
    });
}

#[test]
fn a_handle_does_only_what_it_was_opened_for() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        let file = File::open(place.join("f")).await.unwrap();
        log.result("write to a reader", file.write_at(b"x", 0).await);
        log.result("cut a reader", file.set_len(0).await);
        log.result("sync a reader", file.sync_all().await);
        let file = File::create(place.join("f")).await.unwrap();
        log.result("read from a writer", file.read_at(&mut [0], 0).await);
        log.result("sync data", file.sync_data().await);
        let directory = File::open(place.join("empty")).await.unwrap();
        log.result(
            "read from a directory",
            directory.read_at(&mut [0], 0).await,
        );
        log.result("sync a directory", directory.sync_all().await);
        log.result("cut a directory", directory.set_len(0).await);
        let write = OpenOptions::new()
            .write(true)
            .open(place.join("empty"))
            .await;
        log.result("write a directory", write.map(|_| ()));
        log
    });
}

#[test]
fn offsets_holes_and_lengths() {
    check(|place| async move {
        let mut log = Log::default();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let file = options.open(place.join("holes")).await.unwrap();
        let mut buffer = [9; 8];
        log.result("read nothing", file.read_at(&mut buffer, 0).await);
        log.result("write behind a hole", file.write_at(b"abc", 10_000).await);
        log.result("length", file.len().await);
        log.result("read the hole", file.read_at(&mut buffer, 9_997).await);
        log.see("bytes", buffer);
        log.result("read at the end", file.read_at(&mut buffer, 10_003).await);
        log.result("read behind it", file.read_at(&mut buffer, 1 << 40).await);
        log.result("write nothing behind it", file.write_at(b"", 1 << 40).await);
        log.result("length", file.len().await);
        log.result("cut", file.set_len(10_001).await);
        log.result("grow", file.set_len(10_004).await);
        log.result("read zeros", file.read_at(&mut buffer, 9_999).await);
        log.see("bytes", buffer);
        log.result("write over", file.write_all_at(b"12345", 9_998).await);
        log.result("read it", file.read_at(&mut buffer, 9_997).await);
        log.see("bytes", buffer);
        for offset in [u64::MAX, u64::MAX - 7, 1 << 63] {
            log.result("read far", file.read_at(&mut buffer, offset).await);
            log.result("write far", file.write_at(b"x", offset).await);
            log.result("grow far", file.set_len(offset).await);
        }
        log
    });
}

#[test]
fn a_cursor_moves_with_reads_writes_and_seeks() {
    check(|place| async move {
        let mut log = Log::default();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = options.open(place.join("cursor")).await.unwrap();
        file.write_all(b"0123456789").await.unwrap();
        file.flush().await.unwrap();
        let mut four = [0; 4];
        log.result("at the end", file.read(&mut four).await);
        log.result("start", file.seek(SeekFrom::Start(2)).await);
        log.result("read", file.read_exact(&mut four).await);
        log.see("bytes", four);
        log.result("where", file.stream_position().await);
        log.result("back", file.seek(SeekFrom::Current(-3)).await);
        log.result("positional", file.read_at(&mut four, 0).await);
        log.result("where", file.stream_position().await);
        log.result("before the start", file.seek(SeekFrom::Current(-4)).await);
        log.result("before the start", file.seek(SeekFrom::End(-11)).await);
        log.result("too far", file.seek(SeekFrom::Start(u64::MAX)).await);
        log.result("where", file.stream_position().await);
        log.result("behind the end", file.seek(SeekFrom::End(2)).await);
        log.result("read there", file.read(&mut four).await);
        file.write_all(b"x").await.unwrap();
        file.flush().await.unwrap();
        log.result("text", text(place.join("cursor")).await);
        log
    });
}

#[test]
fn appending_ignores_where_it_is_told_to_write() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        let mut options = OpenOptions::new();
        options.append(true).read(true);
        let mut file = options.open(place.join("f")).await.unwrap();
        log.result("read from the start", file.read_u8().await);
        file.write_all(b" you").await.unwrap();
        file.flush().await.unwrap();
        log.result("where", file.stream_position().await);
        log.result("seek", file.seek(SeekFrom::Start(1)).await);
        file.write_all(b"!").await.unwrap();
        file.flush().await.unwrap();
        log.result("where", file.stream_position().await);
        log.result("write at", file.write_at(b"?", 0).await);
        log.result("where", file.stream_position().await);
        log.result("text", text(place.join("f")).await);
        log
    });
}

#[test]
fn names_that_are_taken_given_and_replaced() {
    check(|place| async move {
        let mut log = Log::default();
        let all = [
            "f",
            "empty",
            "full",
            "full/f",
            "none",
            "none/f",
            "f/x",
            "empty/new",
            "full/new",
        ];
        for from in all {
            for to in all {
                let scene = format!("{from}-{to}").replace('/', "_");
                let scene = place.join(scene);
                fs::create_dir(&scene).await.unwrap();
                furnish(&scene).await;
                let renamed = fs::rename(scene.join(from), scene.join(to)).await;
                log.result(&format!("{from} to {to}"), renamed);
                log.result("names", names(scene.clone()).await);
                log.result("in full", names(scene.join("full")).await);
                log.result("in empty", names(scene.join("empty")).await);
                log.result("f", text(scene.join("f")).await);
            }
        }
        log
    });
}

#[test]
fn one_file_under_two_names() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        let (f, g) = (place.join("f"), place.join("full/g"));
        log.result("link", fs::hard_link(&f, &g).await);
        log.result("link again", fs::hard_link(&f, &g).await);
        log.result("onto itself", fs::rename(&f, &g).await);
        let file = OpenOptions::new().write(true).open(&g).await.unwrap();
        log.result("write", file.write_at(b"J", 0).await);
        log.result("f", text(f.clone()).await);
        log.result("unlink", fs::remove_file(&f).await);
        log.result("f", text(f.clone()).await);
        log.result("g", text(g.clone()).await);
        fs::write(&f, b"other").await.unwrap();
        log.result("replace", fs::rename(&f, &g).await);
        log.result("g", text(g).await);
        log.result("cut what has no name", file.set_len(2).await);
        log.result("its length", file.len().await);
        log
    });
}

#[test]
fn making_and_removing() {
    check(|place| async move {
        let mut log = Log::default();
        let long = "n".repeat(256);
        let paths = [
            "f", "f/", "f/x", "empty", "empty/", "full", "none", "none/x", "full/f", "full/..",
            ".", &long,
        ];
        for (number, path) in paths.into_iter().enumerate() {
            let scene = async |what: &str| {
                let scene = place.join(format!("{number}-{what}"));
                fs::create_dir(&scene).await.unwrap();
                furnish(&scene).await;
                scene.join(path)
            };
            let mut see = |what: &str, result: std::io::Result<()>| {
                log.result(&format!("{what} {path}"), result);
            };
            see("create_dir", fs::create_dir(scene("mkdir").await).await);
            let all = fs::create_dir_all(scene("mkdirs").await).await;
            see("create_dir_all", all);
            see("remove_file", fs::remove_file(scene("rm").await).await);
            see("remove_dir", fs::remove_dir(scene("rmdir").await).await);
            let read = fs::read_dir(scene("ls").await).await;
            see("read_dir", read.map(|_| ()));
            see("read", fs::read(scene("cat").await).await.map(|_| ()));
            see("write", fs::write(scene("write").await, b"x").await);
            see("sync_dir", fs::sync_dir(scene("sync").await).await);
            let there = scene("stat").await;
            let exists = fs::try_exists(&there).await;
            log.result(&format!("exists {path}"), exists);
            let metadata = fs::metadata(&there).await;
            let seen = metadata.map(|found| (found.is_dir(), found.is_file().then(|| found.len())));
            log.result(&format!("metadata {path}"), seen);
        }
        log
    });
}

#[test]
fn a_directory_is_listed_in_order_of_name() {
    check(|place| async move {
        let mut log = Log::default();
        for name in ["b", "a", "é", "a.b", "a-b", "B", "10", "9"] {
            fs::write(place.join(name), name).await.unwrap();
        }
        fs::create_dir(place.join("aa")).await.unwrap();
        fs::remove_file(place.join("b")).await.unwrap();
        log.result("names", names(place).await);
        log
    });
}

#[test]
fn a_file_without_a_name_lives_while_it_is_open() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = options.open(place.join("f")).await.unwrap();
        fs::remove_file(place.join("f")).await.unwrap();
        log.result("write", file.write_at(b"H", 0).await);
        let mut bytes = [0; 5];
        log.result("read", file.read_at(&mut bytes, 0).await);
        log.see("bytes", bytes);
        log.result("open", File::open(place.join("f")).await.map(|_| ()));
        fs::write(place.join("f"), b"another").await.unwrap();
        log.result("length", file.len().await);
        fs::rename(place.join("full/f"), place.join("f"))
            .await
            .unwrap();
        log.result("sync", file.sync_all().await);
        log.result("text", text(place.join("f")).await);
        log
    });
}

#[test]
fn two_handles_of_a_file_see_each_other() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        let reader = File::open(place.join("f")).await.unwrap();
        let writer = File::create(place.join("f")).await.unwrap();
        log.result("emptied", reader.len().await);
        writer.write_at(b"new", 0).await.unwrap();
        let mut bytes = [0; 4];
        log.result("read", reader.read_at(&mut bytes, 0).await);
        log.see("bytes", bytes);
        log
    });
}

#[test]
fn a_path_with_a_zero_byte_is_refused() {
    check(|place| async move {
        let mut log = Log::default();
        let path = place.join("a\0b");
        log.result("open", File::open(&path).await.map(|_| ()));
        log.result("create", fs::write(&path, b"x").await);
        log.result("create_dir", fs::create_dir(&path).await);
        log.result("exists", fs::try_exists(&path).await);
        log
    });
}

/// Whether the real file system lets files be opened past the page cache; says aloud if not.
fn opens_directly() -> bool {
    use std::os::unix::fs::OpenOptionsExt;
    let place = tempfile::tempdir().expect("a place for temporary files");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true);
    let opened = options
        .custom_flags(libc::O_DIRECT)
        .open(place.path().join("probe"));
    if let Err(error) = &opened {
        eprintln!("O_DIRECT is skipped: {error}");
    }
    opened.is_ok()
}

#[test]
fn past_the_page_cache_all_goes_in_whole_sectors() {
    if !opens_directly() {
        return;
    }
    check(|place| async move {
        let mut log = Log::default();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        options.custom_flags(libc::O_DIRECT);
        let file = options.open(place.join("d")).await.unwrap();
        let bytes = [7; 8192];
        for (offset, length) in [
            (0, 8192),
            (0, 4096),
            (4096, 4096),
            (100, 4096),
            (0, 100),
            (4096, 4097),
            (1, 0),
            (0, 0),
            (12_288, 4096),
        ] {
            let written = file.write_at(&bytes[..length], offset).await;
            log.result(&format!("write {length} at {offset}"), written);
        }
        log.result("length", file.len().await);
        log.result("cut in a sector", file.set_len(12_388).await);
        let mut buffer = [0; 8192];
        for (offset, length) in [
            (0, 4096),
            (4096, 8192),
            (8192, 8192),
            (12_288, 4096),
            (100, 4096),
            (4096, 100),
            (1, 0),
            (16_384, 4096),
            (16_385, 100),
            (12_389, 4096),
        ] {
            let read = file.read_at(&mut buffer[..length], offset).await;
            let sum: u32 = match &read {
                Ok(read) => buffer[..*read].iter().map(|byte| u32::from(*byte)).sum(),
                Err(_) => 0,
            };
            log.result(&format!("read {length} at {offset}"), read);
            log.see("sum", sum);
        }
        let cached = fs::read(place.join("d")).await.map(|bytes| bytes.len());
        log.result("through the cache", cached);
        fs::create_dir(place.join("dir")).await.unwrap();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_DIRECT);
        let directory = options.open(place.join("dir")).await;
        log.result("a directory", directory.map(|_| ()));
        let mut options = OpenOptions::new();
        options.append(true).custom_flags(libc::O_DIRECT);
        let file = options.open(place.join("d")).await.unwrap();
        log.result(
            "append to a ragged end",
            file.write_at(&bytes[..4096], 0).await,
        );
        file.set_len(8192).await.unwrap();
        log.result("append", file.write_at(&bytes[..4096], 0).await);
        log.result("length", file.len().await);
        log
    });
}

#[test]
fn writes_through_the_cache_and_what_else_opens() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        for flag in [libc::O_DSYNC, libc::O_SYNC, libc::O_CLOEXEC] {
            let mut options = OpenOptions::new();
            options.write(true).mode(0o600).custom_flags(flag);
            let file = options.open(place.join("f")).await.unwrap();
            log.result("write", file.write_at(b"through", 3).await);
            log.result("sync", file.sync_all().await);
            log.result("text", text(place.join("f")).await);
        }
        log.result("new", File::create_new(place.join("new")).await.map(|_| ()));
        log.result(
            "again",
            File::create_new(place.join("new")).await.map(|_| ()),
        );
        let file = File::open(place.join("f")).await.unwrap();
        let found = file.metadata().await.unwrap();
        log.see("file", (found.is_file(), found.is_dir(), found.len()));
        let found = File::open(&place).await.unwrap().metadata().await.unwrap();
        log.see("directory", (found.is_file(), found.is_dir()));
        let mut bytes = [0; 4];
        log.result("exact", file.read_exact_at(&mut bytes, 1).await);
        log.see("bytes", bytes);
        log.result("too far", file.read_exact_at(&mut bytes, 8).await);
        log
    });
}

#[test]
fn copying_reading_as_text_and_finding_the_true_path() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        fs::write(place.join("binary"), [0xff, 0xfe]).await.unwrap();
        let all = [
            "f", "empty", "full", "full/f", "none", "none/f", "f/x", "new", "f/", "empty/..",
        ];
        for from in all {
            for to in all {
                let copied = fs::copy(place.join(from), place.join(to)).await;
                log.result(&format!("copy {from} to {to}"), copied);
                log.result("names", names(place.clone()).await);
                let _ = fs::remove_file(place.join("new")).await;
                let _ = fs::remove_file(place.join("none")).await;
                fs::write(place.join("f"), b"hello").await.unwrap();
                fs::write(place.join("full/f"), b"inner").await.unwrap();
            }
        }
        for path in ["f", "empty", "none", "binary", "f/", "full/../f"] {
            let read = fs::read_to_string(place.join(path)).await;
            log.result(&format!("text of {path}"), read);
        }
        let root = fs::canonicalize(&place).await.unwrap();
        for path in [
            "f",
            "none",
            "f/",
            "f/..",
            "./empty/../full/./f",
            "none/..",
            ".",
        ] {
            let found = fs::canonicalize(place.join(path)).await;
            let found = found.map(|found| found.strip_prefix(&root).unwrap().to_owned());
            log.result(&format!("canonical {path}"), found);
        }
        log
    });
}

#[test]
fn removing_all_that_is_in_a_directory() {
    check(|place| async move {
        let mut log = Log::default();
        for path in [
            "f", "f/", "empty", "full", "full/", "full/f", "none", "none/x", "f/x",
        ] {
            let scene = place.join(format!("scene-{}", path.replace('/', "_")));
            fs::create_dir(&scene).await.unwrap();
            furnish(&scene).await;
            fs::create_dir_all(scene.join("full/a/b")).await.unwrap();
            fs::write(scene.join("full/a/b/c"), b"x").await.unwrap();
            fs::write(scene.join("full/z"), b"x").await.unwrap();
            let removed = fs::remove_dir_all(scene.join(path)).await;
            log.result(&format!("remove {path}"), removed);
            log.result("names", names(scene.clone()).await);
            log.result("in full", names(scene.join("full")).await);
        }
        log
    });
}

#[test]
fn entries_of_a_directory_say_what_they_are() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        let mut entries = fs::read_dir(&place).await.unwrap();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            let found = entry.metadata().await.unwrap();
            log.see(
                "entry",
                (entry.file_name(), found.is_dir(), found.is_file()),
            );
            log.see("below", entry.path() == place.join(entry.file_name()));
        }
        log
    });
}

#[test]
fn a_lock_keeps_others_out_until_it_is_given_back() {
    check(|place| async move {
        let mut log = Log::default();
        furnish(&place).await;
        let open = async || File::open(place.join("f")).await.unwrap();
        let mut see = |what: &str, result: Result<(), std::fs::TryLockError>| {
            log.see(what, result.map_err(|error| error.to_string()));
        };
        let (a, b, c) = (open().await, open().await, open().await);
        see("a shares", a.try_lock_shared().await);
        see("b shares", b.try_lock_shared().await);
        see("c not", c.try_lock().await);
        see("nor a alone", a.try_lock().await);
        see("b alone now, since a lost its own", b.try_lock().await);
        see("c cannot share", c.try_lock_shared().await);
        drop(b);
        see("c can, for b is closed", c.try_lock_shared().await);
        c.unlock().await.unwrap();
        see("a alone", a.try_lock().await);
        see("a again", a.try_lock().await);
        a.unlock().await.unwrap();
        a.unlock().await.unwrap();
        let directory = File::open(&place).await.unwrap();
        see("a directory", directory.try_lock().await);
        let other = File::open(place.join("full/f")).await.unwrap();
        see("another file", other.try_lock().await);
        a.lock().await.unwrap();
        see("c waits", c.try_lock().await);
        drop(a);
        c.lock_shared().await.unwrap();
        see("c has it", Ok(()));
        log
    });
}
