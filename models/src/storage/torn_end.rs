//! The end of a file that a crash may have torn.

use std::io;
use std::ops::Range;
use std::path::Path;

use squall_sim::fs;

/// Opens a file that was found to hold these bytes, and cuts it off behind its last whole unit. The caller
/// then syncs it.
///
/// The unit is *written again*, since a sync alone would not do. After a failed fsync Linux counts what it could
/// not write as clean: it can still be read, but the next fsync has nothing to do and succeeds (Rebello et al.,
/// *Can Applications Recover from fsync Failures?*, ATC 2020).
pub(crate) async fn cut_off(path: &Path, bytes: &[u8], unit: Range<usize>) -> io::Result<fs::File> {
    let file = fs::File::options().write(true).open(path).await?;
    file.set_len(unit.end as u64).await?;
    let offset = unit.start as u64;
    file.write_all_at(&bytes[unit], offset).await?;
    Ok(file)
}
