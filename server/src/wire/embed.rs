//! An embeddings request and its answer, in OpenAI's, Voyage's and TEI's forms.

use std::num::NonZeroUsize;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Usage;
use super::body::RequestLimits;
use super::error::WireError;
use super::reply::Reply;
use super::rerank::Side;
use super::token_ids::TokenIds;
use super::value::wrong;

/// The format of the answer to an embeddings request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbedSurface {
    /// `/v1/embeddings`, `/embeddings`: OpenAI and Voyage.
    OpenAi,
    /// `/embed` and `POST /`: a bare list of vectors.
    Tei,
}

/// OpenAI's `encoding_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Float,
    /// Little-endian f32 in base64: what the OpenAI and Voyage SDKs ask for.
    Base64,
}

/// An embeddings request.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedRequest {
    pub surface: EmbedSurface,
    pub model: Option<String>,
    /// At least one.
    pub inputs: Vec<String>,
    pub format: Format,
    /// Leading dimensions to keep; None: all.
    pub dimensions: Option<NonZeroUsize>,
    /// None: as the model says.
    pub normalize: Option<bool>,
    /// A prompt of the model by name; Voyage's `input_type` "query" or "document" too.
    pub prompt_name: Option<String>,
    pub truncation: Option<bool>,
    pub truncation_side: Option<Side>,
    pub warnings: Vec<String>,
}

impl EmbedRequest {
    /// Checks `dimensions` against the model's, and returns the number of components to keep.
    ///
    /// A truncated vector has another length, so it must be normalized again.
    ///
    /// # Errors
    /// More dimensions than the model has.
    pub fn kept_dimensions(&self, model: &str, dimensions: usize) -> Result<usize, WireError> {
        match self.dimensions.map(NonZeroUsize::get) {
            None => Ok(dimensions),
            Some(wanted) if wanted <= dimensions => Ok(wanted),
            Some(wanted) => Err(WireError::Wrong {
                key: "dimensions".to_owned(),
                found: format!("the number {wanted}"),
                wanted: format!("an integer from 1 to {dimensions}, the dimensions of {model}"),
            }),
        }
    }
}

/// Vectors in the order of the inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    pub model: String,
    /// inputs x dimensions.
    pub vectors: Vec<Vec<f32>>,
    pub usage: Usage,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Floats(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct EmbeddingItem<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<EmbeddingItem<'a>>,
    model: &'a str,
    usage: Value,
}

impl Embeddings {
    /// Returns the reply to `request`.
    ///
    /// # Errors
    /// Another number of vectors than of inputs, or a number that is not finite: JSON would say
    /// null.
    pub fn reply(&self, request: &EmbedRequest) -> Result<Reply, WireError> {
        self.check(request)?;
        let reply = match request.surface {
            EmbedSurface::Tei => Reply::of(&self.vectors),
            EmbedSurface::OpenAi => self.openai(request.format),
        };
        Ok(reply?.with_warnings(&request.warnings))
    }

    fn openai(&self, format: Format) -> Result<Reply, WireError> {
        let usage = json!({ "prompt_tokens": self.usage.tokens, "total_tokens": self.usage.tokens });
        let entries = self.vectors.iter().enumerate();
        let data = entries.map(|(index, vector)| entry(index, vector, format)).collect();
        Reply::of(&List { object: "list", data, model: &self.model, usage })
    }

    fn check(&self, request: &EmbedRequest) -> Result<(), WireError> {
        let (got, wanted) = (self.vectors.len(), request.inputs.len());
        if got != wanted {
            return Err(WireError::Backend { detail: format!("{got} vectors for {wanted} inputs") });
        }
        match self.vectors.iter().position(|vector| vector.iter().any(|x| !x.is_finite())) {
            Some(index) => Err(WireError::NotFinite { index }),
            None => Ok(()),
        }
    }
}

fn entry(index: usize, vector: &[f32], format: Format) -> EmbeddingItem<'_> {
    let embedding = match format {
        Format::Float => Vector::Floats(vector),
        Format::Base64 => Vector::Base64(base64(vector)),
    };
    EmbeddingItem { object: "embedding", index, embedding }
}

fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// Reads a string, a list of strings, a list of token ids, or a list of lists of them.
pub(super) fn inputs(
    key: &str,
    value: &Value,
    ids: TokenIds,
    limits: &RequestLimits,
) -> Result<Vec<String>, WireError> {
    let list = match value {
        Value::String(text) => return Ok(vec![text.clone()]),
        Value::Array(list) => list,
        other => return Err(wrong(key, other, "a string or a list of strings")),
    };
    limits.check(key, list.len())?;
    if list.iter().all(Value::is_number) {
        return Ok(vec![decoded(key, value, ids)?]);
    }
    let one = |(i, value): (usize, &Value)| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(_) => decoded(&format!("{key}[{i}]"), value, ids),
        other => Err(wrong(&format!("{key}[{i}]"), other, "a string")),
    };
    list.iter().enumerate().map(one).collect()
}

fn decoded(key: &str, value: &Value, policy: TokenIds) -> Result<String, WireError> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let ids: Option<Vec<u32>> = value.as_array().and_then(|list| list.iter().map(id).collect());
    match ids {
        Some(ids) if ids.is_empty() => Err(WireError::Empty { key: key.to_owned() }),
        Some(ids) => policy.text(key, &ids),
        None => Err(wrong(key, value, "a string")),
    }
}
