//! Fuzz targets of the importers, for `cargo +nightly fuzz run <target>` in the crate above. Each
//! reads any bytes in one format; see `tests/history/corpus` of that crate for what must hold.

#[path = "../../tests/history/corpus/read_and_write.rs"]
mod read_and_write;

use squall_checkers::history::Format;

/// Reads the bytes in a format, or in that which they look like.
pub fn read_and_write(bytes: &[u8], format: Option<Format>) {
    read_and_write::read_and_write(bytes, format);
}
