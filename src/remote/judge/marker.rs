//! Marker lines around a text that the text cannot contain.

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// Bytes of a marker, each written as two hex digits.
const MARKER_BYTES: usize = 6;

/// Returns a word that occurs in none of the texts, in upper or lower case. So a text between two
/// lines with the marker cannot end itself. The word depends on the texts alone, so the same
/// question is the same request in every run.
pub(super) fn marker(texts: &[&str]) -> String {
    absent_word(texts, MARKER_BYTES)
}

/// Returns a text between two lines with its marker.
pub(super) fn between(marker: &str, text: &str) -> String {
    format!("=== {marker} ===\n{text}\n=== {marker} ===")
}

/// Returns the first hash of the texts that none of them contains.
fn absent_word(texts: &[&str], bytes: usize) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    loop {
        let digest = hash.clone().finalize();
        let word = hex(&digest[..bytes]);
        if !texts.iter().any(|text| text.to_ascii_lowercase().contains(&word)) {
            return word;
        }
        hash.update(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_texts_have_the_same_marker_and_others_another() {
        assert_eq!(marker(&["a", "b"]), marker(&["a", "b"]));
        assert_ne!(marker(&["a", "b"]), marker(&["ab", ""]));
        assert_eq!(marker(&["a"]).len(), 2 * MARKER_BYTES);
    }

    #[test]
    fn a_word_that_a_text_has_is_never_chosen() {
        let all = (0..=255).filter(|byte| *byte != 0x7f).map(|byte: u8| format!("{byte:02X} "));
        assert_eq!(absent_word(&["query", &all.collect::<String>()], 1), "7f");
    }
}
