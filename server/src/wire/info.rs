//! TEI's `/info`.

use serde_json::{Value, json};

use super::reply::Reply;

/// The kind of a model. Dify reads only the first key of `model_type`, and refuses all but
/// "reranker" and "embedding".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// Includes embedding models, which serve `/rerank` too, unless the setting `info_kind` says
    /// otherwise.
    Reranker,
    Embedding,
    Classifier,
}

/// The facts of `/info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    pub model_id: String,
    /// The revision.
    pub model_sha: Option<String>,
    pub served_model_name: String,
    /// "float32", "float16", …
    pub model_dtype: String,
    pub kind: ModelKind,
    /// An embedding model's pooling, in TEI's words: "cls", "mean".
    pub pooling: Option<String>,
    /// Maximum number of tokens.
    pub max_input_length: usize,
    pub max_batch_tokens: usize,
    pub max_concurrent_requests: usize,
    /// Large: clients split their lists by it and so lose the order over the whole.
    pub max_client_batch_size: usize,
    pub auto_truncate: bool,
    pub tokenization_workers: usize,
    pub version: String,
}

impl Info {
    pub fn reply(&self) -> Reply {
        let labels = json!({ "id2label": { "0": "LABEL_0" }, "label2id": { "LABEL_0": 0 } });
        let model_type: Value = match self.kind {
            ModelKind::Reranker => json!({ "reranker": labels }),
            ModelKind::Classifier => json!({ "classifier": labels }),
            ModelKind::Embedding => json!({ "embedding": { "pooling": self.pooling } }),
        };
        Reply::json(&json!({
            "model_id": self.model_id,
            "model_sha": self.model_sha,
            "model_dtype": self.model_dtype,
            "served_model_name": self.served_model_name,
            "model_type": model_type,
            "max_concurrent_requests": self.max_concurrent_requests,
            "max_input_length": self.max_input_length,
            "max_batch_tokens": self.max_batch_tokens,
            "max_batch_requests": null,
            "max_client_batch_size": self.max_client_batch_size,
            "auto_truncate": self.auto_truncate,
            "tokenization_workers": self.tokenization_workers,
            "version": self.version,
            "sha": null,
            "docker_label": null,
        }))
    }
}
