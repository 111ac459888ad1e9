//! Keys, which are kept out of all output.

use std::fmt;
use std::path::Path;

use super::ServiceError;
use crate::scrub::Scrubber;
use crate::store::read_small;

/// Maximum size of a key file, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// A key that neither `Debug` nor any message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a key, without the white space around it. `source` is its origin, for the message.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] for a key that is empty or that an HTTP header cannot carry; the
    /// message does not show it.
    pub fn new(key: &str, source: &str) -> Result<Self, ServiceError> {
        let key = key.trim();
        if key.is_empty() {
            return Err(ServiceError::Setup(format!("{source} is empty; put the service's key into it")));
        }
        if !key.chars().all(|c| c.is_ascii_graphic()) {
            let message = format!(
                "{source} has characters that a key cannot have (a space, a line end or a letter beyond ASCII); copy it again"
            );
            return Err(ServiceError::Setup(message));
        }
        Ok(Self(key.to_owned()))
    }

    /// Reads a key from a file of at most 64 KiB.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] if the file cannot be read, is not a regular file (a pipe may never
    /// end) or holds no key.
    pub fn from_file(path: &Path) -> Result<Self, ServiceError> {
        let named = |error| ServiceError::Setup(format!("cannot read the key from {}: {error}", path.display()));
        let text = read_small(path, MAX_BYTES).map_err(named)?;
        let source = format!("the key file {}", path.display());
        Self::new(&String::from_utf8_lossy(&text), &source)
    }

    #[cfg(feature = "remote")]
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Removes the key from a text: whole, in part, or in the encodings in which servers echo keys
    /// (escapes, base64, hexadecimal digits).
    pub fn scrub(&self, text: &str) -> String {
        Scrubber::new([self.0.as_str()]).scrub(text).into_owned()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let key = Secret::new(" sk-0123456789abcdef\n", "OPENAI_API_KEY").unwrap();
        assert!(!format!("{key:?}").contains("sk-"));
        let said = key.scrub("Incorrect API key provided: sk-0123456789abcdef, or \"sk-01234***cdef\".");
        assert_eq!(said, "Incorrect API key provided: [key], or \"[key]\".");
        for bad in ["two\nlines-of-a-key", "ключ", "", "a b"] {
            let error = Secret::new(bad, "OPENAI_API_KEY").unwrap_err().to_string();
            assert!(error.contains("OPENAI_API_KEY") && (bad.is_empty() || !error.contains(bad)), "{error}");
        }
    }

    #[test]
    fn a_key_from_a_file_is_named_by_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(Secret::from_file(&path).unwrap_err().to_string().contains("cannot read the key"));
        std::fs::write(&path, vec![b'k'; (64 << 10) + 1]).unwrap();
        assert!(Secret::from_file(&path).unwrap_err().to_string().contains("65536 bytes"));
        assert!(Secret::from_file(folder.path()).unwrap_err().to_string().contains("not a regular file"));
        std::fs::write(&path, "sk-file-key\n").unwrap();
        assert_eq!(Secret::from_file(&path), Secret::new("sk-file-key", "x"));
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert!(Secret::from_file(&path).unwrap_err().to_string().contains("the key file"));
    }
}
