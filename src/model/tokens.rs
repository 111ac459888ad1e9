//! The tokens of texts, without a forward pass.

use super::{Loaded, Model};
use crate::encoder::Token;
use crate::{Error, Result};

impl Model {
    /// Counts the tokens of each whole text, without prompt and special tokens, for admission
    /// control and for limits. Texts are read in parallel. A text of more than 256 KiB is counted
    /// in pieces, and the number may be off by some tokens.
    ///
    /// A text has at most one token per byte, except with tokenizers that expand ligatures.
    ///
    /// ```
    /// use nearsort::{Model, ModelOptions};
    ///
    /// # fn main() -> nearsort::Result<()> {
    /// let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?;
    /// assert_eq!(model.count_tokens(&["two red boats", ""])?, [3, 0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a model that does not run on this machine; when tokenizing
    /// fails.
    pub fn count_tokens(&self, texts: &[impl AsRef<str>]) -> Result<Vec<usize>> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        match &self.loaded {
            Loaded::Embedder { local: Some(local), .. } => local.count_tokens(&texts),
            Loaded::CrossEncoder(model) => model.count_tokens(&texts),
            _ => Err(self.has_no_tokenizer()),
        }
    }

    /// Returns the tokens of a whole text, without prompt. `with_special` adds the special tokens
    /// that the tokenizer puts around a single text.
    ///
    /// ```
    /// use nearsort::{Model, ModelOptions};
    ///
    /// # fn main() -> nearsort::Result<()> {
    /// let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?;
    /// let tokens = model.tokenize("Café 東", true)?;
    /// let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    /// assert_eq!(texts, ["[CLS]", "Café", "東", "[SEP]"]);
    /// assert_eq!((tokens[2].bytes.clone(), tokens[2].chars.clone()), (6..9, 5..6));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Model::count_tokens`].
    pub fn tokenize(&self, text: &str, with_special: bool) -> Result<Vec<Token>> {
        match &self.loaded {
            Loaded::Embedder { local: Some(local), .. } => local.tokens(text, with_special),
            Loaded::CrossEncoder(model) => model.tokens(text, with_special),
            _ => Err(self.has_no_tokenizer()),
        }
    }

    fn has_no_tokenizer(&self) -> Error {
        Error::InvalidArgument(format!("{} has no local tokenizer, so its tokens cannot be counted", self.name))
    }
}
