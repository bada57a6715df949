//! A data directory belongs to one server: two that write to one log destroy what both have promised.

use std::fs::{File, TryLockError, create_dir};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::commands::Failure;

/// A directory that no other `squall serve` uses as long as this value is there.
pub(super) struct Claim {
    /// The lock is on the directory itself and ends with the process, however that ends.
    _locked: File,
}

/// Takes possession of a directory, and makes it if it is not there.
///
/// # Errors
/// If another server has it, or it is no directory that can be made or read.
pub(super) fn claim(directory: &Path) -> Result<Claim, Failure> {
    make_durably(directory)?;
    let opened = File::open(directory);
    let opened = opened.with_context(|| format!("cannot open {}", directory.display()))?;
    match opened.try_lock() {
        Ok(()) => Ok(Claim { _locked: opened }),
        Err(TryLockError::WouldBlock) => Err(anyhow::anyhow!(
            "{} is in use by another server: expected a data directory for each",
            directory.display()
        )
        .into()),
        Err(TryLockError::Error(error)) => Err(anyhow::Error::new(error)
            .context(format!("cannot lock {}", directory.display()))
            .into()),
    }
}

/// Makes a directory and those that it is in, each with its name on the disk before the next.
fn make_durably(directory: &Path) -> Result<(), Failure> {
    let absolute = std::path::absolute(directory)?;
    let missing = absolute.ancestors().take_while(|level| !level.is_dir());
    let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    for level in missing.iter().rev() {
        let cannot_make = || format!("cannot make {}", level.display());
        create_dir(level).with_context(cannot_make)?;
        let holder = level
            .parent()
            .expect("the root is a directory, and never missing");
        File::open(holder)
            .and_then(|holder| holder.sync_all())
            .with_context(cannot_make)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let place = tempfile::tempdir().expect("there is a temporary directory");
        let directory = place.path().join("far/away");
        let claimed = claim(&directory);
        assert!(claimed.is_ok());
        let second = claim(&directory).err().expect("it is taken").error;
        assert!(second.to_string().contains("is in use"), "{second}");
        drop(claimed);
        assert!(claim(&directory).is_ok());
    }

    #[test]
    fn a_file_is_no_directory() {
        let place = tempfile::tempdir().expect("there is a temporary directory");
        let file = place.path().join("file");
        std::fs::write(&file, "").expect("a temporary directory can be written to");
        let refused = claim(&file.join("data")).err().expect("it cannot be");
        let refused = format!("{:#}", refused.error);
        assert!(refused.contains("cannot make"), "{refused}");
    }
}
