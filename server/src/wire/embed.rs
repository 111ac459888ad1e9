//! An embeddings request and its answer, in OpenAI's, Voyage's and TEI's forms.

use std::num::NonZeroUsize;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Usage;
use super::body::Limits;
use super::error::WireError;
use super::reply::Reply;
use super::rerank::Side;
use super::value::{found, wrong};

/// Whose answer an embeddings request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbedSurface {
    /// `/v1/embeddings`, `/embeddings`: OpenAI and Voyage.
    OpenAi,
    /// `/embed` and `POST /`: a bare list of vectors.
    Tei,
}

/// What to do with token ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenIds {
    /// Say how to send texts. The ids are of cl100k_base, mostly, and in the range of BERT's vocabulary: to embed them as they
    /// are gives wrong vectors without a word.
    #[default]
    Refuse,
    /// Hand them on as [`Input::TokenIds`], to be decoded.
    HandOn,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Text(String),
    TokenIds(Vec<u32>),
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
    pub inputs: Vec<Input>,
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
struct Entry<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
    model: &'a str,
    usage: Value,
}

impl Embeddings {
    /// The reply to `request`.
    ///
    /// # Errors
    /// Another number of vectors than of inputs, or a number that is not finite: JSON would say null.
    pub fn reply(&self, request: &EmbedRequest) -> Result<Reply, WireError> {
        self.check(request)?;
        if request.surface == EmbedSurface::Tei {
            return Reply::of(&self.vectors);
        }
        let usage = json!({ "prompt_tokens": self.usage.tokens, "total_tokens": self.usage.tokens });
        let entries = self.vectors.iter().enumerate();
        let data = entries.map(|(index, vector)| entry(index, vector, request.format)).collect();
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

fn entry(index: usize, vector: &[f32], format: Format) -> Entry<'_> {
    let embedding = match format {
        Format::Float => Vector::Floats(vector),
        Format::Base64 => Vector::Base64(base64(vector)),
    };
    Entry { object: "embedding", index, embedding }
}

fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// A string, a list of strings, a list of token ids, or a list of lists of them.
pub(super) fn inputs(key: &str, value: &Value, ids: TokenIds, limits: &Limits) -> Result<Vec<Input>, WireError> {
    let list = match value {
        Value::String(text) => return Ok(vec![Input::Text(text.clone())]),
        Value::Array(list) => list,
        other => return Err(wrong(key, other, "a string or a list of strings")),
    };
    limits.check(key, list.len())?;
    if list.iter().all(Value::is_number) {
        return Ok(vec![token_ids(key, value, ids)?]);
    }
    let one = |(i, value): (usize, &Value)| match value {
        Value::String(text) => Ok(Input::Text(text.clone())),
        Value::Array(_) => token_ids(&format!("{key}[{i}]"), value, ids),
        other => Err(wrong(&format!("{key}[{i}]"), other, "a string")),
    };
    list.iter().enumerate().map(one).collect()
}

fn token_ids(key: &str, value: &Value, policy: TokenIds) -> Result<Input, WireError> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let ids: Option<Vec<u32>> = value.as_array().and_then(|list| list.iter().map(id).collect());
    match (ids, policy) {
        (Some(ids), _) if ids.is_empty() => Err(WireError::Empty { key: key.to_owned() }),
        (Some(_), TokenIds::Refuse) => Err(WireError::TokenIds { key: key.to_owned() }),
        (Some(ids), TokenIds::HandOn) => Ok(Input::TokenIds(ids)),
        (None, _) => Err(WireError::Wrong { key: key.to_owned(), found: found(value), wanted: "a string".to_owned() }),
    }
}
