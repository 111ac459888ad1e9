//! SHA-256 of files.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::{Error, Result};

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Returns the sha256 of a file's bytes as lower-case hexadecimal digits, as `sha256sum` prints it.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read.
pub fn file_sha256(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(Error::io("open", path))?);
    let mut hasher = Sha256::new();
    loop {
        let bytes = reader.fill_buf().map_err(Error::io("read", path))?;
        if bytes.is_empty() {
            break;
        }
        hasher.update(bytes);
        let count = bytes.len();
        reader.consume(count);
    }
    Ok(hex(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_published_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(file_sha256(&path).unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(file_sha256(folder.path().join("none")).unwrap_err().to_string().contains("cannot open"));
    }
}
