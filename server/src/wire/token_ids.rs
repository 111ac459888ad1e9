//! Token ids in place of texts.

use super::error::WireError;

/// The handling of token ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenIds {
    /// Refuses them, and explains how to send texts. The ids are mostly of cl100k_base and lie in
    /// the range of BERT's vocabulary: if they were embedded unchanged, the vectors would be wrong
    /// without any error.
    #[default]
    Refuse,
    /// Decodes them by OpenAI's cl100k_base, which langchain-openai encodes with for an unknown
    /// model.
    Cl100kBase,
}

impl TokenIds {
    /// Turns ids into the text that they were made from.
    ///
    /// LangChain cuts long texts every 8191 ids and so may cut a character in two. Its bytes at the
    /// two ends are dropped.
    ///
    /// # Errors
    /// [`WireError::TokenIds`] where ids are refused; ids that cl100k_base lacks, or that do not
    /// spell a text in UTF-8.
    pub(super) fn text(self, key: &str, ids: &[u32]) -> Result<String, WireError> {
        if self == Self::Refuse {
            return Err(WireError::TokenIds { key: key.to_owned() });
        }
        let wrong = |found: String| WireError::Wrong {
            key: key.to_owned(),
            found,
            wanted: "token ids of cl100k_base (--openai-token-ids), or a text".to_owned(),
        };
        let vocabulary = tiktoken_rs::cl100k_base_singleton();
        let bytes =
            vocabulary.decode_bytes(ids).map_err(|_| wrong("a list with an id that is not a token".to_owned()))?;
        whole(&bytes).map(str::to_owned).ok_or_else(|| wrong("a list of ids that decode to no text".to_owned()))
    }
}

/// Returns the text without the pieces of characters at its ends. None if the rest is not UTF-8.
fn whole(bytes: &[u8]) -> Option<&str> {
    let is_continuation = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let cut = bytes.iter().take(3).take_while(|byte| is_continuation(byte)).count();
    let bytes = bytes.get(cut..)?;
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        // Without a length, the bytes end within a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok(),
        Err(_) => None,
    }
}
