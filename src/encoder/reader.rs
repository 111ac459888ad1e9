//! Reading the model files that describe how the model is used, and the findings about them.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::store::ModelFiles;
use crate::{Error, Result};

pub(super) const CONFIG: &str = "config.json";
pub(super) const MODULES: &str = "modules.json";
pub(super) const PROMPTS: &str = "config_sentence_transformers.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// A remark about a model's files for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFinding {
    /// The file that the remark is about.
    pub file: String,
    /// The content of the file, the content of another file, and nearsort's choice.
    pub message: String,
}

/// Reads a model's files and collects findings for the user.
pub(super) struct Reader<'a> {
    pub files: &'a ModelFiles,
    pub findings: Vec<ModelFinding>,
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
        self.findings.push(ModelFinding { file: file.to_owned(), message });
    }
}
