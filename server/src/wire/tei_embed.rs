//! TEI's `/embed` and `POST /` (`router/src/http/types.rs`).

use super::body::{RequestLimits, object, unknown_keys};
use super::dialect::Dialect;
use super::embed::{EmbedRequest, EmbedSurface, Format, inputs};
use super::error::WireError;
use super::info::ModelKind;
use super::openai::{dimension, given};
use super::read::{Reading, read_rerank, side};
use super::rerank::RerankRequest;
use super::score::{ScoreRequest, read_similarity};
use super::tei_predict::{PredictRequest, read_predict};
use super::token_ids::TokenIds;
use super::value::{boolean, text, wrong};

pub(crate) const EMBED_KEYS: &[&str] = &[
    "inputs",
    "truncate",
    "truncation_direction",
    "prompt_name",
    "normalize",
    "dimensions",
    "encoding_format",
    "model",
];

/// Reads an `/embed` body.
///
/// # Errors
/// A required key missing, a value of a wrong type, token ids where they are refused, more inputs
/// than the limits allow.
pub fn read_embed(bytes: &[u8], ids: TokenIds, limits: &RequestLimits) -> Result<EmbedRequest, WireError> {
    let body = object(bytes, limits)?;
    let list = given(&body, "inputs")
        .ok_or(WireError::Missing { key: "inputs".to_owned(), wanted: "a string or a list of strings" })?;
    // huggingface_hub has the field, but reads only numbers.
    if let Some(other) = given(&body, "encoding_format").filter(|format| format.as_str() != Some("float")) {
        return Err(wrong("encoding_format", other, "\"float\""));
    }
    let flag = |key: &str| given(&body, key).map(|value| boolean(key, value)).transpose();
    let word = |key: &str| given(&body, key).map(|value| text(key, value)).transpose();
    Ok(EmbedRequest {
        surface: EmbedSurface::Tei,
        model: word("model")?,
        inputs: inputs("inputs", list, ids, limits)?,
        format: Format::Float,
        dimensions: given(&body, "dimensions").map(|value| dimension("dimensions", value)).transpose()?,
        normalize: flag("normalize")?,
        prompt_name: word("prompt_name")?,
        truncation: flag("truncate")?,
        truncation_side: given(&body, "truncation_direction").map(|v| side("truncation_direction", v)).transpose()?,
        warnings: unknown_keys(&body, EMBED_KEYS.iter().copied()),
    })
}

/// The kinds of requests to `POST /`.
#[derive(Debug, Clone, PartialEq)]
pub enum RootRequest {
    Embed(EmbedRequest),
    Similarity(ScoreRequest),
    Predict(PredictRequest),
    Rerank(RerankRequest),
}

/// Reads a body of `POST /`. huggingface_hub's `sentence_similarity` and `feature_extraction` post
/// there; the first has a `source_sentence`. Other `inputs` are classified by a classifier and
/// embedded by other models. A body without `inputs` is a rerank request.
///
/// # Errors
/// As the endpoint of the request's kind.
pub fn read_root(
    bytes: &[u8],
    kind: ModelKind,
    ids: TokenIds,
    limits: &RequestLimits,
) -> Result<RootRequest, WireError> {
    let body = object(bytes, limits)?;
    if given(&body, "inputs").is_some_and(|inputs| inputs.get("source_sentence").is_some()) {
        return read_similarity(bytes, limits).map(RootRequest::Similarity);
    }
    if given(&body, "inputs").is_none() && given(&body, "texts").is_some() {
        let reading = Reading { dialect: Some(Dialect::Tei), limits: *limits, ..Reading::default() };
        return read_rerank(bytes, &reading).map(RootRequest::Rerank).map_err(|(error, _)| error);
    }
    match kind {
        ModelKind::Classifier => read_predict(bytes, limits).map(RootRequest::Predict),
        ModelKind::Embedding | ModelKind::Reranker => read_embed(bytes, ids, limits).map(RootRequest::Embed),
    }
}
