//! The error numbers of Linux, as programs get them from a disk.

use std::io;

/// Why an operation failed, by the number that Linux gives for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(i32)]
pub enum Errno {
    #[error("operation not permitted")]
    NotPermitted = 1,
    #[error("no such file or directory")]
    NoEntry = 2,
    #[error("input/output error")]
    Io = 5,
    #[error("bad file descriptor")]
    BadDescriptor = 9,
    #[error("resource temporarily unavailable")]
    Again = 11,
    #[error("device or resource busy")]
    Busy = 16,
    #[error("file exists")]
    Exists = 17,
    #[error("not a directory")]
    NotDirectory = 20,
    #[error("is a directory")]
    IsDirectory = 21,
    #[error("invalid argument")]
    Invalid = 22,
    #[error("file too large")]
    FileTooBig = 27,
    #[error("no space left on device")]
    NoSpace = 28,
    #[error("read-only file system")]
    ReadOnly = 30,
    #[error("file name too long")]
    NameTooLong = 36,
    #[error("directory not empty")]
    NotEmpty = 39,
}

impl Errno {
    /// The number itself.
    pub const fn code(self) -> i32 {
        self as i32
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_see_the_kinds_that_std_knows() {
        let kinds = [
            (Errno::NotPermitted, io::ErrorKind::PermissionDenied),
            (Errno::NoEntry, io::ErrorKind::NotFound),
            (Errno::Again, io::ErrorKind::WouldBlock),
            (Errno::Busy, io::ErrorKind::ResourceBusy),
            (Errno::Exists, io::ErrorKind::AlreadyExists),
            (Errno::NotDirectory, io::ErrorKind::NotADirectory),
            (Errno::IsDirectory, io::ErrorKind::IsADirectory),
            (Errno::Invalid, io::ErrorKind::InvalidInput),
            (Errno::FileTooBig, io::ErrorKind::FileTooLarge),
            (Errno::NoSpace, io::ErrorKind::StorageFull),
            (Errno::ReadOnly, io::ErrorKind::ReadOnlyFilesystem),
            (Errno::NameTooLong, io::ErrorKind::InvalidFilename),
            (Errno::NotEmpty, io::ErrorKind::DirectoryNotEmpty),
        ];
        for (errno, kind) in kinds {
            assert_eq!(io::Error::from(errno).kind(), kind, "{errno}");
        }
        for errno in [Errno::Io, Errno::BadDescriptor] {
            assert_eq!(io::Error::from(errno).raw_os_error(), Some(errno.code()));
        }
    }
}
