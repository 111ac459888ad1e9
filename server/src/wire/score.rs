//! Scores of pairs: vLLM's `/score` and `/v1/score`, TEI's `/similarity`.

use std::num::NonZeroU32;

use serde_json::{Map, Value, json};

use super::answer::is_score;
use super::body::{RequestLimits, object, unknown_keys};
use super::error::WireError;
use super::openai::{given, optional};
use super::read::{side as side_of_text, tokens};
use super::reply::Reply;
use super::rerank::Side;
use super::scores::{Contract, Native, ScoreMap};
use super::value::{boolean, found, text, wrong};

/// The names of the two sides in vLLM's four request types.
pub(crate) const SIDES: &[(&str, &str)] =
    &[("text_1", "text_2"), ("queries", "documents"), ("queries", "items"), ("data_1", "data_2")];

pub(crate) const OTHER_KEYS: &[&str] = &["model", "user", "instruction", "truncate_prompt_tokens", "truncation_side"];

pub(crate) const SIMILARITY_KEYS: &[&str] = &["inputs", "parameters", "model"];

const PARAMETERS: &[&str] = &["truncate", "truncation_direction", "prompt_name"];

/// The format of the answer to a score request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreSurface {
    Vllm,
    /// `/similarity`: a bare list.
    Tei,
}

/// Texts to score in pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreRequest {
    pub surface: ScoreSurface,
    pub model: Option<String>,
    pub instruction: Option<String>,
    /// A prompt of the model, by name.
    pub prompt_name: Option<String>,
    /// vLLM's `truncate_prompt_tokens`: both texts together.
    pub max_tokens_per_pair: Option<NonZeroU32>,
    /// True if long texts are cut; false makes them an error. None: the server's default.
    pub truncation: Option<bool>,
    /// The end that is cut away.
    pub truncation_side: Option<Side>,
    /// At least one; one text goes with every text of `right`, several with one each.
    pub left: Vec<String>,
    pub right: Vec<String>,
    pub warnings: Vec<String>,
}

/// Scores in the order of the pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreAnswer {
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    pub model: String,
    pub native: Native,
    /// Finite, or minus infinity for a pair without text.
    pub scores: Vec<f64>,
    pub tokens: u64,
}

impl ScoreRequest {
    /// Returns the pairs in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let left = self.left.iter().cycle().map(String::as_str);
        left.zip(self.right.iter().map(String::as_str))
    }

    /// Returns the reply, in the order of the pairs.
    ///
    /// # Errors
    /// Another number of scores than of pairs; NaN or plus infinity.
    pub fn reply(&self, answer: &ScoreAnswer) -> Result<Reply, WireError> {
        let (got, wanted) = (answer.scores.len(), self.right.len());
        if got != wanted {
            return Err(WireError::Backend { detail: format!("{got} scores for {wanted} pairs") });
        }
        if let Some(index) = answer.scores.iter().position(|score| !is_score(*score)) {
            return Err(WireError::NotFinite { index });
        }
        let map = ScoreMap::choose(answer.native, Contract::Similarity);
        let scores = answer.scores.iter().map(|score| map.apply(*score));
        if self.surface == ScoreSurface::Tei {
            return Ok(Reply::json(&scores.collect()).with_notes(map.name(), &self.warnings));
        }
        let entry = |(index, score): (usize, f64)| json!({ "index": index, "object": "score", "score": score });
        let data: Vec<Value> = scores.enumerate().map(entry).collect();
        let body = json!({
            "id": answer.id,
            "object": "list",
            "created": answer.created,
            "model": answer.model,
            "data": data,
            "usage": { "prompt_tokens": answer.tokens, "total_tokens": answer.tokens },
        });
        Ok(Reply::json(&body).with_notes(map.name(), &self.warnings))
    }
}

