//! Every file that fuzzing found worth keeping, and all test data, through every importer.

mod read_and_write;

use read_and_write::read_and_write;
use squall_checkers::history::Format;
use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of this crate") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_file_of_the_corpus_is_read_or_refused() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["testdata", "fuzz/corpus"].map(|folder| crate_folder.join(folder));
    let files = folders.iter().flat_map(|folder| files(folder));
    let mut count = 0;
    for path in files {
        let bytes = std::fs::read(&path).expect("a file");
        read_and_write(&bytes, None);
        for format in Format::ALL {
            read_and_write(&bytes, Some(format));
        }
        count += 1;
    }
    assert!(count >= 10, "only {count} files");
}
