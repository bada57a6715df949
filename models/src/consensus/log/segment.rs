//! The one segment that grows.

use std::ops::Range;
use std::path::Path;

use squall_sim::{fs, mutant};

use super::format::{SegmentHeader, encode_frame};
use super::{LogError, names};
use crate::storage::{FileError, directory, frame, torn_end};

/// The last segment, open to append to.
pub(super) struct ActiveSegment {
    sequence: u64,
    file: fs::File,
    length: u64,
}

impl ActiveSegment {
    /// Begins a segment with its first frame; both are durable on return, and so is the name.
    pub(super) async fn create(
        directory: &Path,
        header: SegmentHeader,
        payload: &[u8],
    ) -> Result<Self, LogError> {
        let path = directory.join(names::segment(header.sequence));
        let mut bytes = header.encode();
        bytes.extend(encode_frame(header.sequence, bytes.len() as u64, payload));
        let open = async {
            let file = fs::File::options()
                .write(true)
                .create_new(true)
                .open(&path)
                .await?;
            file.write_all_at(&bytes, 0).await?;
            if !mutant!("log.acknowledged-before-sync") {
                file.sync_all().await?;
            }
            Ok(file)
        };
        let file = open.await.map_err(FileError::to("begin", &path))?;
        if !mutant!("log.directory-not-synced") {
            directory::sync(directory).await?;
        }
        Ok(Self {
            sequence: header.sequence,
            file,
            length: bytes.len() as u64,
        })
    }

    /// Takes up the last segment again after its last whole unit: what follows is cut off, and the
    /// unit is durable on return.
    pub(super) async fn reopen(
        directory: &Path,
        sequence: u64,
        bytes: &[u8],
        unit: Range<usize>,
    ) -> Result<Self, LogError> {
        let path = directory.join(names::segment(sequence));
        let length = unit.end as u64;
        let open = async {
            let file = torn_end::cut_off(&path, bytes, unit).await?;
            file.sync_all().await?;
            Ok(file)
        };
        let file = open.await.map_err(FileError::to("cut off", &path))?;
        Ok(Self {
            sequence,
            file,
            length,
        })
    }

    /// How long the segment would be with this payload.
    pub(super) fn length_with(&self, payload: &[u8]) -> u64 {
        self.length + (frame::HEADER_BYTES + payload.len()) as u64
    }

    /// Appends a frame, which is durable on return.
    pub(super) async fn append(
        &mut self,
        directory: &Path,
        payload: &[u8],
    ) -> Result<(), LogError> {
        let bytes = encode_frame(self.sequence, self.length, payload);
        let append = async {
            self.file.write_all_at(&bytes, self.length).await?;
            if !mutant!("log.acknowledged-before-sync") {
                self.file.sync_data().await?;
            }
            Ok(())
        };
        let path = directory.join(names::segment(self.sequence));
        append.await.map_err(FileError::to("append to", &path))?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}
