//! The source of a static model's table.

/// The source of a static model's table, and the rules by which its texts are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableSource {
    /// The folder of tokenizer.json and model.safetensors, with a slash; empty for the model's own.
    pub folder: String,
    /// True for the rules of model2vec.
    pub is_model2vec: bool,
    /// The unknown token of a Unigram vocabulary.
    pub unknown: Option<u32>,
}
