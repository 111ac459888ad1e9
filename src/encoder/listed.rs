//! The entries of modules.json, and the names of what modules hand to each other.

use serde_json::Value;

/// The vectors of the tokens, `[tokens, width]`.
pub(crate) const TOKENS: &str = "token_embeddings";
/// The vector of the text.
pub(crate) const SENTENCE: &str = "sentence_embedding";
/// What a cross-encoder gives.
pub(crate) const SCORES: &str = "scores";

/// An entry of modules.json.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// The class with its Python module.
    pub class: String,
    /// The folder of the module's files; empty for the model's own.
    pub path: String,
    /// A field of the entry that is not known, or arguments that it passes on, as JSON.
    pub more: Option<String>,
}

impl Listed {
    /// The class without its Python module, which changes between releases.
    pub fn name(&self) -> &str {
        self.class.rsplit('.').next().unwrap_or_default()
    }

    /// Whether the class is one of sentence-transformers or PyLate: others are Python code beside the model.
    pub fn is_known_package(&self) -> bool {
        let package = self.class.split('.').next().unwrap_or_default();
        ["sentence_transformers", "pylate"].contains(&package)
    }

    /// Whether PyLate wrote it: its modules have defaults of their own.
    pub fn is_pylate(&self) -> bool {
        self.class.starts_with("pylate.")
    }

    /// A file in the module's folder.
    pub fn file(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }
}

/// What a module reads and writes: `module_input_name`, and `module_output_name` where it is another.
pub(super) fn feature_names(config: &Value, default: &str) -> (String, String) {
    let input = config["module_input_name"].as_str().unwrap_or(default);
    let output = config["module_output_name"].as_str().unwrap_or(input);
    (input.to_owned(), output.to_owned())
}
