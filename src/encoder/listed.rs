//! The entries of modules.json, and the names of the features that modules exchange.

use serde_json::Value;

/// The vectors of the tokens, `[tokens, width]`.
pub(crate) const TOKENS: &str = "token_embeddings";
/// The vector of the text.
pub(crate) const SENTENCE: &str = "sentence_embedding";
/// The scores of a cross-encoder.
pub(crate) const SCORES: &str = "scores";

/// An entry of modules.json.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// The class, with its Python module.
    pub class: String,
    /// The folder of the module's files; empty for the model's own.
    pub path: String,
    /// An unknown field of the entry, or arguments that it passes on, as JSON.
    pub more: Option<String>,
}

impl Listed {
    /// Returns the class without its Python module, which changes between releases.
    pub fn name(&self) -> &str {
        self.class.rsplit('.').next().unwrap_or_default()
    }

    /// Returns true if the class is from sentence-transformers or PyLate. Other classes are Python
    /// code beside the model.
    pub fn is_known_package(&self) -> bool {
        let package = self.class.split('.').next().unwrap_or_default();
        ["sentence_transformers", "pylate"].contains(&package)
    }

    /// Returns true if PyLate wrote the entry. PyLate's modules have defaults of their own.
    pub fn is_pylate(&self) -> bool {
        self.class.starts_with("pylate.")
    }

    /// Returns the path of a file in the module's folder.
    pub fn file(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }
}

/// Returns the features that a module reads and writes: `module_input_name`, and
/// `module_output_name` if it differs.
pub(super) fn feature_names(config: &Value, default: &str) -> (String, String) {
    let input = config["module_input_name"].as_str().unwrap_or(default);
    let output = config["module_output_name"].as_str().unwrap_or(input);
    (input.to_owned(), output.to_owned())
}
