//! Small files that a user names: keys, certificates, prices, prompts, profiles.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Maximum bytes of a model's file without weights.
pub(super) const MAX_FILE_BYTES: u64 = 512 << 20;

/// Reads a regular file of at most `max` bytes.
///
/// # Errors
/// The system's error; [`ErrorKind::InvalidInput`] for a pipe, a device or a folder, which may
/// never end; [`ErrorKind::FileTooLarge`].
pub(crate) fn read_small(path: &Path, max: u64) -> Result<Vec<u8>> {
    // This comes before the open, because opening a pipe waits for its writer.
    if !path.metadata()?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file; name a file on the disk"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(Error::new(
            ErrorKind::FileTooLarge,
            format!("it has more than {max} bytes; check that it is the right file"),
        ));
    }
    Ok(bytes)
}

/// Reads a text with [`read_small`].
///
/// # Errors
/// As [`read_small`]; [`ErrorKind::InvalidData`] for text that is not UTF-8.
pub(crate) fn read_small_text(path: &Path, max: u64) -> Result<String> {
    let not_utf8 = |_| Error::new(ErrorKind::InvalidData, "it is not UTF-8; save it as UTF-8");
    String::from_utf8(read_small(path, max)?).map_err(not_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_pipe_without_a_writer_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(read_small(&path, 9).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(read_small(Path::new("/dev/zero"), 9).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn files_are_read_up_to_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "nine char").unwrap();
        assert_eq!(read_small(&path, 9).unwrap(), b"nine char");
        assert_eq!(read_small(&path, 8).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