/// Reads a `/score` body: `text_1` and `text_2`, `queries` and `documents` or `items`, or `data_1`
/// and `data_2`.
///
/// # Errors
/// No pair of keys, a value of a wrong type, other counts than 1:1, 1:N or N:N, more pairs than the
/// limits allow.
pub fn read_score(bytes: &[u8], limits: &RequestLimits) -> Result<ScoreRequest, WireError> {
    let body = object(bytes, limits)?;
    let whole = |(a, b): &&(&str, &str)| given(&body, a).is_some() && given(&body, b).is_some();
    let (a, b) = *SIDES.iter().find(whole).ok_or_else(|| half(&body))?;
    let left = side(&body, a)?;
    let right = side(&body, b)?;
    limits.check(a, left.len())?;
    limits.check(b, right.len())?;
    if left.len() > 1 && left.len() != right.len() {
        let found = format!("{} texts, with {} in '{a}'", right.len(), left.len());
        let wanted = format!("as many texts as '{a}', or one text in '{a}'");
        return Err(WireError::Wrong { key: b.to_owned(), found, wanted });
    }
    let known = SIDES.iter().flat_map(|(a, b)| [*a, *b]).chain(OTHER_KEYS.iter().copied());
    let word = |key: &str| given(&body, key).map(|value| text(key, value)).transpose();
    Ok(ScoreRequest {
        surface: ScoreSurface::Vllm,
        model: word("model")?,
        instruction: word("instruction")?,
        prompt_name: None,
        max_tokens_per_pair: optional(&body, "truncate_prompt_tokens", tokens)?.flatten(),
        truncation: None,
        truncation_side: optional(&body, "truncation_side", side_of_text)?,
        left,
        right,
        warnings: unknown_keys(&body, known),
    })
}

/// Makes the refusal that names the missing key of a pair.
fn half(body: &Map<String, Value>) -> WireError {
    let missing = |(a, b): &(&'static str, &'static str)| match (given(body, a), given(body, b)) {
        (Some(_), None) => Some(*b),
        (None, Some(_)) => Some(*a),
        _ => None,
    };
    let key = SIDES.iter().find_map(missing).unwrap_or("text_1");
    WireError::Missing {
        key: key.to_owned(),
        wanted: "two sides: text_1 and text_2, queries and documents (or items), or data_1 and data_2",
    }
}

/// Reads a side: a text, an object `{text}`, or a list of these.
fn side(body: &Map<String, Value>, key: &str) -> Result<Vec<String>, WireError> {
    match body.get(key) {
        Some(Value::Array(list)) => {
            list.iter().enumerate().map(|(i, value)| one(&format!("{key}[{i}]"), value)).collect()
        }
        Some(value) => Ok(vec![one(key, value)?]),
        None => Ok(Vec::new()),
    }
}

fn one(key: &str, value: &Value) -> Result<String, WireError> {
    let inner = value.as_object().and_then(|object| object.get("text")).unwrap_or(value);
    inner.as_str().map(str::to_owned).ok_or_else(|| wrong(key, value, "a string or an object {\"text\": …}"))
}

/// Reads a `/similarity` body: `{inputs: {source_sentence, sentences}, parameters?}`
/// (huggingface_hub's `sentence_similarity`).
///
/// # Errors
/// A required key missing, a value of a wrong type, more sentences than the limits allow.
pub fn read_similarity(bytes: &[u8], limits: &RequestLimits) -> Result<ScoreRequest, WireError> {
    let body = object(bytes, limits)?;
    let wanted = "an object {\"source_sentence\": …, \"sentences\": […]}";
    let value = given(&body, "inputs").ok_or(WireError::Missing { key: "inputs".to_owned(), wanted })?;
    let inputs = value.as_object().ok_or_else(|| wrong("inputs", value, wanted))?;
    let inner = |key: &str| {
        let missing = || WireError::Missing { key: format!("inputs.{key}"), wanted };
        given(inputs, key).ok_or_else(missing)
    };
    let source = text("inputs.source_sentence", inner("source_sentence")?)?;
    let list = inner("sentences")?;
    let sentences = list.as_array().ok_or_else(|| WireError::Wrong {
        key: "inputs.sentences".to_owned(),
        found: found(list),
        wanted: "a list of strings".to_owned(),
    })?;
    limits.check("inputs.sentences", sentences.len())?;
    let none = Map::new();
    let parameters = match given(&body, "parameters") {
        Some(value) => value.as_object().ok_or_else(|| wrong("parameters", value, "an object"))?,
        None => &none,
    };
    let mut warnings = unknown_keys(&body, SIMILARITY_KEYS.iter().copied());
    warnings.extend(unknown_keys(parameters, PARAMETERS.iter().copied()));
    let sentence = |(i, value): (usize, &Value)| text(&format!("inputs.sentences[{i}]"), value);
    Ok(ScoreRequest {
        surface: ScoreSurface::Tei,
        model: given(&body, "model").map(|value| text("model", value)).transpose()?,
        instruction: None,
        prompt_name: optional(parameters, "prompt_name", text)?,
        max_tokens_per_pair: None,
        truncation: optional(parameters, "truncate", boolean)?,
        truncation_side: optional(parameters, "truncation_direction", side_of_text)?,
        left: vec![source],
        right: sentences.iter().enumerate().map(sentence).collect::<Result<_, _>>()?,
        warnings,
    })
}
