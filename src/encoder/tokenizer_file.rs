//! Reads tokenizer.json. Damage in it is an error, even where the tokenizers crate panics.

use std::fmt;

use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper, Tokenizer};

use super::reader::TOKENIZER;
use crate::store::ModelFiles;
use crate::{Error, Result, foreign};

/// A text that exercises normaliser, pre-tokenizer, model and template once.
const PROBE: &str = "Probe 1, über 試";

/// Reads a model's tokenizer, without padding and truncation. `max_tokens` is the longest text;
/// `pairs` is true if two texts will be joined.
///
/// # Errors
/// [`Error::ModelFile`] when the file is missing, cannot be read, cannot encode a short text, or
/// adds more special tokens than a text may have.
pub(super) fn read(files: &ModelFiles, max_tokens: usize, pairs: bool) -> Result<Tokenizer> {
    read_from(files, TOKENIZER, Some(max_tokens), pairs)
}

/// Reads the tokenizer of a static model from this file. It adds no special tokens to a text.
///
/// # Errors
/// As [`read`].
pub(super) fn read_without_special(files: &ModelFiles, file: &str) -> Result<Tokenizer> {
    read_from(files, file, None, false)
}

/// Reads a tokenizer. Without `max_tokens` it adds no special tokens.
fn read_from(files: &ModelFiles, file: &str, max_tokens: Option<usize>, pairs: bool) -> Result<Tokenizer> {
    let unusable = |message: String| Error::ModelFile { path: files.dir.join(file), message };
    let bytes = files.read(file)?.ok_or_else(|| unusable("the file is missing".into()))?;
    let load = || {
        let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|e| e.to_string())?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| e.to_string())?;
        if max_tokens.is_none() {
            tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        }
        tokenizer.encode(PROBE, true).map_err(|e| format!("it cannot encode a text: {e}"))?;
        if pairs {
            tokenizer.encode((PROBE, PROBE), true).map_err(|e| format!("it cannot join two texts: {e}"))?;
        }
        let added = tokenizer.get_post_processor().map_or(0, |template| template.added_tokens(pairs));
        Ok::<_, String>((tokenizer, added))
    };
    let (tokenizer, added) = foreign::call(load)
        .unwrap_or_else(|panic| Err(format!("it cannot be used, and the tokenizers library stopped: {panic}")))
        .map_err(unusable)?;
    match max_tokens {
        None => Ok(tokenizer),
        Some(max_tokens) if added < max_tokens => Ok(tokenizer),
        Some(max_tokens) => Err(unusable(format!(
            "it adds {added} special tokens to a text, and the longest text has {max_tokens} tokens: none is left for the text itself"
        ))),
    }
}

/// Calls `encode`. An error or panic of the tokenizers library becomes an error of ours.
pub(super) fn encoded(encode: impl FnOnce() -> tokenizers::Result<Encoding>) -> Result<Encoding> {
    foreign::call(encode).map_err(|e| failed(&e))?.map_err(|e| failed(&e))
}

/// Returns the error that a text cannot be tokenized.
pub(super) fn failed(message: &(impl fmt::Display + ?Sized)) -> Error {
    Error::Compute { context: "tokenizing failed".into(), message: message.to_string() }
}
