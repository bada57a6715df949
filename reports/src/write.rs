//! Files that are whole or absent.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Replaces the file at `path`: after a crash at any moment a reader finds the old contents or the
/// new, never a part. The directory must exist.
///
/// The contents go to a temporary file in the same directory (a rename is atomic only within a file
/// system), are synced, renamed, and then the directory is synced, without which the new *name* may
/// be lost.
///
/// # Errors
/// Whatever the operating system answers. The temporary file is then removed, and what stood at
/// `path` is untouched, unless only the directory's sync failed.
pub fn write_atomically(path: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    let renamed =
        write_and_sync(&temporary, contents.as_ref()).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = renamed {
        // The first error is the one to tell; a left-over file is the lesser evil.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_directory(path)
}

/// A name beside `path` that no other process or thread uses at the same time.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        let message = format!("`{}` names no file to write", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    };
    let mut temporary = OsString::from(".");
    temporary.push(name);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".{}.{write}.tmp", std::process::id()));
    Ok(path.with_file_name(temporary))
}

fn write_and_sync(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Elsewhere a directory cannot be opened as a file, and the rename is all there is.
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_contents_replace_the_old_and_nothing_is_left_beside_them() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("report.html");
        write_atomically(&path, "old").expect("the file can be written");
        write_atomically(&path, "new").expect("the file can be replaced");
        assert_eq!(fs::read_to_string(&path).expect("the file is there"), "new");
        let names = fs::read_dir(directory.path()).expect("the directory can be read");
        assert_eq!(names.count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_file() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("report.html");
        fs::create_dir(&path).expect("the directory can be made");
        assert!(write_atomically(&path, "text").is_err());
        let names = fs::read_dir(directory.path()).expect("the directory can be read");
        assert_eq!(names.count(), 1, "only the directory that stood in the way");
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        let error = write_atomically(Path::new("/"), "text").expect_err("there is no name");
        assert_eq!(error.to_string(), "`/` names no file to write");
    }
}
