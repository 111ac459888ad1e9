//! The files of a model that say how it is used: their names, reading them, and what a user should know of them.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::store::ModelFiles;
use crate::{Error, Result};

pub(super) const CONFIG: &str = "config.json";
pub(super) const MODULES: &str = "modules.json";
pub(super) const PROMPTS: &str = "config_sentence_transformers.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// Something about a model's files that a user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file that says it.
    pub file: String,
    /// What it says, what another file says, and what nearsort does.
    pub message: String,
}

/// Reads a model's files, and notes what a user should know of them.
pub(super) struct Reader<'a> {
    pub files: &'a ModelFiles,
    pub findings: Vec<Finding>,
}

impl Reader<'_> {
    pub(super) fn json(&self, file: &str) -> Result<Option<Value>> {
        self.parsed(file)
    }

    pub(super) fn parsed<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>> {
        let Some(bytes) = self.files.read(file)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| self.unusable(file, &format!("not JSON: {e}")))
    }

    pub(super) fn unusable(&self, file: &str, message: &str) -> Error {
        Error::ModelFile { path: self.files.dir.join(file), message: message.to_owned() }
    }

    pub(super) fn note(&mut self, file: &str, message: String) {
        self.findings.push(Finding { file: file.to_owned(), message });
    }
}
