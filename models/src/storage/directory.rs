//! Directories whose names survive the power.

use std::path::Path;

use squall_sim::fs;

use super::FileError;

/// Makes a directory that is durable on return, and those above it that are missing. `sync` is [`sync`], or what
/// a system has in its place.
///
/// Each name is durable before the next level is made. So if some are there already, only the last of
/// them may be the work of a process that was killed before it could sync.
pub(crate) async fn create_durably<E: From<FileError>>(
    directory: &Path,
    sync: impl AsyncFn(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let mut missing = Vec::new();
    let mut level = directory;
    loop {
        let exists = fs::try_exists(level)
            .await
            .map_err(FileError::to("find", level))?;
        match parent_of(level) {
            Some(parent) if !exists => {
                missing.push(level);
                level = parent;
            }
            Some(parent) => break sync(parent).await?,
            None => break,
        }
    }
    for level in missing.into_iter().rev() {
        fs::create_dir(level)
            .await
            .map_err(FileError::to("make", level))?;
        sync(parent_of(level).expect("only the root has none")).await?;
    }
    Ok(())
}

/// The directory that a path's last name is in. The root has none, and neither has the place that
/// relative paths begin at.
fn parent_of(path: &Path) -> Option<&Path> {
    if path == Path::new(".") {
        return None;
    }
    path.parent().map(|parent| {
        if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        }
    })
}

/// Makes the names in a directory durable.
pub(crate) async fn sync(directory: &Path) -> Result<(), FileError> {
    fs::sync_dir(directory)
        .await
        .map_err(FileError::to("sync", directory))
}
