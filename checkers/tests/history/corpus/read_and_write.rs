//! What must hold of any bytes at all: reading them does not panic, and what was read is written and
//! read back the same.

use squall_checkers::history::{
    Format, History, write_edn, write_json_lines, write_porcupine_json,
};

/// Reads the bytes in a format, or in that which they look like.
pub(crate) fn read_and_write(bytes: &[u8], format: Option<Format>) {
    let Ok(history) = History::read(bytes, format) else {
        return;
    };
    let json_lines = write_json_lines(&history);
    let again = History::read(json_lines.as_bytes(), Some(Format::JsonLines));
    assert_eq!(again.as_ref(), Ok(&history), "{json_lines}");
    let edn = write_edn(&history);
    let again = History::read(edn.as_bytes(), Some(Format::Edn));
    assert_eq!(again.as_ref(), Ok(&history), "{edn}");
    let operations: Vec<serde_json::Value> =
        serde_json::from_str(&write_porcupine_json(&history)).expect("JSON");
    assert!(operations.len() <= history.operations().len());
    let _ = history.keyed_by_value();
}
